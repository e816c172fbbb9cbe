package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSuccess(t *testing.T) {
	doc := `{"ok":true,"n":1.0,"list":[{"a":"x"},2],"a/b":{"m~n":null},"text":"héllo \"w\""," ":0}`
	for _, test := range []struct {
		success string
		status  int
		body    string
		reason  string // "" = success
	}{
		{`null`, 200, "", ""},
		{`null`, 204, "", ""},
		{`null`, 302, "", ReasonHTTPStatus},
		{`null`, 500, "", ReasonHTTPStatus},
		{`{"status":["404","5xx","200-202"]}`, 404, "", ""},
		{`{"status":["404","5xx","200-202"]}`, 503, "", ""},
		{`{"status":["404","5xx","200-202"]}`, 202, "", ""},
		{`{"status":["404","5xx","200-202"]}`, 203, "", ReasonHTTPStatus},
		{`{"body_contains":"done"}`, 200, "all done.", ""},
		{`{"body_contains":"done"}`, 200, "not yet", reasonBodyContains},
		{`{"body_contains":"done"}`, 500, "done", ReasonHTTPStatus},
		{`{"body_matches":"^ok: \\d+$"}`, 200, "ok: 42", ""},
		{`{"body_matches":"^ok: \\d+$"}`, 200, "ok: x", reasonBodyMatches},
		{`{"json":[{"pointer":"/ok","equals":true}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"/ok","equals":false}]}`, 200, doc, reasonJSON},
		{`{"json":[{"pointer":"/ok","equals":"true"}]}`, 200, doc, reasonJSON},
		{`{"json":[{"pointer":"/n","equals":1}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"/n","equals":1e0}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"/list/0/a","equals":"x"},{"pointer":"/list/1","equals":2}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"/list","equals":[{"a":"x"},2.0]}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"/list/2","equals":null}]}`, 200, doc, reasonJSON},
		{`{"json":[{"pointer":"/list/00","equals":2}]}`, 200, doc, reasonJSON},
		{`{"json":[{"pointer":"/a~1b/m~0n","equals":null}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"/none","equals":null}]}`, 200, doc, reasonJSON},
		{`{"json":[{"pointer":"/text","equals":"héllo \"w\""}]}`, 200, doc, ""},
		{`{"json":[{"pointer":"","equals":[1]}]}`, 200, "[1]", ""},
		{`{"json":[{"pointer":"/ok","equals":true}]}`, 200, `{"ok":true`, reasonJSON},
		{`{"json":[{"pointer":"/ok","equals":true}]}`, 200, `<html>`, reasonJSON},
		{`{"json":[{"pointer":"","equals":1}]}`, 200, "1e999999999", reasonJSON},
		{`{"max_duration_ms":1000}`, 200, "", ""},
	} {
		d := define(t, `{"success":`+test.success+`}`)
		s, faults := compileSuccess(d.Success)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", test.success, faults)
		}
		f := s.judge(test.status, []byte(test.body), false, 10*time.Millisecond)
		if (f == nil) != (test.reason == "") || f != nil && (f.reason != test.reason || f.detail == "") {
			t.Errorf("%s of %d %s: %v", test.success, test.status, test.body, f)
		}
	}
	s, _ := compileSuccess(&Success{MaxDurationMS: ptr(5.0)})
	if f := s.judge(200, nil, false, 10*time.Millisecond); f == nil || f.reason != reasonDuration {
		t.Errorf("max_duration_ms: %v", f)
	}
}

// TestSuccessOfALargeBody: what is looked for in a body is found in all that is read, and a cut body says so.
func TestSuccessOfALargeBody(t *testing.T) {
	target := newSeen(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat(" ", 900<<10) + "needle" + strings.Repeat(" ", len(r.URL.Query().Get("more"))<<20)))
	})
	r := newRig(t, nil)
	contains := func(what string) func(*Definition) {
		return func(d *Definition) { d.Success = &Success{BodyContains: what} }
	}
	if a := r.try(t, target.URL+"/?more=x", contains("needle")); !a.OK || !a.Response.Truncated || a.Response.Length != 1<<20 {
		t.Errorf("%+v %+v", a, a.Response)
	}
	if a := r.try(t, target.URL+"/?more=x", contains("other")); a.OK || !strings.Contains(a.Detail, "more is not read") {
		t.Errorf("%+v", a)
	}
}

func TestExcerpt(t *testing.T) {
	for name, test := range map[string]struct {
		body   string
		keep   int
		want   string
		binary bool
	}{
		"text":               {"héllo", 100, "héllo", false},
		"cut at a character": {"ああああ", 7, "ああ", false},
		"cut inside":         {"aaa" + strings.Repeat("é", 5000), 10, "aaaééé", false},
		"binary":             {"\x89PNG\x00\x01", 100, "", true},
		"not UTF-8":          {"\x83e\x83X\x83g", 100, "", true},
		"no excerpt":         {"text", 0, "", false},
	} {
		target := newSeen(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(test.body)) })
		r := newRig(t, func(c *executorConfig) { c.Settings.ExcerptBytes = test.keep })
		a := r.try(t, target.URL, nil)
		if resp := a.Response; resp.Excerpt != test.want || resp.Binary != test.binary || resp.Length != int64(len(test.body)) || len(resp.SHA256) != 64 || resp.Truncated {
			t.Errorf("%s: %+v", name, resp)
		}
	}
}
