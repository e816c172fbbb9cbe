package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hanging is a target that answers nothing until the client has gone. arrived gets each request.
func hanging(t testing.TB) (url string, arrived chan struct{}) {
	arrived = make(chan struct{}, 100)
	over := make(chan struct{})
	target := newSeen(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-over:
		}
	})
	t.Cleanup(func() { close(over) }) // before the server's own
	return target.URL, arrived
}

func TestCancel(t *testing.T) {
	r := newRig(t, nil)
	url, arrived := hanging(t)
	r.ledger.jobs[1] = &Definition{TargetURL: url, Method: "GET", MaxRetries: ptr(5)}
	for cause, reason := range map[error]string{errCanceled: ReasonByUser, errReplaced: ReasonReplaced} {
		r.Start(Dispatch{Run: 3, Job: 1, Version: 1, Attempt: 1})
		<-arrived
		if r.Out() != 1 {
			t.Errorf("%d calls out", r.Out())
		}
		r.Cancel(4, cause) // another run: nothing happens
		r.Cancel(3, cause)
		if f := <-r.finished; f.Status != Canceled || f.Reason != reason || f.Attempt.Error != classCanceled || f.DueAt != 0 {
			t.Errorf("%v: %+v", cause, f)
		}
	}
	r.Cancel(3, errCanceled) // over: nothing happens
}

// TestDrain: calls end by themselves while there is time, the rest as interrupted, and Drain returns only when every outcome is
// on disk.
func TestDrain(t *testing.T) {
	r := newRig(t, nil)
	r.ledger.hold = make(chan struct{})
	url, arrived := hanging(t)
	quick := make(chan struct{})
	slow := newSeen(t, func(http.ResponseWriter, *http.Request) { <-quick })
	r.ledger.jobs[1] = &Definition{TargetURL: url, Method: "GET"}
	r.ledger.jobs[2] = &Definition{TargetURL: slow.URL, Method: "GET"}
	r.ledger.jobs[3] = &Definition{TargetURL: url, Method: "GET", MaxRetries: ptr(1), RetryBackoffSec: ptr(0.0)}
	for job := range int64(3) {
		r.Start(Dispatch{Run: job + 1, Job: job + 1, Version: 1, Attempt: 1})
	}
	<-arrived
	<-arrived
	ctx, expire := context.WithCancel(t.Context())
	drained := make(chan struct{})
	go func() { r.Drain(ctx); close(drained) }()
	close(quick)
	eventually(t, "the quick call has ended", func() bool { return r.Out() == 2 })
	expire()
	select {
	case <-drained:
		t.Fatal("drained before the outcomes are on disk")
	case <-time.After(50 * time.Millisecond):
	}
	close(r.ledger.hold)
	<-drained
	want := map[int64]Finish{
		1: {Status: Interrupted, Reason: ReasonShutdown}, 2: {Status: Succeeded}, 3: {Status: Retrying, Reason: ReasonShutdown},
	}
	if len(r.ledger.finishes) != 3 {
		t.Fatalf("%d outcomes", len(r.ledger.finishes))
	}
	for _, f := range r.ledger.finishes {
		if w := want[f.Run]; f.Status != w.Status || f.Reason != w.Reason {
			t.Errorf("run %d: %s %s, want %s %s", f.Run, f.Status, f.Reason, w.Status, w.Reason)
		}
	}
	r.Start(Dispatch{Run: 9, Job: 2, Version: 1, Attempt: 1})
	for len(r.finished) > 0 {
		<-r.finished
	}
	r.Drain(t.Context())
	if f := r.ledger.finishes[3]; f.Status != Interrupted || slow.count() != 1 {
		t.Errorf("a call after the drain: %+v, %d requests", f, slow.count())
	}
}

func TestDrainIdle(t *testing.T) {
	r := newRig(t, nil)
	r.Drain(t.Context())
	r.Drain(t.Context())
}

