package main

import (
	"bufio"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRebinding: a name that an attacker points at 127.0.0.1 reaches nothing of the real server as it starts by default, neither to
// read nor to change. A probe that names no host at all is answered, and nothing else is.
func TestRebinding(t *testing.T) {
	t.Parallel()
	p := startBinary(t, buildBinary(t), filepath.Join(t.TempDir(), "jobs.db"))
	p.api.want(201, "POST", "/jobs", job("mine"))
	address := strings.TrimPrefix(p.api.url, "http://")
	_, port, _ := net.SplitHostPort(address)
	body := "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	for request, status := range map[string]int{
		"GET /jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                    421,
		"GET /jobs HTTP/1.1\r\nHost: evil.example:" + port + "\r\n\r\n":                       421,
		"GET /jobs HTTP/1.0\r\nHost: evil.example\r\n\r\n":                                    421,
		"GET http://evil.example/jobs HTTP/1.1\r\nHost: " + address + "\r\n\r\n":              421, // the target's host counts (RFC 9112, 3.2.2)
		"GET /jobs HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n":     421,
		"GET /jobs HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n":     421,
		"GET /events HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                  421,
		"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                        421,
		"GET /none HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                    421,
		"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                 421,
		"GET /readyz HTTP/1.0\r\nHost: evil.example\r\n\r\n":                                  421,
		"DELETE /jobs/mine HTTP/1.1\r\nHost: evil.example\r\n\r\n":                            421,
		"POST /jobs HTTP/1.1\r\nHost: evil.example\r\nSec-Fetch-Site: same-origin\r\n" + body: 421,
		"POST /jobs/mine/run HTTP/1.1\r\nHost: evil.example\r\n" + body:                       421,
		"GET /healthz HTTP/1.0\r\n\r\n":                                                       200,
		"GET /readyz HTTP/1.0\r\n\r\n":                                                        200,
		"HEAD /readyz HTTP/1.0\r\n\r\n":                                                       200,
		"GET /jobs HTTP/1.0\r\n\r\n":                                                          421,
		"GET /healthz/ HTTP/1.0\r\n\r\n":                                                      421,
		"POST /jobs HTTP/1.0\r\n" + body:                                                      421,
		"GET /healthz HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n":                        403,
		"GET /jobs HTTP/1.1\r\nHost: " + address + "\r\n\r\n":                                 200,
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		if res.StatusCode != status {
			t.Errorf("%q: %d, want %d", request, res.StatusCode, status)
		}
		conn.Close()
	}
	if got := p.api.want(200, "GET", "/jobs/mine/runs", ""); strings.Contains(got.text, "run_id") {
		t.Errorf("a refused request made a run: %s", got.text)
	}
	stopServer(t, p)
}
