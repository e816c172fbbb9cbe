package main

import (
	"fmt"
	"testing"
	"time"
)

func TestFiresOnTime(t *testing.T) {
	inBubble(t, 200*time.Millisecond, func(r *loopRig, t0 time.Time) {
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.create("b", `{"schedule_type":"date","run_at":"2000-01-01T00:00:25"}`)
		r.create("c", `{"schedule_type":"cron","cron":{"second":"*/30"}}`)
		r.sleep(41 * time.Second)
		r.expect("calls", r.calls(t0), "10 20 25 30 30 40")
		r.expect("a", r.rows("a", t0), "succeeded 10; succeeded 20; succeeded 30; succeeded 40")
		job, err := r.store.Job(r.t.Context(), "b")
		if err != nil || job.State != StateCompleted {
			t.Errorf("a date job that has run: %+v %v", job, err)
		}
	})
}

// TestThousandJobs: nothing is lost and nothing waits when a thousand jobs fire in the same second, thirty times.
func TestThousandJobs(t *testing.T) {
	inBubble(t, time.Millisecond, func(r *loopRig, t0 time.Time) {
		for i := range 1000 {
			r.create(fmt.Sprintf("job%d", i), `{"schedule_type":"interval","interval":{"seconds":1,"start_date":"2000-01-01T00:01:00"}}`)
		}
		r.sleep(time.Minute + 29*time.Second + 500*time.Millisecond)
		if n := len(r.target.made()); n != 30_000 {
			t.Errorf("%d calls, want 30000", n)
		}
	})
}

func TestOverlap(t *testing.T) {
	const every = `{"schedule_type":"interval","interval":{"seconds":10},"overlap":"%s","max_instances":%d}`
	for _, c := range []struct {
		overlap   string
		instances int
		calls     string
		rows      string
	}{
		{"skip", 1, "10 40", "succeeded 10; skipped 20 max_instances; skipped 30 max_instances; running 40"},
		{"queue", 1, "10 35", "succeeded 10; running 20; pending 30 max_instances; pending 40 max_instances"},
		{"replace", 1, "10 20 30 40", "canceled 10 replaced; canceled 20 replaced; canceled 30 replaced; running 40"},
		{"skip", 2, "10 20 40", "succeeded 10; succeeded 20; skipped 30 max_instances; running 40"},
	} {
		inBubble(t, 25*time.Second, func(r *loopRig, t0 time.Time) {
			r.create("a", fmt.Sprintf(every, c.overlap, c.instances))
			r.sleep(49 * time.Second)
			r.expect(c.overlap+" calls", r.calls(t0), c.calls)
			r.expect(c.overlap, r.rows("a", t0), c.rows)
		})
	}
}

// TestRestart: what was missed while the server was down follows the job's catch-up settings.
func TestRestart(t *testing.T) {
	for _, c := range []struct{ fields, calls, rows string }{
		{``, "10 75 80", "succeeded 10; coalesced 20..60 x5 coalesced; succeeded 70; succeeded 80"},
		{`,"coalesce":false`, "10 75 75.1 75.2 75.3 75.4 75.5 80", "succeeded 10; succeeded 20; succeeded 30; succeeded 40; succeeded 50; succeeded 60; succeeded 70; succeeded 80"},
		{`,"coalesce":false,"catchup_limit":2`, "10 75 75.1 80", "succeeded 10; missed 20..50 x4 catchup_limit; succeeded 60; succeeded 70; succeeded 80"},
		{`,"misfire_grace_time":3`, "10 80", "succeeded 10; missed 20..70 x6 misfire_grace_time; succeeded 80"},
		{`,"misfire_grace_time":null`, "10 75 80", "succeeded 10; coalesced 20..60 x5 coalesced; succeeded 70; succeeded 80"},
	} {
		inBubble(t, 100*time.Millisecond, func(r *loopRig, t0 time.Time) {
			r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}`+c.fields+`}`)
			r.sleep(15 * time.Second)
			r.stop()
			r.sleep(60 * time.Second)
			r.start()
			r.sleep(6 * time.Second)
			r.expect(c.fields+" calls", r.calls(t0), c.calls)
			r.expect(c.fields, r.rows("a", t0), c.rows)
		})
	}
}

// TestLongGap: a month of missed seconds is counted beside the loop and becomes one row.
func TestLongGap(t *testing.T) {
	inBubble(t, 100*time.Millisecond, func(r *loopRig, t0 time.Time) {
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":1},"misfire_grace_time":0}`)
		r.create("b", `{"schedule_type":"interval","interval":{"seconds":600}}`)
		r.sleep(1500 * time.Millisecond)
		r.stop()
		r.sleep(200_000 * time.Second)
		r.start()
		r.sleep(time.Second)
		r.expect("a", r.rows("a", t0), "succeeded 1; coalesced 2..200000 x199999 coalesced; succeeded 200001; succeeded 200002")
		r.expect("b", r.rows("b", t0), "coalesced 600..199200 x332 coalesced; succeeded 199800")
	})
}

