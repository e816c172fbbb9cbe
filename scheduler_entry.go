package main

import (
	"slices"
	"strings"

	"teiki/internal/schedule"
)

// entry is one job in the scheduler's memory: a cache of its row in timers and of its open runs. The scheduler's goroutine
// owns it. Of a million of them most are idle, so it stays small.
type entry struct {
	job     int64
	next    instant            // timers.next_at
	plan    *schedule.Schedule // nil = not needed yet: the next firing is known, see planAt
	policy  *Policy
	host    *host
	open    []OpenRun
	rare    *rare // nil for most
	version int32
	index   int32 // in the heap, -1 = outside
	state   entryState
	dirty   bool // changed in the database while busy: load again
	queued  bool // waits for a slot
	paused  bool
	gone    bool  // no longer in the index
	refused bool  // its last claim did not hold
	cutOff  int32 // runs that a crash of the former process cut off and that are not concluded yet: nothing is decided meanwhile
}

// rare is what few entries need.
type rare struct {
	until instant   // end of the pause, 0 = none
	late  []OpenRun // what became of runs while a load was under way
}

// until is when the pause ends by itself, 0 = never.
func (e *entry) until() instant {
	if e.rare == nil {
		return 0
	}
	return e.rare.until
}

// due is when the next firing is to leave. Without a plan there is no jitter.
func (e *entry) due() instant {
	if e.plan == nil {
		return e.next
	}
	return dueAt(e.plan, e.job, e.next)
}

type entryState uint8

const (
	idle     entryState = iota // in the heap, in a queue, or with nothing to do
	claiming                   // a claim is under way: nothing is decided meanwhile
	loading                    // it is being read anew, or is about to be: likewise
	parked                     // its schedule is broken: nothing is fired until it is edited
	settling                   // its due firings are being counted
	planning                   // its schedule is being read: likewise
)

// wakeAt is when the entry has something to do, 0 = never.
func (e *entry) wakeAt() instant {
	if e.state != idle || e.queued || e.gone || e.cutOff > 0 {
		return 0
	}
	var at instant
	sooner := func(t instant) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	if e.paused {
		sooner(e.until())
	} else if e.next != 0 && e.plan == nil {
		sooner(planAt(e.next))
	} else if e.next != 0 {
		sooner(e.due())
	}
	free := e.policy.MaxInstances - e.active()
	for i := range e.open {
		if e.startable(&e.open[i], free) {
			sooner(max(e.open[i].DueAt, 1))
		}
	}
	return at
}

// startable tells whether a waiting run may start when its time comes: a retry is an instance already, a pending run needs a
// free one, and a pause holds back the runs of the schedule.
func (e *entry) startable(r *OpenRun, free int) bool {
	if e.paused && r.Trigger == BySchedule {
		return false
	}
	return r.Status == Retrying || r.Status == Pending && free > 0
}

// active counts the runs that are instances of the job: their call is out, or will be tried again.
func (e *entry) active() (n int) {
	for i := range e.open {
		if e.open[i].Status != Pending {
			n++
		}
	}
	return n
}

// load counts the open runs as the planner wants them.
func (e *entry) load() (l load) {
	for i := range e.open {
		l.add(e.open[i].Status, e.open[i].Trigger)
	}
	return l
}

// update notes what became of an open run; an ended one is forgotten.
func (e *entry) update(r OpenRun) {
	i := slices.IndexFunc(e.open, func(o OpenRun) bool { return o.Run == r.Run })
	switch {
	case i < 0:
	case r.Status.Open():
		e.open[i] = r
	default:
		e.open = slices.Delete(e.open, i, i+1)
		if len(e.open) == 0 {
			e.open = nil
		}
	}
}

// plans shares parsed schedules and policies between entries.
type plans struct {
	defaults  Policy
	schedules map[string]*schedule.Schedule
	policies  map[string]*Policy
}

// maxShared bounds each map: beyond it, entries have their own copies, which is only more memory.
const maxShared = 20_000

// shareable tells whether a schedule means the same for every job: an interval counts from its job's own anchor.
func shareable(text string) bool { return !strings.Contains(text, `"interval"`) }

// share gives the plan that entries with the same schedule have in common.
func (p *plans) share(text string, plan *schedule.Schedule) *schedule.Schedule {
	if !shareable(text) {
		return plan
	}
	if s := p.schedules[text]; s != nil {
		return s
	}
	if len(p.schedules) < maxShared {
		p.schedules[text] = plan
	}
	return plan
}

func (p *plans) policy(text string) (*Policy, error) {
	if q := p.policies[text]; q != nil {
		return q, nil
	}
	q, err := parsePolicy(text, p.defaults)
	if err == nil && len(p.policies) < maxShared {
		p.policies[text] = &q
	}
	return &q, err
}
