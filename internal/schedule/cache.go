package schedule

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"
)

// rules shares the compiled rules of equal sources. It holds them weakly: a rule that no
// schedule uses any more is collected and its entry goes with it, so the cache is never
// larger than what is in use.
var rules ruleCache

type ruleCache struct {
	mu      sync.Mutex
	entries map[string]weak.Pointer[rule]
	most    int // entries at most since the map was made
}

// share returns the rule for key, made by compile if none is in use.
func (c *ruleCache) share(key string, compile func() *rule) *rule {
	if r := c.lookup(key); r != nil {
		return r
	}
	fresh := compile() // without the lock: others need not wait
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.entries[key].Value(); r != nil {
		return r // another was faster
	}
	if c.entries == nil {
		c.entries = make(map[string]weak.Pointer[rule])
	}
	c.entries[key] = weak.Make(fresh)
	c.most = max(c.most, len(c.entries))
	runtime.AddCleanup(fresh, c.forget, key)
	return fresh
}

func (c *ruleCache) lookup(key string) *rule {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[key].Value()
}

// forget drops the entry of a collected rule, unless a new rule took its place.
func (c *ruleCache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.entries[key]; ok && p.Value() == nil {
		delete(c.entries, key)
	}
	if c.most > 1024 && len(c.entries) < c.most/4 { // a map never gives memory back
		c.entries = maps.Collect(maps.All(c.entries))
		c.most = len(c.entries)
	}
}

func (c *ruleCache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// memo remembers the last few searches of a rule, so that many jobs on one schedule
// cost one search. Jobs on one schedule ask for the same time at nearly the same time;
// a few places are enough also when some of them lag behind.
type memo [4]atomic.Pointer[found]

type found struct {
	asked, answer int64
	ok            bool
}

// unknown is the answer to a question that was not asked before.
const unknown = -1 << 63

func (m *memo) place(t int64) *atomic.Pointer[found] { return &m[scatter(uint64(t))%uint64(len(m))] }

func (m *memo) load(t int64) (int64, bool) {
	if f := m.place(t).Load(); f != nil && f.asked == t {
		return f.answer, f.ok
	}
	return unknown, false
}

func (m *memo) store(t, answer int64, ok bool) {
	m.place(t).Store(&found{t, answer, ok})
}
