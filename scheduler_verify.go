package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"teiki/internal/schedule"
)

// segment is a stretch of a job's life under one definition: it planned the firings in (From, Until].
type segment struct {
	Version  int
	Schedule string // as in jobs.schedule
	ZoneData string // fingerprint of the time zone data that it was planned with, "" = not known
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
	Pruned   instant   // rows up to this may have been deleted by retention; moves on while rows are read
	From     instant   // what is compared: (From, UpTo], widened to hold the ranges at its edges as a whole
	UpTo     instant   // never beyond Cursor
}

// rowReader gives the rows of a job's planned firings in (From, UpTo], in order of scheduled_at; ok is false after the last one.
type rowReader func() (r Run, ok bool, err error)

// Difference is one disagreement between the plan and the rows.
type Difference struct {
	JobID  string `json:"job_id"`
	Kind   string `json:"kind"` // gap | extra | count | timer | schedule
	At     string `json:"scheduled_at,omitempty"`
	Detail string `json:"detail"`
}

// tally is the outcome of comparing plans with rows.
type tally struct {
	From        string         `json:"from,omitempty"` // the window of scheduled times; absent = from the beginning
	To          string         `json:"to"`
	Jobs        int            `json:"jobs"`
	Planned     int            `json:"planned"`                 // firings that must have a row
	Due         int            `json:"due"`                     // firings that are due and not yet claimed
	OldestDue   string         `json:"oldest_due_at,omitempty"` // the first of them
	Statuses    map[Status]int `json:"firings"`                 // firings by the status of their rows
	Former      int            `json:"former_zone_data"`        // disagreements in plans made with other time zone data than this program's: they prove nothing
	Differences []Difference   `json:"differences"`             // at most maxDifferences
	More        int            `json:"more_differences"`        // beyond those

	oldest instant
	zones  map[string]string // fingerprints of this program's zone data
}

// maxDifferences bounds the list; all are counted.
const maxDifferences = 1000

func newTally(w ledgerWindow) *tally {
	t := &tally{To: ledgerTime(w.To), Statuses: map[Status]int{}, Differences: []Difference{}, zones: map[string]string{}}
	if w.From != 0 {
		t.From = ledgerTime(w.From)
	}
	return t
}

// gap is the number of differences.
func (t *tally) gap() int { return len(t.Differences) + t.More }

func ledgerTime(i instant) string { return i.Time().Format("2006-01-02T15:04:05.999999Z07:00") }

func (t *tally) differ(h *history, kind string, at instant, format string, args ...any) {
	if at != 0 && t.former(h, at) {
		t.Former++
		return
	}
	if len(t.Differences) == maxDifferences {
		t.More++
		return
	}
	d := Difference{JobID: h.JobID, Kind: kind, Detail: fmt.Sprintf(format, args...)}
	if at != 0 {
		d.At = ledgerTime(at)
	}
	t.Differences = append(t.Differences, d)
}

// former tells whether the plan at an instant was made with other time zone data than this program has.
func (t *tally) former(h *history, at instant) bool {
	i := slices.IndexFunc(h.Segments, func(g segment) bool { return g.From < at && (g.Until == 0 || at <= g.Until) })
	if i < 0 || h.Segments[i].ZoneData == "" {
		return false
	}
	s, err := parseSchedule(h.Segments[i].Schedule, h.Segments[i].Anchor)
	if err != nil {
		return true // this program's data does not even have the zone
	}
	have, ok := t.zones[s.Zone()]
	if !ok {
		have = schedule.ZoneFingerprint(s.Location())
		t.zones[s.Zone()] = have
	}
	return have != h.Segments[i].ZoneData
}

