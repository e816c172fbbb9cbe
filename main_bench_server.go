package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"
)

// runBenchServer is the hidden command that serves with flags as usual, but may write a CPU profile and delete old history at once:
// bench-server PROFILE SWEEP FLAGS…, and one byte at a time on stdin.
func runBenchServer(ctx context.Context, args []string, env environment) error {
	if len(args) < 2 {
		return usage("bench-server is for teiki bench")
	}
	profile := &cpuProfile{file: args[0]}
	ctx, cancel := whileParentLives(ctx, profile.command)
	defer cancel()
	s, err := readSettings(args[2:], func(string) string { return "" })
	if err != nil {
		return err
	}
	if args[1] != "" {
		s.SweepEvery = benchSweepEvery
	}
	return serveWith(ctx, s, env)
}

// cpuProfile is written between the parent's two commands: of the time that is measured, without what leads up to it.
type cpuProfile struct {
	file string // "" = none is wanted
	open *os.File
}

func (p *cpuProfile) command(c byte) (err error) {
	switch {
	case p.file == "":
	case c == beginProfile && p.open == nil:
		if p.open, err = os.Create(p.file); err == nil {
			err = pprof.StartCPUProfile(p.open)
		}
	case c == endProfile && p.open != nil:
		pprof.StopCPUProfile()
		err = p.open.Close()
		p.open = nil
	}
	return err
}

// The parent's commands to a server, on its stdin.
const (
	beginProfile = 'b'
	endProfile   = 'e'
)

// benchSweepEvery is when a measured server begins to delete what retention does not keep.
const benchSweepEvery = 5 * time.Second

// benchServer is a server under measurement: a process of its own with default settings, apart from its address and database.
type benchServer struct {
	*child
	url    string
	db     string
	client *http.Client
	start  time.Duration // from its start until /readyz said 200
}

// startServer starts a server on the database db and waits until it is ready. Its log goes to a file beside the database, as
// a service manager would write it.
func (b *bench) startServer(ctx context.Context, db string, flags ...string) (*benchServer, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	logFile := filepath.Join(b.dir, "server.log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{"bench-server", b.profile, b.sweep, "-listen", "127.0.0.1:0", "-db", db, "-timezone", "UTC"}, b.flags...)
	cmd := exec.CommandContext(ctx, exe, append(args, flags...)...)
	cmd.Stderr = log
	began := time.Now()
	p, err := startChild(cmd)
	if err != nil {
		return nil, err
	}
	s := &benchServer{child: p, db: db, client: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: benchConnections, DisableCompression: true}}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		select {
		case <-p.done:
			text, _ := os.ReadFile(logFile)
			return nil, fmt.Errorf("the server ended: %w\n%s", p.err, tail(text, 2000))
		default:
		}
		if s.url == "" {
			text, err := os.ReadFile(logFile)
			if err != nil {
				return nil, err
			}
			s.url = listeningURL(text)
		}
		if s.url != "" && getJSON(ctx, s.client, s.url+"/readyz", new(any)) == nil {
			s.start = time.Since(began)
			return s, nil
		}
		if time.Since(began) > 10*time.Minute || ctx.Err() != nil {
			return nil, errors.Join(errors.New("the server did not become ready"), p.stop(), context.Cause(ctx))
		}
	}
}

// listeningURL finds the server's URL in its log.
func listeningURL(text []byte) string {
	for line := range bytes.Lines(text) {
		var l struct{ Msg, URL string }
		if json.Unmarshal(line, &l) == nil && l.Msg == "listening" {
			return l.URL
		}
	}
	return ""
}

func tail(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// getJSON reads url into v; a status other than 200 is an error.
func getJSON(ctx context.Context, c *http.Client, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return doJSON(c, req, v)
}

// doJSON sends req and reads the answer into v; a status other than 2xx is an error.
func doJSON(c *http.Client, req *http.Request, v any) error {
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := readAnswer(resp, v); err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	return nil
}

func readAnswer(resp *http.Response, v any) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %s", resp.StatusCode, tail(body, 500))
	}
	return json.Unmarshal(body, v)
}

// createJobs makes the jobs from first up to (not including) last over the API, from as many connections as given, and returns
// when all are acknowledged.
func (s *benchServer) createJobs(ctx context.Context, first, last, connections int, definition func(i int) string, progress func(done int)) error {
	return inParallel(ctx, connections, first, last, func(ctx context.Context, i int) error {
		if progress != nil && (i-first)%500 == 0 {
			progress(i - first)
		}
		return s.createJob(ctx, definition(i))
	})
}

// plainClient is one connection to a server without a client library: it measures the server, and not the goroutines and locks
// that net/http's client has for what one connection at a time does not need.
type plainClient struct {
	conn net.Conn
	in   *bufio.Reader
	host string
}

func (s *benchServer) dial(ctx context.Context) (*plainClient, error) {
	host := strings.TrimPrefix(s.url, "http://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return &plainClient{conn, bufio.NewReader(conn), host}, nil
}

// createJob is benchServer.createJob on this connection.
func (c *plainClient) createJob(definition string) error {
	_, err := fmt.Fprintf(c.conn, "POST /jobs HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.host, len(definition), definition)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readAnswer(resp, new(struct{}))
}

func (s *benchServer) createJob(ctx context.Context, definition string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/jobs", bytes.NewReader([]byte(definition)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return doJSON(s.client, req, new(struct{}))
}
