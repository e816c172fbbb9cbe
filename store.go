package main

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Store keeps jobs and runs in one SQLite file. Everything that changes goes through one writer goroutine, which owns the one
// connection that writes and commits in groups; everything that only reads uses the Reader's connections. A method that
// changes something returns when the change is on disk (WAL, synchronous=FULL), or with an error when it is not.
type Store struct {
	*Reader
	checks    *Reader // a connection for the ledger's comparisons alone: they take long and must not keep others waiting
	log       *slog.Logger
	policy    Policy // the server's defaults, for settling
	keep      retention
	keepAudit time.Duration // 0 = for ever
	now       func() instant
	commits   func(took time.Duration)
	changed   func(job int64) // called after each commit that changed a job's plan or its waiting runs; set before use
	created   func(t Timer)   // called instead for a new job; nil = changed is

	lock *fileLock
	pool *sql.DB   // of the one writing connection
	conn *sql.Conn // used by the writer goroutine alone
	hot  *hotStatements
	stmt map[string]*sql.Stmt
	fast map[string]driver.Stmt // see tx.insert

	mover *mover
	aged  agedStatements

	mu        sync.Mutex
	queue     []any         // *claimOp, *finishOp, *changeOp in the order of arrival
	queued    int           // claims and ends in it, and in what the writer gathers
	closing   bool          // nothing is accepted any more
	gathering bool          // the writer waits for company: claims and ends need not wake it
	wake      chan struct{} // holds one token while queue may be non-empty

	zones   map[string]string // fingerprints of the zone data that this process has; set before the API serves, then read only by the writer
	lastRun int64             // highest runs.id given out; writer only

	quit    context.Context // ends when Close may wait no longer
	abandon context.CancelCauseFunc
	done    chan struct{}  // closed when the writer has returned
	beside  sync.WaitGroup // goroutines that work beside the writer
	health  healthState
}

// storeOptions are what the rest of the server decides about the store. The zero value works.
type storeOptions struct {
	Log     *slog.Logger    // nil = slog.Default()
	Policy  Policy          // defaults of jobs that do not say
	Changed func(job int64) // see Store.changed
	Created func(t Timer)   // see Store.created

	Committed func(took time.Duration) // called by the writer after each commit, for metrics; must be quick

	KeepRuns   int           // history per job by count, 0 = no limit
	KeepPeriod time.Duration // history by age, 0 = no limit
	KeepAudit  time.Duration // audit by age, 0 = no limit
	SweepEvery time.Duration // 0 = sweepEvery
}

// openStore opens the database at path for this process alone, makes it if it does not exist, upgrades it if it is older, and
// starts the writer. It refuses, with the reason and without changing a byte, what is not a sound database of this program
// or an older one, and what another process has open. Close ends what it starts.
func openStore(ctx context.Context, path string, opt storeOptions) (*Store, error) {
	s, err := openStoreFile(ctx, path, opt)
	if err != nil {
		return nil, err
	}
	if err := s.followZones(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close(ctx))
	}
	return s, nil
}

