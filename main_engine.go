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
	tuneGC(e.scheduler.stats.jobs.Load())
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
		e.scheduler.Run(loop)
		watch.Wait()
	}()
	return e, nil
}

// tuneGC trades memory for time. With few jobs what lives is small and what calls throw away is much: collecting less often
// takes a tenth off the cost of a call for some ten megabytes. With many jobs the heap itself is what memory goes into.
func tuneGC(jobs int64) {
	const many = 200_000
	if os.Getenv("GOGC") != "" {
		return
	}
	if jobs < many {
		debug.SetGCPercent(300)
	} else {
		debug.SetGCPercent(250)
	}
}

// staleLoop is how long ago the loop may have turned last: it does every second, whatever there is to do.
const staleLoop = 10 * time.Second

// alive is nil while the timer loop turns.
func (e *engine) alive() error {
	if age := instantOf(time.Now()).Sub(instant(e.scheduler.stats.turned.Load())); age > staleLoop {
		return fmt.Errorf("the timer loop has not turned for %s", age.Round(time.Second))
	}
	return nil
}
