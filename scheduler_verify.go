package main

import (
	"fmt"
	"iter"
	"slices"
)

// segment is a stretch of a job's life under one definition: it planned the firings in (From, Until].
type segment struct {
	Version  int
	Schedule string // as in jobs.schedule
	Anchor   instant
	From     instant
	Until    instant // 0 = the present definition
}

// span is a pause: nothing is planned in (From, Until].
type span struct {
	From  instant
	Until instant // 0 = not ended
}

// history is what the database knows of one job's plan.
type history struct {
	JobID    string
	Segments []segment // in order; the last one is the present definition
	Pauses   []span    // in order
	Cursor   instant   // every planned firing up to this must have its row
	Next     instant   // timers.next_at
	Pruned   instant   // rows up to this may have been deleted by retention
}

// Difference is one disagreement between the plan and the rows.
type Difference struct {
	JobID  string `json:"job_id"`
	Kind   string `json:"kind"` // gap | extra | count | timer | schedule
	At     string `json:"scheduled_at,omitempty"`
	Detail string `json:"detail"`
}

// tally is the outcome of comparing plans with rows.
type tally struct {
	Jobs        int            `json:"jobs"`
	Planned     int            `json:"planned"`          // firings that must have a row
	Due         int            `json:"due"`              // firings that are due and not yet claimed
	Statuses    map[Status]int `json:"firings"`          // firings by the status of their rows
	Differences []Difference   `json:"differences"`      // at most maxDifferences
	More        int            `json:"more_differences"` // beyond those
}

// maxDifferences bounds the list; all are counted.
const maxDifferences = 1000

func (t *tally) differ(h *history, kind string, at instant, format string, args ...any) {
	if len(t.Differences) == maxDifferences {
		t.More++
		return
	}
	d := Difference{JobID: h.JobID, Kind: kind, Detail: fmt.Sprintf(format, args...)}
	if at != 0 {
		d.At = at.Time().Format("2006-01-02T15:04:05.999999Z07:00")
	}
	t.Differences = append(t.Differences, d)
}

// planned gives the firings of a job's whole history in (from, to], in order.
func (h *history) planned(from, to instant) iter.Seq2[instant, error] {
	return func(yield func(instant, error) bool) {
		for _, g := range h.Segments {
			end := to
			if g.Until != 0 {
				end = min(end, g.Until)
			}
			s, err := parseSchedule(g.Schedule, g.Anchor)
			if err != nil {
				yield(0, fmt.Errorf("version %d: %w", g.Version, err))
				return
			}
			at := max(from, g.From)
			for {
				if end <= at {
					break
				}
				if over := h.pauseAt(at); over > at {
					at = over
					continue
				}
				next := nextAfter(s, at)
				if next == 0 || next > end {
					break
				}
				at = next
				if h.pauseAt(next-1) != 0 {
					continue // at lies in a pause: skip to its end
				}
				if !yield(next, nil) {
					return
				}
			}
		}
	}
}

// pauseAt gives the end of the pause that holds the instant just after at, the latest instant for one without end, 0 for none.
func (h *history) pauseAt(at instant) instant {
	i := slices.IndexFunc(h.Pauses, func(p span) bool { return p.From <= at && (p.Until == 0 || at < p.Until) })
	if i < 0 {
		return 0
	}
	if h.Pauses[i].Until == 0 {
		return 1<<63 - 1
	}
	return h.Pauses[i].Until
}

// check compares the plan of one job in (from, to] with its rows of trigger "schedule", given in order of scheduled_at and
// reaching at least over that range. now separates what is due from the future.
func (t *tally) check(h *history, rows []Run, from, to, now instant) {
	t.Jobs++
	from = max(from, h.Pruned)
	upTo := min(to, h.Cursor)
	for _, r := range rows { // a range that crosses an edge is checked as a whole
		if r.ScheduledUntil != 0 {
			if r.ScheduledAt <= from && from < r.ScheduledUntil {
				from = r.ScheduledAt - 1
			}
			if r.ScheduledAt <= upTo && upTo < r.ScheduledUntil {
				upTo = r.ScheduledUntil
			}
		}
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Run) bool { return r.ScheduledAt <= from || r.ScheduledAt > upTo })
	for _, r := range rows {
		t.Statuses[r.Status] += r.Count
	}
	var ranges []Run // ranges that reach the firing at hand, Count = firings not yet met
	closeRanges := func(at instant) {
		ranges = slices.DeleteFunc(ranges, func(r Run) bool {
			if r.ScheduledUntil >= at {
				return false
			}
			if r.Count != 0 {
				t.differ(h, "count", r.ScheduledAt, "the %s row up to %s counts %d firings too many", r.Status, r.ScheduledUntil.Time(), r.Count)
			}
			return true
		})
	}
	takeRows := func(at instant) (met bool) { // rows up to at
		for len(rows) > 0 && rows[0].ScheduledAt <= at {
			r := rows[0]
			rows = rows[1:]
			switch {
			case r.ScheduledUntil != 0:
				ranges = append(ranges, r)
			case r.ScheduledAt == at && !met:
				met = true
			default:
				t.differ(h, "extra", r.ScheduledAt, "a %s row stands at a time that was not planned", r.Status)
			}
		}
		return met
	}
	for s, err := range h.planned(from, upTo) {
		if err != nil {
			t.differ(h, "schedule", 0, "the plan cannot be computed: %v", err)
			return
		}
		t.Planned++
		if takeRows(s) {
			continue
		}
		closeRanges(s)
		if i := slices.IndexFunc(ranges, func(r Run) bool { return r.Count > 0 }); i >= 0 {
			ranges[i].Count--
			continue
		}
		t.differ(h, "gap", s, "planned, and no row says what became of it")
	}
	takeRows(1<<63 - 1)
	closeRanges(1<<63 - 1)
	t.checkTimer(h, now)
}

// checkTimer compares the timer with the plan: a job whose next firing is lost would never fire again, without a trace.
func (t *tally) checkTimer(h *history, now instant) {
	var next instant
	for s, err := range h.planned(h.Cursor, 1<<62) {
		if err == nil {
			next = s
		}
		break
	}
	if next != h.Next {
		t.differ(h, "timer", next, "the next planned firing is %s, the timer stands at %s", orNever(next), orNever(h.Next))
	}
	if next != 0 && next <= now {
		for range h.planned(h.Cursor, now) {
			t.Due++
		}
	}
}

func orNever(i instant) string {
	if i == 0 {
		return "never"
	}
	return i.Time().Format("2006-01-02T15:04:05.999999Z")
}
