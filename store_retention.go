package main

import (
	"context"
	"database/sql"
	"time"
)

const (
	sweepEvery = 10 * time.Minute
	// sweepStep rows are deleted in one change of a few milliseconds, so that a claim behind it hardly waits.
	sweepStep = 100
	sweepJobs = 100 // jobs looked at in one read
	// sweepShare bounds the share of the time that sweeping takes: after each step it rests so many times as long.
	sweepShare = 4
	// keepDeleted is how long a deleted job without runs stays, at least: the ledger of that time still has its plan.
	keepDeleted = 24 * time.Hour
)

// retention says how much history a job keeps unless its definition says otherwise.
type retention struct {
	runs   int           // newest rows per job, 0 = no limit
	period time.Duration // 0 = no limit
	every  time.Duration // between two sweeps
}

// prune is what is to be deleted of one job: ended runs scheduled up to `to` whose key is below `key`.
type prune struct {
	job     int64
	deleted instant // when the job was deleted, 0 = alive
	to      instant
	key     int64
}

// sweepForever deletes old history now and then until the store closes.
func (s *Store) sweepForever() {
	for {
		select {
		case <-time.After(s.keep.every):
		case <-s.quit.Done():
			return
		}
		if _, err := s.sweep(s.quit, s.now()); err != nil && s.quit.Err() == nil {
			s.log.Warn("old history could not be deleted, trying again later", "error", err)
		}
		if err := s.sweepRecords(s.quit, s.now()); err != nil && s.quit.Err() == nil {
			s.log.Warn("old records could not be deleted, trying again later", "error", err)
		}
	}
}

// sweep goes through all jobs once, deletes what their retention does not keep at the instant now, and tells how many rows
// that were.
func (s *Store) sweep(ctx context.Context, now instant) (deleted int, err error) {
	for after := int64(0); ; {
		began := time.Now()
		work, last, err := s.prunable(ctx, after, now)
		if err != nil || last == 0 {
			return deleted, err
		}
		after = last
		if err := rest(ctx, time.Since(began)); err != nil {
			return deleted, err
		}
		for len(work) > 0 {
			step := time.Now()
			done, rows, err := s.pruneStep(ctx, work, now)
			deleted += rows
			if err != nil {
				return deleted, err
			}
			work = work[done:]
			if err := rest(ctx, time.Since(step)); err != nil {
				return deleted, err
			}
		}
	}
}

