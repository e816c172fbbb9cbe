package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// fakeLedger serves definitions from memory and keeps what was finished. The store's own tests show that the real one keeps
// its side of the interface.
type fakeLedger struct {
	ledger
	mu       sync.Mutex
	jobs     map[int64]*Definition
	err      error // of the next reads
	reads    int
	finishes []Finish
	hold     chan struct{} // when set: Finish waits for it before done is called
}

func (l *fakeLedger) Definition(_ context.Context, job int64, _ int) (string, *Definition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	if l.err != nil {
		return "", nil, l.err
	}
	d, ok := l.jobs[job]
	if !ok {
		return "", nil, errNotFound
	}
	return "job-" + string(rune('a'+job)), d, nil
}

func (l *fakeLedger) Definitions(ctx context.Context, keys []versionKey) (names, texts []string, err error) {
	return make([]string, len(keys)), make([]string, len(keys)), nil // one by one, then
}

func (l *fakeLedger) Finish(f Finish, done func(bool)) {
	go func() {
		if l.hold != nil {
			<-l.hold
		}
		l.mu.Lock()
		l.finishes = append(l.finishes, f)
		l.mu.Unlock()
		done(true)
	}()
}

// rig is an executor with a ledger and a channel of what finished.
type rig struct {
	*Executor
	ledger   *fakeLedger
	log      *bytes.Buffer
	finished chan Finish
}

func testSettings() *Settings {
	return &Settings{
		MaxConcurrent: 1000, MaxPerHost: 100, Timeout: 5 * time.Second, ConnectTimeout: 5 * time.Second,
		RetryBackoff: time.Second, RetryMaxDelay: time.Hour, ExcerptBytes: 2048, MaxBodyBytes: 1 << 20,
	}
}

