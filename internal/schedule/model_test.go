package schedule

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slowCron is a second, slow reading of a cron trigger text: it is made from the text
// alone, by other means than the package's, and only says yes or no to a wall clock time.
type slowCron struct {
	lists   map[string][]string
	crontab bool
	either  bool
	repeats bool
}

var givenField = regexp.MustCompile(`(\w+)='([^']*)'`)

var slowOrder = []string{"year", "month", "day", "week", "day_of_week", "hour", "minute", "second"}

func readSlow(text string) slowCron {
	m := slowCron{lists: map[string][]string{}}
	if rest, ok := strings.CutPrefix(text, "cron['"); ok {
		m.crontab = true
		rest = strings.TrimSuffix(rest, "']")
		for word, meaning := range map[string]string{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
			"@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"} {
			if rest == word {
				rest = meaning
			}
		}
		parts := strings.Fields(rest)
		names := []string{"second", "minute", "hour", "day", "month", "day_of_week"}[6-len(parts):]
		for i, n := range names {
			m.lists[n] = strings.Split(parts[i], ",")
		}
		if len(parts) == 5 {
			m.lists["second"] = []string{"0"}
		}
		m.either = m.lists["day"][0][0] != '*' && m.lists["day_of_week"][0][0] != '*'
	} else {
		last := 0
		for _, g := range givenField.FindAllStringSubmatch(text, -1) {
			m.lists[g[1]] = strings.Split(g[2], ",")
			last = max(last, slices.Index(slowOrder, g[1]))
		}
		for i, n := range slowOrder {
			if m.lists[n] == nil && i > last {
				switch n {
				case "month", "day":
					m.lists[n] = []string{"1"}
				case "hour", "minute", "second":
					m.lists[n] = []string{"0"}
				}
			}
		}
	}
	for _, n := range []string{"hour", "minute"} {
		if m.lists[n] == nil {
			m.repeats = true
		}
		for _, e := range m.lists[n] {
			m.repeats = m.repeats || e[0] == '*'
		}
	}
	return m
}

func (m slowCron) matches(wall int64) bool {
	t := time.Unix(wall, 0).UTC()
	_, week := t.ISOWeek()
	weekday := (int(t.Weekday()) + 6) % 7
	if m.crontab {
		weekday = int(t.Weekday())
	}
	is := func(name string, value, low int) bool {
		if m.lists[name] == nil {
			return true
		}
		return slices.ContainsFunc(m.lists[name], func(e string) bool { return slowExpr(e, name, value, low, t, m.crontab) })
	}
	byDay := is("day", t.Day(), 1)
	byWeekday := is("day_of_week", weekday, 0) || m.crontab && weekday == 0 && is("day_of_week", 7, 0)
	if m.either {
		byDay = byDay || byWeekday
		byWeekday = true
	}
	return byDay && byWeekday && is("year", t.Year(), 1970) && is("month", int(t.Month()), 1) && is("week", week, 1) &&
		is("hour", t.Hour(), 0) && is("minute", t.Minute(), 0) && is("second", t.Second(), 0)
}

func slowExpr(e, name string, value, low int, t time.Time, crontab bool) bool {
	number := func(s string) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		if name == "month" {
			return strings.Index("jan feb mar apr may jun jul aug sep oct nov dec", s)/4 + 1
		}
		if crontab {
			return strings.Index("sun mon tue wed thu fri sat", s) / 4
		}
		return strings.Index("mon tue wed thu fri sat sun", s) / 4
	}
	end := t.AddDate(0, 1, -t.Day()).Day()
	if e == "last" {
		return value == end
	}
	if position, weekday, ok := strings.Cut(e, " "); ok {
		if (int(t.Weekday())+6)%7 != number(weekday) {
			return false
		}
		if position == "last" {
			return value+7 > end
		}
		return (value+6)/7 == number(position[:1])
	}
	span, stepText, stepped := strings.Cut(e, "/")
	step := 1
	if stepped {
		step = number(stepText)
	}
	if span == "*" {
		return (value-low)%step == 0
	}
	first, last, isRange := strings.Cut(span, "-")
	a := number(first)
	b := a
	if isRange {
		if b = number(last); crontab && last == "sun" {
			b = 7
		}
	} else if stepped {
		b = 1 << 30
	}
	return value >= a && value <= b && (value-a)%step == 0
}

// modelFirings lists what fires from begin on and before end, by looking at every tick
// of the clock, from a day and more before begin on, at the zone's offset at that tick.
func modelFirings(loc *time.Location, begin, end, tick int64, repeats bool, matches func(wall int64) bool) []int64 {
	shown := map[int64]bool{}
	set := map[int64]bool{}
	before := int64(0)
	for at := begin - 26*3600; at < end; at += tick {
		_, offset := time.Unix(at, 0).In(loc).Zone()
		wall := at + int64(offset)
		if len(shown) > 0 {
			for lost := before + tick; lost < wall; lost += tick {
				if matches(lost) {
					set[at+lost-before-tick] = true
				}
			}
		}
		if at >= begin && (repeats || !shown[wall]) && matches(wall) {
			set[at] = true
		}
		shown[wall] = true
		before = wall
	}
	var list []int64
	for at := range set {
		if at >= begin && at < end {
			list = append(list, at)
		}
	}
	slices.Sort(list)
	return list
}

// planned lists what the schedule plans from begin on and before end.
func planned(s *Schedule, begin, end int64) []int64 {
	var list []int64
	for at := range s.Between(time.Unix(begin-1, 0), time.Unix(end-1, 0)) {
		list = append(list, at.Unix())
	}
	return list
}

// checkWindow compares the two.
func checkWindow(t *testing.T, s *Schedule, begin, end, tick int64) {
	t.Helper()
	m := readSlow(s.String())
	want := modelFirings(s.loc, begin, end, tick, m.repeats, m.matches)
	if got := planned(s, begin, end); !slices.Equal(got, want) {
		t.Errorf("%s in %s from %v to %v:\n got %v\nwant %v", s, s.zone,
			s.at(begin*microsPerSecond), s.at(end*microsPerSecond), stamps(s.loc, got), stamps(s.loc, want))
	}
}

func stamps(loc *time.Location, list []int64) []string {
	var out []string
	for _, at := range list {
		out = append(out, time.Unix(at, 0).In(loc).Format("01-02T15:04:05-07:00"))
	}
	return out
}
