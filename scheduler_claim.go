package main

import (
	"context"
	"slices"
	"time"
)

// step is a claim on its way to the disk, and what it holds meanwhile.
type step struct {
	claim Claim
	entry *entry
	host  *host
	calls int // slots taken
}

// settled is what became of a long gap, counted beside the loop.
type settled struct {
	in  settleInput
	out settlement
	err error
}

// claimRetry is how long the loop claims nothing after the database has refused a claim.
const claimRetry = 200 * time.Millisecond

// act does what is due for one entry. It is out of the heap, and goes back when it has its answer.
func (s *Scheduler) act(ctx context.Context, e *entry, now instant) {
	if e.state != idle || e.gone || e.policy == nil || e.cutOff > 0 {
		return
	}
	if time.Now().Before(s.blocked) {
		s.rekey(e) // its time stays: turn looks at nobody until then
		return
	}
	if until := e.until(); e.paused && until != 0 && until <= now {
		s.resume(ctx, e)
		return
	}
	if !e.paused && e.next != 0 && e.plan == nil && planAt(e.next) <= now {
		s.wantPlan(e)
		return
	}
	var out settlement
	if !e.paused && e.next != 0 && e.due() <= now {
		in := settleInput{Schedule: e.plan, Policy: *e.policy, Job: e.job, Version: int(e.version), NextAt: e.next, Now: now,
			load: e.load(), Steps: settleSteps}
		var err error
		if out, err = settle(in); err != nil {
			s.park(e, err)
			return
		}
		if out.More {
			s.settleBeside(e, in)
			return
		}
	}
	s.claim(e, out, now)
}

func (s *Scheduler) settleBeside(e *entry, in settleInput) {
	e.state = settling
	in.Steps = 0
	go func() {
		out, err := settle(in)
		s.send(event{kind: jobSettled, job: e.job, settled: &settled{in, out, err}})
	}()
}

func (s *Scheduler) settled(ctx context.Context, e *entry, r *settled) {
	e.state = idle
	switch {
	case r.err != nil:
		s.park(e, r.err)
	case e.dirty:
		s.load(ctx, e)
	case s.stopping:
	default:
		s.claim(e, r.out, r.in.Now)
	}
}

// resume ends a pause whose time is over. The store wakes the job when that is on disk.
func (s *Scheduler) resume(ctx context.Context, e *entry) {
	e.state, e.dirty = loading, true
	until := e.until()
	go func() {
		err := s.ledger.Resume(ctx, e.job, until)
		s.send(event{kind: jobLoaded, job: e.job, err: err})
	}()
}

// claim takes slots for what can be called now and puts the step into the batch. What finds no slot waits in a queue.
func (s *Scheduler) claim(e *entry, out settlement, now instant) {
	st := &step{entry: e, host: e.host, claim: Claim{Job: e.job, Version: int(e.version)}}
	c := &st.claim
	free := s.slots.free(e.host)
	replaceOldest(e, st, out.Replace)
	wanted := 0
	for _, r := range out.Rows {
		if r.Status == Running {
			wanted++
		}
	}
	short := s.startWaiting(e, st, free, e.policy.MaxInstances-e.active()-wanted, now)
	if out.Cursor != 0 {
		if wanted > 0 && st.calls == free {
			short = true // the firings stay unclaimed until a slot is free
		} else {
			c.From, c.Next, c.Cursor, c.Rows = e.next, out.Next, out.Cursor, out.Rows
			for _, r := range out.Rows {
				if r.Status != Running {
					continue
				}
				if st.calls == free {
					r.Status, r.Reason = Pending, ReasonOverlap
					continue
				}
				r.Attempt, r.StartedAt = 1, now
				st.calls++
			}
		}
	}
	if c.From == 0 && len(c.Starts) == 0 && len(c.Ends) == 0 {
		if short {
			s.slots.wait(e)
			s.awaitRate(e.host)
		}
		s.rekey(e)
		return
	}
	s.slots.take(e.host, st.calls)
	e.state = claiming
	s.batch = append(s.batch, st)
}

// startWaiting adds to st the waiting runs whose time has come: retries, then as many others as there are instances left, those
// of a backfill last. short = one of them found no slot.
func (s *Scheduler) startWaiting(e *entry, st *step, free, instances int, now instant) (short bool) {
	if len(e.open) == 0 {
		return false
	}
	for _, backfill := range []bool{false, true} {
		for i := range e.open {
			r := &e.open[i]
			if (r.Trigger == ByBackfill) != backfill || r.DueAt > now || !e.startable(r, instances) {
				continue
			}
			if slices.ContainsFunc(st.claim.Ends, func(x End) bool { return x.Run == r.Run }) {
				continue // replaced
			}
			switch {
			case r.Status == Retrying && e.policy.late(now, r.DueAt):
				st.claim.Ends = append(st.claim.Ends, End{Run: r.Run, Attempt: r.Attempt, Status: Failed, Reason: ReasonRetryLate})
				continue
			case st.calls == free:
				short = true
				continue
			}
			st.claim.Starts = append(st.claim.Starts, Start{Run: r.Run, Attempt: r.Attempt})
			st.calls++
			if r.Status == Pending {
				instances--
			}
		}
	}
	return short
}

