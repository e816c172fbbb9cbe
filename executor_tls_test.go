package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
	dir  string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	var der []byte
	a.key, der = a.sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour)})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) sign(t testing.TB, c *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore = time.Now().Add(-48 * time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func (a *authority) write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// server is a TLS target whose certificate is made from c.
func (a *authority) server(t testing.TB, c *x509.Certificate, change func(*tls.Config), h http.HandlerFunc) *httptest.Server {
	t.Helper()
	key, der := a.sign(t, c)
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if change != nil {
		change(s.TLS)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func forLoopback() *x509.Certificate {
	return &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(10*24*time.Hour + time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

func TestTLSIsVerified(t *testing.T) {
	ca := newAuthority(t)
	r := newRig(t, func(c *executorConfig) { c.Settings.CAFile = ca.file })
	expired := forLoopback()
	expired.NotAfter = time.Now().Add(-time.Hour)
	elsewhere := forLoopback()
	elsewhere.IPAddresses, elsewhere.DNSNames = nil, []string{"other.test"}
	for name, test := range map[string]struct {
		server *httptest.Server
		detail string
	}{
		"expired":     {ca.server(t, expired, nil, fine), "expired"},
		"other name":  {ca.server(t, elsewhere, nil, fine), "127.0.0.1"},
		"unknown CA":  {newAuthority(t).server(t, forLoopback(), nil, fine), "unknown authority"},
		"TLS 1.1":     {ca.server(t, forLoopback(), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, fine), "protocol version"},
		"wants a key": {ca.server(t, forLoopback(), func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 }, fine), "tls"},
	} {
		if a := r.try(t, test.server.URL, nil); a.OK || a.Error != classTLS || !strings.Contains(a.Detail, test.detail) {
			t.Errorf("%s: %s %s", name, a.Error, a.Detail)
		}
	}
	good := ca.server(t, forLoopback(), nil, fine)
	if a := newRig(t, nil).try(t, good.URL, nil); a.OK || a.Error != classTLS {
		t.Errorf("without the CA file: %+v", a)
	}
	a := r.try(t, good.URL, nil)
	if !a.OK || a.Remote.TLSVersion != "TLS 1.3" || *a.Remote.CertExpiresDays != 10 || a.Timings.TLS <= 0 || a.Remote.Protocol != "HTTP/2.0" || a.Remote.Address != good.Listener.Addr().String() {
		t.Errorf("%+v %+v %+v", a, a.Remote, a.Timings)
	}
	if b := r.try(t, good.URL, nil); !b.OK || !b.Remote.Reused || b.Timings.TLS != 0 {
		t.Errorf("the connection is used again: %+v %+v", b.Remote, b.Timings)
	}
	plain := newSeen(t, fine)
	if a := r.try(t, strings.Replace(plain.URL, "http:", "https:", 1), nil); a.Error != classTLS {
		t.Errorf("https to a plain port: %s %s", a.Error, a.Detail)
	}
}

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	var names []string
	target := ca.server(t, forLoopback(), func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
	}, func(_ http.ResponseWriter, r *http.Request) {
		names = append(names, r.TLS.PeerCertificates[0].Subject.CommonName)
	})
	issue := func(name string, seen time.Time) (cert, key string) {
		k, der := ca.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		keyDER, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		cert, key = ca.write(t, "client.pem", "CERTIFICATE", der), ca.write(t, "client.key", "EC PRIVATE KEY", keyDER)
		if err := os.Chtimes(cert, seen, seen); err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	cert, key := issue("first", time.Now().Add(-time.Hour))
	r := newRig(t, func(c *executorConfig) {
		c.Settings.CAFile, c.Settings.ClientCert, c.Settings.ClientKey = ca.file, cert, key
	})
	if a := r.try(t, target.URL, nil); !a.OK {
		t.Fatalf("%s %s", a.Error, a.Detail)
	}
	issue("second", time.Now())
	r.transport.CloseIdleConnections()
	if a := r.try(t, target.URL, nil); !a.OK || strings.Join(names, " ") != "first second" {
		t.Errorf("after rotation: %v %s", names, a.Detail)
	}
	for _, s := range []*Settings{
		{ClientCert: cert}, {ClientKey: key}, {ClientCert: "none.pem", ClientKey: key}, {CAFile: "none.pem"}, {CAFile: key}, {EgressDeny: []string{"what?"}},
	} {
		if _, err := newExecutor(executorConfig{Settings: s}); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

// TestTimeoutsByPhase: each phase has its own limit and its own reason, also where the target takes the connection and is silent.
func TestTimeoutsByPhase(t *testing.T) {
	r := newRig(t, nil)
	silent := rawTarget(t, hangUp)
	slowBody := rawTarget(t, func(c net.Conn) { say(c, okHead+"Content-Length: 9\r\n\r\nhalf"); hangUp(c) })
	for _, test := range []struct {
		url, definition, reason string
		status                  int
	}{
		{strings.Replace(silent, "http:", "https:", 1), `{"connect_timeout_sec":0.05}`, reasonConnectTimeout, 0}, // in the TLS handshake
		{silent, `{"first_byte_timeout_sec":0.05}`, reasonFirstByteTimeout, 0},
		{silent, `{"timeout_sec":0.05}`, classTimeout, 0},
		{silent, `{"timeout_sec":0.05,"first_byte_timeout_sec":3,"connect_timeout_sec":3}`, classTimeout, 0},
		{slowBody, `{"timeout_sec":0.1,"first_byte_timeout_sec":0.09}`, classTimeout, 200},
	} {
		d := define(t, test.definition)
		d.TargetURL, d.Method = test.url+"/", "GET"
		start := time.Now()
		a := r.Attempt(t.Context(), callOf(d))
		if a.OK || a.Error != classTimeout || a.Reason != test.reason || a.HTTPStatus != test.status || time.Since(start) > time.Second {
			t.Errorf("%s: %s %s %d %s in %s", test.definition, a.Error, a.Reason, a.HTTPStatus, a.Detail, time.Since(start))
		}
	}
	a := r.try(t, slowBody, func(d *Definition) { d.TimeoutSec = ptr(0.1) })
	if a.Response == nil || a.Response.Excerpt != "half" || !a.Response.Truncated || a.Response.SHA256 != "" {
		t.Errorf("what came before the timeout: %+v", a.Response)
	}
}

// TestDialsDoNotOutliveTheirAttempt: a target that takes connections and never speaks TLS must not gather them.
func TestDialsDoNotOutliveTheirAttempt(t *testing.T) {
	gone := make(chan struct{}, 10)
	url := rawTarget(t, func(c net.Conn) { hangUp(c); gone <- struct{}{} })
	r := newRig(t, nil)
	for range 3 {
		r.try(t, strings.Replace(url, "http:", "https:", 1), func(d *Definition) { d.ConnectTimeoutSec = ptr(0.05) })
	}
	for range 3 {
		select {
		case <-gone:
		case <-time.After(3 * time.Second):
			t.Fatal("a connection is still open")
		}
	}
}

func TestClassesOfBrokenConnections(t *testing.T) {
	r := newRig(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	_ = l.Close()
	for url, class := range map[string]string{
		closed:                      classConnect,
		"http://name.invalid/":      classDNS,
		"http://169.254.169.254/":   classEgress,
		"http://[fe80::1%25lo]:80/": classEgress,
		"http://2852039166/":        classEgress,
		"http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/":    classEgress,
		"http://169。254。169。254/":    classEgress,
		"http://[::ffff:127.0.0.1]/": classEgress,
	} {
		if a := r.try(t, url, nil); a.OK || a.Error != class || a.Reason != class || a.Detail == "" {
			t.Errorf("%s: %s %s %s", url, a.Error, a.Reason, a.Detail)
		}
	}
}

// TestHTTP2Flood: a target that floods over HTTP/2 is held to the same limits.
func TestHTTP2Flood(t *testing.T) {
	ca := newAuthority(t)
	target := ca.server(t, forLoopback(), nil, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	r := newRig(t, func(c *executorConfig) { c.Settings.CAFile = ca.file })
	a := r.try(t, target.URL, nil)
	if !a.OK || a.Remote.Protocol != "HTTP/2.0" || a.Response.Length != 1<<20 || !a.Response.Truncated || !a.Response.Binary {
		t.Errorf("%+v %+v", a, a.Response)
	}
	large := ca.server(t, forLoopback(), nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 100<<10))
	})
	if a := r.try(t, large.URL, nil); a.OK || a.Error == "" || a.Error == classTimeout {
		t.Errorf("100 KiB of headers: %+v", a)
	}
}
