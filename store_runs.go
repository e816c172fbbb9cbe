package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const runColumns = `r.id, r.job, r.version, r.trigger, r.status, r.reason, r.scheduled_at, coalesce(r.scheduled_until, 0), r.count, coalesce(r.due_at, 0),
	coalesce(r.started_at, 0), coalesce(r.finished_at, 0), coalesce(r.http_status, 0), r.attempt, coalesce(r.attempts, '')`

// runScan reads one row of runColumns. It leaves JobID empty, and the attempts as their text.
func runScan(scan func(...any) error) (r *Run, attempts string, err error) {
	r = new(Run)
	err = scan(&r.ID, &r.Job, &r.Version, &r.Trigger, &r.Status, &r.Reason, &r.ScheduledAt, &r.ScheduledUntil, &r.Count, &r.DueAt,
		&r.StartedAt, &r.FinishedAt, &r.HTTPStatus, &r.Attempt, &attempts)
	return r, attempts, err
}

// RunView is a run with what is needed to show it: its job's name and the plan it was made under (zone, jitter).
type RunView struct {
	*Run
	Plan *Plan // of the run's version; of the present one when retention has removed that
}

// Run reads one run with its attempts; errNotFound.
func (r *Reader) Run(ctx context.Context, id int64) (RunView, error) {
	run, attempts, err := runScan(r.read.QueryRowContext(ctx, "SELECT "+runColumns+" FROM runs r WHERE r.id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return RunView{}, errNotFound
	}
	if err != nil {
		return RunView{}, err
	}
	if run.Attempts, err = parseAttempts(attempts); err != nil {
		return RunView{}, fmt.Errorf("run %d: %w", id, err)
	}
	return r.view(ctx, run)
}

// view adds the plan to a run.
func (r *Reader) view(ctx context.Context, run *Run) (RunView, error) {
	p, err := r.Plan(ctx, run.Job, run.Version)
	if errors.Is(err, errNotFound) {
		var present int
		if err := r.read.QueryRowContext(ctx, "SELECT version FROM jobs WHERE id = ?", run.Job).Scan(&present); err != nil {
			return RunView{}, fmt.Errorf("job of run %d: %w", run.ID, err)
		}
		p, err = r.Plan(ctx, run.Job, present)
	}
	if err != nil {
		return RunView{}, err
	}
	if !askerOf(ctx).sees(p.Owner) {
		return RunView{}, errNotFound
	}
	run.JobID = p.JobID
	return RunView{run, p}, nil
}

// RunFilter says which runs are wanted. Zero fields want all.
type RunFilter struct {
	JobID      string // of a living job
	Statuses   []Status
	Trigger    Trigger
	HTTPStatus int
	From, To   instant // scheduled_at, both inclusive
	Q          string  // in the reason or in the attempts, in any case
	Cursor     string  // the next of the page before
	Limit      int     // at most so many, > 0
}

// runPlace is the place of a run in lists: newest scheduled_at first, then newest key.
type runPlace struct {
	at instant
	id int64
}

// before tells whether c comes earlier in a list than d.
func (c runPlace) before(d runPlace) bool { return c.at > d.at || c.at == d.at && c.id > d.id }

// cursor is the text form of a place, "" of none.
func (c runPlace) cursor() string {
	if c == (runPlace{}) {
		return ""
	}
	return strconv.FormatInt(int64(c.at), 36) + "_" + strconv.FormatInt(c.id, 36)
}

// parsePlace reads a cursor; errBadCursor.
func parsePlace(cursor string) (c runPlace, err error) {
	at, id, _ := strings.Cut(cursor, "_")
	n, err := strconv.ParseInt(at, 36, 64)
	if err == nil {
		c.at = instant(n)
		c.id, err = strconv.ParseInt(id, 36, 64)
	}
	if err != nil || c.cursor() != cursor {
		return c, errBadCursor
	}
	return c, nil
}

// Runs gives one page of the runs that f wants, newest first, without the text of their attempts. next is the Cursor of the
// following page, "" when there is none; a page may have fewer than Limit runs, even none, and still be followed. errNotFound
// for a JobID that no living job has.
func (r *Reader) Runs(ctx context.Context, f RunFilter) (page []RunView, next string, err error) {
	bounds, err := f.bounds()
	if err != nil {
		return nil, "", err
	}
	for _, s := range f.Statuses { // they become part of the SQL
		if _, ended := countQueries[s]; !ended && !s.Open() {
			return nil, "", fmt.Errorf("%q is not a status", s)
		}
	}
	if f.JobID != "" {
		var job int64
		var owner string
		err := r.read.QueryRowContext(ctx, "SELECT id, owner FROM jobs WHERE job_id = ? AND deleted_at IS NULL", f.JobID).Scan(&job, &owner)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !askerOf(ctx).sees(owner) {
			return nil, "", errNotFound
		}
		if err != nil {
			return nil, "", err
		}
		bounds[0] = job
	}
	runs, last, err := r.scanRuns(ctx, f, bounds)
	if err != nil {
		return nil, "", err
	}
	for _, run := range runs {
		v, err := r.view(ctx, run)
		if err != nil {
			return nil, "", err
		}
		page = append(page, v)
	}
	return page, last.cursor(), nil
}

// scanRuns finds the runs of a page; last is where it stopped, zero at the end of the list.
func (r *Reader) scanRuns(ctx context.Context, f RunFilter, bounds []any) (runs []*Run, last runPlace, err error) {
	snapshot, err := r.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, last, err
	}
	defer snapshot.Rollback()
	m, err := f.open(ctx, snapshot, bounds)
	if err != nil {
		return nil, last, err
	}
	defer m.close()
	owned := ownedJobs{by: askerOf(ctx), of: map[int64]bool{}}
	began := time.Now()
	for seen := 0; ; seen++ {
		run, text, err := m.next()
		if err != nil {
			return nil, last, err
		}
		if run == nil {
			return runs, runPlace{}, nil
		}
		if len(runs) == f.Limit || seen == pageRows || seen%64 == 63 && time.Since(began) > pageTime {
			return runs, last, nil
		}
		last = runPlace{run.ScheduledAt, run.ID}
		if !f.wants(run, text) {
			continue
		}
		seen, err := owned.has(ctx, snapshot, run.Job)
		if err != nil {
			return nil, last, err
		}
		if seen {
			runs = append(runs, run)
		}
	}
}

