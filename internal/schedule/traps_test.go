package schedule

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/adhocore/gronx"
)

// These tests pin the traps of gronx v1.20.4 and of time that triggers.md names.

func cronOf(t testing.TB, cron, zone string) *Schedule {
	t.Helper()
	return mustParse(t, Source{Type: "cron", Cron: json.RawMessage(cron), Timezone: zone})
}

// wantFirings checks the firings from a point on, given as local times.
func wantFirings(t *testing.T, s *Schedule, from string, want ...string) {
	t.Helper()
	start, err := time.Parse(time.RFC3339Nano, from)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := s.First(start)
	for _, w := range want {
		if got := at.Format(time.RFC3339Nano); !ok || got != w {
			t.Errorf("%s in %s: got %s %v, want %s", s, s.Zone(), got, ok, w)
			return
		}
		at, ok = s.Next(at)
	}
}

// TestSameInstantTrap: asked for what does not exist, gronx gives the very time it was
// given and no error; a job fired on that would fire for ever.
func TestSameInstantTrap(t *testing.T) {
	from := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if got, err := gronx.NextTickAfter("0 0 0 1 1 * 2024-2025", from, false); err == nil && got.After(from) {
		t.Errorf("gronx found %v: this test's premise is gone", got)
	}
	s := cronOf(t, `{"year":"2026","month":11,"day":23,"hour":10}`, "UTC")
	last, ok := s.First(from)
	if !ok {
		t.Fatal("does not fire at all")
	}
	for range 3 {
		if at, ok := s.Next(last); ok {
			t.Fatalf("fires again at %v", at)
		}
	}
}

// TestSearchDistrusts: whatever gronx answers, the search moves on and stays right.
func TestSearchDistrusts(t *testing.T) {
	s := cronOf(t, `{"hour":"10,14","minute":30}`, "UTC")
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	wall, want := day.Unix()+11*3600, day.Unix()+14*3600+30*60
	for name, answer := range map[string]func(from time.Time) (time.Time, error){
		"the same instant": func(from time.Time) (time.Time, error) { return from, nil },
		"an earlier one":   func(from time.Time) (time.Time, error) { return from.Add(-30 * time.Minute), nil },
		"another day":      func(from time.Time) (time.Time, error) { return from.Add(24 * time.Hour), nil },
		"an error":         func(from time.Time) (time.Time, error) { return from, errors.New("tried so hard") },
	} {
		got := s.cron.search(wall, func(_ string, from time.Time, _ bool) (time.Time, error) { return answer(from) })
		if got != want {
			t.Errorf("%s: got %v", name, time.Unix(got, 0).UTC())
		}
	}
}

// TestSearchUsesGronx: the expression that gronx gets is numeric, without year and week,
// and never has a day and a weekday together (gronx would take either).
func TestSearchUsesGronx(t *testing.T) {
	for cron, want := range map[string]string{
		`{"hour":"10","minute":"30"}`:                            "0 30 10 * * *",
		`{"day_of_week":"MON-fri","hour":"*/6"}`:                 "0 0 0,6,12,18 * * 1-5",
		`{"day_of_week":"sun,mon"}`:                              "0 0 0 * * 0-1",
		`{"day":"last,15"}`:                                      "0 0 0 15,L * *",
		`{"day":"2nd tue,last fri"}`:                             "0 0 0 * * 2#2,5L",
		`{"day":"2nd tue,1"}`:                                    "0 0 0 * * *",
		`{"day":"13","day_of_week":"fri","week":"1-9"}`:          "0 0 0 13 * *",
		`{"year":"2027-2029","month":"jan,mar","second":"*/20"}`: "0,20,40 * * * 1,3 *",
		`"0 9 13 * 5"`:                                           "0 0 9 * * *",
		`"0 9 * * 7"`:                                            "0 0 9 * * 0",
	} {
		if s := cronOf(t, cron, "UTC"); s.cron.gronx != want {
			t.Errorf("%s: %s, want %s", cron, s.cron.gronx, want)
		}
	}
}

