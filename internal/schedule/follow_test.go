package schedule

import (
	"encoding/json"
	"testing"
	"time"
)

// TestOffsets: what is kept of a zone gives its offset at any time that it covers.
func TestOffsets(t *testing.T) {
	loc, fault := LoadZone("America/New_York")
	if fault != nil {
		t.Fatal(fault)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	text := Offsets(loc, from, from.AddDate(2, 0, 0))
	for at := from; at.Before(from.AddDate(2, 0, 0)); at = at.Add(7 * time.Hour) {
		_, want := at.In(loc).Zone()
		if got, ok := OffsetAt(text, at); !ok || got != want {
			t.Fatalf("%s: %d %v, want %d (%s)", at, got, ok, want, text)
		}
	}
	for _, c := range []struct {
		text string
		at   time.Time
	}{{text, from.Add(-time.Second)}, {"", from}, {"nonsense", from}, {"0:x", from}} {
		if _, ok := OffsetAt(c.text, c.at); ok {
			t.Errorf("%q knows the offset at %s", c.text, c.at)
		}
	}
}

// TestDoneUpTo: after the clock went back by an hour, what fires at one local time waits until the clock shows more than before.
func TestDoneUpTo(t *testing.T) {
	at := time.Date(2026, 4, 1, 3, 0, 0, 5000, time.UTC)
	for _, c := range []struct {
		source Source
		east   int           // former hours ahead of UTC; Tokyo's are 9
		want   time.Duration // after at
	}{
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":12}`)}, 9, 0},
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":12}`)}, 10, time.Hour},
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":12}`)}, 8, 0},
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":12}`)}, 40, 0}, // no zone moves so far: damaged
		{Source{Type: "cron", Cron: json.RawMessage(`{"minute":"*/10"}`)}, 10, 0},
		{Source{Type: "date", RunAt: json.RawMessage(`"2026-04-01T12:00:00"`)}, 10, time.Hour},
		{Source{Type: "interval", Interval: json.RawMessage(`{"hours":1}`)}, 10, 0},
	} {
		c.source.Timezone = "Asia/Tokyo"
		s, faults := Parse(c.source, "UTC")
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if got := s.DoneUpTo(at, c.east*3600).Sub(at); got != c.want {
			t.Errorf("%s after %d hours ahead: %s, want %s", s, c.east, got, c.want)
		}
	}
}
