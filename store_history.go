package main

import (
	"context"
	"database/sql"
	"errors"
)

// historyPage rows are read at a time while a plan is compared: memory holds no more, and no snapshot of the database stays
// open for long, which would keep the log from being reset.
const historyPage = 2000

// Histories calls each with what the ledger's check needs of every job, also deleted ones: the plan's history, and a reader of
// its rows in the window. Each page of rows is read in a snapshot of its own; what a history says must have a row keeps it,
// but for retention, whose progress each page tells (history.Pruned). errNotFound when w names a job that does not live.
func (r *Reader) Histories(ctx context.Context, w ledgerWindow, each func(h *history, rows rowReader) error) error {
	if w.JobID != "" {
		var job int64
		err := r.read.QueryRowContext(ctx, "SELECT id FROM jobs WHERE job_id = ? AND deleted_at IS NULL", w.JobID).Scan(&job)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		return r.history(ctx, job, w, each)
	}
	for after := int64(0); ; {
		var job int64
		if err := r.read.QueryRowContext(ctx, "SELECT coalesce(min(id), 0) FROM jobs WHERE id > ?", after).Scan(&job); err != nil || job == 0 {
			return err
		}
		after = job
		if err := r.history(ctx, job, w, each); err != nil {
			return err
		}
	}
}

// history reads one job's, unless retention has removed it, and calls each.
func (r *Reader) history(ctx context.Context, job int64, w ledgerWindow, each func(h *history, rows rowReader) error) error {
	var h *history
	var page []Run
	err := r.snapshot(ctx, func(snapshot *sql.Tx) (err error) {
		if h, err = readHistory(ctx, snapshot, job); err != nil || h == nil {
			return err
		}
		if err := h.widen(ctx, snapshot, job, w); err != nil {
			return err
		}
		page, err = readFirings(ctx, snapshot, job, h.From, h.UpTo)
		return err
	})
	if err != nil || h == nil {
		return err
	}
	return each(h, func() (Run, bool, error) {
		if len(page) == 0 {
			return Run{}, false, nil
		}
		row := page[0]
		if page = page[1:]; len(page) > 0 {
			return row, true, nil
		}
		err := r.snapshot(ctx, func(snapshot *sql.Tx) (err error) {
			var pruned instant
			if page, err = readFirings(ctx, snapshot, job, row.ScheduledAt, h.UpTo); err != nil {
				return err
			}
			err = snapshot.QueryRowContext(ctx, "SELECT coalesce((SELECT pruned_at FROM timers WHERE job = ?), ?)", job, int64(endOfTime)).Scan(&pruned)
			h.Pruned = max(h.Pruned, pruned)
			return err
		})
		return row, true, err
	})
}

// snapshot runs do in one reading transaction.
func (r *Reader) snapshot(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := r.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return do(tx)
}

// readHistory reads the plan of a job; nil when there is none.
func readHistory(ctx context.Context, snapshot *sql.Tx, job int64) (h *history, err error) {
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		h = new(history)
		return scan(&h.JobID, &h.Cursor, &h.Next, &h.Pruned)
	}, "SELECT j.job_id, t.cursor_at, coalesce(t.next_at, 0), t.pruned_at FROM jobs j JOIN timers t ON t.job = j.id WHERE j.id = ?", job)
	if err != nil || h == nil {
		return nil, err
	}
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		var g segment
		err := scan(&g.Version, &g.Schedule, &g.ZoneData, &g.Anchor, &g.From, &g.Until)
		h.Segments = append(h.Segments, g)
		return err
	}, `SELECT version, schedule, zone_data, anchor_at, effective_at, until_at FROM versions WHERE job = ?1
		UNION ALL SELECT version, schedule, zone_data, anchor_at, effective_at, coalesce(deleted_at, 0) FROM jobs WHERE id = ?1 ORDER BY 1`, job)
	if err != nil {
		return nil, err
	}
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		var p span
		err := scan(&p.From, &p.Until)
		h.Pauses = append(h.Pauses, p)
		return err
	}, "SELECT paused_at, coalesce(resumed_at, 0) FROM pauses WHERE job = ? ORDER BY paused_at", job)
	return h, err
}

// widen sets what is compared: the window, without what retention may have deleted and what is not settled yet, widened to
// whole ranges.
func (h *history) widen(ctx context.Context, snapshot *sql.Tx, job int64, w ledgerWindow) error {
	h.From, h.UpTo = max(w.From, h.Pruned), min(w.To, h.Cursor)
	for _, edge := range []struct {
		at    *instant
		query string
	}{
		{&h.From, "SELECT coalesce(min(scheduled_at) - 1, 0) FROM runs INDEXED BY runs_range WHERE job = ?1 AND serial = 0 AND scheduled_until > ?2 AND scheduled_at <= ?2"},
		{&h.UpTo, "SELECT coalesce(max(scheduled_until), 0) FROM runs INDEXED BY runs_range WHERE job = ?1 AND serial = 0 AND scheduled_until > ?2 AND scheduled_at <= ?2"},
	} {
		for {
			var to instant
			if err := snapshot.QueryRowContext(ctx, edge.query, job, int64(*edge.at)).Scan(&to); err != nil {
				return err
			}
			if to == 0 {
				break
			}
			*edge.at = to
		}
	}
	return nil
}

// readFirings reads the next page of a job's rows of planned firings in (after, to].
func readFirings(ctx context.Context, snapshot *sql.Tx, job int64, after, to instant) (page []Run, err error) {
	err = scanAll(ctx, snapshot, func(scan func(...any) error) error {
		r := Run{Job: job, Trigger: BySchedule}
		err := scan(&r.ID, &r.ScheduledAt, &r.ScheduledUntil, &r.Count, &r.Status)
		page = append(page, r)
		return err
	}, `SELECT id, scheduled_at, coalesce(scheduled_until, 0), count, status FROM runs INDEXED BY runs_firing
		WHERE job = ? AND serial = 0 AND scheduled_at > ? AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ?`, job, int64(after), int64(to), historyPage)
	return page, err
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
