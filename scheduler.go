package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"teiki/internal/schedule"
)

// Scheduler decides when each call leaves. One goroutine (Run) owns the heap, the index and the timer; everyone else sends it
// events. It never blocks on I/O: claims, loads and calls are handed over, and their outcome comes back as an event.
type Scheduler struct {
	ledger   ledger
	caller   caller
	settings *Settings
	log      *slog.Logger
	now      func() instant // the wall clock; tests of clock steps replace it
	uncalled func(r *Run)   // told of each row of firings that ended without a call, once it is on disk; nil = nobody. Set before Run.

	events chan event
	done   chan struct{} // closed when Run has returned: nobody waits for it any more

	// Owned by Run.
	jobs     map[int64]*entry
	heap     entryHeap
	slots    slots
	plans    plans
	batch    []*step  // claims decided in this turn
	wanted   []*entry // due, but without a plan
	inFlight int      // claims handed to the ledger
	stopping bool
	blocked  time.Time // nothing is claimed before this: the database has just refused. Monotonic: the wall clock may step.

	// Readable from anywhere, written by Run.
	stats struct {
		jobs, queued, calls atomic.Int64
		turned              atomic.Int64 // instant of the loop's last turn
	}
}

// maxSleep caps the timer. Timers stand still while a machine is suspended and do not follow the wall clock's steps; with the
// cap both are noticed within a second.
const maxSleep = time.Second

// settleSteps is the number of due firings that the loop itself looks at; longer gaps are settled beside it.
const settleSteps = 1000

// entryBlock is the number of entries that Load makes in one go. Their memory is freed together.
const entryBlock = 256

type event struct {
	kind     eventKind
	accepted bool
	job      int64
	timer    *Timer // loaded, nil = nothing is left of the job; of jobChanged: a new job's
	steps    []*step
	held     []bool
	dispatch Dispatch
	host     *host
	finish   *Finish
	settled  *settled
	plans    []planned
	err      error
}

type eventKind uint8

const (
	jobChanged eventKind = iota
	jobLoaded
	jobSettled
	plansRead
	claimDone
	callEnded
	cancelWanted
	runFinished
	hostReady
)

// newScheduler makes a scheduler that is idle until Run.
func newScheduler(l ledger, c caller, settings *Settings, log *slog.Logger) *Scheduler {
	return &Scheduler{
		ledger: l, caller: c, settings: settings, log: log,
		now:    func() instant { return instantOf(time.Now()) },
		events: make(chan event, 4096), done: make(chan struct{}),
		jobs:  make(map[int64]*entry),
		slots: slots{maxTotal: settings.MaxConcurrent, maxPerHost: settings.MaxPerHost, rate: settings.MaxRatePerHost, hosts: make(map[string]*host)},
		plans: plans{defaults: settings.Policy, schedules: make(map[string]*schedule.Schedule), policies: make(map[string]*Policy)},
	}
}

// Wake tells that a job has changed in the database. It returns as soon as the loop has the message.
func (s *Scheduler) Wake(job int64) { s.send(event{kind: jobChanged, job: job}) }

// Added is Wake for a job that is new: t is all that the database knows of it.
func (s *Scheduler) Added(t Timer) { s.send(event{kind: jobChanged, job: t.Job, timer: &t}) }

// Ended tells that the call of d is over and its slot free.
func (s *Scheduler) Ended(d Dispatch) { s.send(event{kind: callEnded, job: d.Job, dispatch: d}) }

// Finished tells that the outcome of d is on disk, or, with accepted false, was refused because the run had moved on.
func (s *Scheduler) Finished(d Dispatch, f Finish, accepted bool) {
	s.send(event{kind: runFinished, job: d.Job, dispatch: d, finish: &f, accepted: accepted})
}

// Cancel ends the call of a run that the database shows as running. It goes through the loop, because the claim may be on disk
// while its call has not left yet: then the call is canceled as soon as it has.
func (s *Scheduler) Cancel(run int64) {
	s.send(event{kind: cancelWanted, dispatch: Dispatch{Run: run}})
}

