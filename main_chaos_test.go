package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	chaosKills = flag.Int("chaos.kills", 20, "how often TestChaos kills the server")
	chaosJobs  = flag.Int("chaos.jobs", 500, "one-second jobs that TestChaos keeps running")
)

// TestChaos kills the real binary at random instants, again and again, while some hundred runs a second go out and jobs are
// created, edited, paused and deleted. Afterwards an observer that knows only what the target saw, what the API acknowledged
// and what the database says holds them against each other. Long form: go test -run TestChaos -chaos.kills 200 -timeout 30m .
func TestChaos(t *testing.T) {
	c := &chaos{t: t, dir: t.TempDir(), jobs: map[string]*chaosJob{}, seen: map[string]seenCall{}}
	c.bin = buildBinary(t)
	c.target = httptest.NewServer(http.HandlerFunc(c.answer))
	defer c.target.Close()
	defer func() {
		if c.cmd != nil { // a server that goes on calling would keep the target from closing
			_ = c.cmd.Process.Kill()
		}
	}()

	c.start()
	c.createSteady(*chaosJobs)
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			c.write(w, stop)
		}()
	}
	for range *chaosKills {
		time.Sleep(time.Duration(150+rand.IntN(1200)) * time.Millisecond)
		c.kill()
		c.integrity()
		c.start()
	}
	time.Sleep(time.Second)
	close(stop)
	writers.Wait()
	c.noRowUnended(c.startedAt)
	c.compareJobs()
	c.verify() // while it runs
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the server did not end well: %v\n%s", err, c.log())
	}
	c.verify()
	c.integrity()
	c.compareCalls()
	t.Logf("%d kills; %d calls seen, %d of them repeated; %d changes acknowledged, %d of unknown outcome; first call after a start: %s at most",
		*chaosKills, c.total, c.repeated, c.acknowledged.Load(), c.unknown.Load(), c.slowestStart)
}

// chaos is the observer.
type chaos struct {
	t      *testing.T
	dir    string
	bin    string
	target *httptest.Server

	cmd          *exec.Cmd
	base         atomic.Value // string: URL of the API, "" while the server is down
	logPath      string
	startedAt    time.Time
	slowestStart time.Duration

	mu        sync.Mutex
	seen      map[string]seenCall // by run_id
	total     int
	repeated  int
	firstCall chan time.Time

	jobsMu                sync.Mutex
	jobs                  map[string]*chaosJob
	acknowledged, unknown atomic.Int64
}

type seenCall struct{ job, scheduled, key string }

// chaosJob is what the API has acknowledged of a job. An outcome of a request that a kill cut off is one of two.
type chaosJob struct {
	possible []string // "absent", "paused N" or "scheduled N" with the definition's number N
}

// answer is the target: quick, sometimes slow, sometimes failing.
func (c *chaos) answer(w http.ResponseWriter, r *http.Request) {
	h := r.Header
	run := h.Get("Teiki-Run-Id")
	call := seenCall{h.Get("Teiki-Job-Id"), h.Get("Teiki-Scheduled-At"), h.Get("Idempotency-Key")}
	c.mu.Lock()
	c.total++
	if before, ok := c.seen[run]; ok {
		c.repeated++
		if before != call {
			c.t.Errorf("run %s was called as %v and as %v", run, before, call)
		}
	}
	c.seen[run] = call
	select {
	case c.firstCall <- time.Now():
	default:
	}
	c.mu.Unlock()
	n := rand.IntN(100)
	time.Sleep(time.Duration(n%20) * time.Millisecond)
	if n < 3 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

var listening = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// start runs the binary and waits until it listens and has made its first call.
func (c *chaos) start() {
	c.t.Helper()
	c.logPath = filepath.Join(c.dir, "log")
	logFile, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer logFile.Close()
	first := make(chan time.Time, 1)
	c.mu.Lock()
	c.firstCall = first
	c.mu.Unlock()
	c.cmd = exec.Command(c.bin, "-listen", "127.0.0.1:0", "-db", filepath.Join(c.dir, "jobs.db"), "-log-format", "json")
	out, err := c.cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.startedAt = time.Now()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		sc := bufio.NewScanner(out)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			if a := listening.FindString(sc.Text()); a != "" {
				select {
				case address <- a:
				default:
				}
			}
			fmt.Fprintln(logFile, sc.Text())
		}
	}()
	select {
	case a := <-address:
		c.base.Store("http://" + a)
	case <-time.After(20 * time.Second):
		c.t.Fatalf("the server does not listen\n%s", c.log())
	}
	c.jobsMu.Lock()
	none := len(c.jobs) == 0
	c.jobsMu.Unlock()
	if none {
		return
	}
	select {
	case at := <-first:
		c.slowestStart = max(c.slowestStart, at.Sub(c.startedAt))
	case <-time.After(20 * time.Second):
		c.t.Fatalf("no call left within 20 s of a start\n%s", c.log())
	}
}

