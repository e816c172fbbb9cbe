package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"teiki/internal/egress"
	"teiki/internal/secret"
)

// executorConfig is what an Executor is made of. Settings, Ledger and RunID are needed to Start calls; Attempt and Try need
// Settings alone.
type executorConfig struct {
	Settings *Settings
	Ledger   ledger
	Log      *slog.Logger
	Version  string                              // of teiki, for User-Agent
	RunID    func(run int64) string              // UUIDv7 text of a run's key
	Observer runObserver                         // may be nil
	Ended    func(d Dispatch)                    // the call is over: its slot is free
	Finished func(d Dispatch, f Finish, ok bool) // the outcome is on disk, or (ok false) was not accepted

	LookupEnv func(string) (string, bool) // nil = os.LookupEnv
}

// runObserver is told of every attempt whose outcome is on disk. It must not block.
type runObserver interface {
	observeAttempt(d Dispatch, f Finish)
}

// Bounds of what is kept ready between calls: definitions, and what masks their secrets.
const (
	definitionCacheBytes = 64 << 20
	maskerCacheBytes     = 16 << 20
)

// Executor makes the calls. One goroutine per call that is out, and none for a call that waits: waiting is the scheduler's.
type Executor struct {
	cfg       executorConfig
	settings  *Settings
	egress    *egress.Policy
	secrets   *secret.Source
	transport *http.Transport
	proxies   *proxies
	tokens    *tokenCache
	cache     *cache[versionKey, *prepared]
	loader    loader
	expected  expected
	workers   workers
	aftermath aftermath
	maskers   *cache[[sha256.Size]byte, masking] // by the values they mask

	mu     sync.Mutex
	out    map[int64]context.CancelCauseFunc // by run: the calls that are out
	open   int                               // calls whose outcome is not on disk yet
	idle   chan struct{}                     // closed when open falls to 0; nil when nobody waits
	closed error                             // after Drain: why a call that still comes does not leave
}

type versionKey struct {
	job     int64
	version int
}

// newExecutor makes an executor. It fails when a setting is wrong: an egress rule, a file of certificates.
func newExecutor(cfg executorConfig) (*Executor, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.LookupEnv == nil {
		cfg.LookupEnv = os.LookupEnv
	}
	policy, err := egress.New(cfg.Settings.EgressAllow, cfg.Settings.EgressDeny)
	if err != nil {
		return nil, err
	}
	e := &Executor{
		cfg:      cfg,
		settings: cfg.Settings,
		egress:   policy,
		secrets:  secret.New(cfg.Settings.SecretsDir, cfg.LookupEnv),
		cache:    newCache[versionKey, *prepared](definitionCacheBytes),
		maskers:  newCache[[sha256.Size]byte, masking](maskerCacheBytes),
		out:      make(map[int64]context.CancelCauseFunc),
	}
	if err := e.newTransport(); err != nil {
		return nil, err
	}
	e.tokens = newTokenCache(e)
	e.loader.executor = e
	e.workers.hand, e.workers.quit = make(chan work), make(chan struct{})
	return e, nil
}

// Start makes the call of d in a goroutine of its own.
func (e *Executor) Start(d Dispatch) {
	ctx, cancel := context.WithCancelCause(context.Background())
	e.mu.Lock()
	if e.closed != nil {
		cancel(e.closed)
	}
	e.out[d.Run] = cancel
	e.open++
	e.mu.Unlock()
	e.start(work{ctx, cancel, d})
}

