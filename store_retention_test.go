package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// livedJob makes a job that fired every 10 s for n times from its creation, all succeeded, with the clock at now afterwards.
func livedJob(t *testing.T, s *Store, now *instant, jobID string, d *Definition, n int) *Job {
	t.Helper()
	j := mustCreate(t, s, jobID, d, 0)
	next := j.NextAt
	var claims []Claim
	for range n {
		claims = append(claims, firing(Timer{Job: j.ID, Version: 1, NextAt: next}, next.Add(10*time.Second)))
		next = next.Add(10 * time.Second)
	}
	if held, err := claimAll(s, claims...); err != nil || !held[n-1] {
		t.Fatal(err)
	}
	for _, c := range claims {
		if !finishOne(s, ended(c.Rows[0].ID, j.ID, 1, Succeeded)) {
			t.Fatal("not accepted")
		}
	}
	*now = max(*now, next-1)
	return j
}

func TestRetention(t *testing.T) {
	now := noon
	s := openTestAt(t, filepath.Join(t.TempDir(), "jobs.db"), storeOptions{KeepRuns: 50})
	clock(s, &now)
	few, long := everySeconds(10), everySeconds(10)
	five, hour := 5, 900.0
	few.KeepRuns = &five
	long.KeepRuns, long.KeepRunsSec = new(int), &hour
	livedJob(t, s, &now, "global", everySeconds(10), 120)
	now = noon
	livedJob(t, s, &now, "few", few, 120)
	now = noon
	livedJob(t, s, &now, "long", long, 120)
	now = noon
	gone := livedJob(t, s, &now, "gone", func() *Definition { d := everySeconds(10); d.KeepRunsSec = &hour; return d }(), 60)
	now = noon.Add(1205 * time.Second)
	if _, err := s.PauseJob(t.Context(), "few", "", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ResumeJob(t.Context(), "few"); err != nil {
		t.Fatal(err)
	}
	waiting, err := s.RunNow(t.Context(), "few")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteJob(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	deleted, err := s.sweep(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, id := range []string{"global", "few", "long"} {
		counts[id] = len(runsOf(t, s, id))
	}
	if counts["global"] != 50 || counts["few"] != 5 || counts["long"] != 90 {
		t.Errorf("kept %v after deleting %d", counts, deleted)
	}
	if j, err := s.Job(t.Context(), "few"); err != nil || j.Counts[Succeeded] != 120 || j.pruned == 0 {
		t.Errorf("counters must survive: %+v, %v", j, err)
	}
	checkLedger(t, s, now)
	now = now.Add(20 * time.Minute) // the age limit of "long" has passed for all of its rows
	for _, id := range []string{"global", "few", "long"} {
		if _, err := s.PauseJob(t.Context(), id, "", 0); err != nil { // settles
			t.Fatal(err)
		}
	}
	if _, err := s.sweep(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Run(t.Context(), waiting.ID); err != nil || r.Status != Pending {
		t.Errorf("an open run was deleted: %v", err)
	}
	checkLedger(t, s, now)
	if n := len(runsOf(t, s, "long")); n > 20 {
		t.Errorf("%d old rows stay", n)
	}
	now = now.Add(48 * time.Hour)
	for range 2 { // the rows first, then the job
		if _, err := s.sweep(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	var left int
	if err := s.read.QueryRow("SELECT (SELECT count(*) FROM jobs WHERE id = ?1) + (SELECT count(*) FROM timers WHERE job = ?1) + (SELECT count(*) FROM pauses WHERE job = ?1)", gone.ID).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows of a job deleted long ago (%v)", left, err)
	}
	if again := mustCreate(t, s, "gone", everySeconds(10), 0); again.ID == gone.ID {
		t.Error("its key was used again")
	}
}

// TestRetentionKeepsKeysUnique: with all history gone, after a restart with the clock set back, no run's key comes twice.
func TestRetentionKeepsKeysUnique(t *testing.T) {
	path := t.TempDir() + "/jobs.db"
	now := noon
	s := openTestAt(t, path, storeOptions{KeepPeriod: time.Second})
	clock(s, &now)
	livedJob(t, s, &now, "a", everySeconds(10), 150)
	last := s.lastRun
	now = now.Add(time.Hour)
	if _, err := s.sweep(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	closeTest(t, s)
	s = openTestAt(t, path, storeOptions{})
	now = noon.Add(-time.Hour)
	clock(s, &now)
	if r, err := s.RunNow(t.Context(), "a"); err != nil || r.ID <= last {
		t.Errorf("key %d after %d, %v", r.ID, last, err)
	}
}

// TestRetentionSteps: one step is small, whatever there is to delete.
func TestRetentionSteps(t *testing.T) {
	now := noon
	s := openTestAt(t, filepath.Join(t.TempDir(), "jobs.db"), storeOptions{KeepRuns: 1})
	clock(s, &now)
	for i := range 3 {
		now = noon
		livedJob(t, s, &now, fmt.Sprint(i), everySeconds(10), 90)
	}
	work, _, err := s.prunable(t.Context(), 0, now)
	if err != nil || len(work) != 3 {
		t.Fatal(work, err)
	}
	done, rows, _, err := s.pruneStep(t.Context(), work, 0) // the least: up to the first look at the clock
	if err != nil || rows != sweepBatch || done != 0 {
		t.Errorf("one step: %d jobs, %d rows, %v", done, rows, err)
	}
}
