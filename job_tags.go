package main

import (
	"net/url"
	"strings"
	"time"

	"teiki/internal/schedule"
)

// autoTags are the tags that a job has by fixed rules, kept apart from its author's and found by the same filters:
//
//	host:NAME        of target_url, without port, in small letters; host:template when a template decides it
//	method:NAME      in small letters
//	type:KIND        cron, interval or date
//	every:UNIT       how often a cron or interval job fires: second, minute, hour, day, week, month, year (by its shortest gap)
//	owner:NAME       when the job has an owner
//
// The function is pure: the same definition has the same tags at any time.
func autoTags(d *Definition, owner string) []string {
	tags := []string{"host:" + hostTag(d.TargetURL), "method:" + strings.ToLower(d.Method), "type:" + d.ScheduleType}
	if unit := everyTag(d); unit != "" {
		tags = append(tags, "every:"+unit)
	}
	if owner != "" {
		tags = append(tags, "owner:"+owner)
	}
	return tags
}

func hostTag(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if strings.Contains(rest, "{{") {
		return "template"
	}
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" {
		return "unknown"
	}
	return strings.ToLower(u.Hostname())
}

// tagEpoch is where the firings that everyTag looks at begin: a Monday, the first of a month and of a year with no change of
// daylight saving near in most zones, so that the tag says what the schedule means and not what today is.
var tagEpoch = time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)

// everyTags remembers the answers of everyUnit by the schedule's text: it plans several firings, and lists ask it for every row.
var everyTags = newCache[string, string](4 << 20)

// everyTag is everyUnit, remembered.
func everyTag(d *Definition) string {
	if d.ScheduleType == "date" {
		return ""
	}
	text := d.scheduleText()
	unit, known := everyTags.get(text)
	if !known {
		unit = everyUnit(d)
		everyTags.put(text, unit, 200+len(text))
	}
	return unit
}

// everyUnit is the largest unit that is not longer than the shortest gap between firings.
func everyUnit(d *Definition) string {
	source := d.source(instantOf(tagEpoch))
	plan, faults := schedule.Parse(source, "UTC")
	if len(faults) > 0 {
		return ""
	}
	last, ok := plan.Next(tagEpoch)
	if !ok { // over before the epoch: its own beginning tells
		if last, ok = plan.First(time.Unix(0, 0)); !ok {
			return ""
		}
	}
	shortest := time.Duration(0)
	for range 6 {
		next, ok := plan.Next(last)
		if !ok {
			break
		}
		if gap := next.Sub(last); shortest == 0 || gap < shortest {
			shortest = gap
		}
		last = next
	}
	const day = 24 * time.Hour
	switch { // a day that daylight saving cuts short is a day, February a month
	case shortest == 0:
		return ""
	case shortest < time.Minute:
		return "second"
	case shortest < time.Hour:
		return "minute"
	case shortest < 23*time.Hour:
		return "hour"
	case shortest < 7*day-time.Hour:
		return "day"
	case shortest < 28*day-time.Hour:
		return "week"
	case shortest < 365*day-time.Hour:
		return "month"
	}
	return "year"
}
