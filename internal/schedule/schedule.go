// Package schedule gives a schedule its meaning: it parses and checks what an
// author wrote, says it back as trigger text and in words, and plans firings.
//
// Three kinds exist: "cron" (APScheduler 3.x's fields in a JSON object, or a
// crontab(5) string), "interval" and "date". Planning is pure: the same schedule
// and the same zone data give the same instants, whatever the clock says.
// Instants have a resolution of one microsecond.
//
// The package is a leaf: it knows no job and no store. It is the only importer
// of gronx, which searches the next time of a cron schedule; wall.go says how.
package schedule

import (
	"encoding/json"
	"time"
)

// The kinds of schedule, as in the field schedule_type.
const (
	kindCron     = "cron"
	kindInterval = "interval"
	kindDate     = "date"
)

// fallbackZone is the zone of a schedule when neither the job nor the caller names one.
const fallbackZone = "Asia/Tokyo"

// Source is the schedule part of a job as its author wrote it.
type Source struct {
	Type     string          // schedule_type: "cron", "interval" or "date"
	Cron     json.RawMessage // an object (APScheduler's fields) or a string (crontab(5)); nil = absent
	Interval json.RawMessage // an object
	RunAt    json.RawMessage // a JSON string
	Timezone string          // IANA name on the job; "" = the default zone
	Anchor   time.Time       // creation instant: an interval without start_date fires at Anchor + k*interval, k >= 1
}

// Fault is one thing wrong with a schedule: the field it is in, and what is wrong.
type Fault struct{ Field, Detail string }

// Schedule is a compiled schedule. It is immutable, safe for concurrent use, and
// small: everything but the anchor of an interval is shared between equal ones.
type Schedule struct {
	*rule
	anchor int64 // microseconds; the grid's origin of an interval without start_date
}

// rule is the shared part of equal schedules.
type rule struct {
	kind   string
	zone   string
	loc    *time.Location
	text   string // trigger text
	jitter int64  // microseconds

	start, end       int64 // microseconds, inclusive
	hasStart, hasEnd bool

	cron  *cron // kind cron
	every int64 // kind interval: microseconds, > 0
	runAt int64 // kind date: microseconds

	memo memo // kind cron: (previous) -> next
}

// Kind is "cron", "interval" or "date".
func (s *Schedule) Kind() string { return s.kind }

// Location is the zone in which the schedule is meant, and in which its firings are given.
func (s *Schedule) Location() *time.Location { return s.loc }

// Zone is the IANA name of Location.
func (s *Schedule) Zone() string { return s.zone }

// Jitter is the longest delay that Due adds to a planned firing.
func (s *Schedule) Jitter() time.Duration { return time.Duration(s.jitter) * time.Microsecond }

// String is the trigger text, in APScheduler's form: cron[hour='10', minute='30'].
func (s *Schedule) String() string { return s.text }
