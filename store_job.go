package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"teiki/internal/schedule"
)

// The states of a job.
const (
	StateScheduled = "scheduled" // fires again, or its last run is still open
	StatePaused    = "paused"
	StateCompleted = "completed" // its schedule is over and no run is open
)

// Job is a job as it stands in the database.
type Job struct {
	ID          int64 // database key; a deleted job's is never used again
	JobID       string
	Version     int         // from 1, +1 with each change of the definition
	Definition  *Definition // shared: read only
	CreatedAt   instant
	UpdatedAt   instant
	EffectiveAt instant // this version plans the firings later than this
	AnchorAt    instant // where an interval without start_date counts from
	DeletedAt   instant // 0 = alive
	Owner       string  // who sees and changes it besides admins; "" = made without access control

	State       string  // scheduled | paused | completed
	NextAt      instant // first planned firing without a row, 0 = none
	PausedAt    instant // 0 = not paused
	PauseUntil  instant // 0 = until somebody resumes it
	PauseReason string

	Counts        map[Status]int64 // firings by how they ended, since creation
	FailuresInRow int              // failed or interrupted runs since the last success
	LastRun       int64            // the called run that ended last, 0 = none
	LastStatus    Status

	cursor instant
	pruned instant
	texts
}

// texts are the forms in which the database keeps a definition.
type texts struct {
	definition string // all of it, as JSON
	schedule   string // see scheduleText
	policy     string // see policyText
	shown      string // definition without its literal credentials; "" = not made yet
}

// textsOf gives d's.
func textsOf(d *Definition) (texts, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return texts{}, fmt.Errorf("definition: %w", err)
	}
	return texts{definition: string(b), schedule: d.scheduleText(), policy: d.policyText()}, nil
}

// jobColumns and jobTables read a Job; jobScan takes the columns in this order.
const (
	jobColumns = `j.id, j.job_id, j.version, j.schedule, j.policy, j.anchor_at, j.effective_at, j.created_at, j.updated_at,
		coalesce(j.deleted_at, 0), j.definition, j.owner, coalesce(t.next_at, 0), t.cursor_at, t.succeeded, t.failed, t.interrupted, t.canceled,
		t.missed, t.skipped, t.coalesced, t.failures_in_row, coalesce(t.last_run, 0), coalesce(t.last_status, ''), t.pruned_at,
		coalesce(p.paused_at, 0), coalesce(p.until_at, 0), coalesce(p.reason, ''),
		t.next_at IS NULL AND p.job IS NULL AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.job = j.id AND r.finished_at IS NULL)`
	jobTables = ` FROM jobs j JOIN timers t ON t.job = j.id LEFT JOIN pauses p ON p.job = j.id AND p.resumed_at IS NULL`
)

// jobScan reads one row of jobColumns. It leaves Definition nil; see parse.
func jobScan(scan func(...any) error) (*Job, error) {
	var j Job
	var n [7]int64
	var over bool
	err := scan(&j.ID, &j.JobID, &j.Version, &j.schedule, &j.policy, &j.AnchorAt, &j.EffectiveAt, &j.CreatedAt, &j.UpdatedAt,
		&j.DeletedAt, &j.definition, &j.Owner, &j.NextAt, &j.cursor, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &j.FailuresInRow,
		&j.LastRun, &j.LastStatus, &j.pruned, &j.PausedAt, &j.PauseUntil, &j.PauseReason, &over)
	if err != nil {
		return nil, err
	}
	j.Counts = map[Status]int64{Succeeded: n[0], Failed: n[1], Interrupted: n[2], Canceled: n[3], Missed: n[4], Skipped: n[5], Coalesced: n[6]}
	j.State = StateScheduled
	if j.PausedAt != 0 {
		j.State = StatePaused
	} else if over {
		j.State = StateCompleted
	}
	return &j, nil
}

// parse fills in Definition.
func (j *Job) parse() (err error) {
	j.Definition, err = parseDefinition(j.definition)
	if err != nil {
		return fmt.Errorf("job %s: %w", j.JobID, err)
	}
	return nil
}

func parseDefinition(text string) (*Definition, error) {
	d := new(Definition)
	if err := json.Unmarshal([]byte(text), d); err != nil {
		return nil, fmt.Errorf("stored definition: %w", err)
	}
	return d, nil
}

// Schedule compiles the job's present schedule.
func (j *Job) Schedule() (*schedule.Schedule, error) { return parseSchedule(j.schedule, j.AnchorAt) }

// setDefinition makes d the job's, in its stored forms.
func (j *Job) setDefinition(d *Definition) (err error) {
	j.Definition = d
	j.texts, err = textsOf(d)
	return err
}

// job reads the living job with the name jobID that the asker may touch; errNotFound.
func (t *tx) job(jobID string) (*Job, error) {
	j, err := t.anyJob(jobID)
	if err == nil {
		err = t.allowed(j)
	}
	if err != nil {
		return nil, err
	}
	return j, nil
}

// anyJob reads the living job with the name jobID, whoever asks; errNotFound.
func (t *tx) anyJob(jobID string) (*Job, error) {
	return t.oneJob("SELECT "+jobColumns+jobTables+" WHERE j.job_id = ? AND j.deleted_at IS NULL", jobID)
}

// jobByKey reads the job with the key id, also a deleted one; errNotFound.
func (t *tx) jobByKey(id int64) (*Job, error) {
	return t.oneJob("SELECT "+jobColumns+jobTables+" WHERE j.id = ?", id)
}

func (t *tx) oneJob(query string, arg any) (j *Job, err error) {
	err = t.each(func(scan func(...any) error) error { j, err = jobScan(scan); return err }, query, arg)
	if err == nil && j == nil {
		err = errNotFound
	}
	return j, err
}

// Job reads the living job with the name jobID; errNotFound.
func (r *Reader) Job(ctx context.Context, jobID string) (*Job, error) {
	row := r.read.QueryRowContext(ctx, "SELECT "+jobColumns+jobTables+" WHERE j.job_id = ? AND j.deleted_at IS NULL", jobID)
	j, err := jobScan(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	if !askerOf(ctx).sees(j.Owner) {
		return nil, errNotFound
	}
	return j, j.parse()
}