func (s *Scheduler) send(e event) {
	select {
	case s.events <- e:
	case <-s.done:
	}
}

// Load reads every job, and hands runs that a crash cut off to the executor. It must return before Run is called.
func (s *Scheduler) Load(ctx context.Context) error {
	var block []entry // a million small objects would cost the garbage collector much more than blocks of them
	err := s.ledger.Timers(ctx, func(t Timer) error {
		if len(block) == 0 {
			block = make([]entry, entryBlock)
		}
		e := &block[0]
		block = block[1:]
		*e = entry{job: t.Job, index: -1}
		s.jobs[t.Job] = e
		s.fill(e, t)
		for i := range t.Open { // also those of a parked job
			s.restore(e, &t.Open[i])
		}
		return nil
	})
	s.stats.jobs.Store(int64(len(s.jobs)))
	return err
}

// restore gives a run that the former process left its way on: a call that was out has an unknown outcome. Until that is on
// disk the job waits: the run would count as an instance that is out, and cost a firing its call.
func (s *Scheduler) restore(e *entry, r *OpenRun) {
	if r.Status == Running {
		e.cutOff++
		s.heap.remove(e)
		s.caller.Interrupted(Dispatch{Run: r.Run, Job: e.job, Version: r.Version, Trigger: r.Trigger,
			ScheduledAt: r.ScheduledAt, DueAt: r.DueAt, StartedAt: r.StartedAt, Attempt: r.Attempt})
	}
}

// Run fires until ctx ends; then nothing new is claimed, and it returns when the claims under way have had their answer. Calls
// that are out go on; the executor owns them.
func (s *Scheduler) Run(ctx context.Context) {
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		sleep := s.turn(ctx)
		if s.stopping && s.inFlight == 0 {
			return
		}
		timer.Reset(sleep)
		select {
		case e := <-s.events:
			s.handle(ctx, e)
			for range len(s.events) {
				s.handle(ctx, <-s.events)
			}
		case <-timer.C:
		case <-stop:
			s.stopping, stop = true, nil
		}
	}
}

// turn acts on every entry whose time has come, hands the claims over, and tells how long there is nothing to do.
func (s *Scheduler) turn(ctx context.Context) time.Duration {
	now := s.now()
	s.stats.turned.Store(int64(now))
	s.stats.queued.Store(int64(s.slots.queued))
	s.stats.calls.Store(int64(s.slots.total))
	s.stats.jobs.Store(int64(len(s.jobs)))
	blocked := time.Until(s.blocked)
	if !s.stopping && blocked <= 0 {
		for first := s.heap.first(); first.e != nil && first.at <= now; first = s.heap.first() {
			s.heap.remove(first.e)
			s.act(ctx, first.e, now)
		}
	}
	s.flush()
	if first := s.heap.first(); first.e != nil && !s.stopping {
		return min(maxSleep, max(0, first.at.Sub(s.now()), time.Until(s.blocked)))
	}
	return maxSleep
}

func (s *Scheduler) handle(ctx context.Context, ev event) {
	e := s.jobs[ev.job]
	if e == nil && (ev.kind == jobLoaded || ev.kind == jobSettled) {
		return // forgotten
	}
	switch ev.kind {
	case jobChanged:
		if e == nil {
			e = &entry{job: ev.job, index: -1}
			s.jobs[ev.job] = e
			if ev.timer != nil {
				s.fill(e, *ev.timer)
				return
			}
		}
		s.load(ctx, e)
	case jobLoaded:
		s.loaded(ctx, e, ev)
	case jobSettled:
		s.settled(ctx, e, ev.settled)
	case plansRead:
		s.planned(ctx, ev.plans)
	case claimDone:
		s.claimed(ctx, ev.steps, ev.held, ev.err)
	case cancelWanted:
		s.caller.Cancel(ev.dispatch.Run, errCanceled)
	case callEnded:
		s.release(ctx, ev.dispatch)
	case runFinished:
		s.finished(ctx, e, ev)
	case hostReady:
		ev.host.awaited = false
		s.giveBack(ctx, ev.host, 0)
	}
}
