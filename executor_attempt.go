package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Attempt makes one attempt and waits for its end: the whole exchange, redirects included. It never fails; what went wrong is
// in the result, without any secret's value. When ctx ends, its cause tells what the end means (errors.go).
func (e *Executor) Attempt(ctx context.Context, c Call) Attempt {
	p := prepare(c.JobID, c.Definition)
	if err := p.fault(); err != nil {
		return failed(c.Attempt, time.Now(), &failure{classDefinition, classDefinition, err.Error()})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return e.attempt(ctx, cancel, p, c, nil)
}

// attempting is the state of one attempt.
type attempting struct {
	*prepared
	executor *Executor
	call     Call
	deadline *deadline
	start    time.Time
	timings  Timings // of the exchanges that are over
	last     *exchange
	trial    *Trial // filled in when not nil
}

// attempt is Attempt with the definition ready; trial, when not nil, gets what history does not keep. cancel ends ctx: the
// attempt's own timeouts use it, and the caller calls it at the end.
func (e *Executor) attempt(ctx context.Context, cancel context.CancelCauseFunc, p *prepared, c Call, trial *Trial) Attempt {
	t := &attempting{prepared: p, executor: e, call: c, start: time.Now(), trial: trial}
	t.deadline = startDeadline(cancel, t.start, secondsOr(p.definition.TimeoutSec, e.settings.Timeout, defaultTimeout))
	defer t.deadline.stop()

	var got answer
	out, err := t.render(ctx)
	if err == nil {
		got, err = t.exchangeAll(ctx, out)
	}
	took := time.Since(t.start)
	a := Attempt{Attempt: c.Attempt, StartedAt: t.start, DurationMS: ms(took), HTTPStatus: got.status, RetryAfter: got.retryAfter}
	var f *failure
	switch {
	case err != nil:
		f = classify(ctx, err)
	case got.refused != nil:
		f = got.refused
	default:
		f = p.success.judge(got.status, got.body.kept, got.body.truncated, took)
	}
	if got.status == http.StatusUnauthorized && t.auth != nil && t.auth.oauth2 != nil {
		e.tokens.forget(strings.TrimPrefix(out.header.Get("Authorization"), "Bearer "))
	}
	mask := t.masker(out.hidden)
	if f == nil {
		a.OK = true
	} else {
		a.Error, a.Reason, a.Detail = f.class, f.reason, oneLine(mask.String(f.detail))
	}
	t.describe(&a, got, mask, took)
	if trial != nil {
		trial.record(a, out, got, mask)
	}
	got.body.release()
	return a
}

// describe adds what is kept of the answer and of the way there.
func (t *attempting) describe(a *Attempt, got answer, mask masking, took time.Duration) {
	if got.status != 0 {
		a.Response = got.body.response(got.contentType, t.executor.excerptBytes(), mask)
		if got.location != "" {
			a.Response.Location = oneLine(mask.String(shownURL(got.location)))
		}
	}
	if t.last == nil {
		return
	}
	t.addTimings()
	t.timings.Total = ms(took)
	a.Timings = &t.timings
	_, conn, reused := t.last.measured()
	if conn == nil {
		return
	}
	a.Remote = &Remote{Address: conn.RemoteAddr().String(), Protocol: got.protocol, Reused: reused}
	if got.tls != nil {
		describeTLS(a.Remote, got.tls, t.start)
	}
}

func (t *attempting) addTimings() {
	m, _, _ := t.last.measured()
	t.timings.DNS += m.DNS
	t.timings.Connect += m.Connect
	t.timings.TLS += m.TLS
	t.timings.FirstByte = m.FirstByte
}

// exchangeAll sends the request and follows the redirects that the job allows.
func (t *attempting) exchangeAll(ctx context.Context, out outgoing) (answer, error) {
	follow := 0
	if r := t.definition.Redirects; r != nil {
		follow = r.Follow
	}
	for hop := 0; ; hop++ {
		resp, err := t.send(ctx, out)
		if err != nil {
			return answer{}, err
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			_ = resp.Body.Close() // it is the bare connection now, which no deadline ends
			return answer{}, &failure{classProtocol, classProtocol, "the target switches protocols (101), which was not asked for"}
		}
		got := answer{status: resp.StatusCode, protocol: resp.Proto, tls: resp.TLS, header: resp.Header,
			contentType: resp.Header.Get("Content-Type"), retryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
		if location := resp.Header.Get("Location"); location != "" && isRedirect(resp.StatusCode) && !t.success.names(resp.StatusCode) {
			next, refused := redirect(out, resp.StatusCode, location, follow-hop)
			if refused == "" {
				_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again; an error shows there
				_ = resp.Body.Close()
				t.addTimings()
				if t.trial != nil {
					t.trial.Redirects = append(t.trial.Redirects, next.url.String())
				}
				out = next
				continue
			}
			got.location = location
			got.refused = &failure{"", reasonRedirect, fmt.Sprintf("status %d points to %s: %s", got.status, shownURL(location), refused)}
		}
		got.body, err = readBody(resp, t.success.needsBody() && got.refused == nil, t.executor.maxBodyBytes(), t.executor.excerptBytes()+t.longestHidden(out.hidden))
		return got, err
	}
}

// send makes one exchange, up to the response's headers.
func (t *attempting) send(ctx context.Context, out outgoing) (*http.Response, error) {
	d, e := t.definition, t.executor
	now := time.Now()
	connect := secondsOr(d.ConnectTimeoutSec, e.settings.ConnectTimeout, defaultConnectTimeout)
	x := &exchange{Context: ctx, deadline: t.deadline, dialUntil: now.Add(connect)}
	if d.FirstByteTimeoutSec != nil {
		x.firstByte = seconds(*d.FirstByteTimeoutSec)
	}
	t.last = x
	t.deadline.phase(now, connect, errConnectTimeout)

	req := new(http.Request).WithContext(httptrace.WithClientTrace(x, x.trace()))
	req.Method, req.URL, req.Host, req.Header = out.method, out.url, out.url.Host, out.header
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	if len(out.body) > 0 {
		req.ContentLength = int64(len(out.body))
		req.Body = io.NopCloser(bytes.NewReader(out.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.body)), nil }
	}
	resp, err := e.transport.RoundTrip(req)
	if err == nil {
		t.deadline.phase(now, 0, nil)
	}
	return resp, err
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect gives the request that a redirect asks for, or why it is refused. To another origin go only headers that identify
// nobody, never a body, and never from https to http.
func redirect(out outgoing, status int, location string, left int) (outgoing, string) {
	if left <= 0 {
		return out, "redirects.follow allows no further redirect"
	}
	ref, err := url.Parse(location)
	if err != nil {
		return out, "it is not a URL"
	}
	u, user, wrong := parseTarget(out.url.ResolveReference(ref).String())
	if wrong != "" {
		return out, "it " + wrong
	}
	if user != nil {
		return out, "it holds credentials"
	}
	if out.url.Scheme == "https" && u.Scheme == "http" {
		return out, "it leaves TLS"
	}
	next := outgoing{url: u, method: out.method, header: out.header, body: out.body, hidden: out.hidden}
	bodyGoes := status == 307 || status == 308 || out.method == http.MethodGet || out.method == http.MethodHead
	if !bodyGoes {
		next.method, next.body = http.MethodGet, nil
	}
	elsewhere := u.Scheme != out.url.Scheme || keyOf(u) != keyOf(out.url)
	switch {
	case elsewhere && len(next.body) > 0:
		return out, "the body is not sent to another origin"
	case elsewhere:
		next.header = make(http.Header, len(portableHeaders))
		for _, name := range portableHeaders {
			if v, ok := out.header[name]; ok && (name != "Content-Type" || next.body != nil) {
				next.header[name] = v
			}
		}
	case !bodyGoes:
		next.header = out.header.Clone()
		for _, name := range []string{"Content-Type", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
			delete(next.header, name) // the signature is of a body that does not go
		}
	}
	return next, ""
}

// retryAfter reads both forms of Retry-After; the zero time when there is none.
func retryAfter(v string, now time.Time) time.Time {
	if v == "" {
		return time.Time{}
	}
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return now.Add(time.Duration(n) * time.Second)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return time.Time{}
	}
	return at
}

// secondsOr is a field of the definition, or else the server's setting, or else the default.
func secondsOr(field *float64, setting, fallback time.Duration) time.Duration {
	switch {
	case field != nil:
		return seconds(*field)
	case setting > 0:
		return setting
	default:
		return fallback
	}
}
