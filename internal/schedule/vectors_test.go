package schedule

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// row is one line of testdata/schedules.jsonl.
type row struct {
	ID, Group, Kind string
	Fields          map[string]json.RawMessage
	Expr            string
	Timezone        string
	After           time.Time
	Next            []time.Time
	Trigger         *string
	Error           *string
}

// vectorRows is how many rows there are; fewer would mean that some were not read.
const vectorRows = 1604

// inJobZone has the rows whose text APScheduler writes in the zone of run_date's own
// offset, which has no name there ("date[2026-01-18 11:50:04 ]"). triggers.md and the
// README say otherwise: always in the job's zone.
var inJobZone = map[string]string{
	"p01377": "date[2026-01-18 11:50:04 JST]",
	"p01379": "date[2025-12-14 02:21:00 IST]",
	"p01382": "date[2029-02-12 19:30:45 IST]",
	"p01392": "date[2024-08-28 17:30:33 EDT]",
	"p01393": "date[2026-04-09 14:56:38 IST]",
}

func readRows(t testing.TB) []row {
	t.Helper()
	file, err := os.Open("testdata/schedules.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows []row
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if lines.Err() != nil || len(rows) != vectorRows {
		t.Fatalf("read %d rows of %d: %v", len(rows), vectorRows, lines.Err())
	}
	return rows
}

// source is the row as a job would have it.
func (r row) source() Source {
	src := Source{Type: r.Kind, Timezone: r.Timezone, Anchor: r.After}
	object, _ := json.Marshal(r.Fields)
	switch r.Kind {
	case "cron":
		src.Cron = object
	case "crontab":
		src.Type = "cron"
		src.Cron, _ = json.Marshal(r.Expr)
	case "interval":
		src.Interval = object
	case "date":
		src.RunAt = r.Fields["run_date"]
	}
	return src
}

func TestVectors(t *testing.T) {
	for _, r := range readRows(t) {
		s, faults := Parse(r.source(), "Asia/Tokyo")
		if r.Error != nil {
			switch {
			case len(faults) == 0:
				t.Errorf("%s: accepted, want error %q", r.ID, *r.Error)
			case *r.Error == "" && (faults[0].Field == "" || faults[0].Detail == ""):
				t.Errorf("%s: fault without words: %q", r.ID, faults)
			case *r.Error != "" && (len(faults) != 1 || faults[0].Detail != *r.Error):
				t.Errorf("%s: faults %q, want %q", r.ID, faults, *r.Error)
			}
			continue
		}
		if len(faults) > 0 {
			t.Errorf("%s: refused: %q", r.ID, faults)
			continue
		}
		want := inJobZone[r.ID]
		if want == "" && r.Trigger != nil {
			want = *r.Trigger
		}
		if want != "" && s.String() != want {
			t.Errorf("%s: text %s, want %s", r.ID, s, want)
		}
		at, ok := s.First(r.After)
		for i, next := range r.Next {
			if !ok || !at.Equal(next) {
				t.Errorf("%s: %s: firing %d is %v %v, want %v", r.ID, s, i, at, ok, next)
				break
			}
			at, ok = s.Next(at)
		}
		if ok && len(r.Next) < 8 {
			t.Errorf("%s: %s: fires again at %v", r.ID, s, at)
		}
	}
}
