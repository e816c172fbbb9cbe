package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testAPI is the whole server behind a real socket: database on disk, loop, executor.
type testAPI struct {
	t      testing.TB
	url    string
	engine *engine
}

// testEngine starts what is behind the API on a database of its own. The test shuts it down.
func testEngine(t testing.TB, args ...string) (*engine, *Settings, *slog.Logger) {
	t.Helper()
	s, err := readSettings(append([]string{"-db", filepath.Join(t.TempDir(), "jobs.db"), "-drain-timeout", "2s"}, args...), environ())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	e, err := startEngine(context.Background(), s, log)
	if err != nil {
		t.Fatal(err)
	}
	return e, s, log
}

func newTestAPI(t testing.TB, args ...string) *testAPI {
	t.Helper()
	e, s, log := testEngine(t, args...)
	web := httptest.NewServer(newAPI(e, s, log))
	t.Cleanup(func() {
		if err := shutdown(web.Config, e, s.DrainTimeout, log); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return &testAPI{t, web.URL, e}
}

// answered is an answer, its body as JSON.
type answered struct {
	status int
	header http.Header
	text   string
	object map[string]any
}

// request makes a request; a body makes it JSON unless headers (pairs) say otherwise.
func (a *testAPI) request(method, path, body string, headers ...string) (*http.Request, error) {
	r, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r, nil
}

// do sends a request as request makes it.
func (a *testAPI) do(method, path, body string, headers ...string) answered {
	a.t.Helper()
	r, err := a.request(method, path, body, headers...)
	if err != nil {
		a.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	theDocument().check(a.t, r, body, res, b)
	out := answered{status: res.StatusCode, header: res.Header, text: strings.TrimSpace(string(b))}
	if json.Unmarshal(b, &out.object) != nil && method != http.MethodHead && strings.HasSuffix(res.Header.Get("Content-Type"), "json") {
		a.t.Errorf("%s %s: the answer is not JSON: %.200s", method, path, b)
	}
	if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s %s: %d is not answered as problem+json but %q", method, path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	return out
}

// want sends a request and expects a status.
func (a *testAPI) want(status int, method, path, body string, headers ...string) answered {
	a.t.Helper()
	got := a.do(method, path, body, headers...)
	if got.status != status {
		a.t.Fatalf("%s %s %.200s: %d %s, want %d", method, path, body, got.status, got.text, status)
	}
	return got
}

// eventually polls until the condition holds: the loop and its calls run beside the test.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

const dailyJob = `{
  "schedule_type": "cron",
  "cron": { "hour": "10", "minute": "30" },
  "target_url": "https://example.com/api/run-report",
  "method": "POST",
  "headers": { "Authorization": "Bearer XXX" },
  "body": { "report": "daily", "projectId": 123 },
  "max_retries": 2,
  "retry_backoff_sec": 2.0
}`

// The old service's README, request by request.
func TestOldService(t *testing.T) {
	a := newTestAPI(t)
	made := a.want(201, "POST", "/jobs", dailyJob)
	id, _ := made.object["job_id"].(string)
	if made.text != `{"job_id":"`+id+`","status":"scheduled"}` || len(id) != 36 || made.header.Get("Location") != "/jobs/"+id {
		t.Errorf("created: %s, Location %q", made.text, made.header.Get("Location"))
	}
	a.want(201, "POST", "/jobs", `{"schedule_type": "interval", "interval": {"minutes": 10}, "target_url": "https://example.com/health/check", "method": "GET"}`)
	at := time.Now().AddDate(1, 0, 0).In(time.FixedZone("JST", 9*3600)).Truncate(time.Second)
	a.want(201, "POST", "/jobs", `{"job_id": "once", "schedule_type": "date", "run_at": "`+at.Format(time.RFC3339)+`", "target_url": "https://example.com/billing/run", "method": "POST", "body": {"month": "2025-09"}}`)

	var list struct {
		Jobs []struct {
			JobID       string `json:"job_id"`
			NextRunTime string `json:"next_run_time"`
			Trigger     string `json:"trigger"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal([]byte(a.want(200, "GET", "/jobs", "").text), &list); err != nil || len(list.Jobs) != 3 {
		t.Fatalf("list: %v, %+v", err, list)
	}
	if j := list.Jobs[0]; j.JobID != id || j.Trigger != "cron[hour='10', minute='30']" || !strings.HasSuffix(j.NextRunTime, "T10:30:00+09:00") {
		t.Errorf("cron row: %+v", j)
	}
	if j := list.Jobs[1]; j.Trigger != "interval[0:10:00]" {
		t.Errorf("interval row: %+v", j)
	}
	if j := list.Jobs[2]; j.JobID != "once" || j.NextRunTime != at.Format(time.RFC3339) || j.Trigger != "date["+at.Format("2006-01-02 15:04:05")+" JST]" {
		t.Errorf("date row: %+v", j)
	}
	for _, c := range []struct{ method, path, status string }{
		{"POST", "/jobs/once/pause", "paused"}, {"POST", "/jobs/once/pause", "paused"},
		{"POST", "/jobs/once/resume", "resumed"}, {"POST", "/jobs/once/resume", "resumed"}, {"DELETE", "/jobs/once", "deleted"},
	} {
		if got := a.want(200, c.method, c.path, ""); got.text != `{"job_id":"once","status":"`+c.status+`"}` {
			t.Errorf("%s %s: %s", c.method, c.path, got.text)
		}
	}
	for _, path := range []string{"DELETE /jobs/once", "POST /jobs/once/pause", "POST /jobs/once/resume", "GET /jobs/once", "POST /jobs/once/run", "GET /jobs/once/runs"} {
		method, path, _ := strings.Cut(path, " ")
		if got := a.want(404, method, path, ""); got.object["code"] != "job_not_found" {
			t.Errorf("%s %s: %s", method, path, got.text)
		}
	}
}

// Every fault of a request is told at once, and nothing of it is stored.
func TestCreateFaults(t *testing.T) {
	a := newTestAPI(t)
	job := func(rest string) string {
		return `{"schedule_type":"interval","interval":{"minutes":1},"target_url":"http://127.0.0.1:9/",` + rest + `}`
	}
	for _, c := range []struct{ body, fields string }{
		{`{}`, "schedule_type target_url"},
		{`[]`, ""},
		{`{"schedule_type":"corn","target_url":"x","max_retries":"a","headres":{}}`, "headres max_retries schedule_type target_url"},
		{`{"schedule_type":"cron","interval":{"minutes":1},"target_url":"http://a/"}`, "cron interval"},
		{`{"schedule_type":"interval","interval":{"minutes":-1},"target_url":"http://a/"}`, "interval.minutes"},
		{`{"schedule_type":"interval","interval":{},"target_url":"ftp://a/"}`, "interval target_url"},
		{`{"schedule_type":"cron","cron":{"hour":"25"},"timezone":"Asia/Tokio","target_url":"http://a/"}`, "cron.hour timezone"},
		{`{"schedule_type":"cron","cron":{"month":2,"day":30},"target_url":"http://a/"}`, "cron.day"},
		{`{"schedule_type":"date","run_at":"2001-01-01T00:00:00Z","target_url":"http://a/"}`, "run_at"},
		{job(`"job_id":""`), "job_id"},
		{job(`"job_id":"a/b"`), "job_id"},
		{job(`"job_id":".."`), "job_id"},
		{job(`"job_id":"a\nb"`), "job_id"},
		{job(`"job_id":"` + strings.Repeat("x", 201) + `"`), "job_id"},
		{job(`"job_id":7`), "job_id"},
		{job(`"method":"BREW"`), "method"},
		{job(`"body":{"a":1}`), "method"},
		{job(`"max_instances":0,"overlap":"wait","misfire_grace_time":-1,"catchup_limit":0,"keep_runs":-1,"pause_after_failures":-1`),
			"catchup_limit keep_runs max_instances misfire_grace_time overlap pause_after_failures"},
		{job(`"timeout_sec":-1,"max_retries":1.5,"retry_backoff_sec":1e999`), "max_retries retry_backoff_sec timeout_sec"},
		{job(`"name":"a\u0000b","tags":["a","a","",5]`), "name tags[1] tags[2] tags[3]"},
		{job(`"headers":{"X-A":"b\r\nc: d"}`), "headers.X-A"},
		{job(`"headers":{"a":1}`), "headers.a"},
		{job(`"timeout_sec":1,"timeout_sec":2`), "timeout_sec"},
		{job(`"success":{"stat":1},"redirects":5`), "redirects success.stat"},
	} {
		got := a.do("POST", "/jobs", c.body)
		var p problem
		if err := json.Unmarshal([]byte(got.text), &p); err != nil || got.status != 422 || p.Code != "invalid" || p.Status != 422 {
			t.Errorf("%.100s: %d %s", c.body, got.status, got.text)
			continue
		}
		fields := map[string]bool{}
		for _, f := range p.Errors {
			fields[f.Field] = true
			if f.Detail == "" {
				t.Errorf("%.100s: %s has no detail", c.body, f.Field)
			}
		}
		for want := range strings.FieldsSeq(c.fields) {
			if !fields[want] {
				t.Errorf("%.100s: no fault of %s in %s", c.body, want, got.text)
			}
		}
		if len(p.Errors) == 0 || len(p.Errors) != max(1, len(strings.Fields(c.fields))) {
			t.Errorf("%.100s: %d faults, want those of %q: %s", c.body, len(p.Errors), c.fields, got.text)
		}
	}
	if got := a.want(200, "GET", "/jobs", ""); got.text != `{"jobs":[]}` {
		t.Errorf("a refused request left a trace: %s", got.text)
	}
}

func TestBodies(t *testing.T) {
	a := newTestAPI(t)
	for _, c := range []struct {
		status  int
		code    string
		body    string
		headers []string
	}{
		{400, "not_json", `{"schedule_type":`, nil},
		{400, "not_json", `{} {}`, nil},
		{400, "not_json", "{\"a\":\"\xff\"}", nil},
		{400, "not_json", strings.Repeat(`[`, 200_000), nil},
		{415, "unsupported_media_type", `{}`, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{415, "unsupported_media_type", `{}`, []string{"Content-Type", ""}},
		{415, "unsupported_media_type", `{}`, []string{"Content-Type", "application/json; charset=shift_jis"}},
		{413, "too_large", `{"name":"` + strings.Repeat("x", maxRequestBody) + `"}`, nil},
		{422, "invalid", `{}`, []string{"Content-Type", "application/json; charset=UTF-8"}},
	} {
		if got := a.want(c.status, "POST", "/jobs", c.body, c.headers...); got.object["code"] != c.code {
			t.Errorf("%.60s: %s", c.body, got.text)
		}
	}
	a.want(415, "POST", "/jobs", "")
	a.want(400, "POST", "/jobs", "", "Content-Type", "application/json")
}

func TestUnrouted(t *testing.T) {
	a := newTestAPI(t)
	for _, c := range []struct {
		status              int
		method, path, allow string
	}{
		{404, "GET", "/nothing", ""}, {404, "GET", "/jobs/", ""}, {404, "GET", "//jobs", ""}, {404, "GET", "/jobs/../runs", ""},
		{405, "PUT", "/jobs", "GET, HEAD, POST"}, {405, "BREW", "/jobs/x", "GET, HEAD, PUT, PATCH, DELETE"}, {405, "GET", "/jobs/x/pause", "POST"},
		{404, "GET", "/jobs/a%2Fb", ""}, {404, "GET", "/runs/x", ""}, {404, "POST", "/runs/0199a0b0-0000-7000-8000-000000000000/cancel", ""},
		{422, "GET", "/jobs?limt=3", ""}, {422, "GET", "/jobs?limit=0", ""}, {422, "GET", "/jobs?cursor=zzz", ""}, {422, "GET", "/runs?status=fine", ""},
		{422, "DELETE", "/jobs/x?dryrun=true", ""}, {422, "GET", "/runs?from=yesterday", ""}, {422, "GET", "/jobs?limit=1&limit=2", ""},
	} {
		if got := a.want(c.status, c.method, c.path, ""); got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got.header.Get("Allow"), c.allow)
		}
	}
	if got := a.want(200, "HEAD", "/jobs", ""); got.text != "" {
		t.Errorf("HEAD has a body: %s", got.text)
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics"} {
		a.want(200, "GET", path, "")
	}
}

// A panic in a handler is a 500 problem, and logged.
func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	a := &api{log: slog.New(slog.NewJSONHandler(&log, nil)), mux: http.NewServeMux()}
	a.mux.Handle("GET /boom", a.adapt(func(http.ResponseWriter, *http.Request) error { panic("boom") }))
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/boom", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal"`) || strings.Contains(w.Body.String(), "boom") || !strings.Contains(log.String(), "boom") {
		t.Errorf("%d %s; log %s", w.Code, w.Body, log.String())
	}
}
