package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogStaysShort: under writes without a pause the log begins anew again and again, also while reads come and go. Without the
// writer's part it would grow for ever: there is always a frame more.
func TestLogStaysShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := openTestAt(t, path, storeOptions{})
	text := strings.Repeat("x", 4000)
	written, longest := 0, int64(0)
	for i := range 4000 {
		err := s.change(t.Context(), func(t *tx) error {
			for k := range 10 {
				if _, err := t.exec("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", fmt.Sprint("page-", (i*10+k)*7919%2000), text); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		written += 10
		if i%50 == 0 {
			if _, err := s.CountRuns(t.Context(), "", 0, 0); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path + "-wal")
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, info.Size())
		}
	}
	frames := int(longest / 4120)
	t.Logf("%d pages written at least, the log had %d frames at most", written, frames)
	if frames > logFallback*3/4 {
		t.Errorf("the log grew to %d frames", frames)
	}
}