func openStoreFile(ctx context.Context, path string, opt storeOptions) (s *Store, err error) {
	path, err = realPath(path)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	s = &Store{log: opt.Log, policy: opt.Policy, changed: opt.Changed, created: opt.Created,
		keep: retention{runs: opt.KeepRuns, period: opt.KeepPeriod, every: cmp.Or(opt.SweepEvery, sweepEvery)}, keepAudit: opt.KeepAudit,
		now:  func() instant { return instantOf(time.Now()) },
		stmt: map[string]*sql.Stmt{}, fast: map[string]driver.Stmt{}, zones: map[string]string{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.commits = opt.Committed; s.commits == nil {
		s.commits = func(time.Duration) {}
	}
	if s.changed == nil {
		s.changed = func(int64) {}
	}
	defer func() {
		if err != nil {
			s.release()
			s, err = nil, fmt.Errorf("database %s: %w", path, err)
		}
	}()
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return s, err
	}
	if err = inspect(ctx, path); err != nil {
		return s, err
	}
	if err = s.openWriter(ctx, path); err != nil {
		return s, err
	}
	if s.mover, err = openMover(ctx, path); err != nil {
		return s, err
	}
	if s.Reader, err = newReader(ctx, path, readerConnections); err != nil {
		return s, err
	}
	if s.checks, err = newReader(ctx, path, 1); err != nil {
		return s, err
	}
	s.quit, s.abandon = context.WithCancelCause(context.WithoutCancel(ctx))
	go s.write()
	s.beside.Go(s.sweepForever)
	s.beside.Go(s.moveForever)
	return s, nil
}

// openWriter opens the connection that writes, brings the schema up to date and prepares what the timer loop needs.
func (s *Store) openWriter(ctx context.Context, path string) error {
	// The database may hold credentials that authors wrote into their jobs: nobody else is to read it. SQLite gives its
	// -wal and -shm files the same mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if s.pool, err = sql.Open("sqlite", writerDSN(path)); err != nil {
		return err
	}
	s.pool.SetMaxOpenConns(1)
	if s.conn, err = s.pool.Conn(ctx); err != nil {
		return err
	}
	var mode string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("write-ahead logging is not possible here (journal mode %s): the directory must allow shared memory files", mode)
	}
	if err := upgrade(ctx, s.conn, upgradeSteps); err != nil {
		return err
	}
	if s.hot, err = prepareHot(ctx, s.conn); err != nil {
		return err
	}
	return s.conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM runs").Scan(&s.lastRun)
}

// Close takes nothing more, lets the writer finish what is queued, moves the log into the database file and gives the
// database up. When ctx ends first, what is still queued is lost and the error says how much; nothing acknowledged is.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	again := s.closing
	s.closing = true
	s.mu.Unlock()
	if again {
		<-s.done
		return nil
	}
	s.signal()
	stop := context.AfterFunc(ctx, func() { s.abandon(context.Cause(ctx)) })
	defer stop()
	<-s.done
	s.abandon(errStoreClosed)
	s.beside.Wait()
	lost := s.refuseRest()
	err := s.release()
	if lost > 0 {
		err = errors.Join(fmt.Errorf("%d changes were not written: %w", lost, context.Cause(ctx)), err)
	}
	return err
}

// refuseRest answers what the writer left in the queue and counts it.
func (s *Store) refuseRest() (lost int) {
	s.mu.Lock()
	rest := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, op := range rest {
		lost++
		refuse(op, errStoreClosed)
	}
	return lost
}

// release closes what is open, in the reverse order of opening.
func (s *Store) release() error {
	var errs []error
	for _, r := range []*Reader{s.checks, s.Reader} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	if s.mover != nil {
		errs = append(errs, s.mover.close())
	}
	if s.conn != nil {
		s.closeStatements()
		s.hot.close(s.conn)
		// A busy reader of another process keeps part of the log: the next start reads it from there.
		_, err := s.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
		if err != nil && !isBusy(err) && s.health.get() == nil {
			errs = append(errs, err)
		}
		errs = append(errs, s.conn.Close())
	}
	if s.pool != nil {
		errs = append(errs, s.pool.Close())
	}
	if s.mover != nil && s.mover.file != nil {
		errs = append(errs, s.mover.file.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.unlock())
	}
	return errors.Join(errs...)
}

// Histories is the Reader's, on a connection of its own.
func (s *Store) Histories(ctx context.Context, w ledgerWindow, each func(h *history, rows rowReader) error) error {
	return s.checks.Histories(ctx, w, each)
}

// Health is nil while the database takes writes, else what the last attempt failed with.
func (s *Store) Health() error { return s.health.get() }

// newDatabaseID makes the random part of every run_id of a database: 54 bits.
func newDatabaseID() string { return strconv.FormatUint(rand.Uint64()>>10, 16) }

// realPath makes path absolute and follows links, so that two ways to one file find the same lock.
func realPath(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path is empty")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // the file does not exist yet: its directory must
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}
