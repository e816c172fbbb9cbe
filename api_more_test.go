package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every row of the schedule vectors, over HTTP.
func TestPreviewVectors(t *testing.T) {
	a := newTestAPI(t)
	data, err := os.ReadFile("internal/schedule/testdata/schedules.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
		var row struct {
			ID, Kind, Expr, Timezone, After, Trigger string
			Fields                                   json.RawMessage
			Next                                     []time.Time
			Error                                    *string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		req := map[string]any{"timezone": row.Timezone, "count": 8, "from": row.After, "schedule_type": row.Kind}
		switch row.Kind {
		case "crontab":
			req["schedule_type"], req["cron"] = "cron", row.Expr
		case "date":
			var f map[string]any
			if err := json.Unmarshal(row.Fields, &f); err != nil {
				t.Fatal(err)
			}
			req["run_at"] = f["run_date"]
			if len(row.Next) == 1 { // judged before its instant, or a past one would be refused
				req["from"] = row.Next[0]
			}
		default:
			req[row.Kind] = row.Fields
		}
		body, _ := json.Marshal(req)
		got := a.do("POST", "/schedules/preview", string(body))
		if row.Error != nil {
			if got.status != 422 || !strings.Contains(fmt.Sprint(got.object["errors"]), *row.Error) {
				t.Errorf("%s: %d %s, want the error %q", row.ID, got.status, got.text, *row.Error)
			}
			continue
		}
		if got.status == 422 && len(row.Next) == 0 && strings.Contains(got.text, "can never fire") {
			continue // what can never fire is refused, as at creation
		}
		var answer struct {
			Trigger      string      `json:"trigger"`
			NextRunTimes []time.Time `json:"next_run_times"`
		}
		if err := json.Unmarshal([]byte(got.text), &answer); err != nil || got.status != 200 || len(answer.NextRunTimes) != len(row.Next) {
			t.Errorf("%s: %d %s", row.ID, got.status, got.text)
			continue
		}
		for i, want := range row.Next {
			if !answer.NextRunTimes[i].Equal(want) {
				t.Errorf("%s: time %d is %s, want %s", row.ID, i, answer.NextRunTimes[i], want)
			}
		}
	}
}

func TestPreviewFaults(t *testing.T) {
	a := newTestAPI(t)
	for body, want := range map[string]string{
		`{"schedule_type":"cron","cron":{"month":2,"day":30}}`:                                    "can never fire",
		`{"schedule_type":"cron","cron":{"year":2020}}`:                                           "over",
		`{"schedule_type":"date","run_at":"2020-01-01T00:00:00Z"}`:                                "over",
		`{"schedule_type":"cron","cron":{"hour":1},"count":0}`:                                    "from 1 to 1000",
		`{"schedule_type":"cron","cron":{"hour":1},"from":"tomorrow"}`:                            "RFC 3339",
		`{"schedule_type":"cron","cron":{"hour":1},"target_url":"http://a/"}`:                     "not a known field",
		`{"schedule_type":"cron","cron":{"hour":"１"}}`:                                            "cron.hour",
		`{"schedule_type":"interval","interval":{"seconds":1},"timezone":"Local","count":"five"}`: "count",
	} {
		if got := a.want(422, "POST", "/schedules/preview", body); !strings.Contains(got.text, want) {
			t.Errorf("%s: %s does not say %q", body, got.text, want)
		}
	}
	ja := a.want(200, "POST", "/schedules/preview", `{"schedule_type":"cron","cron":{"hour":10}}`, "Accept-Language", "fr, ja-JP;q=0.8, en;q=0.2")
	en := a.want(200, "POST", "/schedules/preview", `{"schedule_type":"cron","cron":{"hour":10}}`)
	if d := fmt.Sprint(ja.object["description"]); !strings.Contains(d, "毎日") || d == fmt.Sprint(en.object["description"]) {
		t.Errorf("descriptions: %v, %v", ja.object["description"], en.object["description"])
	}
}

// Names are free to have any letters; lists page and select; definitions change by PUT and PATCH.
func TestJobsOverHTTP(t *testing.T) {
	a := newTestAPI(t)
	var making sync.WaitGroup
	for i := range 12 {
		making.Go(func() {
			a.want(201, "POST", "/jobs", fmt.Sprintf(`{"job_id":"j%02d","name":"name %d","tags":["even%d"],"schedule_type":"interval","interval":{"hours":1},"target_url":"http://127.0.0.1:9/"}`, i, i, i%2))
		})
	}
	making.Wait()
	seen, cursor := map[string]bool{}, ""
	for range 12 {
		page := a.want(200, "GET", "/jobs?limit=5"+cursor, "")
		for _, j := range page.object["jobs"].([]any) {
			seen[j.(map[string]any)["job_id"].(string)] = true
		}
		next, ok := page.object["next_cursor"].(string)
		if !ok {
			break
		}
		cursor = "&cursor=" + next
	}
	if len(seen) != 12 {
		t.Errorf("paging found %d jobs of 12", len(seen))
	}
	if n := len(a.want(200, "GET", "/jobs?tag=even1&q=NAME", "").object["jobs"].([]any)); n != 6 {
		t.Errorf("tag and q select %d jobs, want 6", n)
	}
	a.want(200, "POST", "/jobs/j00/pause", `{"reason":"maintenance","until":"2999-01-01T00:00:00Z"}`)
	if got := a.want(200, "GET", "/jobs?state=paused", ""); !strings.Contains(got.text, `"paused":{"at":"`) || !strings.Contains(got.text, `"reason":"maintenance"`) || strings.Contains(got.text, "j01") {
		t.Errorf("paused jobs: %s", got.text)
	}
	a.want(422, "POST", "/jobs/j00/pause", `{"until":"2001-01-01T00:00:00Z"}`)

	id := "日次-レポート~1"
	a.want(201, "PUT", "/jobs/"+id, dailyJob)
	got := a.want(200, "GET", "/jobs/"+id+"?next=3", "")
	if o := got.object; o["max_retries"] != 2.0 || o["timeout_sec"] != 30.0 || len(o["next_run_times"].([]any)) != 3 || o["version"] != 1.0 || strings.Contains(got.text, "XXX") {
		t.Errorf("job: %s", got.text)
	}
	got = a.want(200, "PATCH", "/jobs/"+id, `{"max_retries":null,"body":{"report":null,"x":1},"name":"新"}`, "Content-Type", "application/merge-patch+json")
	if o := got.object; o["max_retries"] != 0.0 || fmt.Sprint(o["body"]) != "map[projectId:123 x:1]" || o["name"] != "新" || o["version"] != 2.0 {
		t.Errorf("patched: %s", got.text)
	}
	a.want(422, "PATCH", "/jobs/"+id, `{"job_id":"other"}`)
	a.want(422, "PATCH", "/jobs/"+id, `{"nam":"x","timeout_sec":-1}`)
	a.want(404, "PATCH", "/jobs/none", `{"name":"x"}`)
	a.want(409, "POST", "/jobs", strings.Replace(dailyJob, "{", `{"job_id":"`+id+`",`, 1))
	a.want(201, "POST", "/jobs", strings.Replace(dailyJob, "{", `{"job_id":"`+id+`","replace_existing":true,`, 1))
	if got := a.want(200, "GET", "/jobs/"+id, ""); got.object["version"] != 3.0 || got.object["name"] != nil {
		t.Errorf("replaced: %s", got.text)
	}
}

// A run by hand, its attempts, rerun, cancel; a date job ends as completed and frees its name.
func TestRunsOverHTTP(t *testing.T) {
	a := newTestAPI(t)
	hold := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		case "/bad":
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write([]byte("hello"))
	}))
	defer target.Close()
	defer close(hold)
	job := func(id, path, when string) string {
		return `{"job_id":"` + id + `",` + when + `,"target_url":"` + target.URL + path + `"}`
	}
	const daily = `"schedule_type":"cron","cron":"0 0 * * *"`
	status := func(path, want string) func() bool {
		return func() bool { return a.want(200, "GET", path, "").object["status"] == want }
	}
	a.want(201, "POST", "/jobs", job("bad", "/bad", daily))
	made := a.want(202, "POST", "/jobs/bad/run", "")
	run := made.header.Get("Location")
	eventually(t, "the run has failed", status(run, "failed"))
	got := a.want(200, "GET", run, "")
	attempts, _ := got.object["attempts"].([]any)
	if len(attempts) != 1 || got.object["http_status"] != 418.0 || got.object["trigger"] != "manual" || got.object["reason"] != "http_status" || !strings.Contains(got.text, `"excerpt":"hello"`) {
		t.Errorf("run: %s", got.text)
	}
	again := a.want(202, "POST", run+"/rerun", "").header.Get("Location")
	eventually(t, "the second run has failed", status(again, "failed"))
	if got := a.want(409, "POST", run+"/cancel", ""); got.object["code"] != "conflict" {
		t.Errorf("cancel of an ended run: %s", got.text)
	}
	if n := len(a.want(200, "GET", "/runs?status=failed&http_status=418&job_id=bad", "").object["runs"].([]any)); n != 2 {
		t.Errorf("%d failed runs, want 2", n)
	}
	page := a.want(200, "GET", "/jobs/bad/runs?limit=1", "")
	if row := page.object["runs"].([]any)[0].(map[string]any); row["attempts"] != 1.0 || row["trigger"] != "rerun" {
		t.Errorf("row: %v", row)
	}
	next := page.object["next_cursor"].(string)
	if rest := a.want(200, "GET", "/jobs/bad/runs?limit=5&cursor="+next, ""); len(rest.object["runs"].([]any)) != 1 {
		t.Errorf("second page: %s", rest.text)
	}

	a.want(201, "POST", "/jobs", job("slow", "/slow", daily))
	slow := a.want(202, "POST", "/jobs/slow/run", "").header.Get("Location")
	eventually(t, "the call is out", status(slow, "running"))
	a.want(202, "POST", slow+"/cancel", "")
	eventually(t, "the run is canceled", status(slow, "canceled"))

	soon := `"schedule_type":"date","run_at":"` + time.Now().Add(time.Second).Format(time.RFC3339) + `"`
	a.want(201, "POST", "/jobs", job("once", "/", soon))
	eventually(t, "the date job is completed", func() bool { return a.want(200, "GET", "/jobs/once", "").object["state"] == "completed" })
	a.want(201, "POST", "/jobs", job("once", "/", daily))

	a.want(422, "POST", "/jobs/bad/backfill", `{"from":"2020-01-02T00:00:00Z","to":"2020-01-01T00:00:00Z","only":"some"}`)
	dry := a.want(200, "POST", "/jobs/bad/backfill", `{"from":"2020-01-01T00:00:00Z","to":"2020-01-03T23:00:00Z","only":"missed","dry_run":true}`)
	if dry.object["count"] != 3.0 {
		t.Errorf("backfill of three days: %s", dry.text)
	}
	a.want(202, "POST", "/jobs/bad/backfill", `{"from":"2020-01-01T00:00:00Z","to":"2020-01-03T23:00:00Z"}`)
	if metrics := a.want(200, "GET", "/metrics", "").text; !strings.Contains(metrics, `teiki_runs_total{status="failed"}`) || strings.Contains(metrics, "bad") {
		t.Error("metrics lack the runs, or name a job")
	}
}

