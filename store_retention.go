package main

import (
	"context"
	"database/sql"
	"time"
)

const (
	sweepEvery = 10 * time.Minute
	// sweepTime is how long one change deletes, so that a claim behind it hardly waits; its commit takes about as long.
	sweepTime  = 500 * time.Microsecond
	sweepBatch = 16  // rows deleted between two looks at the clock
	sweepRead  = 100 // jobs looked at in one read
	// sweepShare bounds the share of the time that looking takes: after each read it rests so many times as long.
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
	to      instant // 0 = no runs
	key     int64
	pruned  instant // timers.pruned_at, when it was looked at
	past    bool    // it has former versions or pauses
	bury    bool    // it was deleted long ago
}

// sweepForever deletes old history until the store closes.
func (s *Store) sweepForever() {
	first := time.Now().Add(s.keep.every)
	aged, jobs := agedCursor{due: first}, jobCursor{due: first}
	for {
		due := jobs.due
		if s.keep.period > 0 && aged.due.Before(due) {
			due = aged.due
		}
		if rest(s.quit, time.Until(due)) != nil {
			return
		}
		if err := s.sweepDue(s.quit, &aged, &jobs); err != nil && s.quit.Err() == nil {
			s.log.Warn("old history could not be deleted, trying again later", "error", err)
			aged.due, jobs.due = time.Now().Add(s.keep.every), time.Now().Add(s.keep.every)
		}
	}
}

// sweepDue does what is due: everything that has become too old, then the next few jobs.
func (s *Store) sweepDue(ctx context.Context, aged *agedCursor, jobs *jobCursor) error {
	if s.keep.period > 0 && !time.Now().Before(aged.due) {
		if _, err := s.sweepAged(ctx, s.now(), aged); err != nil {
			return err
		}
	}
	if time.Now().Before(jobs.due) {
		return nil
	}
	if jobs.after == 0 {
		if err := s.sweepRecords(ctx, s.now()); err != nil {
			return err
		}
	}
	_, err := s.sweepJobs(ctx, s.now(), jobs)
	if err == nil && jobs.after == 0 {
		jobs.due = time.Now().Add(s.keep.every)
	}
	return err
}

// sweep goes through everything once, deletes what retention does not keep at the instant now, and tells how many rows that were.
func (s *Store) sweep(ctx context.Context, now instant) (deleted int, err error) {
	if s.keep.period > 0 {
		if deleted, err = s.sweepAged(ctx, now, &agedCursor{}); err != nil {
			return deleted, err
		}
	}
	for c := new(jobCursor); ; {
		n, err := s.sweepJobs(ctx, now, c)
		if deleted += n; err != nil || c.after == 0 {
			return deleted, err
		}
	}
}

// rest waits that long.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patiently runs apply in a transaction as s.change does, but does not hurry the writer.
func (s *Store) patiently(ctx context.Context, apply func(t *tx) error) error {
	return s.changeBy(ctx, &changeOp{apply: apply, calm: true, done: make(chan struct{})})
}

// pace is how fast a pass deletes: slowly at first, for there may be little to do, and faster the longer it takes.
type pace struct {
	began  time.Time
	before time.Duration // what the pass before took
	steps  time.Duration // in one: more than 1 when passes take ever longer, because runs are made faster than they are deleted
}

const (
	// paceRest and paceHurry bound how many times as long as a step took to rest after it. The second is reached after paceFull:
	// a tenth of the writer's time goes into deleting then, and as much into its commits.
	paceRest, paceHurry = 60, 6
	paceFull            = 30 * time.Second
	maxSteps            = 8
)

// begin starts a pass.
func (p *pace) begin() {
	p.began, p.steps = time.Now(), max(p.steps, 1)
}

// end ends it, and judges.
func (p *pace) end() {
	took := time.Since(p.began)
	if p.before != 0 && took > max(p.before, paceFull) {
		p.steps = min(2*p.steps, maxSteps)
	} else {
		p.steps = max(p.steps/2, 1)
	}
	p.before = took
}

// length is that of one step.
func (p *pace) length() time.Duration { return p.steps * sweepTime }

// rest waits after a step that took so long.
func (p *pace) rest(ctx context.Context, took time.Duration) error {
	times := float64(paceHurry) * float64(paceFull) / float64(time.Since(p.began)+1)
	times = min(max(times, paceHurry), paceRest) / float64(p.steps)
	return rest(ctx, time.Duration(times*float64(took)))
}

// jobCursor is how far the pass over the jobs has come.
type jobCursor struct {
	pace
	due   time.Time // when there is something to do next
	after int64     // jobs.id, 0 = between two passes
}

