package main

import (
	"database/sql/driver"
	"fmt"
)

// claims applies each claim of op by compare and set, and notes which held. Rows are gathered and inserted together (flush).
func (t *tx) claims(op *claimOp) error {
	for i := range op.claims {
		c := &op.claims[i]
		apply := t.claim
		if t.apart || c.parts() > 1 {
			apply = t.claimApart
		}
		held, err := apply(c)
		if err != nil {
			return fmt.Errorf("claim of job %d: %w", c.Job, err)
		}
		op.held[i] = held
	}
	return nil
}

// parts counts the conditional steps of a claim: one alone needs no savepoint.
func (c *Claim) parts() int {
	n := len(c.Starts) + len(c.Ends) + len(c.Replace)
	if c.From != 0 {
		n++
	}
	return n
}

// claimApart applies c under a savepoint: its steps take effect together or not at all. A claim that SQLite refuses by itself
// (a firing that has a row already) does not hold; the others go on.
func (t *tx) claimApart(c *Claim) (held bool, err error) {
	return t.aside("claim of job", c.Job, func() (bool, error) { return t.claim(c) })
}

// aside runs do inside a hot run under a savepoint, which it takes back when do says false or fails; kept tells. It only
// returns errors that concern the whole transaction; others it logs.
func (t *tx) aside(what string, id int64, do func() (bool, error)) (kept bool, err error) {
	h := t.s.hot
	if err := t.flush(); err != nil {
		return false, err
	}
	if _, err := h.run(h.savepoint, 0); err != nil {
		return false, err
	}
	kept, err = do()
	if err == nil && kept {
		err = t.flush()
	}
	if err != nil {
		if ofTheDisk(err) {
			return false, err
		}
		kept = false
		t.s.log.Error("the database refused a "+what, "id", id, "error", err)
	}
	if !kept {
		t.rows = t.rows[:0]
		if _, err := h.run(h.rollbackTo, 0); err != nil {
			return false, err
		}
	}
	_, err = h.run(h.release, 0)
	return kept, err
}

// claim applies c. When it returns false after a step took effect, the caller undoes it.
func (t *tx) claim(c *Claim) (bool, error) {
	h := t.s.hot
	if c.From != 0 {
		n, err := h.run(h.step, h.set(orNull(c.Next), int64(c.Cursor), c.Job, int64(c.Version), int64(c.From)))
		if n != 1 || err != nil {
			return false, err
		}
	}
	for _, st := range c.Starts {
		n, err := h.run(h.start, h.set(int64(t.now), st.Run, int64(st.Attempt), int64(c.Version)))
		if n != 1 || err != nil {
			return false, err
		}
	}
	for _, e := range c.Ends {
		n, err := h.run(h.end, h.set(string(e.Status), e.Reason, int64(t.now), e.Run, int64(e.Attempt), int64(c.Version)))
		if n != 1 || err != nil {
			return false, err
		}
		if err := t.countHot(c.Job, e.Status, 1); err != nil {
			return false, err
		}
	}
	for _, run := range c.Replace {
		n, err := h.run(h.replace, h.set(run))
		if n != 1 || err != nil {
			return false, err
		}
	}
	for _, r := range c.Rows {
		r.ID = t.s.newRunID(t.now)
		r.Count = max(r.Count, 1)
		if !r.Status.Open() {
			if r.FinishedAt == 0 {
				r.FinishedAt = t.now
			}
			if err := t.countHot(r.Job, r.Status, r.Count); err != nil {
				return false, err
			}
		}
		t.rows = append(t.rows, r)
	}
	return true, nil
}

func (t *tx) countHot(job int64, status Status, n int) error {
	h := t.s.hot
	st, ok := h.counts[status]
	if !ok {
		return fmt.Errorf("%q is not an end of a run", status)
	}
	_, err := h.run(st, h.set(int64(n), job))
	return err
}

// flush inserts the gathered rows.
func (t *tx) flush() error {
	h, rows := t.s.hot, t.rows
	t.rows = t.rows[:0]
	for len(rows) > 0 {
		st, n := h.insertOne, 1
		if len(rows) >= manyRows {
			st, n = h.insertMany, manyRows
		}
		for i, r := range rows[:n] {
			serial := int64(0)
			if r.Trigger != BySchedule {
				serial = r.ID
			}
			for j, v := range [runInsertWidth]driver.Value{r.ID, r.Job, int64(r.Version), string(r.Trigger), serial,
				int64(r.ScheduledAt), orNull(r.ScheduledUntil), int64(r.Count), string(r.Status), r.Reason,
				orNull(r.DueAt), int64(r.Attempt), orNull(r.StartedAt), orNull(r.FinishedAt)} {
				h.args[i*runInsertWidth+j].Value = v
			}
		}
		if _, err := h.run(st, n*runInsertWidth); err != nil {
			return fmt.Errorf("new runs of %d jobs, first %d: %w", n, rows[0].Job, err)
		}
		rows = rows[n:]
	}
	return nil
}

// finish applies the end of one attempt.
func (t *tx) finish(op *finishOp) error {
	h := t.s.hot
	op.accepted = false
	status := op.Status
	if status == Retrying {
		n, err := h.run(h.retry, op.set(h, Retrying, t.now))
		if err != nil {
			return fmt.Errorf("end of run %d: %w", op.Run, err)
		}
		if op.accepted = n == 1; op.accepted {
			return nil
		}
		// It is to be canceled, or its job is deleted, or the attempt is not current; the next statements tell.
		status = Canceled
		if n, err = h.run(h.withdraw, op.set(h, status, t.now)); err != nil {
			return fmt.Errorf("end of run %d: %w", op.Run, err)
		}
		if op.accepted = n == 1; !op.accepted {
			status = Failed
			if op.Attempt.Error == "interrupted" {
				status = Interrupted
			}
		}
	}
	if !op.accepted {
		n, err := h.run(h.finish, op.set(h, status, t.now))
		if err != nil {
			return fmt.Errorf("end of run %d: %w", op.Run, err)
		}
		if op.accepted = n == 1; !op.accepted {
			return nil
		}
	}
	if status != op.Status {
		t.touch(op.Job) // the caller believes in a retry
	}
	st := h.succeeded
	switch status {
	case Succeeded:
	case Failed:
		st = h.failed
	case Interrupted:
		st = h.interrupted
	case Canceled:
		st = h.canceled
	default:
		return t.countHot(op.Job, status, 1)
	}
	_, err := h.run(st, h.set(op.Run, op.Job))
	return err
}

// set puts the arguments of finishQuery for status into h.
func (op *finishOp) set(h *hotStatements, status Status, now instant) int {
	var due, http driver.Value
	finished := op.FinishedAt
	if status == Retrying {
		due, finished = orNull(op.DueAt), 0
	} else if finished == 0 {
		finished = now
	}
	if op.Attempt.HTTPStatus != 0 {
		http = int64(op.Attempt.HTTPStatus)
	}
	return h.set(string(status), op.Reason, due, orNull(op.StartedAt), orNull(finished), http, op.attempt, op.Run, int64(op.Attempt.Attempt))
}
