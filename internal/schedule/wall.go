package schedule

import (
	"strconv"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// This file asks gronx for the next time on the wall clock. gronx is kept to what it
// does without fail:
//   - it never sees a zone: wall clock times go in and come out labelled UTC, and
//     instants.go applies the zone;
//   - it gets numbers only, no steps, no names, no year, no week, and never a day and
//     a weekday together; the calendar decides about days;
//   - it is never asked for what does not exist, because it answers such a question
//     with the very time it was given and no error: the calendar says which day is
//     the next one, and gronx starts on that day, before the day's last time;
//   - it gets whole seconds, because it truncates.

// nextWall is the first time on the wall clock from wall on, in seconds since 1970 as
// if the wall clock were UTC. It reports false after the last one.
func (c *cron) nextWall(wall int64) (int64, bool) {
	day := floorDiv(wall, secondsPerDay)
	if wall-day*secondsPerDay > c.endSod || !c.onDay(day) {
		next, ok := c.nextDay(day + 1)
		if !ok {
			return 0, false
		}
		day = next
		wall = day * secondsPerDay
	}
	return c.search(wall, gronx.NextTickAfter), true
}

// search asks gronx for the first time from wall on, which lies on the same day. An
// answer that breaks this is not taken: going back, or standing still, would fire a job
// again and again. The day is then walked through second by second.
func (c *cron) search(wall int64, tick func(string, time.Time, bool) (time.Time, error)) int64 {
	end := (floorDiv(wall, secondsPerDay) + 1) * secondsPerDay
	if t, err := tick(c.gronx, time.Unix(wall, 0).UTC(), true); err == nil {
		if at := t.Unix(); at >= wall && at < end && c.atTime(at) {
			return at
		}
	}
	for wall < end-1 && !c.atTime(wall) {
		wall++
	}
	return wall
}

// atTime tells whether the time of day matches.
func (c *cron) atTime(wall int64) bool {
	s := wall - floorDiv(wall, secondsPerDay)*secondsPerDay
	return c.hours>>(s/3600)&1 == 1 && c.minutes>>(s/60%60)&1 == 1 && c.seconds>>(s%60)&1 == 1
}

// gronxExpr writes the schedule for gronx: second minute hour day month weekday. A day
// condition that is not exactly one day list, one weekday list or one list of d#n and
// dL is left to the calendar.
func (c *cron) gronxExpr() string {
	day, weekday := "*", "*"
	allByDay := c.days == allDays
	switch {
	case c.either:
	case !allByDay && c.nth == [6]uint8{}:
		day = numbers(uint64(c.days), 1, 31)
		if c.lastDay {
			day = strings.TrimPrefix(strings.TrimPrefix(day, "*")+",L", ",")
		}
	case !allByDay && c.days == 0 && !c.lastDay:
		var list []string
		for i, set := range c.nth {
			for d := range 7 {
				switch {
				case set>>d&1 == 0:
				case i == 5:
					list = append(list, strconv.Itoa((d+1)%7)+"L")
				default:
					list = append(list, strconv.Itoa((d+1)%7)+"#"+strconv.Itoa(i+1))
				}
			}
		}
		weekday = strings.Join(list, ",")
	case allByDay && c.weekdays != allWeekdays:
		weekday = numbers(uint64(c.weekdays<<1|c.weekdays>>6)&allWeekdays, 0, 6)
	}
	return numbers(c.seconds, 0, 59) + " " + numbers(c.minutes, 0, 59) + " " + numbers(uint64(c.hours), 0, 23) +
		" " + day + " " + numbers(uint64(c.months), 1, 12) + " " + weekday
}

// numbers lists a set of values, neighbours as a range; all of them, or none, are *.
func numbers(set uint64, low, high int) string {
	all := uint64(1)<<(high+1) - uint64(1)<<low
	if set == all || set == 0 {
		return "*"
	}
	var b strings.Builder
	for v := low; v <= high; v++ {
		if set>>v&1 == 0 {
			continue
		}
		to := v
		for to < high && set>>(to+1)&1 == 1 {
			to++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(v))
		if to > v {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(to))
		}
		v = to
	}
	return b.String()
}
