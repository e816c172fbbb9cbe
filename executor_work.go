package main

import (
	"context"
	"sync"
	"time"
)

// workerIdle is how long a worker without work stays.
const workerIdle = 5 * time.Second

// work is one call to be made.
type work struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	d      Dispatch
}

// workers make the calls, each in a goroutine of its own that then takes the next: a new goroutine would grow its stack anew
// for every call. There are as many as calls are out, never more.
type workers struct {
	hand    chan work // unbuffered: succeeds only when a worker waits
	quit    chan struct{}
	ended   sync.Once // quit is closed
	running sync.WaitGroup
}

// start hands w to a worker. It does not block.
func (e *Executor) start(w work) {
	select {
	case e.workers.hand <- w:
	default:
		e.workers.running.Go(func() { e.workLoop(w) })
	}
}

func (e *Executor) workLoop(w work) {
	timer := time.NewTimer(workerIdle)
	defer timer.Stop()
	for {
		e.run(w.ctx, w.cancel, w.d)
		timer.Reset(workerIdle)
		select {
		case w = <-e.workers.hand:
		case <-timer.C:
			return
		case <-e.workers.quit:
			return
		}
	}
}

// stop ends the workers that wait; no call may be out or come.
func (w *workers) stop() {
	w.ended.Do(func() { close(w.quit) })
	w.running.Wait()
}

// concluded is an outcome that is on disk, or was refused.
type concluded struct {
	d        Dispatch
	jobID    string
	f        Finish
	accepted bool
}

// aftermath tells of outcomes that are on disk, in their order: metrics, log, scheduler. It is not for the ledger's writer to
// do, because a log may be slow to take its lines, and all writing would wait with it.
type aftermath struct {
	mu    sync.Mutex
	queue []concluded
	busy  bool // a goroutine works on it
}

// concluded is called by the ledger's writer: it only queues.
func (e *Executor) concluded(c concluded) {
	a := &e.aftermath
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, c)
	if !a.busy {
		a.busy = true
		go e.tell()
	}
}

// tell goes on until nothing is queued. Each call counts as open until it has been told of, so Drain waits for this.
func (e *Executor) tell() {
	a := &e.aftermath
	var batch []concluded
	for {
		a.mu.Lock()
		batch, a.queue = a.queue, batch[:0]
		a.busy = len(batch) > 0
		a.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for i := range batch {
			c := &batch[i]
			if c.accepted && e.cfg.Observer != nil {
				e.cfg.Observer.observeAttempt(c.d, c.f)
			}
			if c.accepted && !c.f.Status.Open() {
				e.logEnd(c.d, c.jobID, c.f)
			}
			if e.cfg.Finished != nil {
				e.cfg.Finished(c.d, c.f, c.accepted)
			}
			e.done()
		}
		clear(batch)
	}
}
