package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

type english struct{}

var (
	unitsEN    = []string{"week", "day", "hour", "minute", "second"}
	weekdaysEN = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
)

func (english) zone(name string) string { return " (" + name + ")" }

func (english) once(at time.Time) string { return "once, on " + stampEN(at) }

func stampEN(t time.Time) string {
	text := t.Format("2 January 2006 at 15:04")
	switch {
	case t.Nanosecond() != 0:
		text += t.Format(":05.000000")
	case t.Second() != 0:
		text += t.Format(":05")
	}
	return text
}

func (english) length(micros int64) string {
	var list []string
	for _, p := range parts(micros) {
		unit := unitsEN[p.unit]
		if p.n != 1 || p.frac != "" {
			unit += "s"
		}
		list = append(list, fmt.Sprintf("%d%s %s", p.n, p.frac, unit))
	}
	return joinAnd(list, ", ", " and ")
}

func (e english) every(micros int64) string {
	if p := parts(micros); len(p) == 1 && p[0].n == 1 && p[0].frac == "" {
		return "every " + unitsEN[p[0].unit]
	}
	return "every " + e.length(micros)
}

func (english) bounds(from, to *time.Time) string {
	text := ""
	if from != nil {
		text = ", from " + stampEN(*from)
	}
	if to != nil {
		text += ", until " + stampEN(*to)
	}
	return text
}

func (english) jitter(d string) string { return ", delayed by up to " + d }

func (e english) cron(c *cron) string {
	k := clockworkOf(c)
	day := daysEN(c)
	if len(k.times) > 0 {
		var list []string
		for _, t := range k.times {
			list = append(list, clock("%02d", t))
		}
		return day + " at " + joinAnd(list, ", ", " and ")
	}
	text := k.frequencyEN()
	if day != "every day" {
		text += ", " + day
	}
	return text
}

// frequencyEN describes times of day that are too many to list.
func (k clockwork) frequencyEN() string {
	m, s := k.minutes, k.seconds
	if s.shape != shapeOne {
		text := stepsEN(s, "second", "minute")
		if steady(s) {
			if m.shape != shapeAll {
				text += " of " + countedEN(m, "minute")
			}
			return text + k.hoursEN()
		}
		if m.shape != shapeAll {
			return text + " of " + countedEN(m, "minute") + k.hoursEN()
		}
		return text + " of every minute" + k.hoursEN()
	}
	at := ""
	if s.first != 0 {
		at = fmt.Sprintf(", at second %d", s.first)
	}
	if m.shape != shapeOne {
		text := stepsEN(m, "minute", "hour")
		switch {
		case steady(m):
			text += k.hoursEN()
		case k.hours.shape == shapeOne || k.hours.shape == shapeList || k.hours.shape == shapeStep:
			text += " of " + countedEN(k.hours, "hour")
		default:
			text += " of every hour" + k.hoursEN()
		}
		return text + at
	}
	switch h := k.hours; h.shape {
	case shapeAll:
		if m.first == 0 {
			return "every hour" + at
		}
		return fmt.Sprintf("every hour at minute %d", m.first) + strings.Replace(at, " at", "", 1)
	case shapeSpan:
		return "every hour from " + clock("%02d", k.first) + " to " + clock("%02d", k.last)
	case shapeStep: // 2 or 3 hours: wider steps give few enough times to list
		return fmt.Sprintf("every %d hours from %s", h.step, clock("%02d", k.first))
	}
	return fmt.Sprintf("at minute %d of %s", m.first, countedEN(k.hours, "hour")) + strings.Replace(at, " at", "", 1)
}

// steady tells whether a series reads as a frequency, and not as a list of values.
func steady(s series) bool { return s.shape == shapeAll || s.shape == shapeStep }

// hoursEN limits a frequency to some hours.
func (k clockwork) hoursEN() string {
	switch k.hours.shape {
	case shapeAll:
		return ""
	case shapeOne, shapeSpan:
		return " from " + clock("%02d", k.first) + " to " + clock("%02d", k.last)
	}
	return " in " + countedEN(k.hours, "hour")
}