// TestMidnightGap: zones whose clocks jump at midnight have days without 00:00.
func TestMidnightGap(t *testing.T) {
	wantFirings(t, cronOf(t, `{"hour":0}`, "America/Sao_Paulo"), "2016-10-15T12:00:00-03:00",
		"2016-10-16T01:00:00-02:00", "2016-10-17T00:00:00-02:00")
	wantFirings(t, cronOf(t, `"@daily"`, "Africa/Cairo"), "2026-04-23T12:00:00+02:00",
		"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00")
	wantFirings(t, cronOf(t, `{"day":24,"month":4}`, "Africa/Cairo"), "2026-01-01T00:00:00+02:00",
		"2026-04-24T01:00:00+03:00", "2027-04-24T00:00:00+02:00")
}

// TestHighDays: older versions lost the 31st and, behind short months, the 29th.
func TestHighDays(t *testing.T) {
	wantFirings(t, cronOf(t, `{"day":31}`, "UTC"), "2026-08-31T00:00:01Z",
		"2026-10-31T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z")
	wantFirings(t, cronOf(t, `{"month":2,"day":29}`, "UTC"), "2096-03-01T00:00:00Z",
		"2104-02-29T00:00:00Z")
	wantFirings(t, cronOf(t, `{"day":"5th sun"}`, "UTC"), "2026-11-23T00:00:00Z",
		"2026-11-29T00:00:00Z", "2027-01-31T00:00:00Z", "2027-05-30T00:00:00Z")
}

// TestSubSeconds: gronx truncates, so a start within a second must be rounded up first.
func TestSubSeconds(t *testing.T) {
	s := cronOf(t, `{"second":"*"}`, "UTC")
	wantFirings(t, s, "2026-11-23T10:00:00.000001Z", "2026-11-23T10:00:01Z", "2026-11-23T10:00:02Z")
	wantFirings(t, s, "2026-11-23T10:00:00.000000001Z", "2026-11-23T10:00:01Z")
	wantFirings(t, s, "2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z")
	if at, _ := s.Next(time.Date(2026, 11, 23, 10, 0, 0, 999_999_999, time.UTC)); at.Second() != 1 {
		t.Error(at)
	}
}

// TestGronxDialectStaysOut: its own tags, L, W, # and ? are no part of either dialect.
func TestGronxDialectStaysOut(t *testing.T) {
	for _, cron := range []string{`"@5minutes"`, `"@always"`, `"@everysecond"`, `"@reboot"`, `"0 0 L * *"`, `"0 0 15W * *"`,
		`"0 0 * * 5#2"`, `"0 0 * * 5L"`, `"0 0 ? * *"`, `"* * * * * * 2030"`, `{"day":"L"}`, `{"day":"15W"}`} {
		if _, faults := Parse(Source{Type: "cron", Cron: json.RawMessage(cron)}, ""); len(faults) == 0 {
			t.Errorf("%s is accepted", cron)
		}
	}
}

// TestRepeatedHour: 01:00-02:00 comes twice in New York on 1 November 2026.
func TestRepeatedHour(t *testing.T) {
	const zone = "America/New_York"
	wantFirings(t, cronOf(t, `{"hour":"1","minute":"30"}`, zone), "2026-11-01T00:00:00-04:00",
		"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00")
	wantFirings(t, cronOf(t, `{"minute":"30"}`, zone), "2026-11-01T00:00:00-04:00",
		"2026-11-01T00:30:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T02:30:00-05:00")
	wantFirings(t, cronOf(t, `"30 1 * * *"`, zone), "2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00")
	// Asked from within the second pass, what the first one showed does not fire.
	wantFirings(t, cronOf(t, `{"hour":"1","minute":"10,50"}`, zone), "2026-11-01T01:20:00-05:00", "2026-11-02T01:10:00-05:00")
}
