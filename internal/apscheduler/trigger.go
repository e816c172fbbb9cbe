// Package apscheduler reads the text forms of APScheduler 3.x's triggers, as its services show them in lists, back into the
// schedule fields of a job.
package apscheduler

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Schedule is the schedule part of a job's JSON.
type Schedule struct {
	ScheduleType string             `json:"schedule_type"`
	Cron         map[string]string  `json:"cron,omitempty"`
	Interval     map[string]float64 `json:"interval,omitempty"`
	RunAt        string             `json:"run_at,omitempty"`
}

var (
	cronField = regexp.MustCompile(`^\s*([a-z_]+)='([^']*)'\s*(?:,|$)`)
	interval  = regexp.MustCompile(`^(?:(\d+) days?, )?(\d+):(\d{2}):(\d{2})(\.\d+)?$`)
	date      = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})(?: (.*))?$`)
)

// Parse reads a trigger such as cron[hour='10', minute='30'], interval[0:10:00] or date[2025-09-20 15:00:00 JST]. next is
// the job's next time, in RFC 3339 or "": a date's abbreviated zone says less than its offset does, so it comes from there.
func Parse(trigger, next string) (*Schedule, error) {
	kind, rest, ok := strings.Cut(strings.TrimSpace(trigger), "[")
	inner, closed := strings.CutSuffix(rest, "]")
	if !ok || !closed {
		return nil, fmt.Errorf("%.100q is no trigger such as cron[hour='10'], interval[0:10:00] or date[2025-09-20 15:00:00 JST]", trigger)
	}
	switch kind {
	case "cron":
		return parseCron(inner)
	case "interval":
		return parseInterval(inner)
	case "date":
		return parseDate(inner, next)
	}
	return nil, fmt.Errorf("%.40q is no kind of trigger that can be carried over: cron, interval and date are", kind)
}

func parseCron(inner string) (*Schedule, error) {
	s := &Schedule{ScheduleType: "cron", Cron: map[string]string{}}
	for rest := inner; strings.TrimSpace(rest) != ""; {
		m := cronField.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("in cron[%.100s] the part %.60q is no field such as hour='10'", inner, rest)
		}
		s.Cron[m[1]] = m[2]
		rest = rest[len(m[0]):]
	}
	if len(s.Cron) == 0 {
		return nil, fmt.Errorf("cron[] has no fields")
	}
	return s, nil
}

func parseInterval(inner string) (*Schedule, error) {
	m := interval.FindStringSubmatch(inner)
	if m == nil {
		return nil, fmt.Errorf("interval[%.60s] is no duration such as 0:10:00 or 1 day, 0:00:00", inner)
	}
	s := &Schedule{ScheduleType: "interval", Interval: map[string]float64{}}
	for i, unit := range []string{"days", "hours", "minutes", "seconds"} {
		text := m[i+1]
		if unit == "seconds" {
			text += m[5]
		}
		if n, err := strconv.ParseFloat(text, 64); err == nil && n > 0 {
			s.Interval[unit] = n
		}
	}
	if len(s.Interval) == 0 {
		return nil, fmt.Errorf("interval[%.60s] is empty", inner)
	}
	return s, nil
}

func parseDate(inner, next string) (*Schedule, error) {
	m := date.FindStringSubmatch(inner)
	if m == nil {
		return nil, fmt.Errorf("date[%.60s] is no time such as 2025-09-20 15:00:00 JST", inner)
	}
	if t, err := time.Parse(time.RFC3339Nano, next); err == nil {
		return &Schedule{ScheduleType: "date", RunAt: t.Format(time.RFC3339Nano)}, nil
	}
	switch m[2] {
	case "JST":
		return &Schedule{ScheduleType: "date", RunAt: strings.Replace(m[1], " ", "T", 1) + "+09:00"}, nil
	case "UTC", "GMT":
		return &Schedule{ScheduleType: "date", RunAt: strings.Replace(m[1], " ", "T", 1) + "Z"}, nil
	}
	return nil, fmt.Errorf("date[%.60s]: what the zone %.20q is cannot be known without next_run_time", inner, m[2])
}

// JSON is the schedule as members of a JSON object.
func (s *Schedule) JSON() map[string]json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain maps: cannot fail
	}
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal(b, &m)
	return m
}
