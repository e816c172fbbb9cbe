package main

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Defaults of the retry policy, where neither the job nor the server says.
const (
	defaultMultiplier    = 2
	defaultRetryMaxDelay = time.Hour
)

// conclude decides what follows from an attempt: the run's end, or its next attempt. It is pure, and the only place where
// retries are decided: the executor calls it when a call has ended, the scheduler at start for a run that a crash left
// running (Attempt.Error "interrupted", reason crash). d is nil when the definition could not be read: no retry then.
func conclude(d *Definition, s *Settings, d0 Dispatch, a Attempt, now instant) Finish {
	f := Finish{
		Run: d0.Run, Job: d0.Job, Attempt: a,
		StartedAt: d0.StartedAt, FinishedAt: now,
		PauseAfter: s.Policy.PauseAfterFailures,
	}
	if f.StartedAt == 0 {
		f.StartedAt = instantOf(a.StartedAt)
	}
	if d != nil && d.PauseAfterFailures != nil {
		f.PauseAfter = *d.PauseAfterFailures
	}
	switch {
	case a.Error == classCanceled:
		f.Status, f.Reason = Canceled, a.Reason
		return f
	case a.OK:
		f.Status = Succeeded
		return f
	case a.Error == classInterrupted:
		f.Status, f.Reason = Interrupted, a.Reason
	default:
		f.Status, f.Reason = Failed, a.Reason
	}
	if d == nil || a.Attempt > maxRetries(d, s) || !retryable(d.RetryOn, a) {
		return f
	}
	due := now.Add(retryDelay(d, s, d0.Run, a, now))
	if d.RetryBudgetSec != nil && due > f.StartedAt.Add(seconds(*d.RetryBudgetSec)) {
		return f
	}
	f.Status, f.DueAt = Retrying, due
	return f
}

func maxRetries(d *Definition, s *Settings) int {
	if d.MaxRetries != nil {
		return *d.MaxRetries
	}
	return s.MaxRetries
}

// retryable tells whether a failed attempt is one to try again. A connect timeout counts as connect too: nothing was sent.
func retryable(on []string, a Attempt) bool {
	status := a.HTTPStatus
	if a.Error != "" {
		status = 0 // what counts is that the answer did not arrive whole
	}
	if len(on) == 0 {
		return slices.Contains(defaultRetryOn, a.Error) || status >= 500 && a.Reason == ReasonHTTPStatus
	}
	return slices.ContainsFunc(on, func(class string) bool {
		switch class {
		case a.Error:
			return true
		case classConnect:
			return a.Reason == reasonConnectTimeout
		case classCondition:
			return a.Error == "" && a.Reason != ReasonHTTPStatus
		}
		return status != 0 && a.Reason == ReasonHTTPStatus && (class == strconv.Itoa(status) || class == strconv.Itoa(status/100)+"xx")
	})
}

// retryDelay is the time from now to the next attempt: retry_backoff_sec × multiplier^(n−1), capped, less its random share,
// and not before the target's Retry-After. The server's cap holds for all of it.
func retryDelay(d *Definition, s *Settings, run int64, a Attempt, now instant) time.Duration {
	backoff := s.RetryBackoff.Seconds()
	if d.RetryBackoffSec != nil {
		backoff = *d.RetryBackoffSec
	}
	multiplier := float64(defaultMultiplier)
	if d.RetryMultiplier != nil {
		multiplier = *d.RetryMultiplier
	}
	limit := s.RetryMaxDelay
	if limit <= 0 {
		limit = defaultRetryMaxDelay
	}
	sec := 0.0
	if backoff > 0 {
		sec = backoff * math.Pow(multiplier, float64(a.Attempt-1)) // +Inf at worst
	}
	if d.RetryMaxBackoffSec != nil {
		sec = min(sec, *d.RetryMaxBackoffSec)
	}
	delay := seconds(min(sec, limit.Seconds()))
	if d.RetryJitter != nil {
		delay -= time.Duration(float64(delay) * *d.RetryJitter * share(run, a.Attempt))
	}
	if !a.RetryAfter.IsZero() {
		// Rounded up: an instant earlier than the one asked for would be too early.
		delay = max(delay, instantOf(a.RetryAfter.Add(time.Microsecond-1)).Sub(now))
	}
	return min(delay, limit)
}

// share is a number in [0, 1) that looks random and is the same for the same attempt: a decision taken again is the same.
func share(run int64, attempt int) float64 {
	x := uint64(run) + uint64(attempt)*0x9e3779b97f4a7c15 // splitmix64
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// seconds is a duration, at most about 292 years.
func seconds(f float64) time.Duration {
	if f >= math.MaxInt64/1e9 {
		return math.MaxInt64
	}
	return time.Duration(f * 1e9)
}
