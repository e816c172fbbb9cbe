package main

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
