package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"teiki/internal/secret"
	"teiki/internal/template"
	"teiki/internal/webhook"
)

// outgoing is one request as it leaves.
type outgoing struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	hidden []string // values that must not be shown: secrets and what was made of them
}

// headerIdempotency is Idempotency-Key, spelt so that net/http does not know it: with the canonical spelling the transport
// takes a POST for one that it may send a second time when the connection breaks, within the same attempt and unseen.
const headerIdempotency = "idempotency-key"

// teiki's own headers: every request carries them.
const (
	headerJobID       = "Teiki-Job-Id"
	headerRunID       = "Teiki-Run-Id"
	headerScheduledAt = "Teiki-Scheduled-At"
	headerAttempt     = "Teiki-Attempt"
	headerTrace       = "Traceparent"
)

// render makes the request of one attempt: templates filled in, secrets resolved, credentials added, signed. Errors are
// *failure, apart from a ctx's.
func (t *attempting) render(ctx context.Context) (out outgoing, err error) {
	c := t.call
	zone := c.Zone
	if zone == nil {
		zone = t.zone
	}
	scheduled := c.ScheduledAt.Time().In(zone)
	vars := &template.Vars{ScheduledAt: scheduled, JobID: c.JobID, RunID: c.RunID, Attempt: c.Attempt}
	vars.Secret = func(name string) (string, error) {
		v, err := t.executor.secrets.Lookup(name)
		if err != nil {
			return "", &failure{classSecret, classSecret, err.Error()}
		}
		out.hidden = append(out.hidden, v)
		return v, nil
	}
	var user *url.Userinfo
	if out.url, user, err = t.target.render(vars); err != nil {
		return out, asFailure(err)
	}
	if out.body, err = t.body.render(vars); err != nil {
		return out, asFailure(err)
	}
	out.method = t.method

	// One allocation for the values of all own headers.
	v := make([]string, 0, 8)
	h := make(http.Header, len(t.header)+len(t.headers)+8)
	set := func(name, value string) {
		v = append(v, value)
		h[name] = v[len(v)-1 : len(v) : len(v)]
	}
	set("User-Agent", "teiki/"+t.executor.cfg.Version)
	for name, values := range t.header {
		h[name] = values
	}
	set(headerIdempotency, `"`+c.RunID+`"`)
	set(headerJobID, asciiID(c.JobID))
	set(headerRunID, c.RunID)
	set(headerScheduledAt, scheduled.Format(time.RFC3339Nano))
	set(headerAttempt, strconv.Itoa(c.Attempt))
	set(headerTrace, traceparent(c.RunID))
	out.header = h
	for _, dynamic := range t.headers {
		value, err := dynamic.text.Append(nil, vars, nil)
		if err != nil {
			return out, asFailure(err)
		}
		if wrong := headerValue(string(value)); wrong != "" {
			return out, &failure{classRequest, classRequest, "headers." + dynamic.name + " " + wrong}
		}
		h[dynamic.name] = []string{string(value)}
	}
	if err := t.authorize(ctx, &out, vars, user); err != nil {
		return out, asFailure(err)
	}
	if err := t.sign(&out, vars); err != nil {
		return out, asFailure(err)
	}
	return out, nil
}

// headerValue says what bars a filled-in value from being a header's.
func headerValue(v string) string {
	for _, r := range v {
		if isControl(r) {
			return "would hold a control character: a secret or job_id in it has more than one line"
		}
	}
	return ""
}

// authorize adds the credentials of auth, or of the URL's user info.
func (t *attempting) authorize(ctx context.Context, out *outgoing, vars *template.Vars, user *url.Userinfo) error {
	value := ""
	switch a := t.auth; {
	case a == nil && user == nil:
		return nil
	case a == nil:
		password, _ := user.Password()
		value = basic(user.Username(), password)
	case a.oauth2 != nil:
		token, hidden, err := t.executor.tokens.get(ctx, a.oauth2, vars)
		out.hidden = append(out.hidden, hidden...)
		if err != nil {
			return err
		}
		value = "Bearer " + token
	default:
		first, err := a.first.Append(nil, vars, nil)
		if err != nil {
			return err
		}
		if a.second == nil {
			value = "Bearer " + string(first)
			break
		}
		second, err := a.second.Append(nil, vars, nil)
		if err != nil {
			return err
		}
		value = basic(string(first), string(second))
	}
	if wrong := headerValue(value); wrong != "" {
		return &failure{classRequest, classRequest, "auth " + wrong}
	}
	out.header["Authorization"] = []string{value}
	out.hidden = append(out.hidden, value, value[len("Basic "):]) // "Basic " is shorter than "Bearer ": a space more does no harm
	return nil
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// sign adds the headers of Standard Webhooks.
func (t *attempting) sign(out *outgoing, vars *template.Vars) error {
	if len(t.signing) == 0 {
		return nil
	}
	keys := make([][]byte, len(t.signing))
	for i, s := range t.signing {
		text, err := s.Append(nil, vars, nil)
		if err != nil {
			return err
		}
		if keys[i], err = webhook.ParseSecret(string(text)); err != nil {
			return &failure{classRequest, classRequest, "signing_secret: " + err.Error()}
		}
	}
	id := t.call.RunID
	out.header[http.CanonicalHeaderKey(webhook.HeaderID)] = []string{id}
	out.header[http.CanonicalHeaderKey(webhook.HeaderTimestamp)] = []string{strconv.FormatInt(t.start.Unix(), 10)}
	out.header[http.CanonicalHeaderKey(webhook.HeaderSignature)] = []string{webhook.Sign(id, t.start, out.body, keys...)}
	return nil
}

// traceparent is W3C Trace Context: one trace per run, so that its attempts are found together; a span per attempt. The trace
// id is a hash of the run id, because samplers take its bits for random.
func traceparent(runID string) string {
	sum := sha256.Sum256([]byte(runID))
	var b [55]byte
	copy(b[:], "00-")
	hex.Encode(b[3:35], sum[:16])
	b[35] = '-'
	span := rand.Uint64() | 1 // not all zero
	for i := range 16 {
		b[36+i] = "0123456789abcdef"[span>>(60-4*i)&15]
	}
	copy(b[52:], "-01")
	return string(b[:])
}

func asFailure(err error) error {
	if is[*failure](err) {
		return err
	}
	return &failure{classRequest, classRequest, err.Error()}
}

// masking takes values out of text.
type masking = *secret.Masker

// masker makes the attempt's masker: of the job's written-out credentials and the resolved secrets. Making one costs more than
// using it, and the same values come again.
func (t *attempting) masker(hidden []string) masking {
	if len(hidden) == 0 {
		return t.mask()
	}
	values := append(hidden[:len(hidden):len(hidden)], t.credentials...)
	hash := sha256.New()
	size := 4096
	for _, v := range values {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(v), v) // a hash takes everything
		size += 200 * len(v)
	}
	key := [sha256.Size]byte(hash.Sum(nil))
	if m, ok := t.executor.maskers.get(key); ok {
		return m
	}
	m := secret.NewMasker(values...)
	t.executor.maskers.put(key, m, size)
	return m
}

// longestHidden is how much more than the excerpt must be kept, so that no value is cut before it is masked.
func (t *attempting) longestHidden(hidden []string) int {
	return t.masker(hidden).Longest()
}

// asciiID is a job_id as a header value: names beyond ASCII are percent-encoded, because header values have no character set.
func asciiID(id string) string {
	for i := range len(id) {
		if id[i] >= 0x80 {
			return url.PathEscape(id)
		}
	}
	return id
}
