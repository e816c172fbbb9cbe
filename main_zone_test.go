package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// zoneFile copies the data of a real zone out of Go's own, for a directory that ZONEINFO names.
func zoneFile(t *testing.T, dir, name, from string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	all, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	r, err := all.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestZoneData starts the real binary three times on one database, each time with other data for Asia/Tokyo: nine hours ahead of
// UTC, then eight, then ten. What was called is not called again when its local time comes a second time, what the new data
// says was due a moment ago is called late, and the ledger neither loses a firing nor blames one on the data.
func TestZoneData(t *testing.T) {
	bin, dir := buildBinary(t), t.TempDir()
	db := filepath.Join(dir, "jobs.db")
	var mu sync.Mutex
	called := map[string][]string{} // job -> scheduled times
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at, err := time.Parse(time.RFC3339Nano, r.Header.Get("Teiki-Scheduled-At"))
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("Teiki-Job-Id")
		called[id] = append(called[id], at.UTC().Format(time.RFC3339))
	}))
	defer target.Close()
	calls := func(id string) []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, called[id]...)
	}
	for i, zone := range []string{"Etc/GMT-9", "Etc/GMT-8", "Etc/GMT-10"} {
		zoneFile(t, filepath.Join(dir, fmt.Sprint(i)), "Asia/Tokyo", zone)
	}
	start := func(i int) *serverProcess {
		t.Setenv("ZONEINFO", filepath.Join(dir, fmt.Sprint(i)))
		return startBinary(t, bin, db)
	}
	verify := func(i, former int) {
		t.Helper()
		cmd := exec.Command(bin, "verify", "-json", "-db", db)
		cmd.Env = append(os.Environ(), "ZONEINFO="+filepath.Join(dir, fmt.Sprint(i)))
		out, err := cmd.Output()
		var sum tally
		if err != nil || json.Unmarshal(out, &sum) != nil || sum.Former < former || former == 0 && sum.Former > 0 {
			t.Errorf("verify with data %d: %v, want at least %d under former data\n%s", i, err, former, out)
		}
	}
	next := func(p *serverProcess, id string) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339, fmt.Sprint(p.api.want(200, "GET", "/jobs/"+id, "").object["next_run_time"]))
		if err != nil {
			t.Fatal(id, err)
		}
		return at
	}
	create := func(p *serverProcess, id, when string) {
		t.Helper()
		p.api.want(201, "POST", "/jobs", fmt.Sprintf(`{"job_id":%q,"timezone":"Asia/Tokyo",%s,"target_url":%q}`, id, when, target.URL))
	}
	local := func(at time.Time, hours int) time.Time { return at.In(time.FixedZone("", hours*3600)) }
	daily := func(at time.Time) string {
		return fmt.Sprintf(`"schedule_type":"cron","cron":{"hour":%d,"minute":%d,"second":%d}`, at.Hour(), at.Minute(), at.Second())
	}

	p := start(0)
	began := time.Now()
	soon := began.Add(3 * time.Second)
	create(p, "daily", daily(local(soon, 9)))
	create(p, "date", fmt.Sprintf(`"schedule_type":"date","run_at":%q`, local(soon, 9).Format("2006-01-02T15:04:05")))
	create(p, "seconds", `"schedule_type":"cron","cron":{"second":"*"}`)
	create(p, "held", daily(local(soon, 9)))
	p.api.want(200, "POST", "/jobs/held/pause", "")
	eventually(t, "the first calls", func() bool { return len(calls("daily")) == 1 && len(calls("date")) == 1 })
	stopServer(t, p)
	verify(0, 0)

	p = start(1) // the local clock goes back by an hour
	if at := next(p, "daily"); at.Before(began.Add(24 * time.Hour)) {
		t.Errorf("the daily job fires again at %s for the local time it has been called for", at)
	}
	if got := p.api.want(200, "GET", "/jobs/date", ""); got.object["state"] != "completed" {
		t.Errorf("a date that is over is back: %s", got.text)
	}
	before := len(calls("seconds"))
	eventually(t, "what fires each second goes on", func() bool { return len(calls("seconds")) > before+1 })
	p.api.want(200, "POST", "/jobs/held/resume", "")
	if at := next(p, "held"); at.Before(began.Add(30*time.Minute)) || at.After(began.Add(2*time.Hour)) {
		t.Errorf("the job that was paused is planned for %s, not by the new data", at)
	}
	create(p, "ahead", daily(local(time.Now().Add(2*time.Hour+2*time.Second), 8))) // in two hours; with the clock two hours on, in two seconds
	<-time.After(2500 * time.Millisecond)
	stopServer(t, p)
	verify(1, 1) // the daily job's row is one that this data would not have planned

	p = start(2) // and forward by two
	eventually(t, "what is due by the new data is called late", func() bool { return len(calls("ahead")) == 1 })
	eventually(t, "what fires each second goes on", func() bool { return len(calls("seconds")) > before+3 })
	if got := p.api.want(200, "GET", "/ledger", ""); got.object["differences"] == nil || len(got.object["differences"].([]any)) > 0 {
		t.Errorf("GET /ledger: %s", got.text)
	}
	stopServer(t, p)
	for i := range 3 {
		verify(i, 1)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, times := range called {
		seen := map[string]bool{}
		for _, at := range times {
			if seen[at] {
				t.Errorf("%s was called twice for %s", id, at)
			}
			seen[at] = true
		}
	}
	if len(called["daily"]) != 1 || len(called["date"]) != 1 {
		t.Errorf("calls: %v", called)
	}
	if strings.Count(p.lines(), "time zone data has changed") != 1 {
		t.Error("the log does not say that the data has changed")
	}
}
