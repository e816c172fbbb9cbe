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
		return r.historyOf(ctx, job, w, each)
	}
	for after := int64(0); ; {
		var job int64
		if err := r.history[nextHistory].QueryRowContext(ctx, after).Scan(&job); err != nil || job == 0 {
			return err
		}
		after = job
		if err := r.historyOf(ctx, job, w, each); err != nil {
			return err
		}
	}
}

// historyOf reads one job's, unless retention has removed it, and calls each.
func (r *Reader) historyOf(ctx context.Context, job int64, w ledgerWindow, each func(h *history, rows rowReader) error) error {
	var h *history
	var page []Run
	err := r.snapshot(ctx, func(at snapshot) (err error) {
		if h, err = readHistory(ctx, at, job); err != nil || h == nil {
			return err
		}
		if err := h.widen(ctx, at, job, w); err != nil {
			return err
		}
		page, err = readFirings(ctx, at, job, h.From, h.UpTo)
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
		err := r.snapshot(ctx, func(at snapshot) (err error) {
			var pruned instant
			if page, err = readFirings(ctx, at, job, row.ScheduledAt, h.UpTo); err != nil {
				return err
			}
			err = at.get(ctx, []any{&pruned}, prunedHistory, job, int64(endOfTime))
			h.Pruned = max(h.Pruned, pruned)
			return err
		})
		return row, true, err
	})
}

// snapshot is one reading transaction whose queries are prepared: there are several for each job.
type snapshot struct {
	r  *Reader
	tx *sql.Tx
}

// snapshot runs do in one reading transaction.
func (r *Reader) snapshot(ctx context.Context, do func(snapshot) error) error {
	tx, err := r.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return do(snapshot{r, tx})
}

// get scans the one row of query, one of historyQueries, into to.
func (s snapshot) get(ctx context.Context, to []any, query string, args ...any) error {
	return s.tx.StmtContext(ctx, s.r.history[query]).QueryRowContext(ctx, args...).Scan(to...)
}

// each calls row for each row of query, one of historyQueries.
func (s snapshot) each(ctx context.Context, row func(scan func(...any) error) error, query string, args ...any) error {
	return eachRow(s.tx.StmtContext(ctx, s.r.history[query]), row, args...)
}

const (
	nextHistory    = "SELECT coalesce(min(id), 0) FROM jobs WHERE id > ?"
	timerHistory   = "SELECT j.job_id, t.cursor_at, coalesce(t.next_at, 0), t.pruned_at FROM jobs j JOIN timers t ON t.job = j.id WHERE j.id = ?"
	versionHistory = `SELECT version, schedule, zone_data, anchor_at, effective_at, until_at FROM versions WHERE job = ?1
		UNION ALL SELECT version, schedule, zone_data, anchor_at, effective_at, coalesce(deleted_at, 0) FROM jobs WHERE id = ?1 ORDER BY 1`
	pauseHistory  = "SELECT paused_at, coalesce(resumed_at, 0) FROM pauses WHERE job = ? ORDER BY paused_at"
	prunedHistory = "SELECT coalesce((SELECT pruned_at FROM timers WHERE job = ?), ?)"
	rangeStart    = "SELECT coalesce(min(scheduled_at) - 1, 0) FROM runs INDEXED BY runs_range WHERE job = ?1 AND serial = 0 AND scheduled_until > ?2 AND scheduled_at <= ?2"
	rangeEnd      = "SELECT coalesce(max(scheduled_until), 0) FROM runs INDEXED BY runs_range WHERE job = ?1 AND serial = 0 AND scheduled_until > ?2 AND scheduled_at <= ?2"
	firingHistory = `SELECT id, scheduled_at, coalesce(scheduled_until, 0), count, status FROM runs INDEXED BY runs_firing
		WHERE job = ? AND serial = 0 AND scheduled_at > ? AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ?`
)

// historyQueries are prepared when the database is opened: compiling them costs several times as much as running them.
var historyQueries = []string{nextHistory, timerHistory, versionHistory, pauseHistory, prunedHistory, rangeStart, rangeEnd, firingHistory}

// readHistory reads the plan of a job; nil when there is none.
func readHistory(ctx context.Context, at snapshot, job int64) (h *history, err error) {
	err = at.each(ctx, func(scan func(...any) error) error {
		h = new(history)
		return scan(&h.JobID, &h.Cursor, &h.Next, &h.Pruned)
	}, timerHistory, job)
	if err != nil || h == nil {
		return nil, err
	}
	err = at.each(ctx, func(scan func(...any) error) error {
		var g segment
		err := scan(&g.Version, &g.Schedule, &g.ZoneData, &g.Anchor, &g.From, &g.Until)
		h.Segments = append(h.Segments, g)
		return err
	}, versionHistory, job)
	if err != nil {
		return nil, err
	}
	err = at.each(ctx, func(scan func(...any) error) error {
		var p span
		err := scan(&p.From, &p.Until)
		h.Pauses = append(h.Pauses, p)
		return err
	}, pauseHistory, job)
	return h, err
}

// widen sets what is compared: the window, without what retention may have deleted and what is not settled yet, widened to
// whole ranges.
func (h *history) widen(ctx context.Context, at snapshot, job int64, w ledgerWindow) error {
	h.From, h.UpTo = max(w.From, h.Pruned), min(w.To, h.Cursor)
	for _, edge := range []struct {
		to    *instant
		query string
	}{
		{&h.From, rangeStart},
		{&h.UpTo, rangeEnd},
	} {
		for {
			var to instant
			if err := at.get(ctx, []any{&to}, edge.query, job, int64(*edge.to)); err != nil {
				return err
			}
			if to == 0 {
				break
			}
			*edge.to = to
		}
	}
	return nil
}

// readFirings reads the next page of a job's rows of planned firings in (after, to].
func readFirings(ctx context.Context, at snapshot, job int64, after, to instant) (page []Run, err error) {
	err = at.each(ctx, func(scan func(...any) error) error {
		r := Run{Job: job, Trigger: BySchedule}
		err := scan(&r.ID, &r.ScheduledAt, &r.ScheduledUntil, &r.Count, &r.Status)
		page = append(page, r)
		return err
	}, firingHistory, job, int64(after), int64(to), historyPage)
	return page, err
}