// stepsEN is a frequency, or the values of a field: every 5 minutes, at minutes 5 and 35.
func stepsEN(s series, unit, larger string) string {
	switch s.shape {
	case shapeAll:
		return "every " + unit
	case shapeStep:
		text := fmt.Sprintf("every %d %ss", s.step, unit)
		if s.first > 0 {
			text += fmt.Sprintf(" from %s %d", unit, s.first)
		}
		if !s.even {
			text += " (starting anew each " + larger + ")"
		}
		return text
	}
	return "at " + countedEN(s, unit)
}

// countedEN lists values of a unit: minutes 0–4 and 30.
func countedEN(s series, unit string) string {
	list := ranges(s.set, "–", strconv.Itoa)
	if s.shape != shapeOne {
		unit += "s"
	}
	return unit + " " + joinAnd(list, ", ", " and ")
}

// daysEN describes the days.
func daysEN(c *cron) string {
	byDay, byWeekday := c.restricts()
	months := ""
	if c.months != allMonths {
		months = joinAnd(ranges(uint64(c.months), "–", func(m int) string { return time.Month(m).String() }), ", ", " and ")
	}
	years := joinAnd(c.yearList("–", func(first, last, step int) string {
		if last >= fields[fYear].max {
			return fmt.Sprintf("every %s year from %d", ordinalEN(step), first)
		}
		return fmt.Sprintf("every %s year from %d to %d", ordinalEN(step), first, last)
	}), ", ", " and ")
	weekdays, condition := weekdaysOfEN(c)
	dates := ""
	if byDay {
		dates = datesEN(c, months)
		switch oneDate := !strings.HasPrefix(dates, "the "); {
		case oneDate && years == "":
			dates = "every year on " + dates
		case oneDate && len(years) == 4:
			dates, years = "on "+dates+" "+years, ""
		default:
			dates = "on " + dates
		}
	}
	var days string
	switch {
	case byDay && byWeekday && !c.either:
		days = dates + " (if " + condition + ")"
	case byDay && byWeekday:
		days = dates + " and " + weekdays
	case byDay:
		days = dates
	case byWeekday:
		days = weekdays
	default:
		days = "every day"
	}
	if months != "" && (!byDay || byWeekday && c.either) {
		days += " in " + months
	}
	if c.weeks != allWeeks {
		days += " in ISO " + countedEN(seriesOf(c.weeks, 1, 53), "week")
	}
	if years != "" {
		days += " in " + years
	}
	return days
}

// datesEN describes days of the month: 24 December; the 1st and last Friday of every month.
func datesEN(c *cron, months string) string {
	all := values(uint64(c.days))
	special := c.lastDay || c.nth != [6]uint8{}
	if len(all) == 1 && !special && months != "" && !strings.ContainsAny(months, " –") {
		return fmt.Sprintf("%d %s", all[0], months)
	}
	list := ranges(uint64(c.days), "–", ordinalEN)
	for i, set := range c.nth {
		for _, d := range values(uint64(set)) {
			list = append(list, ordinals[i]+" "+weekdaysEN[d])
		}
	}
	if c.lastDay {
		list = append(list, "last day")
	}
	if months == "" {
		months = "every month"
	}
	return "the " + joinAnd(list, ", ", " and ") + " of " + months
}

// weekdaysOfEN describes the weekdays, as days ("every Monday") and as a condition ("a Monday").
func weekdaysOfEN(c *cron) (days, condition string) {
	s := seriesOf(uint64(c.weekdays), 0, 6)
	if s.shape == shapeSpan {
		days = weekdaysEN[s.first] + " to " + weekdaysEN[s.last]
		return days, days
	}
	var names []string
	for _, d := range values(s.set) {
		names = append(names, weekdaysEN[d])
	}
	return "every " + joinAnd(names, ", ", " and "), "a " + joinAnd(names, ", ", " or ")
}

func ordinalEN(n int) string {
	suffix := "th"
	if n/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}
