package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// serverProcess is the real binary, started on a free port.
type serverProcess struct {
	cmd  *exec.Cmd
	api  *testAPI
	log  chan string // its lines on standard error; closed at its end
	exit chan error
}

// startBinary starts the binary on the database db and waits until it listens.
func startBinary(t *testing.T, bin, db string, args ...string) *serverProcess {
	t.Helper()
	p := &serverProcess{cmd: exec.Command(bin, append([]string{"-listen", "127.0.0.1:0", "-db", db}, args...)...), log: make(chan string, 10000), exit: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), "TZ=", "TEIKI_SECRET_CANARY=canary-value")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				address <- line.Address
			}
			p.log <- lines.Text()
		}
		p.exit <- p.cmd.Wait()
		close(p.log)
	}()
	select {
	case a := <-address:
		p.api = &testAPI{t: t, url: "http://" + a}
	case err := <-p.exit:
		t.Fatalf("the server ended at once: %v\n%s", err, p.lines())
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not listen after 20 s")
	}
	return p
}

// lines is the log of a process that has ended.
func (p *serverProcess) lines() string {
	var b strings.Builder
	for line := range p.log {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// stopped waits for the end.
func (p *serverProcess) stopped(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.exit:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not end")
		return nil
	}
}

// stopServer drains the server and wants exit code 0.
func stopServer(t *testing.T, p *serverProcess) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.stopped(t); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
}

// TestEndToEnd walks through the life of a server: jobs over the API, calls at a real target, kill -9, another start on the same
// database, a second server that is refused, SIGTERM that drains.
func TestEndToEnd(t *testing.T) {
	bin, db := buildBinary(t), filepath.Join(t.TempDir(), "jobs.db")
	var ticks, repeats atomic.Int64
	slowBegan, slowKeys := make(chan string, 10), make(chan string, 10)
	release := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tick":
			ticks.Add(1)
		case "/slow":
			slowBegan <- r.Header.Get("Teiki-Attempt")
			slowKeys <- r.Header.Get("Idempotency-Key")
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/flaky":
			if repeats.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
		fmt.Fprint(w, "answer")
	}))
	defer target.Close()

	p := startBinary(t, bin, db)
	job := func(id, when, path, rest string) string {
		return fmt.Sprintf(`{"job_id":%q,%s,"target_url":%q,"method":"POST","headers":{"Authorization":"Bearer canary-literal"}%s}`, id, when, target.URL+path, rest)
	}
	const never = `"schedule_type":"cron","cron":"0 0 1 1 *"`
	p.api.want(201, "POST", "/jobs", job("tick", `"schedule_type":"interval","interval":{"seconds":1}`, "/tick", ""))
	p.api.want(201, "POST", "/jobs", job("held", `"schedule_type":"interval","interval":{"seconds":1}`, "/held", ""))
	p.api.want(200, "POST", "/jobs/held/pause", "")
	p.api.want(201, "POST", "/jobs", job("slow", never, "/slow", `,"max_retries":1,"retry_backoff_sec":0.1,"timeout_sec":60`))
	p.api.want(201, "POST", "/jobs", job("flaky", never, "/flaky", `,"max_retries":1,"retry_backoff_sec":4`))
	eventually(t, "two ticks", func() bool { return ticks.Load() >= 2 })
	flaky := p.api.want(202, "POST", "/jobs/flaky/run", "").header.Get("Location")
	eventually(t, "the retry waits", func() bool { return p.api.want(200, "GET", flaky, "").object["status"] == "retrying" })
	slow := p.api.want(202, "POST", "/jobs/slow/run", "").header.Get("Location")
	<-slowBegan

	second := exec.CommandContext(t.Context(), bin, "-listen", "127.0.0.1:0", "-db", db)
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "another teiki") {
		t.Errorf("a second server on the same database: %v, %s", err, out)
	}
	busy := exec.CommandContext(t.Context(), bin, "-listen", strings.TrimPrefix(p.api.url, "http://"), "-db", filepath.Join(t.TempDir(), "other.db"))
	if out, err := busy.CombinedOutput(); err == nil || !strings.Contains(string(out), "-listen") {
		t.Errorf("a second server on the same port: %v, %s", err, out)
	}

	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = p.stopped(t)
	log := p.lines()
	before := ticks.Load()
	p = startBinary(t, bin, db)
	if got := p.api.want(200, "GET", "/jobs/held", ""); got.object["state"] != "paused" {
		t.Errorf("the pause is lost: %s", got.text)
	}
	eventually(t, "ticks go on", func() bool { return ticks.Load() > before })
	eventually(t, "the retry that waited succeeds", func() bool { return p.api.want(200, "GET", flaky, "").object["status"] == "succeeded" })
	if attempt := <-slowBegan; attempt != "2" {
		t.Errorf("the call that the crash cut off is repeated as attempt %s, want 2", attempt)
	}
	if a, b := <-slowKeys, <-slowKeys; a != b || a == "" {
		t.Errorf("the attempts of a run have the keys %q and %q", a, b)
	}

	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { close(release) }) // the running call ends within the drain
	if err := p.stopped(t); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	log += p.lines()
	after := ticks.Load()
	p = startBinary(t, bin, db, "-drain-timeout", "100ms")
	if got := p.api.want(200, "GET", slow, ""); got.object["status"] != "succeeded" {
		t.Errorf("the drained call: %s", got.text)
	}
	if runs := p.api.want(200, "GET", "/runs?status=running&status=pending&status=retrying", ""); strings.Contains(runs.text, `"status":"running"`) && ticks.Load() == after {
		t.Errorf("runs left running: %s", runs.text)
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := p.stopped(t); err != nil {
		t.Errorf("SIGINT: %v", err)
	}
	if log += p.lines(); strings.Contains(log, "canary") || !strings.Contains(log, `"msg":"run ended"`) {
		t.Errorf("the log has a secret, or no runs:\n%s", log)
	}
}

// A second signal does not wait for the drain.
func TestSecondSignal(t *testing.T) {
	began := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		select {
		case <-r.Context().Done():
		case <-ctx.Done():
		}
	}))
	defer target.Close()
	defer cancel()
	p := startBinary(t, buildBinary(t), filepath.Join(t.TempDir(), "jobs.db"), "-drain-timeout", "1h")
	p.api.want(201, "POST", "/jobs", `{"job_id":"hang","schedule_type":"cron","cron":"0 0 1 1 *","target_url":"`+target.URL+`","timeout_sec":3600}`)
	p.api.want(202, "POST", "/jobs/hang/run", "")
	<-began
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for line := range p.log {
		if strings.Contains(line, "shutting down") {
			break
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.stopped(t); err == nil {
		t.Error("exit code 0 after a drain that was cut short")
	}
}
