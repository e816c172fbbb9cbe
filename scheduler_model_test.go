package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"teiki/internal/schedule"
)

var modelJobs = flag.Int("model.jobs", 30, "random schedules that TestThirtyDays lives through")

// modelJob is a random schedule in a form that the brute force below understands: sets of hours, minutes and weekdays, or a step.
type modelJob struct {
	id       string
	zone     string
	hours    []int // nil = every hour
	minutes  []int
	weekdays []int // 0 = Sunday; nil = every day
	every    time.Duration
	created  time.Time
}

func (m *modelJob) fields() string {
	if m.every > 0 {
		return fmt.Sprintf(`{"schedule_type":"interval","interval":{"seconds":%d},"timezone":%q,"max_instances":3}`, int(m.every.Seconds()), m.zone)
	}
	list := func(of []int) string {
		if of == nil {
			return `"*"`
		}
		s := ""
		for i, n := range of {
			if i > 0 {
				s += ","
			}
			s += fmt.Sprint(n)
		}
		return `"` + s + `"`
	}
	days := list(m.weekdays)
	if m.weekdays != nil {
		days = ""
		for i, d := range m.weekdays {
			if i > 0 {
				days += ","
			}
			days += []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[d]
		}
		days = `"` + days + `"`
	}
	return fmt.Sprintf(`{"schedule_type":"cron","cron":{"hour":%s,"minute":%s,"day_of_week":%s},"timezone":%q,"max_instances":3}`, list(m.hours), list(m.minutes), days, m.zone)
}

// firings walks through time minute by minute and reads the local clock, as a person would: no planner, no search.
func (m *modelJob) firings(t *testing.T, until time.Time) (out []instant) {
	if m.every > 0 {
		for at := m.created.Add(m.every); !at.After(until); at = at.Add(m.every) {
			out = append(out, instantOf(at))
		}
		return out
	}
	loc, fault := schedule.LoadZone(m.zone)
	if fault != nil {
		t.Fatal(fault)
	}
	match := func(wall int64) bool {
		w := time.Unix(wall, 0).UTC()
		return (m.hours == nil || slices.Contains(m.hours, w.Hour())) && slices.Contains(m.minutes, w.Minute()) &&
			(m.weekdays == nil || slices.Contains(m.weekdays, int(w.Weekday())))
	}
	fires, shown := map[int64]bool{}, map[int64]bool{}
	start := m.created.Add(-26 * time.Hour).Truncate(time.Minute).Unix()
	_, before := time.Unix(start, 0).In(loc).Zone()
	for at := start; at <= until.Unix(); at += 60 {
		_, east := time.Unix(at, 0).In(loc).Zone()
		for wall := at + int64(before); wall < at+int64(east); wall += 60 { // the clock jumps over these
			if match(wall) {
				fires[wall-int64(before)] = true
			}
		}
		before = east
		wall := at + int64(east)
		if match(wall) && (!shown[wall] || m.hours == nil) {
			fires[at] = true
		}
		shown[wall] = true
	}
	for at := range fires {
		if s := time.Unix(at, 0); s.After(m.created) && !s.After(until) {
			out = append(out, instantOf(s))
		}
	}
	slices.Sort(out)
	return out
}

// TestThirtyDays lets random jobs live for thirty days in which clocks change in Berlin, Sydney, Lord Howe and New York, with the
// real store and loop, restarts and edits that change nothing in between, and compares each call's time with brute force.
// Long form: go test -run TestThirtyDays -model.jobs 1000 .
func TestThirtyDays(t *testing.T) {
	zones := []string{"Asia/Tokyo", "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "America/New_York", "UTC", "Asia/Kathmandu"}
	inBubble(t, 20*time.Millisecond, func(r *loopRig, t0 time.Time) {
		r.shift.Store(int64(time.Date(2000, 3, 20, 0, 0, 0, 0, time.UTC).Sub(t0)))
		r.sleep(time.Second)
		rng := rand.New(rand.NewPCG(7, uint64(*modelJobs)))
		some := func(from []int, atMost int) (out []int) {
			for range 1 + rng.IntN(atMost) {
				if n := from[rng.IntN(len(from))]; !slices.Contains(out, n) {
					out = append(out, n)
				}
			}
			slices.Sort(out)
			return out
		}
		hours := make([]int, 24)
		for i := range hours {
			hours[i] = i
		}
		jobs := map[int64]*modelJob{}
		for i := range *modelJobs {
			m := &modelJob{id: fmt.Sprint("job", i), zone: zones[rng.IntN(len(zones))], minutes: some([]int{0, 15, 30, 45}, 2)}
			switch rng.IntN(6) {
			case 0:
				m.every = time.Duration(1+rng.IntN(40)) * 997 * time.Second
			case 1: // every hour
			default:
				m.hours = some(append([]int{0, 1, 2, 2, 3}, hours...), 5)
			}
			if rng.IntN(3) == 0 {
				m.weekdays = some([]int{0, 0, 1, 2, 3, 4, 5, 6}, 4)
			}
			d := Definition{TargetURL: "http://" + m.id + ".example/", Method: "GET"}
			if err := json.Unmarshal([]byte(m.fields()), &d); err != nil {
				r.t.Fatal(err)
			}
			job, _, err := r.store.CreateJob(r.t.Context(), NewJob{JobID: m.id, Definition: &d})
			r.do(job, err)
			m.created = job.EffectiveAt.Time()
			jobs[job.ID] = m
		}
		for day := range 30 {
			r.sleep(time.Duration(rng.Int64N(int64(24 * time.Hour))))
			switch day % 3 {
			case 0:
				r.stop()
				r.start()
			case 1: // a new version that plans the same
				m := jobs[int64(1+rng.IntN(len(jobs)))]
				if m.every == 0 {
					r.patch(m.id, fmt.Sprintf(`{"name":"day %d"}`, day))
				}
			}
			now := r.sched.now().Time()
			r.sleep(time.Date(2000, 3, 21+day, 0, 0, 0, 0, time.UTC).Add(500 * time.Millisecond).Sub(now))
		}
		until := r.sched.now().Time()
		called := map[int64][]instant{}
		for _, c := range r.target.made() {
			called[c.Job] = append(called[c.Job], c.ScheduledAt)
			if late := c.at.Sub(c.ScheduledAt); late < 0 || late > time.Second {
				r.t.Errorf("%s is called %s after its time", jobs[c.Job].id, late)
			}
		}
		total := 0
		for id, m := range jobs {
			want := m.firings(r.t, until)
			total += len(want)
			slices.Sort(called[id])
			if !slices.Equal(called[id], want) {
				r.t.Errorf("%s %s: called %d times, brute force says %d; first difference %s", m.id, m.fields(), len(called[id]), len(want), firstDifference(called[id], want))
			}
		}
		r.t.Logf("%d schedules, %d firings in 30 days", len(jobs), total)
		r.noneTwice()
		r.verify()
	})
}

func firstDifference(got, want []instant) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "missing " + want[i].Time().String()
		case i >= len(want) || got[i] < want[i]:
			return "extra " + got[i].Time().String()
		case got[i] > want[i]:
			return "missing " + want[i].Time().String()
		}
	}
	return "none"
}