// Requests mutated at random give no 5xx and leave no job that could not be read back.
func TestMutatedRequests(t *testing.T) {
	a := newTestAPI(t)
	rng := rand.New(rand.NewPCG(1, 2))
	values := []string{`null`, `""`, `-1`, `1e999`, `0.1`, `true`, `[]`, `{}`, `[[[[]]]]`, `"\u0000"`, `"\ud800"`, `"` + strings.Repeat("9", 400) + `"`, `99999999999999999999`, `"٣"`, `{"a":{"b":null}}`}
	fields := []string{"schedule_type", "cron", "interval", "run_at", "timezone", "target_url", "method", "headers", "body", "job_id", "max_retries", "tags", "success", "auth", "misfire_grace_time", "signing_secret", "retry_on", "redirects", "until", "from", "to", "count", "x"}
	paths := []string{"POST /jobs", "PUT /jobs/x", "PATCH /jobs/x", "POST /schedules/preview", "POST /jobs/x/pause", "POST /jobs/x/backfill"}
	for range 600 {
		body := dailyJob
		for range 1 + rng.IntN(3) {
			switch rng.IntN(4) {
			case 0:
				body = strings.Replace(body, "{", fmt.Sprintf("{%q:%s,", fields[rng.IntN(len(fields))], values[rng.IntN(len(values))]), 1+rng.IntN(2))
			case 1:
				i := rng.IntN(len(body))
				body = body[:i] + string(rune(rng.IntN(300))) + body[i:]
			case 2:
				body = body[:rng.IntN(len(body))+1]
			case 3:
				i, j := rng.IntN(len(body)), rng.IntN(len(body))
				body = body[:min(i, j)] + body[max(i, j):] + " "
			}
		}
		method, path, _ := strings.Cut(paths[rng.IntN(len(paths))], " ")
		if got := a.do(method, path, body); got.status >= 500 {
			t.Errorf("%s %s %q: %d %s", method, path, body, got.status, got.text)
		}
	}
	a.want(200, "GET", "/jobs", "")
}
