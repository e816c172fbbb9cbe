package ring

import (
	"context"
	"sync"
	"testing"
)

func TestRead(t *testing.T) {
	l := New[int](4, 100)
	buf := make([]int, 8)
	if n, at := l.Read(100, buf); n != 0 || at != 100 {
		t.Errorf("empty: %d entries from %d", n, at)
	}
	for i := range 6 {
		l.Append(i)
	}
	for _, c := range []struct {
		from, at uint64
		want     int // number of entries
	}{{106, 106, 0}, {105, 105, 1}, {102, 102, 4}, {101, 102, 4}, {0, 102, 4}, {200, 106, 0}} {
		n, at := l.Read(c.from, buf)
		if n != c.want || at != c.at || n > 0 && buf[0] != int(at-100) {
			t.Errorf("Read(%d): %d entries from %d (%v), want %d from %d", c.from, n, at, buf[:n], c.want, c.at)
		}
	}
	if n, _ := l.Read(102, buf[:2]); n != 2 || buf[1] != 3 {
		t.Errorf("a small buffer got %v", buf[:n])
	}
}

// Many readers see every entry in order while a writer never waits for them.
func TestConcurrent(t *testing.T) {
	const entries = 5000
	l := New[int](entries, 7)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			buf := make([]int, 16)
			for next := uint64(7); next < 7+entries; {
				if err := l.Wait(t.Context(), next); err != nil {
					t.Error(err)
					return
				}
				n, at := l.Read(next, buf)
				for i := range n {
					if at != next || buf[i] != int(next-7)+i {
						t.Errorf("entry %d is %d", next, buf[i])
						return
					}
				}
				next += uint64(n)
			}
		})
	}
	for i := range entries {
		l.Append(i)
	}
	group.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l.Wait(ctx, l.Next()) == nil {
		t.Error("Wait returned without an entry")
	}
}

func BenchmarkAppend(b *testing.B) {
	l := New[[12]int64](1<<14, 0)
	b.ReportAllocs()
	for b.Loop() {
		l.Append([12]int64{})
	}
}
