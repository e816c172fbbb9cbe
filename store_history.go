package main

import (
	"context"
	"database/sql"
)

// Histories calls each with what the ledger's check needs of every job, also deleted ones: the plan's history, and the rows of
// its firings that touch (from, to], in order of scheduled_at. Each job is read in a snapshot of its own, so that its rows and
// its cursor agree while the server goes on, and no long snapshot keeps the log from being reset. Memory holds one job's rows.
func (r *Reader) Histories(ctx context.Context, from, to instant, each func(h *history, rows []Run) error) error {
	for after := int64(0); ; {
		var job int64
		if err := r.read.QueryRowContext(ctx, "SELECT coalesce(min(id), 0) FROM jobs WHERE id > ?", after).Scan(&job); err != nil || job == 0 {
			return err
		}
		after = job
		h, rows, err := r.history(ctx, job, from, to)
		if err != nil {
			return err
		}
		if h == nil {
			continue // removed by retention in between
		}
		if err := each(h, rows); err != nil {
			return err
		}
	}
}

// history reads one job's; nil when there is none.
func (r *Reader) history(ctx context.Context, job int64, from, to instant) (*history, []Run, error) {
	snapshot, err := r.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	defer snapshot.Rollback()
	var h *history
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		h = new(history)
		return scan(&h.JobID, &h.Cursor, &h.Next, &h.Pruned)
	}, "SELECT j.job_id, t.cursor_at, coalesce(t.next_at, 0), t.pruned_at FROM jobs j JOIN timers t ON t.job = j.id WHERE j.id = ?", job)
	if err != nil || h == nil {
		return nil, nil, err
	}
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		var g segment
		err := scan(&g.Version, &g.Schedule, &g.Anchor, &g.From, &g.Until)
		h.Segments = append(h.Segments, g)
		return err
	}, `SELECT version, schedule, anchor_at, effective_at, until_at FROM versions WHERE job = ?1
		UNION ALL SELECT version, schedule, anchor_at, effective_at, coalesce(deleted_at, 0) FROM jobs WHERE id = ?1 ORDER BY 1`, job)
	if err != nil {
		return nil, nil, err
	}
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		var p span
		err := scan(&p.From, &p.Until)
		h.Pauses = append(h.Pauses, p)
		return err
	}, "SELECT paused_at, coalesce(resumed_at, 0) FROM pauses WHERE job = ? ORDER BY paused_at", job)
	if err != nil {
		return nil, nil, err
	}
	var rows []Run
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		r := Run{Job: job, JobID: h.JobID, Trigger: BySchedule}
		err := scan(&r.ID, &r.Version, &r.ScheduledAt, &r.ScheduledUntil, &r.Count, &r.Status, &r.Reason)
		rows = append(rows, r)
		return err
	}, `SELECT id, version, scheduled_at, coalesce(scheduled_until, 0), count, status, reason FROM runs INDEXED BY runs_firing
		WHERE job = ? AND serial = 0 AND scheduled_at <= ? AND coalesce(scheduled_until, scheduled_at) > ? ORDER BY scheduled_at`, job, int64(to), int64(from))
	return h, rows, err
}

// scanAll calls row for each row of query.
func scanAll(ctx context.Context, snapshot *sql.Tx, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := snapshot.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
