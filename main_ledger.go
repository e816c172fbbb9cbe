package main

import (
	"context"
	"log/slog"
	"math"
	"sync/atomic"
	"time"
)

// histories is what compareLedger asks of the store.
type histories interface {
	Histories(ctx context.Context, w ledgerWindow, each func(h *history, rows rowReader) error) error
}

// ledgerWindow is the range of scheduled times that is compared: (From, To].
type ledgerWindow struct {
	From, To instant
	JobID    string // of a living job; "" = all jobs, deleted ones too
}

// compareLedger compares the plan of every job with its rows. It stops with the cause of ctx when that ends.
func compareLedger(ctx context.Context, r histories, w ledgerWindow, now instant) (*tally, error) {
	t := newTally(w)
	err := r.Histories(ctx, w, func(h *history, rows rowReader) error {
		if err := t.check(ctx, h, rows, now); err != nil {
			return err
		}
		return ctx.Err()
	})
	return t, err
}

const (
	// The server compares the recent past by itself: differences are seen without anybody asking.
	watchEvery  = 10 * time.Minute
	watchWindow = time.Hour
	// It takes at most a third of a hundredth of a core: after each bout it rests so many times as long as that took. A million
	// jobs that fire rarely take an hour then, ten thousand half a minute.
	watchShare = 299
	watchBout  = 2 * time.Millisecond
)

// ledgerWatch compares now and then, in the background, and keeps what it found last for the metrics.
type ledgerWatch struct {
	histories histories
	log       *slog.Logger
	every     time.Duration
	found     atomic.Pointer[tally] // nil = nothing yet
	at        atomic.Int64          // when that was, in seconds since 1970
}

// run compares until ctx ends.
func (l *ledgerWatch) run(ctx context.Context) {
	for wait := min(time.Minute, l.every); ; wait = l.every {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		now := instantOf(time.Now())
		t, err := compareLedger(ctx, unhurried{l.histories}, ledgerWindow{From: now.Add(-watchWindow), To: now}, now)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.log.Warn("the ledger could not be compared, trying again later", "error", err)
		default:
			l.keep(t)
		}
	}
}

// keep notes the outcome of a comparison, and logs each change for the worse.
func (l *ledgerWatch) keep(t *tally) {
	before := 0
	if was := l.found.Swap(t); was != nil {
		before = was.gap()
	}
	l.at.Store(time.Now().Unix())
	if t.gap() > before {
		l.log.Error("the ledger has differences: a firing without a row, or a row without a firing; teiki verify lists them", "differences", t.gap(), "first", t.Differences[0])
	}
}

// Metrics: NaN before the first comparison.

func (l *ledgerWatch) differences() float64 {
	if t := l.found.Load(); t != nil {
		return float64(t.gap())
	}
	return math.NaN()
}

func (l *ledgerWatch) oldestDue() float64 {
	switch t := l.found.Load(); {
	case t == nil:
		return math.NaN()
	case t.oldest == 0:
		return 0
	default:
		return max(0, time.Unix(l.at.Load(), 0).Sub(t.oldest.Time()).Seconds())
	}
}

func (l *ledgerWatch) comparedAt() float64 {
	if at := l.at.Load(); at != 0 {
		return float64(at)
	}
	return math.NaN()
}

// unhurried rests between the jobs.
type unhurried struct{ histories }

func (u unhurried) Histories(ctx context.Context, w ledgerWindow, each func(h *history, rows rowReader) error) error {
	began := time.Now()
	return u.histories.Histories(ctx, w, func(h *history, rows rowReader) error {
		err := each(h, rows)
		took := time.Since(began)
		if took < watchBout {
			return err
		}
		select {
		case <-time.After(watchShare * took):
		case <-ctx.Done():
		}
		began = time.Now()
		return err
	})
}
