package main

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// bench of a ledger under test: what the API's side of the store does to the jobs, so that the conformance test needs nothing
// but this and the ledger.
type ledgerUnderTest struct {
	ledger
	create func(jobID string, d *Definition) int64
	edit   func(jobID string, d *Definition)
	pause  func(jobID string, until instant)
	resume func(jobID string)
	remove func(jobID string)
	run    func(jobID string) int64
}

func sqliteLedger(t *testing.T) ledgerUnderTest {
	s := openTest(t)
	must := func(_ *Job, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return ledgerUnderTest{ledger: s,
		create: func(id string, d *Definition) int64 { return mustCreate(t, s, id, d, 0).ID },
		edit: func(id string, d *Definition) {
			must(s.UpdateJob(t.Context(), id, func(*Job) (*Definition, error) { return d, nil }))
		},
		pause:  func(id string, until instant) { must(s.PauseJob(t.Context(), id, "test", until)) },
		resume: func(id string) { must(s.ResumeJob(t.Context(), id)) },
		remove: func(id string) { must(s.DeleteJob(t.Context(), id)) },
		run: func(id string) int64 {
			r, err := s.RunNow(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return r.ID
		},
	}
}

// TestLedger is what every ledger must do, whatever database is behind it.
func TestLedger(t *testing.T) {
	for name, test := range map[string]func(*testing.T, ledgerUnderTest){
		"claim and finish":               ledgerClaimFinish,
		"a claim holds once":             ledgerClaimOnce,
		"a claim under an old version":   ledgerClaimOldVersion,
		"a claim of a paused job":        ledgerClaimPaused,
		"a claim of a deleted job":       ledgerClaimDeleted,
		"a claim takes effect as whole":  ledgerClaimWhole,
		"late and repeated results":      ledgerLateResult,
		"a deleted job is not retried":   ledgerDeletedRetry,
		"a pause holds the plan's runs":  ledgerPauseHolds,
		"a pause ends by itself":         ledgerPauseUntil,
		"pause after failures":           ledgerPauseAfterFailures,
		"definitions stay with runs":     ledgerDefinition,
		"ranges are counted":             ledgerRanges,
		"concurrent claims and finishes": ledgerConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, sqliteLedger(t)) })
	}
}

func (l ledgerUnderTest) timer(t *testing.T, job int64) Timer {
	t.Helper()
	tm, ok, err := l.Timer(t.Context(), job)
	if err != nil || !ok {
		t.Fatalf("timer of job %d: ok %v, %v", job, ok, err)
	}
	return tm
}

// mustHold claims c and wants it to hold or not.
func (l ledgerUnderTest) mustHold(t *testing.T, want bool, c Claim) {
	t.Helper()
	held, err := claimAll(l, c)
	if err != nil || held[0] != want {
		t.Fatalf("claim held %v, %v; want %v", held, err, want)
	}
}

func ledgerClaimFinish(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(1))
	tm := l.timer(t, job)
	if tm.NextAt == 0 || tm.CursorAt >= tm.NextAt || tm.Host != "127.0.0.1:9" || tm.Version != 1 {
		t.Fatalf("new timer %+v", tm)
	}
	next := tm.NextAt.Add(time.Second)
	c := firing(tm, next)
	l.mustHold(t, true, c)
	if c.Rows[0].ID == 0 {
		t.Fatal("the row has no key")
	}
	after := l.timer(t, job)
	if after.NextAt != next || after.CursorAt != tm.NextAt || len(after.Open) != 1 {
		t.Fatalf("after the claim %+v", after)
	}
	if o := after.Open[0]; o.Run != c.Rows[0].ID || o.Status != Running || o.Attempt != 1 || o.ScheduledAt != tm.NextAt || o.Trigger != BySchedule {
		t.Fatalf("open run %+v", o)
	}
	var all []Timer
	if err := l.Timers(t.Context(), func(t Timer) error { all = append(all, t); return nil }); err != nil || len(all) != 1 || len(all[0].Open) != 1 {
		t.Fatalf("timers %+v, %v", all, err)
	}
	if !finishOne(l, ended(c.Rows[0].ID, job, 1, Succeeded)) {
		t.Fatal("the result was not accepted")
	}
	if open := l.timer(t, job).Open; len(open) != 0 {
		t.Fatalf("open after the end: %+v", open)
	}
}

func ledgerClaimOnce(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(1))
	tm := l.timer(t, job)
	l.mustHold(t, true, firing(tm, tm.NextAt.Add(time.Second)))
	l.mustHold(t, false, firing(tm, tm.NextAt.Add(time.Second)))
	if n := len(l.timer(t, job).Open); n != 1 {
		t.Fatalf("%d runs for one firing", n)
	}
}

