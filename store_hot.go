package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"
)

// The claims and ends of runs are most of what the writer does: ten thousand of each per second. They use the driver's own
// prepared statements with reused arguments, because database/sql's locks and conversions cost about as much as SQLite here.

const (
	runInsertColumns = "id, job, version, trigger, serial, scheduled_at, scheduled_until, count, status, reason, due_at, attempt, started_at, finished_at"
	runInsertWidth   = 14
	manyRows         = 16 // rows of the larger INSERT: one statement costs less than sixteen
)

const (
	stepQuery = "UPDATE timers SET next_at = ?, cursor_at = ? WHERE job = ? AND version = ? AND next_at = ?"
	// A waiting run goes on only if the job has not changed since it was read, and a pause holds the firings of the plan back.
	startQuery = `UPDATE runs SET status = 'running', reason = '', attempt = attempt + 1, started_at = coalesce(started_at, ?)
		WHERE id = ? AND attempt = ? AND status IN ('pending', 'retrying')
		AND EXISTS (SELECT 1 FROM timers t WHERE t.job = runs.job AND t.version = ?)
		AND (trigger <> 'schedule' OR NOT EXISTS (SELECT 1 FROM pauses p WHERE p.job = runs.job AND p.resumed_at IS NULL))`
	endQuery = `UPDATE runs SET status = ?, reason = ?, due_at = NULL, finished_at = ?
		WHERE id = ? AND attempt = ? AND status IN ('pending', 'retrying')
		AND EXISTS (SELECT 1 FROM timers t WHERE t.job = runs.job AND t.version = ?)`
	// A result counts for the attempt that is current, and once. An attempt 0 ends a run that never began.
	finishQuery = `UPDATE runs SET status = ?1, reason = ?2, due_at = ?3, started_at = coalesce(?4, started_at), finished_at = ?5, http_status = ?6,
		attempts = CASE WHEN ?9 = 0 THEN attempts WHEN attempts IS NULL THEN '[' || ?7 || ']' ELSE substr(attempts, 1, length(attempts) - 1) || ',' || ?7 || ']' END
		WHERE id = ?8 AND attempt = ?9 AND status = CASE WHEN ?9 = 0 THEN 'pending' ELSE 'running' END`
	// A deleted job has no further attempts, nor has a run that was to end while its call was out: its reason says so.
	retryQuery   = finishQuery + " AND reason = '' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = runs.job AND j.deleted_at IS NOT NULL)"
	replaceQuery = "UPDATE runs SET reason = '" + ReasonReplaced + "' WHERE id = ? AND status = 'running'"
)

// withdrawQuery ends, as canceled, a run that was to end while its call was out, and keeps the reason.
var withdrawQuery = strings.Replace(finishQuery, "reason = ?2", "reason = coalesce(nullif(reason, ''), ?2)", 1) + " AND reason <> ''"

// hotStatements are the driver's statements of the writer's connection, and the space for their arguments. Writer only.
type hotStatements struct {
	conn                           *sql.Conn
	begin, commit, rollback        driver.Stmt
	savepoint, rollbackTo, release driver.Stmt
	step, start, end, finish       driver.Stmt
	retry, withdraw, replace       driver.Stmt
	insertOne, insertMany          driver.Stmt
	counts                         map[Status]driver.Stmt // rows that ended without a call
	succeeded, failed, interrupted driver.Stmt            // ends of calls: counters, failures in a row, last run
	canceled                       driver.Stmt
	all                            []driver.Stmt
	args                           [manyRows * runInsertWidth]driver.NamedValue
}

