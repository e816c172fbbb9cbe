package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestListOfJobs(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("c", `"name":"beta"`, `"tags":["money","night"]`))
	a.want(201, "POST", "/jobs", `{"job_id":"a","schedule_type":"cron","cron":"0 9 * * *","target_url":"https://API.example.com:8443/x","name":"alpha","tags":["money"]}`)
	a.want(201, "POST", "/jobs", `{"job_id":"b","schedule_type":"cron","cron":"0 9 * * 1","target_url":"https://api.example.com/y?q=Report","name":"gamma"}`)
	a.want(200, "POST", "/jobs/b/pause", "")
	names := func(path string) string {
		var ids []string
		for _, j := range a.want(200, "GET", path, "").object["jobs"].([]any) {
			ids = append(ids, j.(map[string]any)["job_id"].(string))
		}
		return strings.Join(ids, "")
	}
	for query, want := range map[string]string{
		"": "cab", "tag=money": "ca", "tag=money&tag=night": "c", "tag=money,night": "c", "tag=host:api.example.com": "ab", "tag=method:post": "c", "tag=type:cron": "ab",
		"tag=every:day": "a", "tag=every:week": "b", "tag=every:hour": "c", "tag=every:hour,money": "c", "state=paused": "b", "state=scheduled": "ca", "q=report": "b", "q=ALPHA": "a", "owner=nobody": "",
		"sort=name": "acb", "sort=-name": "bca", "sort=job_id": "abc", "sort=-job_id": "cba", "sort=next_run_time&state=paused": "b", "sort=last_status": "cab", "sort=name&tag=money": "ac",
	} {
		if got := names("/jobs?" + query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		// The same list, page by page.
		paged, cursor := "", ""
		for range 9 {
			page := a.want(200, "GET", "/jobs?limit=1&"+query+cursor, "")
			for _, j := range page.object["jobs"].([]any) {
				paged += j.(map[string]any)["job_id"].(string)
			}
			next, ok := page.object["next_cursor"].(string)
			if !ok {
				break
			}
			cursor = "&cursor=" + next
		}
		if paged != want {
			t.Errorf("%s page by page: %s, want %s", query, paged, want)
		}
	}
	if got := a.want(200, "GET", "/jobs?fields=job_id,state&tag=night", ""); got.text != `{"jobs":[{"job_id":"c","state":"scheduled"}]}` {
		t.Errorf("fields: %s", got.text)
	}
	if got := a.want(200, "GET", "/jobs/a", ""); fmt.Sprint(got.object["auto_tags"]) != "[host:api.example.com method:get type:cron every:day]" || fmt.Sprint(got.object["tags"]) != "[money]" {
		t.Errorf("tags: %v, automatic %v", got.object["tags"], got.object["auto_tags"])
	}
	for query, field := range map[string]string{"sort=size": "sort", "fields=job_id,nam": "fields", "cursor=x": "cursor", "state=done": "state", "sort=name&cursor=ajEw": "cursor"} {
		if got := a.want(422, "GET", "/jobs?"+query, ""); !strings.Contains(got.text, `"field":"`+field+`"`) {
			t.Errorf("%s: %s", query, got.text)
		}
	}
}

func TestVersionsAndRestore(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x", `"name":"one"`, `"headers":{"Authorization":"Bearer hunter22"}`))
	a.want(200, "PATCH", "/jobs/x", `{"name":"two","interval":{"minutes":7}}`)
	list := a.want(200, "GET", "/jobs/x/versions", "")
	if n := strings.Count(list.text, `"version":`); n != 2 || strings.Contains(list.text, "hunter22") || !strings.Contains(list.text, `"until_at":null`) {
		t.Errorf("%d versions: %s", n, list.text)
	}
	back := a.want(200, "POST", "/jobs/x/versions/1/restore", "")
	if back.object["name"] != "one" || back.object["version"] != 3.0 || back.object["trigger"] != "interval[1:00:00]" {
		t.Errorf("restored: %s", back.text)
	}
	if j, err := a.engine.store.Job(t.Context(), "x"); err != nil || j.Definition.Headers["Authorization"] != "Bearer hunter22" {
		t.Errorf("the restored job lost its credential: %v", err)
	}
	a.want(404, "POST", "/jobs/x/versions/9/restore", "")
	a.want(404, "POST", "/jobs/x/versions/one/restore", "")
	a.want(404, "GET", "/jobs/none/versions", "")
}

