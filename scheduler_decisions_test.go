package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var updateDecisions = flag.Bool("decisions.update", false, "write docs/decisions.md as the server behaves")

const (
	decisionsFile  = "docs/decisions.md"
	decisionsBegin = "<!-- The rest is written by go test -run TestDecisions -decisions.update; the test compares it. -->\n"
)

// decision is one cell: the rules of a job, and what happens to it.
type decision struct {
	overlap, catchup          string
	retry, pause, edit, crash bool
}

var (
	decisionOverlaps = []string{"skip", "queue", "replace"}
	decisionCatchups = []string{"coalesce", "each", "late"}
	catchupFields    = map[string]string{
		"coalesce": `"coalesce":true`,
		"each":     `"coalesce":false`,
		"late":     `"coalesce":true,"misfire_grace_time":5`,
	}
)

// TestDecisions walks every cell of overlap × catch-up × retry × pause × edit × crash on the real store and loop and compares what
// became of each firing with docs/decisions.md. Neither can change without the other.
func TestDecisions(t *testing.T) {
	var b strings.Builder
	for i := range 16 {
		d := decision{retry: i&8 != 0, pause: i&4 != 0, edit: i&2 != 0, crash: i&1 != 0}
		fmt.Fprintf(&b, "\n### %s\n| Overlap | Catch-up | What became of the firings | Calls at |\n| --- | --- | --- | --- |\n", d.title())
		for _, d.overlap = range decisionOverlaps {
			var rows, calls [3]string
			for k, catchup := range decisionCatchups {
				d.catchup = catchup
				rows[k], calls[k] = d.walk(t)
			}
			for k := 0; k < 3; k++ {
				name := decisionCatchups[k]
				for k < 2 && rows[k+1] == rows[k] && calls[k+1] == calls[k] {
					k++
					name += ", " + decisionCatchups[k]
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.overlap, name, rows[k], calls[k])
			}
		}
	}
	doc, err := os.ReadFile(decisionsFile)
	if err != nil {
		t.Fatal(err)
	}
	head, table, ok := strings.Cut(string(doc), decisionsBegin)
	if !ok {
		t.Fatalf("%s has lost the line %s", decisionsFile, decisionsBegin)
	}
	if *updateDecisions {
		if err := os.WriteFile(decisionsFile, []byte(head+decisionsBegin+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, got := strings.Split(table, "\n"), strings.Split(b.String(), "\n")
	for i := range max(len(want), len(got)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Errorf("the document says\n  %s\nthe server does\n  %s", w, g)
		}
	}
}

func (d decision) title() string {
	var parts []string
	for _, p := range []struct {
		is   bool
		name string
	}{{d.retry, "retry"}, {d.pause, "pause"}, {d.edit, "edit"}, {d.crash, "crash"}} {
		if p.is {
			parts = append(parts, p.name)
		}
	}
	if len(parts) == 0 {
		return "Nothing else"
	}
	title := strings.Join(parts, ", ")
	return strings.ToUpper(title[:1]) + title[1:]
}

// walk lets one job live through 95 seconds. It fires each 10 s; the call at 10 takes 25 s, the others 1 s.
func (d decision) walk(t *testing.T) (rows, calls string) {
	t.Helper()
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		r.target.backoff = 7 * time.Second
		r.target.crashed = Interrupted
		if d.retry {
			r.target.crashed = Retrying
		}
		first := instantOf(t0.Add(10 * time.Second))
		r.target.setAnswer(func(x Dispatch) (time.Duration, Status) {
			switch {
			case x.ScheduledAt != first || x.Attempt > 1:
				return time.Second, Succeeded
			case d.retry:
				return 25 * time.Second, Retrying
			default:
				return 25 * time.Second, Succeeded
			}
		})
		r.create("job", fmt.Sprintf(`{"schedule_type":"interval","interval":{"seconds":10,"start_date":"2000-01-01T00:00:10Z"},"overlap":%q,%s}`, d.overlap, catchupFields[d.catchup]))
		r.sleep(21 * time.Second)
		if d.pause {
			r.do(r.store.PauseJob(r.t.Context(), "job", "", instantOf(t0.Add(45*time.Second))))
		}
		r.sleep(time.Second)
		if d.edit {
			r.patch("job", `{"target_url":"http://edited.example/"}`)
		}
		r.sleep(time.Second)
		if d.crash {
			r.crash()
			r.sleep(30 * time.Second)
			r.start()
		} else {
			r.sleep(30 * time.Second)
		}
		r.sleep(42 * time.Second)
		rows, calls = r.rows("job", t0), strings.ReplaceAll(r.calls(t0), " ", ", ")
		if d.edit {
			calls = r.versions(t0)
		}
		r.noneTwice()
		r.verify()
	})
	return rows, calls
}

// versions gives the calls as r.calls does, each with the version of the definition that it was made under.
func (r *loopRig) versions(t0 time.Time) string {
	var out []string
	for _, c := range r.target.made() {
		s := fmt.Sprintf("%g", c.at.Time().Sub(t0.UTC()).Seconds())
		if c.Attempt > 1 {
			s += "*"
		}
		out = append(out, fmt.Sprintf("%s v%d", s, c.Version))
	}
	return strings.Join(out, ", ")
}