// TestRetriesWaitInTheHeap: a retry keeps its time over a restart, and one that is too late ends its run.
func TestRetriesWaitInTheHeap(t *testing.T) {
	for _, c := range []struct {
		down        time.Duration
		calls, rows string
	}{
		{0, "10 41*", "succeeded 10"},
		{20 * time.Second, "10 41*", "succeeded 10"},
		{60 * time.Second, "10 75*", "succeeded 10"},
		{400 * time.Second, "10", "failed 10 retry_expired"},
	} {
		inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
			r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
				if d.Attempt == 1 {
					return time.Second, Retrying
				}
				return time.Second, Succeeded
			})
			r.create("a", `{"schedule_type":"date","run_at":"2000-01-01T00:00:10"}`)
			r.sleep(15 * time.Second)
			if c.down > 0 {
				r.stop()
				r.sleep(c.down)
				r.start()
			}
			r.sleep(40 * time.Second)
			r.expect("calls", r.calls(t0), c.calls)
			r.expect("rows", r.rows("a", t0), c.rows)
		})
	}
}

// TestSlots: calls to a host that hangs wait for each other, not the calls to another; and the total is a limit too.
func TestSlots(t *testing.T) {
	inBubble(t, time.Hour, func(r *loopRig, t0 time.Time) {
		r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
			if d.host.name == "other.example:80" {
				return time.Millisecond, Succeeded
			}
			return 10 * time.Minute, Succeeded
		})
		for i := range 60 {
			r.create(fmt.Sprintf("slow%d", i), `{"target_url":"http://slow.example/","schedule_type":"date","run_at":"2000-01-01T00:00:10"}`)
		}
		r.create("fast", `{"target_url":"http://other.example/","schedule_type":"interval","interval":{"seconds":1}}`)
		r.sleep(30 * time.Second)
		slow, fast := 0, 0
		for _, c := range r.target.made() {
			if c.host.name == "other.example:80" {
				fast++
				if lag := c.at.Sub(c.DueAt); lag > 0 {
					t.Errorf("a call to the other host left %s late", lag)
				}
			} else {
				slow++
			}
		}
		if slow != 20 || fast != 30 {
			t.Errorf("%d calls to the slow host, %d to the other; want 20, 30", slow, fast)
		}
		r.sleep(10 * time.Minute)
		missed := 0
		for i := range 60 {
			if r.rows(fmt.Sprintf("slow%d", i), t0) == "missed 10 misfire_grace_time" {
				missed++
			}
		}
		if missed != 40 {
			r.t.Errorf("%d of the 40 that found no slot in time are missed", missed)
		}
	})
}

func TestTotalLimit(t *testing.T) {
	inBubble(t, 10*time.Second, func(r *loopRig, t0 time.Time) {
		r.restartWith(func(s *Settings) { s.MaxConcurrent = 5 })
		for i := range 12 {
			r.create(fmt.Sprintf("j%d", i), fmt.Sprintf(`{"target_url":"http://h%d.example/","schedule_type":"date","run_at":"2000-01-01T00:00:10"}`, i%3))
		}
		r.sleep(50 * time.Second)
		r.expect("calls", r.calls(t0), "10 10 10 10 10 20 20 20 20 20 30 30")
	})
}

