package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestClock steps the wall clock while jobs with every kind of catch-up run, a retry waits, a pause is to end by itself, and a
// call is out. Timers do not follow such steps, nor do they run while a machine is suspended: the loop has to notice.
func TestClock(t *testing.T) {
	const begin = 1250 * time.Second // between the firings at 1200 and 1800
	for _, c := range []struct {
		name  string
		steps []time.Duration // one minute apart
		wait  time.Duration   // afterwards
		retry string          // what becomes of the retry that was due at 1270, grace 300 s
		pause string          // calls of the job that is paused until 1400
	}{
		{"an hour forward", []time.Duration{time.Hour}, 1300 * time.Second, "failed 1200 retry_expired", "600 1200 4800 5400 6000"},
		{"two minutes forward", []time.Duration{2 * time.Minute}, 1300 * time.Second, "succeeded 1200", "600 1200 1800 2400"},
		{"an hour back", []time.Duration{-time.Hour}, 4300 * time.Second, "succeeded 1200", "600 1200 1800"},
		{"a day forward", []time.Duration{24 * time.Hour}, 1300 * time.Second, "failed 1200 retry_expired", "600 1200 87600 88200 88800"},
		{"suspended for 8 hours", []time.Duration{8*time.Hour + 7*time.Minute}, 1300 * time.Second, "failed 1200 retry_expired", "600 1200 30600 31200 31800"},
		{"a day forward, and back again", []time.Duration{24 * time.Hour, -24 * time.Hour}, 2 * time.Hour, "failed 1200 retry_expired", "600 1200 87600"},
		{"back and forth", []time.Duration{-time.Hour, time.Hour, -time.Hour, time.Hour}, 1300 * time.Second, "succeeded 1200", "600 1200 1800 2400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
				r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
					switch {
					case d.host.name == "flaky.example:80" && d.ScheduledAt == instantOf(t0.Add(1200*time.Second)) && d.Attempt == 1:
						return 40 * time.Second, Retrying // due 30 s later, at 1270
					case d.host.name == "long.example:80" && d.ScheduledAt == instantOf(t0.Add(1200*time.Second)):
						return 3 * time.Minute, Succeeded
					}
					return time.Second, Succeeded
				})
				policies := map[string]Policy{}
				for name, fields := range map[string]string{
					"coalesce": ``,
					"nolimit":  `,"misfire_grace_time":null`,
					"strict":   `,"misfire_grace_time":0`,
					"short":    `,"misfire_grace_time":40`,
					"each":     `,"coalesce":false,"misfire_grace_time":null,"catchup_limit":1000`,
					"some":     `,"coalesce":false,"misfire_grace_time":null,"catchup_limit":3`,
					"recent":   `,"coalesce":false,"misfire_grace_time":1500`,
					"flaky":    ``,
					"long":     `,"overlap":"queue","misfire_grace_time":null`,
					"paused":   ``,
				} {
					r.create(name, `{"schedule_type":"interval","interval":{"minutes":10}`+fields+`}`)
					job, err := r.store.Job(r.t.Context(), name)
					r.do(job, err)
					if policies[name], err = parsePolicy(job.policy, r.settings.Policy); err != nil {
						r.t.Fatal(err)
					}
				}
				r.sleep(begin - 10*time.Second)
				r.do(r.store.PauseJob(r.t.Context(), "paused", "", instantOf(t0.Add(1400*time.Second))))
				r.sleep(10 * time.Second)
				for _, step := range c.steps {
					r.shift.Add(int64(step))
					r.sleep(time.Minute)
				}
				r.sleep(c.wait)
				now := r.sched.now().Time().Sub(t0.UTC())
				reached := begin
				for i, at := 0, begin; i < len(c.steps); i++ { // how far the wall clock came, and when it jumped
					at += c.steps[i]
					reached = max(reached, at)
					at += time.Minute
				}
				for name, p := range policies {
					if name == "flaky" || name == "long" || name == "paused" {
						continue
					}
					if name == "each" && reached > now+time.Hour {
						// Made up for one by one, and when the clock went back the rest of them had their time still to come.
						if !strings.Contains(r.rows(name, t0), "pending 87600 max_instances") {
							r.t.Errorf("each: %s", r.rows(name, t0))
						}
						continue
					}
					r.expect(name, r.rows(name, t0), clockOracle(p, reached, now))
				}
				if got := r.rows("flaky", t0); !contains(got, c.retry) {
					r.t.Errorf("the retry: %s, want %s", got, c.retry)
				}
				if got := r.rows("long", t0); !contains(got, "succeeded 1200") {
					r.t.Errorf("the call that was out: %s", got)
				}
				r.expect("the paused job", r.callsOf("paused", t0), c.pause)
				r.noneTwice()
				r.verify()
			})
		})
	}
}

// clockOracle writes down, rule by rule and for a clock that jumps once from 1250 s to found, what the rows of a job that fires
// each 10 minutes must be at now. It shares nothing with the planner.
func clockOracle(p Policy, found, now time.Duration) (rows string) {
	add := func(text string, args ...any) {
		if rows != "" {
			rows += "; "
		}
		rows += fmt.Sprintf(text, args...)
	}
	add("succeeded 600; succeeded 1200")
	var late, inTime []int
	for s := 1800; time.Duration(s)*time.Second <= found; s += 600 {
		lag := found - time.Duration(s)*time.Second
		if p.Grace >= 0 && lag > p.Grace && lag >= time.Second {
			late = append(late, s)
		} else {
			inTime = append(inTime, s)
		}
	}
	span := func(status, reason string, of []int) {
		switch {
		case len(of) == 1:
			add("%s %d %s", status, of[0], reason)
		case len(of) > 1:
			add("%s %d..%d x%d %s", status, of[0], of[len(of)-1], len(of), reason)
		}
	}
	if p.Coalesce {
		if len(inTime) > 0 { // one call stands for all
			span("coalesced", "coalesced", append(late, inTime[:len(inTime)-1]...))
			inTime = inTime[len(inTime)-1:]
		} else {
			span("missed", "misfire_grace_time", late)
		}
	} else {
		span("missed", "misfire_grace_time", late)
		if n := len(inTime) - p.CatchupLimit; n > 0 {
			span("missed", "catchup_limit", inTime[:n])
			inTime = inTime[n:]
		}
	}
	for _, s := range inTime {
		add("succeeded %d", s)
	}
	for s := 1800; time.Duration(s)*time.Second <= now; s += 600 { // by the clock as it went on
		if time.Duration(s)*time.Second > found {
			add("succeeded %d", s)
		}
	}
	return rows
}

func contains(rows, row string) bool { return slices.Contains(splitRows(rows), row) }
