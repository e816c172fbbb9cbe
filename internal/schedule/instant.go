package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	microsPerSecond = 1_000_000
	secondsPerDay   = 86_400
)

// lastMicro is the last instant a schedule can have: the year 9999 ends here (UTC).
var lastMicro = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()

// microsUp is t in microseconds since 1970, rounded up. UnixMicro rounds down, so
// that a firing "at or after t" would be allowed to lie a fraction before t.
func microsUp(t time.Time) int64 {
	n := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		n++
	}
	return n
}

// secondsUp rounds microseconds up to whole seconds.
func secondsUp(micros int64) int64 { return floorDiv(micros+microsPerSecond-1, microsPerSecond) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// parseInstant reads a point in time: APScheduler's own form (Y-m-d, or Y-m-d H:M:S
// with an optional .micro, one or two digits in each place, blank or T between), meant
// in loc, or the same with an offset. With an offset it is an RFC 3339 time stamp and
// its fraction is decimal; without one the digits after the point count microseconds,
// as in APScheduler: "12:00:00.5" is 5 µs after noon, "12:00:00.5Z" half a second.
// A local time that a zone skips is moved forward by the gap; of a repeated one the
// first is meant. The error words are APScheduler's.
func parseInstant(text string, loc *time.Location) (micros int64, err string) {
	const invalid = "Invalid date string"
	r := reader{text}
	var v [7]int // year, month, day, hour, minute, second, microsecond
	ok := r.number(&v[0], 4, 4) && r.char("-") && r.number(&v[1], 1, 2) && r.char("-") && r.number(&v[2], 1, 2)
	if !ok {
		return 0, invalid
	}
	zoned := false
	offset := 0
	if r.rest != "" {
		ok = r.char(" Tt") && r.number(&v[3], 1, 2) && r.char(":") && r.number(&v[4], 1, 2) &&
			r.char(":") && r.number(&v[5], 1, 2)
		if !ok {
			return 0, invalid
		}
		fraction := ""
		if r.char(".") {
			if fraction = r.digits(9); fraction == "" {
				return 0, invalid
			}
		}
		if r.rest != "" {
			zoned = true
			var tooFar string
			if offset, tooFar, ok = r.offset(); !ok || r.rest != "" {
				return 0, invalid
			} else if tooFar != "" {
				return 0, tooFar
			}
		}
		switch {
		case fraction == "":
		case zoned:
			v[6], _ = strconv.Atoi((fraction + "000000")[:6])
		case len(fraction) > 6:
			return 0, invalid
		default:
			v[6], _ = strconv.Atoi(fraction)
		}
	}
	if r.rest != "" {
		return 0, invalid
	}
	if err := rangeError(v); err != "" {
		return 0, err
	}
	wall := time.Date(v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], 0, time.UTC).Unix()
	at := wall - int64(offset)
	if !zoned {
		at = resolveWall(loc, wall)
	}
	return at*microsPerSecond + int64(v[6]), ""
}

// rangeError gives Python's words for a date or time that does not exist.
func rangeError(v [7]int) string {
	switch {
	case v[0] == 0:
		return "year 0 is out of range"
	case v[1] < 1 || v[1] > 12:
		return "month must be in 1..12"
	case v[2] < 1 || v[2] > monthLength(v[0], v[1]):
		return "day is out of range for month"
	case v[3] > 23:
		return "hour must be in 0..23"
	case v[4] > 59:
		return "minute must be in 0..59"
	case v[5] > 59:
		return "second must be in 0..59"
	}
	return ""
}

// reader takes a text apart from the left.
type reader struct{ rest string }

func (r *reader) char(set string) bool {
	if r.rest == "" || strings.IndexByte(set, r.rest[0]) < 0 {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// digits takes up to most ASCII digits; if there are more, the next step fails on them.
func (r *reader) digits(most int) string {
	n := 0
	for n < len(r.rest) && n < most && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	d := r.rest[:n]
	r.rest = r.rest[n:]
	return d
}

func (r *reader) number(to *int, least, most int) bool {
	d := r.digits(most)
	*to, _ = strconv.Atoi(d)
	return len(d) >= least
}

// offset takes Z or +hh:mm; tooFar has Python's words if it is a day or more.
func (r *reader) offset() (seconds int, tooFar string, ok bool) {
	if r.char("Zz") {
		return 0, "", true
	}
	sign := 1
	if r.char("-") {
		sign = -1
	} else if !r.char("+") {
		return 0, "", false
	}
	var h, m int
	if !r.number(&h, 2, 2) || !r.char(":") || !r.number(&m, 2, 2) || m > 59 {
		return 0, "", false
	}
	seconds = sign * (h*3600 + m*60)
	if h >= 24 {
		days := floorDiv(int64(seconds), secondsPerDay)
		arg := fmt.Sprintf("days=%d", days)
		if rest := int64(seconds) - days*secondsPerDay; rest != 0 {
			arg += fmt.Sprintf(", seconds=%d", rest)
		}
		return 0, "offset must be a timedelta strictly between -timedelta(hours=24) and " +
			"timedelta(hours=24), not datetime.timedelta(" + arg + ").", true
	}
	return seconds, "", true
}
