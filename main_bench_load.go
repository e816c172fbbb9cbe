package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// steady: one-second jobs, spread over the second, for a minute. None may be lost: every second of every job needs its
// succeeded run in the history and its call at the target.
func (b *bench) steady(ctx context.Context) error {
	n := b.scale.steadyJobs
	r, err := b.steadyLoad(ctx, n, b.scale.steadyFor)
	if err != nil {
		return err
	}
	c := "steady"
	b.atLeast(c, fmt.Sprintf("%s one-second jobs, runs in the history", number(float64(n))), r.rate, "/s", float64(n))
	b.none(c, "… lost", r.lost)
	b.atMost(c, "… lag p99, at the target", r.target.LagP99, "ms", 500)
	b.show(c, "… lag p50", r.target.LagP50, "ms")
	b.show(c, "… server's CPU per run", r.cpuPerRun, "µs")
	b.show(c, "… server's CPU", r.cpu, "cores")
	b.show(c, "… server's memory", r.rss, "MB")
	b.show(c, "… database's growth per million runs", r.growth, "MB")
	small, err := b.steadyLoad(ctx, b.scale.steadySmall, max(b.scale.steadyFor/4, time.Second).Truncate(time.Second))
	if err != nil {
		return err
	}
	b.none(c, fmt.Sprintf("%s one-second jobs, runs lost", number(float64(b.scale.steadySmall))), small.lost)
	b.atMost(c, "… lag p99, at the target", small.target.LagP99, "ms", 100)
	b.show(c, "… server's CPU per run", small.cpuPerRun, "µs")
	return nil
}

// loadResult is what came of a steady load.
type loadResult struct {
	rate      float64 // runs/s in the history
	lost      int     // firings without a succeeded run, and runs without a call at the target
	target    benchStats
	cpuPerRun float64 // µs
	cpu       float64 // cores
	rss       float64 // MB
	growth    float64 // MB per million runs
}

func (b *bench) steadyLoad(ctx context.Context, jobs int, length time.Duration) (r loadResult, err error) {
	db := b.fresh("steady")
	defer b.free(db)
	server, err := b.startServer(ctx, db)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	// The jobs begin when all are made: slow creation must not look like lag.
	start := b.soon(jobs)
	if err := b.createSpread(ctx, server, jobs, 1, start); err != nil {
		return r, err
	}
	if time.Now().After(start) {
		return r, fmt.Errorf("creating %d jobs took until after their start", jobs)
	}
	from := start.Add(b.warm(2 * time.Second)) // connections are made, caches warm
	if err := b.wait(ctx, "warming up", from); err != nil {
		return r, err
	}
	if err := b.target.reset(ctx); err != nil {
		return r, err
	}
	before, began := server.begin(), time.Now()
	to := from.Add(length)
	if err := b.wait(ctx, fmt.Sprintf("%d jobs", jobs), to); err != nil {
		return r, err
	}
	after, took := server.end(), time.Since(began)
	if r.target, err = b.target.stats(ctx); err != nil {
		return r, err
	}
	if err := server.stop(); err != nil { // everything that is out ends, and is in the file
		return r, err
	}
	counts, err := b.countRuns(ctx, db, from, to)
	if err != nil {
		return r, err
	}
	size, err := fileSize(db)
	if err != nil {
		return r, err
	}
	planned := jobs * int(length/time.Second)
	r.lost = max(planned-counts.succeeded, int(float64(counts.succeeded)*0.98)-int(r.target.Calls)) // the target's window is off by milliseconds
	r.rate = float64(counts.succeeded) / length.Seconds()
	r.cpu = after.share(before, took)
	r.cpuPerRun = r.cpu / (float64(r.target.Calls) / took.Seconds()) * 1e6
	r.rss = after.rss
	r.growth = size / float64(counts.all) * 1e6
	return r, nil
}

// createSpread makes n jobs, each every so many seconds, spread evenly over that time from start on.
func (b *bench) createSpread(ctx context.Context, s *benchServer, n int, every float64, start time.Time) error {
	return s.createJobs(ctx, 0, n, benchConnections, func(i int) string {
		at := start.Add(time.Duration(float64(i) / float64(n) * every * float64(time.Second))).Truncate(time.Microsecond)
		return intervalJob(fmt.Sprintf("bench-%d", i), every, at, b.target.url)
	}, func(done int) { b.display.progress("creating jobs", float64(done), float64(n)) })
}

// runCount is what a database says of a time.
type runCount struct{ succeeded, all int } // in [from, to); in all

func (b *bench) countRuns(ctx context.Context, db string, from, to time.Time) (c runCount, err error) {
	r, err := openReader(ctx, db)
	if err != nil {
		return c, err
	}
	defer r.Close()
	c.succeeded, err = r.CountRuns(ctx, Succeeded, instantOf(from), instantOf(to))
	if err == nil {
		c.all, err = r.CountRuns(ctx, "", 0, 0)
	}
	return c, err
}

// herd: all jobs due at one instant.
func (b *bench) herd(ctx context.Context) error {
	r, err := b.allAtOnce(ctx, b.scale.herd)
	if err != nil {
		return err
	}
	c := "herd"
	b.none(c, fmt.Sprintf("%s jobs due in one second, calls lost", number(float64(b.scale.herd))), r.lost)
	b.atMost(c, "… the last call leaves after", float64(r.stats.LastAt-r.due)/1e6, "s", 1.2)
	b.show(c, "… the first call leaves after", float64(r.stats.FirstAt-r.due)/1e3, "ms")
	return nil
}

