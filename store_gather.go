package main

import (
	"slices"
	"time"
)

// Under load, claims and ends wait a moment for others to share their commit.

const (
	// gatherTime is the least time from one group to the next while there is nothing but claims and ends of runs to write, and
	// gatherEnough the number of them that need no more company: a commit costs as much as ten.
	gatherTime   = 4 * time.Millisecond
	gatherEnough = 64
)

// gather gives claims and ends that follow soon after a commit company, under load. It returns early when there is a change,
// whose caller waits for its answer, or enough to do.
func (s *Store) gather(pending []any, last time.Time) []any {
	wait := gatherTime - time.Since(last)
	if wait <= 0 || !hot(pending...) {
		return pending
	}
	s.mu.Lock()
	for _, op := range pending {
		s.queued += weight(op)
	}
	early := s.closing || s.queued >= gatherEnough || !hot(s.queue...)
	if s.gathering = !early; s.gathering {
		select {
		case <-s.wake: // for what the last group has taken along
		default:
		}
	}
	s.mu.Unlock()
	if !early {
		select {
		case <-time.After(wait):
		case <-s.wake:
		}
	}
	s.mu.Lock()
	s.gathering = false
	s.mu.Unlock()
	pending, _ = s.take(pending)
	return pending
}

// weight is how many claims and ends op holds.
func weight(op any) int {
	if c, ok := op.(*claimOp); ok {
		return len(c.claims)
	}
	return 1
}

// writerLoad counts what comes to be written, to tell a load from single events: those are written at once.
type writerLoad struct {
	began     time.Time // of the window
	now, last int       // operations in it, and in the one before
}

// busy counts n more operations.
func (l *writerLoad) busy(n int) bool {
	const window, least = 50 * time.Millisecond, 25
	if age := time.Since(l.began); age > window {
		l.last = l.now
		if age > 2*window {
			l.last = 0
		}
		l.began, l.now = time.Now(), 0
	}
	l.now += n
	return max(l.last, l.now) >= least
}

// hot tells whether all of list are claims and ends of runs, or changes that can wait.
func hot(list ...any) bool {
	return !slices.ContainsFunc(list, func(op any) bool { c, change := op.(*changeOp); return change && !c.calm })
}
