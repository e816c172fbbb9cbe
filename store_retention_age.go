package main

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"slices"
	"time"
)

// Most of what retention deletes is what has become older than the server's limit. These rows are deleted in the order of
// their keys, which is that of their creation: rows that lie side by side, so that few pages change. The pass over the jobs
// (store_retention.go) deletes what this one leaves: it alone is complete.

const (
	// agedRead is how many rows are looked at in one read.
	agedRead = 1000
	// agedLeast is the least time between two passes: what has become old meanwhile shares its transactions.
	agedLeast = time.Second
	// agedJobs bounds how many jobs are remembered.
	agedJobs = 50_000
)

// agedCursor is how far the pass by age has come. It lives in memory: a new process looks once more at what jobs keep longer.
type agedCursor struct {
	pace
	due   time.Time       // when there is something to do next
	after int64           // runs.id: the rows up to it are gone, or left to the pass over the jobs
	jobs  map[int64]int64 // jobs of the rows seen last that have no limit of their own, and their versions
}

// agedRun is a row that may be deleted.
type agedRun struct {
	id, job int64
	until   instant // the last firing of the plan that it stands for, 0 = it is not of the plan
	next    bool    // no row that stays lies between the one before in the list and this one
}

// sweepAged deletes what is older than the server's limit at the instant now, from where c stands, and moves c.
func (s *Store) sweepAged(ctx context.Context, now instant, c *agedCursor) (deleted int, err error) {
	c.begin()
	limit := now.Add(-s.keep.period)
	for {
		read := time.Now()
		runs, last, err := s.agedRuns(ctx, c, limit)
		if err != nil {
			return deleted, err
		}
		if last == 0 {
			break
		}
		if len(runs) == 0 {
			err = rest(ctx, sweepShare*time.Since(read))
		}
		for len(runs) > 0 && err == nil {
			var done, n int
			var took time.Duration
			err = s.patiently(ctx, func(t *tx) (err error) {
				began := time.Now()
				done, n, err = t.pruneAged(runs, c.jobs, began.Add(c.length()))
				took = time.Since(began)
				return err
			})
			if err == nil {
				deleted, runs = deleted+n, runs[done:]
				err = c.rest(ctx, took)
			}
		}
		if err != nil {
			return deleted, err
		}
		c.after = last
	}
	c.end()
	next, err := s.agedNext(ctx, c.after)
	c.due = c.began.Add(min(max(next.Add(s.keep.period).Sub(now), agedLeast), s.keep.every))
	return deleted, err
}

// created is when a run's row was made, to the millisecond.
func (r agedRun) created() instant { return instant(r.id>>20) * 1000 }

// agedNext tells when the first run after a key was made; now when there is none but the newest, which stays.
func (s *Store) agedNext(ctx context.Context, after int64) (instant, error) {
	var id int64
	err := s.read.QueryRowContext(ctx, "SELECT coalesce(min(id), 0) FROM runs WHERE id > ? AND id < (SELECT max(id) FROM runs)", after).Scan(&id)
	if id == 0 {
		return s.now(), err
	}
	return agedRun{id: id}.created(), err
}

