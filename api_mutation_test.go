package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTenThousandMutations is S5: each operation, each member, each parameter, bent in every way that came to mind. No answer
// is a 5xx or takes a second, and a request that is refused has changed nothing.
func TestTenThousandMutations(t *testing.T) {
	a := newTestAPI(t)
	rng := rand.New(rand.NewPCG(3, 4))
	long := strings.Repeat("長", 5000)
	values := []string{`null`, `""`, `-1`, `0`, `1e999`, `NaN`, `Infinity`, `-0.0000001`, `1e308`, `true`, `[]`, `{}`, `"\u0000"`, `"\ud800"`, "\"\xff\xfe\"", `"a\r\nX-Evil: 1"`, `"` + long + `"`, `99999999999999999999999`,
		`"٣"`, `{"a":{"b":null}}`, strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70), `"../../etc/passwd"`, `"' OR 1=1 --"`, `["a","a",null,1]`,
		`"2026-13-45T99:99:99Z"`, `"9999-12-31T23:59:59.999999999+14:00"`, `"javascript:alert(1)"`, `"http://[::1"`, `"http://a\u0000b/"`, `"{{secret.X}}"`, `"{{"`, `01`, `0x10`, `"\x"`}
	texts := []string{"", " ", "-1", "0", "1e9", "99999999999999999999", "NaN", "null", long[:600], "%00", "\x00", "../..", "a,b,,c", "'", "\"", "2026-01-01", "2026-01-01T00:00:00+25:00", "true", "%zz", "\xff", "<script>"}
	members := append(keysOf(openapiDocument()["components"].(object)["schemas"].(object)["JobRequest"].(object)["properties"].(object)), "from", "to", "only", "count", "until", "reason", "selector", "action", "scopes", "owner", "allow_ip", "expires_at", "dry_run", "unknown")
	fill := strings.NewReplacer("{job_id}", "x", "{run_id}", "x", "{version}", "1", "{prefix}", "abc", "{file}", "start.js", "{$}", "")
	state := func() string {
		var s string
		err := a.engine.store.read.QueryRow(`SELECT coalesce((SELECT group_concat(job_id || version || coalesce(deleted_at, '') || definition) FROM jobs), '') || (SELECT count(*) FROM versions) ||
			(SELECT count(*) || coalesce(max(paused_at), '') || count(resumed_at) FROM pauses) || (SELECT count(*) || count(revoked_at) FROM keys) || (SELECT count(*) FROM receipts)`).Scan(&s)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ops := operations()
	refused, total := 0, 0
	var before string
	for total < 10_000 {
		if total%50 == 0 {
			a.do("POST", "/jobs", job("x", `"replace_existing":true`))
			before = state()
		}
		op := ops[rng.IntN(len(ops))]
		method, path, _ := strings.Cut(op.pattern, " ")
		if op.pattern == "GET /events" || strings.HasSuffix(op.pattern, "/test") {
			continue // an endless answer; a real call
		}
		target, body := fill.Replace(path), op.example
		headers := []string{}
		if op.media != "" {
			headers = append(headers, "Content-Type", op.media)
		}
		kind := rng.IntN(8)
		if body == "" && kind < 4 {
			kind += 4
		}
		switch kind {
		case 0, 1: // a member
			name, value := members[rng.IntN(len(members))], values[rng.IntN(len(values))]
			body = strings.Replace(body, "{", fmt.Sprintf(`{"%s":%s,`, name, value), 1+rng.IntN(2))
		case 2: // a member twice
			body = strings.TrimSuffix(strings.TrimSpace(body), "}") + "," + strings.TrimPrefix(body, "{")
		case 3: // the text
			i, j := rng.IntN(len(body)), rng.IntN(len(body))
			body = []string{body[:i], body[i:], body[:min(i, j)] + body[max(i, j):], body[:i] + string([]byte{byte(rng.IntN(256))}) + body[i:], strings.Repeat(body, 2), "[" + body + "]"}[rng.IntN(6)]
		case 4, 5: // a parameter
			names := append([]string{"dry_run", "zz"}, op.params...)
			target += "?" + url.QueryEscape(names[rng.IntN(len(names))]) + "=" + url.QueryEscape(texts[rng.IntN(len(texts))])
			if rng.IntN(5) == 0 {
				target += "&" + texts[rng.IntN(15)] + "=1"
			}
		case 6: // a header
			name := []string{"If-Match", "If-None-Match", "Idempotency-Key", "Accept-Language", "Last-Event-ID", "Content-Type", "Authorization", "Accept-Encoding", "X-Forwarded-For", "Content-Encoding"}[rng.IntN(10)]
			headers = append(headers, name, strings.Map(func(r rune) rune {
				if r < ' ' || r == 0xfffd {
					return 'x'
				}
				return r
			}, texts[rng.IntN(len(texts))]))
		case 7: // the path
			target = strings.Replace(path, "{", "{", 1)
			for _, m := range pathParam.FindAllString(path, -1) {
				target = strings.ReplaceAll(target, m, url.PathEscape(texts[rng.IntN(len(texts))]))
			}
			target = strings.TrimSuffix(target, "{$}")
		}
		if u, err := url.Parse(a.url + target); err != nil || u.Host == "" {
			continue // no client could send it; the raw ones are below
		}
		total++
		began := time.Now()
		got := a.mutated(method, target, body, headers...)
		if took := time.Since(began); got >= 500 || took > time.Second {
			t.Errorf("%s %.200s %.300q %.200q: %d after %v", method, target, body, headers, got, took)
		}
		after := state()
		if got >= 400 {
			refused++
			if after != before {
				t.Errorf("%s %.200s %.300q %.200q: refused with %d, but something changed", method, target, body, headers, got)
			}
		}
		before = after
	}
	if refused < total/2 {
		t.Errorf("only %d of %d mutations were refused", refused, total)
	}
	t.Logf("%d requests, %d refused", total, refused)
}