// planned gives the firings of a job's whole history in (from, to], in order.
func (h *history) planned(from, to instant) iter.Seq2[instant, error] {
	return func(yield func(instant, error) bool) {
		pauses := h.Pauses // those not over at the instant at
		for _, g := range h.Segments {
			end := to
			if g.Until != 0 {
				end = min(end, g.Until)
			}
			at := max(from, g.From)
			if end <= at {
				continue
			}
			s, err := parseSchedule(g.Schedule, g.Anchor)
			if err != nil {
				yield(0, fmt.Errorf("version %d: %w", g.Version, err))
				return
			}
			for at < end {
				for len(pauses) > 0 && pauses[0].Until != 0 && pauses[0].Until <= at {
					pauses = pauses[1:]
				}
				if len(pauses) > 0 && pauses[0].From <= at {
					if pauses[0].Until == 0 {
						return
					}
					at = pauses[0].Until
					continue
				}
				next := nextAfter(s, at)
				if next == 0 || next > end {
					break
				}
				if len(pauses) > 0 && pauses[0].From < next {
					at = pauses[0].From // the pause decides
					continue
				}
				at = next
				if !yield(next, nil) {
					return
				}
			}
		}
	}
}

// check compares the plan of one job in (h.From, h.UpTo] with its rows. Memory holds one row, and the ranges that reach the
// firing at hand. now separates what is due from the future.
func (t *tally) check(ctx context.Context, h *history, rows rowReader, now instant) error {
	t.Jobs++
	var ranges []Run // ranges that reach the firing at hand, Count = firings not yet met
	closeRanges := func(at instant) {
		ranges = slices.DeleteFunc(ranges, func(r Run) bool {
			if r.ScheduledUntil >= at {
				return false
			}
			if r.Count != 0 {
				t.differ(h, "count", r.ScheduledAt, "the %s row up to %s counts %d firings too many", r.Status, ledgerTime(r.ScheduledUntil), r.Count)
			}
			return true
		})
	}
	row, some, err := rows()
	takeRows := func(at instant) (met bool) { // rows up to at
		for some && err == nil && row.ScheduledAt <= at {
			t.Statuses[row.Status] += row.Count
			switch {
			case row.ScheduledUntil != 0:
				ranges = append(ranges, row)
			case row.ScheduledAt == at && !met:
				met = true
			default:
				t.differ(h, "extra", row.ScheduledAt, "a %s row stands at a time that was not planned", row.Status)
			}
			row, some, err = rows()
		}
		return met
	}
	for s, broken := range h.planned(h.From, h.UpTo) {
		if broken != nil {
			t.differ(h, "schedule", 0, "the plan cannot be computed: %v", broken)
			return err
		}
		met := takeRows(s)
		if err != nil {
			return err
		}
		if !met {
			closeRanges(s)
			i := slices.IndexFunc(ranges, func(r Run) bool { return r.Count > 0 })
			switch {
			case i >= 0:
				ranges[i].Count--
			case s <= h.Pruned:
				continue // retention has come by since the comparison began
			default:
				t.differ(h, "gap", s, "planned, and no row says what became of it")
			}
		}
		if t.Planned++; t.Planned%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	takeRows(endOfTime)
	closeRanges(endOfTime)
	t.checkTimer(h, now)
	return err
}

const endOfTime instant = 1<<63 - 1

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
		t.differ(h, "timer", max(next, h.Next), "the next planned firing is %s, the timer stands at %s", orNever(next), orNever(h.Next))
	}
	if next == 0 || next > now {
		return
	}
	if t.oldest == 0 || next < t.oldest {
		t.oldest, t.OldestDue = next, ledgerTime(next)
	}
	began := time.Now()
	for range h.planned(h.Cursor, now) {
		if t.Due++; t.Due%1024 == 0 && time.Since(began) > maxDueCount {
			break // a server that was down for months: the number matters less than the answer
		}
	}
}

// maxDueCount bounds the time that counting one job's unclaimed firings takes.
const maxDueCount = time.Second

func orNever(i instant) string {
	if i == 0 {
		return "never"
	}
	return ledgerTime(i)
}