// sweepJobs looks at the next jobs after c and deletes what they do not keep at the instant now.
func (s *Store) sweepJobs(ctx context.Context, now instant, c *jobCursor) (deleted int, err error) {
	if c.after == 0 {
		c.begin()
	}
	began := time.Now()
	work, last, err := s.prunable(ctx, c.after, now)
	if err != nil {
		return 0, err
	}
	if err := rest(ctx, sweepShare*time.Since(began)); err != nil {
		return 0, err
	}
	for len(work) > 0 {
		done, rows, took, err := s.pruneStep(ctx, work, c.length())
		if err != nil {
			return deleted, err
		}
		deleted += rows
		work = work[done:]
		if err := c.rest(ctx, took); err != nil {
			return deleted, err
		}
	}
	if c.after = last; last == 0 {
		c.end()
	}
	return deleted, nil
}

// ownLimit is the SQL for what a job of its own says under that name, NULL when nothing. The search keeps most definitions from being parsed.
func ownLimit(name string) string {
	return "CASE WHEN instr(definition, '\"" + name + "\"') > 0 THEN json_extract(definition, '$." + name + "') END"
}

var prunableQuery = `SELECT id, coalesce(deleted_at, 0), ` + ownLimit("keep_runs") + `, ` + ownLimit("keep_runs_sec") + `, t.pruned_at,
	coalesce((SELECT min(scheduled_at) FROM runs WHERE job = jobs.id), 0),
	coalesce((SELECT until_at FROM versions WHERE job = jobs.id ORDER BY version LIMIT 1), 0),
	coalesce((SELECT resumed_at FROM pauses WHERE job = jobs.id ORDER BY paused_at LIMIT 1), 0)
	FROM jobs JOIN timers t ON t.job = jobs.id WHERE id > ? ORDER BY id LIMIT ?`

// prunable looks at the next jobs after a key and finds those with something to delete; last is 0 when no job is left.
func (s *Store) prunable(ctx context.Context, after int64, now instant) (work []prune, last int64, err error) {
	rows, err := s.read.QueryContext(ctx, prunableQuery, after, sweepRead)
	if err != nil {
		return nil, 0, err
	}
	type look struct {
		prune
		oldest         instant // row
		version, pause instant // end of the first former version and of the first pause
		keep           retention
	}
	var looks []look
	defer rows.Close()
	for rows.Next() {
		l := look{keep: s.keep}
		var runs sql.NullInt64
		var sec sql.NullFloat64
		if err := rows.Scan(&l.job, &l.deleted, &runs, &sec, &l.pruned, &l.oldest, &l.version, &l.pause); err != nil {
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
		l.past = l.version != 0 || l.pause != 0
		if l.keep.period > 0 {
			l.to = now.Add(-l.keep.period)
			l.key = int64(l.to) / 1000 << 20 // a backfill of old times is not old
		}
		if l.keep.runs > 0 && l.oldest != 0 {
			var to instant
			err := s.read.QueryRowContext(ctx, "SELECT scheduled_at FROM runs WHERE job = ? ORDER BY scheduled_at DESC LIMIT 1 OFFSET ?", l.job, l.keep.runs).Scan(&to)
			if err == nil && to >= l.to {
				l.to, l.key = to, 1<<63-1
			} else if err != nil && err != sql.ErrNoRows {
				return nil, 0, err
			}
		}
		l.bury = l.deleted != 0 && now.Sub(l.deleted) > max(keepDeleted, s.keep.period)
		switch {
		case l.oldest != 0 && l.to != 0 && l.oldest <= l.to,
			l.oldest == 0 && l.bury,
			l.version != 0 && l.version <= l.pruned && (l.oldest == 0 || l.version < l.oldest),
			l.pause != 0 && l.pause <= l.pruned:
			work = append(work, l.prune)
		}
	}
	return work, last, nil
}

// pruneStep deletes of the first of work, in one change, until its time is over, and tells how many jobs it is done with, how
// many rows are gone and how long the writer was busy with it.
func (s *Store) pruneStep(ctx context.Context, work []prune, length time.Duration) (done, rows int, took time.Duration, err error) {
	err = s.patiently(ctx, func(t *tx) error {
		began := time.Now()
		done, rows = 0, 0
		for over := false; done < len(work) && !over; over = time.Since(began) > length {
			n, err := t.prune(work[done], sweepBatch)
			if err != nil {
				return err
			}
			if rows += n; n < sweepBatch {
				done++
			}
		}
		took = time.Since(began)
		return nil
	})
	return done, rows, took, err
}

// prune deletes at most limit rows of one job, the oldest first, and when there were less, what no row needs any more. The run
// with the highest key stays: keys are given out above it, and one must not be used twice.
func (t *tx) prune(p prune, limit int) (n int, err error) {
	if p.to != 0 {
		if n, err = t.pruneRuns(p, limit); err != nil || n == limit {
			return n, err
		}
	}
	if p.past {
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
	}
	if p.bury {
		err = t.bury(p.job)
	}
	return n, err
}

// pruneRuns is the rows' part of prune.
func (t *tx) pruneRuns(p prune, limit int) (n int, err error) {
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
	if err == nil && pruned > p.pruned {
		_, err = t.exec("UPDATE timers SET pruned_at = max(pruned_at, ?) WHERE job = ?", int64(pruned), p.job)
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
