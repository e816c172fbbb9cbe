package main

import (
	"context"
	"fmt"
)

// setState finds out where j stands.
func (t *tx) setState(j *Job) error {
	j.State = StateScheduled
	if j.PausedAt != 0 {
		j.State = StatePaused
	} else if j.NextAt == 0 {
		var open bool
		if err := t.get([]any{&open}, "SELECT EXISTS (SELECT 1 FROM runs WHERE job = ? AND finished_at IS NULL)", j.ID); err != nil {
			return err
		}
		if !open {
			j.State = StateCompleted
		}
	}
	return nil
}

// replace makes d the next version of j at the instant at, and ends its pause. The same definition again changes nothing but
// the pause, so that deploying twice does not restart an interval; a job that is over starts anew in any case.
func (t *tx) replace(j *Job, d *Definition, at instant) error {
	if j.State == StatePaused {
		if err := t.resume(j, at); err != nil {
			return err
		}
	}
	return t.newVersion(j, d, at, j.State == StateCompleted)
}

// UpdateJob stores the definition that edit computes from the job as it stands, as its next version. edit runs inside the
// transaction, so that nothing comes between what it sees and what is stored; it must be quick, and its error ends the change.
// Waiting runs go on under the version they were made under. The same definition again is no new version.
func (s *Store) UpdateJob(ctx context.Context, jobID string, edit func(now *Job) (*Definition, error)) (job *Job, err error) {
	err = s.changeJob(ctx, jobID, &job, func(t *tx, j *Job) error {
		if err := j.parse(); err != nil {
			return err
		}
		d, err := edit(j)
		if err != nil {
			return err
		}
		return t.newVersion(j, d, t.now, false)
	})
	return job, err
}

// newVersion settles j's plan up to at and makes d its next version from there on.
func (t *tx) newVersion(j *Job, d *Definition, at instant, anew bool) error {
	next := *j
	if err := next.setDefinition(d); err != nil {
		return err
	}
	if next.definition == j.definition && !anew {
		j.Definition = d
		return nil
	}
	if next.schedule != j.schedule || anew {
		next.AnchorAt = at
	}
	plan, err := next.Schedule()
	if err != nil {
		return err
	}
	rate := t.rate(&next)
	if err := t.withinQuota(j.Owner, j.ID, rate); err != nil {
		return err
	}
	if at = max(at, j.cursor); since(plan, at) >= j.cursor {
		at = since(plan, at)
	}
	if err := t.settle(j, at); err != nil {
		return err
	}
	if err := t.archive(j, j.cursor); err != nil {
		return err
	}
	data, err := t.zoneData(plan)
	if err != nil {
		return err
	}
	next.Version++
	next.UpdatedAt, next.EffectiveAt, next.cursor, next.NextAt = t.now, j.cursor, j.cursor, 0
	if j.PausedAt == 0 {
		next.NextAt = nextAfter(plan, j.cursor)
	}
	if _, err := t.exec(`UPDATE jobs SET version = ?, schedule = ?, policy = ?, host = ?, zone_data = ?, anchor_at = ?, effective_at = ?, updated_at = ?, definition = ?, rate = ?
		WHERE id = ?`, next.Version, next.schedule, next.policy, hostKey(d.TargetURL), data, int64(next.AnchorAt), int64(next.EffectiveAt),
		int64(next.UpdatedAt), next.definition, rate, j.ID); err != nil {
		return fmt.Errorf("new version: %w", err)
	}
	*j = next
	if err := t.setState(j); err != nil {
		return err
	}
	return t.setTimer(j)
}

// archive keeps j's present version as a former one, which planned up to until.
func (t *tx) archive(j *Job, until instant) error {
	_, err := t.exec(`INSERT INTO versions (job, version, definition, schedule, zone_data, anchor_at, effective_at, until_at)
		SELECT id, version, definition, schedule, zone_data, anchor_at, effective_at, ? FROM jobs WHERE id = ?`, int64(until), j.ID)
	if err != nil {
		return fmt.Errorf("former version: %w", err)
	}
	return nil
}

// DeleteJob marks the job as deleted: nothing fires, waiting runs end as canceled, and a call that is out may finish.
func (s *Store) DeleteJob(ctx context.Context, jobID string) (*Job, error) {
	return s.DeleteJobIf(ctx, jobID, nil)
}

// DeleteJobIf is DeleteJob when allow, which sees the job inside the transaction, has no error; nil allows.
func (s *Store) DeleteJobIf(ctx context.Context, jobID string, allow func(*Job) error) (job *Job, err error) {
	err = s.changeJob(ctx, jobID, &job, func(t *tx, j *Job) error {
		if allow != nil {
			if err := allow(j); err != nil {
				return err
			}
		}
		if err := t.settle(j, t.now); err != nil {
			return err
		}
		n, err := t.exec("UPDATE runs SET status = 'canceled', reason = ?, due_at = NULL, finished_at = ? WHERE job = ? AND finished_at IS NULL AND status IN ('pending', 'retrying')",
			ReasonDeleted, int64(t.now), j.ID)
		if err != nil {
			return err
		}
		if err := t.count(j.ID, Canceled, int(n)); err != nil {
			return err
		}
		if _, err := t.exec("UPDATE pauses SET resumed_at = ? WHERE job = ? AND resumed_at IS NULL", int64(j.cursor), j.ID); err != nil {
			return err
		}
		if _, err := t.exec("UPDATE jobs SET deleted_at = ?, updated_at = ? WHERE id = ?", int64(j.cursor), int64(t.now), j.ID); err != nil {
			return err
		}
		j.DeletedAt, j.NextAt = j.cursor, 0
		return t.setTimer(j)
	})
	return job, err
}

// changeJob runs apply with the living job jobID in the writer's transaction and leaves that job, as changed, in to.
func (s *Store) changeJob(ctx context.Context, jobID string, to **Job, apply func(t *tx, j *Job) error) error {
	err := s.change(ctx, func(t *tx) error {
		j, err := t.job(jobID)
		if err != nil {
			return err
		}
		before := *j
		if err := apply(t, j); err != nil {
			return err
		}
		if j.Definition == nil {
			if err := j.parse(); err != nil {
				return err
			}
		}
		t.noteJob(&before, j)
		t.touch(j.ID)
		*to = j
		return nil
	})
	if err != nil {
		*to = nil
	}
	return err
}
