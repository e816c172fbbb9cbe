package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/http/httpproxy"
)

func TestRedirects(t *testing.T) {
	other := newSeen(t, fine)
	target := newSeen(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			status := 302
			_, _ = fmt.Sscan(r.URL.Query().Get("status"), &status)
			w.Header().Set("Location", to)
			w.WriteHeader(status)
		}
	})
	r := newRig(t, nil)
	job := func(method string, status int, to string, follow int) *Definition {
		d := define(t, `{"headers":{"X-Api-Key":"canary","Authorization":"Bearer canary","Cookie":"a=canary","X-Other":"canary","Accept":"x/y"},
			"signing_secret":"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"}`)
		d.Method, d.TargetURL = method, target.URL+"/?status="+fmt.Sprint(status)+"&to="+url.QueryEscape(to)
		if follow > 0 {
			d.Redirects = &Redirects{Follow: follow}
		}
		if method == "POST" {
			d.BodyText = ptr("the body")
		}
		return d
	}
	for _, test := range []struct {
		method string
		status int
		to     string
		follow int
		ok     bool
		says   string // of a refusal
		got    string // method and body of the last request
	}{
		{"GET", 302, "/there", 0, false, "/there", ""},
		{"GET", 301, "/there", 1, true, "", "GET "},
		{"GET", 302, "there?x=1#frag", 1, true, "", "GET "},
		{"POST", 302, "/there", 1, true, "", "GET "},
		{"POST", 303, "/there", 1, true, "", "GET "},
		{"POST", 307, "/there", 1, true, "", "POST the body"},
		{"POST", 308, "/there", 1, true, "", "POST the body"},
		{"HEAD", 303, "/there", 1, true, "", "HEAD "},
		{"GET", 302, other.URL + "/there", 1, true, "", "GET "},
		{"POST", 302, other.URL + "/there", 1, true, "", "GET "},
		{"POST", 307, other.URL + "/there", 1, false, "body is not sent to another origin", ""},
		{"GET", 302, "ftp://example.com/", 1, false, "must be http", ""},
		{"GET", 302, "http://u:p@127.0.0.1/", 1, false, "credentials", ""},
		{"GET", 302, "http://[", 1, false, "not a URL", ""},
		{"GET", 304, "/there", 1, false, "304", ""},
	} {
		name := fmt.Sprintf("%s %d %s", test.method, test.status, test.to)
		target.mu.Lock()
		target.requests, target.bodies = nil, nil
		target.mu.Unlock()
		a := r.Attempt(t.Context(), callOf(job(test.method, test.status, test.to, test.follow)))
		if a.OK != test.ok || !strings.Contains(a.Detail, test.says) {
			t.Errorf("%s: ok %v, %s", name, a.OK, a.Detail)
			continue
		}
		if !test.ok {
			if test.status != 304 && (a.Reason != reasonRedirect || a.HTTPStatus != test.status || a.Response.Location == "") {
				t.Errorf("%s: %+v %+v", name, a, a.Response)
			}
			continue
		}
		elsewhere := strings.HasPrefix(test.to, other.URL)
		at := target
		if elsewhere {
			at = other
		}
		req, body := at.last()
		if req.Method+" "+body != test.got || req.URL.Path != "/there" {
			t.Errorf("%s: last was %s %s %q", name, req.Method, req.URL, body)
		}
		for header, values := range req.Header {
			if elsewhere && (strings.Contains(values[0], "canary") || strings.HasPrefix(header, "Webhook-") || strings.HasPrefix(header, "Teiki-") || header == "Idempotency-Key") {
				t.Errorf("%s: %s went to another origin", name, header)
			}
		}
		if !elsewhere && req.Header.Get("X-Api-Key") != "canary" || req.Header.Get("Accept") != "x/y" {
			t.Errorf("%s: headers %v", name, req.Header)
		}
		if signed := req.Header.Get("Webhook-Signature") != ""; signed != (!elsewhere && (req.Method == "POST" || test.method != "POST")) {
			t.Errorf("%s: signed %v", name, signed)
		}
	}
	d := job("GET", 302, "/there", 0)
	d.Success = &Success{Status: []string{"302"}}
	if a := r.Attempt(t.Context(), callOf(d)); !a.OK || a.HTTPStatus != 302 {
		t.Errorf("a status that its author names is an answer: %+v", a)
	}
}

