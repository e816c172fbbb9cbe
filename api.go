package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// jobStore is what the handlers ask of the store. All errors are those of errors.go, possibly wrapped; anything else is a fault
// of the program or its disk and answered with 500. What a change acknowledges is on disk.
type jobStore interface {
	CreateJob(ctx context.Context, n NewJob) (job *Job, created bool, err error)
	// UpdateJob stores what edit makes of the job as it stands; edit's own error comes back, possibly wrapped.
	UpdateJob(ctx context.Context, jobID string, edit func(now *Job) (*Definition, error)) (*Job, error)
	DeleteJob(ctx context.Context, jobID string) (*Job, error)
	PauseJob(ctx context.Context, jobID, reason string, until instant) (*Job, error)
	ResumeJob(ctx context.Context, jobID string) (*Job, error)
	Job(ctx context.Context, jobID string) (*Job, error)
	// Jobs reads one page, in the order of creation; next is the After of the following page, 0 at the end.
	Jobs(ctx context.Context, f JobFilter) (page []*Job, next int64, err error)

	RunNow(ctx context.Context, jobID string) (*Run, error)
	RerunRun(ctx context.Context, run int64) (*Run, error)
	// CancelRun ends a waiting run. A running one is returned as it is: its call has to be ended.
	CancelRun(ctx context.Context, run int64) (*Run, error)
	// Backfill makes runs for firings of the past.
	Backfill(ctx context.Context, jobID string, b BackfillRequest) ([]*Run, error)
	Run(ctx context.Context, run int64) (RunView, error)
	// Runs reads one page, newest first; next is the Cursor of the following page, "" at the end.
	Runs(ctx context.Context, f RunFilter) (runs []RunView, next string, err error)
	// RunID is the text form of a run's key, ParseRunID its reverse: errNotFound for what is none of this database.
	RunID(run int64) string
	ParseRunID(text string) (int64, error)
	// Health is nil while the database takes writes.
	Health() error
}

// api answers HTTP requests. Its fields are set before it serves and never change.
type api struct {
	store    jobStore
	settings *Settings
	log      *slog.Logger
	now      func() time.Time
	metrics  *metrics
	calls    callEnv         // what the calls of new jobs are judged against
	alive    func() error    // nil while the timer loop turns
	cancel   func(run int64) // ends the call of a run that is out
	records  recordStore
	lister   jobLister
	events   *events
	gate     *gate // who may come in
	inFlight inFlight
	mux      *http.ServeMux

	trials  trialStore
	tryCall func(ctx context.Context, c Call) Trial   // makes the call of /test
	tried   func(d Dispatch, f Finish, accepted bool) // told when the outcome of a saved job's is on disk
	tries   chan struct{}                             // holds one token per call of /test that is out

	histories histories  // what the ledger is compared from
	comparing sync.Mutex // held by the one comparison that goes on
}

// handler answers one request, or returns the error that problemOf turns into the answer.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one operation of the API.
type route struct {
	pattern string // method and path, as http.ServeMux takes them
	handle  handler
}

// routes lists the whole API.
func (a *api) routes() []route {
	return []route{
		{"POST /jobs", closed(a.createJob)},
		{"GET /jobs", a.listJobs},
		{"GET /jobs/{job_id}", a.getJob},
		{"PUT /jobs/{job_id}", closed(a.putJob)},
		{"PATCH /jobs/{job_id}", closed(a.patchJob)},
		{"DELETE /jobs/{job_id}", closed(a.deleteJob)},
		{"POST /jobs/{job_id}/pause", closed(a.pauseJob)},
		{"POST /jobs/{job_id}/resume", closed(a.resumeJob)},
		{"POST /jobs/{job_id}/run", closed(a.runJob)},
		{"POST /jobs/{job_id}/test", closed(a.trySaved)},
		{"POST /jobs/test", closed(a.tryUnsaved)},
		{"POST /jobs/{job_id}/backfill", closed(a.backfillJob)},
		{"GET /jobs/{job_id}/runs", a.listJobRuns},
		{"GET /runs", a.listRuns},
		{"GET /runs/{run_id}", closed(a.getRun)},
		{"POST /runs/{run_id}/rerun", closed(a.rerunRun)},
		{"POST /runs/{run_id}/cancel", closed(a.cancelRun)},
		{"POST /schedules/preview", closed(a.preview)},
		{"GET /ledger", a.ledger},
		{"GET /healthz", a.healthz},
		{"GET /readyz", a.readyz},
		{"GET /metrics", a.serveMetrics},
		{"GET /{$}", a.index},
	}
}

