package main

import (
	"sync"
	"time"
)

// Definitions that are read together with the schedules of jobs whose firing is near wait here for their call: reading each when
// its call is made would be a query more. What is not called for soon is forgotten; the loader reads it again.
const (
	expectedBytes = 32 << 20
	expectedFor   = 10 * time.Second // at least; twice as long at most, as long as others come
)

// expected keeps definitions in two generations. It is safe for concurrent use.
type expected struct {
	mu         sync.Mutex
	young, old generation
	since      time.Time // when young began
}

type generation struct {
	of   map[versionKey]definitionText
	size int // bytes
}

type definitionText struct{ jobID, text string }

func (t definitionText) size() int { return 128 + len(t.jobID) + len(t.text) }

// Expect keeps the definitions of near jobs at hand, as far as there is room.
func (e *Executor) Expect(near []ScheduleText) {
	x := &e.expected
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); now.Sub(x.since) > expectedFor {
		x.old, x.young, x.since = x.young, generation{}, now
	}
	for _, n := range near {
		t := definitionText{n.JobID, n.Definition}
		if x.young.size+x.old.size+t.size() > expectedBytes {
			return
		}
		if t.text != "" {
			x.young.add(versionKey{n.Job, n.Version}, t)
		}
	}
}

// take gives the definition of key, and keeps it no longer: once prepared it is in the cache.
func (x *expected) take(key versionKey) (definitionText, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t, ok := x.young.take(key); ok {
		return t, true
	}
	return x.old.take(key)
}

func (g *generation) add(key versionKey, t definitionText) {
	g.take(key)
	if g.of == nil {
		g.of = make(map[versionKey]definitionText)
	}
	g.of[key] = t
	g.size += t.size()
}

func (g *generation) take(key versionKey) (definitionText, bool) {
	t, ok := g.of[key]
	if ok {
		g.size -= t.size()
		if delete(g.of, key); len(g.of) == 0 {
			g.of = nil // a map keeps the space of its largest time
		}
	}
	return t, ok
}
