package main

import "context"

// ledger is what the scheduler and the executor ask of the store, and nothing more: another database has to meet this
// interface and its conformance test (store_conformance_test.go).
//
// Claim and Finish only queue: they never block. Their done functions are called once, from the store's writer, after the
// commit that made the change durable or after it failed; done must be quick and must not call back into the ledger's
// blocking methods.
type ledger interface {
	// Timers calls each for every living job, and for every deleted one that has open runs.
	Timers(ctx context.Context, each func(Timer) error) error
	// Timer reads one job anew; ok is false when nothing is left to do for it.
	Timer(ctx context.Context, job int64) (t Timer, ok bool, err error)
	// Schedules reads the present schedules of many jobs in one go, in any order; jobs that are gone are left out.
	Schedules(ctx context.Context, jobs []int64) ([]ScheduleText, error)
	// Claim commits claims, as many as wait in one transaction. held[i] tells whether claim i took effect: it does not when
	// the job or the run has changed since it was read (compare and set). With err != nil none took effect.
	Claim(claims []Claim, done func(held []bool, err error))
	// Finish commits the end of an attempt. It is retried until the disk takes it; accepted is false when the attempt was
	// not the current one any more. A retry of a run that was to be canceled or replaced, or whose job is deleted, becomes
	// its end; then the hook changed tells of the job.
	Finish(f Finish, done func(accepted bool))
	// Definition reads the definition that a run was made under.
	Definition(ctx context.Context, job int64, version int) (jobID string, d *Definition, err error)
	// Definitions reads many versions in one go. texts[i] is the JSON of keys[i]'s definition and names[i] its job_id; both are ""
	// for one that is not found this way, a former version for example: Definition knows it.
	Definitions(ctx context.Context, keys []versionKey) (names, texts []string, err error)
	// Resume ends the pause of a job whose until has come (at is that instant).
	Resume(ctx context.Context, job int64, at instant) error
}

// Timer is what the loop needs to know of a job.
type Timer struct {
	Job        int64
	Version    int
	Schedule   string // canonical JSON of the schedule part
	Anchor     instant
	Policy     string // canonical JSON of the policy part
	Host       string
	NextAt     instant // 0 = nothing to fire
	CursorAt   instant
	Paused     bool
	PauseUntil instant // 0 = until resumed by a person
	Open       []OpenRun
}

// ScheduleText is the schedule of one version of a job, and what its call will need.
type ScheduleText struct {
	Job        int64
	Version    int
	Text       string // canonical JSON
	Anchor     instant
	JobID      string
	Definition string // canonical JSON; "" = too long to be read ahead of the call
}

// OpenRun is a run that has not ended.
type OpenRun struct {
	Run         int64
	Version     int
	Trigger     Trigger
	Status      Status
	ScheduledAt instant
	DueAt       instant
	StartedAt   instant
	Attempt     int
}

// Claim is one job's step forward: new rows for the firings from From up to Cursor, the next firing, and waiting runs that
// start now. All of it takes effect, or nothing.
type Claim struct {
	Job     int64
	Version int     // compared with timers.version
	From    instant // compared with timers.next_at; 0 = no firing is claimed, only Starts
	Next    instant // new next_at; 0 = the schedule is over
	Cursor  instant // new cursor_at
	Rows    []*Run  // inserted; the store gives each its ID
	Starts  []Start
	Ends    []End
	Replace []int64 // running runs that the new ones replace: marked, so that they end as canceled and not in a retry
}

// Start moves a pending or retrying run to running, as attempt Attempt+1.
type Start struct {
	Run     int64
	Attempt int // compared with runs.attempt
}

// End closes a pending or retrying run without another attempt.
type End struct {
	Run     int64
	Attempt int // compared with runs.attempt
	Status  Status
	Reason  string
}

// Finish is the end of one attempt of a run, and what follows from it.
type Finish struct {
	Run        int64
	Job        int64
	Attempt    Attempt // its Attempt number is compared with runs.attempt; appended to runs.attempts
	Status     Status  // an end, or Retrying
	Reason     string
	DueAt      instant // of the next attempt, when Status is Retrying
	StartedAt  instant // of the first attempt
	FinishedAt instant
	PauseAfter int // pause_after_failures of the job, 0 = never
}

// Dispatch is a claimed attempt on its way to the executor.
type Dispatch struct {
	Run         int64
	Job         int64
	Version     int
	Trigger     Trigger
	ScheduledAt instant
	DueAt       instant
	StartedAt   instant // of the first attempt, 0 = this is the first
	Attempt     int     // from 1
	Last        bool    // no further call of the job is near: nothing need be kept ready for one

	host *host // the slot that the call holds; the scheduler's alone
}

// caller is what the scheduler asks of the executor. No method blocks.
type caller interface {
	// Expect tells of versions whose calls are near. It is safe from any goroutine; what it keeps of them is up to the executor.
	Expect(near []ScheduleText)
	// Start makes the call of d, which is committed. When the call has ended, the executor tells the scheduler (ended), hands
	// the outcome to the ledger, and tells the scheduler again when that is on disk (finished).
	Start(d Dispatch)
	// Interrupted concludes the attempt of d, which a crash of the former process cut off, and hands the outcome to the ledger;
	// the scheduler is told as of any other (finished, without ended).
	Interrupted(d Dispatch)
	// Cancel ends the call of a run that is out, if it is out, with a cause: errReplaced or errCanceled.
	Cancel(run int64, cause error)
}
