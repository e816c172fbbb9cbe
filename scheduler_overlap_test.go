package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestInstances lets jobs of every overlap rule run into themselves, some thousand times, while they are edited, paused, run by
// hand, backfilled, and while the server restarts and crashes: never are more of a job's calls out than max_instances.
func TestInstances(t *testing.T) {
	inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
		rng := rand.New(rand.NewPCG(12, 12))
		r.target.backoff = 3 * time.Second
		chance := rand.New(rand.NewPCG(13, 13))
		var mu sync.Mutex
		calm := false // guarded by mu, like chance
		r.target.setAnswer(func(d Dispatch) (time.Duration, Status) {
			mu.Lock()
			defer mu.Unlock()
			if calm {
				return time.Second, Succeeded
			}
			return time.Duration(chance.IntN(25)) * time.Second, []Status{Succeeded, Succeeded, Failed, Retrying}[chance.IntN(4)]
		})
		limit := map[int64]int{}
		ids := []string{}
		for i := range 18 {
			overlap, n := []string{"skip", "queue", "replace"}[i%3], 1+i/3%3
			id := fmt.Sprintf("%s%d-%d", overlap, n, i)
			r.create(id, fmt.Sprintf(`{"schedule_type":"interval","interval":{"seconds":%d},"overlap":%q,"max_instances":%d,"coalesce":%v,"catchup_limit":5}`, 5+i%4, overlap, n, i%2 == 0))
			limit[int64(len(ids)+1)], ids = n, append(ids, id)
		}
		for step := range 400 {
			r.sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
			if rng.IntN(3) == 0 {
				r.target.crashed = Retrying
			} else {
				r.target.crashed = Interrupted
			}
			id := ids[rng.IntN(len(ids))]
			switch rng.IntN(12) {
			case 0:
				r.patch(id, fmt.Sprintf(`{"name":"%d"}`, step))
			case 1:
				r.do(r.store.PauseJob(r.t.Context(), id, "", []instant{0, r.sched.now().Add(7 * time.Second)}[rng.IntN(2)]))
			case 2:
				r.do(r.store.ResumeJob(r.t.Context(), id))
			case 3, 4:
				r.do(r.store.RunNow(r.t.Context(), id))
			case 5:
				r.do(r.store.Backfill(r.t.Context(), id, BackfillRequest{From: r.sched.now().Add(-30 * time.Second), To: r.sched.now(), All: rng.IntN(2) == 0}))
			case 6:
				if rng.IntN(3) == 0 {
					r.stop()
					r.sleep(time.Duration(rng.IntN(20)) * time.Second)
					r.start()
				}
			case 7:
				if rng.IntN(3) == 0 {
					r.crash()
					r.sleep(time.Duration(rng.IntN(20)) * time.Second)
					r.start()
				}
			case 8:
				page, _, err := r.store.Runs(r.t.Context(), RunFilter{JobID: id, Statuses: []Status{Pending, Running, Retrying}, Limit: 1})
				r.do(page, err)
				if len(page) == 1 {
					run, err := r.store.CancelRun(r.t.Context(), page[0].ID)
					r.do(run, err)
					r.sched.Cancel(run.ID)
				}
			}
		}
		for _, id := range ids {
			r.do(r.store.ResumeJob(r.t.Context(), id))
		}
		r.sleep(time.Minute)
		sum := r.verify()
		overlaps := 0
		most := map[int64]int{}
		for i, c := range r.target.made() {
			out := 1
			for _, other := range r.target.made()[:i] {
				if other.Job == c.Job && other.at <= c.at && (other.ended == 0 || other.ended > c.at) {
					out++
				}
			}
			most[c.Job] = max(most[c.Job], out)
			if out > limit[c.Job] {
				r.t.Errorf("%s: %d calls out at %s, max_instances %d", ids[c.Job-1], out, c.at.Time().Sub(t0.UTC()), limit[c.Job])
			}
		}
		err := r.store.read.QueryRow("SELECT count(*) FROM runs WHERE reason IN ('max_instances', 'replaced', 'queue_full') OR started_at - due_at > 1000000").Scan(&overlaps)
		if err != nil {
			r.t.Fatal(err)
		}
		for job, n := range limit {
			if most[job] != n {
				r.t.Errorf("%s never had its %d calls out: this proves little", ids[job-1], n)
			}
		}
		r.t.Logf("%d calls, %d firings, %d overlaps", len(r.target.made()), sum.Planned, overlaps)
		if overlaps < 1000 {
			r.t.Errorf("%d overlaps prove little", overlaps)
		}
		r.noneTwice()

		mu.Lock()
		calm = true
		mu.Unlock()
		for _, id := range ids {
			r.do(r.store.PauseJob(r.t.Context(), id, "", 0))
		}
		r.sleep(5 * time.Minute)
		if r.sched.slots.total != 0 || r.sched.slots.queued != 0 {
			r.t.Errorf("nothing is out, and %d slots are taken, %d jobs wait for one", r.sched.slots.total, r.sched.slots.queued)
		}
		for _, h := range r.sched.slots.hosts {
			if h.calls != 0 || h.refs == 0 {
				r.t.Errorf("%s: %d calls, named by %d jobs", h.name, h.calls, h.refs)
			}
		}
	})
}

