package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// quickTarget answers every request on a connection with the same few bytes: it costs the benchmark as little as a target can.
func quickTarget(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				buf := make([]byte, 8192)
				have := 0
				for {
					n, err := c.Read(buf[have:])
					if err != nil {
						return
					}
					have += n
					if bytes.HasSuffix(buf[:have], []byte("\r\n\r\n")) || bytes.HasSuffix(buf[:have], []byte("123}")) {
						have = 0
						if _, err := c.Write(answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/run"
}

// BenchmarkCall compares the same POST, made by a bare client (request built, body read), by Attempt with the definition ready,
// and by Start to the ledger's answer. Ratio: ns/op of attempt to ns/op of bare.
func BenchmarkCall(b *testing.B) {
	url := quickTarget(b)
	body := []byte(`{"report":"daily","projectId":123}`)
	const parallel = 32
	b.Run("bare", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}, Timeout: 5 * time.Second}
		b.SetParallelism(parallel)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				req, err := http.NewRequestWithContext(context.Background(), "POST", url, bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer XXXXXXXX")
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	})
	definition := &Definition{TargetURL: url, Method: "POST", Body: body, Headers: map[string]string{"Authorization": "Bearer XXXXXXXX"}, TimeoutSec: ptr(5.0)}
	b.Run("attempt", func(b *testing.B) {
		r := newRig(b, func(c *executorConfig) { c.Settings.MaxPerHost = 1000 })
		p, call := prepare("job", definition), callOf(definition)
		b.SetParallelism(parallel)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ctx, cancel := context.WithCancelCause(context.Background())
				a := r.attempt(ctx, cancel, p, call, nil)
				cancel(nil)
				if !a.OK {
					b.Error(a)
					return
				}
			}
		})
	})
	b.Run("start", func(b *testing.B) {
		r := newRig(b, func(c *executorConfig) { c.Settings.MaxPerHost = 1000; c.Log = nil })
		ledger := &instantLedger{d: definition}
		r.cfg.Ledger = ledger
		slots := make(chan struct{}, 2*parallel)
		r.cfg.Finished = func(_ Dispatch, f Finish, _ bool) {
			if f.Status != Succeeded {
				ledger.failed.Add(1)
			}
			<-slots
		}
		b.ReportAllocs()
		for i := range b.N {
			slots <- struct{}{}
			r.Start(Dispatch{Run: int64(i), Job: int64(i % 100), Version: 1, Attempt: 1, ScheduledAt: testTime})
		}
		r.Drain(context.Background())
		if ledger.failed.Load() > 0 {
			b.Error(ledger.failed.Load(), "calls failed")
		}
	})
}

type instantLedger struct {
	ledger
	d      *Definition
	failed atomic.Int64
}

func (l *instantLedger) Definition(context.Context, int64, int) (string, *Definition, error) {
	return "job", l.d, nil
}
func (l *instantLedger) Finish(_ Finish, done func(bool)) { done(true) }

func (l *instantLedger) Definitions(_ context.Context, keys []versionKey) (names, texts []string, err error) {
	return make([]string, len(keys)), make([]string, len(keys)), nil // one by one, then
}
