package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"teiki/internal/secret"
)

// Trial is a call made now, for its author to look at. It leaves no run.
type Trial struct {
	Request   TrialRequest      `json:"request"` // the last one, when redirects were followed
	Redirects []string          `json:"redirects,omitempty"`
	Headers   map[string]string `json:"response_headers,omitempty"`
	Attempt   Attempt           `json:"attempt"`
}

// TrialRequest is a request as it was sent, credentials and secrets masked.
type TrialRequest struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body,omitempty"`
	Length    int               `json:"length"`
	Truncated bool              `json:"truncated,omitempty"`
	Binary    bool              `json:"binary,omitempty"`
}

// Try makes one attempt of a definition, saved or not, and shows everything. It keeps nothing and retries nothing.
func (e *Executor) Try(ctx context.Context, c Call) Trial {
	t := Trial{Request: TrialRequest{Method: c.Definition.Method, URL: redactURL(c.Definition.TargetURL)}}
	p := prepare(c.JobID, c.Definition)
	if p.fault() != nil {
		t.Attempt = e.Attempt(ctx, c)
		return t
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.Attempt = e.attempt(ctx, cancel, p, c, &t)
	return t
}

// record fills t from an attempt that has ended. got.body is still valid.
func (t *Trial) record(_ Attempt, out outgoing, got answer, mask masking) {
	t.Request.Method = out.method
	if out.url != nil {
		t.Request.URL = mask.String(redactURL(out.url.String()))
	}
	t.Request.Headers = shownHeaders(out.header, mask)
	t.Request.Length = len(out.body)
	const limit = 64 << 10
	if t.Request.Binary = binary(out.body); !t.Request.Binary {
		body := mask.String(string(redactJSON(out.body)))
		t.Request.Truncated = len(body) > limit
		t.Request.Body = cutText(body, limit)
	}
	t.Headers = shownHeaders(got.header, mask)
	for i, u := range t.Redirects {
		t.Redirects[i] = mask.String(redactURL(u))
	}
}

// shownHeaders are headers for people: one line each, credentials masked.
func shownHeaders(h map[string][]string, mask masking) map[string]string {
	if len(h) == 0 {
		return nil
	}
	shown := make(map[string]string, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		v := strings.Join(h[name], ", ")
		switch {
		case name == headerIdempotency:
			name = "Idempotency-Key"
		case isCredential(name):
			v = secret.Mask
		}
		if !utf8.ValidString(v) {
			v = strings.ToValidUTF8(v, "\uFFFD")
		}
		shown[name] = mask.String(v)
	}
	return shown
}
