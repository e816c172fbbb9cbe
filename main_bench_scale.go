package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"
)

// fill makes a database with n jobs, by the store itself: the API would take minutes.
func (b *bench) fill(ctx context.Context, db string, n int, more func(s *Store) error, job func(i int) NewJob) (err error) {
	s, err := openStore(ctx, db, storeOptions{Policy: Policy{MaxInstances: 1, Overlap: "skip", Coalesce: true, CatchupLimit: 100}})
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, s.Close(last))
	}()
	err = s.FillJobs(ctx, n, job, func(done int) { b.display.progress("filling in jobs", float64(done), float64(n)) })
	if err == nil && more != nil {
		err = more(s)
	}
	return err
}

// fillRuns is the part of fill that makes history: n runs in the given time, of the first so many jobs in turn.
func (b *bench) fillRuns(ctx context.Context, n, jobs int, from, to time.Time) func(s *Store) error {
	return func(s *Store) error {
		return s.FillRuns(ctx, n, jobs, instantOf(from), instantOf(to), func(done int) {
			b.display.progress("filling in runs", float64(done), float64(n))
		})
	}
}

// rareJob is the definition of job i of many that fire once a month: half of them crontab lines, half intervals from their
// creation, all with a zone and a body.
func (b *bench) rareJob(i int) NewJob {
	d := &Definition{ScheduleType: "cron", Cron: json.RawMessage(fmt.Sprintf(`"%d %d %d * *"`, i/2%60, i/120%24, i/2880%28+1)), Timezone: defaultZone,
		TargetURL: b.target.url, Method: http.MethodPost, Body: json.RawMessage(`{"order":4711,"what":"close the day"}`)}
	if i%2 == 1 {
		d.ScheduleType, d.Cron, d.Interval = "interval", nil, json.RawMessage(`{"days":30}`)
	}
	return NewJob{JobID: fmt.Sprintf("rare-%d", i), Definition: d}
}

