package main

import (
	"log/slog"
	"sync"
	"time"
)

// healthState is whether the last attempt to write succeeded. It logs once per change.
type healthState struct {
	mu    sync.Mutex
	err   error
	since time.Time
}

func (h *healthState) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *healthState) bad(log *slog.Logger, err error) {
	h.mu.Lock()
	first := h.err == nil
	h.err = err
	if first {
		h.since = time.Now()
	}
	h.mu.Unlock()
	if first {
		log.Error("the database cannot be written: nothing new is called until it can", "error", err)
	}
}

// good is called by the writer alone after each commit, so it looks before it locks for writing.
func (h *healthState) good(log *slog.Logger) {
	h.mu.Lock()
	was, since := h.err, h.since
	h.err = nil
	h.mu.Unlock()
	if was != nil {
		log.Info("the database can be written again", "after", time.Since(since).Round(time.Millisecond))
	}
}
