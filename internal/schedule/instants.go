package schedule

import "time"

// nextInstant is the first firing from t on, in seconds since 1970, of a schedule meant
// on the wall clock of loc. It reports false after the last one.
//
// Clocks that jump forward: a time that is skipped fires later by the length of the
// gap, and where it then falls together with another the two are one. Clocks that jump
// back: the first pass fires, the second only if c.repeats. Nothing else is lost.
//
// The search goes through the zone's periods of one offset. In each, instants and wall
// clock times differ by a constant, so the order of one is that of the other; the times
// inside a gap, taken with the offset before it, are a second, short series beside it.
func (c *cron) nextInstant(loc *time.Location, t int64) (int64, bool) {
	search := memoWall{cron: c}
	best := int64(forever)
	// What happened shortly before t still matters: a gap may be made up for after t, and
	// a wall clock time after t may have been shown before.
	p := periodAt(loc, t)
	if p.start > t-widestShift {
		p = periodAt(loc, t-widestShift)
	}
	before := period{end: beginning}
	shown := int64(beginning) // the wall clock has shown what is before this
	for {
		from := max(t, p.start)
		if before.end == p.start && p.offset > before.offset {
			// Times in the gap fire with the offset before it: in [start, start+gap).
			if wall, ok := search.next(from + before.offset); ok && wall < p.start+p.offset {
				best = min(best, wall-before.offset)
			}
		}
		if p.end > t {
			wall := from + p.offset
			if !c.repeats {
				wall = max(wall, shown)
			}
			wall, ok := search.next(wall)
			if at := wall - p.offset; ok && at < p.end {
				best = min(best, at)
			}
			if best < p.end {
				return best, true
			}
			if p.end-from > widestShift && best == forever {
				// From here on the wall clock shows nothing that it showed before from.
				if !ok {
					return 0, false
				}
				if target := wall - p.offset - widestShift; target > p.end+widestShift {
					t, shown = target, beginning // nothing fires before target
					before = period{end: beginning}
					p = periodAt(loc, t-widestShift)
					continue
				}
			}
		}
		shown = max(shown, p.end+p.offset)
		before, p = p, periodAt(loc, p.end)
	}
}

// memoWall remembers the last search of one nextInstant, whose parts overlap.
type memoWall struct {
	cron   *cron
	asked  int64
	answer int64
	some   bool // there is an answer
	known  bool
}

func (m *memoWall) next(wall int64) (int64, bool) {
	if m.known && wall >= m.asked && (!m.some || wall <= m.answer) {
		return m.answer, m.some
	}
	m.answer, m.some = m.cron.nextWall(wall)
	m.asked, m.known = wall, true
	return m.answer, m.some
}
