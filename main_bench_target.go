package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// benchStats is what a target has seen since the last reset. Lag is counted by the target's own clock, from the scheduled
// time that the call names to its arrival: independent of what the server says of itself.
type benchStats struct {
	Calls   int64   `json:"calls"`
	Bare    int64   `json:"bare"` // requests that are no job's
	FirstAt int64   `json:"first_at"`
	LastAt  int64   `json:"last_at"` // microseconds since the epoch
	Most    int64   `json:"most"`    // calls being answered at one time
	LagP50  float64 `json:"lag_p50_ms"`
	LagP99  float64 `json:"lag_p99_ms"`
	LagMax  float64 `json:"lag_max_ms"`
}

// lagStep and lagSteps are the resolution of the target's histogram: up to 60 s.
const (
	lagStep  = 500 * time.Microsecond
	lagSteps = 120_000
)

// targetCounters are written by many goroutines at once.
type targetCounters struct {
	calls, bare, first, last, out, most, worst atomic.Int64
	lag                                        [lagSteps]atomic.Uint32
}

func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

func (c *targetCounters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheduled := r.Header.Get(headerScheduledAt)
	if scheduled == "" {
		c.bare.Add(1)
	} else {
		now := time.Now()
		raise(&c.most, c.out.Add(1))
		defer c.out.Add(-1)
		c.calls.Add(1)
		c.first.CompareAndSwap(0, now.UnixMicro())
		raise(&c.last, now.UnixMicro())
		if at, err := time.Parse(time.RFC3339Nano, scheduled); err == nil {
			lag := max(0, now.Sub(at))
			raise(&c.worst, int64(lag))
			c.lag[min(lag/lagStep, lagSteps-1)].Add(1)
		}
	}
	w.Header()["Content-Type"] = targetType
	_, _ = io.WriteString(w, `{"status":"ok"}`)
}

var targetType = []string{"application/json"}

// serveStats answers with the counters, and with DELETE forgets them.
func (c *targetCounters) serveStats(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		for _, a := range []*atomic.Int64{&c.calls, &c.bare, &c.first, &c.last, &c.most, &c.worst} {
			a.Store(0)
		}
		for i := range c.lag {
			c.lag[i].Store(0)
		}
		return
	}
	s := benchStats{Calls: c.calls.Load(), Bare: c.bare.Load(), FirstAt: c.first.Load(), LastAt: c.last.Load(), Most: c.most.Load(),
		LagMax: ms(time.Duration(c.worst.Load()))}
	seen := int64(0)
	for i := range c.lag {
		n := int64(c.lag[i].Load())
		for _, p := range []struct {
			rank int64
			to   *float64
		}{{(s.Calls + 1) / 2, &s.LagP50}, {(s.Calls*99 + 99) / 100, &s.LagP99}} {
			if seen < p.rank && seen+n >= p.rank {
				*p.to = ms(time.Duration(i+1) * lagStep)
			}
		}
		seen += n
	}
	_ = json.NewEncoder(w).Encode(s)
}

// runBenchTarget is the hidden command that serves as a target until ctx ends: it answers at once with a small JSON body.
func runBenchTarget(ctx context.Context, _ []string, env environment) error {
	ctx, cancel := whileParentLives(ctx, func(byte) error { return nil })
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	c := new(targetCounters)
	mux.HandleFunc("/stats", c.serveStats)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			c.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Fprintln(env.stdout, ln.Addr())
	_ = server.Serve(ln)
	return nil
}

// benchTarget is the target's process.
type benchTarget struct {
	*child
	url string
}

func (b *bench) startTarget(ctx context.Context) (*benchTarget, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, "bench-target")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := startChild(cmd)
	if err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the target did not start: %w", err)
	}
	return &benchTarget{p, "http://" + address[:len(address)-1] + "/"}, nil
}

func (t *benchTarget) stats(ctx context.Context) (s benchStats, err error) {
	err = getJSON(ctx, http.DefaultClient, t.url+"stats", &s)
	return s, err
}

func (t *benchTarget) reset(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, t.url+"stats", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// child is a process of the measuring.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}  // closed when it has ended
	err  error          // then: how
	life io.WriteCloser // its stdin: a child ends when it is closed, so that none outlives a measuring that was killed
}

// whileParentLives is ctx for a child: it also ends when the parent is gone, however that went. What the parent writes goes to
// command, byte by byte.
func whileParentLives(ctx context.Context, command func(byte) error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		var b [1]byte
		for {
			if _, err := os.Stdin.Read(b[:]); err != nil {
				return
			}
			if err := command(b[0]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
		}
	}()
	return ctx, cancel
}

func startChild(cmd *exec.Cmd) (*child, error) {
	cmd.Cancel = func() error { return cmd.Process.Signal(endSignal()) }
	cmd.WaitDelay = 30 * time.Second
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &child{cmd: cmd, done: make(chan struct{}), life: life}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	return p, nil
}

// endSignal asks a child for an orderly end; Windows can only kill.
func endSignal() os.Signal {
	if runtime.GOOS == "windows" {
		return os.Kill
	}
	return syscall.SIGTERM
}

// stop ends the process and waits for it.
func (p *child) stop() error {
	_ = p.cmd.Process.Signal(endSignal()) // an error: it has ended
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("process %d did not end within a minute", p.cmd.Process.Pid)
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	return p.err
}
