package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// groupTime bounds how long one transaction gathers work: a wait for its commit stays short under any backlog, while the
	// cost of the commit is spread over hundreds of changes.
	groupTime = 20 * time.Millisecond
	// minBackoff and maxBackoff bound the pause before the next attempt after the disk has refused one.
	minBackoff = 250 * time.Millisecond
	maxBackoff = time.Second
)

var errStoreClosed = errors.New("the store is closed")

// claimOp, finishOp and changeOp are what waits for the writer.
type claimOp struct {
	claims []Claim
	held   []bool
	done   func(held []bool, err error)
}

type finishOp struct {
	Finish
	attempt  string // the attempt as JSON; made by the caller, so that the writer does not spend its time on it
	accepted bool
	done     func(accepted bool)
}

type changeOp struct {
	apply func(t *tx) error
	by    *asker        // nil = the server itself
	calm  bool          // it can wait: it goes with what else is written
	err   error         // what apply returned; set before done is closed
	done  chan struct{} // closed after the commit or the refusal
	state atomic.Int32  // waiting, taken or given up
}

const (
	opWaiting = iota
	opTaken
	opGivenUp
)

// Claim queues claims; see ledger.
func (s *Store) Claim(claims []Claim, done func(held []bool, err error)) {
	op := &claimOp{claims: claims, held: make([]bool, len(claims)), done: done}
	if !s.submit(op) {
		refuse(op, errStoreClosed)
	}
}

// Finish queues the end of an attempt; see ledger.
func (s *Store) Finish(f Finish, done func(accepted bool)) {
	op := &finishOp{Finish: f, attempt: attemptText(&f.Attempt), done: done}
	if !s.submit(op) {
		refuse(op, errStoreClosed)
	}
}

// change runs apply on the writer's connection and returns when what it did is on disk. An error of apply undoes it. When ctx
// ends first and apply has not begun, it never will; when it has begun, the error says that the outcome is not known.
func (s *Store) change(ctx context.Context, apply func(t *tx) error) error {
	return s.changeBy(ctx, &changeOp{apply: apply, by: askerOf(ctx), done: make(chan struct{})})
}

func (s *Store) changeBy(ctx context.Context, op *changeOp) error {
	if !s.submit(op) {
		return unavailable(errStoreClosed)
	}
	select {
	case <-op.done:
		return op.err
	case <-ctx.Done():
	}
	if op.state.CompareAndSwap(opWaiting, opGivenUp) {
		return unavailable(fmt.Errorf("nothing was changed: %w", context.Cause(ctx)))
	}
	select {
	case <-op.done: // it ended at the same moment
		return op.err
	default:
		return unavailable(fmt.Errorf("the change has begun and may still take effect: %w", context.Cause(ctx)))
	}
}

// submit queues op without blocking; false when the store is closed.
func (s *Store) submit(op any) bool {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return false
	}
	s.queue = append(s.queue, op)
	s.queued += weight(op)
	wake := !s.gathering || !hot(op) || s.queued >= gatherEnough
	s.mu.Unlock()
	if wake {
		s.signal()
	}
	return true
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take appends what has come in to pending.
func (s *Store) take(pending []any) (_ []any, closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending = append(pending, s.queue...)
	clear(s.queue)
	s.queue, s.queued = s.queue[:0], 0
	return pending, s.closing
}

// write is the writer goroutine. It ends when the store is closing and nothing is left to write, or when Close gives up.
func (s *Store) write() {
	defer close(s.done)
	var pending []any
	var backoff time.Duration
	var began time.Time // of the last group
	rest := 0           // what it left
	var load writerLoad
	for {
		var closing bool
		pending, closing = s.take(pending)
		if s.quit.Err() != nil || (closing && len(pending) == 0) {
			s.mu.Lock()
			s.queue = append(pending, s.queue...) // for refuseRest
			s.mu.Unlock()
			return
		}
		s.endLog()
		if len(pending) == 0 {
			s.idle(&backoff)
			continue
		}
		if n := len(pending); rest == 0 && load.busy(n) {
			pending = s.gather(pending, began)
			load.now += len(pending) - n
		}
		began = time.Now()
		n, err := s.group(pending)
		if err != nil {
			rest = 0
			s.health.bad(s.log, err)     // before anybody is told: who is refused must find the server unhealthy
			pending, _ = s.take(pending) // they have waited as long as those that failed
			pending = keepFinishes(pending, err)
			s.fail(err, &backoff)
			continue
		}
		backoff = 0
		s.health.good(s.log)
		clear(pending[:n])
		pending = append(pending[:0], pending[n:]...)
		rest = len(pending)
	}
}

