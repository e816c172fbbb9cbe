package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// teiki runs teiki's command line in the test's process.
func teiki(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if got := run(t.Context(), args, environ(), &out, &errs); got != code {
		t.Fatalf("teiki %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func TestKeyCommand(t *testing.T) {
	db := filepath.Join(t.TempDir(), "jobs.db")
	out, told := teiki(t, exitOK, "key", "create", "-db", db, "-name", "first", "-scopes", "admin", "-expires", "90d") // makes the database
	key := strings.TrimSpace(out)
	if !strings.HasPrefix(key, "teiki_") || strings.Contains(told, key) {
		t.Fatalf("%q %q", out, told)
	}
	// Beside a running server, which knows the new key at once.
	s := openTestAt(t, db, storeOptions{})
	out, _ = teiki(t, exitOK, "key", "create", "-db", db, "-name", "second", "-owner", "ops", "-scopes", "read,run", "-allow-ip", "10.0.0.0/8")
	prefix := strings.Split(out, "_")[1]
	k, err := s.Key(t.Context(), prefix)
	if err != nil || k.Owner != "ops" || !k.Valid(s.now()) {
		t.Fatalf("%+v %v", k, err)
	}
	list, _ := teiki(t, exitOK, "key", "list", "-db", db)
	if !strings.Contains(list, prefix) || !strings.Contains(list, "10.0.0.0/8") || !strings.Contains(list, "first") || strings.Contains(list, key) {
		t.Errorf("list:\n%s", list)
	}
	teiki(t, exitOK, "key", "revoke", prefix, "-db", db)
	if k, err := s.Key(t.Context(), prefix); err != nil || k.Valid(s.now()) {
		t.Errorf("revoked: %+v %v", k, err)
	}
	if _, told := teiki(t, exitFailed, "key", "revoke", "-db", db, prefix); !strings.Contains(told, "no valid key") {
		t.Error(told)
	}
	if page, _, err := s.Audit(t.Context(), AuditFilter{Limit: 9}); err != nil || len(page) != 3 || page[0].Actor != "teiki" || page[0].Action != "teiki key revoke" {
		t.Errorf("audit: %+v %v", page, err)
	}
	for _, args := range [][]string{{"key", "make"}, {"key", "create", "-db", db}, {"key", "create", "-db", db, "-name", "x", "-scopes", "reed"}, {"key", "create", "-db", db, "-name", "x", "-scopes", "read", "-expires", "soon"},
		{"key", "revoke", "-db", db}, {"key", "list", "-db", db, "extra"}} {
		teiki(t, exitUsage, args...)
	}
	garbage := filepath.Join(t.TempDir(), "jobs.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("x", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	teiki(t, exitFailed, "key", "list", "-db", garbage)
}

func TestImportCrontab(t *testing.T) {
	a, keys := newClosedAPI(t)
	file := filepath.Join(t.TempDir(), "crontab")
	text := "# Report\n30 2 * * * curl -fsS -H 'Authorization: Bearer hunter22' https://example.com/r >/dev/null\n@reboot curl https://example.com/\n0 3 * * * /opt/backup.sh\nCRON_TZ=UTC\n0 4 * * * wget -q --no-check-certificate https://example.com/w\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := []string{"-server", a.url, "-key", keys["alice-write"]}
	out, _ := teiki(t, exitOK, append([]string{"import", "crontab", file, "-dry-run"}, server...)...)
	if !strings.Contains(out, "2 jobs would be imported (2 new, 0 replaced), 2 not carried over") || !strings.Contains(out, "line 3: not carried over: @reboot") || !strings.Contains(out, "note: --no-check-certificate") {
		t.Errorf("dry run:\n%s", out)
	}
	if got := a.as(keys["alice"], "GET", "/jobs", ""); got.text != `{"jobs":[]}` {
		t.Errorf("a dry run stored %s", got.text)
	}
	teiki(t, exitOK, append([]string{"import", "crontab", file}, server...)...)
	list := a.as(keys["alice"], "GET", "/jobs?sort=name", "").text
	if strings.Count(list, `"job_id"`) != 2 || !strings.Contains(list, `"name":"Report"`) || !strings.Contains(list, `"timezone":"UTC"`) || !strings.Contains(list, `"tags":["crontab"]`) {
		t.Errorf("imported: %s", list)
	}
	// Again: the same lines are the same jobs.
	if out, told := teiki(t, exitFailed, append([]string{"import", "crontab", file}, server...)...); !strings.Contains(out, "line 2: job_id a job with this job_id exists") || !strings.Contains(told, "nothing was imported") {
		t.Errorf("again: %s%s", out, told)
	}
	if out, _ := teiki(t, exitOK, append([]string{"import", "crontab", file, "-replace"}, server...)...); !strings.Contains(out, "(0 new, 2 replaced)") {
		t.Errorf("replaced: %s", out)
	}
	if _, told := teiki(t, exitFailed, "import", "crontab", file, "-server", a.url); !strings.Contains(told, "API key") {
		t.Errorf("without a key: %s", told)
	}
	teiki(t, exitUsage, "import", "cron", file)
	teiki(t, exitUsage, "import", "crontab")
}

func TestImportOldService(t *testing.T) {
	a := newTestAPI(t)
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"jobs":[
			{"job_id":"report","next_run_time":"2099-01-01T10:30:00+09:00","trigger":"cron[hour='10', minute='30']","target_url":"https://example.com/r","method":"POST","body":{"a":1},"kwargs":7},
			{"job_id":"check","next_run_time":null,"trigger":"interval[0:10:00]"},
			{"job_id":"bill","next_run_time":"2099-09-20T15:00:00+09:00","trigger":"date[2099-09-20 15:00:00 JST]"},
			{"job_id":"gone","next_run_time":"2020-09-20T15:00:00+09:00","trigger":"date[2020-09-20 15:00:00 JST]"},
			{"job_id":"odd","next_run_time":null,"trigger":"and[cron[hour='1']]"}]}`))
	}))
	defer old.Close()
	out, _ := teiki(t, exitOK, "import", "url", old.URL, "-server", a.url, "-dry-run")
	if !strings.Contains(out, "1 jobs would be imported") || !strings.Contains(out, "4 not carried over") || !strings.Contains(out, `"kwargs" has no place`) {
		t.Errorf("without targets:\n%s", out)
	}
	if out, _ := teiki(t, exitOK, "import", "url", old.URL, "-server", a.url, "-target-url", "https://example.com/jobs/{job_id}", "-method", "POST"); !strings.Contains(out, "3 jobs imported") {
		t.Errorf("with targets:\n%s", out)
	}
	list := a.want(200, "GET", "/jobs", "").text
	for _, want := range []string{`"trigger":"cron[hour='10', minute='30']"`, `"trigger":"date[2099-09-20 15:00:00 JST]"`, `"target_url":"https://example.com/jobs/bill"`, `"reason":"paused in the old service"`} {
		if !strings.Contains(list, want) {
			t.Errorf("no %s in %s", want, list)
		}
	}
	// Through a file, as somebody would who has to fill in the targets.
	file := filepath.Join(t.TempDir(), "jobs.jsonl")
	teiki(t, exitOK, "import", "url", old.URL, "-output", file)
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), `"target_url":""`) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), `"target_url":""`, `"target_url":"https://example.com/new"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := teiki(t, exitOK, "import", "jsonl", file, "-server", a.url, "-replace"); !strings.Contains(out, "(0 new, 3 replaced)") {
		t.Errorf("completed: %s", out)
	}
	teiki(t, exitFailed, "import", "url", old.URL+"/nothing?", "-server", "http://127.0.0.1:1")
}
