package main

import (
	"context"
	"errors"
	"fmt"
)

// settle gives every firing of j's present plan up to at its row, as the timer loop would have, except that what is to be
// called now waits as pending: the loop starts it. Afterwards j.cursor is the boundary between the plan so far and whatever
// the caller puts in its place; the caller stores it (setTimer).
func (t *tx) settle(j *Job, at instant) error {
	boundary := max(at, j.cursor)
	if j.NextAt != 0 && j.NextAt <= at {
		out, err := t.fates(j, at)
		if err != nil {
			return err
		}
		for _, r := range out.Rows {
			if r.Status == Running {
				r.Status, r.Attempt, r.StartedAt = Pending, 0, 0
			}
			if r.Status == Pending && r.DueAt == 0 {
				r.DueAt = r.ScheduledAt
			}
			if err := t.insertRun(r); err != nil {
				return err
			}
			if !r.Status.Open() {
				j.Counts[r.Status] += int64(r.Count)
			}
		}
		boundary = max(boundary, out.Cursor)
		j.NextAt = out.Next
	}
	j.cursor = boundary
	return nil
}

// fates asks the planner what becomes of j's firings up to at.
func (t *tx) fates(j *Job, at instant) (out settlement, err error) {
	in := settleInput{Job: j.ID, Version: j.Version, NextAt: j.NextAt, Now: at, Boundary: true}
	if in.Schedule, err = j.Schedule(); err != nil {
		// Zone data without the job's zone: the job must stay editable, and what it had planned can't be known.
		t.s.log.Error("the plan of a job can't be read, its due firings are not settled", "job_id", j.JobID, "error", err)
		return settlement{Next: 0, Cursor: j.cursor}, nil
	}
	if in.Policy, err = parsePolicy(j.policy, t.s.policy); err != nil {
		return out, err
	}
	err = t.each(func(scan func(...any) error) error {
		var status Status
		var trigger Trigger
		if err := scan(&status, &trigger); err != nil {
			return err
		}
		in.add(status, trigger)
		return nil
	}, "SELECT status, trigger FROM runs WHERE job = ? AND finished_at IS NULL", j.ID)
	if err != nil {
		return out, err
	}
	return settle(in)
}

// setTimer stores what the loop goes by.
func (t *tx) setTimer(j *Job) error {
	_, err := t.exec("UPDATE timers SET version = ?, next_at = ?, cursor_at = ? WHERE job = ?", j.Version, orNull(j.NextAt), int64(j.cursor), j.ID)
	return err
}

// PauseJob stops the job's firings until somebody resumes it, or until the instant until when that is not 0. Calls that are
// out finish; waiting runs of the plan are held. A job that is paused already gets the new reason and until.
func (s *Store) PauseJob(ctx context.Context, jobID, reason string, until instant) (job *Job, err error) {
	err = s.changeJob(ctx, jobID, &job, func(t *tx, j *Job) error { return t.pause(j, reason, until) })
	return job, err
}

func (t *tx) pause(j *Job, reason string, until instant) error {
	if j.PausedAt != 0 {
		_, err := t.exec("UPDATE pauses SET reason = ?, until_at = ? WHERE job = ? AND resumed_at IS NULL", reason, orNull(until), j.ID)
		j.PauseReason, j.PauseUntil = reason, until
		return err
	}
	if err := t.settle(j, t.now); err != nil {
		return err
	}
	// A pause right after one that ended at the same boundary goes on with it: no firing lies between them.
	_, err := t.exec(`INSERT INTO pauses (job, paused_at, until_at, reason) VALUES (?,?,?,?)
		ON CONFLICT (job, paused_at) DO UPDATE SET resumed_at = NULL, until_at = excluded.until_at, reason = excluded.reason`,
		j.ID, int64(j.cursor), orNull(until), reason)
	if err != nil {
		return err
	}
	j.State, j.PausedAt, j.PauseReason, j.PauseUntil, j.NextAt = StatePaused, j.cursor, reason, until, 0
	return t.setTimer(j)
}

// ResumeJob ends the job's pause now. A job that is not paused stays as it is.
func (s *Store) ResumeJob(ctx context.Context, jobID string) (job *Job, err error) {
	err = s.changeJob(ctx, jobID, &job, func(t *tx, j *Job) error { return t.resume(j, t.now) })
	return job, err
}

