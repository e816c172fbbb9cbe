package main

import (
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPages reads pages of 100 of a large history while claims and ends go on at 2,000 runs/s; -benchtime 1x suffices.
func BenchmarkPages(b *testing.B) {
	s := openTest(b)
	const jobs, history = 1000, 300_000
	createMany(b, s, jobs)
	timers := make([]Timer, 0, jobs)
	if err := s.Timers(b.Context(), func(t Timer) error { timers = append(timers, t); return nil }); err != nil {
		b.Fatal(err)
	}
	round := func(status Status) { // one run of every job
		claims := make([]Claim, jobs)
		for i := range timers {
			next := timers[i].NextAt.Add(time.Second)
			claims[i] = firing(timers[i], next)
			timers[i].NextAt = next
		}
		if _, err := claimAll(s, claims...); err != nil {
			b.Error(err)
			return
		}
		var left atomic.Int64
		left.Store(jobs)
		done := make(chan struct{})
		for _, c := range claims {
			s.Finish(Finish{Run: c.Rows[0].ID, Job: c.Job, Status: status, Attempt: attemptOf(1), FinishedAt: c.From}, func(bool) {
				if left.Add(-1) == 0 {
					close(done)
				}
			})
		}
		<-done
	}
	for i := range history / jobs {
		round([]Status{Succeeded, Succeeded, Succeeded, Failed}[i%4])
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(time.Second / 2); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				round(Succeeded)
			}
		}
	}()
	for _, c := range []struct {
		name string
		f    RunFilter
	}{{"all", RunFilter{}}, {"job", RunFilter{JobID: "j7"}}, {"failed", RunFilter{Statuses: []Status{Failed}}}, {"rare", RunFilter{Q: "nothing has this"}}} {
		b.Run(c.name, func(b *testing.B) {
			c.f.Limit = 100
			var took []time.Duration
			for range max(b.N, 300) {
				began := time.Now()
				_, next, err := s.Runs(b.Context(), c.f)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				c.f.Cursor = next
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
	close(stop)
	<-stopped
}

// BenchmarkLoad is the start with many jobs: every timer read once.
func BenchmarkLoad(b *testing.B) {
	s := openTest(b)
	const jobs = 100_000
	createMany(b, s, jobs)
	b.ResetTimer()
	for range b.N {
		n := 0
		if err := s.Timers(b.Context(), func(Timer) error { n++; return nil }); err != nil || n != jobs {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/jobs, "ns/job")
}

// BenchmarkSweep deletes old history and tells how fast.
func BenchmarkSweep(b *testing.B) {
	s := openTestAt(b, filepath.Join(b.TempDir(), "jobs.db"), storeOptions{KeepRuns: 10})
	createMany(b, s, 100)
	err := s.change(b.Context(), func(t *tx) error {
		for i := range 50_000 {
			if err := t.insertRun(&Run{Job: int64(i%100) + 1, Version: 1, Trigger: BySchedule, Status: Succeeded, ScheduledAt: instant(1e15 + i*1e6)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	n, err := s.sweep(b.Context(), s.now())
	if err != nil || n != 49_000 {
		b.Fatal(n, err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}
