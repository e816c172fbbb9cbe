package schedule

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zone data inside the binary, for hosts that have none
)

// zoneNames lists the IANA names, links included, of the time/tzdata this was built with.
//
//go:embed zones.txt
var zoneNames string

// zones holds the loaded zones. It is bounded by the list of names.
var zones struct {
	sync.Mutex
	listed map[string]bool
	loaded map[string]*time.Location
}

// abbreviations are names people write for a zone which IANA does not have as one.
var abbreviations = map[string]string{
	"JST": "Asia/Tokyo", "KST": "Asia/Seoul", "IST": "Asia/Kolkata", "SGT": "Asia/Singapore",
	"HKT": "Asia/Hong_Kong", "CST": "America/Chicago", "EDT": "America/New_York", "CDT": "America/Chicago",
	"PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "MDT": "America/Denver",
	"BST": "Europe/London", "CEST": "Europe/Berlin", "AEST": "Australia/Sydney", "Z": "UTC",
}

// LoadZone loads the zone with an IANA name. time.LoadLocation alone would also take
// "" for UTC, "Local" for whatever the host has, and on some hosts any spelling that
// its file system takes; so the name must be on the list.
func LoadZone(name string) (*time.Location, *Fault) {
	if name == "" {
		return nil, &Fault{"timezone", `must be an IANA time zone name such as "Asia/Tokyo", not an empty string`}
	}
	zones.Lock()
	defer zones.Unlock()
	if zones.listed == nil {
		names := strings.Fields(zoneNames)
		zones.listed = make(map[string]bool, len(names))
		for _, n := range names {
			zones.listed[n] = true
		}
		zones.loaded = make(map[string]*time.Location)
	}
	if loc := zones.loaded[name]; loc != nil {
		return loc, nil
	}
	if !zones.listed[name] {
		detail := "is not an IANA time zone name: " + quote(name)
		if near := nearestZone(name); near != "" {
			detail += "; did you mean " + quote(near) + "?"
		} else {
			detail += `; write one such as "Asia/Tokyo" or "UTC"`
		}
		return nil, &Fault{"timezone", detail}
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, &Fault{"timezone", "this program has no data for the time zone " + quote(name)}
	}
	zones.loaded[name] = loc
	return loc, nil
}

// nearestZone is the listed name that was probably meant, or "".
func nearestZone(name string) string {
	if len(name) > 40 {
		return ""
	}
	if full := abbreviations[strings.ToUpper(name)]; full != "" {
		return full
	}
	names := strings.Fields(zoneNames)
	plain := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(name))
	for _, n := range names {
		if strings.ReplaceAll(strings.ToLower(n), "-", "_") == plain {
			return n
		}
	}
	for _, n := range names { // the city alone
		if city := n[strings.LastIndexByte(n, '/')+1:]; strings.ToLower(city) == plain {
			return n
		}
	}
	return nearest(name, names)
}

// nearest is the name with the fewest slips from word (letters left out, put in,
// replaced or swapped), if it is near enough to have been meant.
func nearest(word string, names []string) string {
	word = strings.ToLower(word)
	if len(word) > 40 {
		return ""
	}
	best, least := "", min(3, len(word)/3+1)
	for _, n := range names {
		if d := slips(word, strings.ToLower(n), least); d < least {
			best, least = n, d
		}
	}
	return best
}

// slips counts the slips between a and b; it may stop counting at enough.
func slips(a, b string, enough int) int {
	if d := len(a) - len(b); d >= enough || -d >= enough {
		return enough
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// period is a stretch of time in which a zone has one offset: [start, end) in seconds.
type period struct {
	start, end int64
	offset     int64
}

const (
	beginning = -1 << 62 // stands for "since ever"
	forever   = 1 << 62  // stands for "from now on"
)

// periodAt is a period around t: neighbouring periods may have the same offset.
// Go gives, for years after a zone's last recorded transition, an end that is not
// after t when t lies on 31 December of a leap year; the year's end stands in for it.
func periodAt(loc *time.Location, t int64) period {
	at := time.Unix(t, 0).In(loc)
	_, offset := at.Zone()
	start, end := at.ZoneBounds()
	p := period{start: beginning, end: forever, offset: int64(offset)}
	if !start.IsZero() {
		p.start = min(start.Unix(), t)
	}
	if !end.IsZero() {
		if p.end = end.Unix(); p.end <= t {
			p.end = (floorDiv(t, secondsPerDay) + 1) * secondsPerDay
		}
	}
	return p
}

// widestShift is more than any zone has ever moved its clocks at once (Samoa, the
// Philippines and Alaska skipped or repeated a whole day).
const widestShift = 26 * 3600

// resolveWall gives the instant of a local time. A local time that is skipped counts
// with the offset before the gap, which moves it forward; of a repeated one the first counts.
func resolveWall(loc *time.Location, wall int64) int64 {
	p := periodAt(loc, wall-widestShift)
	for {
		at := wall - p.offset
		if at < p.end {
			return at
		}
		next := periodAt(loc, p.end)
		if wall < next.start+next.offset { // the clocks jump over it
			return at
		}
		p = next
	}
}

// ZoneFingerprint is a short hash of all changes of offset from 1970 to 2100. It tells,
// from one start to the next, whether the zone data says something new about loc.
func ZoneFingerprint(loc *time.Location) string {
	until := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	h := sha256.New()
	var line [16]byte
	p := periodAt(loc, 0)
	last := int64(forever)
	for t := int64(0); t < until; p = periodAt(loc, t) {
		if p.offset != last {
			binary.BigEndian.PutUint64(line[:8], uint64(t))
			binary.BigEndian.PutUint64(line[8:], uint64(p.offset))
			h.Write(line[:])
			last = p.offset
		}
		t = p.end
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Offsets writes down the offsets of loc between two times, for OffsetAt to read when
// the zone data has changed: "seconds-since-1970:seconds-east …".
func Offsets(loc *time.Location, from, to time.Time) string {
	var b strings.Builder
	for t := from.Unix(); t < to.Unix(); {
		p := periodAt(loc, t)
		fmt.Fprintf(&b, "%d:%d ", t, p.offset)
		t = p.end
	}
	return strings.TrimSpace(b.String())
}

// OffsetAt reads what Offsets wrote: seconds east of UTC at a time; false for a time
// before its first, or when it is damaged.
func OffsetAt(offsets string, at time.Time) (east int, ok bool) {
	for part := range strings.FieldsSeq(offsets) {
		start, offset, _ := strings.Cut(part, ":")
		since, err := strconv.ParseInt(start, 10, 64)
		if err != nil {
			return 0, false
		}
		if since > at.Unix() {
			break
		}
		if east, err = strconv.Atoi(offset); err != nil {
			return 0, false
		}
		ok = true
	}
	return east, ok
}

// DoneUpTo tells, after the zone data has changed, up to which instant firings have
// happened: at, where the local clock was east seconds ahead of UTC by the former data.
// A schedule that fires a repeated local time only once goes on when the local clock
// shows a later time than it had shown, as if the clock had been set back; others, and
// times without a clock, go on after at.
func (s *Schedule) DoneUpTo(at time.Time, east int) time.Time {
	if s.kind == kindInterval || s.cron != nil && s.cron.repeats {
		return at
	}
	again := time.Unix(resolveWall(s.loc, at.Unix()+int64(east)), int64(at.Nanosecond()))
	if ahead := again.Sub(at); ahead <= 0 || ahead > widestShift*time.Second {
		return at
	}
	return again
}