// agedRuns looks at the next rows and gives those that the server's limit removes; last is the key of the last one it looked
// at, 0 when none is left. The newest run of all stays: keys are given out above it, and one must not be used twice.
func (s *Store) agedRuns(ctx context.Context, c *agedCursor, limit instant) (runs []agedRun, last int64, err error) {
	if c.jobs == nil || len(c.jobs) > agedJobs {
		c.jobs = map[int64]int64{}
	}
	rows, err := s.read.QueryContext(ctx, `SELECT id, job, CASE serial WHEN 0 THEN coalesce(scheduled_until, scheduled_at) ELSE 0 END,
		finished_at IS NOT NULL AND coalesce(scheduled_until, scheduled_at) <= ?1
		FROM runs WHERE id > ?2 AND id < min(?3, (SELECT max(id) FROM runs)) ORDER BY id LIMIT ?4`,
		int64(limit), c.after, int64(limit)/1000<<20, agedRead)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var unknown []int64
	next := false
	for rows.Next() {
		var r agedRun
		var over bool
		if err := rows.Scan(&r.id, &r.job, &r.until, &over); err != nil {
			return nil, 0, err
		}
		last = r.id
		if !over {
			next = false
			continue
		}
		if _, ok := c.jobs[r.job]; !ok {
			unknown = append(unknown, r.job)
		}
		r.next, next = next, true
		runs = append(runs, r)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	if err := s.lookUpAged(ctx, c, unknown); err != nil {
		return nil, 0, err
	}
	kept := runs[:0]
	next = false
	for _, r := range runs {
		if _, ok := c.jobs[r.job]; !ok {
			next = false
			continue
		}
		r.next, next = r.next && next, true
		kept = append(kept, r)
	}
	return kept, last, nil
}

// lookUpAged remembers those of the given jobs that have no limit of their own. Only these: that such a job has got one is found
// before anything is deleted, by its version; that another has lost its own would never be found.
func (s *Store) lookUpAged(ctx context.Context, c *agedCursor, jobs []int64) error {
	if len(jobs) == 0 {
		return nil
	}
	slices.Sort(jobs)
	list, err := json.Marshal(slices.Compact(jobs))
	if err != nil {
		return err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT j.id, j.version
		FROM json_each(?) e JOIN jobs j ON j.id = e.value WHERE `+ownLimit("keep_runs_sec")+` IS NULL`, string(list))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, version int64
		if err := rows.Scan(&id, &version); err != nil {
			return err
		}
		c.jobs[id] = version
	}
	return rows.Err()
}

// agedStatements are the driver's, as the hot ones are, prepared at their first use. Writer only.
type agedStatements struct{ move, remove driver.Stmt }

func (a *agedStatements) prepare(conn any, h *hotStatements) (err error) {
	if a.remove != nil {
		return nil
	}
	if a.move, err = conn.(driver.Conn).Prepare("UPDATE timers SET pruned_at = max(pruned_at, ?) WHERE job = ? AND version = ?"); err != nil {
		return err
	}
	h.all = append(h.all, a.move) // closed with them
	if a.remove, err = conn.(driver.Conn).Prepare("DELETE FROM runs WHERE id BETWEEN ? AND ? AND finished_at IS NOT NULL"); err == nil {
		h.all = append(h.all, a.remove)
	}
	return err
}

// pruneAged deletes from the start of runs until its time is over, and tells how many it is done with and how many rows are
// gone. The rows of a job that has changed since it was looked up stay, and the job is forgotten.
func (t *tx) pruneAged(runs []agedRun, jobs map[int64]int64, until time.Time) (done, deleted int, err error) {
	err = t.s.conn.Raw(func(c any) error {
		if err := t.s.aged.prepare(c, t.s.hot); err != nil {
			return err
		}
		for done < len(runs) {
			n, err := t.pruneBatch(runs[done:min(done+sweepBatch, len(runs))], jobs)
			if err != nil {
				return err
			}
			deleted += n
			if done = min(done+sweepBatch, len(runs)); time.Now().After(until) {
				break
			}
		}
		return nil
	})
	return done, deleted, err
}

// pruneBatch deletes runs, after their jobs' ledgers have been told to start later.
func (t *tx) pruneBatch(runs []agedRun, jobs map[int64]int64) (deleted int, err error) {
	h := t.s.hot
	ends := make(map[int64]instant, len(runs))
	for _, r := range runs {
		ends[r.job] = max(ends[r.job], r.until)
	}
	for _, r := range runs {
		end, ok := ends[r.job]
		if !ok || end < 0 {
			continue // done
		}
		if n, err := h.run(t.s.aged.move, h.set(int64(end), r.job, jobs[r.job])); err != nil {
			return deleted, err
		} else if n == 0 {
			delete(ends, r.job)
			delete(jobs, r.job)
		} else {
			ends[r.job] = -1
		}
	}
	for first := 0; first < len(runs); {
		last := first
		if _, ok := ends[runs[first].job]; !ok {
			first++
			continue
		}
		for last+1 < len(runs) && runs[last+1].next && ends[runs[last+1].job] < 0 {
			last++
		}
		n, err := h.run(t.s.aged.remove, h.set(runs[first].id, runs[last].id))
		if err != nil {
			return deleted, err
		}
		deleted += int(n)
		first = last + 1
	}
	return deleted, nil
}