// limit: how fast a backlog drains, as a share of what a client without any history does against the same target.
func (b *bench) limit(ctx context.Context) error {
	if err := b.measureBare(ctx); err != nil {
		return err
	}
	r, err := b.allAtOnce(ctx, b.scale.backlog)
	if err != nil {
		return err
	}
	if err := b.measureBare(ctx); err != nil {
		return err
	}
	bare := 0.0
	for _, x := range b.bare {
		bare += x / float64(len(b.bare))
	}
	c := "limit"
	rate := float64(r.stats.Calls) / (float64(r.stats.LastAt-r.due) / 1e6)
	b.show(c, "bare net/http client, 64 callers, same target", bare, "/s")
	b.show(c, fmt.Sprintf("a backlog of %s drains, runs", number(float64(b.scale.backlog))), rate, "/s")
	b.atLeast(c, "… as a share of the bare client", rate/bare, "", 0.30)
	b.none(c, "… lost", r.lost)
	b.show(c, "… server's CPU per run", r.cpuPerRun, "µs")
	b.show(c, "… claims and ends per commit", r.group, "")
	return nil
}

// onceResult is what came of many jobs due at once.
type onceResult struct {
	stats     benchStats
	due       int64 // instant at which all were due
	lost      int
	cpuPerRun float64
	group     float64 // claims and ends per commit
}

func (b *bench) allAtOnce(ctx context.Context, n int) (r onceResult, err error) {
	db := b.fresh("once")
	defer b.free(db)
	server, err := b.startServer(ctx, db)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	due := b.soon(n)
	r.due = due.UnixMicro()
	err = server.createJobs(ctx, 0, n, benchConnections, func(i int) string {
		return intervalJob(fmt.Sprintf("bench-%d", i), 3600, due, b.target.url)
	}, func(done int) { b.display.progress("creating jobs", float64(done), float64(n)) })
	if err != nil {
		return r, err
	}
	if time.Now().After(due) {
		return r, fmt.Errorf("creating %d jobs took until after they were due", n)
	}
	if err := b.target.reset(ctx); err != nil {
		return r, err
	}
	if err := b.wait(ctx, "waiting until they are due", due.Add(-3*time.Second)); err != nil { // the server looks two seconds ahead
		return r, err
	}
	commits, err := server.metric(ctx, "teiki_store_commit_seconds_count")
	if err != nil {
		return r, err
	}
	before := server.begin()
	if err := b.wait(ctx, "waiting until they are due", due); err != nil {
		return r, err
	}
	for until := due.Add(2 * time.Minute); r.stats.Calls < int64(n) && time.Now().Before(until); {
		if err := b.wait(ctx, fmt.Sprintf("%d calls of %d", r.stats.Calls, n), time.Now().Add(time.Second)); err != nil {
			return r, err
		}
		if r.stats, err = b.target.stats(ctx); err != nil {
			return r, err
		}
	}
	time.Sleep(200 * time.Millisecond) // the last ends reach the disk
	r.cpuPerRun = float64((server.end().cpu - before.cpu).Microseconds()) / float64(max(1, r.stats.Calls))
	after, err := server.metric(ctx, "teiki_store_commit_seconds_count")
	if err != nil {
		return r, err
	}
	r.group = 2 * float64(r.stats.Calls) / max(1, after-commits)
	if err := server.stop(); err != nil {
		return r, err
	}
	counts, err := b.countRuns(ctx, db, due, due.Add(time.Second))
	r.lost = n - min(counts.succeeded, int(r.stats.Calls))
	return r, err
}

// measureBare lets 64 callers of a plain net/http client call the target for a while.
func (b *bench) measureBare(ctx context.Context) error {
	b.display.step("bare client, %s", b.scale.bareFor)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchConnections, DisableCompression: true}}
	defer client.CloseIdleConnections()
	if err := b.target.reset(ctx); err != nil {
		return err
	}
	n, took, err := forAWhile(ctx, benchConnections, b.scale.bareFor, func(int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.target.url, strings.NewReader(`{"order":4711,"what":"close the day"}`))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
	b.bare = append(b.bare, float64(n)/took.Seconds())
	return err
}

// create: acknowledged creations per second.
func (b *bench) create(ctx context.Context) (err error) {
	b.display.step("the disk's commits")
	syncs, err := b.syncsPerSecond(ctx)
	if err != nil {
		return err
	}
	commits, err := b.commitsPerSecond(ctx)
	if err != nil {
		return err
	}
	db := b.fresh("create")
	defer b.free(db)
	server, err := b.startServer(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	later := time.Now().Add(24 * time.Hour)
	c := "create"
	var rates [2]float64
	for k, connections := range []int{benchConnections, 1} {
		b.display.step("POST /jobs, %d connections, %s", connections, b.scale.createFor)
		create := func(definition string) error { return server.createJob(ctx, definition) }
		if connections == 1 {
			one, err := server.dial(ctx)
			if err != nil {
				return err
			}
			defer one.conn.Close()
			create = one.createJob
		}
		n, took, err := forAWhile(ctx, connections, b.scale.createFor, func(i int) error {
			return create(intervalJob(fmt.Sprintf("bench-%d-%d", connections, i), 3600, later, b.target.url))
		})
		if err != nil {
			return err
		}
		rates[k] = float64(n) / took.Seconds()
	}
	b.atLeast(c, "64 connections", rates[0], "/s", 4000)
	b.show(c, "1 connection", rates[1], "/s")
	b.show(c, "the disk's commits: one small row each, no API", commits, "/s")
	b.atLeast(c, "1 connection as a share of that", rates[1]/commits, "", 0.5)
	b.show(c, "a page of 4 KiB written and synced, no database", syncs, "/s")
	return nil
}
