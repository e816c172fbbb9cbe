package schedule

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Describe says in words when the schedule fires, in English or, for "ja", in
// Japanese. The words are made from the compiled sets, not from what was written, so
// that they say what will happen: "0-59/1" and "*" read the same.
func (s *Schedule) Describe(lang string) string {
	var w words = english{}
	if base, _, _ := strings.Cut(strings.ToLower(lang), "-"); base == "ja" {
		w = japanese{}
	}
	switch s.kind {
	case kindDate:
		return w.once(s.at(s.runAt)) + w.zone(s.zone)
	case kindInterval:
		text := w.every(s.every) + s.extras(w)
		if s.hasStart || s.hasEnd {
			text += w.zone(s.zone)
		}
		return text
	}
	return w.cron(s.cron) + s.extras(w) + w.zone(s.zone)
}

// words is a language.
type words interface {
	once(at time.Time) string
	every(micros int64) string
	cron(c *cron) string
	bounds(from, to *time.Time) string
	jitter(d string) string
	length(micros int64) string
	zone(name string) string
}

// extras describes start_date, end_date and jitter.
func (s *Schedule) extras(w words) string {
	var from, to *time.Time
	if s.hasStart {
		t := s.at(s.start)
		from = &t
	}
	if s.hasEnd {
		t := s.at(s.end)
		to = &t
	}
	text := ""
	if from != nil || to != nil {
		text = w.bounds(from, to)
	}
	if s.jitter > 0 {
		text += w.jitter(w.length(s.jitter))
	}
	return text
}

// shape is how the values of a field lie.
type shape uint8

const (
	shapeAll  shape = iota // every value
	shapeOne               // a single one
	shapeStep              // every n-th, as far as the field reaches
	shapeSpan              // three or more in a row
	shapeList              // anything else
)

// series is a set of values with its shape.
type series struct {
	shape
	set   uint64
	first int
	last  int
	step  int
	even  bool // shapeStep: the steps go on without a jump when the field starts anew
}

// seriesOf finds the shape of a set of values between low and high.
func seriesOf(set uint64, low, high int) series {
	s := series{set: set, first: bits.TrailingZeros64(set), last: bits.Len64(set) - 1}
	list := values(set)
	size := high - low + 1
	switch {
	case len(list) == size:
		s.shape = shapeAll
		return s
	case len(list) == 1:
		s.shape = shapeOne
		return s
	}
	s.shape = shapeList
	s.step = list[1] - list[0]
	for i := 2; i < len(list); i++ {
		if list[i]-list[i-1] != s.step {
			return s
		}
	}
	switch {
	case len(list) == 2 && (s.first > low || size%s.step != 0):
		// two values that are no halves, as 5 and 35: better named
	case s.step == 1 && len(list) >= 3:
		s.shape = shapeSpan
	case s.step > 1 && s.first-s.step < low && s.last+s.step > high:
		s.shape = shapeStep
		s.even = size%s.step == 0
	}
	return s
}

// clockwork is the time of day of a cron schedule, taken apart for words.
type clockwork struct {
	hours, minutes, seconds series
	times                   []int // the times of day in seconds, if they are few
	first, last             int   // the first and the last of the day
}

// maxTimes is how many times of day are listed one by one.
const maxTimes = 6

func clockworkOf(c *cron) clockwork {
	k := clockwork{
		hours:   seriesOf(uint64(c.hours), 0, 23),
		minutes: seriesOf(c.minutes, 0, 59),
		seconds: seriesOf(c.seconds, 0, 59),
		first:   int(c.firstSod), last: int(c.endSod),
	}
	if bits.OnesCount32(c.hours)*bits.OnesCount64(c.minutes)*bits.OnesCount64(c.seconds) <= maxTimes {
		for _, h := range values(uint64(c.hours)) {
			for _, m := range values(c.minutes) {
				for _, s := range values(c.seconds) {
					k.times = append(k.times, h*3600+m*60+s)
				}
			}
		}
	}
	return k
}

// clock writes a time of day, with its seconds if there are any.
func clock(hourFormat string, sod int) string {
	text := fmt.Sprintf(hourFormat+":%02d", sod/3600, sod/60%60)
	if sod%60 != 0 {
		text += fmt.Sprintf(":%02d", sod%60)
	}
	return text
}

// restricts tells which day conditions a cron schedule has.
func (c *cron) restricts() (byDay, byWeekday bool) {
	return c.days != allDays, c.weekdays != allWeekdays
}

// ranges writes a set of numbers with neighbours joined: 1, 3–5.
func ranges(set uint64, dash string, write func(int) string) []string {
	var list []string
	for all := values(set); len(all) > 0; {
		n := 1
		for n < len(all) && all[n] == all[0]+n {
			n++
		}
		if n >= 3 {
			list = append(list, write(all[0])+dash+write(all[n-1]))
		} else {
			for _, v := range all[:n] {
				list = append(list, write(v))
			}
		}
		all = all[n:]
	}
	return list
}

// yearList writes the allowed years; nil if all are.
func (c *cron) yearList(dash string, stepped func(first, last, step int) string) []string {
	var list []string
	for _, e := range c.years {
		switch {
		case e.first == e.last:
			list = append(list, fmt.Sprint(e.first))
		case e.step > 1:
			list = append(list, stepped(e.first, e.last, e.step))
		default:
			list = append(list, fmt.Sprintf("%d%s%d", e.first, dash, e.last))
		}
	}
	return list
}

// part is one unit of a length of time.
type part struct {
	n    int64
	unit int // 0 weeks, 1 days, 2 hours, 3 minutes, 4 seconds
	frac string
}

// parts takes a length of time apart. Whole weeks are weeks; otherwise days are the largest unit.
func parts(micros int64) []part {
	const day = secondsPerDay * microsPerSecond
	if micros > 0 && micros%(7*day) == 0 {
		return []part{{n: micros / (7 * day), unit: 0}}
	}
	var list []part
	for unit, size := range []int64{1: day, 2: 3600 * microsPerSecond, 3: 60 * microsPerSecond} {
		if size > 0 && micros >= size {
			list = append(list, part{n: micros / size, unit: unit})
			micros %= size
		}
	}
	if micros > 0 {
		p := part{n: micros / microsPerSecond, unit: 4}
		if f := micros % microsPerSecond; f != 0 {
			p.frac = "." + strings.TrimRight(fmt.Sprintf("%06d", f), "0")
		}
		list = append(list, p)
	}
	return list
}
