package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandomLife lets a few jobs live through random edits, pauses, deletions, runs, retention and crashes of the loop, under a
// clock of its own, and has the ledger's check compare every plan with the rows: nothing may be missing, and nothing extra.
func TestRandomLife(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomLife(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func randomLife(t *testing.T, random *rand.Rand) {
	s := openTest(t)
	now := instantOf(time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC))
	s.now = func() instant { return now } // nothing is queued yet: the writer has not read it
	definition := func() *Definition {
		d := everySeconds(1 + random.IntN(20))
		switch random.IntN(4) {
		case 0:
			d.ScheduleType, d.Interval, d.Cron = "cron", nil, []byte(`{"second":"*/7","jitter":5}`)
		case 1:
			d.ScheduleType, d.Interval, d.RunAt = "date", nil, []byte(fmt.Sprintf("%q", now.Add(time.Duration(random.IntN(30)-1)*time.Second/4).Time().Format(time.RFC3339Nano)))
		}
		d.Overlap = []string{"", "skip", "queue", "replace"}[random.IntN(4)]
		if random.IntN(2) == 0 {
			no := false
			d.Coalesce = &no
		}
		if random.IntN(3) == 0 {
			d.MisfireGraceTime = Grace{Given: true, Sec: float64(random.IntN(20))}
		}
		return d
	}
	for step := range 400 {
		now = now.Add(time.Duration(random.Int64N(int64(6 * time.Second))))
		if random.IntN(40) == 0 {
			now = now.Add(-2 * time.Second) // the clock goes back
		}
		if random.IntN(60) == 0 {
			now = now.Add(10 * time.Minute) // suspended
		}
		id := fmt.Sprint("job", random.IntN(4))
		var err error
		switch random.IntN(12) {
		case 0, 1:
			_, _, err = s.CreateJob(t.Context(), NewJob{JobID: id, Definition: definition(), Replace: random.IntN(2) == 0})
		case 2:
			_, err = s.UpdateJob(t.Context(), id, func(*Job) (*Definition, error) { return definition(), nil })
		case 3:
			_, err = s.PauseJob(t.Context(), id, "", []instant{0, now.Add(10 * time.Second)}[random.IntN(2)])
		case 4:
			_, err = s.ResumeJob(t.Context(), id)
		case 5:
			if random.IntN(3) == 0 {
				_, err = s.DeleteJob(t.Context(), id)
			}
		case 6:
			_, err = s.RunNow(t.Context(), id)
		case 7:
			_, err = s.Backfill(t.Context(), id, BackfillRequest{From: now.Add(-time.Minute), To: now, All: random.IntN(2) == 0})
		case 8:
			if random.IntN(5) == 0 {
				_, err = s.sweep(t.Context(), now.Add(-5*time.Minute))
			}
		default:
			loopOnce(t, s, now, random)
		}
		if err != nil && err.Error() != errNotFound.Error() && err.Error() != errExists.Error() {
			t.Fatalf("step %d: %v", step, err)
		}
		if step%50 == 49 {
			checkLedger(t, s, now)
		}
	}
	checkLedger(t, s, now)
}

// loopOnce does for every job what the timer loop does when it wakes, and ends some of the calls that are out.
func loopOnce(t *testing.T, s *Store, now instant, random *rand.Rand) {
	t.Helper()
	var timers []Timer
	if err := s.Timers(t.Context(), func(tm Timer) error { timers = append(timers, tm); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, tm := range timers {
		if tm.Paused && tm.PauseUntil != 0 && tm.PauseUntil <= now {
			if err := s.Resume(t.Context(), tm.Job, now); err != nil {
				t.Fatal(err)
			}
			continue
		}
		in := settleInput{Job: tm.Job, Version: tm.Version, NextAt: tm.NextAt, Now: now}
		for _, o := range tm.Open {
			switch {
			case o.Status == Running && random.IntN(2) == 0:
				f := ended(o.Run, tm.Job, o.Attempt, []Status{Succeeded, Failed, Interrupted, Retrying}[random.IntN(4)])
				f.DueAt, f.PauseAfter = now.Add(time.Second), 4
				if !finishOne(s, f) {
					t.Fatalf("the end of %+v is refused", o)
				}
			case o.Status != Running && random.IntN(2) == 0:
				held, err := claimAll(s, Claim{Job: tm.Job, Version: tm.Version, Starts: []Start{{Run: o.Run, Attempt: o.Attempt}}})
				fresh, _, _ := s.Timer(t.Context(), tm.Job)
				if err != nil || !held[0] && !fresh.Paused {
					t.Fatalf("start of %+v: %v %v", o, held, err)
				}
			}
			if o.Status == Pending {
				in.Waiting++
			} else {
				in.Active++
			}
		}
		fresh, ok, err := s.Timer(t.Context(), tm.Job) // a failure above may have paused it
		if err != nil {
			t.Fatal(err)
		}
		if !ok || fresh.NextAt == 0 || fresh.NextAt > now {
			continue
		}
		if in.Schedule, err = parseSchedule(tm.Schedule, tm.Anchor); err != nil {
			t.Fatal(err)
		}
		if in.Policy, err = parsePolicy(tm.Policy, testPolicy); err != nil {
			t.Fatal(err)
		}
		out, err := settle(in)
		if err != nil {
			t.Fatal(err)
		}
		if out.Cursor == 0 {
			continue // jitter
		}
		for _, r := range out.Rows {
			if r.Status == Running {
				r.Attempt, r.StartedAt = 1, now
			}
		}
		if held, err := claimAll(s, Claim{Job: tm.Job, Version: tm.Version, From: tm.NextAt, Next: out.Next, Cursor: out.Cursor, Rows: out.Rows}); err != nil || !held[0] {
			t.Fatalf("claim of job %d at %d: %v %v", tm.Job, tm.NextAt, held, err)
		}
	}
}

// checkLedger compares every plan with its rows, and the counters with the rows where nothing was deleted.
func checkLedger(t *testing.T, s *Store, now instant) {
	t.Helper()
	sum, err := compareLedger(t.Context(), s, ledgerWindow{To: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range sum.Differences {
		t.Errorf("%+v", d)
	}
	rows, err := s.read.Query(`SELECT j.job_id, r.status, sum(r.count), CASE r.status WHEN 'succeeded' THEN t.succeeded WHEN 'failed' THEN t.failed WHEN 'interrupted' THEN t.interrupted
		WHEN 'canceled' THEN t.canceled WHEN 'missed' THEN t.missed WHEN 'skipped' THEN t.skipped WHEN 'coalesced' THEN t.coalesced END AS counted, t.pruned_at
		FROM runs r JOIN timers t ON t.job = r.job JOIN jobs j ON j.id = r.job WHERE r.status NOT IN ('pending', 'running', 'retrying')
		GROUP BY r.job, r.status HAVING counted < sum(r.count) OR (t.pruned_at = 0 AND counted <> sum(r.count))`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, status string
		var there, counted, pruned int64
		if err := rows.Scan(&id, &status, &there, &counted, &pruned); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: %d firings %s, counted %d (pruned at %d)", id, there, status, counted, pruned)
	}
	if sum.Planned == 0 && !t.Failed() {
		t.Error("nothing was planned")
	}
	if t.Failed() {
		t.FailNow()
	}
}
