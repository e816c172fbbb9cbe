package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// testPolicy is the server's defaults as the design names them.
var testPolicy = Policy{MaxInstances: 1, Overlap: "skip", Coalesce: true, Grace: 300 * time.Second, CatchupLimit: 100}

// openTest opens a database on a real disk, closed with the test.
func openTest(t testing.TB) *Store {
	return openTestAt(t, filepath.Join(t.TempDir(), "jobs.db"), storeOptions{})
}

func openTestAt(t testing.TB, path string, opt storeOptions) *Store {
	t.Helper()
	if opt.Policy == (Policy{}) {
		opt.Policy = testPolicy
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s, err := openStore(t.Context(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, s) })
	return s
}

func closeTest(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// everySeconds is the definition of an interval job.
func everySeconds(n int) *Definition {
	return &Definition{ScheduleType: "interval", Interval: []byte(`{"seconds":` + strconv.Itoa(n) + `}`), Timezone: "UTC",
		TargetURL: "http://127.0.0.1:9/hook", Method: "POST"}
}

// mustCreate stores a job whose plan began at the instant at (0 = now).
func mustCreate(t testing.TB, s *Store, jobID string, d *Definition, at instant) *Job {
	t.Helper()
	j, created, err := s.CreateJob(t.Context(), NewJob{JobID: jobID, Definition: d, At: at})
	if err != nil || !created {
		t.Fatalf("create %s: created %v, %v", jobID, created, err)
	}
	return j
}

// mustJob reads a living job.
func mustJob(t *testing.T, s *Store, id string) *Job {
	t.Helper()
	j, err := s.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// redefine makes d the job's definition.
func redefine(t *testing.T, s *Store, id string, d *Definition) {
	t.Helper()
	if _, err := s.UpdateJob(t.Context(), id, func(*Job) (*Definition, error) { return d, nil }); err != nil {
		t.Fatal(err)
	}
}

// claimAll commits claims and waits.
func claimAll(s ledger, claims ...Claim) (held []bool, err error) {
	done := make(chan struct{})
	s.Claim(claims, func(h []bool, e error) { held, err = h, e; close(done) })
	<-done
	return held, err
}

// finishOne commits one end and waits.
func finishOne(s ledger, f Finish) (accepted bool) {
	done := make(chan struct{})
	s.Finish(f, func(ok bool) { accepted = ok; close(done) })
	<-done
	return accepted
}

// firing is the claim of one firing of t, to be called at once.
func firing(t Timer, next instant) Claim {
	return Claim{Job: t.Job, Version: t.Version, From: t.NextAt, Next: next, Cursor: t.NextAt, Rows: []*Run{{Job: t.Job, Version: t.Version,
		Trigger: BySchedule, ScheduledAt: t.NextAt, Count: 1, Status: Running, Attempt: 1, StartedAt: t.NextAt, DueAt: t.NextAt}}}
}

// ended is the end of attempt n of a run.
func ended(run, job int64, n int, status Status) Finish {
	return Finish{Run: run, Job: job, Status: status, Attempt: Attempt{Attempt: n, HTTPStatus: 200, OK: status == Succeeded, StartedAt: time.Now()},
		StartedAt: 1, FinishedAt: instantOf(time.Now())}
}

// logLines is a slog handler's target that a test reads.
type logLines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// claimedJob makes a job and claims its first firing.
func claimedJob(t *testing.T, s *Store, jobID string) (*Job, Claim) {
	t.Helper()
	j := mustCreate(t, s, jobID, everySeconds(1), 0)
	tm, _, err := s.Timer(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := firing(tm, tm.NextAt.Add(time.Second))
	if held, err := claimAll(s, c); err != nil || !held[0] {
		t.Fatal(held, err)
	}
	return j, c
}
