package main

// entryHeap is a binary min-heap of entries by their time. Each entry knows its index (-1 = outside), so that any of them can
// be moved or taken out. Only the scheduler's goroutine touches it.
type entryHeap []*entry

// set puts e into the heap at time at, moves it there, or, with at 0, takes it out.
func (h *entryHeap) set(e *entry, at instant) {
	switch {
	case at == 0:
		h.remove(e)
	case e.index < 0:
		e.at = at
		e.index = int32(len(*h))
		*h = append(*h, e)
		h.up(int(e.index))
	case e.at != at:
		e.at = at
		h.up(int(e.index))
		h.down(int(e.index))
	}
}

func (h *entryHeap) remove(e *entry) {
	i, last := int(e.index), len(*h)-1
	if i < 0 {
		return
	}
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = -1
	if i < last {
		h.up(i)
		h.down(i)
	}
}

// first is the entry with the earliest time, nil when the heap is empty.
func (h entryHeap) first() *entry {
	if len(h) == 0 {
		return nil
	}
	return h[0]
}

func (h entryHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

func (h entryHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h entryHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].at < h[child].at {
			child++
		}
		if h[i].at <= h[child].at {
			return
		}
		h.swap(i, child)
		i = child
	}
}
