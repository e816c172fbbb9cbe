package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeLog commits n pages or somewhat more, which differ from one i to the next, and go round. It gives the key of one of them.
func writeLog(t *testing.T, s *Store, i, n int, text string) (key string) {
	t.Helper()
	text = strings.Repeat(text, 4000/len(text))
	err := s.change(t.Context(), func(t *tx) error {
		for k := range n {
			key = fmt.Sprint("page-", (i*n+k)*7919%2000)
			if _, err := t.exec("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestLogStaysShort: under writes without a pause the log begins anew again and again, also while reads come and go. Without the
// writer's part it would grow for ever: there is always a frame more.
func TestLogStaysShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := openTestAt(t, path, storeOptions{})
	written, longest := 0, int64(0)
	for i := range 4000 {
		writeLog(t, s, i, 10, "x")
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

// TestLogBesideReader: while somebody reads from an old snapshot the log grows, for what came after it cannot be moved. Nothing is
// lost, neither to the old reader nor to new ones, and the log begins anew when the old reader has ended.
func TestLogBesideReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := openTestAt(t, path, storeOptions{})
	other, err := sql.Open("sqlite", dsn(path, "rw"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	look := func() (frames, moved int) {
		t.Helper()
		var busy bool
		if err := other.QueryRow("PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &frames, &moved); err != nil {
			t.Fatal(err)
		}
		return frames, moved
	}
	type reader interface {
		QueryRow(query string, args ...any) *sql.Row
	}
	want := func(r reader, key, text string) {
		t.Helper()
		var have string
		if err := r.QueryRow("SELECT value FROM meta WHERE key = ?", key).Scan(&have); err != nil || have[:3] != text {
			t.Fatalf("reads %.3q of %s, want %s (%v)", have, key, text, err)
		}
	}
	const pages = 50
	key := writeLog(t, s, 0, pages, "old")
	old, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer old.Rollback()
	want(old, key, "old") // its snapshot begins with this
	begun, _ := look()
	frames, moved, i := 0, 0, 0
	for frames < logLong+2*logRetry {
		i++
		writeLog(t, s, i, pages, "new")
		before := frames
		if frames, moved = look(); frames < before || moved > begun {
			t.Fatalf("the log has %d frames after %d, and %d are moved: the reader's snapshot ends at %d", frames, before, moved, begun)
		}
	}
	key = writeLog(t, s, 0, pages, "new") // what the old reader has seen
	want(old, key, "old")
	want(other, key, "new")
	if err := old.Rollback(); err != nil {
		t.Fatal(err)
	}
	for before := frames; frames >= before; frames, _ = look() {
		if before = frames; frames > logFallback*3/4 {
			t.Fatalf("the log grew to %d frames after the reader had ended", frames)
		}
		i++
		writeLog(t, s, i, pages, "new")
	}
	key = writeLog(t, s, i, pages, "end")
	want(other, key, "end")
	intact(t, path)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	closeTest(t, s)
	s = openTestAt(t, path, storeOptions{})
	want(s.read, key, "end")
}
