package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	// Roots for hosts that have none, such as an image made from scratch.
	_ "golang.org/x/crypto/x509roots/fallback"
	"golang.org/x/net/http/httpproxy"

	"teiki/internal/egress"
)

// Limits of every call, whatever the target does.
const (
	maxResponseHeaderBytes = 64 << 10 // all 1xx answers included
	// idleConnTimeout is shorter than the keep-alive of common servers (5 s): a call that is not idempotent and meets a
	// connection that is being closed fails, because the transport may not send it twice.
	idleConnTimeout       = 4 * time.Second
	defaultConnectTimeout = 10 * time.Second
	defaultTimeout        = 30 * time.Second
	defaultMaxBodyBytes   = 1 << 20
)

// newTransport makes the one transport of all calls. A pooled connection has passed the egress guard of this transport, so
// there must be no second policy that shares it.
func (e *Executor) newTransport() error {
	tlsConfig, err := tlsConfigOf(e.settings)
	if err != nil {
		return err
	}
	e.proxies = &proxies{egress: e.egress, find: httpproxy.FromEnvironment().ProxyFunc()}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	perHost, all := e.settings.MaxPerHost, e.settings.MaxConcurrent
	if perHost <= 0 {
		perHost = 100
	}
	e.transport = &http.Transport{
		Proxy:                  e.proxies.choose,
		DialContext:            e.dial,
		TLSClientConfig:        tlsConfig,
		Protocols:              protocols,
		MaxIdleConns:           max(all, perHost),
		MaxIdleConnsPerHost:    perHost,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
		DisableCompression:     true, // nothing is asked to be compressed; what is all the same, is bounded in readBody
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     256 << 10, // the default lets each target fill 4 MiB of ours
			MaxReceiveBufferPerConnection: 2 << 20,
			SendPingTimeout:               15 * time.Second, // a connection that died silently must not take later calls with it
			PingTimeout:                   5 * time.Second,
		},
	}
	return nil
}

// tlsConfigOf makes the TLS policy: certificates are always verified, against the system's roots (or those inside the binary
// where there are none) and the file of -ca-file.
func tlsConfigOf(s *Settings) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(1024)}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("ca-file: the system's roots: %w", err)
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca-file: %s holds no PEM certificate", s.CAFile)
		}
	}
	if (s.ClientCert == "") != (s.ClientKey == "") {
		return nil, errors.New("client-cert and client-key belong together: give both or neither")
	}
	if s.ClientCert != "" {
		pair := &clientPair{certFile: s.ClientCert, keyFile: s.ClientKey}
		if _, err := pair.load(); err != nil {
			return nil, fmt.Errorf("client-cert: %w", err)
		}
		c.GetClientCertificate = pair.get
		c.ClientSessionCache = nil // a resumed session would go on with the former certificate after a rotation
	}
	return c, nil
}

// clientPair is the certificate that calls show, read anew when its file has changed.
type clientPair struct {
	certFile, keyFile string

	mu     sync.Mutex
	loaded *tls.Certificate
	seen   time.Time // modification time of the certificate's file
}

func (p *clientPair) load() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.certFile)
	if err != nil {
		return p.loaded, err
	}
	if p.loaded != nil && info.ModTime().Equal(p.seen) {
		return p.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return p.loaded, err
	}
	p.loaded, p.seen = &pair, info.ModTime()
	return p.loaded, nil
}

// get answers a server that asks for a certificate. A server that would not take it gets none. While the files are being
// replaced the former pair stays in use.
func (p *clientPair) get(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := p.load()
	if pair == nil {
		return nil, err
	}
	if asked.SupportsCertificate(pair) != nil {
		return &tls.Certificate{}, nil
	}
	return pair, nil
}

// proxies chooses the proxy of a request as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say (loopback never goes through one), and
// keeps the egress guard for what the proxy will connect to.
type proxies struct {
	egress *egress.Policy
	find   func(*url.URL) (*url.URL, error)
}

func (p *proxies) choose(r *http.Request) (*url.URL, error) {
	proxy, err := p.find(r.URL)
	if proxy == nil || err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portOf(r.URL), 10, 16)
	if err != nil {
		return nil, err
	}
	if err := p.egress.CheckProxied(r.Context(), resolver, r.URL.Hostname(), uint16(port)); err != nil {
		return nil, err
	}
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		x.proxied = true
	}
	return proxy, nil
}

// portOf is a URL's port, the scheme's own where it has none.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
