package main

import (
	"sync"
	"time"
)

// Definitions that are read together with the schedules of jobs whose firing is near wait here for their call: reading each when
// its call is made would be a query more. As long as there is room they wait prepared: done for many in a row it costs a third of
// what it does between two calls, because code and data stay in the processor's caches. What is not called for soon is
// forgotten; the loader reads it again.
const (
	expectedBytes = 32 << 20
	preparedBytes = expectedBytes / 2
	expectedFor   = 10 * time.Second // at least; twice as long at most, as long as others come
)

// expected keeps definitions in two generations. It is safe for concurrent use.
type expected struct {
	mu         sync.Mutex
	young, old generation
	since      time.Time // when young began
}

type generation struct {
	of   map[versionKey]near
	size int // bytes
}

// near is the definition of a call that is near: prepared, or its text.
type near struct {
	jobID, text string
	p           *prepared // nil = text is to be prepared
}

func (n near) size() int {
	if n.p != nil {
		return 128 + n.p.size()
	}
	return 128 + len(n.jobID) + len(n.text)
}

// prepared makes n ready; nil when there is no text, or it cannot be read.
func (n near) prepared() *prepared {
	if n.p != nil {
		return n.p
	}
	d, err := parseDefinition(n.text)
	if err != nil {
		return nil
	}
	return prepare(n.jobID, d)
}

// Expect keeps the definitions of near jobs at hand, as far as there is room.
func (e *Executor) Expect(list []ScheduleText) {
	x := &e.expected
	early := x.size() < preparedBytes
	kept := make([]near, len(list))
	for i, s := range list {
		kept[i] = near{jobID: s.JobID, text: s.Definition}
		if early {
			kept[i].p = kept[i].prepared()
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); now.Sub(x.since) > expectedFor {
		x.old, x.young, x.since = x.young, generation{}, now
	}
	for i, n := range kept {
		if x.young.size+x.old.size+n.size() > expectedBytes {
			return
		}
		if n.text != "" {
			x.young.add(versionKey{list[i].Job, list[i].Version}, n)
		}
	}
}

// size is how many bytes wait.
func (x *expected) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.young.size + x.old.size
}

// take gives the definition of key, and keeps it no longer: once prepared it is in the cache.
func (x *expected) take(key versionKey) (near, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n, ok := x.young.take(key); ok {
		return n, true
	}
	return x.old.take(key)
}

func (g *generation) add(key versionKey, n near) {
	g.take(key)
	if g.of == nil {
		g.of = make(map[versionKey]near)
	}
	g.of[key] = n
	g.size += n.size()
}

func (g *generation) take(key versionKey) (near, bool) {
	n, ok := g.of[key]
	if ok {
		g.size -= n.size()
		if delete(g.of, key); len(g.of) == 0 {
			g.of = nil // a map keeps the space of its largest time
		}
	}
	return n, ok
}