func newRig(t testing.TB, change func(*executorConfig)) *rig {
	t.Helper()
	r := &rig{ledger: &fakeLedger{jobs: map[int64]*Definition{}}, log: &bytes.Buffer{}, finished: make(chan Finish, 100)}
	cfg := executorConfig{
		Settings: testSettings(), Ledger: r.ledger, Version: "test",
		Log:      slog.New(slog.NewJSONHandler(&lockedWriter{w: r.log}, nil)),
		RunID:    func(int64) string { return testRunID },
		Finished: func(_ Dispatch, f Finish, _ bool) { r.finished <- f },
		LookupEnv: func(string) (string, bool) {
			return "", false
		},
	}
	if change != nil {
		change(&cfg)
	}
	e, err := newExecutor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Executor = e
	t.Cleanup(e.transport.CloseIdleConnections)
	return r
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

const testRunID = "0193c7a5-1111-7222-8333-444455556666"

var testTime = instantOf(time.Date(2026, 3, 31, 1, 30, 0, 0, time.UTC)) // 10:30 in Tokyo

// define makes a definition from JSON, as a user writes it.
func define(t testing.TB, text string) *Definition {
	t.Helper()
	d := new(Definition)
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

func callOf(d *Definition) Call {
	tokyo, _ := time.LoadLocation("Asia/Tokyo")
	return Call{Run: 1, RunID: testRunID, Job: 1, JobID: "nightly", Definition: d, ScheduledAt: testTime, Attempt: 1, Zone: tokyo}
}

// try makes one attempt of a definition whose target is url.
func (r *rig) try(t testing.TB, url string, change func(*Definition)) Attempt {
	t.Helper()
	d := &Definition{TargetURL: url, Method: "GET"}
	if change != nil {
		change(d)
	}
	return r.Attempt(t.Context(), callOf(d))
}

// seen is a target that records requests.
type seen struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func newSeen(t testing.TB, h http.HandlerFunc) *seen {
	t.Helper()
	s := &seen{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		s.mu.Lock()
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, b.String())
		s.mu.Unlock()
		if h != nil {
			h(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *seen) last() (*http.Request, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.requests)
	if n == 0 {
		return nil, ""
	}
	return s.requests[n-1], s.bodies[n-1]
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func ptr[T any](v T) *T { return &v }

func TestWhatGoesOut(t *testing.T) {
	r := newRig(t, nil)
	target := newSeen(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok":true}`)) })
	d := define(t, `{"schedule_type":"cron","target_url":"`+target.URL+`/api/run-report?x=1","method":"POST",
		"headers":{"Authorization":"Bearer XXX","x-tag":"a"},"body":{"report":"daily","projectId":123}}`)
	a := r.Attempt(t.Context(), callOf(d))
	if !a.OK || a.HTTPStatus != 200 || a.Error != "" || a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	req, body := target.last()
	if req.Method != "POST" || req.URL.RequestURI() != "/api/run-report?x=1" || body != `{"report":"daily","projectId":123}` {
		t.Errorf("%s %s %s", req.Method, req.URL, body)
	}
	for name, want := range map[string]string{
		"User-Agent": "teiki/test", "Content-Type": "application/json", "Authorization": "Bearer XXX", "X-Tag": "a",
		"Idempotency-Key": `"` + testRunID + `"`, "Teiki-Job-Id": "nightly", "Teiki-Run-Id": testRunID,
		"Teiki-Scheduled-At": "2026-03-31T10:30:00+09:00", "Teiki-Attempt": "1", "Accept-Encoding": "",
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if trace := req.Header.Get("Traceparent"); len(trace) != 55 || trace[:3] != "00-" || trace != a0(trace) {
		t.Errorf("traceparent %q", trace)
	}
	if a.Response == nil || a.Response.Excerpt != `{"ok":true}` || a.Response.Length != 11 || len(a.Response.SHA256) != 64 {
		t.Errorf("response %+v", a.Response)
	}
	if a.Timings == nil || a.Timings.Total <= 0 || a.Timings.Connect <= 0 || a.Remote == nil || a.Remote.Protocol != "HTTP/1.1" || a.Remote.Reused {
		t.Errorf("timings %+v remote %+v", a.Timings, a.Remote)
	}
	again := r.Attempt(t.Context(), callOf(d))
	if !again.OK || !again.Remote.Reused || again.Timings.Connect != 0 {
		t.Errorf("second attempt: %+v %+v", again.Remote, again.Timings)
	}
	second, _ := target.last()
	if second.Header.Get("Traceparent")[:35] != req.Header.Get("Traceparent")[:35] || second.Header.Get("Traceparent") == req.Header.Get("Traceparent") {
		t.Error("attempts of a run share a trace, and have a span each")
	}
}

// a0 is a traceparent in lower case hexadecimal, or "".
func a0(s string) string {
	for _, c := range s {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return s
}

func TestStartFinishes(t *testing.T) {
	target := newSeen(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	var ended []int64
	var mu sync.Mutex
	r := newRig(t, func(c *executorConfig) {
		c.Ended = func(d Dispatch) { mu.Lock(); ended = append(ended, d.Run); mu.Unlock() }
	})
	r.ledger.jobs[1] = &Definition{TargetURL: target.URL, Method: "GET", MaxRetries: ptr(1), RetryBackoffSec: ptr(10.0)}
	before := instantOf(time.Now())
	r.Start(Dispatch{Run: 7, Job: 1, Version: 1, ScheduledAt: before, Attempt: 1})
	f := <-r.finished
	if f.Status != Retrying || f.Reason != ReasonHTTPStatus || f.DueAt < before.Add(10*time.Second) || f.Run != 7 || f.Attempt.HTTPStatus != 500 {
		t.Errorf("%+v", f)
	}
	r.Start(Dispatch{Run: 7, Job: 1, Version: 1, ScheduledAt: before, StartedAt: f.StartedAt, Attempt: 2})
	g := <-r.finished
	if g.Status != Failed || g.Reason != ReasonHTTPStatus || g.StartedAt != f.StartedAt || g.DueAt != 0 {
		t.Errorf("%+v", g)
	}
	if r.ledger.reads != 1 {
		t.Errorf("%d reads of one version", r.ledger.reads)
	}
	r.Start(Dispatch{Run: 8, Job: 5, Version: 1, Attempt: 1})
	h := <-r.finished
	if h.Status != Failed || h.Attempt.Error != classDefinition {
		t.Errorf("a job that is not there: %+v", h)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ended) != 3 {
		t.Errorf("ended %v", ended)
	}
}

func TestJobIDBeyondASCII(t *testing.T) {
	for id, want := range map[string]string{"nightly:1": "nightly:1", "日次": "%E6%97%A5%E6%AC%A1"} {
		if got := asciiID(id); got != want {
			t.Errorf("%q goes out as %q, want %q", id, got, want)
		}
	}
}
