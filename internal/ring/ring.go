// Package ring keeps the last entries of an endless log in bounded memory, for any number of readers that come and go. Writers
// never wait for readers: who is too slow, or away too long, learns that it missed something.
package ring

import (
	"context"
	"sync"
)

// Log numbers what is appended to it and keeps the last entries. Use New.
type Log[T any] struct {
	mu    sync.Mutex
	kept  []T
	first uint64        // number of the very first entry
	next  uint64        // number that the next entry gets
	wake  chan struct{} // closed by the next Append; nil while nobody waits
}

// New makes a log that keeps the last size entries; the first one gets the number first.
func New[T any](size int, first uint64) *Log[T] {
	return &Log[T]{kept: make([]T, size), first: first, next: first}
}

// Append adds an entry. It costs a copy, and allocates nothing.
func (l *Log[T]) Append(v T) {
	l.mu.Lock()
	l.kept[l.next%uint64(len(l.kept))] = v
	l.next++
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
	l.mu.Unlock()
}

// Next is the number that the next entry will get: a reader that starts there sees only what is new.
func (l *Log[T]) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Read copies the entries from number from on into buf, as many as fit. at is the number of the first one of them; when it is
// not from, the entries before are gone, or from is a number of the future, and reading goes on with what there is.
func (l *Log[T]) Read(from uint64, buf []T) (n int, at uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.first
	if size := uint64(len(l.kept)); l.next-l.first > size {
		oldest = l.next - size
	}
	at = from
	if from < oldest {
		at = oldest
	}
	if from > l.next {
		at = l.next
	}
	for i := at; i < l.next && n < len(buf); i++ {
		buf[n] = l.kept[i%uint64(len(l.kept))]
		n++
	}
	return n, at
}

// Wait returns when there is an entry with number from or later, or when ctx ends.
func (l *Log[T]) Wait(ctx context.Context, from uint64) error {
	for {
		l.mu.Lock()
		if l.next > from {
			l.mu.Unlock()
			return nil
		}
		if l.wake == nil {
			l.wake = make(chan struct{})
		}
		wake := l.wake
		l.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
