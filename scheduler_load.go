package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

// reloadDelay is how long the loop waits before it asks again for what the database did not give.
const reloadDelay = 250 * time.Millisecond

// load reads a job anew, beside the loop. While it is under way nothing is decided for the job, so the answer is not older
// than what the loop knows, but for runs that end meanwhile (entry.late).
func (s *Scheduler) load(ctx context.Context, e *entry) {
	if e.state != idle && e.state != parked {
		e.dirty = true
		return
	}
	e.state, e.dirty = loading, false
	s.heap.remove(e)
	go func() {
		t, ok, err := s.ledger.Timer(ctx, e.job)
		ev := event{kind: jobLoaded, job: e.job, err: err}
		if ok {
			ev.timer = &t
		}
		s.send(ev)
	}()
}

func (s *Scheduler) loaded(ctx context.Context, e *entry, ev event) {
	e.state = idle
	if ev.err != nil {
		s.later(e)
		return
	}
	if ev.timer == nil && !e.dirty {
		s.forget(e)
		return
	}
	if ev.timer != nil {
		s.fill(e, *ev.timer)
	}
	s.resumeWork(ctx, e)
}

// later loads the job again after a while; the database could not be read.
func (s *Scheduler) later(e *entry) {
	e.dirty, e.state = true, loading
	time.AfterFunc(reloadDelay, func() { s.send(event{kind: jobLoaded, job: e.job}) })
}

func (s *Scheduler) forget(e *entry) {
	s.heap.remove(e)
	if e.host != nil {
		s.slots.leave(e)
		s.slots.drop(e.host)
	}
	e.gone = true
	delete(s.jobs, e.job)
}

// fill takes over what the database says of a job.
func (s *Scheduler) fill(e *entry, t Timer) {
	policy, err := s.plans.policy(t.Policy)
	if e.plan != nil && int(e.version) != t.Version {
		e.plan = nil
	}
	if err == nil && e.plan == nil && strings.Contains(t.Schedule, `"jitter"`) { // when it is due, the plan alone knows
		if e.plan, err = parseSchedule(t.Schedule, t.Anchor); err == nil {
			e.plan = s.plans.share(t.Schedule, e.plan)
		}
	}
	if err != nil {
		s.park(e, err)
		return
	}
	if e.host == nil || e.host.name != t.Host {
		if e.host != nil {
			s.slots.leave(e)
			s.slots.drop(e.host)
		}
		e.host = s.slots.host(t.Host)
	}
	e.policy, e.version = policy, int32(t.Version)
	e.next, e.paused = t.NextAt, t.Paused
	e.open = slices.Clip(t.Open)
	if e.rare != nil {
		for _, r := range e.rare.late {
			e.update(r)
		}
		e.rare = nil
	}
	if t.PauseUntil != 0 {
		e.rare = &rare{until: t.PauseUntil}
	}
	s.rekey(e)
}

// resumeWork goes on with an entry that was busy: it is loaded again if it changed meanwhile, else waits for its time.
func (s *Scheduler) resumeWork(ctx context.Context, e *entry) {
	if e.dirty {
		s.load(ctx, e)
		return
	}
	s.rekey(e)
}

// rekey puts the entry where its next deed is due.
func (s *Scheduler) rekey(e *entry) {
	if e.policy == nil { // not loaded yet
		return
	}
	s.heap.set(e, e.wakeAt())
}

// park stops a job whose schedule cannot be followed. It is not fired again until somebody changes it; the ledger shows its
// firings as due.
func (s *Scheduler) park(e *entry, err error) {
	e.state = parked
	s.heap.remove(e)
	s.log.Error("job parked: its schedule cannot be followed", "job", e.job, "error", err)
}

// finished notes the end of an attempt that is on disk.
func (s *Scheduler) finished(ctx context.Context, e *entry, ev event) {
	if e == nil {
		return
	}
	if ev.dispatch.host == nil { // it was not called by this process: restore has handed it over
		e.cutOff--
	}
	if !ev.accepted {
		s.load(ctx, e)
		return
	}
	d, f := ev.dispatch, ev.finish
	r := OpenRun{Run: d.Run, Version: d.Version, Trigger: d.Trigger, Status: f.Status, ScheduledAt: d.ScheduledAt,
		DueAt: f.DueAt, StartedAt: f.StartedAt, Attempt: d.Attempt}
	e.update(r)
	if e.state == loading {
		if e.rare == nil {
			e.rare = new(rare)
		}
		e.rare.late = append(e.rare.late, r)
		return
	}
	if e.next == 0 && len(e.open) == 0 && !e.paused && e.policy != nil {
		s.load(ctx, e) // over, or deleted: the database knows which
		return
	}
	s.rekey(e)
}