// Cancel ends the call of a run that is out, with a cause: errReplaced or errCanceled.
func (e *Executor) Cancel(run int64, cause error) {
	e.mu.Lock()
	cancel := e.out[run]
	e.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// Interrupted concludes the attempt of d, which a crash of the former process cut off: nothing is sent. Whether it is retried
// is the job's retry policy.
func (e *Executor) Interrupted(d Dispatch) {
	e.mu.Lock()
	e.open++
	e.mu.Unlock()
	go func() {
		p, err := e.load(context.Background(), d)
		started := d.StartedAt // of the first attempt; a later one left when it was due
		if d.Attempt > 1 && d.DueAt != 0 {
			started = d.DueAt
		}
		a := Attempt{Attempt: d.Attempt, StartedAt: started.Time(), Error: classInterrupted, Reason: ReasonCrash,
			Detail: "the process ended while the call was out; whether it reached its target is not known"}
		if p == nil {
			a.Detail += "; " + oneLine(err.Error())
		}
		e.finish(e.outcome(d, p, a))
	}()
}

// run is the life of one call: it always ends in a Finish.
func (e *Executor) run(ctx context.Context, cancel context.CancelCauseFunc, d Dispatch) {
	p, a := e.call(ctx, cancel, d)
	e.mu.Lock()
	delete(e.out, d.Run)
	e.mu.Unlock()
	cancel(nil)

	c := e.outcome(d, p, a)
	if e.cfg.Ended != nil {
		e.cfg.Ended(d)
	}
	e.finish(c)
}

// outcome decides what follows from an attempt; p is nil when there was no definition.
func (e *Executor) outcome(d Dispatch, p *prepared, a Attempt) concluded {
	var def *Definition
	c := concluded{d: d}
	if p != nil {
		def, c.jobID = p.definition, p.jobID
	}
	c.f = conclude(def, e.settings, d, a, instantOf(time.Now()))
	return c
}

// finish hands an outcome to the ledger, and tells when it is on disk.
func (e *Executor) finish(c concluded) {
	e.cfg.Ledger.Finish(c.f, func(accepted bool) { c.accepted = accepted; e.concluded(c) })
}

// call loads the definition and makes the attempt. A panic ends the attempt, not the process: one odd answer must not take
// the other calls with it.
func (e *Executor) call(ctx context.Context, cancel context.CancelCauseFunc, d Dispatch) (p *prepared, a Attempt) {
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			e.cfg.Log.Error("a call panicked", "run_id", e.runID(d.Run), "stack", string(debug.Stack()))
			a = failed(d.Attempt, start, &failure{class: classInternal, reason: classInternal, detail: "a fault of teiki's own; its log has the stack"})
		}
	}()
	p, err := e.load(ctx, d)
	if err != nil {
		return p, failed(d.Attempt, start, causeOr(ctx, &failure{class: classDefinition, reason: classDefinition, detail: err.Error()}))
	}
	return p, e.attempt(ctx, cancel, p, Call{
		Run: d.Run, RunID: e.runID(d.Run), Job: d.Job, JobID: p.jobID, Definition: p.definition,
		ScheduledAt: d.ScheduledAt, Attempt: d.Attempt, Zone: p.zone,
	}, nil)
}

func (e *Executor) runID(run int64) string {
	if e.cfg.RunID == nil {
		return ""
	}
	return e.cfg.RunID(run)
}

// load gives the definition of a call, ready to be sent. A read that fails is tried again, briefly: the run it is for is
// already committed. With a definition that can't be called both results are set.
func (e *Executor) load(ctx context.Context, call Dispatch) (*prepared, error) {
	key := versionKey{call.Job, call.Version}
	if p, ok := e.cache.get(key); ok {
		return p, p.fault()
	}
	if n, ok := e.expected.take(key); ok {
		if p := n.prepared(); p != nil {
			if !call.Last {
				e.keep(key, p)
			}
			return p, p.fault()
		}
	}
	if p := e.loader.load(ctx, key); p != nil {
		return p, p.fault()
	}
	var last error
	for _, wait := range []time.Duration{0, 50 * time.Millisecond, 500 * time.Millisecond} {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
		jobID, d, err := e.cfg.Ledger.Definition(ctx, key.job, key.version)
		if err == nil {
			p := prepare(jobID, d)
			e.keep(key, p)
			return p, p.fault()
		}
		last = err
		if errors.Is(err, errNotFound) {
			break
		}
	}
	return nil, fmt.Errorf("version %d of the job can't be read: %w", key.version, last)
}

// keep keeps p at hand for further calls.
func (e *Executor) keep(key versionKey, p *prepared) { e.cache.put(key, p, p.size()) }

// done counts a call out whose outcome is on disk.
func (e *Executor) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open--
	if e.open == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// Drain waits for the calls that are out. When ctx ends first, it cancels the rest with errShutdown, and waits until their
// outcome (interrupted, reason shutdown, or a retry later) is on disk. Nothing may be started after it.
func (e *Executor) Drain(ctx context.Context) {
	select {
	case <-e.whenIdle():
	case <-ctx.Done():
		e.mu.Lock()
		e.closed = errShutdown
		for _, cancel := range e.out {
			cancel(errShutdown)
		}
		e.mu.Unlock()
		<-e.whenIdle()
	}
	e.workers.stop()
	e.transport.CloseIdleConnections()
}

// whenIdle gives a channel that is closed once every call's outcome is on disk.
func (e *Executor) whenIdle() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	ch := e.idle
	if e.open == 0 {
		close(ch)
		e.idle = nil
	}
	return ch
}

// Out is the number of calls that are out.
func (e *Executor) Out() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.out)
}