// mutated sends a request that need not be one, and gives the answer's status.
func (a *testAPI) mutated(method, path, body string, headers ...string) int {
	a.t.Helper()
	r, err := a.request(method, path, body, headers...)
	if err != nil {
		return 400
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 400 // the client refused to send it
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Errorf("%s %s: the answer broke off: %v", method, path, err)
	}
	if res.StatusCode == 400 && res.Header.Get("Connection") == "close" || string(answer) == "400 Bad Request" {
		return 400 // not HTTP: the server library refused it before this program saw it
	}
	if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s %s: %d is answered as %q: %.100s", method, path, res.StatusCode, res.Header.Get("Content-Type"), answer)
	}
	return res.StatusCode
}

// Bytes that no client library would send.
func TestRawRequests(t *testing.T) {
	a := newTestAPI(t)
	host := strings.TrimPrefix(a.url, "http://")
	for _, raw := range []string{
		"GET /jobs HTTP/1.1\r\n\r\n", "GET /jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /jobs HTTP/9.9\r\nHost: localhost\r\n\r\n", "GET  /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GE\x00T /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /jobs\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
		"POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n", "POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n",
		"GET /jobs/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /jobs/%2e%2e/%2e%2e/etc HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET //evil.example/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /jobs/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /jobs/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET http://evil.example/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
		"TRACE /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET /jobs?\r\nX: y HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond)) // some wait for more, and get no answer
		_, _ = conn.Write([]byte(raw))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil && (res.StatusCode >= 500 && res.StatusCode != 505 && res.StatusCode != 501 || res.StatusCode < 400) {
			t.Errorf("%q: %d", raw, res.StatusCode)
		}
		conn.Close()
	}
	a.want(200, "GET", "/healthz", "")
}

// TestSlowConnections is S9 in short: a thousand clients that send a byte now and then are all cut off, and hinder nobody.
func TestSlowConnections(t *testing.T) {
	e, s, log := testEngine(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := newServer(newAPI(e, s, log), log)
	go func() { _ = web.Serve(ln) }()
	t.Cleanup(func() {
		if err := shutdown(web, e, time.Second, log); err != nil {
			t.Error(err)
		}
	})
	latency := func() time.Duration {
		var worst []time.Duration
		for range 100 {
			began := time.Now()
			res, err := http.Get("http://" + ln.Addr().String() + "/jobs?limit=1")
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			worst = append(worst, time.Since(began))
		}
		slices.Sort(worst)
		return worst[98]
	}
	alone := latency()
	const slow = 1000
	closed := make(chan time.Duration, slow)
	began := time.Now()
	for i := range slow {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		head := "GET /jobs HTTP/1.1\r\nHost: localhost\r\n"
		if i%2 == 0 {
			head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
		}
		_, _ = conn.Write([]byte(head))
		go func() {
			defer conn.Close()
			_, _ = io.Copy(io.Discard, conn)
			closed <- time.Since(began)
		}()
	}
	beside := latency()
	if beside > 2*alone+20*time.Millisecond {
		t.Errorf("p99 beside %d slow clients is %v, alone %v", slow, beside, alone)
	}
	for range slow {
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("slow connections are still open")
		}
	}
	if took := time.Since(began); took > 7*time.Second {
		t.Errorf("all were closed after %v", took)
	}
}
