package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"teiki/internal/door"
)

// bodies are what each operation takes, with JOB for the job's name.
var bodies = map[string]string{
	"POST /jobs":                   `{"job_id":"JOB","replace_existing":true,"schedule_type":"interval","interval":{"hours":1},"target_url":"http://127.0.0.1:9/","method":"POST"}`,
	"PUT /jobs/{job_id}":           `{"schedule_type":"interval","interval":{"hours":2},"target_url":"http://127.0.0.1:9/","method":"POST"}`,
	"PATCH /jobs/{job_id}":         `{"name":"patched"}`,
	"POST /jobs/bulk":              `{"selector":{"job_ids":["JOB"]},"action":"pause"}`,
	"POST /jobs/{job_id}/backfill": `{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}`,
	"POST /schedules/preview":      `{"schedule_type":"cron","cron":{"hour":"10"}}`,
	"POST /import":                 `{"job_id":"JOB","replace_existing":true,"schedule_type":"interval","interval":{"hours":1},"target_url":"http://127.0.0.1:9/","method":"POST"}`,
	"POST /keys":                   `{"name":"k","owner":"o","scopes":["read"]}`,
}

// TestRoles is S14: every operation × every role × own and others' jobs. Nothing of another owner's is ever told or changed.
func TestRoles(t *testing.T) {
	a, keys := newClosedAPI(t)
	h := newAPI(a.engine, &Settings{}, nil)
	var patterns []string
	for _, rt := range append(h.routes(), h.moreRoutes()...) {
		if _, ok := routeScopes[rt.pattern]; !ok {
			t.Errorf("%s has no scope", rt.pattern)
		}
		patterns = append(patterns, rt.pattern)
	}
	if len(patterns) != len(routeScopes) {
		for p := range routeScopes {
			if !strings.Contains(strings.Join(patterns, "\n")+"\n", p+"\n") {
				t.Errorf("%s has a scope but is no operation", p)
			}
		}
	}
	const mine, theirs = "alices-job", "bobs-canary-job"
	runs := map[string]string{}
	fresh := func() {
		for owner, id := range map[string]string{"alice": mine, "bob": theirs} {
			if got := a.as(keys[owner], "POST", "/jobs", job(id, `"name":"canary of `+owner+`"`, `"replace_existing":true`)); got.status != 201 {
				t.Fatal(got.text)
			}
			if runs[id] == "" {
				runs[id], _ = a.as(keys[owner], "POST", "/jobs/"+id+"/run", "").object["run_id"].(string)
				eventually(t, "the run ends", func() bool {
					return strings.Contains(a.as(keys[owner], "GET", "/runs/"+runs[id], "").text, `"status":"failed"`)
				})
			}
		}
	}
	bobs := func() string {
		var def string
		if err := a.engine.store.read.QueryRow("SELECT definition || coalesce((SELECT max(paused_at) FROM pauses WHERE job = jobs.id AND resumed_at IS NULL), '') || (SELECT count(*) FROM runs WHERE job = jobs.id) FROM jobs WHERE job_id = ? AND deleted_at IS NULL", theirs).Scan(&def); err != nil {
			return err.Error()
		}
		return def
	}
	requests := 0
	for _, pattern := range patterns {
		for _, role := range []string{"nobody", "read", "run", "write", "all", "admin"} {
			for _, id := range []string{mine, theirs} {
				fresh()
				before := bobs()
				method, path, _ := strings.Cut(pattern, " ")
				path = strings.NewReplacer("{job_id}", id, "{run_id}", runs[id], "{version}", "1", "{prefix}", "nobodyskey12", "{file}", "start.js", "{$}", "").Replace(path)
				key := map[string]string{"nobody": "", "all": keys["alice"]}[role]
				if role != "nobody" && role != "all" {
					key = keys["alice-"+role]
				}
				body := strings.ReplaceAll(bodies[pattern], "JOB", id)
				var headers []string
				if pattern == "POST /import" {
					headers = []string{"Content-Type", "application/jsonl"}
				}
				if pattern == "GET /events" {
					path += "?type=none" // judged like any other request, and ends
				}
				if key != "" {
					headers = append(headers, "Authorization", "Bearer "+key)
				}
				got := a.do(method, path, body, headers...)
				requests++
				who := fmt.Sprintf("%s as %s on %s", pattern, role, id)
				if got.status >= 500 {
					t.Errorf("%s: %d %s", who, got.status, got.text)
				}
				scopes := map[string]door.Scopes{"read": door.Read, "run": door.Run, "write": door.Write, "all": door.Read | door.Run | door.Write, "admin": door.Admin}[role]
				need := routeScopes[pattern]
				if pattern == "POST /jobs/bulk" {
					need |= door.Write
				}
				open := isOpenRoute(pattern, false)
				switch {
				case role == "nobody" && !open:
					if got.status != 401 {
						t.Errorf("%s: %d, want 401", who, got.status)
					}
				case !scopes.Has(need) && !open:
					if got.status != 403 {
						t.Errorf("%s: %d %s, want 403", who, got.status, got.text)
					}
				case id == theirs && role != "admin" && (strings.Contains(pattern, "{job_id}") || strings.Contains(pattern, "{run_id}")):
					want := 404
					if pattern == "PUT /jobs/{job_id}" {
						want = 409 // names are one space: it is taken
					}
					if got.status != want {
						t.Errorf("%s: %d %s, want %d", who, got.status, got.text, want)
					}
				case got.status == 401 || got.status == 403:
					t.Errorf("%s: %d %s", who, got.status, got.text)
				}
				if role == "admin" {
					continue
				}
				if told := strings.ReplaceAll(got.text, theirs, ""); strings.Contains(told, "canary of bob") || id == mine && strings.Contains(got.text, theirs) {
					t.Errorf("%s tells of another owner's job: %s", who, got.text)
				}
				if after := bobs(); after != before {
					t.Errorf("%s changed another owner's job:\n%s\n%s", who, before, after)
				}
			}
		}
	}
	if got := a.as(keys["alice-admin"], "GET", "/jobs?owner=bob", ""); !strings.Contains(got.text, theirs) || strings.Contains(got.text, mine) {
		t.Errorf("admin lists bob's: %s", got.text)
	}
	if got := a.as(keys["alice"], "GET", "/jobs?owner=bob", ""); got.text != `{"jobs":[]}` {
		t.Errorf("alice lists bob's: %s", got.text)
	}
	for _, path := range []string{"/runs", "/audit", "/export", "/jobs?tag=owner:bob", "/runs?job_id=" + theirs} {
		if got := a.as(keys["alice"], "GET", path, ""); strings.Contains(got.text, "canary of bob") || got.status == 200 && strings.Contains(got.text, theirs) {
			t.Errorf("%s: %s", path, got.text)
		}
	}
	next := listenTo(t, a, "/events", "Authorization", "Bearer "+keys["alice"])
	fresh()
	if got := a.as(keys["bob"], "POST", "/jobs/"+theirs+"/pause", ""); got.status != http.StatusOK {
		t.Fatal(got.text)
	}
	if got := a.as(keys["alice"], "POST", "/jobs/"+mine+"/pause", ""); got.status != http.StatusOK {
		t.Fatal(got.text)
	}
	for data := ""; !strings.Contains(data, `"paused"`); {
		if _, _, data = next(); strings.Contains(data, theirs) {
			t.Errorf("alice hears of %s", data)
		}
	}
	t.Logf("%d requests", requests)
}
