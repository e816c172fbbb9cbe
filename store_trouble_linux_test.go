package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskFull fills a small file system: a tmpfs where the test may mount one, else a limit on the size of files, in a process
// of its own because that limit is the whole process's.
func TestDiskFull(t *testing.T) {
	if os.Getenv("TEIKI_TEST_FULL") != "" {
		dir := t.TempDir()
		diskFull(t, dir, func() func() {
			var was syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
				t.Fatal(err)
			}
			full := syscall.Rlimit{Cur: 256 << 10, Max: was.Max}
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
					t.Fatal(err)
				}
			}
		})
		return
	}
	t.Run("limit on files", func(t *testing.T) {
		out, err := testChild(t, testBinary(t), "TestDiskFull", "TEIKI_TEST_FULL=1").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Logf("no tmpfs may be mounted here (%v): the limit on files has shown it", err)
		return
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	t.Run("tmpfs", func(t *testing.T) {
		diskFull(t, dir, func() func() {
			ballast := filepath.Join(dir, "ballast")
			f, err := os.Create(ballast)
			if err != nil {
				t.Fatal(err)
			}
			block := make([]byte, 64<<10)
			for err == nil {
				_, err = f.Write(block)
			}
			f.Close()
			return func() {
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

// diskFull lets a store in dir run into a full disk, which fill makes, and out of it again.
func diskFull(t *testing.T, dir string, fill func() (free func())) {
	path := filepath.Join(dir, "jobs.db")
	log := new(logLines)
	s, err := openStore(t.Context(), path, storeOptions{Policy: testPolicy, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	j, c := claimedJob(t, s, "a")
	free := fill()
	big := everySeconds(1)
	big.Description = strings.Repeat("x", 20_000)
	acknowledged := map[string]bool{}
	for i := 0; ; i++ {
		id := fmt.Sprint("big", i)
		if _, _, err = s.CreateJob(t.Context(), NewJob{JobID: id, Definition: big}); err != nil {
			break
		}
		acknowledged[id] = true
		if i > 2000 {
			t.Fatal("the disk never gets full")
		}
	}
	if !errors.Is(err, errUnavailable) {
		t.Fatalf("a full disk gives %v", err)
	}
	if s.Health() == nil {
		t.Error("healthy with a full disk")
	}
	f := ended(c.Rows[0].ID, j.ID, 1, Succeeded)
	f.Attempt.Detail = strings.Repeat("y", 20_000)
	finished := make(chan bool, 1)
	s.Finish(f, func(ok bool) { finished <- ok })
	for range 3 {
		if _, _, err := s.CreateJob(t.Context(), NewJob{JobID: "refused", Definition: big}); !errors.Is(err, errUnavailable) {
			t.Fatalf("with a full disk: %v", err)
		}
	}
	free()
	began := time.Now()
	if !<-finished {
		t.Error("the end of a call was lost")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("resumed after %v", took)
	}
	mustCreate(t, s, "after", everySeconds(1), 0)
	if text := log.String(); strings.Count(text, "cannot be written") != 1 || strings.Count(text, "can be written again") != 1 {
		t.Errorf("the log must say each change once:\n%s", text)
	}
	acknowledged["a"], acknowledged["after"] = true, true
	if _, err := s.Job(t.Context(), "refused"); !errors.Is(err, errNotFound) {
		t.Errorf("a refused job is there (%v)", err)
	}
	closeTest(t, s)
	intact(t, path)
	s = openTestAt(t, path, storeOptions{})
	for id := range acknowledged {
		if _, err := s.Job(t.Context(), id); err != nil {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
	closeTest(t, s) // before the file system goes
}