// TestCrashedRuns: nothing is sent for a run that a crash cut off, and its own retry policy decides.
func TestCrashedRuns(t *testing.T) {
	target := newSeen(t, nil)
	r := newRig(t, nil)
	r.ledger.jobs[1] = &Definition{TargetURL: target.URL, Method: "GET", MaxRetries: ptr(1), RetryBackoffSec: ptr(0.0)}
	started := instantOf(time.Now().Add(-time.Minute))
	r.Interrupted(Dispatch{Run: 1, Job: 1, Version: 1, Attempt: 1, StartedAt: started})
	if f := <-r.finished; f.Status != Retrying || f.Reason != ReasonCrash || f.StartedAt != started || f.Attempt.Attempt != 1 {
		t.Errorf("%+v", f)
	}
	r.Interrupted(Dispatch{Run: 1, Job: 1, Version: 1, Attempt: 2, StartedAt: started})
	if f := <-r.finished; f.Status != Interrupted || f.Reason != ReasonCrash || f.Attempt.Detail == "" {
		t.Errorf("%+v", f)
	}
	r.Interrupted(Dispatch{Run: 2, Job: 7, Version: 1, Attempt: 1, StartedAt: started})
	if f := <-r.finished; f.Status != Interrupted || f.Reason != ReasonCrash {
		t.Errorf("without its definition: %+v", f)
	}
	if target.count() != 0 {
		t.Error("something was sent")
	}
}

// TestDefinitionThatCantBeRead is a failed attempt, not a lost run.
func TestDefinitionThatCantBeRead(t *testing.T) {
	r := newRig(t, nil)
	r.ledger.err = errors.New("disk on fire")
	r.Start(Dispatch{Run: 1, Job: 1, Version: 2, Attempt: 1})
	f := <-r.finished
	if f.Status != Failed || f.Attempt.Error != classDefinition || !strings.Contains(f.Attempt.Detail, "disk on fire") || r.ledger.reads != 3 {
		t.Errorf("%+v after %d reads", f, r.ledger.reads)
	}
	r.ledger.mu.Lock()
	r.ledger.err = nil
	r.ledger.jobs[1] = &Definition{TargetURL: "ftp://old", Method: "GET", MaxRetries: ptr(3)}
	r.ledger.mu.Unlock()
	r.Start(Dispatch{Run: 1, Job: 1, Version: 2, Attempt: 1})
	if f := <-r.finished; f.Status != Failed || f.Attempt.Error != classDefinition || !strings.Contains(f.Attempt.Detail, "target_url") {
		t.Errorf("%+v", f)
	}
}

func TestLogOfARunsEnd(t *testing.T) {
	target := newSeen(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	r := newRig(t, nil)
	r.ledger.jobs[1] = &Definition{TargetURL: target.URL + "/?token=canary-one", Method: "POST", Headers: map[string]string{"Authorization": "Bearer canary-two"}}
	r.Start(Dispatch{Run: 1, Job: 1, Version: 1, Attempt: 1, ScheduledAt: instantOf(time.Now().Add(-time.Second))})
	<-r.finished
	var line map[string]any
	if err := json.Unmarshal(r.log.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", r.log, err)
	}
	for _, key := range []string{"run_id", "job_id", "status", "reason", "http_status", "attempt", "duration_ms", "lag_ms"} {
		if line[key] == nil {
			t.Errorf("no %s in %s", key, r.log)
		}
	}
	if line["status"] != "failed" || line["level"] != "WARN" || line["lag_ms"].(float64) < 1000 || strings.Contains(r.log.String(), "canary") {
		t.Errorf("%s", r.log)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int, string](100)
	for i := range 50 {
		c.put(i, "v", 10)
		if i > 0 {
			c.get(0) // used all the time: stays
		}
	}
	if c.size > 100 || c.order.Len() != 10 || len(c.byKey) != 10 {
		t.Errorf("%d bytes, %d values", c.size, c.order.Len())
	}
	if _, ok := c.get(0); !ok {
		t.Error("the one used last is gone")
	}
	if _, ok := c.get(1); ok {
		t.Error("the one not used for longest is there")
	}
	c.put(0, "w", 20)
	if v, _ := c.get(0); v != "w" || c.size > 100 {
		t.Errorf("%q, %d bytes", v, c.size)
	}
	c.put(99, "large", 1000)
	if _, ok := c.get(99); !ok || c.order.Len() != 1 {
		t.Error("one that is larger than all is kept alone")
	}
}