// TestPause: nothing fires and nothing is made up for while paused; a retry is held back and goes on afterwards.
func TestPause(t *testing.T) {
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
			if d.ScheduledAt.Time().Equal(t0.Add(10 * time.Second)) {
				return time.Second, []Status{Retrying, Succeeded}[min(d.Attempt-1, 1)]
			}
			return time.Second, Succeeded
		})
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10},"max_instances":3}`)
		r.sleep(25 * time.Second)
		if _, err := r.store.PauseJob(r.t.Context(), "a", "maintenance", 0); err != nil {
			r.t.Fatal(err)
		}
		r.sleep(40 * time.Second)
		if _, err := r.store.ResumeJob(r.t.Context(), "a"); err != nil {
			r.t.Fatal(err)
		}
		r.sleep(10 * time.Second)
		r.expect("calls", r.calls(t0), "10 20 65* 70")
		if _, err := r.store.PauseJob(r.t.Context(), "a", "", instantOf(t0.Add(95*time.Second))); err != nil {
			r.t.Fatal(err)
		}
		r.sleep(26 * time.Second)
		r.expect("after a pause that ended by itself", r.calls(t0), "10 20 65* 70 100")
	})
}

// TestEdit: an edit loses no firing and doubles none, and what is called afterwards is the new definition.
func TestEdit(t *testing.T) {
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		r.create("a", `{"schedule_type":"cron","cron":{"second":"*/10"}}`)
		r.sleep(20 * time.Second) // the edit comes in the very instant of a firing
		for i := range 3 {
			_, err := r.store.UpdateJob(r.t.Context(), "a", func(j *Job) (*Definition, error) {
				d := *j.Definition
				d.TargetURL = fmt.Sprintf("http://a.example/%d", i)
				return &d, nil
			})
			if err != nil {
				r.t.Fatal(err)
			}
		}
		r.sleep(25 * time.Second)
		r.expect("calls", r.calls(t0), "10 20 30 40")
		for i, c := range r.target.made() {
			if want := []int{1, 1, 4, 4}[i]; c.Version != want {
				t.Errorf("call %d was made under version %d, want %d", i, c.Version, want)
			}
		}
	})
}

// TestStop: after the stop nothing starts, and a claim that was under way is not lost.
func TestStop(t *testing.T) {
	inBubble(t, 3*time.Second, func(r *loopRig, t0 time.Time) {
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":5}}`)
		r.sleep(6 * time.Second)
		r.stop()
		r.sleep(time.Minute)
		r.start()
		r.expect("rows", r.rows("a", t0)[:len("succeeded 5")], "succeeded 5")
		r.sleep(time.Second)
		r.expect("calls", r.calls(t0), "5 68")
	})
}

// TestManualRun: a run by hand is an instance like any other, and may be made while the job is paused.
func TestManualRun(t *testing.T) {
	inBubble(t, 20*time.Second, func(r *loopRig, t0 time.Time) {
		r.create("a", `{"schedule_type":"cron","cron":{"minute":"*/5"}}`)
		r.sleep(10 * time.Second)
		for range 2 {
			if _, err := r.store.RunNow(r.t.Context(), "a"); err != nil {
				r.t.Fatal(err)
			}
		}
		r.sleep(41 * time.Second)
		r.expect("one after the other", r.calls(t0), "10 30")
		if _, err := r.store.PauseJob(r.t.Context(), "a", "", 0); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.store.RunNow(r.t.Context(), "a"); err != nil {
			r.t.Fatal(err)
		}
		r.sleep(30 * time.Second)
		r.expect("while paused", r.calls(t0), "10 30 51")
	})
}

// TestEditLeavesTheQueue: a job that waits for a slot of a host that hangs goes on at once when it is moved to another.
func TestEditLeavesTheQueue(t *testing.T) {
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
			if d.host.name == "other.example:80" {
				return time.Millisecond, Succeeded
			}
			return time.Hour, Succeeded
		})
		for i := range 21 {
			r.create(fmt.Sprintf("j%d", i), `{"target_url":"http://slow.example/","schedule_type":"interval","interval":{"seconds":10}}`)
		}
		r.sleep(12 * time.Second)
		waiting := ""
		for i := range 21 {
			if id := fmt.Sprintf("j%d", i); r.rows(id, t0) == "" {
				waiting = id
			}
		}
		if waiting == "" {
			r.t.Fatal("no job waits for a slot")
		}
		_, err := r.store.UpdateJob(r.t.Context(), waiting, func(j *Job) (*Definition, error) {
			d := *j.Definition
			d.TargetURL = "http://other.example/"
			return &d, nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.sleep(time.Second)
		r.expect("the edit settled the firing that waited, and it leaves at once", r.rows(waiting, t0), "succeeded 10")
	})
}

// TestRatePerHost: calls to one host keep their distance; another host's are not held up.
func TestRatePerHost(t *testing.T) {
	inBubble(t, time.Millisecond, func(r *loopRig, t0 time.Time) {
		r.restartWith(func(s *Settings) { s.MaxRatePerHost = 2 })
		for i := range 6 {
			r.create(fmt.Sprintf("j%d", i), `{"target_url":"http://limited.example/","schedule_type":"date","run_at":"2000-01-01T00:00:10"}`)
		}
		r.create("k", `{"target_url":"http://other.example/","schedule_type":"date","run_at":"2000-01-01T00:00:10"}`)
		r.sleep(15 * time.Second)
		limited := []string{}
		for _, c := range r.target.made() {
			if c.host.name == "limited.example:80" {
				limited = append(limited, c.at.Time().Sub(t0.UTC()).Round(10*time.Millisecond).String())
			} else if c.at.Sub(c.DueAt) != 0 {
				r.t.Errorf("the other host's call was late by %s", c.at.Sub(c.DueAt))
			}
		}
		r.expect("calls", fmt.Sprint(limited), "[10s 10.5s 11s 11.5s 12s 12.5s]")
	})
}
