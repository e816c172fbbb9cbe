package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"teiki/internal/egress"
)

// The classes of Attempt.Error: why no whole answer came. An answer that is not a success has no class but a reason.
const (
	classConnect     = "connect" // refused, reset, closed early, unreachable
	classDNS         = "dns"
	classTLS         = "tls" // handshake or certificate
	classTimeout     = "timeout"
	classProtocol    = "protocol"      // what came is not HTTP, or its headers are too large
	classInterrupted = "interrupted"   // outcome unknown: crash or shutdown
	classCanceled    = "canceled"      // ended from inside: by a user, or replaced
	classEgress      = "egress_denied" // the egress guard
	classSecret      = "secret"        // a {{secret.NAME}} can't be had
	classAuth        = "auth"          // no OAuth2 token
	classRequest     = "request"       // the templates made something that can't be sent
	classDefinition  = "definition"    // the definition can't be read, or is not valid any more
	classInternal    = "internal"
	classCondition   = "condition" // only in retry_on: an answer with a good status that misses another success condition
)

// The reasons of a failed attempt besides the classes and ReasonHTTPStatus.
const (
	reasonConnectTimeout   = "connect_timeout"
	reasonFirstByteTimeout = "first_byte_timeout"
	reasonRedirect         = "redirect_refused"
	reasonBodyContains     = "body_contains"
	reasonBodyMatches      = "body_matches"
	reasonJSON             = "json"
	reasonDuration         = "max_duration_ms"
)

// defaultRetryOn are the classes that are retried unless the job says otherwise; 5xx is, too.
var defaultRetryOn = []string{classConnect, classDNS, classTLS, classTimeout, classProtocol, classInterrupted}

// retryOn are the classes that a job may name in retry_on, besides statuses.
var retryOn = []string{classConnect, classDNS, classTLS, classTimeout, classProtocol, classInterrupted, classAuth, classSecret, classCondition}

// Causes of an attempt's own end.
var (
	errConnectTimeout   = errors.New("no connection within connect_timeout_sec")
	errFirstByteTimeout = errors.New("no response headers within first_byte_timeout_sec")
	errTimeout          = errors.New("not finished within timeout_sec")
)

// failure says why an attempt has no answer, or not a good one. Its detail may still hold secrets: it is masked once.
type failure struct {
	class, reason, detail string
}

func (f *failure) Error() string { return f.reason + ": " + f.detail }

// failed is an attempt that ended before anything was sent.
func failed(n int, start time.Time, f *failure) Attempt {
	d := time.Since(start)
	return Attempt{Attempt: n, StartedAt: start, DurationMS: ms(d), Error: f.class, Reason: f.reason, Detail: oneLine(f.detail)}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// causeOr is the failure that ctx's cause stands for, and otherwise f.
func causeOr(ctx context.Context, f *failure) *failure {
	if ctx.Err() == nil {
		return f
	}
	switch cause := context.Cause(ctx); cause {
	case errReplaced:
		return &failure{classCanceled, ReasonReplaced, cause.Error()}
	case errCanceled:
		return &failure{classCanceled, ReasonByUser, cause.Error()}
	case errShutdown:
		return &failure{classInterrupted, ReasonShutdown, cause.Error()}
	case errConnectTimeout:
		return &failure{classTimeout, reasonConnectTimeout, cause.Error()}
	case errFirstByteTimeout:
		return &failure{classTimeout, reasonFirstByteTimeout, cause.Error()}
	case errTimeout, context.DeadlineExceeded:
		return &failure{classTimeout, classTimeout, errTimeout.Error()}
	default: // the client of a test call went away
		return &failure{classCanceled, ReasonByUser, errCanceled.Error()}
	}
}

// classify turns an error of the transport into a failure. The ctx's cause comes first: it is what made the error.
func classify(ctx context.Context, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return causeOr(ctx, f)
	}
	f := &failure{class: classProtocol, detail: err.Error()}
	switch {
	case is[*egress.Denied](err):
		denied, _ := errors.AsType[*egress.Denied](err)
		f.class, f.detail = classEgress, denied.Error()
	case is[*net.DNSError](err):
		f.class = classDNS
	case is[*tls.CertificateVerificationError](err), is[x509.UnknownAuthorityError](err), is[x509.HostnameError](err),
		is[x509.CertificateInvalidError](err), is[tls.RecordHeaderError](err), is[tls.AlertError](err),
		strings.HasPrefix(err.Error(), "tls: "), strings.Contains(err.Error(), "remote error: tls"),
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		f.class = classTLS
	case is[net.Error](err), is[syscall.Errno](err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), strings.Contains(err.Error(), "client conn could not be established"), strings.Contains(err.Error(), "server closed idle connection"),
		strings.Contains(err.Error(), "connection lost"), strings.HasPrefix(err.Error(), "proxyconnect"):
		f.class = classConnect
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			f.class, f.reason = classTimeout, reasonConnectTimeout
		}
	}
	if f.reason == "" {
		f.reason = f.class
	}
	return causeOr(ctx, f)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// oneLine is a text for one line of a log or a table: no control characters, at most 500 bytes.
func oneLine(s string) string {
	if len(s) > 500 {
		s = s[:497] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
