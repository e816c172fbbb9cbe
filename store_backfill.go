package main

import (
	"context"
	"fmt"
)

const (
	// maxBackfill is how many runs one backfill makes.
	maxBackfill = 1000
	// maxBackfillPlan is how many planned firings one backfill looks at.
	maxBackfillPlan = 100_000
)

// BackfillRequest asks for runs of firings that have gone by.
type BackfillRequest struct {
	From, To instant // both included; firings that the loop has still to settle are left to it
	All      bool    // also those that were called; otherwise those alone that were missed, skipped or coalesced, or have no row
	DryRun   bool    // change nothing
}

// Backfill makes a pending run for each firing that b asks for, planned by the job's present schedule, and gives them in
// order; with DryRun they have no ID. errTooMany when the range holds more than one backfill may make.
func (s *Store) Backfill(ctx context.Context, jobID string, b BackfillRequest) (runs []*Run, err error) {
	j, err := s.Job(ctx, jobID)
	if err != nil {
		return nil, err
	}
	wanted, err := s.backfillPlan(ctx, j, b)
	if err != nil {
		return nil, err
	}
	if b.DryRun || len(wanted) == 0 {
		for _, at := range wanted {
			runs = append(runs, j.backfillRun(at, 0))
		}
		return runs, nil
	}
	err = s.change(ctx, func(t *tx) error {
		runs = runs[:0]
		now, err := t.jobByKey(j.ID)
		if err != nil {
			return err
		}
		if now.DeletedAt != 0 || now.Version != j.Version {
			return errConflict
		}
		for _, at := range wanted {
			if !b.All { // another backfill may have come between
				var called bool
				if err := t.get([]any{&called}, "SELECT EXISTS (SELECT 1 FROM runs WHERE job = ? AND scheduled_at = ? AND status NOT IN ('missed', 'skipped', 'coalesced'))", j.ID, int64(at)); err != nil {
					return err
				}
				if called {
					continue
				}
			}
			r := j.backfillRun(at, t.now)
			if err := t.insertRun(r); err != nil {
				return err
			}
			runs = append(runs, r)
		}
		t.touch(j.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return runs, nil
}

func (j *Job) backfillRun(at, due instant) *Run {
	return &Run{Job: j.ID, JobID: j.JobID, Version: j.Version, Trigger: ByBackfill, Status: Pending, ScheduledAt: at, DueAt: due, Count: 1}
}

// backfillPlan finds the firings that b wants, on the caller's goroutine: the writer has better to do.
func (s *Store) backfillPlan(ctx context.Context, j *Job, b BackfillRequest) (wanted []instant, err error) {
	plan, err := j.Schedule()
	if err != nil {
		return nil, err
	}
	to := min(b.To, j.cursor, s.now())
	called := map[instant]bool{}
	if !b.All {
		rows, err := s.read.QueryContext(ctx, "SELECT scheduled_at FROM runs WHERE job = ? AND scheduled_at BETWEEN ? AND ? AND status NOT IN ('missed', 'skipped', 'coalesced') LIMIT ?",
			j.ID, int64(b.From), int64(to), maxBackfillPlan)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var at instant
			if err := rows.Scan(&at); err != nil {
				return nil, err
			}
			called[at] = true
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	seen := 0
	for at := nextAfter(plan, max(b.From-1, 1)); at != 0 && at <= to; at = nextAfter(plan, at) {
		if seen++; seen > maxBackfillPlan {
			return nil, fmt.Errorf("%w: more than %d firings are planned in this range", errTooMany, maxBackfillPlan)
		}
		if called[at] {
			continue
		}
		if len(wanted) == maxBackfill {
			return nil, fmt.Errorf("%w: the range holds more than %d firings to make up for", errTooMany, maxBackfill)
		}
		wanted = append(wanted, at)
	}
	return wanted, nil
}
