package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

const runColumns = `r.id, r.job, r.version, r.trigger, r.status, r.reason, r.scheduled_at, coalesce(r.scheduled_until, 0), r.count, coalesce(r.due_at, 0),
	coalesce(r.started_at, 0), coalesce(r.finished_at, 0), coalesce(r.http_status, 0), r.attempt, coalesce(r.attempts, '')`

// runScan reads one row of runColumns. It leaves JobID empty.
func runScan(scan func(...any) error) (*Run, error) {
	r := new(Run)
	var attempts string
	err := scan(&r.ID, &r.Job, &r.Version, &r.Trigger, &r.Status, &r.Reason, &r.ScheduledAt, &r.ScheduledUntil, &r.Count, &r.DueAt,
		&r.StartedAt, &r.FinishedAt, &r.HTTPStatus, &r.Attempt, &attempts)
	if err == nil && attempts != "" {
		if err = json.Unmarshal([]byte(attempts), &r.Attempts); err != nil {
			err = fmt.Errorf("attempts of run %d: %w", r.ID, err)
		}
	}
	return r, err
}

// RunView is a run with what is needed to show it: its job's name and the plan it was made under (zone, jitter).
type RunView struct {
	*Run
	Plan *Plan // of the run's version; of the present one when retention has removed that
}

// Run reads one run with its attempts; errNotFound.
func (r *Reader) Run(ctx context.Context, id int64) (RunView, error) {
	run, err := runScan(r.read.QueryRowContext(ctx, "SELECT "+runColumns+" FROM runs r WHERE r.id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return RunView{}, errNotFound
	}
	if err != nil {
		return RunView{}, err
	}
	return r.view(ctx, run)
}

// view adds the plan to a run.
func (r *Reader) view(ctx context.Context, run *Run) (RunView, error) {
	p, err := r.Plan(ctx, run.Job, run.Version)
	if err != nil {
		return RunView{}, err
	}
	run.JobID = p.JobID
	return RunView{run, p}, nil
}
