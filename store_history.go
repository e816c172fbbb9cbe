package main

import (
	"context"
	"database/sql"
	"errors"
	"math"
)

const (
	// historyPage rows are read at a time while a plan is compared: memory holds no more, and no snapshot of the database stays
	// open for long, which would keep the log from being reset.
	historyPage = 2000
	// historyBatch jobs are read together, unless their rows fill a page before.
	historyBatch = 64
)

// Histories calls each with what the ledger's check needs of every job, also deleted ones: the plan's history, and a reader of
// its rows in the window. Each page of rows is read in a snapshot, the first one together with the history; what a history
// says must have a row keeps it, but for retention, whose progress each page tells (history.Pruned). errNotFound when w names
// a job that does not live.
func (r *Reader) Histories(ctx context.Context, w ledgerWindow, each func(h *history, rows rowReader) error) error {
	first, last := int64(0), int64(math.MaxInt64)
	if w.JobID != "" {
		err := r.read.QueryRowContext(ctx, "SELECT id FROM jobs WHERE job_id = ? AND deleted_at IS NULL", w.JobID).Scan(&first)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		last = first
	}
	for first <= last {
		list, err := r.histories(ctx, first, last, w)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, j := range list {
			if err := each(&j.history, r.rowsOf(ctx, j)); err != nil {
				return err
			}
			first = j.job + 1
		}
	}
	return nil
}

// jobHistory is a job's history with the first page of its rows.
type jobHistory struct {
	history
	job                    int64
	versions, pauses, rows bool // it has former versions, pauses, rows in the window
	ranges                 bool // it has rows of several firings
	page                   []Run
}

// histories reads those of the next jobs from first to last in one snapshot.
func (r *Reader) histories(ctx context.Context, first, last int64, w ledgerWindow) (list []*jobHistory, err error) {
	err = r.snapshot(ctx, func(at snapshot) error {
		err := at.each(ctx, func(scan func(...any) error) error {
			j := &jobHistory{history: history{Segments: make([]segment, 1)}}
			g := &j.Segments[0]
			list = append(list, j)
			return scan(&j.job, &j.JobID, &j.Cursor, &j.Next, &j.Pruned, &g.Version, &g.Schedule, &g.ZoneData, &g.Anchor, &g.From, &g.Until,
				&j.versions, &j.pauses, &j.ranges, &j.rows)
		}, jobHistories, first, last, int64(w.From), int64(w.To), historyBatch)
		if err != nil {
			return err
		}
		rows := 0
		for i, j := range list {
			if err := j.complete(ctx, at, w); err != nil {
				return err
			}
			if rows += len(j.page); rows >= historyPage {
				list = list[:i+1]
				break
			}
		}
		return nil
	})
	return list, err
}

// complete reads what most jobs do not have.
func (j *jobHistory) complete(ctx context.Context, at snapshot, w ledgerWindow) (err error) {
	if j.versions {
		var former []segment
		err := at.each(ctx, func(scan func(...any) error) error {
			var g segment
			err := scan(&g.Version, &g.Schedule, &g.ZoneData, &g.Anchor, &g.From, &g.Until)
			former = append(former, g)
			return err
		}, versionHistory, j.job)
		if err != nil {
			return err
		}
		j.Segments = append(former, j.Segments...)
	}
	if j.pauses {
		err := at.each(ctx, func(scan func(...any) error) error {
			var p span
			err := scan(&p.From, &p.Until)
			j.Pauses = append(j.Pauses, p)
			return err
		}, pauseHistory, j.job)
		if err != nil {
			return err
		}
	}
	j.From, j.UpTo = max(w.From, j.Pruned), min(w.To, j.Cursor)
	if j.ranges {
		if err := j.widen(ctx, at); err != nil {
			return err
		}
	}
	if j.rows || j.ranges {
		j.page, err = readFirings(ctx, at, j.job, j.From, j.UpTo)
	}
	return err
}

// rowsOf reads j's rows, page by page.
func (r *Reader) rowsOf(ctx context.Context, j *jobHistory) rowReader {
	more := len(j.page) == historyPage
	return func() (Run, bool, error) {
		if len(j.page) == 0 {
			return Run{}, false, nil
		}
		row := j.page[0]
		if j.page = j.page[1:]; len(j.page) > 0 || !more {
			return row, true, nil
		}
		err := r.snapshot(ctx, func(at snapshot) (err error) {
			var pruned instant
			if j.page, err = readFirings(ctx, at, j.job, row.ScheduledAt, j.UpTo); err != nil {
				return err
			}
			more = len(j.page) == historyPage
			err = at.get(ctx, []any{&pruned}, prunedHistory, j.job, int64(endOfTime))
			j.Pruned = max(j.Pruned, pruned)
			return err
		})
		return row, true, err
	}
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
	jobHistories = `SELECT j.id, j.job_id, t.cursor_at, coalesce(t.next_at, 0), t.pruned_at,
			j.version, j.schedule, j.zone_data, j.anchor_at, j.effective_at, coalesce(j.deleted_at, 0),
			EXISTS (SELECT 1 FROM versions v WHERE v.job = j.id), EXISTS (SELECT 1 FROM pauses p WHERE p.job = j.id),
			EXISTS (SELECT 1 FROM runs r INDEXED BY runs_range WHERE r.job = j.id AND r.scheduled_until IS NOT NULL),
			EXISTS (SELECT 1 FROM runs r INDEXED BY runs_firing WHERE r.job = j.id AND r.scheduled_at > ?3 AND r.scheduled_at <= ?4)
		FROM jobs j CROSS JOIN timers t ON t.job = j.id WHERE j.id BETWEEN ?1 AND ?2 ORDER BY j.id LIMIT ?5`
	versionHistory = "SELECT version, schedule, zone_data, anchor_at, effective_at, until_at FROM versions WHERE job = ? ORDER BY version"
	pauseHistory   = "SELECT paused_at, coalesce(resumed_at, 0) FROM pauses WHERE job = ? ORDER BY paused_at"
	prunedHistory  = "SELECT coalesce((SELECT pruned_at FROM timers WHERE job = ?), ?)"
	rangeStart     = "SELECT coalesce(min(scheduled_at) - 1, 0) FROM runs INDEXED BY runs_range WHERE job = ?1 AND serial = 0 AND scheduled_until > ?2 AND scheduled_at <= ?2"
	rangeEnd       = "SELECT coalesce(max(scheduled_until), 0) FROM runs INDEXED BY runs_range WHERE job = ?1 AND serial = 0 AND scheduled_until > ?2 AND scheduled_at <= ?2"
	firingHistory  = `SELECT id, scheduled_at, coalesce(scheduled_until, 0), count, status FROM runs INDEXED BY runs_firing
		WHERE job = ? AND serial = 0 AND scheduled_at > ? AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ?`
)

// historyQueries are prepared when the database is opened: compiling them costs several times as much as running them.
var historyQueries = []string{jobHistories, versionHistory, pauseHistory, prunedHistory, rangeStart, rangeEnd, firingHistory}

// widen widens what is compared to whole ranges.
func (j *jobHistory) widen(ctx context.Context, at snapshot) error {
	for _, edge := range []struct {
		to    *instant
		query string
	}{
		{&j.From, rangeStart},
		{&j.UpTo, rangeEnd},
	} {
		for {
			var to instant
			if err := at.get(ctx, []any{&to}, edge.query, j.job, int64(*edge.to)); err != nil {
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
