package main

import (
	"fmt"

	"teiki/internal/schedule"
)

// settleInput is all that the fate of a job's due firings depends on.
type settleInput struct {
	Schedule *schedule.Schedule
	Policy   Policy
	Job      int64
	Version  int
	NextAt   instant // first firing without a row
	Now      instant
	load          // the job's open runs
	Steps    int  // look at no more firings than this, 0 = at all
	Boundary bool // settle every firing planned up to Now, even one whose jitter is not over: the plan ends here
}

// load is how many of a job's runs are open.
type load struct {
	Active    int // running or retrying: instances of the job
	Backfills int // those of them that a backfill made
	Waiting   int // pending, those of a backfill left out: they go behind the plan's
}

// add counts one open run.
func (l *load) add(status Status, trigger Trigger) {
	switch {
	case status != Pending:
		l.Active++
		if trigger == ByBackfill {
			l.Backfills++
		}
	case trigger != ByBackfill:
		l.Waiting++
	}
}

// settlement is what becomes of the firings due at Now.
type settlement struct {
	Rows    []*Run  // Running = to be called now, Pending = to wait, else an end
	Next    instant // first firing that is not due, 0 = the schedule is over
	Cursor  instant // last firing that is due, 0 = none is
	Replace int     // how many running runs the new one replaces
	More    bool    // there were more than Steps: nothing is settled
}

// settle decides what becomes of every firing of one job that is due, in schedule order. It is pure: the loop, the changes of
// a job and the tests' model all call it, so that they cannot disagree. An error means that the schedule did not move
// forward, which would fire for ever: the job must be parked.
func settle(in settleInput) (settlement, error) {
	var out settlement
	late := &Run{Status: Missed, Reason: ReasonMisfire}
	passed := &Run{Status: Missed, Reason: ReasonCatchup}
	if in.Policy.Coalesce {
		passed = &Run{Status: Coalesced, Reason: ReasonCoalesced}
	}
	keep := 1 // most firings that get a run of their own
	if !in.Policy.Coalesce {
		keep = max(1, in.Policy.CatchupLimit)
	}
	var calls []instant // the newest firings inside their grace, at most keep
	s := in.NextAt
	for step := 1; s != 0; step++ {
		due := dueAt(in.Schedule, in.Job, s)
		if due > in.Now && !(in.Boundary && s <= in.Now) {
			break
		}
		if in.Steps > 0 && step > in.Steps {
			return settlement{More: true}, nil
		}
		out.Cursor = s
		switch {
		case in.Policy.late(in.Now, due):
			late.cover(s)
		default:
			if len(calls) == keep {
				passed.cover(calls[0])
				calls = append(calls[:0], calls[1:]...)
			}
			calls = append(calls, s)
		}
		next := nextAfter(in.Schedule, s)
		if next != 0 && next <= s {
			return out, fmt.Errorf("schedule %s: the firing after %s is not later", in.Schedule, s.Time())
		}
		s = next
	}
	out.Next = s
	if in.Policy.Coalesce && len(calls) > 0 && late.Count > 0 { // the run that is made stands for the late ones too
		passed.cover(late.ScheduledAt)
		passed.Count += late.Count - 1
		passed.ScheduledUntil = max(passed.ScheduledUntil, late.ScheduledUntil)
		late.Count = 0
	}
	for _, r := range []*Run{late, passed} {
		if r.Count > 0 {
			out.Rows = append(out.Rows, r)
		}
	}
	out.callOrWait(in, calls)
	for _, r := range out.Rows {
		r.Job, r.Version, r.Trigger = in.Job, in.Version, BySchedule
		if r.Count == 1 {
			r.ScheduledUntil = 0
		}
	}
	return out, nil
}

// cover makes r stand for one more firing.
func (r *Run) cover(s instant) {
	if r.Count == 0 || s < r.ScheduledAt {
		r.ScheduledAt = s
	}
	r.ScheduledUntil = max(r.ScheduledUntil, s)
	r.Count++
}

// callOrWait gives each firing in calls its row under the overlap rule. A backfill never costs a firing its call: where only
// runs of a backfill are in its way, it waits for the first of them to end.
func (out *settlement) callOrWait(in settleInput, calls []instant) {
	free := in.Policy.MaxInstances - in.Active - in.Waiting
	full := free+in.Backfills <= 0
	waiting := in.Waiting
	for _, s := range calls {
		r := &Run{ScheduledAt: s, Count: 1, DueAt: dueAt(in.Schedule, in.Job, s)}
		out.Rows = append(out.Rows, r)
		switch {
		case free > 0:
			free--
			r.Status = Running
			continue
		case full && in.Policy.Overlap == "replace" && waiting == 0:
			out.Replace++
		case full && in.Policy.Overlap != "queue":
			r.Status, r.Reason, r.DueAt = Skipped, ReasonOverlap, 0
			continue
		case full && waiting >= in.Policy.CatchupLimit:
			r.Status, r.Reason, r.DueAt = Skipped, ReasonQueueFull, 0
			continue
		}
		r.Status, r.Reason = Pending, ReasonOverlap // its turn comes when an instance ends
		waiting++
	}
}
