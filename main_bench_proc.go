package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// benchConnections is how many callers a loaded API and the bare client have.
const benchConnections = 64

// usageOf is what the system says of a process. Where it does not say (other than Linux), figures are not a number.
type usageOf struct {
	cpu      time.Duration // user and system, since its start
	rss      float64       // MB
	peak     float64       // MB
	switches float64       // times that one of its threads went to sleep: each is a wake-up
	known    bool
}

// clockTick is the unit of CPU times in /proc: 1/100 s on every Linux.
const clockTick = 10 * time.Millisecond

func (p *child) usage() (u usageOf) {
	u.rss, u.peak, u.switches = math.NaN(), math.NaN(), math.NaN()
	dir := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return u
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	u.cpu, u.known = time.Duration(user+system)*clockTick, true
	u.rss, u.peak = statusField(dir, "VmRSS:")*1024/1e6, statusField(dir, "VmHWM:")*1024/1e6
	u.switches = 0
	tasks, _ := filepath.Glob(filepath.Join(dir, "task", "*"))
	for _, t := range tasks {
		u.switches += statusField(t, "voluntary_ctxt_switches:")
	}
	return u
}

// begin and end enclose what is measured of a server: its usage then, and its profile between them.
func (s *benchServer) begin() usageOf {
	_, _ = s.life.Write([]byte{beginProfile}) // an error: it has ended, which the caller finds out
	return s.usage()
}

func (s *benchServer) end() usageOf {
	_, _ = s.life.Write([]byte{endProfile})
	return s.usage()
}

// statusField is a number of /proc/PID/status; kB stay kB.
func statusField(dir, name string) float64 {
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return n
		}
	}
	return math.NaN()
}

// share is the CPU time since before, as a share of one core.
func (u usageOf) share(before usageOf, took time.Duration) float64 {
	if !u.known {
		return math.NaN()
	}
	return (u.cpu - before.cpu).Seconds() / took.Seconds()
}

// fileSize is the size in MB of a database with its log.
func fileSize(db string) (mb float64, err error) {
	for _, name := range []string{db, db + "-wal"} {
		info, err := os.Stat(name)
		if err == nil {
			mb += float64(info.Size()) / 1e6
		} else if !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return mb, nil
}

// syncsPerSecond is what the disk can do: one page of 4 KiB written and synced at a time, in a file that has its size.
func (b *bench) syncsPerSecond(ctx context.Context) (float64, error) {
	f, err := os.Create(filepath.Join(b.dir, "syncs"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	const pages = 256
	page := make([]byte, 4096)
	if _, err := f.Write(make([]byte, pages*len(page))); err != nil {
		return 0, err
	}
	n, took, err := forAWhile(ctx, 1, b.scale.bareFor/2, func(i int) error {
		if _, err := f.WriteAt(page, int64(i%pages*len(page))); err != nil {
			return err
		}
		return f.Sync()
	})
	return float64(n) / took.Seconds(), err
}

// commitsPerSecond is what SQLite can do on it: one small row committed at a time, synchronous=FULL, by a caller in the same
// process. For as long as jobs are created: until the log begins anew for the first time, a commit makes its file longer, which
// costs about as much again.
func (b *bench) commitsPerSecond(ctx context.Context) (rate float64, err error) {
	db := b.fresh("commits")
	defer b.free(db)
	s, err := openStore(ctx, db, storeOptions{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	n, took, err := forAWhile(ctx, 1, b.scale.createFor, func(int) error { return s.Probe(ctx) })
	return float64(n) / took.Seconds(), err
}

// inParallel calls do for first … last-1 from n goroutines; the first error ends it.
func inParallel(ctx context.Context, n, first, last int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	next.Store(int64(first))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= last {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// forAWhile calls do from n goroutines, with a number of its own each time, until length is over; what has begun is finished.
// It tells how often, and how long that took. The first error ends it.
func forAWhile(ctx context.Context, n int, length time.Duration, do func(i int) error) (done int, took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	var next, finished atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil && time.Since(began) < length {
				if err := do(int(next.Add(1))); err != nil {
					cancel(err)
					return
				}
				finished.Add(1)
			}
		})
	}
	wg.Wait()
	return int(finished.Load()), time.Since(began), context.Cause(ctx)
}

// percentile p (0…1) of a list, which it sorts; 0 of none.
func percentile(list []float64, p float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(math.Ceil(p*float64(len(list))))-1)]
}

// wait waits until at, showing progress.
func (b *bench) wait(ctx context.Context, what string, at time.Time) error {
	began := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		b.display.progress(what, time.Since(began).Seconds(), at.Sub(began).Seconds())
		select {
		case <-time.After(time.Until(at)):
			return nil
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// soon is a whole second by which n jobs have been made over the API, also by a slow machine.
func (b *bench) soon(n int) time.Time {
	return time.Now().Truncate(time.Second).Add(b.warm(3*time.Second) + time.Second + time.Duration(n/1000)*time.Second/2)
}

// warm is how long something needs to become steady; with -quick nothing has to.
func (b *bench) warm(d time.Duration) time.Duration {
	if b.quick {
		return d / 10
	}
	return d
}

// fresh is the name of a new database file; free removes a former one.
func (b *bench) fresh(name string) string {
	db := filepath.Join(b.dir, name+".db")
	b.free(db)
	return db
}

func (b *bench) free(db string) {
	for _, end := range []string{"", "-wal", "-shm", ".lock"} {
		_ = os.Remove(db + end)
	}
}

// intervalJob is the definition of a job every so many seconds from start on.
func intervalJob(id string, seconds float64, start time.Time, target string) string {
	return fmt.Sprintf(`{"job_id":%q,"schedule_type":"interval","interval":{"seconds":%g,"start_date":%q},"target_url":%q,"method":"POST","body":{"order":4711,"what":"close the day"}}`,
		id, seconds, start.UTC().Format(time.RFC3339Nano), target)
}
