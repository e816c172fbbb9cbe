package main

import (
	"context"
	"database/sql"
	"fmt"
)

// tx is one transaction of the writer: what a change may do. It lives on the writer goroutine.
type tx struct {
	s       *Store
	now     instant // one time for everything in the transaction
	apart   bool    // every operation has its own savepoint
	undo    bool    // nothing is to be committed
	touched []news  // to announce after the commit
	rows    []*Run  // claimed rows that are not inserted yet
	by      *asker  // of the change at hand, nil = the server itself
	traces  []trace // what it did
}

// change applies op under a savepoint: its error undoes it alone. The returned error ends the whole transaction.
func (t *tx) change(op *changeOp) error {
	if !op.begin() {
		return nil
	}
	if _, err := t.exec("SAVEPOINT change"); err != nil {
		return err
	}
	if err := t.apply(op); err != nil {
		return err
	}
	if op.err != nil {
		if _, err := t.exec("ROLLBACK TO change"); err != nil {
			return err
		}
	}
	_, err := t.exec("RELEASE change")
	return err
}

// only applies op, which is alone in its transaction: its error undoes all. A savepoint would cost more than the change, for
// SQLite copies every page that is changed under one.
func (t *tx) only(op *changeOp) error {
	if !op.begin() {
		return nil
	}
	err := t.apply(op)
	t.undo = op.err != nil
	return err
}

// sweep applies op, whose pages are too many to copy, without a savepoint although others are in the transaction: its error
// undoes them too, and all are tried again apart.
func (t *tx) sweep(op *changeOp) error {
	if !op.begin() {
		return nil
	}
	return op.apply(t)
}

// begin tells whether op is still wanted. From then on it is not given up without a word.
func (op *changeOp) begin() bool {
	op.err = nil
	return op.state.CompareAndSwap(opWaiting, opTaken) || op.state.Load() != opGivenUp
}

// apply lets op do its work. An error of its own is for its caller, and what it has done is to be undone; the returned one
// ends the whole transaction.
func (t *tx) apply(op *changeOp) error {
	mark := len(t.touched)
	t.by, t.traces = op.by, nil
	err := op.apply(t)
	if err == nil {
		err = t.conclude()
	}
	t.by = nil
	if err == nil || ofTheDisk(err) {
		return err
	}
	op.err, t.touched = err, t.touched[:mark]
	return nil
}

// news is what the timer loop is told after a commit.
type news struct {
	job   int64  // its plan or its waiting runs have changed
	timer *Timer // of a job that is new: nobody needs to read it; nil otherwise
}

// touch announces, after the commit, that the plan or the waiting runs of job have changed.
func (t *tx) touch(job int64) { t.touched = append(t.touched, news{job, nil}) }

// prepared gives the statement for query, kept for the life of the connection: queries are constants.
func (t *tx) prepared(query string) (*sql.Stmt, error) {
	if st, ok := t.s.stmt[query]; ok {
		return st, nil
	}
	st, err := t.s.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.s.stmt[query] = st
	return st, nil
}

// exec runs query and tells how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	st, err := t.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// get scans the first row of query into to; sql.ErrNoRows when there is none.
func (t *tx) get(to []any, query string, args ...any) error {
	st, err := t.prepared(query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(context.Background(), args...).Scan(to...)
}

// each calls row for each row of query, with its scanner.
func (t *tx) each(row func(scan func(to ...any) error) error, query string, args ...any) error {
	st, err := t.prepared(query)
	if err != nil {
		return err
	}
	return eachRow(st, row, args...)
}

func eachRow(st *sql.Stmt, row func(scan func(to ...any) error) error, args ...any) error {
	rows, err := st.QueryContext(context.Background(), args...)
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

// orNull is how an instant is stored: NULL for none.
func orNull(i instant) any {
	if i == 0 {
		return nil
	}
	return int64(i)
}

// newRunID gives the next key of a run: later than every earlier one, also when the clock went back.
func (s *Store) newRunID(now instant) int64 {
	s.lastRun = max(s.lastRun+1, int64(now)/1000<<20)
	return s.lastRun
}

// insertRun adds r, giving it its ID, and counts it when it has ended.
func (t *tx) insertRun(r *Run) error {
	r.ID = t.s.newRunID(t.now)
	serial := r.ID
	if r.Trigger == BySchedule {
		serial = 0
	}
	if !r.Status.Open() && r.FinishedAt == 0 {
		r.FinishedAt = t.now
	}
	r.Count = max(r.Count, 1)
	_, err := t.exec("INSERT INTO runs ("+runInsertColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", r.ID, r.Job, r.Version,
		string(r.Trigger), serial, int64(r.ScheduledAt), orNull(r.ScheduledUntil), r.Count, string(r.Status), r.Reason,
		orNull(r.DueAt), r.Attempt, orNull(r.StartedAt), orNull(r.FinishedAt))
	if err != nil {
		return fmt.Errorf("new run of job %d: %w", r.Job, err)
	}
	if !r.Status.Open() {
		return t.count(r.Job, r.Status, r.Count)
	}
	return nil
}

// count adds n firings of job that ended with status.
func (t *tx) count(job int64, status Status, n int) error {
	query, ok := countQueries[status]
	if !ok {
		return fmt.Errorf("%q is not an end of a run", status)
	}
	_, err := t.exec(query, n, job)
	return err
}

var countQueries = func() map[Status]string {
	m := map[Status]string{}
	for _, st := range []Status{Succeeded, Failed, Interrupted, Canceled, Missed, Skipped, Coalesced} {
		m[st] = fmt.Sprintf("UPDATE timers SET %[1]s = %[1]s + ? WHERE job = ?", st)
	}
	return m
}()
