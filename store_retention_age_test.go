package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"testing"
	"time"
)

// These jobs fire every ten minutes from 12:10 on, and a server keeps one hour: what was made at 15:00 is not old at 16:00.

const tenMinutes = 10 * time.Minute

// ageing opens a store that keeps an hour, with jobs that say nothing about that; its clock stands at noon.
func ageing(t *testing.T, ids ...string) (*Store, *instant) {
	t.Helper()
	now := noon
	s := openTestAt(t, filepath.Join(t.TempDir(), "jobs.db"), storeOptions{KeepPeriod: time.Hour})
	clock(s, &now)
	for _, id := range ids {
		mustCreate(t, s, id, everySeconds(600), 0)
	}
	return s, &now
}

// keeping is the definition of a job with a limit of its own in seconds, 0 = for ever.
func keeping(sec float64) *Definition {
	d := everySeconds(600)
	d.KeepRunsSec = &sec
	return d
}

// fire claims the next firing of each job; its row is made now, with that status. It gives the last one's.
func fire(t *testing.T, s *Store, status Status, ids ...string) *Run {
	t.Helper()
	var claims []Claim
	for _, id := range ids {
		j := mustJob(t, s, id)
		c := firing(Timer{Job: j.ID, Version: j.Version, NextAt: j.NextAt}, j.NextAt.Add(tenMinutes))
		c.Rows[0].Status = status
		claims = append(claims, c)
	}
	held, err := claimAll(s, claims...)
	if err != nil {
		t.Fatal(err)
	}
	for i, ok := range held {
		if !ok {
			t.Fatalf("the claim of %s did not hold", ids[i])
		}
	}
	return claims[len(claims)-1].Rows[0]
}

// live lets time pass up to the instant to: the jobs fire at their times, side by side, and succeed.
func live(t *testing.T, s *Store, now *instant, to instant, ids ...string) {
	t.Helper()
	for {
		at, due := to+1, []string(nil)
		for _, id := range ids {
			switch next := mustJob(t, s, id).NextAt; {
			case next < at:
				at, due = next, []string{id}
			case next == at && next <= to:
				due = append(due, id)
			}
		}
		if len(due) == 0 {
			*now = to
			return
		}
		*now = at
		fire(t, s, Succeeded, due...)
	}
}

// passByAge and passOverJobs are the two passes, which must delete so many rows, and leave the ledger right.
func passByAge(t *testing.T, s *Store, now instant, c *agedCursor, want int) {
	t.Helper()
	if n, err := s.sweepAged(t.Context(), now, c); err != nil || n != want {
		t.Errorf("the pass by age deleted %d rows, want %d (%v)", n, want, err)
	}
	checkLedger(t, s, now)
}

func passOverJobs(t *testing.T, s *Store, now instant, want int) {
	t.Helper()
	deleted := 0
	for c := new(jobCursor); ; {
		n, err := s.sweepJobs(t.Context(), now, c)
		if err != nil {
			t.Fatal(err)
		}
		if deleted += n; c.after == 0 {
			break
		}
	}
	if deleted != want {
		t.Errorf("the pass over the jobs deleted %d rows, want %d", deleted, want)
	}
	checkLedger(t, s, now)
}

// wantRows compares how many rows each job has, deleted ones too.
func wantRows(t *testing.T, s *Store, want map[string]int) {
	t.Helper()
	var text string
	have := map[string]int{}
	err := s.read.QueryRow("SELECT json_group_object(job_id, (SELECT count(*) FROM runs WHERE job = jobs.id)) FROM jobs").Scan(&text)
	if err == nil {
		err = json.Unmarshal([]byte(text), &have)
	}
	if err != nil || !maps.Equal(have, want) {
		t.Errorf("rows %v, want %v (%v)", have, want, err)
	}
}

// wantPruned compares where a job's ledger starts, 0 = at its beginning.
func wantPruned(t *testing.T, s *Store, id string, want instant) {
	t.Helper()
	if have := mustJob(t, s, id).pruned; have != want {
		t.Errorf("the ledger of %s starts at %s, want %s", id, orNever(have), orNever(want))
	}
}

