package main

import (
	"time"

	"teiki/internal/schedule"
)

// jobRow is a job in lists. The first three fields are those of the old service.
type jobRow struct {
	JobID        string     `json:"job_id"`
	NextRunTime  *string    `json:"next_run_time"`
	Trigger      string     `json:"trigger"`
	State        string     `json:"state"`
	ScheduleType string     `json:"schedule_type"`
	Timezone     string     `json:"timezone"`
	Method       string     `json:"method"`
	TargetURL    string     `json:"target_url"`
	Name         string     `json:"name,omitempty"`
	Tags         []string   `json:"tags,omitempty"`
	AutoTags     []string   `json:"auto_tags"`
	Owner        string     `json:"owner,omitempty"`
	Paused       *pauseView `json:"paused,omitempty"`
	LastRun      *lastRun   `json:"last_run"`
}

// pauseView is the pause that holds a job.
type pauseView struct {
	At     string  `json:"at"`
	Reason string  `json:"reason"`
	Until  *string `json:"until"`
}

// lastRun is the called run of a job that ended last.
type lastRun struct {
	RunID  string `json:"run_id"`
	Status Status `json:"status"`
}

// jobView is one job, whole: the row, the definition with the server's settings where it says nothing, and what became of it.
type jobView struct {
	jobRow
	nested // one level deeper, so that of fields that both have, the row's is shown

	Defaults     []string         `json:"defaults"` // fields that follow the server's settings
	Words        string           `json:"schedule_description"`
	NextRunTimes []string         `json:"next_run_times"`
	Counts       map[Status]int64 `json:"counts"`
	InARow       int              `json:"failures_in_row"`
	Version      int              `json:"version"`
	CreatedAt    string           `json:"created_at"`
	UpdatedAt    string           `json:"updated_at"`
}

type nested struct{ Definition }

// runView is one run. attempts is a number in lists and the list of attempts in the answer for one run.
type runView struct {
	RunID          string  `json:"run_id"`
	JobID          string  `json:"job_id"`
	Version        int     `json:"version"`
	Status         Status  `json:"status"`
	Reason         string  `json:"reason"`
	Trigger        Trigger `json:"trigger"`
	ScheduledAt    *string `json:"scheduled_at"`
	ScheduledUntil *string `json:"scheduled_until"`
	Count          int     `json:"count"`
	DueAt          *string `json:"due_at"`
	StartedAt      *string `json:"started_at"`
	FinishedAt     *string `json:"finished_at"`
	LagMS          any     `json:"lag_ms"`
	DurationMS     any     `json:"duration_ms"`
	HTTPStatus     *int    `json:"http_status"`
	Attempts       any     `json:"attempts"`
}

// shown is an instant in a zone, nil for none.
func shown(i instant, loc *time.Location) *string {
	if i == 0 {
		return nil
	}
	s := zoneTime(i, loc)
	return &s
}

// compiled is the schedule of a stored job. Zone data that lost a zone can break it: the job is then shown without times.
func compiled(j *Job) (*schedule.Schedule, *time.Location) {
	if s, err := j.Schedule(); err == nil {
		return s, s.Location()
	}
	return nil, time.UTC
}

func (a *api) showRow(j *Job) jobRow {
	s, loc := compiled(j)
	return a.rowOf(j, s, loc)
}

func (a *api) rowOf(j *Job, s *schedule.Schedule, loc *time.Location) jobRow {
	d := j.Definition
	row := jobRow{JobID: j.JobID, NextRunTime: shown(j.NextAt, loc), State: j.State, ScheduleType: d.ScheduleType, Timezone: d.Timezone,
		Method: d.Method, TargetURL: redactURL(d.TargetURL), Name: d.Name, Tags: d.Tags, AutoTags: autoTags(d, j.Owner), Owner: j.Owner}
	if s != nil {
		row.Trigger = s.String()
	}
	if j.PausedAt != 0 {
		row.Paused = &pauseView{At: zoneTime(j.PausedAt, loc), Reason: j.PauseReason, Until: shown(j.PauseUntil, loc)}
	}
	if j.LastRun != 0 {
		row.LastRun = &lastRun{a.store.RunID(j.LastRun), j.LastStatus}
	}
	return row
}

