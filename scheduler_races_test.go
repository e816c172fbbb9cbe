package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestNoGraceIsStillCalled: no timer is exact to the microsecond and slots may be taken for a moment; a job that allows no
// lateness is called all the same, and so is its retry.
func TestNoGraceIsStillCalled(t *testing.T) {
	inBubble(t, 400*time.Millisecond, func(r *loopRig, t0 time.Time) {
		r.restartWith(func(s *Settings) { s.MaxConcurrent = 1 })
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.create("b", `{"schedule_type":"cron","cron":{"second":"*/10"},"misfire_grace_time":0}`)
		r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
			if d.Job == 2 && d.Attempt == 1 {
				return 400 * time.Millisecond, Retrying // in 30 s, when a's call is out
			}
			return 400 * time.Millisecond, Succeeded
		})
		r.sleep(12 * time.Second)
		r.do(r.store.PauseJob(r.t.Context(), "b", "", 0))
		r.expect("calls", r.calls(t0), "10 10.4")
		r.do(r.store.ResumeJob(r.t.Context(), "b"))
		r.patch("b", `{"cron":{"year":2030}}`)
		r.sleep(40 * time.Second)
		r.expect("its retry", r.rows("b", t0), "succeeded 10")
	})
}

// TestCancelWinsOverRetry: whoever cancels a run, or replaces it, in the very moment in which its call fails by itself, does not
// see it tried again. The same after a crash.
func TestCancelWinsOverRetry(t *testing.T) {
	for _, c := range []struct{ what, fields, rows string }{
		{"canceled", ``, "canceled 10 canceled_by_user; succeeded 20"},
		{"replaced", `,"overlap":"replace"`, "canceled 10 replaced; succeeded 15"},
	} {
		inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
			r.target.deaf = true
			r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
				if d.ScheduledAt == instantOf(t0.Add(10*time.Second)) {
					return 6 * time.Second, Retrying
				}
				return time.Second, Succeeded
			})
			if c.fields == "" {
				r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}}`)
			} else {
				r.create("a", `{"schedule_type":"cron","cron":{"second":"10,15"}`+c.fields+`}`)
			}
			r.sleep(12 * time.Second)
			if c.fields == "" {
				page, _, err := r.store.Runs(r.t.Context(), RunFilter{JobID: "a", Limit: 1})
				r.do(page, err)
				run, err := r.store.CancelRun(r.t.Context(), page[0].ID)
				r.do(run, err)
				if run.Status != Running || run.JobID != "a" {
					t.Errorf("cancel of a running run gives %+v", run)
				}
				r.sched.Cancel(run.ID)
			}
			r.sleep(43 * time.Second)
			got := r.rows("a", t0)
			if !strings.HasPrefix(got, c.rows) {
				t.Errorf("%s: got %s, want %s", c.what, got, c.rows)
			}
			r.verify()
		})
	}
}

// TestResumeGrantsFailuresAgain: a job that was paused after N failures and is resumed is paused after N more, not after one.
func TestResumeGrantsFailuresAgain(t *testing.T) {
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		r.target.setAnswer(func(Dispatch) (time.Duration, Status) { return time.Second, Failed })
		r.target.pauseAfter = 3
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10},"pause_after_failures":3}`)
		r.sleep(60 * time.Second)
		r.do(r.store.ResumeJob(r.t.Context(), "a"))
		r.sleep(60 * time.Second)
		r.expect("rows", r.rows("a", t0), "failed 10; failed 20; failed 30; failed 70; failed 80; failed 90")
		r.verify()
	})
}

// TestBackfillGivesWay: a backfill that takes hours does not cost the plan its firings, whatever the overlap rule; they go before
// what is left of it.
func TestBackfillGivesWay(t *testing.T) {
	for _, overlap := range []string{"skip", "queue", "replace"} {
		inBubble(t, 7*time.Second, func(r *loopRig, t0 time.Time) {
			r.create("a", fmt.Sprintf(`{"schedule_type":"interval","interval":{"seconds":20},"overlap":%q}`, overlap))
			r.do(r.store.PauseJob(r.t.Context(), "a", "", 0))
			r.sleep(110 * time.Second)
			r.do(r.store.ResumeJob(r.t.Context(), "a"))
			runs, err := r.store.Backfill(r.t.Context(), "a", BackfillRequest{From: instantOf(t0), To: instantOf(t0.Add(100 * time.Second))})
			r.do(runs, err)
			if len(runs) != 5 {
				t.Fatalf("%d runs", len(runs))
			}
			r.sleep(60 * time.Second)
			r.expect(overlap, r.calls(t0), "110 117 124 131 138 145 152 160")
			r.expect(overlap, r.rows("a", t0), "succeeded 20; succeeded 40; succeeded 60; succeeded 80; succeeded 100; succeeded 120; succeeded 140; succeeded 160")
			r.verify()
		})
	}
}

// countClaims is a ledger that counts the claims that go through it.
type countClaims struct {
	ledger
	n *atomic.Int64
}

func (c countClaims) Claim(claims []Claim, done func([]bool, error)) {
	c.n.Add(int64(len(claims)))
	c.ledger.Claim(claims, done)
}

// TestRefusedClaimDoesNotSpin: a claim that the database keeps refusing (here somebody else has written the row of the firing) is
// tried now and then, not as fast as the disk allows; the other jobs go on.
func TestRefusedClaimDoesNotSpin(t *testing.T) {
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		r.stop()
		var claims atomic.Int64
		r.wrap = func(l ledger) ledger { return countClaims{l, &claims} }
		r.start()
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.create("b", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.do(nil, r.store.change(context.Background(), func(t *tx) error {
			return t.insertRun(&Run{Job: 1, Version: 1, Trigger: BySchedule, Status: Succeeded, ScheduledAt: instantOf(t0.Add(10 * time.Second))})
		}))
		r.sleep(39 * time.Second)
		if n := claims.Load(); n > 150 {
			t.Errorf("%d claims", n)
		}
		r.expect("the other job", r.rows("b", t0), "succeeded 10; succeeded 20; succeeded 30")
	})
}

// TestParkedJobIsTakenUpAgain: a job whose schedule can't be read (its zone has gone from the zone data) is parked. A call that a
// crash cut off ends all the same, and once the job is edited it goes on.
func TestParkedJobIsTakenUpAgain(t *testing.T) {
	inBubble(t, time.Hour, func(r *loopRig, t0 time.Time) {
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.create("b", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.sleep(12 * time.Second)
		r.do(nil, r.store.change(context.Background(), func(t *tx) error {
			_, err := t.exec(`UPDATE jobs SET schedule = replace(schedule, 'UTC', 'Mars/Olympus') WHERE job_id = 'a'`)
			return err
		}))
		r.crash()
		r.target.setAnswer(func(Dispatch) (time.Duration, Status) { return time.Second, Succeeded })
		r.start()
		r.sleep(10 * time.Second)
		r.expect("the run that was cut off", r.rows("a", t0), "interrupted 10 crash")
		r.expect("the other job", r.rows("b", t0), "interrupted 10 crash; succeeded 20")
		r.patch("a", `{"interval":{"seconds":5}}`)
		r.sleep(11 * time.Second)
		r.expect("after the edit", r.rows("a", t0), "interrupted 10 crash; succeeded 27; succeeded 32")
	})
}
