package main

// entryHeap is a min-heap of entries by their time. Each entry knows its index (-1 = outside), so that any of them can be moved
// or taken out. The times are in the heap itself, and an item has heapArity children, next to each other: of a million entries
// few are in the processor's caches, and each level that an item passes costs a look at another. Only the scheduler's goroutine
// touches it.
type entryHeap []heapItem

const heapArity = 4

type heapItem struct {
	at instant
	e  *entry
}

// set puts e into the heap at time at, moves it there, or, with at 0, takes it out.
func (h *entryHeap) set(e *entry, at instant) {
	switch i := int(e.index); {
	case at == 0:
		h.remove(e)
	case i < 0:
		*h = append(*h, heapItem{at, e})
		h.up(len(*h) - 1)
	case (*h)[i].at != at:
		(*h)[i].at = at
		h.fix(i)
	}
}

func (h *entryHeap) remove(e *entry) {
	i, last := int(e.index), len(*h)-1
	if i < 0 {
		return
	}
	(*h)[i] = (*h)[last]
	(*h)[last] = heapItem{}
	*h = (*h)[:last]
	e.index = -1
	if i < last {
		h.fix(i)
	}
}

// first is the item with the earliest time; its entry is nil when the heap is empty.
func (h entryHeap) first() heapItem {
	if len(h) == 0 {
		return heapItem{}
	}
	return h[0]
}

// fix moves the item at i to where its time belongs.
func (h entryHeap) fix(i int) {
	if i > 0 && h[i].at < h[(i-1)/heapArity].at {
		h.up(i)
	} else {
		h.down(i)
	}
}

// put places an item.
func (h entryHeap) put(i int, item heapItem) {
	h[i] = item
	item.e.index = int32(i)
}

func (h entryHeap) up(i int) {
	item := h[i]
	for i > 0 {
		parent := (i - 1) / heapArity
		if item.at >= h[parent].at {
			break
		}
		h.put(i, h[parent])
		i = parent
	}
	h.put(i, item)
}

func (h entryHeap) down(i int) {
	item := h[i]
	for {
		first := heapArity*i + 1
		if first >= len(h) {
			break
		}
		child := first
		for c := first + 1; c < min(first+heapArity, len(h)); c++ {
			if h[c].at < h[child].at {
				child = c
			}
		}
		if item.at <= h[child].at {
			break
		}
		h.put(i, h[child])
		i = child
	}
	h.put(i, item)
}
