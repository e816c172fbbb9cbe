package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// applicationID marks a database as teiki's (PRAGMA application_id): "teik".
	applicationID = 0x7465696b
	// minSQLite is the first version without the WAL-reset corruption.
	minSQLite = "3.51.3"
	// busyTimeout is how long, in milliseconds, the writer waits for another process that holds the lock. A change waits this
	// long, plus at most one pause of the writer (maxBackoff), before it is refused: the API promises an answer within 6 s.
	busyTimeout = 4000
	// readerConnections is how many reads can go on at one time.
	readerConnections = 4
	// quickCheckBytes is the largest file that is checked whole at start: a few tenths of a second.
	quickCheckBytes = 32 << 20
)

// dsn names a database file and the pragmas that each of its connections gets. They are part of the name because a PRAGMA sent
// through a pool reaches one connection only. busy_timeout comes first: the others may already meet a lock.
func dsn(path, mode string, pragmas ...string) string {
	if runtime.GOOS == "windows" {
		path = "/" + filepath.ToSlash(path)
	}
	q := url.Values{"mode": {mode}, "_pragma": append([]string{"busy_timeout(" + strconv.Itoa(busyTimeout) + ")"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

func writerDSN(path string) string {
	return dsn(path, "rwc", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-4096)", "mmap_size(0)",
		"wal_autocheckpoint("+strconv.Itoa(logFallback)+")", "journal_size_limit(67108864)") + "&_txlock=immediate"
}

func readerDSN(path string) string {
	return dsn(path, "ro", "query_only(1)", "cache_size(-4096)", "mmap_size(0)")
}

// Reader is the part of the store that only reads. It may be open in any number of processes, also beside the server.
type Reader struct {
	read *sql.DB
	// Prepared, because compiling them costs several times as much as running them.
	timer, version, definitions, schedules *sql.Stmt
	history                                map[string]*sql.Stmt // of historyQueries
	id                                     uint64               // meta 'id': the database's part of every run_id
	cached                                 planCache
}

// openReader opens the database at path for reading alone, as `teiki verify` does beside a running server.
func openReader(ctx context.Context, path string) (*Reader, error) {
	path, err := realPath(path)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := inspect(ctx, path); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	r, err := newReader(ctx, path, 1)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return r, nil
}

func newReader(ctx context.Context, path string, connections int) (*Reader, error) {
	db, err := sql.Open("sqlite", readerDSN(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	var id string
	var version int
	err = db.QueryRowContext(ctx, "SELECT value, (SELECT user_version FROM pragma_user_version) FROM meta WHERE key = 'id'").Scan(&id, &version)
	if err == nil && version != schemaVersion {
		err = fmt.Errorf("its schema has version %d, this program reads version %d: start the server once to upgrade it", version, schemaVersion)
	}
	r := &Reader{read: db, history: map[string]*sql.Stmt{}}
	if err == nil {
		r.id, err = strconv.ParseUint(id, 16, 54)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	for query, st := range map[string]**sql.Stmt{timerQuery: &r.timer, versionQuery: &r.version, definitionsQuery: &r.definitions, schedulesQuery: &r.schedules} {
		if *st, err = db.PrepareContext(ctx, query); err != nil {
			db.Close()
			return nil, err
		}
	}
	for _, query := range historyQueries {
		if r.history[query], err = db.PrepareContext(ctx, query); err != nil {
			db.Close()
			return nil, err
		}
	}
	return r, nil
}

// Close gives the reading connections up, and its statements with them.
func (r *Reader) Close() error { return r.read.Close() }

// inspect refuses a file that this program must not touch, before anything opens it for writing. No file, or an empty one, is
// fine: it becomes a database.
func inspect(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	head := make([]byte, 100)
	n, err := io.ReadFull(f, head)
	info, statErr := f.Stat()
	f.Close() // before SQLite opens it: closing a file drops the process's locks on it
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case statErr != nil:
		return statErr
	case n < 100 || string(head[:16]) != "SQLite format 3\x00":
		return errors.New("this file is not a database")
	}
	db, err := sql.Open("sqlite", readerDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	var library string
	var app, version, tables int
	err = db.QueryRowContext(ctx, `SELECT sqlite_version(), (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&library, &app, &version, &tables)
	if err != nil {
		return damaged(err)
	}
	switch {
	case older(library, minSQLite):
		return fmt.Errorf("SQLite %s can corrupt a write-ahead log: version %s or later is needed", library, minSQLite)
	case app == 0 && version == 0 && tables == 0:
		return nil
	case app != applicationID:
		return errors.New("this is a database of another program")
	case version > schemaVersion:
		return fmt.Errorf("its schema has version %d, newer than this program's version %d: use a newer teiki", version, schemaVersion)
	}
	return checkPages(ctx, db, info.Size())
}

// checkPages looks for damage: everywhere in a small file, at both ends of each table and index in a large one, because a
// whole check of a large history would keep the server from starting for minutes.
func checkPages(ctx context.Context, db *sql.DB, size int64) error {
	if size <= quickCheckBytes {
		var found string
		if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
			return damaged(err)
		}
		if found != "ok" {
			return fmt.Errorf("the database is damaged (%s): restore a backup, or recover it with sqlite3 .recover", found)
		}
		return nil
	}
	for _, q := range []string{
		"SELECT (SELECT definition FROM jobs ORDER BY id LIMIT 1), (SELECT definition FROM jobs ORDER BY id DESC LIMIT 1)",
		"SELECT (SELECT version FROM timers ORDER BY job LIMIT 1), (SELECT version FROM timers ORDER BY job DESC LIMIT 1)",
		"SELECT (SELECT attempts FROM runs ORDER BY id LIMIT 1), (SELECT attempts FROM runs ORDER BY id DESC LIMIT 1)",
		"SELECT min(scheduled_at), max(scheduled_at) FROM runs INDEXED BY runs_time",
		"SELECT min(job), max(job) FROM runs INDEXED BY runs_firing",
	} {
		var a, b any
		if err := db.QueryRowContext(ctx, q).Scan(&a, &b); err != nil {
			return damaged(err)
		}
	}
	return nil
}

// damaged explains SQLite's error about a file that exists.
func damaged(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR:
		return fmt.Errorf("the database is damaged: restore a backup, or recover it with sqlite3 .recover: %w", err)
	}
	return err
}

// sqliteCode is the primary result code in err, 0 when it is not SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// isBusy tells whether another process holds the lock.
func isBusy(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// older compares dotted version numbers.
func older(v, than string) bool {
	a, b := strings.Split(v, "."), strings.Split(than, ".")
	for i := range min(len(a), len(b)) {
		x, _ := strconv.Atoi(a[i])
		y, _ := strconv.Atoi(b[i])
		if x != y {
			return x < y
		}
	}
	return len(a) < len(b)
}