func TestBulk(t *testing.T) {
	a := newTestAPI(t)
	for i := range 120 {
		a.want(201, "POST", "/jobs", job(fmt.Sprint("j", i), fmt.Sprintf(`"tags":["group%d"]`, i%3)))
	}
	dry := a.want(200, "POST", "/jobs/bulk", `{"selector":{"tags":["group1"]},"action":"pause","dry_run":true}`)
	if dry.object["matched"] != 40.0 || strings.Count(a.want(200, "GET", "/jobs?state=paused", "").text, "job_id") != 0 {
		t.Errorf("dry run: %.200s", dry.text)
	}
	if got := a.want(200, "POST", "/jobs/bulk", `{"selector":{"tags":["group1"]},"action":"pause","reason":"maintenance"}`); got.object["matched"] != 40.0 || got.object["failed"] != 0.0 {
		t.Errorf("pause: %.200s", got.text)
	}
	if n := strings.Count(a.want(200, "GET", "/jobs?state=paused", "").text, `"reason":"maintenance"`); n != 40 {
		t.Errorf("%d are paused", n)
	}
	if got := a.want(200, "POST", "/jobs/bulk", `{"selector":{"state":"paused"},"action":"resume"}`); got.object["matched"] != 40.0 {
		t.Errorf("resume: %.200s", got.text)
	}
	got := a.want(200, "POST", "/jobs/bulk", `{"selector":{"job_ids":["j1","none","j1"]},"action":"run"}`, "Idempotency-Key", "bulk")
	if got.object["matched"] != 2.0 || got.object["failed"] != 1.0 || !strings.Contains(got.text, `"code":"job_not_found"`) || !strings.Contains(got.text, `"run_id":"`) {
		t.Errorf("run: %s", got.text)
	}
	if again := a.want(200, "POST", "/jobs/bulk", `{"selector":{"job_ids":["j1","none","j1"]},"action":"run"}`, "Idempotency-Key", "bulk"); again.text != got.text {
		t.Errorf("repeated: %s", again.text)
	}
	if got := a.want(200, "POST", "/jobs/bulk", `{"selector":{"all":true},"action":"delete"}`); got.object["matched"] != 120.0 || got.object["failed"] != 0.0 {
		t.Errorf("delete: %.200s", got.text)
	}
	if got := a.want(200, "GET", "/jobs", ""); got.text != `{"jobs":[]}` {
		t.Errorf("left: %.200s", got.text)
	}
	for body, field := range map[string]string{`{"selector":{},"action":"delete"}`: "selector", `{"selector":{"all":true,"q":"x"},"action":"delete"}`: "selector", `{"selector":{"all":true},"action":"destroy"}`: "action",
		`{"selector":{"all":true}}`: "action", `{"selector":{"state":"gone"},"action":"run"}`: "selector.state", `{"action":"run","selector":{"tag":"x"}}`: "selector.tag"} {
		if got := a.want(422, "POST", "/jobs/bulk", body); !strings.Contains(got.text, `"field":"`+field+`"`) {
			t.Errorf("%s: %s", body, got.text)
		}
	}
}

