package schedule

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// randomField writes a list of expressions for a field, sometimes a wrong one.
func randomField(rnd *rand.Rand, f *field) string {
	var list []string
	for range 1 + rnd.IntN(3) {
		low, high := f.min, f.max
		if f.name == "year" {
			low, high = 2020, 2040
		}
		a, b := low+rnd.IntN(high-low+1), low+rnd.IntN(high-low+1)
		if a > b {
			a, b = b, a
		}
		switch rnd.IntN(8) {
		case 0:
			list = append(list, "*")
		case 1:
			list = append(list, fmt.Sprintf("*/%d", 1+rnd.IntN(max(1, (high-low)/2))))
		case 2:
			list = append(list, fmt.Sprintf("%d-%d", a, b))
		case 3:
			list = append(list, fmt.Sprintf("%d-%d/%d", a, b, 1+rnd.IntN(5)))
		case 4:
			list = append(list, fmt.Sprintf("%d/%d", a, 1+rnd.IntN(5)))
		case 5:
			switch {
			case f.names != nil:
				list = append(list, f.names[(a-f.min)%len(f.names)])
			case f.name == "day":
				list = append(list, ordinals[rnd.IntN(6)]+" "+weekdayNames[rnd.IntN(7)])
			default:
				list = append(list, fmt.Sprint(a))
			}
		case 6:
			if f.name == "day" {
				list = append(list, "last")
				continue
			}
			fallthrough
		default:
			list = append(list, fmt.Sprint(a))
		}
	}
	return strings.Join(list, ", ")
}

func randomCron(rnd *rand.Rand) json.RawMessage {
	if rnd.IntN(4) == 0 {
		var parts []string
		for i := range crontabFields {
			if i == 0 && rnd.IntN(2) == 0 {
				continue
			}
			text := "*"
			if rnd.IntN(2) == 0 {
				text = strings.ReplaceAll(randomField(rnd, &crontabFields[i].field), " ", "")
			}
			parts = append(parts, text)
		}
		raw, _ := json.Marshal(strings.Join(parts, " "))
		return raw
	}
	object := map[string]string{}
	for range 1 + rnd.IntN(4) {
		f := &fields[rnd.IntN(fieldCount)]
		object[f.name] = randomField(rnd, f)
	}
	raw, _ := json.Marshal(object)
	return raw
}

var testZones = []string{"UTC", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago",
	"Africa/Cairo", "Asia/Beirut", "Africa/Casablanca", "America/Nuuk", "Pacific/Chatham", "Antarctica/Troll"}

// checkSteps checks three firings: each is after the one before, the slow model knows
// it, it knows none in between, and no search takes long.
func checkSteps(t *testing.T, s *Schedule, from time.Time) {
	t.Helper()
	m := readSlow(s.String())
	prev := from.Add(-time.Microsecond)
	begin := time.Now()
	at, ok := s.First(from)
	for range 3 {
		if took := time.Since(begin); took > slowest {
			t.Errorf("%s in %s from %v: took %v", s, s.zone, prev, took)
		}
		if !ok {
			return
		}
		if !at.After(prev) {
			t.Fatalf("%s in %s: %v is not after %v", s, s.zone, at, prev)
		}
		if !isFiring(s.loc, at.Unix(), m) || at.Nanosecond() != 0 {
			t.Errorf("%s in %s: fires at %v", s, s.zone, at)
		}
		// Nothing was skipped in the half hours after prev and before at.
		checkNone(t, s, m, prev.Unix()+1, min(prev.Unix()+1800, at.Unix()))
		checkNone(t, s, m, max(prev.Unix()+1, at.Unix()-1800), at.Unix())
		prev = at
		begin = time.Now()
		at, ok = s.Next(prev)
	}
}

// slowest is generous: the machine may be busy. TestSearchTime is about the real bound.
const slowest = 250 * time.Millisecond

func checkNone(t *testing.T, s *Schedule, m slowCron, from, to int64) {
	t.Helper()
	for at := from; at < to; at++ {
		_, offset := time.Unix(at, 0).In(s.loc).Zone()
		_, earlier := time.Unix(at-26*3600, 0).In(s.loc).Zone()
		if offset == earlier && m.matches(at+int64(offset)) { // near changes, TestZoneTransitions judges
			t.Errorf("%s in %s: %v is left out", s, s.zone, time.Unix(at, 0).In(s.loc))
			return
		}
	}
}