func TestRedirectFromTLS(t *testing.T) {
	ca := newAuthority(t)
	plain := newSeen(t, fine)
	target := ca.server(t, forLoopback(), nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	r := newRig(t, func(c *executorConfig) { c.Settings.CAFile = ca.file })
	a := r.try(t, target.URL, func(d *Definition) { d.Redirects = &Redirects{Follow: 5} })
	if a.OK || a.Reason != reasonRedirect || !strings.Contains(a.Detail, "leaves TLS") || plain.count() != 0 {
		t.Errorf("%+v", a)
	}
}

// TestEgress is S1 with real sockets: no connection reaches a denied address, neither by URL, nor by a name, nor by a redirect,
// nor through a proxy, nor for a token.
func TestEgress(t *testing.T) {
	denied := newSeen(t, fine)
	port := denied.Listener.Addr().(interface{ String() string }).String()
	port = port[strings.LastIndexByte(port, ':')+1:]
	proxy := newSeen(t, fine)
	bounce := newSeen(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, denied.URL, http.StatusFound) })
	deny := func(c *executorConfig) { c.Settings.EgressDeny = []string{":" + port} }
	check := func(r *rig, d *Definition) {
		t.Helper()
		d.Method, d.Redirects = "GET", &Redirects{Follow: 3}
		a := r.Attempt(t.Context(), callOf(d))
		if a.OK || a.Error != classEgress || a.Reason != "egress_denied" || !strings.Contains(a.Detail, "rule") && !strings.Contains(a.Detail, "egress-") {
			t.Errorf("%s: %s %s", d.TargetURL, a.Error, a.Detail)
		}
	}
	r := newRig(t, deny)
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST.", "[::1]", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]"} {
		check(r, &Definition{TargetURL: "http://" + host + ":" + port + "/"})
		check(r, &Definition{TargetURL: "https://" + host + ":" + port + "/"})
	}
	check(r, &Definition{TargetURL: bounce.URL})
	check(r, &Definition{TargetURL: proxy.URL, Auth: &Auth{OAuth2: &OAuth2Auth{TokenURL: denied.URL, ClientID: "x", ClientSecret: "y"}}})

	through := newRig(t, deny)
	through.proxies.find = (&httpproxy.Config{HTTPProxy: proxy.URL, HTTPSProxy: proxy.URL}).ProxyFunc()
	for _, target := range []string{"http://169.254.169.254/", "https://169.254.169.254/", "http://2852039166/", "http://[::ffff:a9fe:a9fe]/", "http://10.0.0.1:" + port, "https://[fe80::1]/"} {
		check(through, &Definition{TargetURL: target})
	}
	if proxy.count() != 0 || denied.count() != 0 {
		t.Errorf("%d requests to the proxy, %d to the denied target", proxy.count(), denied.count())
	}
	// A proxy may be where calls may not go: it is the administrator's choice.
	narrow := newRig(t, func(c *executorConfig) { c.Settings.EgressAllow = []string{"192.0.2.0/24"} })
	narrow.proxies.find = (&httpproxy.Config{HTTPProxy: proxy.URL}).ProxyFunc()
	if a := narrow.try(t, "http://192.0.2.1/path", nil); !a.OK || proxy.count() != 1 {
		t.Errorf("through the proxy: %+v", a)
	}
	if req, _ := proxy.last(); req.RequestURI != "http://192.0.2.1/path" {
		t.Errorf("the proxy got %s", req.RequestURI)
	}
	check(narrow, &Definition{TargetURL: "http://192.0.3.1/"})
	check(narrow, &Definition{TargetURL: proxy.URL}) // loopback goes through no proxy
}

// TestConnectProxy: https goes through CONNECT, and TLS is verified end to end.
func TestConnectProxy(t *testing.T) {
	ca := newAuthority(t)
	cert := forLoopback()
	cert.DNSNames = []string{"api.test"}
	target := ca.server(t, cert, nil, fine)
	var asked []string
	proxy := newConnectProxy(t, target.Listener.Addr().String(), &asked)
	r := newRig(t, func(c *executorConfig) { c.Settings.CAFile = ca.file })
	r.proxies.find = (&httpproxy.Config{HTTPSProxy: proxy.URL, NoProxy: "direct.invalid"}).ProxyFunc()
	a := r.try(t, "https://api.test/", nil)
	if !a.OK || a.Remote.TLSVersion == "" || len(asked) != 1 || asked[0] != "api.test:443" {
		t.Errorf("%+v; the proxy was asked for %v", a, asked)
	}
	if a := r.try(t, "https://direct.invalid/", nil); a.Error != classDNS || len(asked) != 1 {
		t.Errorf("NO_PROXY: %+v", a)
	}
}

// newConnectProxy is a proxy that tunnels every CONNECT to one address.
func newConnectProxy(t testing.TB, to string, asked *[]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Host)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(server, buffered); _ = server.Close() }()
		_, _ = io.Copy(client, server)
	}))
	t.Cleanup(s.Close)
	return s
}