// million: what a million jobs cost when nothing is due.
func (b *bench) million(ctx context.Context) (err error) {
	n := b.scale.jobs
	db := b.fresh("million")
	defer b.free(db)
	if err := b.fill(ctx, db, n, nil, b.rareJob); err != nil {
		return err
	}
	server, err := b.startServer(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := b.wait(ctx, "settling", time.Now().Add(b.scale.watch/2)); err != nil {
		return err
	}
	before, began := server.usage(), time.Now()
	if err := b.wait(ctx, "idle", time.Now().Add(b.scale.watch)); err != nil {
		return err
	}
	after := server.usage()
	c := "million"
	b.atMost(c, fmt.Sprintf("%s jobs, memory", number(float64(n))), after.rss, "MB", 400)
	b.show(c, "… most, while starting", after.peak, "MB")
	b.atMost(c, "… from start to ready", server.start.Seconds(), "s", 6)
	b.atMost(c, "… idle, CPU of a core", after.share(before, time.Since(began))*100, "%", 1)
	return nil
}

// reading: pages of long lists while runs are being made.
func (b *bench) reading(ctx context.Context) (err error) {
	db := b.fresh("reading")
	defer b.free(db)
	now := time.Now()
	err = b.fill(ctx, db, b.scale.jobs, b.fillRuns(ctx, b.scale.runs, b.scale.jobs, now.AddDate(0, 0, -29), now), b.rareJob)
	if err != nil {
		return err
	}
	server, err := b.startServer(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := b.background(ctx, server); err != nil {
		return err
	}
	c := "reading"
	for _, page := range []struct{ what, path string }{
		{"pages of 100 jobs", "/jobs"},
		{"pages of 100 jobs by next run", "/jobs?sort=next_run_time"},
		{"pages of 100 runs", "/runs"},
		{"pages of 100 runs that failed or were missed", "/runs?status=failed&status=missed"},
		{"pages of 100 runs of one job", "/jobs/" + fmt.Sprintf("rare-%d", b.scale.jobs/2) + "/runs"},
		{"one job", "/jobs/" + fmt.Sprintf("rare-%d", b.scale.jobs/3)},
	} {
		b.display.step("%s", page.what)
		took, err := b.readPages(ctx, server, page.path)
		if err != nil {
			return err
		}
		b.atMost(c, page.what+", p99", percentile(took, 0.99), "ms", 25)
		b.show(c, "… p50", percentile(took, 0.50), "ms")
	}
	s, err := b.target.stats(ctx)
	b.show(c, "meanwhile, lag p99 of the runs", s.LagP99, "ms")
	return err
}

// background makes the jobs of the runs beside what is measured, and waits until they run evenly.
func (b *bench) background(ctx context.Context, server *benchServer) error {
	start := b.soon(b.scale.background)
	if err := b.createSpread(ctx, server, b.scale.background, 1, start); err != nil {
		return err
	}
	if err := b.wait(ctx, "warming up", start.Add(b.warm(3*time.Second))); err != nil {
		return err
	}
	return b.target.reset(ctx)
}

// readPages follows a list page by page for a while, anew from its beginning when it ends, and gives each answer's milliseconds.
func (b *bench) readPages(ctx context.Context, server *benchServer, path string) (took []float64, err error) {
	u, err := url.Parse(server.url + path)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	if q.Set("limit", "100"); path == "/jobs/"+fmt.Sprintf("rare-%d", b.scale.jobs/3) {
		q = nil
	}
	until := time.Now().Add(b.scale.watch / 2)
	for time.Now().Before(until) {
		u.RawQuery = q.Encode()
		var page struct {
			Next string `json:"next_cursor"`
		}
		began := time.Now()
		if err := getJSON(ctx, server.client, u.String(), &page); err != nil {
			return nil, err
		}
		took = append(took, ms(time.Since(began)))
		if q != nil {
			if q.Del("cursor"); page.Next != "" {
				q.Set("cursor", page.Next)
			}
		}
		time.Sleep(2 * time.Millisecond) // a reader, not a load test
	}
	return took, nil
}

// growth: the same number of runs per second from ever more jobs, each of which fires ever more rarely.
func (b *bench) growth(ctx context.Context) error {
	c := "growth"
	const rate = 1000 // runs/s
	first := 0.0
	for _, n := range b.scale.growth {
		perRun, lag, memory, err := b.growthOf(ctx, n, min(rate, n))
		if err != nil {
			return err
		}
		b.show(c, fmt.Sprintf("%s jobs that take turns, %s runs/s, CPU per run", number(float64(n)), number(float64(min(rate, n)))), perRun, "µs")
		if first == 0 {
			first = perRun
			continue
		}
		b.atMost(c, "… as a multiple of the first", perRun/first, "", 1.3)
		b.show(c, "… lag p99", lag, "ms")
		b.show(c, "… memory", memory, "MB")
	}
	return nil
}

func (b *bench) growthOf(ctx context.Context, n, rate int) (perRun, lag, memory float64, err error) {
	db := b.fresh("growth")
	defer b.free(db)
	every := float64(n) / float64(rate)
	start := time.Now().Truncate(time.Second).Add(b.warm(15*time.Second) + time.Duration(n/5000)*time.Second)
	body := json.RawMessage(`{"order":4711,"what":"close the day"}`)
	err = b.fill(ctx, db, n, nil, func(i int) NewJob {
		turn := i * 7919 % n // consecutive firings are of jobs far apart, as in life
		at := start.Add(time.Duration(turn) * time.Second / time.Duration(rate))
		return NewJob{JobID: fmt.Sprintf("turn-%d", i), Definition: &Definition{ScheduleType: "interval", Timezone: defaultZone, TargetURL: b.target.url,
			Method: http.MethodPost, Body: body, Interval: json.RawMessage(fmt.Sprintf(`{"seconds":%g,"start_date":%q}`, every, at.UTC().Format(time.RFC3339Nano)))}}
	})
	if err != nil {
		return 0, 0, 0, err
	}
	server, err := b.startServer(ctx, db)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if time.Now().After(start) {
		return 0, 0, 0, fmt.Errorf("filling in %d jobs took until after their start", n)
	}
	// Until garbage has been collected once under this load, the heap grows, and the system clears each new page: a cost of the
	// start, not of a run.
	if err := b.wait(ctx, "warming up", start.Add(b.warm(25*time.Second))); err != nil {
		return 0, 0, 0, err
	}
	if err := b.target.reset(ctx); err != nil {
		return 0, 0, 0, err
	}
	before := server.begin()
	if err := b.wait(ctx, fmt.Sprintf("%d jobs", n), time.Now().Add(b.scale.watch)); err != nil {
		return 0, 0, 0, err
	}
	after := server.end()
	s, err := b.target.stats(ctx)
	if !after.known {
		return math.NaN(), s.LagP99, after.rss, err
	}
	return float64((after.cpu - before.cpu).Microseconds()) / float64(max(1, s.Calls)), s.LagP99, after.rss, err
}
