package main

import (
	"regexp"
	"strings"
	"testing"
)

// The page at /docs needs nothing but this server: every file it names is here, and its policy lets nothing else in.
func TestDocsPage(t *testing.T) {
	a := newTestAPI(t)
	page := a.want(200, "GET", "/docs", "")
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") || strings.Contains(page.text, "http") {
		t.Errorf("policy %q, page %s", policy, page.text)
	}
	files := regexp.MustCompile(`(?:href|src)="(/[^"]+)"`).FindAllStringSubmatch(page.text, -1)
	if len(files) != 4 {
		t.Fatalf("files: %v", files)
	}
	for _, f := range files {
		plain := a.want(200, "GET", f[1], "", "Accept-Encoding", "identity")
		if len(plain.text) < 100 || plain.header.Get("Content-Encoding") != "" || strings.HasPrefix(plain.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d bytes, %v", f[1], len(plain.text), plain.header)
		}
		packed := a.want(200, "GET", f[1], "", "Accept-Encoding", "gzip")
		if packed.header.Get("Content-Encoding") == "gzip" && len(packed.text) >= len(plain.text) {
			t.Errorf("%s: %d bytes packed, %d plain", f[1], len(packed.text), len(plain.text))
		}
	}
	a.want(404, "GET", "/docs/swagger-ui.js", "")
	a.want(404, "GET", "/docs/..%2f..%2fgo.mod", "")
}

func TestAutoTags(t *testing.T) {
	cron := func(s string) *Definition {
		return &Definition{ScheduleType: "cron", Cron: []byte(s), Timezone: "Europe/Berlin", TargetURL: "https://EXAMPLE.com:8443/x", Method: "GET"}
	}
	for s, want := range map[string]string{`{"second":"*/10"}`: "second", `{"minute":"*"}`: "minute", `"*/5 * * * *"`: "minute", `"0 * * * *"`: "hour", `"0 9,10 * * *"`: "hour", `"0 9 * * *"`: "day", `"0 9 * * mon-fri"`: "day",
		`"0 9 * * 1"`: "week", `"0 9 1 * *"`: "month", `{"day":"last fri"}`: "month", `"0 0 1 1 *"`: "year", `"0 0 29 2 *"`: "year", `"0 0 1,15 * *"`: "week", `{"year":"2020","month":"1-3"}`: "month"} {
		if got := strings.Join(autoTags(cron(s), "ops"), " "); got != "host:example.com method:get type:cron every:"+want+" owner:ops" {
			t.Errorf("%s: %s, want every:%s", s, got, want)
		}
	}
	once := &Definition{ScheduleType: "date", RunAt: []byte(`"2020-01-01T00:00:00Z"`), Timezone: "UTC", TargetURL: "https://{{secret.HOST}}/x", Method: "POST"}
	if got := strings.Join(autoTags(once, ""), " "); got != "host:template method:post type:date" {
		t.Errorf("date: %s", got)
	}
}

func BenchmarkAutoTags(b *testing.B) {
	d := &Definition{ScheduleType: "cron", Cron: []byte(`{"hour":"10","minute":"30"}`), Timezone: "Asia/Tokyo", TargetURL: "https://example.com/x", Method: "POST"}
	for b.Loop() {
		autoTags(d, "")
	}
}
