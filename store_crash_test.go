package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKill lets a process of its own write from many goroutines and say aloud what was acknowledged, kills it (SIGKILL) at a
// random instant, and looks for every acknowledged change in the file. The same file goes through several deaths.
func TestKill(t *testing.T) {
	if path := os.Getenv("TEIKI_TEST_KILL"); path != "" {
		writeUntilKilled(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	jobs, runs := map[string]bool{}, map[string]bool{} // acknowledged: job_id -> deleted, run key -> ended
	deleting := map[string]bool{}
	for round := range 5 {
		cmd := testChild(t, testBinary(t), "TestKill", "TEIKI_TEST_KILL="+path, fmt.Sprint("TEIKI_TEST_ROUND=", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := make(chan []string)
		first := make(chan struct{})
		go func() { said <- readLines(out, first) }()
		<-first
		<-time.After(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		cmd.Process.Kill()
		lines := <-said
		cmd.Wait()
		for _, line := range lines {
			what, id, _ := strings.Cut(line, " ")
			switch what {
			case "created":
				jobs[id] = false
			case "deleting":
				deleting[id] = true // and may be, acknowledged or not
			case "deleted":
				jobs[id] = true
			case "claimed":
				runs[id] = false
			case "ended":
				runs[id] = true
			}
		}
		intact(t, path)
		s := openTestAt(t, path, storeOptions{})
		for id, deleted := range jobs {
			if _, err := s.Job(t.Context(), id); (err == nil) == deleted && (deleted || !deleting[id]) {
				t.Errorf("round %d: job %s, deleted %v: %v", round, id, deleted, err)
			}
		}
		for id, over := range runs {
			var key int64
			fmt.Sscan(id, &key)
			r, err := s.Run(t.Context(), key)
			if err != nil || over && r.Status != Succeeded {
				t.Errorf("round %d: run %s, ended %v: %+v %v", round, id, over, r.Run, err)
			}
		}
		checkLedger(t, s, instantOf(time.Now()))
		closeTest(t, s)
	}
	if len(jobs) < 50 || len(runs) < 50 {
		t.Errorf("only %d jobs and %d runs were acknowledged: this proves little", len(jobs), len(runs))
	}
}

// readLines reads whole lines to the end; the last one may be torn. It closes first at the first acknowledgment.
func readLines(r io.Reader, first chan struct{}) (lines []string) {
	once := sync.OnceFunc(func() { close(first) })
	defer once()
	for in := bufio.NewReader(r); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return lines
		}
		if strings.HasPrefix(line, "created ") {
			once()
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

// writeUntilKilled is the child of TestKill.
func writeUntilKilled(t *testing.T, path string) {
	s, err := openStore(t.Context(), path, storeOptions{Policy: testPolicy})
	if err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	say := func(what string, id any) { // one write per line: the pipe keeps what was said before the death
		out.Lock()
		defer out.Unlock()
		fmt.Fprintf(os.Stdout, "%s %v\n", what, id)
	}
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprint("r", os.Getenv("TEIKI_TEST_ROUND"), "w", w, "i", i)
				j, _, err := s.CreateJob(t.Context(), NewJob{JobID: id, Definition: everySeconds(1)})
				if err != nil {
					t.Error(err)
					return
				}
				say("created", id)
				c := firing(Timer{Job: j.ID, Version: 1, NextAt: j.NextAt}, j.NextAt.Add(time.Second))
				if held, err := claimAll(s, c); err != nil || !held[0] {
					t.Error(held, err)
					return
				}
				run := c.Rows[0].ID
				say("claimed", run)
				if i%2 == 0 && finishOne(s, ended(run, j.ID, 1, Succeeded)) {
					say("ended", run)
				}
				if i%5 == 0 {
					say("deleting", id)
					if _, err := s.DeleteJob(t.Context(), id); err != nil {
						t.Error(err)
						return
					}
					say("deleted", id)
				}
			}
		}()
	}
	select {} // until killed
}
