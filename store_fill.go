package main

import (
	"context"
	"fmt"
)

// What measuring needs of the store beyond the server's own use: large databases made quickly, and counts.

// fillStep is how many jobs or runs one change of a fill makes.
const fillStep = 5000

// FillJobs makes jobs without announcing them: for a database that no server has open. progress is told how many are made.
func (s *Store) FillJobs(ctx context.Context, n int, job func(i int) NewJob, progress func(done int)) error {
	for first := 0; first < n; first += fillStep {
		progress(first)
		err := s.change(ctx, func(t *tx) error {
			for i := first; i < min(n, first+fillStep); i++ {
				if _, err := t.create(job(i), t.now); err != nil {
					return err
				}
			}
			t.touched = t.touched[:0]
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// FillRuns makes n ended runs of the first `jobs` jobs in turn, scheduled evenly in [from, to), with usual attempts. The lists'
// indexes are made anew afterwards: filling them row by row takes many times as long.
func (s *Store) FillRuns(ctx context.Context, n, jobs int, from, to instant, progress func(done int)) error {
	const indexes = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'runs' AND sql IS NOT NULL"
	made := map[string]string{}
	err := s.change(ctx, func(t *tx) error {
		err := t.each(func(scan func(...any) error) error {
			var name, sql string
			err := scan(&name, &sql)
			made[name] = sql
			return err
		}, indexes)
		for name := range made {
			if err == nil {
				_, err = t.s.conn.ExecContext(ctx, "DROP INDEX "+name)
			}
		}
		return err
	})
	step := (to - from) / instant(max(n, 1))
	for first := 0; first < n && err == nil; first += fillStep {
		progress(first)
		err = s.change(ctx, func(t *tx) error {
			last := min(n, first+fillStep)
			at := from + step*instant(first)
			attempt := attemptText(new(fillAttempt(at)))
			_, err := t.exec(`INSERT INTO runs (id, job, version, trigger, serial, scheduled_at, status, attempt, started_at, finished_at, http_status, attempts)
				WITH RECURSIVE k (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM k WHERE i + 1 < ?2)
				SELECT ((?3 + (i - ?1) * ?4) / 1000 << 20) + (i & 1048575), i % ?5 + 1, 1, 'schedule', 0, ?3 + (i - ?1) * ?4, 'succeeded', 1,
				?3 + (i - ?1) * ?4 + 1500, ?3 + (i - ?1) * ?4 + 4700, 200, ?6 FROM k`,
				first, last, int64(at), int64(step), jobs, attempt)
			return err
		})
	}
	for name, sql := range made {
		if err == nil {
			progress(n)
			err = s.change(ctx, func(t *tx) error { _, err := t.s.conn.ExecContext(ctx, sql); return err })
		}
		if err != nil {
			return fmt.Errorf("index %s: %w", name, err)
		}
	}
	return err
}

// fillAttempt is the end of a usual call.
func fillAttempt(at instant) Attempt {
	return Attempt{Attempt: 1, StartedAt: at.Time(), DurationMS: 3.2, HTTPStatus: 200, OK: true,
		Response: &Response{ContentType: "application/json", Length: 15, Excerpt: `{"status":"ok"}`,
			SHA256: hashText(`{"status":"ok"}`)},
		Timings: &Timings{FirstByte: 2.9, Total: 3.2}, Remote: &Remote{Address: "127.0.0.1:9000", Protocol: "HTTP/1.1", Reused: true}}
}

// Probe commits the least that there is to commit: one small row.
func (s *Store) Probe(ctx context.Context) error {
	return s.change(ctx, (*tx).probe)
}

// CountRuns counts the runs scheduled in [from, to), 0 = without bound, with that status, "" = any.
func (r *Reader) CountRuns(ctx context.Context, status Status, from, to instant) (n int, err error) {
	if to == 0 {
		to = 1<<63 - 1
	}
	err = r.read.QueryRowContext(ctx, "SELECT count(*) FROM runs WHERE scheduled_at >= ? AND scheduled_at < ? AND (?3 = '' OR status = ?3)",
		int64(from), int64(to), string(status)).Scan(&n)
	return n, err
}
