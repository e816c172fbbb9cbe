package main

import (
	"context"

	"teiki/internal/schedule"
)

// A job's schedule is read and parsed shortly before the job is due, not when it is loaded: until then its next firing, which
// the database has, is all that the loop needs. So a million jobs are ready in seconds and small, and a start reads the
// schedules of those alone that fire.

// A plan is read so long before its firing that the disk is not asked when the firing is due. Jobs whose firings fall into the
// same step of the grid are read together: a query costs as much as ten of its rows. Both in microseconds.
const (
	planAhead = 2 * 1e6
	planGrid  = 100 * 1e3
)

// planAt is when the plan for a firing is to be read.
func planAt(next instant) instant { return max(1, (next-planAhead)/planGrid*planGrid) }

// plansAtOnce bounds one read, so that the first of a herd need not wait for the last.
const plansAtOnce = 512

// How far away the next firing may be for a job to keep its plan, and the executor its definition, in microseconds: planKept, but
// fewKept when there are more than keptJobs. Those that fire in turn would then push each other's definitions out just before
// they are needed, and one that is read by itself, when its call is due, costs twice one that is read with its plan.
const (
	planKept = 10 * 60 * 1e6
	fewKept  = 5 * 1e6
	keptJobs = 15_000 // definitionCacheBytes are about that many usual ones
)

// planned is a plan that was read.
type planned struct {
	entry   *entry
	version int
	text    string
	plan    *schedule.Schedule // nil = there is none: the job is gone, or err
	err     error
}

// wantPlan has the plan of an entry read with the next batch. Nothing is decided for it meanwhile.
func (s *Scheduler) wantPlan(e *entry) {
	e.state = planning
	s.wanted = append(s.wanted, e)
}

// readPlans reads what is wanted beside the loop.
func (s *Scheduler) readPlans() {
	for len(s.wanted) > 0 {
		n := min(len(s.wanted), plansAtOnce)
		entries := s.wanted[:n:n]
		s.wanted = s.wanted[n:]
		jobs := make([]int64, n)
		for i, e := range entries {
			jobs[i] = e.job
		}
		go func() { s.send(event{kind: plansRead, plans: s.plansOf(entries, jobs)}) }()
	}
	s.wanted = nil
}

// plansOf runs beside the loop: of entries it uses nothing but their addresses.
func (s *Scheduler) plansOf(entries []*entry, jobs []int64) []planned {
	out := make([]planned, len(entries))
	of := make(map[int64]*planned, len(entries))
	for i, e := range entries {
		out[i].entry = e
		of[jobs[i]] = &out[i]
	}
	texts, err := s.ledger.Schedules(context.Background(), jobs)
	for i := range out {
		out[i].err = err
	}
	s.caller.Expect(texts)
	same := make(map[string]*schedule.Schedule)
	for _, t := range texts {
		p := of[t.Job]
		p.version, p.text = t.Version, t.Text
		if p.plan = same[t.Text]; p.plan == nil {
			if p.plan, p.err = parseSchedule(t.Text, t.Anchor); shareable(t.Text) {
				same[t.Text] = p.plan
			}
		}
	}
	return out
}

// planned lets the entries act whose plans have come.
func (s *Scheduler) planned(ctx context.Context, list []planned) {
	for i := range list {
		p := &list[i]
		e := p.entry
		if e.gone {
			continue
		}
		e.state = idle
		switch {
		case e.dirty || p.err == nil && (p.plan == nil || p.version != int(e.version)):
			s.load(ctx, e)
		case p.err != nil && p.plan == nil && p.text == "": // the database did not answer
			s.later(e)
		case p.err != nil:
			s.park(e, p.err)
		default:
			e.plan = s.plans.share(p.text, p.plan)
			s.rekey(e)
		}
	}
}

// far tells whether a job whose next firing is that has no need of a plan for long.
func (s *Scheduler) far(next, now instant) bool {
	kept := instant(planKept)
	if len(s.jobs) > keptJobs {
		kept = fewKept
	}
	return next == 0 || next > now+kept
}

// dropPlan forgets the plan of an entry that will not need it soon. One with jitter stays: it alone knows when the job is due.
func (s *Scheduler) dropPlan(e *entry, now instant) {
	if e.plan != nil && e.plan.Jitter() == 0 && s.far(e.next, now) {
		e.plan = nil
	}
}
