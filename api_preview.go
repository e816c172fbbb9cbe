package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"teiki/internal/schedule"
)

// previewRequest is the schedule part of a job, and which of its times to show.
type previewRequest struct {
	ScheduleType string          `json:"schedule_type"`
	Cron         json.RawMessage `json:"cron"`
	Interval     json.RawMessage `json:"interval"`
	RunAt        json.RawMessage `json:"run_at"`
	Timezone     string          `json:"timezone"`
	From         json.RawMessage `json:"from"`  // first instant that may be shown; absent = now
	Count        *int            `json:"count"` // absent = 5
}

// preview is POST /schedules/preview: what a schedule means, without a job. It refuses what POST /jobs would refuse, judged at
// from; but where from is given, a schedule that is over by then has no times rather than a fault.
func (a *api) preview(w http.ResponseWriter, r *http.Request) error {
	var req previewRequest
	body, err := requestBody(w, r, false)
	if err != nil {
		return err
	}
	faults, err := decodeBody(body, &req)
	if err != nil {
		return err
	}
	from, wrong := instantField("from", req.From, false)
	faults = append(faults, wrong...)
	count := 5
	if req.Count != nil {
		if count = *req.Count; count < 1 || count > maxNext {
			faults = append(faults, Fault{"count", fmt.Sprintf("must be from 1 to %d, not %d", maxNext, count)})
		}
	}
	start := a.now()
	if from != 0 {
		start = from.Time()
	}
	d := Definition{ScheduleType: req.ScheduleType, Cron: present(req.Cron), Interval: present(req.Interval), RunAt: present(req.RunAt), Timezone: req.Timezone}
	sched, found := schedule.Parse(d.source(instantOf(start)), a.settings.Timezone)
	for _, f := range found {
		faults = append(faults, Fault(f))
	}
	if sched != nil {
		if f := sched.Check(start); f != nil && (from == 0 || !everFires(&d, a.settings.Timezone)) {
			faults = append(faults, Fault(*f))
		}
	}
	if faults = firstPerField(faults); len(faults) > 0 {
		return invalid(faults)
	}
	out := struct {
		Trigger      string   `json:"trigger"`
		Timezone     string   `json:"timezone"`
		Description  string   `json:"description"`
		NextRunTimes []string `json:"next_run_times"`
	}{sched.String(), sched.Zone(), sched.Describe(languageOf(r)), []string{}}
	for at, ok := sched.First(start); ok && len(out.NextRunTimes) < count; at, ok = sched.Next(at) {
		out.NextRunTimes = append(out.NextRunTimes, at.Format(time.RFC3339Nano))
	}
	return writeJSON(w, http.StatusOK, out)
}

// everFires tells whether the valid schedule of d has a firing at all, be it in the past.
func everFires(d *Definition, zone string) bool {
	s, _ := schedule.Parse(d.source(1), zone) // an interval that began in 1970
	_, ok := s.First(time.Unix(0, 0))
	return ok
}

// present is raw, or nil where it is null.
func present(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}