// wants judges what the query has not.
func (f *RunFilter) wants(r *Run, attempts string) bool {
	if len(f.Statuses) > 0 && !slices.Contains(f.Statuses, r.Status) ||
		f.Trigger != "" && r.Trigger != f.Trigger || f.HTTPStatus != 0 && r.HTTPStatus != f.HTTPStatus {
		return false
	}
	if f.Q == "" {
		return true
	}
	text := strings.ToLower(f.Q)
	return strings.Contains(strings.ToLower(r.Reason), text) || strings.Contains(strings.ToLower(attempts), text)
}

// sources are the parts that make up the wanted runs, each of which an index gives in the order of the list.
func (f *RunFilter) sources() (where []string) {
	if f.JobID != "" {
		return []string{"r.job = ?1"} // runs_firing
	}
	if len(f.Statuses) == 0 || slices.Contains(f.Statuses, Succeeded) {
		return []string{"?1 = 0"} // runs_time
	}
	open := false
	for i, s := range f.Statuses {
		if s.Open() {
			open = true
		} else if !slices.Contains(f.Statuses[:i], s) {
			where = append(where, "?1 = 0 AND r.status = '"+string(s)+"' AND r.status <> 'succeeded' AND r.finished_at IS NOT NULL") // runs_ended: a literal, because the index is partial
		}
	}
	if open {
		where = append(where, "?1 = 0 AND r.finished_at IS NULL") // runs_open, sorted: few
	}
	return where
}

// query is the SQL of one source.
func (f *RunFilter) query(where string) string {
	columns := runColumns
	if f.Q == "" { // the attempts are the larger half of a row
		columns = strings.Replace(columns, "coalesce(r.attempts, '')", "''", 1)
	}
	return "SELECT " + columns + " FROM runs r WHERE " + where + " AND r.scheduled_at >= ?2 AND r.scheduled_at <= ?3 AND (r.scheduled_at < ?3 OR r.id < ?4) ORDER BY r.scheduled_at DESC, r.id DESC"
}

// bounds are the arguments of query: the job (0 = all), the oldest and the newest scheduled_at, and the key before which a run of the newest must lie.
func (f *RunFilter) bounds() ([]any, error) {
	first := runPlace{math.MaxInt64, math.MaxInt64}
	if f.Cursor != "" {
		var err error
		if first, err = parsePlace(f.Cursor); err != nil {
			return nil, err
		}
	}
	if f.To != 0 && first.at > f.To {
		first = runPlace{f.To, math.MaxInt64}
	}
	return []any{int64(0), int64(f.From), int64(first.at), first.id}, nil
}

// runMerge merges the sources of a page.
type runMerge struct{ of []*runSource }

type runSource struct {
	rows *sql.Rows
	run  *Run // the next one, nil = none is left
	text string
}

func (f *RunFilter) open(ctx context.Context, snapshot *sql.Tx, bounds []any) (*runMerge, error) {
	m := new(runMerge)
	for _, where := range f.sources() {
		rows, err := snapshot.QueryContext(ctx, f.query(where), bounds...)
		if err != nil {
			m.close()
			return nil, err
		}
		s := &runSource{rows: rows}
		m.of = append(m.of, s)
		if err := s.step(); err != nil {
			m.close()
			return nil, err
		}
	}
	return m, nil
}

func (m *runMerge) close() {
	for _, s := range m.of {
		s.rows.Close()
	}
}

// next takes the newest run of all sources; nil at the end.
func (m *runMerge) next() (*Run, string, error) {
	var first *runSource
	for _, s := range m.of {
		if s.run != nil && (first == nil || (runPlace{s.run.ScheduledAt, s.run.ID}).before(runPlace{first.run.ScheduledAt, first.run.ID})) {
			first = s
		}
	}
	if first == nil {
		return nil, "", nil
	}
	run, text := first.run, first.text
	return run, text, first.step()
}

func (s *runSource) step() (err error) {
	s.run = nil
	if !s.rows.Next() {
		return s.rows.Err()
	}
	s.run, s.text, err = runScan(s.rows.Scan)
	return err
}
