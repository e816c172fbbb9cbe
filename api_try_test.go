package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTryRoutes: the call is made now and shown; a saved job's leaves a row that ends, an unsaved one's leaves nothing.
func TestTryRoutes(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(500)
		}
		_, _ = w.Write([]byte("hello " + r.Header.Get("Teiki-Job-Id")))
	}))
	defer target.Close()
	a := newTestAPI(t)
	job := `{"job_id":"j","schedule_type":"cron","cron":"0 0 1 1 *","method":"POST","body":{"a":1},"headers":{"Authorization":"Bearer very-secret"},"max_retries":3,"target_url":"` + target.URL

	got := a.want(200, "POST", "/jobs/test", job+`/"}`)
	attempt := got.object["attempt"].(map[string]any)
	if attempt["http_status"] != 200.0 || attempt["ok"] != true || !strings.Contains(got.text, "hello j") {
		t.Errorf("unsaved: %s", got.text)
	}
	if strings.Contains(got.text, "very-secret") || got.object["request"].(map[string]any)["body"] != `{"a":1}` {
		t.Errorf("the request as sent: %s", got.text)
	}
	a.want(404, "GET", "/jobs/j", "")
	if runs := a.want(200, "GET", "/runs", "").object["runs"].([]any); len(runs) != 0 {
		t.Errorf("an unsaved job's test left runs: %v", runs)
	}
	a.want(422, "POST", "/jobs/test", `{"schedule_type":"cron"}`)

	a.want(404, "POST", "/jobs/j/test", "")
	a.want(201, "POST", "/jobs", job+`/bad"}`)
	a.want(200, "POST", "/jobs/j/pause", "")
	got = a.want(200, "POST", "/jobs/j/test", "")
	id := got.object["run_id"].(string)
	eventually(t, "the row has ended", func() bool {
		run := a.want(200, "GET", "/runs/"+id, "").object
		return run["status"] == "failed" && run["http_status"] == 500.0 && run["trigger"] == "manual" && len(run["attempts"].([]any)) == 1
	})
	a.want(200, "DELETE", "/jobs/j", "")
}