// flush hands the batch to the ledger, and has the schedules read that are wanted.
func (s *Scheduler) flush() {
	s.readPlans()
	if len(s.batch) == 0 {
		return
	}
	steps := s.batch
	s.batch = nil
	claims := make([]Claim, len(steps))
	for i, st := range steps {
		claims[i] = st.claim
	}
	s.inFlight++
	s.ledger.Claim(claims, func(held []bool, err error) {
		s.send(event{kind: claimDone, steps: steps, held: held, err: err})
	})
}

// claimed starts the calls whose claims are on disk.
func (s *Scheduler) claimed(ctx context.Context, steps []*step, held []bool, err error) {
	s.inFlight--
	if err != nil {
		s.blocked = time.Now().Add(claimRetry)
	}
	for i, st := range steps {
		e := st.entry
		e.state = idle
		if err == nil && held[i] {
			e.refused = false
			s.start(st)
			s.resumeWork(ctx, e)
			continue
		}
		s.giveBack(ctx, st.host, st.calls)
		switch {
		case err == nil && e.refused:
			s.later(e) // again, although it was read anew: whatever the database holds against it, it must not spin the loop
		case err == nil || e.dirty:
			e.refused = err == nil
			s.load(ctx, e) // somebody changed the job first
		default:
			s.rekey(e)
		}
	}
}

// start sends the calls of a held step on their way.
func (s *Scheduler) start(st *step) {
	e, c := st.entry, &st.claim
	for _, run := range c.Replace {
		s.caller.Cancel(run, errReplaced)
	}
	for _, r := range c.Rows {
		if s.uncalled != nil && !r.Status.Open() {
			s.uncalled(r)
		}
	}
	for _, x := range c.Ends {
		e.update(OpenRun{Run: x.Run, Status: x.Status})
	}
	for _, x := range c.Starts {
		i := slices.IndexFunc(e.open, func(o OpenRun) bool { return o.Run == x.Run })
		r := &e.open[i]
		r.Status, r.Attempt = Running, x.Attempt+1
		s.caller.Start(Dispatch{Run: r.Run, Job: e.job, Version: r.Version, Trigger: r.Trigger, ScheduledAt: r.ScheduledAt,
			DueAt: r.DueAt, StartedAt: r.StartedAt, Attempt: r.Attempt, host: st.host})
	}
	last := false
	if c.From != 0 {
		e.next = c.Next
		now := s.now()
		last = s.far(e.next, now)
		s.dropPlan(e, now)
	}
	for _, r := range c.Rows {
		if !r.Status.Open() {
			continue
		}
		e.open = append(e.open, OpenRun{Run: r.ID, Version: r.Version, Trigger: r.Trigger, Status: r.Status,
			ScheduledAt: r.ScheduledAt, DueAt: r.DueAt, Attempt: r.Attempt})
		if r.Status == Running {
			s.caller.Start(Dispatch{Run: r.ID, Job: e.job, Version: r.Version, Trigger: r.Trigger, ScheduledAt: r.ScheduledAt,
				DueAt: r.DueAt, Attempt: 1, Last: last, host: st.host})
		}
	}
}

// replaceOldest adds to st the end of the oldest n instances of the job, which makes room for those that replace them: a call
// that is out is canceled once the step is held, a run that waits for its retry ends with it.
func replaceOldest(e *entry, st *step, n int) {
	for i := range e.open {
		r := &e.open[i]
		if n == 0 {
			return
		}
		switch r.Status {
		case Running:
			st.claim.Replace = append(st.claim.Replace, r.Run)
			n--
		case Retrying:
			st.claim.Ends = append(st.claim.Ends, End{Run: r.Run, Attempt: r.Attempt, Status: Canceled, Reason: ReasonReplaced})
			n--
		}
	}
}

// release frees the slot of a call that has ended.
func (s *Scheduler) release(ctx context.Context, d Dispatch) {
	s.giveBack(ctx, d.host, 1)
}

// giveBack frees n slots of h and lets those act who waited for them.
func (s *Scheduler) giveBack(ctx context.Context, h *host, n int) {
	s.slots.give(h, n)
	if s.stopping {
		return
	}
	for e := s.slots.next(h); e != nil; e = s.slots.next(h) {
		if !e.gone {
			s.act(ctx, e, s.now())
		}
	}
	s.awaitRate(h)
}

// awaitRate wakes the loop when the rate of h allows another call to those who wait for one.
func (s *Scheduler) awaitRate(h *host) {
	if s.slots.rate == 0 || h.awaited || len(h.queue) == 0 || s.slots.room(h) > 0 {
		return
	}
	h.awaited = true
	time.AfterFunc(s.slots.ready(h), func() { s.send(event{kind: hostReady, host: h}) })
}