func (c *chaos) kill() {
	c.base.Store("")
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func (c *chaos) log() string {
	b, _ := os.ReadFile(c.logPath)
	return string(b[max(0, len(b)-4000):])
}

var chaosClient = &http.Client{Timeout: 20 * time.Second}

// send makes a request; status 0 means that the outcome is not known.
func (c *chaos) send(method, path string, body any) (status int, answer map[string]any) {
	base, _ := c.base.Load().(string)
	if base == "" {
		return -1, nil
	}
	var r io.Reader
	if body != nil {
		b, _ := json.Marshal(body)
		r = bytes.NewReader(b)
	}
	req, _ := http.NewRequest(method, base+path, r)
	req.Header.Set("Content-Type", "application/json")
	resp, err := chaosClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

func (c *chaos) definition(id string, n int) map[string]any {
	return map[string]any{"job_id": id, "schedule_type": "interval", "interval": map[string]any{"seconds": 1}, "method": "POST",
		"target_url": fmt.Sprintf("%s/%s?n=%d", c.target.URL, id, n), "body": map[string]any{"n": n},
		"max_retries": 1, "retry_backoff_sec": 0.2, "max_instances": 5, "replace_existing": true}
}

func (c *chaos) createSteady(n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			id := fmt.Sprintf("steady-%d", i)
			if status, a := c.send("POST", "/jobs", c.definition(id, 0)); status != 201 {
				c.t.Errorf("create %s: %d %v", id, status, a)
			}
			c.jobsMu.Lock()
			c.jobs[id] = &chaosJob{possible: []string{"scheduled 0"}}
			c.jobsMu.Unlock()
		}()
	}
	wg.Wait()
}

// write changes jobs of its own until stop is closed, and notes what was acknowledged.
func (c *chaos) write(w int, stop chan struct{}) {
	rng := rand.New(rand.NewPCG(uint64(w), 3))
	for n := 1; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(60)) * time.Millisecond): // about 50 changes a second by the four
		}
		id := fmt.Sprintf("w%d-%d", w, rng.IntN(12))
		c.jobsMu.Lock()
		j := c.jobs[id]
		if j == nil {
			j = &chaosJob{possible: []string{"absent"}}
			c.jobs[id] = j
		}
		c.jobsMu.Unlock()
		var method, path, after string
		var body any
		now := j.possible
		switch known := now[0]; {
		case len(now) > 1 || known == "absent" || rng.IntN(4) == 0: // create or replace: a known state whatever was before
			method, path, body, after = "POST", "/jobs", c.definition(id, n), fmt.Sprintf("scheduled %d", n)
		case rng.IntN(4) == 0:
			method, path, after = "DELETE", "/jobs/"+id, "absent"
		case strings.HasPrefix(known, "paused"):
			method, path, after = "POST", "/jobs/"+id+"/resume", strings.Replace(known, "paused", "scheduled", 1)
		default:
			method, path, after = "POST", "/jobs/"+id+"/pause", strings.Replace(known, "scheduled", "paused", 1)
		}
		status, answer := c.send(method, path, body)
		switch {
		case status == 200 || status == 201:
			j.possible = []string{after}
			c.acknowledged.Add(1)
		case status == 0:
			j.possible = append(append([]string{}, now...), after)
			c.unknown.Add(1)
		case status == 503 || status == -1:
		default:
			c.t.Errorf("%s %s: %d %v", method, path, status, answer)
		}
	}
}

