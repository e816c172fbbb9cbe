package schedule

import (
	"math/bits"
	"time"
)

// cron is a compiled cron schedule: the values each field allows, as bit sets.
type cron struct {
	fields  *[fieldCount][]expr // as parsed; compile turns them into what follows and drops them
	crontab bool                // written as a crontab(5) string
	either  bool                // crontab(5): day or weekday, instead of both

	seconds, minutes, weeks uint64
	hours, days             uint32
	months                  uint16
	weekdays                uint8    // bit 0 = Monday
	nth                     [6]uint8 // weekdays allowed at each position in the month; 5 = last
	lastDay                 bool
	years                   []expr // nil = all
	yearBits                []uint64

	repeats          bool  // hour or minute is * or */n: fire in both passes of a repeated hour
	firstSod, endSod int64 // first and last second of the day that matches
	gronx            string
}

const (
	allWeekdays = 1<<7 - 1
	allMonths   = 1<<13 - 2
	allDays     = 1<<32 - 2
	allWeeks    = 1<<54 - 2
)

// compile turns the parsed lists into bit sets.
func (c *cron) compile() {
	c.seconds = c.bits(fSecond, 0, 59)
	c.minutes = c.bits(fMinute, 0, 59)
	c.hours = uint32(c.bits(fHour, 0, 23))
	c.months = uint16(c.bits(fMonth, 1, 12))
	c.days = uint32(c.bits(fDay, 1, 31))
	c.weeks = c.bits(fWeek, 1, 53)
	if c.crontab {
		sundayFirst := c.bits(fWeekday, 0, 7)
		c.weekdays = uint8((sundayFirst>>1 | sundayFirst<<6) & allWeekdays)
	} else {
		c.weekdays = uint8(c.bits(fWeekday, 0, 6))
	}
	for _, e := range c.fields[fDay] {
		switch e.form {
		case formNth:
			c.nth[e.first] |= 1 << e.last
		case formLast:
			c.lastDay = true
		}
	}
	if c.either && (c.days == allDays || c.weekdays == allWeekdays) {
		c.days, c.weekdays, c.either = allDays, allWeekdays, false // "1-31" restricts nothing
	}
	c.compileYears()
	c.repeats = starred(c.fields[fHour]) || starred(c.fields[fMinute])
	c.firstSod = int64(bits.TrailingZeros32(c.hours)*3600 + bits.TrailingZeros64(c.minutes)*60 + bits.TrailingZeros64(c.seconds))
	c.endSod = int64((bits.Len32(c.hours)-1)*3600 + (bits.Len64(c.minutes)-1)*60 + bits.Len64(c.seconds) - 1)
	c.gronx = c.gronxExpr()
	c.fields = nil
}

// starred tells whether a list has * or */n in it.
func starred(list []expr) bool {
	for _, e := range list {
		if e.form == formAll {
			return true
		}
	}
	return false
}

// bits is the set of values between low and high that field i allows.
func (c *cron) bits(i, low, high int) uint64 {
	var set uint64
	for _, e := range c.fields[i] {
		first, last, step := low, high, max(e.step, 1)
		switch e.form {
		case formSpan:
			first, last = e.first, e.last
		case formNth, formLast:
			continue
		}
		for v := first; v <= last; v += step {
			set |= 1 << v
		}
	}
	return set
}

// compileYears keeps the years as spans while they are few: a bit set of all years
// takes a kilobyte.
func (c *cron) compileYears() {
	list := c.fields[fYear]
	for _, e := range list {
		if e.form == formAll && e.step <= 1 {
			return
		}
	}
	f := &fields[fYear]
	for _, e := range list {
		if e.form == formAll {
			e.first, e.last = f.min, f.max
		}
		e.step = max(e.step, 1)
		c.years = append(c.years, e)
	}
	if len(c.years) <= 8 {
		return
	}
	c.yearBits = make([]uint64, (f.max-f.min)/64+1)
	for _, e := range c.years {
		for y := e.first - f.min; y <= e.last-f.min; y += e.step {
			c.yearBits[y/64] |= 1 << (y % 64)
		}
	}
}

// nextYear is the first allowed year from y on; 0 if there is none.
func (c *cron) nextYear(y int) int {
	f := &fields[fYear]
	y = max(y, f.min)
	switch {
	case y > f.max:
		return 0
	case c.years == nil:
		return y
	case c.yearBits != nil:
		i := (y - f.min) / 64
		word := c.yearBits[i] &^ (1<<((y-f.min)%64) - 1)
		for word == 0 {
			if i++; i == len(c.yearBits) {
				return 0
			}
			word = c.yearBits[i]
		}
		return f.min + i*64 + bits.TrailingZeros64(word)
	}
	best := 0
	for _, e := range c.years {
		v := e.first
		if y > v {
			v += (y - v + e.step - 1) / e.step * e.step
		}
		if v <= e.last && (best == 0 || v < best) {
			best = v
		}
	}
	return best
}