// rest waits sweepShare times as long as something took.
func rest(ctx context.Context, took time.Duration) error {
	select {
	case <-time.After(sweepShare * took):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// prunable looks at the next jobs after a key and finds those with something to delete; last is 0 when no job is left.
func (s *Store) prunable(ctx context.Context, after int64, now instant) (work []prune, last int64, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, coalesce(deleted_at, 0), json_extract(definition, '$.keep_runs'), json_extract(definition, '$.keep_runs_sec'),
		coalesce((SELECT min(scheduled_at) FROM runs WHERE job = jobs.id), 0) FROM jobs WHERE id > ? ORDER BY id LIMIT ?`, after, sweepJobs)
	if err != nil {
		return nil, 0, err
	}
	type look struct {
		prune
		oldest instant
		keep   retention
	}
	var looks []look
	defer rows.Close()
	for rows.Next() {
		l := look{keep: s.keep}
		var runs sql.NullInt64
		var sec sql.NullFloat64
		if err := rows.Scan(&l.job, &l.deleted, &runs, &sec, &l.oldest); err != nil {
			return nil, 0, err
		}
		if runs.Valid {
			l.keep.runs = int(runs.Int64)
		}
		if sec.Valid {
			l.keep.period = time.Duration(sec.Float64 * float64(time.Second))
		}
		looks = append(looks, l)
		last = l.job
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	for _, l := range looks {
		if l.oldest == 0 {
			if l.deleted != 0 && now.Sub(l.deleted) > max(keepDeleted, s.keep.period) {
				work = append(work, l.prune)
			}
			continue
		}
		if l.keep.period > 0 {
			l.to = now.Add(-l.keep.period)
			l.key = int64(l.to) / 1000 << 20 // a backfill of old times is not old
		}
		if l.keep.runs > 0 {
			var to instant
			err := s.read.QueryRowContext(ctx, "SELECT scheduled_at FROM runs WHERE job = ? ORDER BY scheduled_at DESC LIMIT 1 OFFSET ?", l.job, l.keep.runs).Scan(&to)
			if err == nil && to >= l.to {
				l.to, l.key = to, 1<<63-1
			} else if err != nil && err != sql.ErrNoRows {
				return nil, 0, err
			}
		}
		if l.to != 0 && l.oldest <= l.to {
			work = append(work, l.prune)
		}
	}
	return work, last, nil
}

// pruneStep deletes at most sweepStep rows, in one change, and tells how many jobs of work are done with and how many rows are gone.
func (s *Store) pruneStep(ctx context.Context, work []prune, now instant) (done, rows int, err error) {
	err = s.change(ctx, func(t *tx) error {
		done, rows = 0, 0
		for done < len(work) && rows < sweepStep {
			n, err := t.prune(work[done], sweepStep-rows)
			if err != nil {
				return err
			}
			if rows += n; rows < sweepStep {
				done++
			}
		}
		return nil
	})
	return done, rows, err
}

// prune deletes at most limit rows of one job, the oldest first, and what no row needs any more. The run with the highest key
// stays: keys are given out above it, and one must not be used twice.
func (t *tx) prune(p prune, limit int) (n int, err error) {
	pruned := instant(0)
	err = t.each(func(scan func(...any) error) error {
		var serial int64
		var until instant
		if err := scan(&serial, &until); err != nil {
			return err
		}
		n++
		if serial == 0 {
			pruned = max(pruned, until)
		}
		return nil
	}, `DELETE FROM runs WHERE id IN (SELECT id FROM runs INDEXED BY runs_firing WHERE job = ?1 AND scheduled_at <= ?2 AND coalesce(scheduled_until, scheduled_at) <= ?2
		AND id < ?3 AND id < ?4 AND finished_at IS NOT NULL ORDER BY scheduled_at LIMIT ?5)
		RETURNING serial, coalesce(scheduled_until, scheduled_at)`, p.job, int64(p.to), p.key, t.s.lastRun, limit)
	if err != nil || n == limit {
		if err == nil && pruned != 0 {
			_, err = t.exec("UPDATE timers SET pruned_at = max(pruned_at, ?) WHERE job = ?", int64(pruned), p.job)
		}
		return n, err
	}
	if _, err := t.exec("UPDATE timers SET pruned_at = max(pruned_at, ?) WHERE job = ?", int64(pruned), p.job); err != nil {
		return n, err
	}
	for _, query := range []string{
		// A version plans nothing after until_at, so that no run scheduled later was made under it.
		`DELETE FROM versions WHERE job = ?1 AND until_at <= (SELECT pruned_at FROM timers WHERE job = ?1)
			AND until_at < coalesce((SELECT min(scheduled_at) FROM runs WHERE job = ?1), until_at + 1)`,
		"DELETE FROM pauses WHERE job = ?1 AND resumed_at <= (SELECT pruned_at FROM timers WHERE job = ?1)",
	} {
		if _, err := t.exec(query, p.job); err != nil {
			return n, err
		}
	}
	if p.deleted != 0 && t.now.Sub(p.deleted) > max(keepDeleted, t.s.keep.period) {
		err = t.bury(p.job)
	}
	return n, err
}

// bury removes a deleted job that has no runs.
func (t *tx) bury(job int64) error {
	var runs bool
	if err := t.get([]any{&runs}, "SELECT EXISTS (SELECT 1 FROM runs WHERE job = ?)", job); err != nil || runs {
		return err
	}
	for _, query := range []string{"DELETE FROM versions WHERE job = ?", "DELETE FROM pauses WHERE job = ?", "DELETE FROM timers WHERE job = ?", "DELETE FROM jobs WHERE id = ?"} {
		if _, err := t.exec(query, job); err != nil {
			return err
		}
	}
	return nil
}