// pruneLooked deletes what agedRuns has found, as sweepAged does, until its time is over.
func pruneLooked(t *testing.T, s *Store, runs []agedRun, c *agedCursor, until time.Time) (done, deleted int) {
	t.Helper()
	err := s.patiently(t.Context(), func(t *tx) (err error) {
		done, deleted, err = t.pruneAged(runs, c.jobs, until)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done, deleted
}

// TestAgedOwnLimits: the rows of jobs that keep more or less than the server lie between those that go, and stay; a limit that
// is removed counts no more from the next rows on, and the pass over the jobs takes those gone by.
func TestAgedOwnLimits(t *testing.T) {
	s, now := ageing(t)
	ids := []string{"longer", "none", "shorter", "ever"}
	for id, d := range map[string]*Definition{"none": everySeconds(600), "longer": keeping(3 * 3600), "shorter": keeping(600), "ever": keeping(0)} {
		mustCreate(t, s, id, d, 0)
	}
	live(t, s, now, noon.Add(4*time.Hour), ids...)
	var c agedCursor
	passByAge(t, s, *now, &c, 17)
	wantRows(t, s, map[string]int{"none": 7, "longer": 24, "shorter": 24, "ever": 24})
	passOverJobs(t, s, *now, 5+22)
	wantRows(t, s, map[string]int{"none": 7, "longer": 19, "shorter": 2, "ever": 24})
	redefine(t, s, "longer", everySeconds(600))
	redefine(t, s, "ever", everySeconds(600))
	live(t, s, now, noon.Add(6*time.Hour), ids...)
	passByAge(t, s, *now, &c, 3*12)
	wantRows(t, s, map[string]int{"none": 7, "longer": 12 + 7, "shorter": 14, "ever": 17 + 7})
	passOverJobs(t, s, *now, 12+12+17)
	wantRows(t, s, map[string]int{"none": 7, "longer": 7, "shorter": 2, "ever": 7})
}

// TestAgedByHand: open rows stay, however old, and so do new rows of old firings. They move no ledger. All of them go in the end.
func TestAgedByHand(t *testing.T) {
	s, now := ageing(t, "a", "z") // z has the newest row
	must := func(r *Run, err error) *Run {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	live(t, s, now, noon.Add(55*time.Minute), "a", "z")
	*now = noon.Add(time.Hour)
	open := fire(t, s, Running, "a")
	live(t, s, now, noon.Add(2*time.Hour), "a", "z")
	*now = noon.Add(125 * time.Minute)
	var c agedCursor
	passByAge(t, s, *now, &c, 5+6)
	wantPruned(t, s, "a", noon.Add(50*time.Minute))
	*now = noon.Add(150 * time.Minute)
	first, second := runsOf(t, s, "a")[1].ID, runsOf(t, s, "a")[2].ID // after the open one
	byHand := []*Run{must(s.RunNow(t.Context(), "a")), must(s.RerunRun(t.Context(), first))}
	again, err := s.Backfill(t.Context(), "a", BackfillRequest{From: noon.Add(15 * time.Minute), To: noon.Add(35 * time.Minute), All: true})
	if err != nil || len(again) != 2 {
		t.Fatal(again, err)
	}
	for _, r := range append(byHand, again...) {
		must(s.CancelRun(t.Context(), r.ID))
	}
	waiting := must(s.RerunRun(t.Context(), second))
	passByAge(t, s, *now, &c, 2+2)
	wantRows(t, s, map[string]int{"a": 1 + 4 + 5, "z": 4})
	wantPruned(t, s, "a", noon.Add(80*time.Minute))
	passOverJobs(t, s, *now, 0)
	live(t, s, now, noon.Add(4*time.Hour), "z")
	if !finishOne(s, ended(open.ID, open.Job, 1, Succeeded)) {
		t.Fatal("not accepted")
	}
	passByAge(t, s, *now, &c, 4+4+9)
	wantRows(t, s, map[string]int{"a": 2, "z": 7})
	wantPruned(t, s, "a", noon.Add(2*time.Hour))
	passOverJobs(t, s, *now, 1) // the row that was open when the pass by age came along
	must(s.CancelRun(t.Context(), waiting.ID))
	passByAge(t, s, *now, &c, 0)
	passOverJobs(t, s, *now, 1)
	wantRows(t, s, map[string]int{"a": 0, "z": 7})
}

// TestAgedRanges: a row for many firings goes when the last of them is old, and the ledger starts after that.
func TestAgedRanges(t *testing.T) {
	s, now := ageing(t, "a", "b", "c")
	*now = noon.Add(45 * time.Minute)
	rangeTo := func(id string, count int) {
		j := mustJob(t, s, id)
		last := j.NextAt.Add(time.Duration(count-1) * tenMinutes)
		c := firing(Timer{Job: j.ID, Version: 1, NextAt: j.NextAt}, last.Add(tenMinutes))
		c.Cursor, c.Rows[0].ScheduledUntil, c.Rows[0].Count, c.Rows[0].Status = last, last, count, Missed
		if held, err := claimAll(s, c); err != nil || !held[0] {
			t.Fatal(held, err)
		}
	}
	rangeTo("a", 4) // up to 12:40
	rangeTo("b", 8) // up to 13:20: the clock has been set back since
	rangeTo("c", 4)
	var c agedCursor
	live(t, s, now, noon.Add(100*time.Minute), "a", "b", "c")
	passByAge(t, s, *now, &c, 0) // made too late
	live(t, s, now, noon.Add(110*time.Minute), "a", "b", "c")
	passByAge(t, s, *now, &c, 2)
	passOverJobs(t, s, *now, 0)
	wantRows(t, s, map[string]int{"a": 7, "b": 1 + 3, "c": 7})
	wantPruned(t, s, "a", noon.Add(40*time.Minute))
	wantPruned(t, s, "b", 0)
	wantPruned(t, s, "c", noon.Add(40*time.Minute))
	live(t, s, now, noon.Add(140*time.Minute), "a", "b", "c")
	passByAge(t, s, *now, &c, 3+3)
	passOverJobs(t, s, *now, 1)
	wantRows(t, s, map[string]int{"a": 7, "b": 6, "c": 7})
	wantPruned(t, s, "b", noon.Add(80*time.Minute))
}

// TestAgedGoesOn: a pass begins where the one before ended, beyond any number of rows that stay, and knows when it is due.
func TestAgedGoesOn(t *testing.T) {
	s, now := ageing(t, "a")
	ever := keeping(0)
	ever.Interval = []byte(`{"seconds":1}`)
	j := mustCreate(t, s, "ever", ever, 0)
	const many = agedRead + 100
	last := noon.Add(many * time.Second)
	claim := Claim{Job: j.ID, Version: 1, From: j.NextAt, Next: last.Add(time.Second), Cursor: last}
	for i := range many {
		claim.Rows = append(claim.Rows, &Run{Job: j.ID, Version: 1, Trigger: BySchedule, ScheduledAt: j.NextAt.Add(time.Duration(i) * time.Second), Status: Succeeded})
	}
	if held, err := claimAll(s, claim); err != nil || !held[0] {
		t.Fatal(held, err)
	}
	live(t, s, now, noon.Add(118*time.Minute), "a")
	var c agedCursor
	passAndLook := func(c *agedCursor, deleted int, after instant, due time.Duration) {
		t.Helper()
		passByAge(t, s, *now, c, deleted)
		if at := (agedRun{id: c.after}).created(); at != after || c.due.Sub(c.began) != due {
			t.Errorf("stands at %s and is due after %s, want %s and %s", orNever(at), c.due.Sub(c.began), orNever(after), due)
		}
	}
	passAndLook(&c, 5, noon.Add(50*time.Minute), 2*time.Minute)
	passAndLook(&c, 0, noon.Add(50*time.Minute), 2*time.Minute)
	live(t, s, now, noon.Add(128*time.Minute), "a")
	passAndLook(&c, 1, noon.Add(time.Hour), 2*time.Minute)
	live(t, s, now, noon.Add(130*time.Minute), "a")
	passAndLook(&c, 0, noon.Add(time.Hour), agedLeast) // the row of 13:10 is as old as the limit
	passAndLook(&agedCursor{}, 0, noon, agedLeast)     // as after a restart: once more past those that stay
	passOverJobs(t, s, *now, 0)
	wantRows(t, s, map[string]int{"a": 7, "ever": many})
}

// TestAgedJobChanges: between the look and the deletion the definition of a job changes. Its rows stay, and so does its ledger;
// a pause or a deletion changes nothing. The pass over the jobs takes what does not stay.
func TestAgedJobChanges(t *testing.T) {
	ids := []string{"limited", "same", "edited", "paused", "gone"}
	s, now := ageing(t, ids...)
	live(t, s, now, noon.Add(4*time.Hour), ids...)
	var c agedCursor
	runs, last, err := s.agedRuns(t.Context(), &c, now.Add(-time.Hour))
	if err != nil || len(runs) != 5*17 || last != runs[len(runs)-1].id {
		t.Fatal(len(runs), last, err)
	}
	edited := everySeconds(600)
	edited.Description = "new"
	redefine(t, s, "edited", edited)
	redefine(t, s, "limited", keeping(3*3600))
	if _, err := s.PauseJob(t.Context(), "paused", "", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteJob(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if done, deleted := pruneLooked(t, s, runs, &c, time.Now().Add(time.Hour)); done != len(runs) || deleted != 3*17 {
		t.Errorf("done with %d of %d, %d are gone", done, len(runs), deleted)
	}
	checkLedger(t, s, *now)
	c.after = last
	wantRows(t, s, map[string]int{"same": 7, "paused": 7, "gone": 7, "edited": 24, "limited": 24})
	wantPruned(t, s, "same", noon.Add(170*time.Minute))
	wantPruned(t, s, "edited", 0)
	wantPruned(t, s, "limited", 0)
	if len(c.jobs) != 3 {
		t.Errorf("%v are remembered", c.jobs)
	}
	passByAge(t, s, *now, &c, 0)
	passOverJobs(t, s, *now, 17+5)
	live(t, s, now, noon.Add(5*time.Hour), "limited", "same", "edited")
	redefine(t, s, "same", keeping(3*3600)) // between two passes: it is remembered
	passByAge(t, s, *now, &c, 3*6)
	wantRows(t, s, map[string]int{"same": 13, "paused": 1, "gone": 1, "edited": 7, "limited": 25})
}

// TestAgedVersionsAndPauses: what the plan was stays until the pass over the jobs finds that no row needs it.
func TestAgedVersionsAndPauses(t *testing.T) {
	s, now := ageing(t, "a", "b")
	live(t, s, now, noon.Add(55*time.Minute), "a", "b")
	*now = noon.Add(time.Hour)
	open := fire(t, s, Running, "b")
	live(t, s, now, noon.Add(65*time.Minute), "a", "b")
	if _, err := s.PauseJob(t.Context(), "a", "", 0); err != nil {
		t.Fatal(err)
	}
	*now = noon.Add(95 * time.Minute)
	if _, err := s.ResumeJob(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	live(t, s, now, noon.Add(125*time.Minute), "a", "b")
	next := everySeconds(600)
	next.Description = "next"
	redefine(t, s, "a", next)
	redefine(t, s, "b", next)
	want := func(versions, pauses int) {
		t.Helper()
		var v, p int
		if err := s.read.QueryRow("SELECT (SELECT count(*) FROM versions), (SELECT count(*) FROM pauses)").Scan(&v, &p); err != nil || v != versions || p != pauses {
			t.Errorf("%d former versions and %d pauses, want %d and %d (%v)", v, p, versions, pauses, err)
		}
	}
	live(t, s, now, noon.Add(295*time.Minute), "a", "b")
	passByAge(t, s, *now, &agedCursor{}, 20+22)
	wantRows(t, s, map[string]int{"a": 6, "b": 1 + 6})
	want(2, 1)
	passOverJobs(t, s, *now, 0)
	want(1, 0)
	if _, d, err := s.Definition(t.Context(), open.Job, 1); err != nil || d.Description != "" {
		t.Errorf("the definition of an open run: %+v, %v", d, err)
	}
	if !finishOne(s, ended(open.ID, open.Job, 1, Succeeded)) {
		t.Fatal("not accepted")
	}
	passOverJobs(t, s, *now, 1)
	want(0, 0)
}

// TestAgedNewest: the newest run of all stays, however old: keys are given out above it. Nobody waits for it to go.
func TestAgedNewest(t *testing.T) {
	s, now := ageing(t, "a")
	live(t, s, now, noon.Add(time.Hour), "a")
	*now = noon.Add(8 * time.Hour)
	var c agedCursor
	passByAge(t, s, *now, &c, 5)
	passOverJobs(t, s, *now, 0)
	if left := runsOf(t, s, "a"); len(left) != 1 || left[0].ID != s.lastRun {
		t.Errorf("left: %+v, the last key given out is %d", left, s.lastRun)
	}
	if due := c.due.Sub(c.began); due != sweepEvery {
		t.Errorf("with nothing to delete it looks again after %s", due)
	}
	fire(t, s, Succeeded, "a")
	passByAge(t, s, *now, &c, 1)
	passOverJobs(t, s, *now, 0)
}

// TestAgedSteps: one step is small, whatever there is to delete.
func TestAgedSteps(t *testing.T) {
	s, now := ageing(t, "a")
	live(t, s, now, noon.Add(6*time.Hour), "a")
	var c agedCursor
	runs, _, err := s.agedRuns(t.Context(), &c, now.Add(-time.Hour))
	if err != nil || len(runs) != 29 {
		t.Fatal(len(runs), err)
	}
	done, deleted := pruneLooked(t, s, runs, &c, time.Now()) // the least: up to the first look at the clock
	if done != sweepBatch || deleted != sweepBatch {
		t.Errorf("done with %d, deleted %d", done, deleted)
	}
	checkLedger(t, s, *now)
	passByAge(t, s, *now, &c, 29-sweepBatch)
}
