package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"teiki/internal/schedule"
)

// everySecond is a schedule with a firing each n seconds from t0 on (the first one at t0 + n seconds).
func everySecond(t testing.TB, n int, t0 time.Time) *schedule.Schedule {
	t.Helper()
	s, faults := schedule.Parse(schedule.Source{Type: "interval", Interval: json.RawMessage(fmt.Sprintf(`{"seconds":%d}`, n)), Anchor: t0}, "UTC")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return s
}

// brief writes rows as "status/reason first..last xcount" in seconds after t0.
func brief(rows []*Run, t0 time.Time) string {
	var out []string
	for _, r := range rows {
		at := func(i instant) int { return int(i.Time().Sub(t0).Seconds()) }
		s := fmt.Sprintf("%s %d", r.Status, at(r.ScheduledAt))
		if r.Count > 1 {
			s += fmt.Sprintf("..%d x%d", at(r.ScheduledUntil), r.Count)
		}
		if r.Reason != "" {
			s += " " + r.Reason
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// TestSettle walks the rules of docs/runs.md: catch-up × grace × overlap.
func TestSettle(t *testing.T) {
	t0 := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	plan := everySecond(t, 10, t0)
	base := Policy{MaxInstances: 1, Overlap: "skip", Coalesce: true, Grace: 300 * time.Second, CatchupLimit: 3}
	with := func(change func(*Policy)) Policy { p := base; change(&p); return p }
	each := func(p *Policy) { p.Coalesce = false }
	for _, c := range []struct {
		name            string
		policy          Policy
		now             float64 // seconds after t0
		active, waiting int
		want            string
		next            int
		replace         int
	}{
		{"nothing due", base, 9, 0, 0, "", 10, 0},
		{"one due", base, 10, 0, 0, "running 10", 20, 0},
		{"one due, late but inside the grace", base, 19.5, 0, 0, "running 10", 20, 0},
		{"several due are one run", base, 45, 0, 0, "coalesced 10..30 x3 coalesced; running 40", 50, 0},
		{"two due", base, 25, 0, 0, "coalesced 10 coalesced; running 20", 30, 0},
		{"all too late", with(func(p *Policy) { p.Grace = time.Second }), 45, 0, 0, "missed 10..40 x4 misfire_grace_time", 50, 0},
		{"the last one is inside the grace", with(func(p *Policy) { p.Grace = 6 * time.Second }), 45, 0, 0, "coalesced 10..30 x3 coalesced; running 40", 50, 0},
		{"no limit of grace", with(func(p *Policy) { p.Grace = -1 }), 1005, 0, 0, "coalesced 10..990 x99 coalesced; running 1000", 1010, 0},
		{"no grace at all, on time", with(func(p *Policy) { p.Grace = 0 }), 10, 0, 0, "running 10", 20, 0},
		{"no grace at all, late", with(func(p *Policy) { p.Grace = 0 }), 11, 0, 0, "missed 10 misfire_grace_time", 20, 0},
		{"each, one instance at a time", with(each), 35, 0, 0, "running 10; pending 20 max_instances; pending 30 max_instances", 40, 0},
		{"each, bounded", with(each), 65, 0, 0, "missed 10..30 x3 catchup_limit; running 40; pending 50 max_instances; pending 60 max_instances", 70, 0},
		{"each, some too late", with(func(p *Policy) { each(p); p.Grace = 20 * time.Second }), 45, 0, 0, "missed 10..20 x2 misfire_grace_time; running 30; pending 40 max_instances", 50, 0},
		{"each, two instances", with(func(p *Policy) { each(p); p.MaxInstances = 2 }), 35, 0, 0, "running 10; running 20; pending 30 max_instances", 40, 0},
		{"overlap skip", base, 10, 1, 0, "skipped 10 max_instances", 20, 0},
		{"overlap skip, several", base, 30, 1, 0, "coalesced 10..20 x2 coalesced; skipped 30 max_instances", 40, 0},
		{"overlap queue", with(func(p *Policy) { p.Overlap = "queue" }), 10, 1, 2, "pending 10 max_instances", 20, 0},
		{"overlap queue, full", with(func(p *Policy) { p.Overlap = "queue" }), 10, 1, 3, "skipped 10 queue_full", 20, 0},
		{"overlap replace", with(func(p *Policy) { p.Overlap = "replace" }), 10, 1, 0, "pending 10 max_instances", 20, 1},
		{"overlap replace while one waits already", with(func(p *Policy) { p.Overlap = "replace" }), 10, 1, 1, "skipped 10 max_instances", 20, 0},
		{"a second instance is free", with(func(p *Policy) { p.MaxInstances = 2 }), 10, 1, 0, "running 10", 20, 0},
		{"a waiting run holds the free instance", base, 10, 0, 1, "skipped 10 max_instances", 20, 0},
	} {
		out, err := settle(settleInput{Schedule: plan, Policy: c.policy, Job: 1, Version: 1, NextAt: instantOf(t0.Add(10 * time.Second)),
			Now: instantOf(t0.Add(time.Duration(c.now * float64(time.Second)))), load: load{Active: c.active, Waiting: c.waiting}})
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := brief(out.Rows, t0); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if next := int(out.Next.Time().Sub(t0).Seconds()); next != c.next || out.Replace != c.replace {
			t.Errorf("%s: next %d replace %d, want %d %d", c.name, next, out.Replace, c.next, c.replace)
		}
	}
}

// TestSettleLosesNothing drives settle with random schedules, policies and gaps, and holds its rows against the plan: each
// planned firing is in exactly one row, whatever the loop's rhythm was.
func TestSettleLosesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	crons := []string{`"*/5 * * * *"`, `{"hour":"*/3","minute":"7,40"}`, `{"second":"*/20","minute":"0-3"}`, `{"day_of_week":"mon-fri","hour":9}`,
		`{"minute":"*/10","jitter":240}`, `"@hourly"`}
	zones := []string{"Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin"}
	for round := range 300 {
		t0 := time.Date(2026, time.Month(1+rng.IntN(12)), 1+rng.IntN(28), rng.IntN(24), 0, 0, 0, time.UTC)
		src := schedule.Source{Type: "cron", Cron: json.RawMessage(crons[rng.IntN(len(crons))]), Timezone: zones[rng.IntN(len(zones))], Anchor: t0}
		if rng.IntN(3) == 0 {
			src = schedule.Source{Type: "interval", Interval: json.RawMessage(`{"seconds":97.5,"jitter":30}`), Timezone: "UTC", Anchor: t0}
		}
		plan, faults := schedule.Parse(src, "UTC")
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		p := Policy{MaxInstances: 1 + rng.IntN(3), Overlap: []string{"skip", "queue", "replace"}[rng.IntN(3)], Coalesce: rng.IntN(2) == 0,
			Grace: time.Duration(rng.IntN(4000)-1) * time.Second, CatchupLimit: 1 + rng.IntN(10)}
		start := instantOf(t0)
		h := &history{JobID: "job", Segments: []segment{{Version: 1, Schedule: scheduleTextOf(src), Anchor: start, From: start}}}
		h.Next = nextAfter(plan, start)
		var rows []Run
		now := start
		for range 60 {
			now = now.Add(time.Duration(rng.Int64N(int64(2 * time.Hour))))
			out, err := settle(settleInput{Schedule: plan, Policy: p, Job: 7, Version: 1, NextAt: h.Next, Now: now,
				load: load{Active: rng.IntN(p.MaxInstances + 1), Waiting: rng.IntN(3)}, Boundary: rng.IntN(5) == 0})
			if err != nil {
				t.Fatal(err)
			}
			h.Next, h.Cursor = out.Next, max(h.Cursor, out.Cursor)
			for _, r := range out.Rows {
				rows = append(rows, *r)
			}
		}
		slices.SortStableFunc(rows, func(a, b Run) int { return int(a.ScheduledAt - b.ScheduledAt) })
		got := compareRows(t, h, rows, now)
		if len(got.Differences) > 0 {
			t.Fatalf("round %d, %s, %+v: %+v", round, plan, p, got.Differences[0])
		}
		if got.Planned == 0 && h.Cursor != 0 {
			t.Fatalf("round %d: the check saw no firing", round)
		}
	}
}

// compareRows holds the whole history against rows.
func compareRows(t *testing.T, h *history, rows []Run, now instant) *tally {
	t.Helper()
	h.UpTo = h.Cursor
	got := newTally(ledgerWindow{To: now})
	err := got.check(t.Context(), h, func() (Run, bool, error) {
		if len(rows) == 0 {
			return Run{}, false, nil
		}
		r := rows[0]
		rows = rows[1:]
		return r, true, nil
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func scheduleTextOf(src schedule.Source) string {
	d := Definition{ScheduleType: src.Type, Cron: src.Cron, Interval: src.Interval, RunAt: src.RunAt, Timezone: src.Timezone}
	return d.scheduleText()
}

// TestCheckSeesDifferences: the comparison is only worth something if it finds what is wrong.
func TestCheckSeesDifferences(t *testing.T) {
	t0 := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) instant { return instantOf(t0.Add(time.Duration(s) * time.Second)) }
	src := schedule.Source{Type: "interval", Interval: json.RawMessage(`{"seconds":10}`), Timezone: "UTC"}
	run := func(s int) Run { return Run{Status: Succeeded, ScheduledAt: at(s), Count: 1} }
	ranged := func(a, b, n int) Run { return Run{Status: Missed, ScheduledAt: at(a), ScheduledUntil: at(b), Count: n} }
	for _, c := range []struct {
		name string
		rows []Run
		next int
		want string
	}{
		{"all there", []Run{run(10), run(20), run(30), run(40)}, 50, ""},
		{"a range", []Run{run(10), ranged(20, 40, 3)}, 50, ""},
		{"a firing without a row", []Run{run(10), run(20), run(40)}, 50, "gap"},
		{"the last one without a row", []Run{run(10), run(20), run(30)}, 50, "gap"},
		{"twice", []Run{run(10), run(20), run(20), run(30), run(40)}, 50, "extra"},
		{"not planned", []Run{run(10), run(20), run(25), run(30), run(40)}, 50, "extra"},
		{"a range that counts too many", []Run{run(10), ranged(20, 40, 4)}, 50, "count"},
		{"a range that counts too few", []Run{run(10), ranged(20, 40, 2)}, 50, "gap"},
		{"a lost timer", []Run{run(10), run(20), run(30), run(40)}, 0, "timer"},
		{"a timer that skips", []Run{run(10), run(20), run(30), run(40)}, 60, "timer"},
	} {
		h := &history{JobID: "job", Segments: []segment{{Schedule: scheduleTextOf(src), Anchor: at(0), From: at(0)}}, Cursor: at(40), Next: at(c.next)}
		if c.next == 0 {
			h.Next = 0
		}
		got := compareRows(t, h, c.rows, at(45))
		var kinds []string
		for _, d := range got.Differences {
			kinds = append(kinds, d.Kind)
		}
		if strings.Join(kinds, ",") != c.want {
			t.Errorf("%s: differences %q, want %q (%+v)", c.name, kinds, c.want, got.Differences)
		}
	}
}

// TestFar: with few jobs a plan stays for ten minutes; with many, only that of a job that fires all the time.
func TestFar(t *testing.T) {
	const now = 1_000_000_000_000
	s := &Scheduler{jobs: map[int64]*entry{}}
	for _, tt := range []struct {
		jobs int
		in   instant // seconds until the next firing
		far  bool
	}{
		{keptJobs, 599, false}, {keptJobs, 601, true},
		{keptJobs + 1, 4, false}, {keptJobs + 1, 6, true},
	} {
		for i := len(s.jobs); i < tt.jobs; i++ {
			s.jobs[int64(i)] = nil
		}
		if got := s.far(now+tt.in*1e6, now); got != tt.far {
			t.Errorf("%d jobs, a firing in %d s: far is %v", tt.jobs, tt.in, got)
		}
	}
	if !s.far(0, now) {
		t.Error("a job without a next firing keeps its plan")
	}
}

// TestGCPercent: garbage takes at most three times what lives, and about as much as a million jobs do from there on.
func TestGCPercent(t *testing.T) {
	for jobs, want := range map[int64]int{0: 300, 100: 300, 333_000: 300, 500_000: 200, 1_000_000: 100, 5_000_000: 100} {
		if got := gcPercent(jobs); got != want {
			t.Errorf("%d jobs: %d %%, want %d", jobs, got, want)
		}
	}
}
