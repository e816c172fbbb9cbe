package main

import (
	"encoding/json"
	"fmt"
	"time"

	"teiki/internal/schedule"
)

// scheduleFields are the definition's fields that make its schedule, alone.
type scheduleFields struct {
	ScheduleType string          `json:"schedule_type"`
	Cron         json.RawMessage `json:"cron,omitempty"`
	Interval     json.RawMessage `json:"interval,omitempty"`
	RunAt        json.RawMessage `json:"run_at,omitempty"`
	Timezone     string          `json:"timezone,omitempty"`
}

// scheduleText is the schedule part of a definition as the database keeps it.
func (d *Definition) scheduleText() string {
	b, err := json.Marshal(scheduleFields{d.ScheduleType, d.Cron, d.Interval, d.RunAt, d.Timezone})
	if err != nil {
		panic(err) // raw JSON that was parsed before: cannot fail
	}
	return string(b)
}

// source is the schedule part of a definition as the schedule package reads it.
func (d *Definition) source(anchor instant) schedule.Source {
	return schedule.Source{Type: d.ScheduleType, Cron: d.Cron, Interval: d.Interval, RunAt: d.RunAt,
		Timezone: d.Timezone, Anchor: anchor.Time()}
}

// parseSchedule reads what scheduleText wrote. An error means that the zone data or the database has changed under it.
func parseSchedule(text string, anchor instant) (*schedule.Schedule, error) {
	var f scheduleFields
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return nil, fmt.Errorf("schedule %q: %w", text, err)
	}
	s, faults := schedule.Parse(schedule.Source{Type: f.ScheduleType, Cron: f.Cron, Interval: f.Interval, RunAt: f.RunAt,
		Timezone: f.Timezone, Anchor: anchor.Time()}, "UTC")
	if len(faults) > 0 {
		return nil, fmt.Errorf("schedule %q: %s: %s", text, faults[0].Field, faults[0].Detail)
	}
	return s, nil
}

// nextAfter is the first planned firing strictly later than at, 0 when there is none.
func nextAfter(s *schedule.Schedule, at instant) instant {
	t, ok := s.Next(at.Time())
	if !ok {
		return 0
	}
	return instantOf(t)
}

// dueAt is when a planned firing is to leave: the planned time, plus the job's jitter.
func dueAt(s *schedule.Schedule, job int64, planned instant) instant {
	if s.Jitter() == 0 {
		return planned
	}
	return instantOf(s.Due(planned.Time(), uint64(job)))
}

// zoneTime is an instant as answers show it: RFC 3339 in the job's zone.
func zoneTime(i instant, loc *time.Location) string {
	return i.Time().In(loc).Format(time.RFC3339Nano)
}
