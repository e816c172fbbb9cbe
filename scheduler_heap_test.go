package main

import (
	"math/rand/v2"
	"testing"
)

// TestEntryHeap: whatever is put in, moved and taken out, the earliest is first and each entry knows its place.
func TestEntryHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h entryHeap
	entries := make([]*entry, 60)
	at := map[*entry]instant{}
	for i := range entries {
		entries[i] = &entry{job: int64(i), index: -1}
	}
	for range 20_000 {
		e := entries[r.IntN(len(entries))]
		when := instant(r.IntN(40)) // 0 takes it out
		if h.set(e, when); when == 0 {
			delete(at, e)
		} else {
			at[e] = when
		}
		if len(h) != len(at) {
			t.Fatalf("%d in the heap, want %d", len(h), len(at))
		}
		for i, item := range h {
			if item.at != at[item.e] || int(item.e.index) != i || i > 0 && item.at < h[(i-1)/heapArity].at {
				t.Fatalf("%v at %d of the heap, want time %d", item, i, at[item.e])
			}
		}
		if e.index >= 0 != (when != 0) {
			t.Fatalf("an entry with time %d has index %d", when, e.index)
		}
	}
	for last := instant(0); len(h) > 0; h.remove(h.first().e) {
		if h.first().at < last {
			t.Fatal("not in order")
		}
		last = h.first().at
	}
	if h.first().e != nil {
		t.Error("an empty heap has a first entry")
	}
}
