package main

import "time"

// JobRecord is one job as answers show it.
type JobRecord struct {
	Job        int64
	JobID      string
	Version    int
	Definition *Definition
	Anchor     instant // where an interval without start_date starts counting
	CreatedAt  instant
	UpdatedAt  instant

	NextAt   instant // 0 = paused, or over
	CursorAt instant

	PausedAt    instant // 0 = not paused
	PauseUntil  instant // 0 = until resumed by a person
	PauseReason string

	Open          bool // has a run that has not ended
	Counts        map[Status]int64
	FailuresInRow int
	LastRun       *RunRecord // the run that ended last, without its attempts; nil = none yet
}

// State is paused, completed (the schedule is over and no run is open) or scheduled.
func (j *JobRecord) State() string {
	switch {
	case j.PausedAt != 0:
		return "paused"
	case j.NextAt == 0 && !j.Open:
		return "completed"
	}
	return "scheduled"
}

// RunRecord is a run as answers show it.
type RunRecord struct {
	Run
	RunID string // UUIDv7
	Zone  string // IANA name of its job's zone
	// Jitter is how much later than ScheduledAt the first attempt was to leave.
	Jitter time.Duration
}

// JobFilter selects jobs and a page of them.
type JobFilter struct {
	After int64 // jobs.id of the last one of the page before
	Limit int
	State string   // "" = all
	Tags  []string // all of them
	Q     string   // part of job_id, name or target_url
}

// RunFilter selects runs and a page of them. Zero values select all.
type RunFilter struct {
	JobID      string
	Statuses   []Status
	Trigger    Trigger
	From, To   instant // scheduled_at, both inclusive
	HTTPStatus int
	Q          string // part of the attempts' text: error, detail, response excerpt
	Limit      int
	Cursor     string // as Runs gave it
}

// BackfillRequest asks for runs of firings of the past.
type BackfillRequest struct {
	From, To instant // both inclusive
	All      bool    // also firings that have a run that was called
	DryRun   bool    // make nothing, only say what would be made
}