// closed refuses query parameters for a handler that knows none: a misspelt or unsupported wish is never passed over.
func closed(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readQuery(r).done(); err != nil {
			return err
		}
		return h(w, r)
	}
}

// newAPI makes the handler of the whole API.
func newAPI(e *engine, s *Settings, log *slog.Logger) *api {
	a := &api{store: e.store, settings: s, log: log, now: time.Now, metrics: e.metrics, alive: e.alive, mux: http.NewServeMux(), histories: e.store,
		calls: e.executor.env(), cancel: func(run int64) { e.scheduler.Cancel(run) }}
	a.records, a.lister, a.events, a.gate = e.store, e.store, e.events, localGate(s, e.store, log)
	a.trials, a.tryCall, a.tried, a.tries = e.store, e.executor.Try, e.scheduler.Finished, make(chan struct{}, tryAtOnce)
	for _, rt := range append(a.routes(), a.moreRoutes()...) {
		a.mux.Handle(rt.pattern, a.adapt(a.terms(rt.pattern, rt.handle)))
	}
	return a
}

// Limits of one request and its answer.
const (
	maxRequestBody   = 1 << 20
	maxRequestHeader = 32 << 10
	answerTimeout    = 30 * time.Second // for an answer, or for one page of a streamed one
)

// ServeHTTP answers what no route does, and hands the rest to the routes. No panic leaves it but http.ErrAbortHandler, which
// net/http knows as "cut the connection".
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &answerWriter{ResponseWriter: w}
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler:
			panic(p)
		default:
			a.log.Error("panic in a handler", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if out.status != 0 {
				panic(http.ErrAbortHandler)
			}
			a.fail(out, r, problemInternal)
		}
	}()
	h := out.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	odd := r.RequestURI == "*" || r.URL.Path == "" || clean(r.URL.Path) != r.URL.Path
	pattern := ""
	if !odd {
		_, pattern = a.mux.Handler(r)
	}
	r, err := a.gate.admit(r, pattern)
	if err != nil {
		a.fail(out, r, err)
		return
	}
	if pattern == "" {
		if odd {
			a.fail(out, r, noRoute(r.URL.Path))
		} else {
			a.fail(out, r, a.unrouted(r))
		}
		return
	}
	a.mux.ServeHTTP(out, r)
}

// clean is the path without repeated slashes and dots, as ServeMux would redirect to.
func clean(p string) string {
	c := path.Clean(p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

// unrouted is the answer where no pattern matches: 405 where another method would, else 404.
func (a *api) unrouted(r *http.Request) *problem {
	var allowed []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		try := *r
		try.Method = m
		if _, pattern := a.mux.Handler(&try); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		return noRoute(r.URL.Path)
	}
	p := newProblem(http.StatusMethodNotAllowed, "method_not_allowed",
		fmt.Sprintf("%.40q is not possible here; possible: %s", r.Method, strings.Join(allowed, ", ")))
	p.header = map[string]string{"Allow": strings.Join(allowed, ", ")}
	return p
}

func noRoute(path string) *problem {
	detail := "there is nothing at this path; the README lists the paths"
	if p := strings.TrimRight(path, "/"); p != path && p != "" && len(p) < 200 {
		detail = fmt.Sprintf("there is nothing at this path; without the slash at its end it is %q", p)
	}
	return newProblem(http.StatusNotFound, "not_found", detail)
}

func (a *api) adapt(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			a.fail(w.(*answerWriter), r, err)
		}
	})
}

// answerWriter remembers whether an answer has begun.
type answerWriter struct {
	http.ResponseWriter
	status int
}

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