// Resume ends a pause whose until has come; see ledger. A pause that was changed in the meantime stays.
func (s *Store) Resume(ctx context.Context, job int64, at instant) error {
	return s.change(ctx, func(t *tx) error {
		j, err := t.jobByKey(job)
		if errors.Is(err, errNotFound) || (err == nil && (j.DeletedAt != 0 || j.PausedAt == 0 || j.PauseUntil == 0 || j.PauseUntil > at)) {
			t.touch(job) // the caller's picture of the job is old
			return nil
		}
		if err != nil {
			return err
		}
		t.touch(job)
		return t.resume(j, j.PauseUntil)
	})
}

// resume ends j's pause at the instant at: the plan goes on after it. Held runs that are too late by now end here.
func (t *tx) resume(j *Job, at instant) error {
	if j.PausedAt == 0 {
		return nil
	}
	boundary := max(at, j.cursor)
	if _, err := t.exec("UPDATE pauses SET resumed_at = ? WHERE job = ? AND resumed_at IS NULL", int64(boundary), j.ID); err != nil {
		return err
	}
	s, err := j.Schedule()
	if err != nil {
		return err
	}
	j.cursor, j.NextAt = boundary, nextAfter(s, boundary)
	j.State, j.PausedAt, j.PauseUntil, j.PauseReason = StateScheduled, 0, 0, ""
	if j.FailuresInRow > 0 { // whoever resumes a job that failed grants it as many failures again
		j.FailuresInRow = 0
		if _, err := t.exec("UPDATE timers SET failures_in_row = 0 WHERE job = ?", j.ID); err != nil {
			return err
		}
	}
	if err := t.dropLate(j); err != nil {
		return err
	}
	if err := t.setState(j); err != nil {
		return err
	}
	return t.setTimer(j)
}

// dropLate ends the waiting runs of j's plan that the pause has held beyond misfire_grace_time: missed without an attempt,
// failed after one.
func (t *tx) dropLate(j *Job) error {
	p, err := parsePolicy(j.policy, t.s.policy)
	if err != nil || p.Grace < 0 {
		return err
	}
	for _, end := range []struct {
		status Status
		reason string
		query  string
	}{
		{Missed, ReasonMisfire, "UPDATE runs SET status = 'missed', reason = ?, due_at = NULL, finished_at = ? WHERE job = ? AND trigger = 'schedule' AND finished_at IS NULL AND status IN ('pending', 'retrying') AND attempt = 0 AND due_at < ?"},
		{Failed, ReasonRetryLate, "UPDATE runs SET status = 'failed', reason = ?, due_at = NULL, finished_at = ? WHERE job = ? AND trigger = 'schedule' AND finished_at IS NULL AND status IN ('pending', 'retrying') AND attempt > 0 AND due_at < ?"},
	} {
		n, err := t.exec(end.query, end.reason, int64(t.now), j.ID, int64(t.now.Add(-max(p.Grace, leastLateness))))
		if err != nil {
			return err
		}
		if n > 0 {
			if err := t.count(j.ID, end.status, int(n)); err != nil {
				return err
			}
			j.Counts[end.status] += n
		}
	}
	return nil
}

// pauseAfterFailures pauses job when its last n runs have all failed. It does so under a savepoint: a job that can't be
// paused goes on failing, the ends of others that share the transaction are kept.
func (t *tx) pauseAfterFailures(job int64, n int) error {
	var failures int
	if err := t.get([]any{&failures}, "SELECT failures_in_row FROM timers WHERE job = ?", job); err != nil || failures < n {
		return err
	}
	op := &changeOp{apply: func(t *tx) error { return t.pauseFailing(job, failures) }}
	if err := t.change(op); err != nil {
		return err
	}
	if op.err != nil {
		t.s.log.Error("a job could not be paused after its failures", "job", job, "failures", failures, "error", op.err)
	}
	return nil
}

func (t *tx) pauseFailing(job int64, failures int) error {
	j, err := t.jobByKey(job)
	if err != nil || j.PausedAt != 0 || j.DeletedAt != 0 {
		return err
	}
	t.touch(job)
	return t.pause(j, fmt.Sprintf("%d failures in a row", failures), 0)
}
