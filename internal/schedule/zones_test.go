package schedule

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var longZones = flag.Bool("long", false, "scan the zones from 1970 to 2100 instead of a few years")

// TestZoneTransitions compares, in every zone, what is planned around each change of
// offset with a model that looks at every minute of the clock.
func TestZoneTransitions(t *testing.T) {
	spans := [][2]int{{1993, 1994}, {2011, 2012}, {2019, 2028}, {2039, 2042}} // with two skipped days, and years after the tables end
	if *longZones {
		spans = [][2]int{{1970, 2101}}
	}
	seen := map[string]bool{}
	count := 0
	for _, name := range strings.Fields(zoneNames) {
		loc, f := LoadZone(name)
		if f != nil {
			t.Errorf("%s: %s", name, f.Detail)
			continue
		}
		print := ZoneFingerprint(loc)
		if seen[print] {
			continue // another name for the same clock
		}
		seen[print] = true
		for _, span := range spans {
			from := time.Date(span[0], 1, 1, 0, 0, 0, 0, time.UTC).Unix()
			to := time.Date(span[1], 1, 1, 0, 0, 0, 0, time.UTC).Unix()
			for _, at := range offsetChanges(loc, from, to) {
				count++
				scanChange(t, name, loc, at)
			}
		}
		if t.Failed() {
			return
		}
	}
	if count < 1000 {
		t.Errorf("only %d changes of offset seen", count)
	}
	t.Logf("%d clocks, %d changes of offset", len(seen), count)
}

// offsetChanges finds the changes of offset by looking at every day and halving.
func offsetChanges(loc *time.Location, from, to int64) []int64 {
	offset := func(t int64) int { _, o := time.Unix(t, 0).In(loc).Zone(); return o }
	var list []int64
	for t := from; t < to; t += secondsPerDay {
		low, high := t, t+secondsPerDay
		if offset(low) == offset(high) {
			continue
		}
		for high-low > 1 {
			if middle := (low + high) / 2; offset(middle) == offset(low) {
				low = middle
			} else {
				high = middle
			}
		}
		list = append(list, high)
	}
	return list
}

// scanChange checks schedules that have times in the hours around one change.
func scanChange(t *testing.T, zone string, loc *time.Location, at int64) {
	_, before := time.Unix(at-1, 0).In(loc).Zone()
	_, after := time.Unix(at, 0).In(loc).Zone()
	shift := int64(max(after-before, before-after))
	begin, end := at-2*3600, at+shift+2*3600
	tick := int64(60)
	if before%60 != 0 || after%60 != 0 {
		tick = 1
	}
	begin -= begin % 60
	hour := time.Unix(at+int64(min(before, after)), 0).UTC().Hour() // of the gap, or of the repeated times
	for _, cron := range []string{
		`{"minute": "*/20"}`,
		`{"hour": "0-23", "minute": "15,45"}`,
		fmt.Sprintf(`{"hour": %d, "minute": "*/10"}`, hour),
		fmt.Sprintf(`{"hour": "%d,%d", "minute": "5,30"}`, hour, (hour+1)%24),
	} {
		checkWindow(t, mustParse(t, Source{Type: "cron", Cron: json.RawMessage(cron), Timezone: zone}), begin, end, tick)
	}
}

// TestSkippedDay: Samoa had no 30 December 2011. The firing moves forward by the gap,
// onto the next day's, and is one with it.
func TestSkippedDay(t *testing.T) {
	s := mustParse(t, Source{Type: "cron", Cron: json.RawMessage(`{"hour": 10}`), Timezone: "Pacific/Apia"})
	loc := s.Location()
	at, _ := s.First(time.Date(2011, 12, 29, 0, 0, 0, 0, loc))
	for _, day := range []int{29, 31, 32} {
		if want := time.Date(2011, 12, day, 10, 0, 0, 0, loc); !at.Equal(want) {
			t.Errorf("got %v, want %v", at, want)
		}
		at, _ = s.Next(at)
	}
	s = mustParse(t, Source{Type: "cron", Cron: json.RawMessage(`{"month":12, "day":30, "hour": 10}`), Timezone: "Pacific/Apia"})
	if at, _ := s.First(time.Date(2011, 12, 1, 0, 0, 0, 0, loc)); !at.Equal(time.Date(2011, 12, 31, 10, 0, 0, 0, loc)) {
		t.Errorf("the 30th that was skipped fires at %v", at)
	}
}

// TestPeriodsGoOn: time.ZoneBounds gives an end that is not after t on the last day of
// a leap year after 2037. A search that trusts it never ends.
func TestPeriodsGoOn(t *testing.T) {
	for _, zone := range []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Tokyo"} {
		loc, _ := LoadZone(zone)
		for year := 2036; year < 2110; year++ {
			for h := range 48 {
				at := time.Date(year, 12, 30, h, 30, 0, 0, time.UTC).Unix()
				if p := periodAt(loc, at); p.start > at || p.end <= at {
					t.Fatalf("%s %d: period %v around %d", zone, year, p, at)
				}
			}
		}
	}
	s := mustParse(t, Source{Type: "cron", Cron: json.RawMessage(`{"hour": 23, "minute": 30}`), Timezone: "America/New_York"})
	for year := 2040; year < 2080; year += 4 {
		begin := time.Date(year, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
		checkWindow(t, s, begin, begin+3*secondsPerDay, 60)
	}
}

func TestLoadZone(t *testing.T) {
	for name, want := range map[string]string{
		"Asia/Tokio": "Asia/Tokyo", "asia/tokyo": "Asia/Tokyo", "ASIA/TOKYO": "Asia/Tokyo", "Tokyo": "Asia/Tokyo",
		"JST": "Asia/Tokyo", "Europe/Berln": "Europe/Berlin", "America/New York": "America/New_York",
		"Amercia/New_York": "America/New_York", "utc": "UTC", "Asia/Tokyo ": "Asia/Tokyo",
	} {
		if _, f := LoadZone(name); f == nil || f.Field != "timezone" || !strings.Contains(f.Detail, `did you mean "`+want+`"`) {
			t.Errorf("%q: %v, want a hint at %s", name, f, want)
		}
	}
	for _, name := range []string{"", "Local", "../UTC", "Asia/../Asia/Tokyo", "/etc/localtime", "Asia", "Asia/", "+09:00", "UTC\x00", "Ａsia/Tokyo", strings.Repeat("x", 1<<16)} {
		if loc, f := LoadZone(name); f == nil || loc != nil || len(f.Detail) > 300 {
			t.Errorf("%.20q: %v", name, loc)
		}
	}
	for _, name := range []string{"Asia/Tokyo", "UTC", "EST", "Etc/GMT+9", "America/Argentina/ComodRivadavia", "Japan"} {
		if loc, f := LoadZone(name); f != nil || loc.String() != name {
			t.Errorf("%q: %v", name, f)
		}
	}
}

func TestZoneFingerprint(t *testing.T) {
	print := func(name string) string {
		loc, _ := LoadZone(name)
		return ZoneFingerprint(loc)
	}
	if print("Asia/Tokyo") != print("Japan") || print("Asia/Tokyo") == print("Asia/Seoul") || print("Europe/Berlin") == print("UTC") {
		t.Error("equal clocks must have equal fingerprints, others different ones")
	}
	if p := print("Asia/Tokyo"); len(p) != 16 || p != print("Asia/Tokyo") {
		t.Error(p)
	}
	if print("UTC") == ZoneFingerprint(time.FixedZone("", 3600)) {
		t.Error("a fixed offset is part of the fingerprint")
	}
}
