package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retention: what the deletion of old history does to the runs' lag.
func (b *bench) retention(ctx context.Context) error {
	db := b.fresh("retention")
	defer b.free(db)
	n, old := b.scale.background, time.Now().AddDate(0, 0, -60)
	err := b.fill(ctx, db, n, b.fillRuns(ctx, b.scale.oldRuns, n, old, old.AddDate(0, 0, 20)), b.rareJob)
	if err != nil {
		return err
	}
	without, err := b.lagWhile(ctx, db, false)
	if err != nil {
		return err
	}
	with, err := b.lagWhile(ctx, db, true)
	if err != nil {
		return err
	}
	c := "retention"
	b.show(c, fmt.Sprintf("%s runs/s, lag p99 without deletion", number(float64(n))), without.LagP99, "ms")
	b.atMost(c, fmt.Sprintf("… while %s old runs are deleted, as a multiple", number(float64(b.scale.oldRuns))), with.LagP99/max(without.LagP99, ms(lagStep)), "", 2)
	b.show(c, "… lag p99 then", with.LagP99, "ms")
	b.show(c, "… deleted per second", with.rate, "/s")
	return nil
}

type lagResult struct {
	benchStats
	rate float64 // deleted runs/s
}

// lagWhile measures the lag of a background load on db, with and without old runs being deleted meanwhile.
func (b *bench) lagWhile(ctx context.Context, db string, deleting bool) (r lagResult, err error) {
	keep := "0"
	if deleting {
		keep = "30d"
		b.sweep = "soon"
		defer func() { b.sweep = "" }()
	}
	server, err := b.startServer(ctx, db, "-keep-period", keep)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if !deleting {
		if err := b.background(ctx, server); err != nil {
			return r, err
		}
	}
	if err := b.wait(ctx, "warming up", time.Now().Add(b.warm(5*time.Second))); err != nil {
		return r, err
	}
	if err := b.target.reset(ctx); err != nil {
		return r, err
	}
	server.begin()
	defer server.end()
	if !deleting {
		if err := b.wait(ctx, "without deletion", time.Now().Add(b.scale.watch)); err != nil {
			return r, err
		}
		r.benchStats, err = b.target.stats(ctx)
		return r, err
	}
	reader, err := openReader(ctx, db)
	if err != nil {
		return r, err
	}
	defer reader.Close()
	before := instantOf(time.Now().AddDate(0, 0, -35))
	began := time.Now()
	for first, left := -1, 1; left > 0 && time.Since(began) < 15*time.Minute; {
		if left, err = reader.CountRuns(ctx, "", 0, before); err != nil {
			return r, err
		}
		if first < 0 {
			first = left
		}
		r.rate = float64(first-left) / time.Since(began).Seconds()
		b.display.progress("deleting", float64(first-left), float64(first))
		if err := sleep(ctx, min(time.Second, b.scale.watch/4)); err != nil {
			return r, err
		}
	}
	r.benchStats, err = b.target.stats(ctx)
	return r, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// idle: what a small server costs that has nothing to do.
func (b *bench) idle(ctx context.Context) (err error) {
	db := b.fresh("idle")
	defer b.free(db)
	server, err := b.startServer(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	later := time.Now().Add(24 * time.Hour)
	err = server.createJobs(ctx, 0, 100, 4, func(i int) string { return intervalJob(fmt.Sprintf("bench-%d", i), 3600, later, b.target.url) }, nil)
	if err != nil {
		return err
	}
	server.client.CloseIdleConnections()
	if err := b.wait(ctx, "settling", time.Now().Add(b.scale.watch/2)); err != nil {
		return err
	}
	before, began := server.begin(), time.Now()
	if err := b.wait(ctx, "idle", time.Now().Add(b.scale.watch)); err != nil {
		return err
	}
	after, took := server.end(), time.Since(began)
	c := "idle"
	b.atMost(c, "100 jobs, memory", after.rss, "MB", 30)
	b.atMost(c, "… wake-ups of all threads", (after.switches-before.switches)/took.Seconds(), "/s", 10)
	b.atMost(c, "… CPU of a core", after.share(before, took)*100, "%", 1)
	return nil
}

// soak: half of the steady load for a long time, with a short retention: nothing may grow.
func (b *bench) soak(ctx context.Context) (err error) {
	db := b.fresh("soak")
	defer b.free(db)
	b.sweep = "soon"
	defer func() { b.sweep = "" }()
	server, err := b.startServer(ctx, db, "-keep-period", "60s")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	n := b.scale.soakJobs
	start := b.soon(n)
	if err := b.createSpread(ctx, server, n, 1, start); err != nil {
		return err
	}
	if err := b.wait(ctx, "warming up", start.Add(b.warm(2*time.Second))); err != nil {
		return err
	}
	if err := b.target.reset(ctx); err != nil {
		return err
	}
	before, began := server.begin(), time.Now()
	var halves [2]soakSample // the most that was seen in the third quarter and in the last
	for share := 0.0; share < 1; share = time.Since(began).Seconds() / b.scale.soakFor.Seconds() {
		b.display.progress(fmt.Sprintf("%d runs/s", n), share, 1)
		if err := sleep(ctx, min(time.Second, b.scale.soakFor/20)); err != nil {
			return err
		}
		if share < 0.5 {
			continue
		}
		now, err := b.sample(ctx, server)
		if err != nil {
			return err
		}
		h := &halves[0]
		if share >= 0.75 {
			h = &halves[1]
		}
		h.rss, h.goroutines, h.file = max(h.rss, now.rss), max(h.goroutines, now.goroutines), max(h.file, now.file)
	}
	took := time.Since(began)
	after := server.end()
	s, err := b.target.stats(ctx)
	if err != nil {
		return err
	}
	c := "soak"
	b.show(c, fmt.Sprintf("calls in %s", took.Round(time.Second)), float64(s.Calls), "")
	b.none(c, "calls lost", max(0, int(float64(n)*took.Seconds()*0.99)-int(s.Calls)))
	b.show(c, "lag p99", s.LagP99, "ms")
	b.show(c, "server's CPU", after.share(before, took), "cores")
	for _, x := range []struct {
		what, unit string
		a, b       float64
	}{{"memory", "MB", halves[0].rss, halves[1].rss}, {"goroutines", "", halves[0].goroutines, halves[1].goroutines}, {"database and log", "MB", halves[0].file, halves[1].file}} {
		b.show(c, x.what+", most in the last quarter", x.b, x.unit)
		b.atMost(c, "… as a multiple of the quarter before", x.b/x.a, "", 1.1)
	}
	return nil
}

type soakSample struct{ rss, goroutines, file float64 }

func (b *bench) sample(ctx context.Context, server *benchServer) (s soakSample, err error) {
	s.rss = server.usage().rss
	if s.file, err = fileSize(server.db); err != nil {
		return s, err
	}
	s.goroutines, err = server.metric(ctx, "go_goroutines")
	return s, err
}

// metric reads one value without labels from /metrics.
func (s *benchServer) metric(ctx context.Context, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return math.NaN(), nil
}