// idle waits for work. While the disk is known to refuse writes it also tries one now and then, so that Health tells the
// truth when nobody has anything to write.
func (s *Store) idle(backoff *time.Duration) {
	if s.health.get() == nil {
		<-s.wake
		return
	}
	select {
	case <-s.wake:
		return
	case <-time.After(maxBackoff):
	}
	probe := &changeOp{done: make(chan struct{}), apply: (*tx).probe}
	if _, err := s.group([]any{probe}); err != nil {
		s.health.bad(s.log, err)
		return
	}
	*backoff = 0
	s.health.good(s.log)
}

// probe writes the least that there is to write: one small row.
func (t *tx) probe() error {
	_, err := t.exec("INSERT INTO meta (key, value) VALUES ('probe', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1", int64(t.now))
	return err
}

// fail pauses before the next attempt after err. A lock that another process holds needs no pause: BEGIN waits for it.
func (s *Store) fail(err error, backoff *time.Duration) {
	if isBusy(err) {
		return
	}
	*backoff = min(max(2**backoff, minBackoff), maxBackoff)
	if sqliteCode(err) == sqlite3.SQLITE_FULL { // the log may hold space that the database file no longer needs
		_, _ = s.conn.ExecContext(s.quit, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	select {
	case <-time.After(*backoff):
	case <-s.quit.Done():
	}
}

// keepFinishes refuses all of pending but the ends of attempts, which wait until the disk takes them.
func keepFinishes(pending []any, err error) []any {
	kept := pending[:0]
	for _, op := range pending {
		if f, ok := op.(*finishOp); ok {
			kept = append(kept, f)
			continue
		}
		refuse(op, err)
	}
	clear(pending[len(kept):])
	return kept
}

// refuse answers op without having done it.
func refuse(op any, err error) {
	switch op := op.(type) {
	case *claimOp:
		clear(op.held)
		op.done(op.held, unavailable(err))
	case *finishOp:
		op.done(false)
	case *changeOp:
		op.err = unavailable(err)
		close(op.done)
	}
}

// unavailable marks err as the database's inability, keeping the reason.
func unavailable(err error) error {
	if errors.Is(err, errUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnavailable, err)
}

// group commits as much of pending, from its start, as one transaction should hold, and answers those n operations. With an
// error nothing took effect and nothing is answered.
func (s *Store) group(pending []any) (n int, err error) {
	n, touched, err := s.transact(pending, false)
	if err != nil && !ofTheDisk(err) {
		// One operation cannot be done, and that is its own fault: again, each under its own savepoint.
		s.log.Error("a database write failed, separating it from the others", "error", err)
		n, touched, err = s.transact(pending[:max(n, 1)], true)
	}
	if err != nil {
		return 0, err
	}
	for _, n := range touched {
		if n.timer != nil && s.created != nil {
			s.created(*n.timer)
		} else {
			s.changed(n.job)
		}
	}
	for _, op := range pending[:n] {
		switch op := op.(type) {
		case *claimOp:
			op.done(op.held, nil)
		case *finishOp:
			op.done(op.accepted)
		case *changeOp:
			if op.state.Load() != opGivenUp {
				close(op.done)
			}
		}
	}
	return n, nil
}

// transact applies and commits. With an error it has rolled back, and n counts the operations up to and including the one
// that failed.
func (s *Store) transact(pending []any, apart bool) (n int, touched []news, err error) {
	// Not with s.quit, for which the driver would start a goroutine each time: Close waits for busyTimeout at most.
	if err := s.hot.exec(context.Background(), s.hot.begin); err != nil {
		return 0, nil, fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			_ = s.hot.exec(context.Background(), s.hot.rollback) // SQLite may have done it by itself
		}
	}()
	t := &tx{s: s, now: s.now(), apart: apart}
	until := time.Now().Add(groupTime)
	for n < len(pending) {
		if change, ok := pending[n].(*changeOp); ok {
			n++
			apply := t.change
			switch {
			case apart:
			case change.calm:
				apply = t.sweep
			case len(pending) == 1:
				apply = t.only
			}
			if err := apply(change); err != nil {
				return n, nil, err
			}
		} else {
			done, err := t.hotRun(pending[n:], until)
			n += done
			if err != nil {
				return n, nil, err
			}
		}
		if time.Now().After(until) {
			break
		}
	}
	if t.undo {
		return n, nil, s.hot.exec(context.Background(), s.hot.rollback)
	}
	began := time.Now()
	if err := s.hot.exec(context.Background(), s.hot.commit); err != nil {
		return n, nil, fmt.Errorf("commit: %w", err)
	}
	s.commits(time.Since(began))
	s.mover.note()
	return n, t.touched, nil
}

// ofTheDisk tells whether err is about the database as a whole, so that trying the same later makes sense and trying its
// parts one by one does not.
func ofTheDisk(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, context.Canceled) || errors.Is(err, driver.ErrBadConn)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE:
		return false
	}
	return true
}
