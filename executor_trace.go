package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// deadline ends an attempt with the cause of the phase that took too long. One timer serves all phases: a phase that ends in
// time only moves the instant, and the timer, when it fires too early, arms itself again.
type deadline struct {
	cancel context.CancelCauseFunc
	total  time.Time

	mu    sync.Mutex
	until time.Time
	cause error
	armed time.Time
	timer *time.Timer
}

func startDeadline(cancel context.CancelCauseFunc, now time.Time, total time.Duration) *deadline {
	d := &deadline{cancel: cancel, total: now.Add(total)}
	d.until, d.cause, d.armed = d.total, errTimeout, d.total
	d.timer = time.AfterFunc(total, d.fire)
	return d
}

// phase bounds what comes next to limit from now, 0 = only the total counts.
func (d *deadline) phase(now time.Time, limit time.Duration, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until, d.cause = d.total, errTimeout
	if at := now.Add(limit); limit > 0 && at.Before(d.total) {
		d.until, d.cause = at, cause
	}
	if d.until.Before(d.armed) {
		d.armed = d.until
		d.timer.Reset(time.Until(d.until))
	}
}

func (d *deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if left := time.Until(d.until); left > 0 {
		d.armed = d.until
		d.timer.Reset(left)
		return
	}
	d.cancel(d.cause)
}

func (d *deadline) stop() { d.timer.Stop() }

// exchange is one request and its response: an attempt has one per redirect followed. It is the request's context, so that
// the dialer, which the transport runs in a goroutine of its own and may let finish later, finds it. The hooks may be called
// from there, hence the mutex.
type exchange struct {
	context.Context
	deadline  *deadline
	firstByte time.Duration // limit from the request sent to the response headers
	dialUntil time.Time
	proxied   bool // set before the dial: the connection goes to a proxy

	mu       sync.Mutex
	begun    map[string]time.Time // dials in progress: happy eyeballs makes two
	dnsBegun time.Time
	tlsBegun time.Time
	wrote    time.Time
	timings  Timings
	conn     net.Conn
	reused   bool
}

type exchangeKey struct{}

func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// trace gives the hooks for the transport. DNS and TCP are hooked in dial alone, which most attempts do not need.
func (x *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:              x.gotConn,
		WroteRequest:         x.wroteRequest,
		GotFirstResponseByte: x.gotFirstByte,
		TLSHandshakeStart:    x.tlsStart,
		TLSHandshakeDone:     x.tlsDone,
	}
}

func (x *exchange) gotConn(info httptrace.GotConnInfo) {
	conn := info.Conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if d, ok := conn.(*dialed); ok {
		d.established()
	}
	x.mu.Lock()
	x.conn, x.reused = info.Conn, info.Reused
	x.mu.Unlock()
	x.deadline.phase(time.Time{}, 0, nil)
}

func (x *exchange) wroteRequest(httptrace.WroteRequestInfo) {
	now := time.Now()
	x.mu.Lock()
	x.wrote = now
	x.mu.Unlock()
	if x.firstByte > 0 {
		x.deadline.phase(now, x.firstByte, errFirstByteTimeout)
	}
}

func (x *exchange) gotFirstByte() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.wrote.IsZero() {
		x.timings.FirstByte = ms(time.Since(x.wrote))
	}
}

func (x *exchange) tlsStart() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tlsBegun = time.Now()
}

func (x *exchange) tlsDone(tls.ConnectionState, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.timings.TLS = ms(time.Since(x.tlsBegun))
}

// dialHooks are the hooks of one dial.
func (x *exchange) dialHooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.dnsBegun = time.Now()
		},
		DNSDone: func(httptrace.DNSDoneInfo) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.timings.DNS = ms(time.Since(x.dnsBegun))
		},
		ConnectStart: func(_, addr string) {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.begun == nil {
				x.begun = make(map[string]time.Time, 1)
			}
			x.begun[addr] = time.Now()
		},
		ConnectDone: func(_, addr string, err error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			if err == nil || x.timings.Connect == 0 {
				x.timings.Connect = ms(time.Since(x.begun[addr]))
			}
		},
	}
}

// measured is what has been measured so far, and the other end. Hooks of a dial that goes on may still come later.
func (x *exchange) measured() (Timings, net.Conn, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.timings, x.conn, x.reused
}

// dialed is a connection that must be set up (TLS, a proxy's CONNECT) by a deadline: the transport would let a handshake that
// hangs go on long after the attempt it was begun for.
type dialed struct {
	net.Conn
	limited atomic.Bool
}

// established lifts the deadline: a request uses the connection.
func (d *dialed) established() {
	if d.limited.Load() && d.limited.CompareAndSwap(true, false) {
		_ = d.SetDeadline(time.Time{}) // fails only on a closed connection
	}
}

// dial is the transport's way to a connection: through the egress guard, and no longer than the attempt's connect timeout.
func (e *Executor) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second, Resolver: resolver}
	until := time.Now().Add(defaultConnectTimeout)
	proxied := false
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		until, proxied = x.dialUntil, x.proxied
		ctx = httptrace.WithClientTrace(ctx, x.dialHooks())
	}
	d.Deadline = until
	var conn net.Conn
	var err error
	if proxied { // the administrator's choice; the target was checked when the proxy was chosen
		conn, err = d.DialContext(ctx, network, addr)
	} else {
		conn, err = e.egress.Dial(ctx, d, network, addr)
	}
	if err != nil {
		return nil, err
	}
	c := &dialed{Conn: conn}
	c.limited.Store(true)
	if err := conn.SetDeadline(until); err != nil {
		return nil, err
	}
	return c, nil
}

// resolver is Go's own: it needs no thread per lookup and no libc.
var resolver = &net.Resolver{PreferGo: true}
