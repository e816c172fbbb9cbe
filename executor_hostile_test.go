package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawTarget serves each connection with h, on a real socket, below HTTP. h has read the request's first bytes.
func rawTarget(t testing.TB, h func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				defer func() { _ = c.Close() }()
				if _, err := c.Read(make([]byte, 4096)); err == nil {
					h(c)
				}
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		conns.Wait()
	})
	return "http://" + l.Addr().String()
}

// hangUp waits until the other end has closed.
func hangUp(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// repeat writes s until the other end has closed.
func repeat(c net.Conn, s string) {
	b := []byte(strings.Repeat(s, 1+8192/len(s)))
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// trickle writes s byte by byte, one every 20 ms, until the other end has closed.
func trickle(c net.Conn, s string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if _, err := c.Write([]byte{s[i%len(s)]}); err != nil {
			return
		}
		<-tick.C
	}
}

func say(c net.Conn, s string) { _, _ = io.WriteString(c, s) }

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

var bomb = func() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.CopyN(w, zeros{}, 1<<30/4)
	_ = w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// hostile are targets that misbehave, what an attempt with a timeout of a second must make of them, and how.
var hostile = []struct {
	name         string
	serve        func(net.Conn)
	class, cause string
	ok           bool
}{
	{"hang", hangUp, classTimeout, classTimeout, false},
	{"hang after headers", func(c net.Conn) { say(c, okHead+"Content-Length: 5\r\n\r\n"); hangUp(c) }, classTimeout, classTimeout, false},
	{"trickling status line", func(c net.Conn) { trickle(c, "HTTP/1.1 200 ") }, classTimeout, classTimeout, false},
	{"trickling headers", func(c net.Conn) { say(c, okHead); trickle(c, "X-Header: value\r\n") }, classTimeout, classTimeout, false},
	{"trickling body", func(c net.Conn) { say(c, okHead+"Content-Length: 100000\r\n\r\n"); trickle(c, "x") }, classTimeout, classTimeout, false},
	{"trickling chunks", func(c net.Conn) { say(c, okHead+"Transfer-Encoding: chunked\r\n\r\n"); trickle(c, "1\r\nx\r\n") }, classTimeout, classTimeout, false},
	{"endless body", func(c net.Conn) { say(c, okHead+"\r\n"); repeat(c, "x") }, "", "", true},
	{"endless chunks", func(c net.Conn) { say(c, okHead+"Transfer-Encoding: chunked\r\n\r\n"); repeat(c, "1\r\nx\r\n") }, "", "", true},
	{"10 GB", func(c net.Conn) { say(c, okHead+"Content-Length: 10737418240\r\n\r\n"); repeat(c, "x") }, "", "", true},
	{"endless headers", func(c net.Conn) { say(c, okHead); repeat(c, "X-Header: value\r\n") }, classProtocol, classProtocol, false},
	{"one endless header", func(c net.Conn) { say(c, okHead+"X-Long: "); repeat(c, "x") }, classProtocol, classProtocol, false},
	{"endless status line", func(c net.Conn) { say(c, "HTTP/1.1 200 "); repeat(c, "x") }, classProtocol, classProtocol, false},
	{"1xx flood", func(c net.Conn) { repeat(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") }, classProtocol, classProtocol, false},
	{"gzip bomb", func(c net.Conn) { say(c, okHead+"Content-Encoding: gzip\r\n\r\n"); _, _ = c.Write(bombOnce()) }, "", "", true},
	{"empty gzip blocks", func(c net.Conn) {
		say(c, okHead+"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
		repeat(c, "\x00\x00\x00\xff\xff")
	}, "", "", true},
	{"not gzip", func(c net.Conn) { say(c, okHead+"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain") }, classProtocol, classProtocol, false},
	{"reset", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, classConnect, classConnect, false},
	{"reset in body", func(c net.Conn) { say(c, okHead+"Content-Length: 50\r\n\r\nhalf"); _ = c.(*net.TCPConn).SetLinger(0) }, classConnect, classConnect, false},
	{"close", func(net.Conn) {}, classConnect, classConnect, false},
	{"close in headers", func(c net.Conn) { say(c, okHead) }, classConnect, classConnect, false},
	{"close in body", func(c net.Conn) { say(c, okHead+"Content-Length: 50\r\n\r\nhalf") }, classConnect, classConnect, false},
	{"close in chunk", func(c net.Conn) { say(c, okHead+"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf") }, classConnect, classConnect, false},
	{"not HTTP", func(c net.Conn) { say(c, "220 mail.example ESMTP\r\n") }, classProtocol, classProtocol, false},
	{"TLS on a plain port", func(c net.Conn) { say(c, "\x15\x03\x01\x00\x02\x02\x16") }, classProtocol, classProtocol, false},
	{"bad length", func(c net.Conn) { say(c, okHead+"Content-Length: -5\r\n\r\n") }, classProtocol, classProtocol, false},
	{"two lengths", func(c net.Conn) { say(c, okHead+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef") }, classProtocol, classProtocol, false},
	{"status 000", func(c net.Conn) { say(c, "HTTP/1.1 000 no\r\nContent-Length: 0\r\n\r\n") }, "", ReasonHTTPStatus, false},
	{"switching protocols", func(c net.Conn) {
		say(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
		hangUp(c)
	}, classProtocol, classProtocol, false},
	{"redirect loop", func(c net.Conn) {
		say(c, "HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	}, "", reasonRedirect, false},
	{"redirect with an endless body", func(c net.Conn) { say(c, "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"); repeat(c, "x") }, "", reasonRedirect, false},
	{"redirect with a long Location", func(c net.Conn) {
		say(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: /"+strings.Repeat("x", 60000)+"\r\n\r\n")
	}, "", reasonRedirect, false},
}

var bombOnce = sync.OnceValue(bomb)

// TestHostileTargets is R10, one by one: every attempt ends at its timeout at the latest, as the failure that it is, with at
// most 1 MiB read and no more than the excerpt kept.
func TestHostileTargets(t *testing.T) {
	bombOnce()
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			url := rawTarget(t, h.serve)
			start := time.Now()
			a := r.try(t, url+"/", func(d *Definition) {
				d.TimeoutSec, d.Redirects = ptr(1.0), &Redirects{Follow: 3}
				d.Success = &Success{BodyContains: ""}
			})
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			if a.Error != h.class || a.OK != h.ok || a.Reason != h.cause {
				t.Errorf("class %q reason %q ok %v, want %q %q %v: %s", a.Error, a.Reason, a.OK, h.class, h.cause, h.ok, a.Detail)
			}
			if len(a.Detail) > 500 || !h.ok && a.Detail == "" {
				t.Errorf("detail %q", a.Detail)
			}
			if resp := a.Response; resp != nil {
				if resp.Length > 1<<20 || len(resp.Excerpt) > 2048 || len(resp.Location) > 500 || h.ok && !resp.Truncated {
					t.Errorf("length %d, excerpt %d, truncated %v", resp.Length, len(resp.Excerpt), resp.Truncated)
				}
			}
		})
	}
}

// TestHostileBesideHealthy is R10, all at once: 100 hostile jobs, one call a second each, beside 100 healthy ones. The memory
// of teiki's side and of the targets, which share the process, grows by no more than 64 MiB, and all healthy calls succeed.
func TestHostileBesideHealthy(t *testing.T) {
	bombOnce()
	r := newRig(t, nil)
	healthy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	t.Cleanup(healthy.Close)
	call := func(url string, i int) Attempt {
		d := &Definition{TargetURL: url + fmt.Sprintf("/%d", i), Method: "GET", TimeoutSec: ptr(1.0), Success: &Success{BodyMatches: "fine"}}
		return r.Attempt(context.Background(), callOf(d))
	}
	measure := func() (p99 time.Duration) {
		var took []time.Duration
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for range 20 {
			<-tick.C
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					start := time.Now()
					a := call(healthy.URL, i)
					mu.Lock()
					defer mu.Unlock()
					took = append(took, time.Since(start))
					if !a.OK {
						t.Errorf("a healthy call failed: %s %s", a.Error, a.Detail)
					}
				})
			}
			wg.Wait()
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	alone := measure()
	before := heap()

	var urls []string
	for _, h := range hostile {
		urls = append(urls, rawTarget(t, h.serve))
	}
	ctx, stop := context.WithCancel(context.Background())
	var hostiles sync.WaitGroup
	peak := uint64(0)
	for i := range 100 {
		hostiles.Go(func() {
			<-time.After(time.Duration(i) * 10 * time.Millisecond) // jobs do not all fall on the same instant
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				call(urls[i%len(urls)], n)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	var beside time.Duration
	for range 2 {
		beside = max(beside, measure())
		peak = max(peak, heap())
	}
	stop()
	hostiles.Wait()
	t.Logf("p99 of healthy calls: alone %s, beside %s; heap %d MiB, at most %d MiB", alone, beside, before>>20, peak>>20)
	if peak > before+64<<20 {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, peak>>20)
	}
}

// TestAnAttemptSendsOnce: a connection that breaks after the request has gone ends the attempt. net/http by itself would send a
// POST with an Idempotency-Key a second time, unseen.
func TestAnAttemptSendsOnce(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	count := func() {
		mu.Lock()
		defer mu.Unlock()
		requests++
	}
	url := rawTarget(t, func(c net.Conn) {
		count()
		say(c, okHead+"Content-Length: 0\r\n\r\n")
		if n, _ := c.Read(make([]byte, 4096)); n > 0 {
			count() // and the connection closes without an answer
		}
	})
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		r := newRig(t, nil)
		requests = 0
		call := func(d *Definition) { d.Method = method }
		if a := r.try(t, url+"/", call); !a.OK {
			t.Fatalf("%s: %+v", method, a)
		}
		a := r.try(t, url+"/", call)
		mu.Lock()
		if a.OK || a.Error != classConnect || requests != 2 {
			t.Errorf("%s: %d requests of two attempts; %s %s", method, requests, a.Error, a.Detail)
		}
		mu.Unlock()
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
