package main

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// seenAttempt is one call as a target saw it.
type seenAttempt struct {
	job, run, scheduled, attempt, key string
	at                                time.Time
}

// callTarget is a target that remembers its calls. hook, when set, may answer; it is called after the call is noted.
type callTarget struct {
	*httptest.Server
	hook func(c seenAttempt, w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	calls []seenAttempt
}

func newCallTarget(t *testing.T, hook func(c seenAttempt, w http.ResponseWriter, r *http.Request)) *callTarget {
	c := &callTarget{hook: hook}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *callTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := r.Header
	call := seenAttempt{h.Get("Teiki-Job-Id"), h.Get("Teiki-Run-Id"), h.Get("Teiki-Scheduled-At"), h.Get("Teiki-Attempt"), h.Get("Idempotency-Key"), time.Now()}
	c.mu.Lock()
	c.calls = append(c.calls, call)
	c.mu.Unlock()
	if c.hook != nil {
		c.hook(call, w, r)
	}
}

// of gives the calls of one job; "" = all.
func (c *callTarget) of(job string) (calls []seenAttempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if job == "" || call.job == job {
			calls = append(calls, call)
		}
	}
	return calls
}

// openDB opens a server's database as another process would.
func openDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// lockDB holds the write lock until the given function is called.
func lockDB(t *testing.T, path string) (release func()) {
	t.Helper()
	lock, err := openDB(t, path).Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := lock.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// soundAfter holds a database, and what a target saw, against the promise: sound pages, plans that agree with the rows, no call
// without a row, one key for all attempts of a run, and no scheduled time of the plan called under two runs.
func soundAfter(t *testing.T, bin, db string, calls []seenAttempt) {
	t.Helper()
	intact(t, db)
	if out, err := exec.Command(bin, "verify", "-db", db).CombinedOutput(); err != nil {
		t.Errorf("teiki verify: %v\n%s", err, out)
	}
	type row struct{ job, at string }
	rows := map[row]bool{}
	found, err := openDB(t, db).Query("SELECT j.job_id, r.scheduled_at FROM runs r JOIN jobs j ON j.id = r.job WHERE r.attempt > 0")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var job string
		var at instant
		if err := found.Scan(&job, &at); err != nil {
			t.Fatal(err)
		}
		rows[row{job, at.Time().Format(time.RFC3339Nano)}] = true
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	keys, runs := map[string]string{}, map[row]string{}
	for _, c := range calls {
		at, err := time.Parse(time.RFC3339Nano, c.scheduled)
		if err != nil {
			t.Fatal(err)
		}
		firing := row{c.job, at.UTC().Format(time.RFC3339Nano)}
		if !rows[firing] {
			t.Errorf("a call without a row: %+v", c)
		}
		if was, ok := keys[c.run]; ok && was != c.key {
			t.Errorf("run %s went out under the keys %s and %s", c.run, was, c.key)
		}
		if was, ok := runs[firing]; ok && was != c.run {
			t.Errorf("%v is called under the runs %s and %s", firing, was, c.run)
		}
		keys[c.run], runs[firing] = c.key, c.run
	}
}