// prepareHot prepares the statements on conn.
func prepareHot(ctx context.Context, conn *sql.Conn) (*hotStatements, error) {
	h := &hotStatements{conn: conn, counts: map[Status]driver.Stmt{}}
	for i := range h.args {
		h.args[i].Ordinal = i + 1
	}
	values := "(" + strings.Repeat("?,", runInsertWidth-1) + "?)"
	insert := "INSERT INTO runs (" + runInsertColumns + ") VALUES "
	ended := "UPDATE timers SET %[1]s = %[1]s + 1, failures_in_row = %[2]s, last_run = ?, last_status = '%[1]s' WHERE job = ?"
	list := []struct {
		to    *driver.Stmt
		query string
	}{
		{&h.begin, "BEGIN IMMEDIATE"}, {&h.commit, "COMMIT"}, {&h.rollback, "ROLLBACK"},
		{&h.savepoint, "SAVEPOINT one"}, {&h.rollbackTo, "ROLLBACK TO one"}, {&h.release, "RELEASE one"},
		{&h.step, stepQuery}, {&h.start, startQuery}, {&h.end, endQuery}, {&h.finish, finishQuery}, {&h.retry, retryQuery},
		{&h.withdraw, withdrawQuery}, {&h.replace, replaceQuery},
		{&h.insertOne, insert + values}, {&h.insertMany, insert + strings.Repeat(values+",", manyRows-1) + values},
		{&h.succeeded, fmt.Sprintf(ended, Succeeded, "0")},
		{&h.failed, fmt.Sprintf(ended, Failed, "failures_in_row + 1")},
		{&h.interrupted, fmt.Sprintf(ended, Interrupted, "failures_in_row + 1")},
		{&h.canceled, fmt.Sprintf(ended, Canceled, "failures_in_row")},
	}
	err := conn.Raw(func(c any) error {
		prepare := func(query string) (driver.Stmt, error) {
			st, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, query)
			if err == nil {
				h.all = append(h.all, st)
			}
			return st, err
		}
		for _, l := range list {
			st, err := prepare(l.query)
			if err != nil {
				return fmt.Errorf("prepare %s: %w", l.query, err)
			}
			*l.to = st
		}
		for status, query := range countQueries {
			st, err := prepare(query)
			if err != nil {
				return fmt.Errorf("prepare %s: %w", query, err)
			}
			h.counts[status] = st
		}
		return nil
	})
	return h, err
}

// close frees the statements.
func (h *hotStatements) close(conn *sql.Conn) {
	if h == nil {
		return
	}
	_ = conn.Raw(func(any) error {
		for _, st := range h.all {
			st.Close()
		}
		return nil
	})
}

// exec runs a statement without arguments, outside of a hot run.
func (h *hotStatements) exec(ctx context.Context, st driver.Stmt) error {
	return h.conn.Raw(func(any) error {
		_, err := st.(driver.StmtExecContext).ExecContext(ctx, nil)
		return err
	})
}

// run executes st with the first n arguments, inside a hot run, and tells how many rows it changed.
func (h *hotStatements) run(st driver.Stmt, n int) (int64, error) {
	res, err := st.(driver.StmtExecContext).ExecContext(context.Background(), h.args[:n])
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// set puts values into the first arguments.
func (h *hotStatements) set(values ...driver.Value) int {
	for i, v := range values {
		h.args[i].Value = v
	}
	return len(values)
}

// hotRun applies the claims and ends at the start of pending, up to the first change or until the group's time is over, and
// tells how many it took, the failing one included.
func (t *tx) hotRun(pending []any, until time.Time) (n int, err error) {
	var followers []*finishOp // ends that may pause their job
	err = t.s.conn.Raw(func(any) error {
		for n < len(pending) {
			var err error
			switch op := pending[n].(type) {
			case *claimOp:
				err = t.claims(op)
			case *finishOp:
				if t.apart { // an end that SQLite itself refuses is given up: the next start finds the run and closes it
					op.accepted, err = t.aside("end of run", op.Run, func() (bool, error) { err := t.finish(op); return op.accepted, err })
				} else {
					err = t.finish(op)
				}
				if err == nil && op.accepted && op.PauseAfter > 0 && (op.Status == Failed || op.Status == Interrupted) {
					followers = append(followers, op)
				}
			default:
				return t.flush()
			}
			n++
			if err != nil {
				return err
			}
			if n%32 == 0 && time.Now().After(until) {
				break
			}
		}
		return t.flush()
	})
	for _, op := range followers {
		if err == nil {
			err = t.pauseAfterFailures(op.Job, op.PauseAfter)
		}
	}
	return n, err
}