// isFiring tells whether the clock shows a matching time, or would have without a jump
// forward in the last day.
func isFiring(loc *time.Location, at int64, m slowCron) bool {
	for _, ago := range []int64{0, 600, 1800, 3600, 7200, 24 * 3600} {
		_, offset := time.Unix(at-ago, 0).In(loc).Zone()
		if m.matches(at + int64(offset)) {
			return true
		}
	}
	return false
}

// TestRandomSchedules checks some thousand schedules, the same each time.
func TestRandomSchedules(t *testing.T) {
	rnd := rand.New(rand.NewPCG(20261123, 3))
	n := 1500
	if *longZones {
		n = 100_000
	}
	good := 0
	for range n {
		src := Source{Type: "cron", Cron: randomCron(rnd), Timezone: testZones[rnd.IntN(len(testZones))]}
		s, faults := Parse(src, "UTC")
		if len(faults) > 0 {
			continue
		}
		good++
		from := time.Date(2019+rnd.IntN(30), time.Month(1+rnd.IntN(12)), 1+rnd.IntN(28), rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), rnd.IntN(3)*1000, time.UTC)
		checkSteps(t, s, from)
		_, first := s.First(from)
		if fault := s.Check(from); (fault == nil) != first {
			t.Errorf("%s: Check says %v", s, fault)
		}
		if s.Describe("en") == "" || s.Describe("ja") == "" {
			t.Errorf("%s: no words", s)
		}
	}
	if good < n/3 {
		t.Errorf("only %d of %d schedules were sound", good, n)
	}
}

// FuzzCron reads any text as a cron schedule: it never panics, and what is accepted plans soundly.
func FuzzCron(f *testing.F) {
	for _, seed := range []string{`{"hour":"10","minute":"30"}`, `"*/5 * * * *"`, `{"day":"2nd fri, last","week":"1-5/2"}`,
		`{"month":2,"day":30}`, `{"hour":1,"hour":2}`, `{"year":"*/7","day":"5th sun","day_of_week":"6","second":"59"}`,
		`{"hour":`, `[[[[`, `"@daily"`, `{"second":"*/1","end_date":"2027-01-01","jitter":1e999}`, `{"hour":"٣"}`, "{\"hour\":\"\xff\"}"} {
		f.Add([]byte(seed), int64(1_795_000_000_000_000), uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, from int64, zone uint8) {
		s, faults := Parse(Source{Type: "cron", Cron: raw, Timezone: testZones[int(zone)%len(testZones)]}, "UTC")
		if (s == nil) != (len(faults) > 0) {
			t.Fatalf("%q: %v and %v", raw, s, faults)
		}
		if s == nil {
			return
		}
		from %= lastMicro
		if s.hasStart || s.hasEnd {
			s.First(time.UnixMicro(from))
		} else {
			checkSteps(t, s, time.UnixMicro(from))
		}
		s.Check(time.UnixMicro(from))
		s.Describe("ja")
		s.Describe("en")
	})
}

// FuzzOthers reads any text as an interval and as a date.
func FuzzOthers(f *testing.F) {
	for _, seed := range []string{`{"minutes":10}`, `{"seconds":1e-7}`, `{"weeks":1e12}`, `"2025-09-20T15:00:00+09:00"`, `"2025-02-30"`, `{"days":-1}`, `"9999-12-31 23:59:59"`} {
		f.Add([]byte(seed), "Asia/Tokyo", int64(1_795_000_000_000_000))
	}
	f.Fuzz(func(t *testing.T, raw []byte, zone string, from int64) {
		at := time.UnixMicro(from % lastMicro)
		for _, src := range []Source{{Type: "interval", Interval: raw, Timezone: zone, Anchor: at}, {Type: "date", RunAt: raw, Timezone: zone}} {
			s, faults := Parse(src, "UTC")
			if (s == nil) != (len(faults) > 0) {
				t.Fatalf("%q: %v and %v", raw, s, faults)
			}
			if s == nil {
				continue
			}
			first, ok := s.First(at)
			if next, again := s.Next(first); ok && again && !next.After(first) {
				t.Fatalf("%s: %v is not after %v", s, next, first)
			}
			s.Check(at)
			s.Describe("ja")
			s.Describe("en")
			s.Due(first, 7)
		}
	})
}
