package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// engine is the part of the server behind the API: store, executor and scheduler, made and joined.
type engine struct {
	store     *Store
	executor  *Executor
	scheduler *Scheduler
	metrics   *metrics
	events    *events
	ledger    *ledgerWatch
	stopLoop  context.CancelCauseFunc
	loopDone  chan struct{} // closed when the loop and the ledger's watch have returned
}

// startEngine opens the database, takes up what the former process left, and starts the loop. The caller ends it with shutdown;
// when it fails, nothing is left running. checks may refuse to go on once the database is open; nothing has been called then.
func startEngine(ctx context.Context, s *Settings, log *slog.Logger, checks ...func(*Store) error) (*engine, error) {
	e := &engine{metrics: newMetrics(), events: newEvents(time.Now()), loopDone: make(chan struct{})}
	var err error
	e.store, err = openStore(ctx, s.DB, storeOptions{
		Log: log, Policy: s.Policy, KeepRuns: s.KeepRuns, KeepPeriod: s.KeepPeriod, KeepAudit: s.KeepAudit, SweepEvery: s.SweepEvery,
		Committed: e.metrics.observeCommit,
		// No change comes before the API serves.
		Changed: func(job int64) { e.scheduler.Wake(job); e.events.jobChanged(job, instantOf(time.Now())) },
		Created: func(t Timer) { e.scheduler.Added(t); e.events.jobChanged(t.Job, instantOf(time.Now())) },
	})
	if err != nil {
		return nil, err
	}
	closeStore := func(err error) error {
		last, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		return errors.Join(err, e.store.Close(last))
	}
	for _, check := range checks {
		if err := check(e.store); err != nil {
			return nil, closeStore(err)
		}
	}
	e.executor, err = newExecutor(executorConfig{
		Settings: s, Ledger: e.events.watch(e.store), Log: log, Version: version, RunID: e.store.RunID, Observer: e.metrics,
		Ended:    func(d Dispatch) { e.scheduler.Ended(d) },
		Finished: func(d Dispatch, f Finish, ok bool) { e.scheduler.Finished(d, f, ok) },
	})
	if err != nil {
		return nil, closeStore(err)
	}
	e.scheduler = newScheduler(e.events.watch(e.store), e.executor, s, log)
	e.scheduler.uncalled = e.metrics.observeUncalled
	if err := e.scheduler.Load(ctx); err != nil {
		return nil, closeStore(fmt.Errorf("loading the jobs: %w", err))
	}
	e.ledger = &ledgerWatch{histories: e.store, log: log, every: watchEvery}
	e.metrics.watch(gauges{
		queued:  func() float64 { return float64(e.scheduler.stats.queued.Load()) },
		running: func() float64 { return float64(e.executor.Out()) },
		jobs:    func() float64 { return float64(e.scheduler.stats.jobs.Load()) },
		ready:   func() bool { return e.store.Health() == nil },
		ledger:  e.ledger,
	})
	var loop context.Context
	loop, e.stopLoop = context.WithCancelCause(context.Background())
	go func() {
		defer close(e.loopDone)
		var watch sync.WaitGroup
		watch.Go(func() { e.ledger.run(loop) })
		watch.Go(func() { tuneGC(loop, e.scheduler.stats.jobs.Load) })
		e.scheduler.Run(loop)
		watch.Wait()
	}()
	return e, nil
}

// tuneGC trades memory for time until ctx ends: collecting garbage less often takes a tenth off the cost of a call. The more jobs
// there are, the more each percent costs: what calls throw away may take about as much as a million jobs do, and no more.
func tuneGC(ctx context.Context, jobs func() int64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	for set := 0; ; {
		if percent := gcPercent(jobs()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		if rest(ctx, time.Minute) != nil {
			return
		}
	}
}

// gcPercent is by how many percent garbage may make the heap larger.
func gcPercent(jobs int64) int { return int(min(300, max(100, 100_000_000/max(1, jobs)))) }

// staleLoop is how long ago the loop may have turned last: it does every second, whatever there is to do.
const staleLoop = 10 * time.Second

// alive is nil while the timer loop turns.
func (e *engine) alive() error {
	if age := instantOf(time.Now()).Sub(instant(e.scheduler.stats.turned.Load())); age > staleLoop {
		return fmt.Errorf("the timer loop has not turned for %s", age.Round(time.Second))
	}
	return nil
}
