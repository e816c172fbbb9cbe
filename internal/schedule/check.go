package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Check tells why the schedule will not fire at or after now: it never can, or it is
// over. It is nil if the schedule will fire.
func (s *Schedule) Check(now time.Time) *Fault {
	t := now.UnixMicro()
	if _, ok := s.from(t); ok {
		return nil
	}
	switch {
	case s.kind == kindDate:
		return &Fault{"run_at", "is already over since " + s.stamp(s.runAt)}
	case s.hasStart && s.hasEnd && s.end < s.start:
		return &Fault{s.kind + ".end_date", fmt.Sprintf("can never fire: end_date (%s) is before start_date (%s)",
			s.stamp(s.end), s.stamp(s.start))}
	case s.kind == kindInterval:
		return s.checkInterval(t)
	}
	if _, ok := s.cron.nextDay(0); !ok {
		return s.explainNever()
	}
	first, ok := s.from(firstSecond * microsPerSecond)
	if !ok {
		return s.emptyBounds()
	}
	f := &Fault{"cron", "is already over since its last firing at " + s.stamp(s.lastBefore(first, t))}
	unbounded := s.unbounded()
	if _, ok := unbounded.from(t); s.hasEnd && ok {
		f.Field = "cron.end_date"
	} else if s.cron.years != nil {
		f.Field = "cron.year"
	}
	return f
}

// checkInterval tells why an interval has no point left.
func (s *Schedule) checkInterval(now int64) *Fault {
	first, _ := s.onGrid(-1 << 62)
	switch {
	case first > lastMicro || !s.hasEnd:
		return &Fault{"interval", "can never fire: its next time is after the year 9999"}
	case first <= s.end:
		last := first + (s.end-first)/s.every*s.every
		return &Fault{"interval.end_date", "is already over since its last firing at " + s.stamp(last)}
	case s.end < now:
		return &Fault{"interval.end_date", "is already over since end_date (" + s.stamp(s.end) + ")"}
	}
	return &Fault{"interval.end_date", fmt.Sprintf("can never fire: end_date (%s) is before the first firing (%s)",
		s.stamp(s.end), s.stamp(first))}
}

// emptyBounds is the fault of a cron schedule whose start and end leave nothing.
func (s *Schedule) emptyBounds() *Fault {
	switch {
	case !s.hasEnd:
		return &Fault{"cron.start_date", "can never fire: nothing matches from start_date (" + s.stamp(s.start) + ") on"}
	case !s.hasStart:
		return &Fault{"cron.end_date", "can never fire: nothing matches up to end_date (" + s.stamp(s.end) + ")"}
	}
	return &Fault{"cron.end_date", fmt.Sprintf("can never fire: nothing matches between start_date (%s) and end_date (%s)",
		s.stamp(s.start), s.stamp(s.end))}
}

// unbounded is s without start_date and end_date, to ask what they take away.
func (s *Schedule) unbounded() *Schedule {
	return &Schedule{rule: &rule{kind: s.kind, loc: s.loc, cron: s.cron}}
}

// lastBefore is the last firing of a cron schedule that has none from now on, given one
// that it had. It halves the time in question, some forty times at most.
func (s *Schedule) lastBefore(first time.Time, now int64) int64 {
	last, over := first.UnixMicro(), now
	for over-last > microsPerSecond {
		middle := last + (over-last)/2
		if at, ok := s.from(middle); ok {
			last = at.UnixMicro()
		} else {
			over = middle
		}
	}
	return last
}

// dayFields are the fields that decide about days.
var dayFields = [...]int{fYear, fMonth, fDay, fWeek, fWeekday}

// explainNever names the fewest fields that together leave no day of the calendar.
func (s *Schedule) explainNever() *Fault {
	guilty := map[int]bool{}
	for _, i := range dayFields {
		guilty[i] = true
	}
	for _, i := range dayFields {
		guilty[i] = false
		if _, ok := s.cron.without(guilty).nextDay(0); ok {
			guilty[i] = true
		}
	}
	detail := "can never fire: "
	name := ""
	if words := s.cron.noSuchDay(guilty); words != "" {
		detail += words
	}
	var list []string
	for _, i := range dayFields {
		if guilty[i] {
			name = fields[i].name
			list = append(list, s.fieldText(i))
		}
	}
	if strings.HasSuffix(detail, ": ") {
		detail += "no day has " + joinAnd(list, ", ", " and ")
	}
	if s.cron.crontab {
		return &Fault{"cron", detail}
	}
	return &Fault{"cron." + name, detail}
}

// without is c with only the restrictions of the fields in keep.
func (c *cron) without(keep map[int]bool) *cron {
	d := *c
	if !keep[fYear] {
		d.years, d.yearBits = nil, nil
	}
	if !keep[fMonth] {
		d.months = allMonths
	}
	if !keep[fDay] {
		d.days, d.lastDay, d.nth = allDays, false, [6]uint8{}
	}
	if !keep[fWeek] {
		d.weeks = allWeeks
	}
	if !keep[fWeekday] {
		d.weekdays = allWeekdays
	}
	return &d
}

// noSuchDay says "there is no 30 February" where month and day alone are the reason.
func (c *cron) noSuchDay(guilty map[int]bool) string {
	plain := c.nth == [6]uint8{} && !c.lastDay
	if !plain || !guilty[fMonth] || !guilty[fDay] || guilty[fWeek] || guilty[fWeekday] {
		return ""
	}
	var days, months []string
	for d := 1; d <= 31; d++ {
		if c.days>>d&1 == 1 {
			days = append(days, strconv.Itoa(d))
		}
	}
	for m := 1; m <= 12; m++ {
		if c.months>>m&1 == 1 {
			months = append(months, time.Month(m).String())
		}
	}
	words := "there is no " + joinAnd(days, ", ", " or ") + " " + joinAnd(months, ", ", " or ")
	switch {
	case !guilty[fYear]:
		return words
	case len(c.years) == 1 && c.years[0].first == c.years[0].last:
		return words + " in " + strconv.Itoa(c.years[0].first)
	}
	return words + " in any of these years"
}

// fieldText is a field as the trigger text has it: day='30'.
func (s *Schedule) fieldText(i int) string {
	name := fields[i].name + "='"
	for _, prefix := range []string{"[", " "} {
		if at := strings.Index(s.text, prefix+name); at >= 0 {
			part := s.text[at+1:]
			return part[:len(name)+strings.IndexByte(part[len(name):], '\'')+1]
		}
	}
	return fields[i].name // a default, as month and day of {"year": 2027} are
}

// stamp is an instant as the trigger text of a date writes it.
func (s *Schedule) stamp(micros int64) string {
	return s.at(micros).Format("2006-01-02 15:04:05 MST")
}

// joinAnd joins a list for a sentence: a, b and c.
func joinAnd(list []string, comma, and string) string {
	n := len(list)
	if n < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:n-1], comma) + and + list[n-1]
}

// values lists the members of a set.
func values(set uint64) []int {
	list := make([]int, 0, bits.OnesCount64(set))
	for ; set != 0; set &= set - 1 {
		list = append(list, bits.TrailingZeros64(set))
	}
	return list
}