// TestNobodyIsForgotten keeps the slots scarce while jobs are edited, moved to other hosts, paused, deleted, made again and run by
// hand, and the database refuses claims now and then. When it is quiet again, every job goes on by itself and no slot is lost.
func TestNobodyIsForgotten(t *testing.T) {
	for seed := range uint64(3) {
		inBubble(t, time.Second, func(r *loopRig, t0 time.Time) {
			rng, chance := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			var mu sync.Mutex
			random := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return chance.IntN(n)
			}
			var calm atomic.Bool
			r.settings.MaxConcurrent, r.settings.MaxPerHost = 6, 3
			r.wrap = func(l ledger) ledger { return refuseSome{l, random} }
			r.stop()
			r.start()
			r.target.backoff = 2 * time.Second
			r.target.setAnswer(func(Dispatch) (time.Duration, Status) {
				if calm.Load() {
					return 10 * time.Millisecond, Succeeded
				}
				return time.Duration(random(4000)) * time.Millisecond, []Status{Succeeded, Succeeded, Retrying, Failed}[random(4)]
			})
			fields := func() string {
				return fmt.Sprintf(`{"target_url":"http://h%d.example/","schedule_type":"interval","interval":{"seconds":%d},"overlap":%q,"coalesce":%v,"max_instances":%d}`,
					rng.IntN(4), 5+rng.IntN(15), []string{"skip", "queue", "replace"}[rng.IntN(3)], rng.IntN(2) == 0, 1+rng.IntN(2))
			}
			alive := map[string]bool{}
			for i := range 40 {
				id := fmt.Sprint("job", i)
				r.create(id, fields())
				alive[id] = true
			}
			for range 300 {
				r.sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
				id := fmt.Sprint("job", rng.IntN(40))
				if !alive[id] {
					r.create(id, fields())
					alive[id] = true
					continue
				}
				switch rng.IntN(8) {
				case 0, 1:
					r.patch(id, fields())
				case 2:
					r.do(r.store.PauseJob(r.t.Context(), id, "", []instant{0, r.sched.now().Add(time.Duration(rng.IntN(3000)) * time.Millisecond)}[rng.IntN(2)]))
				case 3:
					r.do(r.store.ResumeJob(r.t.Context(), id))
				case 4:
					r.do(r.store.RunNow(r.t.Context(), id))
				case 5:
					r.do(r.store.DeleteJob(r.t.Context(), id))
					delete(alive, id)
				case 6:
					r.do(r.store.Backfill(r.t.Context(), id, BackfillRequest{From: r.sched.now().Add(-20 * time.Second), To: r.sched.now()}))
				case 7:
					if rng.IntN(6) == 0 {
						r.crash()
						r.start()
					}
				}
			}
			for id := range alive {
				r.do(r.store.ResumeJob(r.t.Context(), id))
			}
			calm.Store(true)
			r.sleep(2 * time.Minute)
			if sum := r.verify(); sum.Due > 0 && r.sched.now().Sub(sum.oldest) > time.Second {
				r.t.Errorf("seed %d: %d firings are due and nobody claims them, the first since %s", seed, sum.Due, sum.OldestDue)
			}
			for id := range alive {
				page, _, err := r.store.Runs(r.t.Context(), RunFilter{JobID: id, Statuses: []Status{Succeeded}, Limit: 1})
				r.do(page, err)
				if len(page) == 0 || r.sched.now().Sub(page[0].StartedAt) > 25*time.Second {
					r.t.Errorf("seed %d: %s is forgotten: %s", seed, id, r.rows(id, t0))
				}
			}
			open, _, err := r.store.Runs(r.t.Context(), RunFilter{Statuses: []Status{Pending, Retrying, Running}, Limit: 100})
			r.do(open, err)
			for _, run := range open {
				if run.ScheduledAt < r.sched.now().Add(-30*time.Second) {
					r.t.Errorf("seed %d: a run that nobody ends: %+v", seed, run.Run)
				}
			}
			if s := &r.sched.slots; s.total > 1 || s.queued != 0 {
				r.t.Errorf("seed %d: %d slots are taken, %d jobs wait", seed, s.total, s.queued)
			}
		})
	}
}

// refuseSome is a ledger whose database refuses a claim now and then.
type refuseSome struct {
	ledger
	random func(n int) int
}

func (l refuseSome) Claim(claims []Claim, done func([]bool, error)) {
	if l.random(15) == 0 {
		go done(make([]bool, len(claims)), errUnavailable)
		return
	}
	l.ledger.Claim(claims, done)
}
