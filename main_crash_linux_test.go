package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestCrashAtEachBoundary kills the real server (SIGKILL) at each step of a firing's way and starts it again. Two jobs fire at one
// instant: "tried" may be retried once, "once" may not.
func TestCrashAtEachBoundary(t *testing.T) {
	bin := buildBinary(t)
	for _, c := range []struct {
		name        string
		crash       func(t *testing.T, b *boundary)
		tried, once string // status, attempts on disk, attempts that reached the target
	}{
		{"before the claim is committed", beforeClaim, "succeeded 1 [1]", "succeeded 1 [1]"},
		{"claimed, not sent", beforeSend, "succeeded 2 [2]", "interrupted 1 []"},
		{"sent, not answered", afterSend, "succeeded 2 [1 2]", "interrupted 1 [1]"},
		{"answered, the result not committed", beforeResult, "succeeded 2 [1 2]", "interrupted 1 [1]"},
		{"the result committed", afterResult, "succeeded 1 [1]", "succeeded 1 [1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &boundary{t: t, bin: bin, db: t.TempDir() + "/jobs.db"}
			c.crash(t, b)
			for job, want := range map[string]string{"tried": c.tried, "once": c.once} {
				var got string
				eventually(t, job+" ends", func() bool {
					runs := b.p.api.want(200, "GET", "/jobs/"+job+"/runs", "").object["runs"].([]any)
					if len(runs) == 0 {
						return false
					}
					run := runs[0].(map[string]any)
					got = fmt.Sprintf("%v %v", run["status"], run["attempts"])
					return len(runs) == 1 && !Status(run["status"].(string)).Open()
				})
				reached := []string{}
				for _, call := range b.target.of(job) {
					reached = append(reached, call.attempt)
				}
				if got += fmt.Sprintf(" %v", reached); got != want {
					t.Errorf("%s: %s, want %s", job, got, want)
				}
			}
			<-time.After(time.Second) // nothing comes after
			calls := b.target.of("")
			stopServer(t, b.p)
			if more := b.target.of(""); len(more) != len(calls) {
				t.Errorf("calls after the end: %+v", more[len(calls):])
			}
			soundAfter(t, bin, b.db, calls)
		})
	}
}

// boundary is one server, its target, and the moment of its death.
type boundary struct {
	t       *testing.T
	bin, db string
	target  *callTarget
	p       *serverProcess
	due     time.Time
}

// live starts the server and makes the two jobs, due in a second or two.
func (b *boundary) live(url string) {
	b.t.Helper()
	b.p = startBinary(b.t, b.bin, b.db)
	b.due = time.Now().Truncate(time.Second).Add(2 * time.Second)
	for job, retries := range map[string]int{"tried": 1, "once": 0} {
		b.p.api.want(201, "POST", "/jobs", fmt.Sprintf(`{"job_id":%q,"schedule_type":"date","run_at":%q,"target_url":%q,"method":"POST","max_retries":%d,"retry_backoff_sec":0.1}`,
			job, b.due.UTC().Format(time.RFC3339), url, retries))
	}
}

// die kills the server and starts another on the same database; between runs in between.
func (b *boundary) die(between func()) {
	b.t.Helper()
	_ = b.p.cmd.Process.Kill()
	_ = b.p.stopped(b.t)
	if between != nil {
		between()
	}
	b.p = startBinary(b.t, b.bin, b.db)
}

func beforeClaim(t *testing.T, b *boundary) {
	b.target = newCallTarget(t, nil)
	b.live(b.target.URL)
	release := lockDB(t, b.db)
	<-time.After(time.Until(b.due.Add(400 * time.Millisecond)))
	b.die(func() {
		if calls := b.target.of(""); len(calls) > 0 {
			t.Errorf("called without a row: %+v", calls)
		}
		release()
	})
}

// beforeSend lets the calls hang in their connection: the target's queue of connections is full, so the kernel answers none.
func beforeSend(t *testing.T, b *boundary) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	ln, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for full := false; !full; {
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), 300*time.Millisecond)
		if full = err != nil; !full {
			defer conn.Close()
		}
	}
	b.live("http://" + ln.Addr().String() + "/")
	eventually(t, "both are claimed", func() bool {
		return strings.Count(b.p.api.want(200, "GET", "/runs?status=running", "").text, `"running"`) == 2
	})
	b.die(func() {
		b.target = &callTarget{}
		web := &http.Server{Handler: b.target}
		go web.Serve(ln)
		t.Cleanup(func() { web.Close() })
	})
}

func afterSend(t *testing.T, b *boundary) {
	var arrived sync.WaitGroup
	arrived.Add(2)
	b.target = newCallTarget(t, func(c seenAttempt, _ http.ResponseWriter, r *http.Request) {
		if c.attempt == "1" {
			arrived.Done()
			<-r.Context().Done()
		}
	})
	b.live(b.target.URL)
	arrived.Wait()
	b.die(nil)
}