// nextDay is the first matching day from day on, in days since 1970. There are only 28
// kinds of year (what weekday it starts on, whether it and the one before are leap
// years); a kind that was searched in vain is not searched again, so that even a
// schedule without any day is known for one after a few thousand steps.
func (c *cron) nextDay(day int64) (int64, bool) {
	year, m, d := time.Unix(day*secondsPerDay, 0).UTC().Date()
	month := int(m)
	var empty uint32 // kinds of year without a matching day
	for y := c.nextYear(year); y != 0; y = c.nextYear(y + 1) {
		if y > year {
			month, d = 1, 1
		}
		kind := uint32(1) << yearKind(y)
		if empty&kind != 0 {
			continue
		}
		for from := month; month <= 12; month++ {
			if c.months>>month&1 == 0 {
				continue
			}
			set := c.monthDays(y, month)
			if month == from {
				set &= ^uint32(0) << d
			}
			if set != 0 {
				first := time.Date(y, time.Month(month), 1, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
				return first + int64(bits.TrailingZeros32(set)) - 1, true
			}
		}
		if y > year {
			empty |= kind
		}
	}
	return 0, false
}

// onDay tells whether the schedule fires on a day, given in days since 1970.
func (c *cron) onDay(day int64) bool {
	year, month, d := time.Unix(day*secondsPerDay, 0).UTC().Date()
	return c.nextYear(year) == year && c.months>>month&1 == 1 && c.monthDays(year, int(month))>>d&1 == 1
}

// monthDays is the set of days on which the schedule fires in a month that it allows.
func (c *cron) monthDays(year, month int) uint32 {
	length := monthLength(year, month)
	inMonth := uint32(1)<<(length+1) - 2
	first := (jan1(year) + dayOfYear(year, month)) % 7 // weekday of the 1st, 0 = Monday
	byDay := c.days & inMonth
	if c.lastDay {
		byDay |= 1 << length
	}
	if c.nth != [6]uint8{} {
		byDay |= c.nthDays(first, length)
	}
	byWeekday := inMonth
	if c.weekdays != allWeekdays {
		turned := uint64(c.weekdays)>>first | uint64(c.weekdays)<<(7-first)
		week := turned & allWeekdays
		byWeekday = uint32((week|week<<7|week<<14|week<<21|week<<28)<<1) & inMonth
	}
	set := byDay & byWeekday
	if c.either {
		set = byDay | byWeekday
	}
	if c.weeks != allWeeks && set != 0 {
		set &= c.weekDays(year, month, first, length)
	}
	return set
}

// nthDays is the set of days like "2nd fri" and "last fri" in a month.
func (c *cron) nthDays(first, length int) uint32 {
	var set uint32
	for d := 1; d <= length; d++ {
		weekday := uint8(1) << ((first + d - 1) % 7)
		if c.nth[(d-1)/7]&weekday != 0 && d <= 35 || d+7 > length && c.nth[5]&weekday != 0 {
			set |= 1 << d
		}
	}
	return set
}

// weekDays is the set of days of a month in the allowed ISO weeks.
func (c *cron) weekDays(year, month, first, length int) uint32 {
	var set uint32
	for d := 1; d <= length; {
		monday := d + 7 - (first+d-1)%7 // of the next week
		_, week := time.Date(year, time.Month(month), d, 0, 0, 0, 0, time.UTC).ISOWeek()
		for ; d < monday && d <= length; d++ {
			if c.weeks>>week&1 == 1 {
				set |= 1 << d
			}
		}
	}
	return set
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func monthLength(year, month int) int {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// dayOfYear counts the days of year before a month.
func dayOfYear(year, month int) int {
	n := 0
	for m := 1; m < month; m++ {
		n += monthLength(year, m)
	}
	return n
}

// jan1 is the weekday of 1 January, 0 = Monday: 0001-01-01 was one.
func jan1(year int) int {
	y := year - 1
	return (y*365 + y/4 - y/100 + y/400) % 7
}

// yearKind numbers the 28 kinds of year. The year before matters because of the ISO
// week that 1 January is in.
func yearKind(year int) int {
	kind := jan1(year) * 4
	if leap(year) {
		kind += 2
	}
	if leap(year - 1) {
		kind++
	}
	return kind
}
