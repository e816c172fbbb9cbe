package main

import (
	"slices"
	"time"
)

// host counts the calls that are out to one host:port, and keeps the entries that wait for one of them to end. A slow host
// fills its own slots and nobody else's.
type host struct {
	name  string
	calls int // claimed or out
	refs  int // entries that name it
	queue []*entry

	budget  float64 // calls that the rate allows now, as of counted
	counted time.Time
	awaited bool // a hostReady event is on its way
}

// slots keeps the limits on calls that are out at one time. An entry that finds no slot waits, unclaimed, in the queue of
// what is full: its host, or everything.
type slots struct {
	maxTotal, maxPerHost int
	rate                 float64 // calls a second to one host, 0 = no limit
	total                int
	hosts                map[string]*host
	queue                []*entry // wait for any slot
	queued               int      // entries that wait in all queues
}

// host finds or makes the host of that name, and counts the caller as one that names it.
func (s *slots) host(name string) *host {
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	h.refs++
	return h
}

// drop undoes host.
func (s *slots) drop(h *host) {
	h.refs--
	s.forget(h)
}

func (s *slots) forget(h *host) {
	if h.refs == 0 && h.calls == 0 && len(h.queue) == 0 {
		delete(s.hosts, h.name)
	}
}

// free is how many calls to h may go out now.
func (s *slots) free(h *host) int {
	return max(0, min(s.room(h), s.maxTotal-s.total))
}

// room is how many calls to h its own limits allow now: calls out at one time, and the rate, which is a token bucket that
// holds what comes in within a hundredth of a second, at least one call.
func (s *slots) room(h *host) int {
	n := s.maxPerHost - h.calls
	if s.rate > 0 {
		now := time.Now()
		h.budget = min(max(1, s.rate/100), h.budget+s.rate*now.Sub(h.counted).Seconds())
		h.counted = now
		n = min(n, int(h.budget))
	}
	return n
}

// ready is how long it takes until the rate allows another call to h.
func (s *slots) ready(h *host) time.Duration {
	return max(time.Millisecond, time.Duration((1-h.budget)/s.rate*float64(time.Second)))
}

func (s *slots) take(h *host, n int) {
	h.calls += n
	s.total += n
	h.budget -= float64(n)
}

func (s *slots) give(h *host, n int) {
	h.calls -= n
	s.total -= n
	s.forget(h)
}

// wait queues e behind whatever it waits for.
func (s *slots) wait(e *entry) {
	if e.queued {
		return
	}
	e.queued = true
	s.queued++
	if s.room(e.host) <= 0 {
		e.host.queue = append(e.host.queue, e)
	} else {
		s.queue = append(s.queue, e)
	}
}

// leave takes e out of the queue where it waits: it is about to wait for another host, or for none.
func (s *slots) leave(e *entry) {
	if !e.queued {
		return
	}
	e.queued = false
	s.queued--
	here := func(o *entry) bool { return o == e }
	e.host.queue = slices.DeleteFunc(e.host.queue, here)
	s.queue = slices.DeleteFunc(s.queue, here)
}

// next takes the entry that has waited longest for a slot that is free now, after a call to h has ended. Those that wait for
// any slot come first: the hosts of the others have their share. nil = no slot is free, or nobody waits.
func (s *slots) next(h *host) *entry {
	if s.total >= s.maxTotal {
		// h has room but the total has not: its first ones go on waiting for any slot, or nothing would ever call them.
		n := min(len(h.queue), max(0, s.room(h)))
		s.queue = append(s.queue, h.queue[:n]...)
		h.queue = h.queue[n:]
		return nil
	}
	q := &s.queue
	if len(*q) == 0 && s.room(h) > 0 {
		q = &h.queue
	}
	if len(*q) == 0 {
		return nil
	}
	e := (*q)[0]
	(*q)[0] = nil
	*q = (*q)[1:]
	e.queued = false
	s.queued--
	return e
}