// beforeResult locks the database as soon as both calls are there, and lets the target answer then: the results find no way in.
func beforeResult(t *testing.T, b *boundary) {
	var arrived sync.WaitGroup
	arrived.Add(2)
	locked := make(chan struct{})
	b.target = newCallTarget(t, func(c seenAttempt, _ http.ResponseWriter, _ *http.Request) {
		if c.attempt == "1" {
			arrived.Done()
			<-locked
		}
	})
	b.live(b.target.URL)
	arrived.Wait()
	release := lockDB(t, b.db)
	close(locked)
	<-time.After(500 * time.Millisecond)
	b.die(release)
}

func afterResult(t *testing.T, b *boundary) {
	b.target = newCallTarget(t, nil)
	b.live(b.target.URL)
	eventually(t, "both have succeeded", func() bool {
		return strings.Count(b.p.api.want(200, "GET", "/runs?status=succeeded", "").text, `"succeeded"`) == 2
	})
	b.die(nil)
}

// TestSyncBeforeAnswerAndCall watches the server's system calls: the log of the database is synced between each write to it and
// the answer 201, and between the write of a claim and its call. One thing happens at a time, so that the order is plain.
func TestSyncBeforeAnswerAndCall(t *testing.T) {
	strace := requireStrace(t)
	dir := t.TempDir()
	trace, wrapper := dir+"/trace", dir+"/traced"
	script := fmt.Sprintf("#!/bin/sh\nexec %s -D -f -qq -s 24 -e trace=open,openat,close,pwrite64,write,fsync,fdatasync -o %s %s \"$@\"\n", strace, trace, buildBinary(t))
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	target := newCallTarget(t, nil)
	p := startBinary(t, wrapper, dir+"/jobs.db")
	for i, when := range []string{`"cron","cron":"0 0 1 1 *"`, `"cron","cron":"0 0 1 1 *"`, `"cron","cron":"0 0 1 1 *"`, `"interval","interval":{"seconds":1}`} {
		p.api.want(201, "POST", "/jobs", fmt.Sprintf(`{"job_id":"j%d","schedule_type":%s,"target_url":"%s/hook","method":"POST"}`, i, when, target.URL))
	}
	eventually(t, "calls", func() bool { return len(target.of("")) >= 4 })
	stopServer(t, p)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	answers, calls := checkSyncs(t, strings.Split(string(text), "\n"))
	if answers != 4 || calls < 4 {
		t.Errorf("%d answers and %d calls are in the trace:\n%.2000s", answers, calls, text)
	}
}

// checkSyncs reads strace's lines: before each answer 201 and each call, the log's last write was followed by a sync that ended.
func checkSyncs(t *testing.T, lines []string) (answers, calls int) {
	wal := map[string]bool{}     // file descriptors of the log
	opening := map[string]bool{} // by process: an open of the log that has not returned
	syncing := map[string]int{}  // by process: number of log writes before its sync began
	writes, synced := 0, 0       // log writes begun, and how many of them a finished sync covers
	for _, line := range lines {
		pid, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		fd, _, _ := strings.Cut(strings.TrimPrefix(call, "pwrite64("), ",")
		result := call[strings.LastIndexByte(call, ' ')+1:]
		switch {
		case strings.HasPrefix(call, "open") && strings.Contains(call, "-wal\""), opening[pid] && strings.HasPrefix(call, "<... open"):
			if opening[pid] = strings.HasSuffix(call, "<unfinished ...>"); !opening[pid] {
				wal[result] = true
			}
		case strings.HasPrefix(call, "close("):
			closed, _, _ := strings.Cut(strings.TrimPrefix(call, "close("), ")")
			delete(wal, closed)
		case strings.HasPrefix(call, "pwrite64(") && wal[fd]:
			writes++
		case strings.HasPrefix(call, "fsync(") || strings.HasPrefix(call, "fdatasync("):
			fd, _, _ := strings.Cut(call[strings.IndexByte(call, '(')+1:], ")")
			fd, _, _ = strings.Cut(fd, " ")
			if !wal[fd] {
				continue
			}
			syncing[pid] = writes
			if !strings.HasSuffix(call, "<unfinished ...>") {
				synced = max(synced, writes)
			}
		case strings.HasPrefix(call, "<... fsync") || strings.HasPrefix(call, "<... fdatasync"):
			synced = max(synced, syncing[pid])
		case strings.HasPrefix(call, "write(") && (strings.Contains(call, `"HTTP/1.1 201 `) || strings.Contains(call, `"POST /hook `)):
			if strings.Contains(call, "201") {
				answers++
			} else {
				calls++
			}
			if writes == 0 || synced < writes {
				t.Errorf("%d writes to the log, %d of them synced, before %s", writes, synced, call)
			}
		}
	}
	if synced == 0 {
		t.Error("no sync was seen")
	}
	return answers, calls
}

// requireStrace gives the path of strace. Without it the test says so; where TEIKI_TEST_ALL is set, as in .ci/run, it fails.
func requireStrace(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/usr/bin/strace", "/usr/local/bin/strace", "/bin/strace"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if slices.Contains(os.Environ(), "TEIKI_TEST_ALL=1") {
		t.Fatal("strace is not installed")
	}
	t.Skip("strace is not installed: apt-get install strace (.ci/run does)")
	return ""
}
