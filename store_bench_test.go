package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attemptOf is the end of a usual call, about as large as they are.
func attemptOf(n int) Attempt {
	return Attempt{Attempt: n, StartedAt: time.Now(), DurationMS: 3.21, HTTPStatus: 200, OK: true,
		Response: &Response{ContentType: "application/json", Length: 15, SHA256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", Excerpt: `{"status":"ok"}`},
		Timings:  &Timings{FirstByte: 2.9, Total: 3.21}, Remote: &Remote{Address: "127.0.0.1:9000", Protocol: "HTTP/1.1", Reused: true}}
}

// BenchmarkRuns is a run's whole life in the store: claimed, called (nothing here), ended; 5,000 jobs, at most 4,000 out at a
// time, claims in batches of 100 as the loop makes them.
func BenchmarkRuns(b *testing.B) {
	s := openTest(b)
	const jobs, batch = 5000, 100
	timers := make([]Timer, jobs)
	createMany(b, s, jobs)
	i := 0
	if err := s.Timers(b.Context(), func(t Timer) error { timers[i] = t; i++; return nil }); err != nil || i != jobs {
		b.Fatal(i, err)
	}
	slots := make(chan struct{}, 4000)
	var ended sync.WaitGroup
	var worst atomic.Int64
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		claims := make([]Claim, batch)
		for k := range claims {
			slots <- struct{}{}
			t := &timers[(n+k)%jobs]
			next := t.NextAt.Add(time.Second)
			claims[k] = firing(*t, next)
			t.NextAt = next
		}
		ended.Add(batch)
		sent := time.Now()
		s.Claim(claims, func(held []bool, err error) {
			if took := int64(time.Since(sent)); took > worst.Load() {
				worst.Store(took)
			}
			if err != nil {
				b.Error(err)
			}
			go func() {
				for k, ok := range held {
					if !ok {
						b.Error("a claim did not hold")
					}
					r := claims[k].Rows[0]
					s.Finish(Finish{Run: r.ID, Job: r.Job, Status: Succeeded, Attempt: attemptOf(1), StartedAt: r.StartedAt, FinishedAt: r.StartedAt + 3210},
						func(ok bool) {
							if !ok {
								b.Error("an end was not accepted")
							}
							<-slots
							ended.Done()
						})
				}
			}()
		})
	}
	ended.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
	b.ReportMetric(float64(worst.Load())/1e6, "worst-claim-ms")
	var pages int64
	if err := s.read.QueryRow("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&pages); err == nil {
		b.ReportMetric(float64(pages)/float64(b.N), "file-B/run")
	}
}

// createMany makes n jobs j0, j1, … from 64 goroutines.
func createMany(b testing.TB, s *Store, n int) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if _, _, err := s.CreateJob(context.Background(), NewJob{JobID: fmt.Sprintf("j%d", i), Definition: everySeconds(1)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkCreate acknowledges new jobs one by one, and from 64 callers.
func BenchmarkCreate(b *testing.B) {
	b.Run("64", func(b *testing.B) {
		s := openTest(b)
		b.ResetTimer()
		createMany(b, s, b.N)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
	b.Run("1", func(b *testing.B) {
		s := openTest(b)
		b.ResetTimer()
		for i := range b.N {
			if _, _, err := s.CreateJob(b.Context(), NewJob{JobID: fmt.Sprint(i), Definition: everySeconds(1)}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
}

// BenchmarkSync is what the disk can do: the limit that BenchmarkCreate/1 is measured against.
func BenchmarkSync(b *testing.B) {
	b.Run("file", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		block := make([]byte, 4096)
		for i := range b.N {
			if _, err := f.WriteAt(block, int64(i%1024)*4096); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
	})
	b.Run("sqlite", func(b *testing.B) {
		s := openTest(b)
		b.ResetTimer()
		for i := range b.N {
			if err := s.change(b.Context(), func(t *tx) error {
				_, err := t.exec("INSERT INTO meta (key, value) VALUES ('x', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1", i)
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
}
