package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// SQLite itself would move the log (the -wal file) into the database file inside the writer's COMMIT, and every claim would
// wait for thousands of pages and two syncs. So a goroutine with a connection of its own does it beside the writer. But frames
// come meanwhile, and the log begins anew at its start only when nothing is left in it: so the writer moves the last few
// itself, between two of its transactions, when the goroutine asks for it.

const (
	// The log is moved when it is logPages long, in frames of one page, and the last time is logEvery ago; or when it is logLong.
	// The longer it gets, the more pages are moved once that were written many times; the start after a crash reads all of it.
	logPages = 4000
	logLong  = 12_000
	logEvery = time.Second
	// logRest is how many frames are few enough to be left to the writer: one or two milliseconds.
	logRest = 100
	// logPasses bounds how often the goroutine tries to come down to logRest. After that the writer moves what is left,
	// however much: so the log is bounded under any load.
	logPasses = 4
	// logRetry is by how much the log grows before the next attempt when it could not begin anew because somebody read from it.
	logRetry = 1000
	// logLook is the least time between two looks at the log's length.
	logLook = 50 * time.Millisecond
	// logFallback is the length at which SQLite moves the log inside a COMMIT, should all of this not have worked.
	logFallback = 4 * logLong
)

// mover moves the log into the database file. Its goroutine owns it, but for the two flags.
type mover struct {
	pool *sql.DB
	conn *sql.Conn
	// file is the database file: SQLite syncs it only when nothing is left to move, which would be the writer's part. It is
	// open as long as any connection of this process: closing a file drops the process's locks on it.
	file *os.File

	committed chan struct{} // holds one token when there was a commit since the last look
	wanted    atomic.Bool   // the writer is to move what is left
	last      time.Time     // when the log was moved last
	least     int           // the length below which it is left alone
	failed    bool          // the last attempt did; for the log
}

// openMover opens the database once more. Also with an error it gives what it has opened: the store closes that, the file after
// its own connections.
func openMover(ctx context.Context, path string) (m *mover, err error) {
	m = &mover{committed: make(chan struct{}, 1)}
	if m.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return m, err
	}
	if m.pool, err = sql.Open("sqlite", dsn(path, "rw", "synchronous(FULL)", "cache_size(-64)", "mmap_size(0)")); err != nil {
		return m, err
	}
	m.pool.SetMaxOpenConns(1)
	m.conn, err = m.pool.Conn(ctx)
	return m, err
}

// close closes all but the file.
func (m *mover) close() (err error) {
	if m.conn != nil {
		err = m.conn.Close()
	}
	if m.pool != nil {
		err = errors.Join(err, m.pool.Close())
	}
	return err
}

// note tells that the log may have grown. It does not block.
func (m *mover) note() {
	select {
	case m.committed <- struct{}{}:
	default:
	}
}

// checkpoint runs a checkpoint of that mode and tells how many frames the log has and how many of them are moved. NOOP only looks.
func (m *mover) checkpoint(ctx context.Context, mode string) (frames, moved int, err error) {
	var busy bool
	err = m.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &moved)
	return frames, moved, err
}

// moveForever moves the log whenever it has become long, until the store closes.
func (s *Store) moveForever() {
	m := s.mover
	for {
		select {
		case <-m.committed:
		case <-s.quit.Done():
			return
		}
		wait := logLook
		err := s.moveLog(s.quit)
		if s.quit.Err() != nil {
			return
		}
		if err != nil {
			wait = maxBackoff
			if !m.failed {
				s.log.Warn("the write-ahead log could not be moved into the database, trying again", "error", err)
			}
		}
		m.failed = err != nil
		if rest(s.quit, wait) != nil {
			return
		}
	}
}

// moveLog moves the log if it is long, and asks the writer for the rest.
func (s *Store) moveLog(ctx context.Context) error {
	m := s.mover
	frames, moved, err := m.checkpoint(ctx, "NOOP")
	if frames < logPages {
		m.least = logPages
	}
	if err != nil || frames < m.least || (frames < logLong && time.Since(m.last) < logEvery) {
		return err
	}
	for range logPasses {
		before := moved
		if _, _, err = m.checkpoint(ctx, "PASSIVE"); err == nil {
			err = m.file.Sync()
		}
		if err == nil {
			frames, moved, err = m.checkpoint(ctx, "NOOP")
		}
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if frames-moved <= logRest {
			break
		}
		if moved == before { // an old snapshot is being read: what came after it cannot be moved before that ends
			m.least = frames + logRetry
			return nil
		}
	}
	m.last, m.least = time.Now(), frames+logRetry
	m.wanted.Store(true)
	s.signal()
	return nil
}

// endLog moves the rest of the log when it was asked for: afterwards, unless somebody still reads from it, the next transaction
// begins at its start. Writer only, between transactions. An error is not one: SQLite says it again with the next COMMIT that matters.
func (s *Store) endLog() {
	if s.mover.wanted.Load() {
		s.mover.wanted.Store(false)
		_, _ = s.conn.ExecContext(s.quit, "PRAGMA wal_checkpoint(PASSIVE)")
	}
}
