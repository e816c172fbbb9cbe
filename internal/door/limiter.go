package door

import (
	"net/netip"
	"sync"
	"time"
)

// Limiter bounds the failed attempts of each address. An address (of IPv6: its /64, which one host owns whole) has a budget
// of failures that fills up again with time; while it is empty, Wait says how long. Its memory is bounded: when it knows
// maxAddresses, the one that failed longest ago makes room.
type Limiter struct {
	Burst  float64       // failures in a row that are free
	Refill time.Duration // after which one more failure is free

	mu    sync.Mutex
	known map[netip.Addr]budget
}

type budget struct {
	left float64
	at   time.Time
}

// maxAddresses bounds the memory of a Limiter to about 1 MB.
const maxAddresses = 10_000

// Wait is how long the address has to wait before its next attempt is judged; 0 = not at all.
func (l *Limiter) Wait(a netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.known[host(a)]
	if !ok {
		return 0
	}
	if left := l.left(b, now); left < 1 {
		return time.Duration((1 - left) * float64(l.Refill))
	}
	return 0
}

// Failed counts a failed attempt.
func (l *Limiter) Failed(a netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[netip.Addr]budget{}
	}
	key := host(a)
	b, ok := l.known[key]
	if !ok {
		if len(l.known) >= maxAddresses {
			l.makeRoom(now)
		}
		b = budget{l.Burst, now}
	}
	l.known[key] = budget{max(0, l.left(b, now)-1), now}
}

func (l *Limiter) left(b budget, now time.Time) float64 {
	return min(l.Burst, b.left+max(0, float64(now.Sub(b.at))/float64(l.Refill)))
}

// makeRoom forgets the addresses whose budget is full again, and at least the one that failed longest ago.
func (l *Limiter) makeRoom(now time.Time) {
	var oldest netip.Addr
	var at time.Time
	for a, b := range l.known {
		if l.left(b, now) >= l.Burst {
			delete(l.known, a)
		} else if at.IsZero() || b.at.Before(at) {
			oldest, at = a, b.at
		}
	}
	if len(l.known) >= maxAddresses {
		delete(l.known, oldest)
	}
}

func host(a netip.Addr) netip.Addr {
	if a.Is4() || !a.IsValid() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