func optional(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// view shows a whole job with its next count planned times, in words of a language ("en" or "ja").
func (a *api) view(j *Job, count int, lang string) jobView {
	s, loc := compiled(j)
	v := jobView{jobRow: a.rowOf(j, s, loc), nested: nested{redact(*j.Definition)}, NextRunTimes: []string{}, Counts: j.Counts,
		InARow: j.FailuresInRow, Version: j.Version, CreatedAt: zoneTime(j.CreatedAt, loc), UpdatedAt: zoneTime(j.UpdatedAt, loc)}
	v.Defaults = fillDefaults(&v.Definition, a.settings)
	if v.Counts == nil {
		v.Counts = map[Status]int64{}
	}
	if s == nil {
		return v
	}
	v.Words = s.Describe(lang)
	for at := nextPlanned(j, s); at != 0 && len(v.NextRunTimes) < count; at = nextAfter(s, at) {
		v.NextRunTimes = append(v.NextRunTimes, zoneTime(at, loc))
	}
	return v
}

// nextPlanned is the first firing to come; for a job whose pause has an end, the first one after that; 0 = none.
func nextPlanned(j *Job, s *schedule.Schedule) instant {
	if j.PausedAt != 0 {
		if j.PauseUntil == 0 {
			return 0
		}
		return nextAfter(s, max(j.PauseUntil, j.cursor))
	}
	return j.NextAt
}

func (a *api) showRun(r RunView, withAttempts bool) runView {
	loc := time.UTC
	if r.Plan.Schedule != nil {
		loc = r.Plan.Schedule.Location()
	}
	v := runView{RunID: a.store.RunID(r.ID), JobID: r.JobID, Version: r.Version, Status: r.Status, Reason: r.Reason, Trigger: r.Trigger,
		ScheduledAt: shown(r.ScheduledAt, loc), ScheduledUntil: shown(r.ScheduledUntil, loc), Count: max(r.Count, 1),
		StartedAt: shown(r.StartedAt, loc), FinishedAt: shown(r.FinishedAt, loc), HTTPStatus: optional(r.HTTPStatus), Attempts: r.Attempt}
	if r.Status == Pending || r.Status == Retrying {
		v.DueAt = shown(r.DueAt, loc)
	}
	if r.StartedAt != 0 {
		v.LagMS = millis(r.StartedAt.Sub(r.due()))
		if r.FinishedAt != 0 {
			v.DurationMS = millis(r.FinishedAt.Sub(r.StartedAt))
		}
	}
	if withAttempts {
		list := make([]Attempt, len(r.Attempts))
		for i, at := range r.Attempts {
			list[i] = at
			list[i].StartedAt = at.StartedAt.In(loc)
		}
		v.Attempts = list
	}
	return v
}

// due is when a run's first attempt was to leave: the scheduled time with its jitter, or when somebody asked for it.
func (r RunView) due() instant {
	switch r.Trigger {
	case ByHand:
		return r.ScheduledAt
	case ByRerun, ByBackfill:
		return instant(r.ID >> 20 * 1000) // the key begins with the run's creation in milliseconds
	}
	if r.Plan.Schedule == nil {
		return r.ScheduledAt
	}
	return dueAt(r.Plan.Schedule, r.Job, r.ScheduledAt)
}

// millis is a duration in milliseconds with the resolution of instants.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fillDefaults puts the server's settings where d says nothing, and names those fields. d is a copy for showing.
func fillDefaults(d *Definition, s *Settings) []string {
	names := []string{}
	seconds := func(name string, p **float64, preset time.Duration) {
		if *p == nil {
			v := preset.Seconds()
			*p, names = &v, append(names, name)
		}
	}
	whole := func(name string, p **int, preset int) {
		if *p == nil {
			*p, names = &preset, append(names, name)
		}
	}
	seconds("timeout_sec", &d.TimeoutSec, s.Timeout)
	seconds("connect_timeout_sec", &d.ConnectTimeoutSec, s.ConnectTimeout)
	whole("max_retries", &d.MaxRetries, s.MaxRetries)
	seconds("retry_backoff_sec", &d.RetryBackoffSec, s.RetryBackoff)
	whole("max_instances", &d.MaxInstances, s.Policy.MaxInstances)
	if d.Overlap == "" {
		d.Overlap, names = s.Policy.Overlap, append(names, "overlap")
	}
	if d.Coalesce == nil {
		d.Coalesce, names = &s.Policy.Coalesce, append(names, "coalesce")
	}
	if !d.MisfireGraceTime.Given {
		d.MisfireGraceTime = Grace{Given: true, NoLimit: s.Policy.Grace < 0, Sec: max(0, s.Policy.Grace.Seconds())}
		names = append(names, "misfire_grace_time")
	}
	whole("catchup_limit", &d.CatchupLimit, s.Policy.CatchupLimit)
	whole("keep_runs", &d.KeepRuns, s.KeepRuns)
	seconds("keep_runs_sec", &d.KeepRunsSec, s.KeepPeriod)
	return names
}
