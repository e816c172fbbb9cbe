package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIdempotencyKey is R16: a thousand requests with one key make one job and get one answer.
func TestIdempotencyKey(t *testing.T) {
	a := newTestAPI(t)
	const key = `"8e03978e-40d5-43e8-bc93-6894a57f9324"`
	body := `{"schedule_type":"interval","interval":{"hours":1},"target_url":"http://127.0.0.1:9/","method":"POST"}`
	var mu sync.Mutex
	answers, statuses := map[string]int{}, map[int]int{}
	var group sync.WaitGroup
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 100
	room := make(chan struct{}, 100)
	for range 1000 {
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			for {
				got := a.do("POST", "/jobs", body, "Idempotency-Key", key)
				mu.Lock()
				statuses[got.status]++
				if got.status != 409 {
					answers[fmt.Sprint(got.status, got.text, got.header.Get("Location"))]++
				}
				mu.Unlock()
				if got.status != 409 || got.object["code"] != "idempotency_in_flight" {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	group.Wait()
	if len(answers) != 1 || statuses[201] != 1000 {
		t.Errorf("answers: %v, statuses %v", answers, statuses)
	}
	if n := strings.Count(a.want(200, "GET", "/jobs", "").text, `"job_id"`); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if got := a.want(422, "POST", "/jobs", strings.Replace(body, "hours", "minutes", 1), "Idempotency-Key", key); got.object["code"] != "idempotency_key_reused" {
		t.Errorf("another payload: %s", got.text)
	}
	again := a.want(201, "POST", "/jobs", body, "Idempotency-Key", strings.Trim(key, `"`))
	if again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the bare form is another key than the quoted one")
	}
	a.want(201, "POST", "/jobs", body, "Idempotency-Key", "another")
	// What failed was not done, and can be sent again.
	a.want(422, "POST", "/jobs", `{}`, "Idempotency-Key", "third")
	a.want(201, "POST", "/jobs", body, "Idempotency-Key", "third")
	for _, bad := range []string{`""`, `"x`, strings.Repeat("k", 300), "日本"} {
		if got := a.do("POST", "/jobs", body, "Idempotency-Key", bad); got.status != 400 || got.object["code"] != "idempotency_key_invalid" {
			t.Errorf("key %q: %d %s", bad, got.status, got.text)
		}
	}
	first := a.want(202, "POST", "/jobs/"+idOf(again)+"/run", "", "Idempotency-Key", "run")
	second := a.want(202, "POST", "/jobs/"+idOf(again)+"/run", "", "Idempotency-Key", "run")
	if first.text != second.text {
		t.Errorf("two runs for one key: %s, %s", first.text, second.text)
	}
}

func idOf(a answered) string { s, _ := a.object["job_id"].(string); return s }

// A request that was cut off after its change leaves a receipt: the repetition learns that it took effect.
func TestReceiptWithoutAnswer(t *testing.T) {
	a := newTestAPI(t)
	body := job("x")
	a.want(201, "POST", "/jobs", body, "Idempotency-Key", "k")
	err := a.engine.store.change(t.Context(), func(t *tx) error {
		_, err := t.exec("UPDATE receipts SET status = 0, body = '', header = ''")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.want(409, "POST", "/jobs", body, "Idempotency-Key", "k"); got.object["code"] != "idempotency_outcome_unknown" {
		t.Error(got.text)
	}
	// A day later it is forgotten.
	later := a.engine.store.now().Add(25 * time.Hour)
	if err := a.engine.store.sweepRecords(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if got := a.want(409, "POST", "/jobs", body, "Idempotency-Key", "k"); got.object["code"] != "job_exists" {
		t.Error(got.text)
	}
}

func TestETags(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x"))
	seen := a.want(200, "GET", "/jobs/x", "")
	tag := seen.header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || len(tag) < 10 {
		t.Fatalf("ETag %q", tag)
	}
	if got := a.want(304, "GET", "/jobs/x", "", "If-None-Match", `"y", `+tag); got.text != "" {
		t.Errorf("304 with a body: %s", got.text)
	}
	a.want(200, "GET", "/jobs/x", "", "If-None-Match", tag, "Accept-Language", "ja")
	// A run that ends changes the answer, but is no reason to refuse an edit.
	a.want(202, "POST", "/jobs/x/run", "")
	eventually(t, "the run ends", func() bool { return !strings.Contains(a.do("GET", "/jobs/x", "").text, `"last_run":null`) })
	if a.do("GET", "/jobs/x", "", "If-None-Match", tag).status != 200 {
		t.Error("the ETag did not change with the answer")
	}
	changed := a.want(200, "PATCH", "/jobs/x", `{"name":"one"}`, "If-Match", tag)
	for _, c := range []struct {
		status             int
		method, path, body string
		headers            []string
	}{
		{412, "PATCH", "/jobs/x", `{"name":"two"}`, []string{"If-Match", tag}},
		{412, "PUT", "/jobs/x", job("x"), []string{"If-Match", tag}},
		{412, "DELETE", "/jobs/x", "", []string{"If-Match", tag}},
		{412, "POST", "/jobs/x/pause", "", []string{"If-Match", tag}},
		{412, "POST", "/jobs/x/run", "", []string{"If-Match", `W/` + changed.header.Get("ETag")}},
		{412, "PUT", "/jobs/none", job("none"), []string{"If-Match", "*"}},
		{412, "PUT", "/jobs/x", job("x"), []string{"If-None-Match", "*"}},
		{400, "POST", "/jobs", job("y"), []string{"If-Match", "*"}},
		{201, "PUT", "/jobs/new", job("new"), []string{"If-None-Match", "*"}},
		{200, "POST", "/jobs/x/pause", "", []string{"If-Match", `"zzz", ` + changed.header.Get("ETag")}},
		{412, "PATCH", "/jobs/x", `{"name":"two"}`, []string{"If-Match", changed.header.Get("ETag")}}, // somebody paused it
		{200, "PATCH", "/jobs/x", `{"name":"two"}`, []string{"If-Match", "*"}},
	} {
		if got := a.do(c.method, c.path, c.body, c.headers...); got.status != c.status {
			t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.headers, got.status, got.text, c.status)
		}
	}
}

// Two editors, a hundred rounds: no edit is lost.
func TestIfMatchLosesNothing(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x", `"description":""`))
	var group sync.WaitGroup
	for _, letter := range []string{"a", "b"} {
		group.Go(func() {
			for done := 0; done < 25; {
				seen := a.do("GET", "/jobs/x", "")
				text, _ := seen.object["description"].(string)
				patch, _ := json.Marshal(map[string]string{"description": text + letter})
				if a.do("PATCH", "/jobs/x", string(patch), "If-Match", seen.header.Get("ETag")).status == 200 {
					done++
				}
			}
		})
	}
	group.Wait()
	text, _ := a.want(200, "GET", "/jobs/x", "").object["description"].(string)
	if len(text) != 50 || strings.Count(text, "a") != 25 {
		t.Errorf("lost edits: %q", text)
	}
}

func TestDryRun(t *testing.T) {
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x"))
	run := a.want(202, "POST", "/jobs/x/run", "").object["run_id"].(string)
	eventually(t, "the run ends", func() bool { return !strings.Contains(a.do("GET", "/runs/"+run, "").text, `"finished_at":null`) })
	before := dumpOf(t, a.engine.store)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/jobs", job("new"), `"job_id":"new"`},
		{"POST", "/jobs", `{"schedule_type":"cron","cron":"0 9 * * 1","target_url":"http://127.0.0.1:9/"}`, `"next_run_times":["2`},
		{"PUT", "/jobs/x", job("x", `"name":"put"`), `"name":"put"`},
		{"PUT", "/jobs/other", job("other"), `"job_id":"other"`},
		{"PATCH", "/jobs/x", `{"interval":{"hours":null,"minutes":5}}`, `"trigger":"interval[0:05:00]"`},
		{"POST", "/jobs/x/pause", "", `"state":"paused"`},
		{"POST", "/jobs/x/resume", "", `"state":"scheduled"`},
		{"POST", "/jobs/x/run", "", `"job_id":"x"`},
		{"DELETE", "/jobs/x", "", `"dry_run":true`},
		{"POST", "/runs/" + run + "/rerun", "", `"job_id":"x"`},
		{"POST", "/jobs/bulk", `{"selector":{"all":true},"action":"delete"}`, `"matched":1`},
		{"POST", "/keys", `{"name":"k","owner":"o","scopes":["read"]}`, `"dry_run":true`},
	} {
		got := a.want(200, c.method, c.path+"?dry_run=true", c.body)
		if !strings.Contains(got.text, c.want) {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got.text, c.want)
		}
	}
	if got := a.want(200, "POST", "/import?dry_run=true", job("i1")+"\n"+job("x", `"replace_existing":true`), "Content-Type", "application/jsonl"); !strings.Contains(got.text, `"created":1,"replaced":1`) {
		t.Errorf("import: %s", got.text)
	}
	a.want(422, "POST", "/jobs?dry_run=true", `{}`)
	a.want(409, "POST", "/jobs?dry_run=true", job("x"))
	a.want(404, "DELETE", "/jobs/none?dry_run=true", "")
	a.want(422, "POST", "/jobs?dry_run=yes", job("y"))
	a.want(422, "GET", "/jobs?dry_run=true", "")
	if after := dumpOf(t, a.engine.store); after != before {
		t.Errorf("something was stored:\n%s\nbefore:\n%s", after, before)
	}
	a.want(201, "POST", "/jobs?dry_run=false", job("y"))
}

// dumpOf is what the tables hold that changes write.
func dumpOf(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	for _, q := range []string{"SELECT job_id || version || coalesce(deleted_at, '') || definition FROM jobs", "SELECT coalesce(group_concat(job), '') || count(*) FROM versions",
		"SELECT count(*) || 'pauses' FROM pauses", "SELECT count(*) || 'runs' FROM runs", "SELECT count(*) || 'audit' FROM audit", "SELECT count(*) || 'keys' FROM keys", "SELECT count(*) || 'receipts' FROM receipts"} {
		rows, err := s.read.Query(q)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, v)
		}
		rows.Close()
	}
	return b.String()
}
