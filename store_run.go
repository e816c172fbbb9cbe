package main

import (
	"context"
	"fmt"
)

// RunNow makes a run of the job that starts at once, also when the job is paused or over.
func (s *Store) RunNow(ctx context.Context, jobID string) (*Run, error) {
	return s.runByHand(ctx, jobID, func(t *tx, run *Run) {
		run.Status = Pending
		t.touch(run.Job)
	})
}

// BeginTrial makes a manual run of the job whose call leaves now, past the scheduler: whatever the job's pause and overlap say.
// The caller makes the call, ends the run with Finish, and tells the scheduler.
func (s *Store) BeginTrial(ctx context.Context, jobID string) (*Run, error) {
	return s.runByHand(ctx, jobID, func(t *tx, run *Run) {
		run.Status, run.StartedAt, run.Attempt = Running, t.now, 1
	})
}

// runByHand stores a manual run of the job in the state that begin gives it.
func (s *Store) runByHand(ctx context.Context, jobID string, begin func(t *tx, run *Run)) (run *Run, err error) {
	err = s.change(ctx, func(t *tx) error {
		j, err := t.job(jobID)
		if err != nil {
			return err
		}
		run = &Run{Job: j.ID, JobID: j.JobID, Version: j.Version, Trigger: ByHand, ScheduledAt: t.now, DueAt: t.now, Count: 1}
		begin(t, run)
		if err := t.insertRun(run); err != nil {
			return err
		}
		t.noteRun(j, run)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// RerunRun makes a new run for the firing of run, under the job's present definition. errConflict for a run that has not ended
// or that stands for many firings; errNotFound also when its job is deleted.
func (s *Store) RerunRun(ctx context.Context, run int64) (again *Run, err error) {
	err = s.change(ctx, func(t *tx) error {
		old, err := t.run(run)
		if err != nil {
			return err
		}
		if old.Status.Open() {
			return fmt.Errorf("%w: the run has not ended", errConflict)
		}
		if old.Count > 1 {
			return fmt.Errorf("%w: the row stands for %d firings, use backfill from %s", errConflict, old.Count, old.ScheduledAt.Time())
		}
		j, err := t.jobByKey(old.Job)
		if err != nil {
			return err
		}
		if j.DeletedAt != 0 {
			return fmt.Errorf("%w: its job is deleted", errNotFound)
		}
		if err := t.allowed(j); err != nil {
			return err
		}
		again = &Run{Job: j.ID, JobID: j.JobID, Version: j.Version, Trigger: ByRerun, Status: Pending, ScheduledAt: old.ScheduledAt, DueAt: t.now, Count: 1}
		t.touch(j.ID)
		if err := t.insertRun(again); err != nil {
			return err
		}
		t.noteRun(j, again)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return again, nil
}

// CancelRun ends a run that waits. A run whose call is out is returned as it is, running: the caller has the executor cancel
// the call, whose end then comes the usual way. errConflict for a run that has ended.
func (s *Store) CancelRun(ctx context.Context, run int64) (r *Run, err error) {
	err = s.change(ctx, func(t *tx) error {
		if r, err = t.run(run); err != nil {
			return err
		}
		j, err := t.jobByKey(r.Job)
		if err != nil {
			return err
		}
		if err := t.allowed(j); err != nil {
			return err
		}
		r.JobID = j.JobID
		t.noteRun(j, r)
		switch r.Status {
		case Running: // should its attempt end in a retry, that one is not made
			r.Reason = ReasonByUser
			_, err := t.exec("UPDATE runs SET reason = ? WHERE id = ?", r.Reason, r.ID)
			return err
		case Pending, Retrying:
		default:
			return fmt.Errorf("%w: the run has ended: %s", errConflict, r.Status)
		}
		r.Status, r.Reason, r.DueAt, r.FinishedAt = Canceled, ReasonByUser, 0, t.now
		if _, err := t.exec("UPDATE runs SET status = 'canceled', reason = ?, due_at = NULL, finished_at = ? WHERE id = ?", r.Reason, int64(t.now), r.ID); err != nil {
			return err
		}
		t.touch(r.Job)
		return t.count(r.Job, Canceled, 1)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// run reads a run; errNotFound.
func (t *tx) run(id int64) (r *Run, err error) {
	err = t.each(func(scan func(...any) error) error { r, _, err = runScan(scan); return err }, "SELECT "+runColumns+" FROM runs r WHERE r.id = ?", id)
	if err == nil && r == nil {
		err = errNotFound
	}
	if err != nil {
		return nil, err
	}
	return r, t.get([]any{&r.JobID}, "SELECT job_id FROM jobs WHERE id = ?", r.Job)
}