func TestAudit(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x", `"headers":{"Authorization":"Bearer hunter22"}`))
	a.want(200, "PATCH", "/jobs/x", `{"name":"two"}`)
	a.want(200, "POST", "/jobs/x/pause", `{"reason":"because"}`)
	a.want(202, "POST", "/jobs/x/run", "")
	a.want(200, "DELETE", "/jobs/x", "")
	a.want(404, "DELETE", "/jobs/x", "") // changes nothing: not in the log
	got := a.want(200, "GET", "/audit?job_id=x", "")
	var out struct {
		Entries []auditView `json:"entries"`
	}
	if err := json.Unmarshal([]byte(got.text), &out); err != nil || len(out.Entries) != 5 {
		t.Fatalf("%v: %s", err, got.text)
	}
	actions := ""
	for _, e := range out.Entries {
		actions += e.Action + "; "
		if e.Actor != "local" || e.Address != "127.0.0.1" {
			t.Errorf("by %s from %s", e.Actor, e.Address)
		}
	}
	if actions != "DELETE /jobs/{job_id}; POST /jobs/{job_id}/run; POST /jobs/{job_id}/pause; PATCH /jobs/{job_id}; POST /jobs; " {
		t.Errorf("actions: %s", actions)
	}
	if strings.Contains(got.text, "hunter22") {
		t.Error("the audit holds a credential")
	}
	made, patched, paused, deleted := out.Entries[4], out.Entries[3], out.Entries[2], out.Entries[0]
	if string(made.Before) != "null" || !strings.Contains(string(made.After), `"Authorization":"***"`) || !strings.Contains(string(patched.After), `"name":"two"`) ||
		strings.Contains(string(patched.Before), "two") || paused.Detail != "scheduled → paused" || string(deleted.After) != "null" || len(deleted.Before) < 20 {
		t.Errorf("entries: %s", got.text)
	}
	page := a.want(200, "GET", "/audit?limit=2", "")
	rest := a.want(200, "GET", "/audit?limit=9&cursor="+page.object["next_cursor"].(string), "")
	if len(page.object["entries"].([]any)) != 2 || len(rest.object["entries"].([]any)) != 3 || rest.object["next_cursor"] != nil {
		t.Errorf("pages: %s\n%s", page.text, rest.text)
	}
	if err := a.engine.store.sweepRecords(t.Context(), a.engine.store.now().Add(366*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := a.want(200, "GET", "/audit", ""); len(got.object["entries"].([]any)) != 0 {
		t.Errorf("kept for ever: %s", got.text)
	}
}

func TestExportImport(t *testing.T) {
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, "TOKEN"), []byte("hunter22"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := newTestAPI(t, "-secrets-dir", secrets), newTestAPI(t, "-secrets-dir", secrets)
	a.want(201, "POST", "/jobs", job("x", `"tags":["t"]`, `"headers":{"Authorization":"Bearer {{secret.TOKEN}}"}`))
	a.want(201, "POST", "/jobs", `{"job_id":"y","schedule_type":"cron","cron":{"hour":"10"},"target_url":"https://example.com/","misfire_grace_time":null,"body":{"a":[1,2]},"method":"PUT"}`)
	a.want(200, "POST", "/jobs/y/pause", `{"reason":"holiday"}`)
	lines := a.want(200, "GET", "/export", "")
	if lines.header.Get("Content-Type") != "application/jsonl" || strings.Count(lines.text, "\n") != 1 {
		t.Fatalf("export: %s", lines.text)
	}
	jsonl := []string{"Content-Type", "application/jsonl"}
	if got := b.want(200, "POST", "/import", lines.text, jsonl...); !strings.Contains(got.text, `"created":2,"replaced":0`) {
		t.Errorf("import: %s", got.text)
	}
	if again := b.want(200, "GET", "/export", ""); again.text != lines.text {
		t.Errorf("exported again:\n%s\nwant\n%s", again.text, lines.text)
	}
	// All or nothing, with every fault of every line.
	bad := job("n1") + "\n\n{\n" + job("n2", `"timezone":"Asia/Tokio"`, `"colour":"red"`) + "\n" + job("n1") + "\n" + job("n3", `"headers":{"Authorization":"***"}`)
	got := b.want(422, "POST", "/import", bad, jsonl...)
	for _, want := range []string{`"line 3"`, `"line 4: timezone"`, "Asia/Tokyo", `"line 4: colour"`, `"line 5: job_id"`, `"line 6: headers.Authorization"`} {
		if !strings.Contains(got.text, want) {
			t.Errorf("no %s in %s", want, got.text)
		}
	}
	if got := b.want(422, "POST", "/import", job("n1")+"\n"+job("x"), jsonl...); !strings.Contains(got.text, `"line 2: job_id"`) {
		t.Errorf("a taken name: %s", got.text)
	}
	if n := strings.Count(b.want(200, "GET", "/jobs", "").text, `"job_id"`); n != 2 {
		t.Errorf("a refused import left %d jobs", n)
	}
	b.want(415, "POST", "/import", job("z"))
	if got := b.want(200, "POST", "/import", job("x", `"replace_existing":true`)+"\r\n"+job("z"), jsonl...); !strings.Contains(got.text, `"created":1,"replaced":1`) {
		t.Errorf("replace: %s", got.text)
	}
}

// listen reads server-sent events.
func listenTo(t *testing.T, a *testAPI, path string, headers ...string) (next func() (id, kind, data string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	r, _ := http.NewRequestWithContext(ctx, "GET", a.url+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%v %v", res, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return func() (id, kind, data string) {
		t.Helper()
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				id = value
			case "event":
				kind = value
			case "data":
				return id, kind, value
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return
	}
}

func TestEvents(t *testing.T) {
	a := newTestAPI(t)
	next := listenTo(t, a, "/events")
	a.want(201, "POST", "/jobs", job("x"))
	first, kind, data := next()
	if kind != "job" || !strings.Contains(data, `"job_id":"x","state":"scheduled"`) {
		t.Errorf("first event: %s %s", kind, data)
	}
	run := a.want(202, "POST", "/jobs/x/run", "").object["run_id"].(string)
	var statuses []string
	for len(statuses) == 0 || statuses[len(statuses)-1] != "failed" {
		_, kind, data = next()
		if kind == "run" {
			var e runEvent
			if err := json.Unmarshal([]byte(data), &e); err != nil || e.RunID != run || e.JobID != "x" || e.Attempt != 1 {
				t.Errorf("run event: %s", data)
			}
			statuses = append(statuses, string(e.Status))
		}
	}
	if fmt.Sprint(statuses) != "[running failed]" {
		t.Errorf("statuses: %v", statuses)
	}
	a.want(200, "DELETE", "/jobs/x", "")
	for !strings.Contains(data, `"state":"deleted"`) {
		_, _, data = next()
	}
	// Resumed after the first event, filtered: the same run again.
	resumed := listenTo(t, a, "/events?type=run", "Last-Event-ID", first)
	if _, kind, data := resumed(); kind != "run" || !strings.Contains(data, `"status":"running"`) || !strings.Contains(data, run) {
		t.Errorf("resumed: %s %s", kind, data)
	}
	// An id of long ago: told, and then what is still there.
	old := listenTo(t, a, "/events?last_event_id=5")
	if _, kind, _ := old(); kind != "reset" {
		t.Errorf("after an old id: %s", kind)
	}
	if _, kind, data := old(); kind != "job" || !strings.Contains(data, `"job_id":"x"`) {
		t.Errorf("after the reset: %s %s", kind, data)
	}
	a.want(422, "GET", "/events?type=jobs", "")
	a.want(422, "GET", "/events", "", "Last-Event-ID", "x")
}

// A reader that reads nothing costs a bounded amount, and is cut off; the others go on.
func TestSlowEventReader(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x"))
	j, err := a.engine.store.Job(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	listenTo(t, a, "/events") // and never reads
	began := time.Now()
	for i := range 200_000 {
		a.engine.events.log.Append(notice{job: j.ID, run: int64(i + 1), status: Running, at: 1})
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("200,000 events took %v beside a reader that does not read", took)
	}
	next := listenTo(t, a, "/events")
	a.engine.events.jobChanged(j.ID, 1)
	if _, kind, _ := next(); kind != "job" {
		t.Errorf("a new reader got %s", kind)
	}
}