func ledgerClaimOldVersion(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	tm := l.timer(t, job)
	d := everySeconds(3600)
	d.Name = "same plan, other definition"
	l.edit("a", d)
	if now := l.timer(t, job); now.NextAt != tm.NextAt || now.Version != 2 {
		t.Fatalf("an edit of something else moved the plan: %+v, was %+v", now, tm)
	}
	l.mustHold(t, false, firing(tm, tm.NextAt.Add(time.Hour)))
}

func ledgerClaimPaused(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	tm := l.timer(t, job)
	l.pause("a", 0)
	if p := l.timer(t, job); !p.Paused || p.NextAt != 0 {
		t.Fatalf("paused timer %+v", p)
	}
	l.mustHold(t, false, firing(tm, 0))
	l.resume("a")
	if p := l.timer(t, job); p.Paused || p.NextAt != tm.NextAt {
		t.Fatalf("resumed timer %+v", p)
	}
}

func ledgerClaimDeleted(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	tm := l.timer(t, job)
	l.remove("a")
	l.mustHold(t, false, firing(tm, 0))
	if _, ok, err := l.Timer(t.Context(), job); ok || err != nil {
		t.Fatalf("a deleted job has a timer: %v", err)
	}
	if again := l.create("a", everySeconds(3600)); again == job {
		t.Fatal("the key of a deleted job was used again")
	}
}

func ledgerClaimWhole(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	tm := l.timer(t, job)
	run := l.run("a")
	c := firing(tm, tm.NextAt.Add(time.Hour))
	c.Starts = []Start{{Run: run, Attempt: 7}} // not its attempt
	l.mustHold(t, false, c)
	now := l.timer(t, job)
	if now.NextAt != tm.NextAt || len(now.Open) != 1 || now.Open[0].Status != Pending {
		t.Fatalf("half a claim took effect: %+v", now)
	}
	c.Starts[0].Attempt = 0
	l.mustHold(t, true, c)
	now = l.timer(t, job)
	if now.NextAt == tm.NextAt || len(now.Open) != 2 || now.Open[0].Status != Running || now.Open[0].Attempt != 1 || now.Open[0].StartedAt == 0 {
		t.Fatalf("the whole claim: %+v", now)
	}
	other := l.run("a")
	l.mustHold(t, true, Claim{Job: job, Version: 1, Ends: []End{{Run: other, Status: Missed, Reason: ReasonMisfire}}})
	l.mustHold(t, false, Claim{Job: job, Version: 1, Ends: []End{{Run: other, Status: Missed, Reason: ReasonMisfire}}})
	if n := len(l.timer(t, job).Open); n != 2 {
		t.Fatalf("%d open runs after one ended", n)
	}
}

func ledgerLateResult(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(1))
	tm := l.timer(t, job)
	c := firing(tm, 0)
	l.mustHold(t, true, c)
	run := c.Rows[0].ID
	if finishOne(l, ended(run, job, 2, Succeeded)) {
		t.Fatal("a result of an attempt that never was is accepted")
	}
	retry := ended(run, job, 1, Retrying)
	retry.DueAt = tm.NextAt.Add(time.Minute)
	if !finishOne(l, retry) || finishOne(l, retry) || finishOne(l, ended(run, job, 1, Succeeded)) {
		t.Fatal("a result must be accepted once")
	}
	if o := l.timer(t, job).Open; len(o) != 1 || o[0].Status != Retrying || o[0].DueAt != retry.DueAt || o[0].Attempt != 1 {
		t.Fatalf("retrying run %+v", o)
	}
	l.mustHold(t, false, Claim{Job: job, Version: 1, Starts: []Start{{Run: run, Attempt: 0}}})
	l.mustHold(t, true, Claim{Job: job, Version: 1, Starts: []Start{{Run: run, Attempt: 1}}})
	l.mustHold(t, false, Claim{Job: job, Version: 1, Starts: []Start{{Run: run, Attempt: 1}}})
	if finishOne(l, ended(run, job, 1, Succeeded)) {
		t.Fatal("the late answer of attempt 1 is accepted while attempt 2 is out")
	}
	if !finishOne(l, ended(run, job, 2, Succeeded)) || finishOne(l, ended(run, job, 2, Failed)) {
		t.Fatal("the end must be accepted once")
	}
}

func ledgerDeletedRetry(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(1))
	c := firing(l.timer(t, job), 0)
	l.mustHold(t, true, c)
	l.run("a")
	l.remove("a")
	tm := l.timer(t, job) // its call is out
	if len(tm.Open) != 1 || tm.Open[0].Status != Running || tm.NextAt != 0 {
		t.Fatalf("deleted job with a call out: %+v", tm)
	}
	retry := ended(c.Rows[0].ID, job, 1, Retrying)
	retry.DueAt = tm.CursorAt.Add(time.Hour)
	if !finishOne(l, retry) {
		t.Fatal("the result of a deleted job's call is refused")
	}
	if _, ok, err := l.Timer(t.Context(), job); ok || err != nil {
		t.Fatalf("a deleted job is retried: %v", err)
	}
}

