package schedule

import (
	"iter"
	"math/bits"
	"time"
)

// at is the instant in the schedule's zone.
func (s *Schedule) at(micros int64) time.Time { return time.UnixMicro(micros).In(s.loc) }

// First is the first firing at or after from; false if there is none. A date schedule
// gives its instant even if that is past: whoever asks decides what a late one means.
func (s *Schedule) First(from time.Time) (time.Time, bool) {
	if s.kind == kindDate {
		return s.at(s.runAt), true
	}
	return s.from(microsUp(from))
}

// Next is the first firing strictly after prev; false if there is none.
func (s *Schedule) Next(prev time.Time) (time.Time, bool) {
	return s.from(prev.UnixMicro() + 1)
}

// Between yields the planned firings in (from, to], without jitter.
func (s *Schedule) Between(from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for t, ok := s.Next(from); ok && !t.After(to); t, ok = s.Next(t) {
			if !yield(t) {
				return
			}
		}
	}
}

// from is the first firing at or after an instant in microseconds.
func (s *Schedule) from(t int64) (time.Time, bool) {
	if s.hasStart {
		t = max(t, s.start)
	}
	var at int64
	var ok bool
	switch s.kind {
	case kindDate:
		at, ok = s.runAt, s.runAt >= t
	case kindInterval:
		at, ok = s.onGrid(t)
	case kindCron:
		second := max(secondsUp(t), firstSecond)
		if at, ok = s.memo.load(second); at == unknown {
			at, ok = s.cron.nextInstant(s.loc, second)
			s.memo.store(second, at, ok)
		}
		at *= microsPerSecond
	}
	if !ok || at > lastMicro || s.hasEnd && at > s.end {
		return time.Time{}, false
	}
	return s.at(at), true
}

// firstSecond is where the search for cron times starts at the earliest: 1970, some
// hours before the year begins anywhere.
const firstSecond = -widestShift

// onGrid is the first point at or after t of an interval's grid, which starts at
// start_date or, without one, an interval after the anchor.
func (s *Schedule) onGrid(t int64) (int64, bool) {
	first := s.start
	if !s.hasStart {
		first = s.anchor + s.every
	}
	if t <= first {
		return first, true
	}
	if t > lastMicro {
		return 0, false
	}
	k := (t - first + s.every - 1) / s.every
	return first + k*s.every, true
}

// Due is when a planned firing is to be run: planned plus the jitter, which is a
// function of planned and seed, spread evenly over 0 to jitter and never past end_date.
// The next firing is planned from planned, so that jitter neither adds up nor skips one.
func (s *Schedule) Due(planned time.Time, seed uint64) time.Time {
	room := s.jitter
	if s.hasEnd {
		room = min(room, s.end-microsUp(planned))
	}
	if room <= 0 {
		return planned
	}
	h := scatter(scatter(seed) ^ uint64(planned.UnixMicro()))
	micros, _ := bits.Mul64(h, uint64(room)+1)
	return planned.Add(time.Duration(micros) * time.Microsecond)
}

// scatter is a hash of one word in which every bit of the input moves every bit of the
// result (a multiply and shift mixer).
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}
