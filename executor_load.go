package main

import (
	"context"
	"sync"
)

// loader reads the definitions that are not in the cache, many in one go: what is asked for while a read is under way forms
// the next one. With a million jobs most calls need theirs read, and a query costs far more than a row.
type loader struct {
	executor *Executor

	mu   sync.Mutex
	busy bool         // a goroutine reads
	next *loaderBatch // gathers meanwhile
}

// loaderBatch is one read: at most as many definitions as calls may be out.
type loaderBatch struct {
	keys []versionKey
	of   map[versionKey]*loaded
	done chan struct{} // closed when all are read
}

// loaded is one definition on its way; those who wait for it share the making of p.
type loaded struct {
	near
	once sync.Once
}

// load gives key's definition, ready to be sent; nil when it is not to be had this way.
func (l *loader) load(ctx context.Context, key versionKey) *prepared {
	l.mu.Lock()
	if l.next == nil {
		l.next = &loaderBatch{of: make(map[versionKey]*loaded), done: make(chan struct{})}
	}
	b := l.next
	d := b.of[key]
	if d == nil {
		d = new(loaded)
		b.of[key] = d
		b.keys = append(b.keys, key)
	}
	if !l.busy {
		l.busy = true
		go l.read()
	}
	l.mu.Unlock()
	select {
	case <-b.done:
	case <-ctx.Done():
		return nil
	}
	d.once.Do(func() {
		if d.p = d.prepared(); d.p != nil {
			l.executor.keep(key, d.p)
		}
	})
	return d.p
}

// read reads batches until none waits.
func (l *loader) read() {
	for {
		l.mu.Lock()
		b := l.next
		l.next = nil
		l.busy = b != nil
		l.mu.Unlock()
		if b == nil {
			return
		}
		names, texts, err := l.executor.cfg.Ledger.Definitions(context.Background(), b.keys)
		if err == nil {
			for i, k := range b.keys {
				b.of[k].near = near{jobID: names[i], text: texts[i]}
			}
		}
		close(b.done) // after an error each tries by itself, with patience
	}
}