func ledgerPauseHolds(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	c := firing(l.timer(t, job), l.timer(t, job).NextAt.Add(time.Hour))
	c.Rows[0].Status, c.Rows[0].Attempt, c.Rows[0].Reason = Pending, 0, ReasonOverlap
	l.mustHold(t, true, c)
	byHand := l.run("a")
	l.pause("a", 0)
	l.mustHold(t, false, Claim{Job: job, Version: 1, Starts: []Start{{Run: c.Rows[0].ID}}})
	l.mustHold(t, true, Claim{Job: job, Version: 1, Starts: []Start{{Run: byHand}}})
	l.resume("a")
	l.mustHold(t, true, Claim{Job: job, Version: 1, Starts: []Start{{Run: c.Rows[0].ID}}})
}

func ledgerPauseUntil(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	until := l.timer(t, job).CursorAt.Add(90 * time.Minute)
	l.pause("a", until)
	if err := l.Resume(t.Context(), job, until-1); err != nil || !l.timer(t, job).Paused {
		t.Fatalf("ended too early: %v", err)
	}
	if err := l.Resume(t.Context(), job, until); err != nil {
		t.Fatal(err)
	}
	if tm := l.timer(t, job); tm.Paused || tm.NextAt <= until || tm.NextAt > until.Add(time.Hour) {
		t.Fatalf("after the pause %+v, until %d", tm, until)
	}
	if err := l.Resume(t.Context(), 999, until); err != nil {
		t.Fatalf("resume of no job: %v", err)
	}
}

func ledgerPauseAfterFailures(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(3600))
	for i, status := range []Status{Failed, Succeeded, Failed, Interrupted, Canceled} {
		tm := l.timer(t, job)
		c := firing(tm, tm.NextAt.Add(time.Hour))
		l.mustHold(t, true, c)
		f := ended(c.Rows[0].ID, job, 1, status)
		f.PauseAfter = 3
		if !finishOne(l, f) || l.timer(t, job).Paused {
			t.Fatalf("run %d: paused too early", i)
		}
	}
	c := firing(l.timer(t, job), 0)
	l.mustHold(t, true, c)
	f := ended(c.Rows[0].ID, job, 1, Failed)
	f.PauseAfter = 3
	if !finishOne(l, f) || !l.timer(t, job).Paused {
		t.Fatal("not paused after the third failure in a row")
	}
}

func ledgerDefinition(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(1))
	d := everySeconds(2)
	d.Name = "second"
	l.edit("a", d)
	for version, name := range map[int]string{1: "", 2: "second"} {
		id, d, err := l.Definition(t.Context(), job, version)
		if err != nil || id != "a" || d.Name != name {
			t.Fatalf("version %d: %s %+v %v", version, id, d, err)
		}
	}
	if _, _, err := l.Definition(t.Context(), job, 3); !errors.Is(err, errNotFound) {
		t.Fatalf("version 3: %v", err)
	}
}

func ledgerRanges(t *testing.T, l ledgerUnderTest) {
	job := l.create("a", everySeconds(1))
	tm := l.timer(t, job)
	last := tm.NextAt.Add(99 * time.Second)
	l.mustHold(t, true, Claim{Job: job, Version: 1, From: tm.NextAt, Next: last.Add(time.Second), Cursor: last, Rows: []*Run{
		{Job: job, Version: 1, Trigger: BySchedule, ScheduledAt: tm.NextAt, ScheduledUntil: last, Count: 100, Status: Missed, Reason: ReasonMisfire}}})
	if now := l.timer(t, job); len(now.Open) != 0 || now.CursorAt != last {
		t.Fatalf("after a range %+v", now)
	}
}

func ledgerConcurrent(t *testing.T, l ledgerUnderTest) {
	const jobs, rounds = 20, 20
	var wg sync.WaitGroup
	ids := make([]int64, jobs)
	for i := range jobs {
		ids[i] = l.create(string(rune('a'+i)), everySeconds(1))
		wg.Go(func() {
			for range rounds {
				tm := l.timer(t, ids[i])
				c := firing(tm, tm.NextAt.Add(time.Second))
				l.mustHold(t, true, c)
				if !finishOne(l, ended(c.Rows[0].ID, ids[i], 1, Succeeded)) {
					t.Error("not accepted")
				}
			}
		})
	}
	wg.Wait()
}
