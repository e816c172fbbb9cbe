package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// newClosedAPI is a server with access control, and a key for each role of two owners: NAME-read, -run, -write, -none, and root.
func newClosedAPI(t *testing.T, args ...string) (*testAPI, map[string]string) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "jwt.secret")
	if err := os.WriteFile(secret, []byte(jwtSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, s, log := testEngine(t, append([]string{"-auth", "required", "-jwt-key", secret,
		"-jwt-issuer", "https://id.example.com", "-jwt-audience", "teiki", "-open-docs", "false"}, args...)...)
	h := newAPI(e, s, log)
	var err error
	if h.gate, err = openGate(t.Context(), s, e.store, log, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(func() {
		e.events.end()
		if err := shutdown(web.Config, e, s.DrainTimeout, log); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	keys := map[string]string{}
	for _, owner := range []string{"alice", "bob"} {
		for _, scope := range []string{"read", "run", "write", "admin"} {
			keys[owner+"-"+scope] = makeKey(t, e.store, keyRequest{Name: scope, Owner: owner, Scopes: Strings{scope}})
		}
		keys[owner] = makeKey(t, e.store, keyRequest{Name: "all but admin", Owner: owner, Scopes: Strings{"read", "run", "write"}})
	}
	return &testAPI{t: t, url: web.URL, engine: e}, keys
}

const jwtSecret = "0123456789abcdef0123456789abcdef"

func makeKey(t *testing.T, s *Store, req keyRequest) string {
	t.Helper()
	k, text, faults := newKey(req, time.Now())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if err := s.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return text
}

// as sends a request with a key.
func (a *testAPI) as(key, method, path, body string, headers ...string) answered {
	a.t.Helper()
	return a.do(method, path, body, append([]string{"Authorization", "Bearer " + key}, headers...)...)
}

func job(id string, more ...string) string {
	return `{"job_id":"` + id + `","schedule_type":"interval","interval":{"hours":1},"target_url":"http://127.0.0.1:9/` + id + `","method":"POST"` + strings.Join(append([]string{""}, more...), ",") + `}`
}

func TestLoginForms(t *testing.T) {
	a, keys := newClosedAPI(t)
	for name, headers := range map[string][]string{
		"bearer": {"Authorization", "Bearer " + keys["alice"]}, "small letters": {"Authorization", "bearer " + keys["alice"]}, "X-Api-Key": {"X-Api-Key", keys["alice"]},
	} {
		if got := a.do("GET", "/jobs", "", headers...); got.status != 200 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	r, _ := http.NewRequest("GET", a.url+"/jobs", nil)
	r.SetBasicAuth("anybody", keys["alice"])
	res, err := http.DefaultClient.Do(r)
	if err != nil || res.StatusCode != 200 {
		t.Errorf("basic: %v %v", res, err)
	}
	res.Body.Close()
	if got := a.want(401, "GET", "/jobs", ""); !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") || got.object["code"] != "no_credentials" {
		t.Errorf("no credentials: %v %s", got.header, got.text)
	}
	if got := a.want(401, "GET", "/docs", ""); !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("a page does not ask the browser for a key: %v", got.header)
	}
	// What exists is not told to strangers.
	for _, path := range []string{"/nothing", "/jobs/x", "/metrics", "/openapi.json", "/events", "/audit"} {
		a.want(401, "GET", path, "")
	}
	a.want(200, "GET", "/healthz", "")
	token := func(change jwt.MapClaims) string {
		claims := jwt.MapClaims{"iss": "https://id.example.com", "aud": "teiki", "sub": "carol", "scope": "read write", "exp": time.Now().Unix() + 60}
		for k, v := range change {
			claims[k] = v
		}
		s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(jwtSecret))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got := a.as(token(nil), "POST", "/jobs", job("carols")); got.status != 201 {
		t.Errorf("token: %d %s", got.status, got.text)
	}
	if got := a.as(token(nil), "POST", "/jobs/carols/run", ""); got.status != 403 || !strings.Contains(got.text, "scope run") {
		t.Errorf("a scope that the token lacks: %d %s", got.status, got.text)
	}
	for name, bad := range map[string]string{"other audience": token(jwt.MapClaims{"aud": "x"}), "expired": token(jwt.MapClaims{"exp": 1}), "dots": strings.Repeat(".", 20000),
		"a key of nobody": "teiki_abcdefghjkmn_" + strings.Repeat("a", 43), "half a key": keys["alice"][:30], "a wrong secret": keys["alice"][:20] + strings.Repeat("a", 42)} {
		if got := a.as(bad, "GET", "/jobs", ""); got.status != 401 || got.object["code"] != "bad_credentials" {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestKeysOverHTTP(t *testing.T) {
	a, keys := newClosedAPI(t)
	root := keys["alice-admin"]
	made := a.as(root, "POST", "/keys", `{"name":"deploy","owner":"ops","scopes":["read","write"],"allow_ip":["127.0.0.0/8","::1"],"expires_at":"2099-01-01T00:00:00Z"}`)
	key, _ := made.object["key"].(string)
	prefix, _ := made.object["prefix"].(string)
	if made.status != 201 || !strings.HasPrefix(key, "teiki_"+prefix+"_") {
		t.Fatalf("made: %d %s", made.status, made.text)
	}
	if got := a.as(key, "GET", "/jobs", ""); got.status != 200 {
		t.Errorf("the new key: %d", got.status)
	}
	list := a.as(root, "GET", "/keys", "")
	if strings.Contains(list.text, key) || !strings.Contains(list.text, prefix) || !strings.Contains(list.text, `"127.0.0.0/8"`) {
		t.Errorf("list: %s", list.text)
	}
	// S6: no plaintext in a dump of the database.
	var dump strings.Builder
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(databaseFile(t, a.engine.store)), "*"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		dump.Write(b)
	}
	if secret := key[len("teiki_")+len(prefix)+1:]; strings.Contains(dump.String(), secret) || !strings.Contains(dump.String(), prefix) {
		t.Error("the database holds the key itself, or not even its prefix")
	}
	far := makeKey(t, a.engine.store, keyRequest{Name: "far", Owner: "ops", Scopes: Strings{"read"}, AllowIP: Strings{"203.0.113.0/24"}})
	if got := a.as(far, "GET", "/jobs", ""); got.status != 401 {
		t.Errorf("a key from another network: %d", got.status)
	}
	if got := a.as(root, "DELETE", "/keys/"+prefix, ""); got.status != 200 || got.object["status"] != "revoked" {
		t.Errorf("revoke: %d %s", got.status, got.text)
	}
	if got := a.as(key, "GET", "/jobs", ""); got.status != 401 {
		t.Errorf("the revoked key: %d", got.status)
	}
	if got := a.as(root, "DELETE", "/keys/"+prefix, ""); got.status != 404 {
		t.Errorf("revoked twice: %d", got.status)
	}
	for body, field := range map[string]string{`{"owner":"a","scopes":["read"]}`: "name", `{"name":"a","scopes":["read"]}`: "owner", `{"name":"a","owner":"a b","scopes":["read"]}`: "owner",
		`{"name":"a","owner":"a","scopes":["reed"]}`: "scopes", `{"name":"a","owner":"a"}`: "scopes", `{"name":"a","owner":"a","scopes":["read"],"allow_ip":["x"]}`: "allow_ip[0]",
		`{"name":"a","owner":"a","scopes":["read"],"expires_at":"2001-01-01T00:00:00Z"}`: "expires_at"} {
		if got := a.as(root, "POST", "/keys", body); got.status != 422 || !strings.Contains(got.text, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, got.status, got.text)
		}
	}
	eventually(t, "the last use is noted", func() bool {
		return strings.Contains(a.as(root, "GET", "/keys", "").text, `"last_used_at":"`)
	})
	audit := a.as(root, "GET", "/audit?action=login", "")
	if !strings.Contains(audit.text, "not from this address") || !strings.Contains(audit.text, "revoked or expired") || strings.Contains(audit.text, key) {
		t.Errorf("failed logins: %s", audit.text)
	}
}

func databaseFile(t *testing.T, s *Store) string {
	t.Helper()
	var seq int
	var name, file string
	if err := s.read.QueryRow("PRAGMA database_list").Scan(&seq, &name, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// Failed attempts are bounded per address, and the bound holds for good keys too while it lasts.
func TestFailuresAreBounded(t *testing.T) {
	a, keys := newClosedAPI(t, "-trusted-proxies", "127.0.0.1,::1")
	bad := "teiki_abcdefghjkmn_" + strings.Repeat("a", 43)
	status := map[int]int{}
	for range 40 {
		status[a.as(bad, "GET", "/jobs", "", "X-Forwarded-For", "198.51.100.7").status]++
	}
	if status[401] < 20 || status[401] > 22 || status[429] < 18 {
		t.Errorf("answers to 40 bad attempts: %v", status)
	}
	got := a.as(keys["alice"], "GET", "/jobs", "", "X-Forwarded-For", "198.51.100.7")
	if got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("the same address with a good key: %d", got.status)
	}
	if got := a.as(keys["alice"], "GET", "/jobs", "", "X-Forwarded-For", "198.51.100.7, 198.51.100.8"); got.status != 200 {
		t.Errorf("another address: %d", got.status)
	}
}

func TestAddressList(t *testing.T) {
	a, keys := newClosedAPI(t, "-allow-ip", "198.51.100.0/24", "-trusted-proxies", "127.0.0.0/8")
	if got := a.as(keys["alice"], "GET", "/jobs", ""); got.status != 403 || got.object["code"] != "address_denied" {
		t.Errorf("this machine: %d %s", got.status, got.text)
	}
	if got := a.as(keys["alice"], "GET", "/jobs", "", "X-Forwarded-For", "198.51.100.3"); got.status != 200 {
		t.Errorf("an allowed one behind the proxy: %d", got.status)
	}
	if got := a.as(keys["alice"], "GET", "/jobs", "", "X-Forwarded-For", "198.51.100.3, 203.0.113.1"); got.status != 403 {
		t.Errorf("a claimed address: %d", got.status)
	}
}

// TestLocalGuard is S8: other web pages and rebound names get nothing from an open server.
func TestLocalGuard(t *testing.T) {
	a := newTestAPI(t, "-allow-host", "teiki.example.com")
	a.want(201, "POST", "/jobs", job("x"))
	port := a.url[strings.LastIndex(a.url, ":"):]
	for _, c := range []struct {
		status       int
		method, path string
		body         string
		headers      []string
	}{
		{403, "POST", "/jobs", job("evil"), []string{"Origin", "https://evil.example"}},
		{403, "POST", "/jobs", job("evil"), []string{"Sec-Fetch-Site", "cross-site"}},
		{403, "POST", "/jobs", job("evil"), []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:1"}},
		{403, "DELETE", "/jobs/x", "", []string{"Origin", "null"}},
		{403, "POST", "/jobs/x/run", "", []string{"Origin", "https://evil.example"}},
		{403, "GET", "/jobs", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}},
		{403, "GET", "/jobs", "", []string{"Origin", "https://evil.example"}},
		{403, "GET", "/events", "", []string{"Origin", "null"}},
		{200, "GET", "/", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}},
		{200, "GET", "/jobs", "", []string{"Sec-Fetch-Site", "same-origin", "Origin", a.url}},
		{201, "POST", "/jobs", job("mine"), []string{"Sec-Fetch-Site", "same-origin", "Origin", a.url}},
		{201, "POST", "/jobs", job("trusted"), []string{"Origin", "https://teiki.example.com", "Sec-Fetch-Site", "cross-site"}},
		{415, "POST", "/jobs", job("form"), []string{"Content-Type", "text/plain"}},
		{415, "POST", "/jobs", job("form"), []string{"Content-Type", "application/x-www-form-urlencoded"}},
	} {
		if got := a.do(c.method, c.path, c.body, c.headers...); got.status != c.status {
			t.Errorf("%s %s %q: %d %s, want %d", c.method, c.path, c.headers, got.status, got.text, c.status)
		}
	}
	for host, status := range map[string]int{"evil.example" + port: 421, "evil.example": 421, "127.0.0.1.evil.example": 421, "169.254.169.254": 421, "localhost" + port: 200, "LOCALHOST": 200,
		"localhost.": 200, "127.0.0.1": 200, "[::1]" + port: 200, "127.1.2.3": 200, "teiki.example.com": 200, "app.localhost": 200, "notlocalhost": 421, "0.0.0.0": 421} {
		r, _ := http.NewRequest("GET", a.url+"/jobs", nil)
		r.Host = host
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("Host %q: %d, want %d", host, res.StatusCode, status)
		}
	}
	if got := a.want(200, "GET", "/jobs", ""); strings.Contains(got.text, "evil") || strings.Contains(got.text, "form") {
		t.Errorf("a refused request left a job: %s", got.text)
	}
}

// A server that others can reach does not start without access control, unless that is said.
func TestDoorsAtStart(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(secret, []byte(jwtSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	network, loopback := &net.TCPAddr{IP: net.IPv4zero, Port: 8000}, &net.TCPAddr{IP: net.IPv6loopback}
	for _, c := range []struct {
		args    []string
		at      net.Addr
		keys    bool
		refused bool
		open    bool
	}{
		{nil, loopback, false, false, true}, {nil, loopback, true, false, false}, {nil, network, false, true, false}, {nil, network, true, false, false},
		{[]string{"-auth", "none"}, network, true, false, true}, {[]string{"-auth", "required"}, network, false, false, false}, {[]string{"-auth", "required"}, loopback, false, false, false},
		{[]string{"-jwt-key", secret}, network, false, false, false}, {[]string{"-jwt-key", secret + "x"}, network, false, true, false},
	} {
		s, err := readSettings(c.args, environ())
		if err != nil {
			t.Fatal(err)
		}
		g, err := newGate(s, nil, slog.New(slog.DiscardHandler), c.at, c.keys)
		if (err != nil) != c.refused || err == nil && g.open != c.open {
			t.Errorf("%v at %v, keys %v: %+v, %v", c.args, c.at, c.keys, g, err)
		}
		if err != nil && c.args == nil && (!strings.Contains(err.Error(), "-auth none") || !strings.Contains(err.Error(), "teiki key create") || !strings.Contains(err.Error(), "-jwt-key")) {
			t.Errorf("the refusal does not name the choices: %v", err)
		}
	}
	var out, errs strings.Builder
	db := filepath.Join(t.TempDir(), "jobs.db")
	if code := run(t.Context(), []string{"-listen", "0.0.0.0:0", "-db", db}, environ(), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "-auth none") {
		t.Errorf("started: %d %s", code, errs.String())
	}
}

func TestQuotas(t *testing.T) {
	a, keys := newClosedAPI(t, "-quota-jobs", "2", "-quota-runs", "0.5")
	alice := keys["alice"]
	fast := func(id string, seconds int) string {
		return fmt.Sprintf(`{"job_id":%q,"schedule_type":"interval","interval":{"seconds":%d},"target_url":"http://127.0.0.1:9/","method":"POST"}`, id, seconds)
	}
	if got := a.as(alice, "POST", "/jobs", fast("one", 4)); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if got := a.as(alice, "POST", "/jobs", fast("two", 3)); got.status != 429 || got.object["code"] != "quota" {
		t.Errorf("0.25 + 0.33 runs per second: %d %s", got.status, got.text)
	}
	if got := a.as(alice, "POST", "/jobs", fast("two", 4)); got.status != 201 {
		t.Errorf("0.25 + 0.25: %d %s", got.status, got.text)
	}
	if got := a.as(alice, "PATCH", "/jobs/two", `{"interval":{"seconds":1}}`); got.status != 429 {
		t.Errorf("made faster: %d %s", got.status, got.text)
	}
	if got := a.as(alice, "PATCH", "/jobs/two", `{"interval":{"seconds":60}}`); got.status != 200 {
		t.Errorf("made slower: %d %s", got.status, got.text)
	}
	if got := a.as(alice, "POST", "/jobs", fast("three", 3600)); got.status != 429 || !strings.Contains(got.text, "2 jobs") {
		t.Errorf("a third job: %d %s", got.status, got.text)
	}
	if got := a.as(keys["bob"], "POST", "/jobs", fast("three", 3600)); got.status != 201 {
		t.Errorf("another owner: %d %s", got.status, got.text)
	}
	first, second := a.as(alice, "POST", "/jobs/one/run", ""), a.as(alice, "POST", "/jobs/one/run", "")
	if first.status != 202 || second.status != 429 || second.header.Get("Retry-After") == "" {
		t.Errorf("two runs at once: %d %d", first.status, second.status)
	}
	if got := a.as(keys["alice-admin"], "POST", "/jobs", fast("root", 1)); got.status != 201 {
		t.Errorf("an admin: %d %s", got.status, got.text)
	}
}
