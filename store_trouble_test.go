package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// testBinary is the path of the running test program.
func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// testChild runs one test of this program in a process of its own.
func testChild(t *testing.T, program, test string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// intact checks the whole database, closed or not.
func intact(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", readerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Fatalf("integrity: %s, %v", result, err)
	}
}

// TestLockedDatabase: another process holds the write lock for longer than the writer waits.
func TestLockedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	log := new(logLines)
	s := openTestAt(t, path, storeOptions{Log: slog.New(slog.NewTextHandler(log, nil))})
	j, c := claimedJob(t, s, "a")
	other, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	finished := make(chan bool, 1)
	s.Finish(ended(c.Rows[0].ID, j.ID, 1, Succeeded), func(ok bool) { finished <- ok })
	began := time.Now()
	_, _, err = s.CreateJob(t.Context(), NewJob{JobID: "b", Definition: everySeconds(1)})
	if took := time.Since(began); !errors.Is(err, errUnavailable) || took > 6*time.Second {
		t.Fatalf("after %v: %v", took, err)
	}
	if _, err := claimAll(s, firing(Timer{Job: j.ID, Version: 1, NextAt: c.Next}, 0)); !errors.Is(err, errUnavailable) {
		t.Fatalf("a claim while locked: %v", err)
	}
	if s.Health() == nil {
		t.Error("healthy while locked")
	}
	if _, err := s.Job(t.Context(), "a"); err != nil {
		t.Errorf("reading while locked: %v", err)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if !<-finished {
		t.Error("the end of the call was lost")
	}
	mustCreate(t, s, "b", everySeconds(1), 0)
	if took := time.Since(began); took > time.Second {
		t.Errorf("resumed after %v", took)
	}
	if s.Health() != nil {
		t.Error("not healthy again")
	}
	if text := log.String(); strings.Count(text, "cannot be written") != 1 || strings.Count(text, "can be written again") != 1 {
		t.Errorf("the log must say each change once:\n%s", text)
	}
}

// TestHealthRecoversAlone: nobody writes, and health still finds out that the cause is gone.
func TestHealthRecoversAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := openTestAt(t, path, storeOptions{})
	s.health.bad(s.log, errors.New("some trouble"))
	s.signal()
	for began := time.Now(); s.Health() != nil; {
		if time.Since(began) > 5*time.Second {
			t.Fatal("still unhealthy")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// TestChangeGivesUp: a caller whose time is over gets an answer; what has not begun does not happen.
func TestChangeGivesUp(t *testing.T) {
	s := openTest(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	go s.change(context.Background(), func(*tx) error { close(inside); <-leave; return nil })
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.CreateJob(ctx, NewJob{JobID: "a", Definition: everySeconds(1)})
	if !errors.Is(err, errUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(leave)
	mustCreate(t, s, "b", everySeconds(1), 0)
	if _, err := s.Job(t.Context(), "a"); !errors.Is(err, errNotFound) {
		t.Errorf("a given-up change took effect: %v", err)
	}
}

// TestCloseDrains: what is queued when Close is called is written; what comes later is refused.
func TestCloseDrains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := openTestAt(t, path, storeOptions{})
	j := mustCreate(t, s, "a", everySeconds(1), 0)
	var claims []Claim
	next := j.NextAt
	for range 200 {
		c := firing(Timer{Job: j.ID, Version: 1, NextAt: next}, next.Add(time.Second))
		claims, next = append(claims, c), next.Add(time.Second)
	}
	if _, err := claimAll(s, claims...); err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int32
	for _, c := range claims {
		s.Finish(ended(c.Rows[0].ID, j.ID, 1, Succeeded), func(ok bool) {
			if ok {
				accepted.Add(1)
			}
		})
	}
	closeTest(t, s)
	if accepted.Load() != 200 {
		t.Errorf("%d of 200 ends were written", accepted.Load())
	}
	if _, err := claimAll(s, claims[0]); !errors.Is(err, errUnavailable) {
		t.Errorf("a claim after the close: %v", err)
	}
	if _, _, err := s.CreateJob(t.Context(), NewJob{JobID: "late", Definition: everySeconds(1)}); !errors.Is(err, errUnavailable) {
		t.Errorf("a change after the close: %v", err)
	}
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		t.Errorf("the log still holds %d bytes", wal.Size())
	}
	s = openTestAt(t, path, storeOptions{})
	if j, err := s.Job(t.Context(), "a"); err != nil || j.Counts[Succeeded] != 200 {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestPoisonedClaim: what SQLite refuses for one job does not take the others with it.
func TestPoisonedClaim(t *testing.T) {
	s := openTest(t)
	a, b := mustCreate(t, s, "a", everySeconds(1), 0), mustCreate(t, s, "b", everySeconds(1), 0)
	ca := firing(Timer{Job: a.ID, Version: 1, NextAt: a.NextAt}, a.NextAt.Add(time.Second))
	ca.Rows = append(ca.Rows, &Run{Job: a.ID, Version: 1, Trigger: BySchedule, ScheduledAt: a.NextAt, Status: Running}) // the same firing twice
	cb := firing(Timer{Job: b.ID, Version: 1, NextAt: b.NextAt}, b.NextAt.Add(time.Second))
	held, err := claimAll(s, ca, cb)
	if err != nil || held[0] || !held[1] {
		t.Fatalf("held %v, %v", held, err)
	}
	if tm, _, err := s.Timer(t.Context(), a.ID); err != nil || tm.NextAt != a.NextAt || len(tm.Open) != 0 {
		t.Errorf("half of the refused claim took effect: %+v, %v", tm, err)
	}
}

// TestGather: under a load of ends that come one by one, those that come soon after a commit wait for company.
func TestGather(t *testing.T) {
	var commits atomic.Int64
	s := openTestAt(t, filepath.Join(t.TempDir(), "jobs.db"), storeOptions{Committed: func(time.Duration) { commits.Add(1) }})
	var written sync.WaitGroup
	began := time.Now()
	for range 600 {
		written.Add(1)
		s.Finish(ended(1, 1, 1, Succeeded), func(bool) { written.Done() })
		time.Sleep(500 * time.Microsecond)
	}
	written.Wait()
	const alone = 40 // before it is known to be a load
	if took, n := time.Since(began), commits.Load(); n > int64(took/gatherTime)+alone {
		t.Errorf("%d commits in %s", n, took)
	}
}
