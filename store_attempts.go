package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// The attempts are the larger half of a run's row, and history is most of what the database holds: they are kept as JSON with
// short names, without what can be told from the rest. The names are part of the database's format (schema.sql).

type storedAttempt struct {
	Number     int             `json:"n,omitempty"` // absent = its place in the list
	StartedAt  instant         `json:"t"`
	DurationMS float64         `json:"d"`
	HTTPStatus int             `json:"h,omitempty"`
	Error      string          `json:"e,omitempty"`
	Reason     string          `json:"r,omitempty"`
	Detail     string          `json:"m,omitempty"`
	Response   *storedResponse `json:"b,omitempty"`
	Timings    *storedTimings  `json:"p,omitempty"`
	Remote     *storedRemote   `json:"o,omitempty"`
	OK         bool            `json:"k,omitempty"`
}

// storedResponse has the fields of Response.
type storedResponse struct {
	ContentType string `json:"c,omitempty"`
	Length      int64  `json:"l,omitempty"`
	Truncated   bool   `json:"t,omitempty"`
	Binary      bool   `json:"b,omitempty"`
	SHA256      string `json:"s,omitempty"` // absent = that of the excerpt, which is the whole body
	Excerpt     string `json:"x,omitempty"`
	Location    string `json:"w,omitempty"`
}

// storedTimings has the fields of Timings.
type storedTimings struct {
	DNS       float64 `json:"d,omitempty"`
	Connect   float64 `json:"c,omitempty"`
	TLS       float64 `json:"t,omitempty"`
	FirstByte float64 `json:"f,omitempty"`
	Total     float64 `json:"a,omitempty"` // absent = the attempt's duration
}

// storedRemote has the fields of Remote.
type storedRemote struct {
	Address         string `json:"a,omitempty"`
	Protocol        string `json:"p,omitempty"`
	TLSVersion      string `json:"v,omitempty"`
	CertExpiresDays *int   `json:"x,omitempty"`
	Reused          bool   `json:"u,omitempty"`
}

// wholeText tells whether the excerpt is the body, so that its hash is the body's.
func (r *storedResponse) wholeText() bool {
	return r.Length > 0 && r.Length == int64(len(r.Excerpt)) && !r.Binary && !r.Truncated
}

// attemptText is an attempt as the database keeps it. Instants are cut to microseconds, as everywhere in it.
func attemptText(a *Attempt) string {
	s := storedAttempt{StartedAt: instantOf(a.StartedAt), DurationMS: a.DurationMS, HTTPStatus: a.HTTPStatus, Error: a.Error,
		Reason: a.Reason, Detail: a.Detail, Remote: (*storedRemote)(a.Remote), OK: a.OK}
	if a.Attempt != 1 {
		s.Number = a.Attempt
	}
	if a.Response != nil {
		r := storedResponse(*a.Response)
		if r.wholeText() && r.SHA256 == hashText(r.Excerpt) {
			r.SHA256 = ""
		}
		s.Response = &r
	}
	if a.Timings != nil {
		t := storedTimings(*a.Timings)
		if t.Total == a.DurationMS {
			t.Total = 0
		}
		s.Timings = &t
	}
	text, err := s.text()
	if err != nil { // a measurement that is not a number: the run's end must not be lost for it
		text, err = storedAttempt{Number: s.Number, StartedAt: s.StartedAt, HTTPStatus: a.HTTPStatus, Error: a.Error, Reason: a.Reason, OK: a.OK,
			Detail: "the rest of this attempt could not be kept: " + err.Error()}.text()
	}
	if err != nil {
		panic(err) // numbers and strings: cannot fail
	}
	return text
}

// text is s as JSON in which <, > and & stay one byte each: excerpts are full of them.
func (s storedAttempt) text() (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// parseAttempts reads a run's list of attempts; "" is none.
func parseAttempts(text string) ([]Attempt, error) {
	if text == "" {
		return nil, nil
	}
	var stored []storedAttempt
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, fmt.Errorf("attempts: %w", err)
	}
	list := make([]Attempt, len(stored))
	for i, s := range stored {
		a := Attempt{Attempt: s.Number, StartedAt: s.StartedAt.Time(), DurationMS: s.DurationMS, HTTPStatus: s.HTTPStatus, Error: s.Error,
			Reason: s.Reason, Detail: s.Detail, Timings: (*Timings)(s.Timings), Remote: (*Remote)(s.Remote), OK: s.OK}
		if a.Attempt == 0 {
			a.Attempt = i + 1
		}
		if r := s.Response; r != nil {
			if r.SHA256 == "" && r.wholeText() {
				r.SHA256 = hashText(r.Excerpt)
			}
			a.Response = (*Response)(r)
		}
		if t := a.Timings; t != nil && t.Total == 0 {
			t.Total = a.DurationMS
		}
		list[i] = a
	}
	return list, nil
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