func (c *chaos) query(query string, args ...any) [][]string {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "jobs.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	var out [][]string
	for rows.Next() {
		vals := make([]sql.NullString, len(cols))
		ptrs := make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			c.t.Fatal(err)
		}
		row := make([]string, len(cols))
		for i, v := range vals {
			row[i] = v.String
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// integrity reads the database without the log that a start would recover; SQLite recovers it for the reader.
func (c *chaos) integrity() {
	c.t.Helper()
	if got := c.query("PRAGMA integrity_check"); len(got) != 1 || got[0][0] != "ok" {
		c.t.Fatalf("integrity_check: %v", got)
	}
}

// noRowUnended waits until the runs from before the last start have ended: 5 s at most, and what a busy machine adds. A pause
// holds what waits.
func (c *chaos) noRowUnended(restarted time.Time) {
	open := func() [][]string {
		return c.query(`SELECT r.id, r.status, r.attempt, r.due_at, j.job_id FROM runs r JOIN jobs j ON j.id = r.job WHERE r.status IN ('pending','running','retrying')
		AND r.started_at < ? AND (r.status = 'running' OR NOT EXISTS (SELECT 1 FROM pauses p WHERE p.job = r.job AND p.resumed_at IS NULL))`, restarted.UnixMicro())
	}
	for len(open()) > 0 && time.Since(restarted) < 6*time.Second {
		time.Sleep(50 * time.Millisecond)
	}
	for _, r := range open() {
		c.t.Errorf("run %v from before the last start has not ended", r)
	}
}

// verify runs the command that anyone can run.
func (c *chaos) verify() {
	c.t.Helper()
	out, err := exec.Command(c.bin, "verify", "-db", filepath.Join(c.dir, "jobs.db")).CombinedOutput()
	if err != nil {
		c.t.Errorf("teiki verify: %v\n%s", err, out)
	}
}

// compareJobs asks the API for each job that was changed.
func (c *chaos) compareJobs() {
	for id, j := range c.jobs {
		status, a := c.send("GET", "/jobs/"+id, nil)
		got := "absent"
		if status == 200 {
			n := 0.0
			if body, ok := a["body"].(map[string]any); ok {
				n, _ = body["n"].(float64)
			}
			got = fmt.Sprintf("%v %v", a["state"], n)
		}
		ok := false
		for _, p := range j.possible {
			ok = ok || p == got
		}
		if !ok {
			c.t.Errorf("job %s is %q, acknowledged was %q", id, got, j.possible)
		}
	}
}

// compareCalls holds what the target saw against the rows: each call has one, each scheduled time at most one run.
func (c *chaos) compareCalls() {
	rows := map[string]bool{}
	for _, r := range c.query("SELECT j.job_id, r.scheduled_at FROM runs r JOIN jobs j ON j.id = r.job WHERE r.attempt > 0") {
		rows[r[0]+" "+r[1]] = true
	}
	firings := map[string]string{}
	for run, call := range c.seen {
		at, err := time.Parse(time.RFC3339Nano, call.scheduled)
		if err != nil {
			c.t.Fatalf("Teiki-Scheduled-At %q: %v", call.scheduled, err)
		}
		key := fmt.Sprintf("%s %d", call.job, at.UnixMicro())
		if other, ok := firings[key]; ok && other != run {
			c.t.Errorf("two runs were called for %s: %s and %s", key, run, other)
		}
		firings[key] = run
		if !rows[key] {
			c.t.Errorf("a call without a row: %s (run %s)", key, run)
		}
		if call.key != `"`+run+`"` {
			c.t.Errorf("run %s went out under the key %s", run, call.key)
		}
	}
}
