package main

import (
	"errors"
	"testing"
	"time"
)

// clock gives s a clock that the test moves. Nothing is queued yet, so the writer has not looked at it.
func clock(s *Store, now *instant) { s.now = func() instant { return *now } }

var noon = instantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// runsOf gives a job's rows, the oldest first.
func runsOf(t *testing.T, s *Store, jobID string) (runs []*Run) {
	t.Helper()
	page, _, err := s.Runs(t.Context(), RunFilter{JobID: jobID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range page {
		runs = append([]*Run{v.Run}, runs...)
	}
	return runs
}

func TestCreate(t *testing.T) {
	s := openTest(t)
	now := noon.Add(500 * time.Millisecond)
	clock(s, &now)
	a := mustCreate(t, s, "a", everySeconds(10), 0)
	if a.EffectiveAt != now || a.NextAt != now.Add(10*time.Second) || a.AnchorAt != now || a.State != StateScheduled {
		t.Errorf("%+v", a)
	}
	if _, _, err := s.CreateJob(t.Context(), NewJob{JobID: "a", Definition: everySeconds(10)}); !errors.Is(err, errExists) {
		t.Errorf("a taken name: %v", err)
	}
	now = now.Add(3 * time.Second)
	same, created, err := s.CreateJob(t.Context(), NewJob{JobID: "a", Definition: everySeconds(10), Replace: true})
	if err != nil || created || same.Version != 1 || same.NextAt != a.NextAt {
		t.Errorf("the same again: %+v, %v", same, err)
	}
	other, created, err := s.CreateJob(t.Context(), NewJob{JobID: "a", Definition: everySeconds(20), Replace: true})
	if err != nil || created || other.ID != a.ID || other.Version != 2 || other.NextAt != now.Add(20*time.Second) || other.EffectiveAt != now {
		t.Errorf("replaced: %+v, %v", other, err)
	}
	if _, err := s.PauseJob(t.Context(), "a", "", 0); err != nil {
		t.Fatal(err)
	}
	if j, _, err := s.CreateJob(t.Context(), NewJob{JobID: "a", Definition: everySeconds(20), Replace: true}); err != nil || j.State != StateScheduled || j.NextAt == 0 {
		t.Errorf("replace must end the pause: %+v, %v", j, err)
	}
}

func TestCreateDateInThisSecond(t *testing.T) {
	s := openTest(t)
	now := noon.Add(900 * time.Millisecond)
	clock(s, &now)
	d := &Definition{ScheduleType: "date", RunAt: []byte(`"2026-03-01T12:00:00Z"`), Timezone: "UTC", TargetURL: "http://x.test/"}
	j := mustCreate(t, s, "a", d, 0)
	if j.NextAt != noon || j.EffectiveAt != noon-1 {
		t.Fatalf("%+v", j)
	}
	checkTimers(t, s, now)
	if held, err := claimAll(s, firing(Timer{Job: j.ID, Version: 1, NextAt: j.NextAt}, 0)); err != nil || !held[0] {
		t.Fatal(held, err)
	}
	if j, err := s.Job(t.Context(), "a"); err != nil || j.State != StateScheduled {
		t.Fatalf("its run is out: %+v, %v", j, err)
	}
	if !finishOne(s, ended(runsOf(t, s, "a")[0].ID, j.ID, 1, Succeeded)) {
		t.Fatal("not accepted")
	}
	if j, err := s.Job(t.Context(), "a"); err != nil || j.State != StateCompleted || j.LastStatus != Succeeded || j.Counts[Succeeded] != 1 {
		t.Fatalf("completed: %+v, %v", j, err)
	}
	now = now.Add(time.Minute)
	d.RunAt = []byte(`"2026-03-01T12:05:00Z"`)
	again, created, err := s.CreateJob(t.Context(), NewJob{JobID: "a", Definition: d}) // without replace_existing
	if err != nil || created || again.ID != j.ID || again.Version != 2 || again.NextAt != noon.Add(5*time.Minute) {
		t.Fatalf("a completed job's name: %+v, %v", again, err)
	}
	checkTimers(t, s, now)
}

// checkTimers is the ledger's check where nothing need be planned yet.
func checkTimers(t *testing.T, s *Store, now instant) {
	t.Helper()
	sum, err := compareLedger(t.Context(), s, ledgerWindow{To: now}, now)
	if err != nil || len(sum.Differences) > 0 {
		t.Fatalf("%+v, %v", sum.Differences, err)
	}
}

// TestEditSettles: what was due before an edit keeps its row and its version, and the new plan begins where the old one ends.
func TestEditSettles(t *testing.T) {
	s := openTest(t)
	now := noon
	clock(s, &now)
	mustCreate(t, s, "a", everySeconds(10), 0)
	now = noon.Add(35 * time.Second) // the loop has been away: 10, 20 and 30 are due
	j, err := s.UpdateJob(t.Context(), "a", func(*Job) (*Definition, error) { return everySeconds(60), nil })
	if err != nil || j.Version != 2 || j.EffectiveAt != now || j.NextAt != now.Add(time.Minute) || j.Counts[Coalesced] != 2 {
		t.Fatalf("%+v, %v", j, err)
	}
	runs := runsOf(t, s, "a")
	if len(runs) != 2 || runs[0].Status != Coalesced || runs[0].Count != 2 || runs[1].Status != Pending || runs[1].Version != 1 || runs[1].ScheduledAt != noon.Add(30*time.Second) {
		t.Fatalf("%+v", runs)
	}
	if list, err := s.Versions(t.Context(), "a"); err != nil || len(list) != 2 || list[0].Version != 2 || list[1].UntilAt != now {
		t.Fatalf("%+v, %v", list, err)
	}
	refusal := errors.New("no")
	if _, err := s.UpdateJob(t.Context(), "a", func(*Job) (*Definition, error) { return nil, refusal }); !errors.Is(err, refusal) {
		t.Errorf("a refused edit: %v", err)
	}
	if _, err := s.UpdateJob(t.Context(), "none", nil); !errors.Is(err, errNotFound) {
		t.Errorf("no such job: %v", err)
	}
	checkTimers(t, s, now)
}

// TestPauseDropsLate: a resume ends what the pause has held beyond the grace, and lets the rest go on.
func TestPauseDropsLate(t *testing.T) {
	s := openTest(t)
	now := noon
	clock(s, &now)
	d := everySeconds(10)
	no := false
	d.Coalesce, d.Overlap = &no, "queue"
	a := mustCreate(t, s, "a", d, 0)
	now = noon.Add(25 * time.Second)
	if _, err := s.PauseJob(t.Context(), "a", "maintenance", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	byHand, err := s.RunNow(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.Job(t.Context(), "a")
	if err != nil || j.State != StatePaused || j.PauseReason != "maintenance" || j.PauseUntil != noon.Add(time.Hour) || j.PausedAt != now {
		t.Fatalf("%+v, %v", j, err)
	}
	now = noon.Add(time.Hour + 3*time.Second)
	if err := s.Resume(t.Context(), a.ID, now); err != nil {
		t.Fatal(err)
	}
	for _, r := range runsOf(t, s, "a") {
		if r.ID == byHand.ID && r.Status != Pending || r.ID != byHand.ID && (r.Status != Missed || r.Reason != ReasonMisfire) {
			t.Errorf("%+v", r)
		}
	}
	if j, err = s.Job(t.Context(), "a"); err != nil || j.Counts[Missed] != 2 || j.NextAt != noon.Add(time.Hour+10*time.Second) {
		t.Errorf("the plan goes on where the pause was to end: %+v, %v", j, err)
	}
	checkTimers(t, s, now)
}

func TestDelete(t *testing.T) {
	s := openTest(t)
	now := noon
	clock(s, &now)
	var woken []int64
	s.changed = func(job int64) { woken = append(woken, job) }
	a := mustCreate(t, s, "a", everySeconds(10), 0)
	run, err := s.RunNow(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	now = noon.Add(11 * time.Second)
	j, err := s.DeleteJob(t.Context(), "a")
	if err != nil || j.DeletedAt != now {
		t.Fatal(j, err)
	}
	if r, err := s.Run(t.Context(), run.ID); err != nil || r.Status != Canceled || r.Reason != ReasonDeleted || r.JobID != "a" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.Job(t.Context(), "a"); !errors.Is(err, errNotFound) {
		t.Error(err)
	}
	if _, err := s.DeleteJob(t.Context(), "a"); !errors.Is(err, errNotFound) {
		t.Error(err)
	}
	if _, err := s.RerunRun(t.Context(), run.ID); !errors.Is(err, errNotFound) {
		t.Error(err)
	}
	if len(woken) < 3 || woken[0] != a.ID {
		t.Errorf("the loop was woken for %v", woken)
	}
	checkLedger(t, s, now)
}

func TestCancelAndRerun(t *testing.T) {
	s := openTest(t)
	a := mustCreate(t, s, "a", everySeconds(3600), 0)
	run, err := s.RunNow(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RerunRun(t.Context(), run.ID); !errors.Is(err, errConflict) {
		t.Errorf("rerun of an open run: %v", err)
	}
	if r, err := s.CancelRun(t.Context(), run.ID); err != nil || r.Status != Canceled {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.CancelRun(t.Context(), run.ID); !errors.Is(err, errConflict) {
		t.Errorf("cancel twice: %v", err)
	}
	if _, err := s.CancelRun(t.Context(), 5); !errors.Is(err, errNotFound) {
		t.Errorf("cancel of nothing: %v", err)
	}
	again, err := s.RerunRun(t.Context(), run.ID)
	if err != nil || again.Trigger != ByRerun || again.ScheduledAt != run.ScheduledAt || again.ID <= run.ID {
		t.Fatalf("%+v, %v", again, err)
	}
	if held, err := claimAll(s, Claim{Job: a.ID, Version: 1, Starts: []Start{{Run: again.ID}}}); err != nil || !held[0] {
		t.Fatal(held, err)
	}
	if r, err := s.CancelRun(t.Context(), again.ID); err != nil || r.Status != Running {
		t.Errorf("a call that is out is the executor's: %+v, %v", r, err)
	}
	last := a.NextAt.Add(2 * time.Hour)
	missed := &Run{Job: a.ID, Version: 1, Trigger: BySchedule, ScheduledAt: a.NextAt, ScheduledUntil: last, Count: 3, Status: Missed}
	if held, err := claimAll(s, Claim{Job: a.ID, Version: 1, From: a.NextAt, Next: last.Add(time.Hour), Cursor: last, Rows: []*Run{missed}}); err != nil || !held[0] {
		t.Fatal(held, err)
	}
	if _, err := s.RerunRun(t.Context(), missed.ID); !errors.Is(err, errConflict) {
		t.Errorf("rerun of a range: %v", err)
	}
}

func TestBackfill(t *testing.T) {
	s := openTest(t)
	now := noon
	clock(s, &now)
	mustCreate(t, s, "a", everySeconds(10), 0)
	now = noon.Add(65 * time.Second)
	if _, err := s.UpdateJob(t.Context(), "a", func(j *Job) (*Definition, error) { d := *j.Definition; d.Name = "settles"; return &d, nil }); err != nil {
		t.Fatal(err)
	}
	all := BackfillRequest{From: noon, To: noon.Add(time.Hour), All: true, DryRun: true}
	if runs, err := s.Backfill(t.Context(), "a", all); err != nil || len(runs) != 6 || runs[0].ScheduledAt != noon.Add(10*time.Second) || runs[0].ID != 0 {
		t.Fatalf("dry run of all: %d, %v", len(runs), err)
	}
	missed := BackfillRequest{From: noon, To: noon.Add(time.Hour)}
	runs, err := s.Backfill(t.Context(), "a", missed)
	if err != nil || len(runs) != 5 { // the sixth waits as pending
		t.Fatalf("missed: %d, %v", len(runs), err)
	}
	for _, r := range runs {
		if r.ID == 0 || r.Trigger != ByBackfill || r.Status != Pending || r.DueAt != now || r.Version != 2 {
			t.Errorf("%+v", r)
		}
	}
	if runs, err := s.Backfill(t.Context(), "a", missed); err != nil || len(runs) != 0 {
		t.Errorf("twice: %d, %v", len(runs), err)
	}
	for _, far := range []BackfillRequest{{From: noon.Add(-30 * 24 * time.Hour), To: now, All: true}, {From: 1, To: now}} {
		mustCreate(t, s, "cron"+far.From.Time().String(), &Definition{ScheduleType: "cron", Cron: []byte(`{"second":"*"}`), Timezone: "UTC", TargetURL: "http://x.test"}, 0)
		if _, err := s.Backfill(t.Context(), "cron"+far.From.Time().String(), far); !errors.Is(err, errTooMany) {
			t.Errorf("a month of seconds: %v", err)
		}
	}
	checkLedger(t, s, now)
}
