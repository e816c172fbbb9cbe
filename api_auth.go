package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"teiki/internal/door"
)

// recordStore is what access control and its records ask of the store.
type recordStore interface {
	Key(ctx context.Context, prefix string) (*Key, error)
	Keys(ctx context.Context) ([]*Key, error)
	CreateKey(ctx context.Context, k *Key) error
	RevokeKey(ctx context.Context, prefix string) error
	UsedKey(prefix string, at instant)
	RecordLogin(actor, address, detail string)
	Audit(ctx context.Context, f AuditFilter) (page []AuditEntry, next int64, err error)
	Receipt(ctx context.Context, actor, key string, now instant) (*receipt, error)
	AnswerReceipt(ctx context.Context, actor string, c *receipt) error
	Versions(ctx context.Context, jobID string) ([]JobVersion, error)
	ImportJobs(ctx context.Context, jobs []NewJob) ([]imported, error)
}

// gate judges who may come in, before anything else of a request is looked at. Its fields are set before it serves.
type gate struct {
	open     bool // no access control: everybody who gets past the guards may do everything
	guarded  bool // the Host must be known, because there is no access control to tell a rebound name from this server
	openDocs bool
	keys     recordStore
	tokens   *door.Tokens // nil = no tokens are taken
	allow    door.Nets    // empty = from anywhere
	proxies  door.Nets
	hosts    []string // names that the Host header may have, besides this machine's own
	sites    *http.CrossOriginProtection
	quota    quota
	log      *slog.Logger
	now      func() time.Time

	failures *door.Limiter // per address
	budget   runBudget
	recorded *door.Limiter // entries of failed logins in the audit, over all addresses
}

// openGate makes the door of the server that serves from a database.
func openGate(ctx context.Context, s *Settings, store *Store, log *slog.Logger, listener net.Addr) (*gate, error) {
	keys, err := store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	valid := false
	for _, k := range keys {
		valid = valid || k.Valid(store.now())
	}
	return newGate(s, store, log, listener, valid)
}

// localGate is the door of an API that only this machine reaches, without access control.
func localGate(s *Settings, records recordStore, log *slog.Logger) *gate {
	local := *s
	local.Auth, local.JWTKey = "none", ""
	g, err := newGate(&local, records, log, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, false)
	if err != nil {
		panic(err) // nothing is left that can fail: -allow-host was checked when it was read
	}
	return g
}

// newGate makes the door that the settings ask for. listener is where the API listens; keys tells whether the database has
// valid API keys. Its error names the choices when the settings would leave the API open to a network.
func newGate(s *Settings, records recordStore, log *slog.Logger, listener net.Addr, keys bool) (*gate, error) {
	g := &gate{keys: records, log: log, now: time.Now, openDocs: s.OpenDocs, allow: s.AllowIP, proxies: s.TrustedProxies, hosts: s.AllowHosts,
		quota: quota{s.QuotaJobs, s.QuotaRuns}, sites: http.NewCrossOriginProtection(),
		failures: &door.Limiter{Burst: 20, Refill: 3 * time.Second}, recorded: &door.Limiter{Burst: 50, Refill: time.Second}}
	for _, h := range s.AllowHosts {
		for _, scheme := range []string{"http://", "https://"} {
			if err := g.sites.AddTrustedOrigin(scheme + h); err != nil {
				return nil, fmt.Errorf("-allow-host %q: %w", h, err)
			}
		}
	}
	if s.JWTKey != "" {
		file, err := os.ReadFile(s.JWTKey)
		if err != nil {
			return nil, fmt.Errorf("-jwt-key: %w", err)
		}
		tokenKeys, err := door.ReadKeys(file)
		if err != nil {
			return nil, fmt.Errorf("-jwt-key %s: %w", s.JWTKey, err)
		}
		g.tokens = &door.Tokens{Keys: tokenKeys, Issuer: s.JWTIssuer, Audience: s.JWTAudience, Leeway: s.JWTLeeway, OwnerClaim: s.JWTOwnerClaim, ScopeClaim: s.JWTScopeClaim}
	}
	loopback := isLoopback(listener)
	switch {
	case s.Auth == "none":
		g.open = true
	case s.Auth == "required" || g.tokens != nil || keys:
	case loopback:
		g.open = true
	default:
		return nil, usage("%s can be reached from other machines, and nothing says who may come in. Choose one:\n"+
			"  teiki key create -name NAME -scopes admin   makes an API key; then start again\n"+
			"  -auth required                              the same, keys follow later\n"+
			"  -jwt-key FILE                               takes JSON Web Tokens\n"+
			"  -auth none                                  lets everybody in who can reach the address\n"+
			"  -listen 127.0.0.1:8000                      serves this machine alone", listener)
	}
	g.guarded = g.open && loopback
	return g, nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// admit judges a request for the operation with that pattern ("" = none) and gives it its asker, or the answer that refuses it.
// The request is given back in any case.
func (g *gate) admit(r *http.Request, pattern string) (*http.Request, error) {
	from := door.ClientAddress(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), g.proxies)
	if len(g.allow) > 0 && !g.allow.Contain(from) {
		return r, newProblem(http.StatusForbidden, "address_denied", "this address may not use the API; -allow-ip says which may")
	}
	if err := g.guard(r, pattern); err != nil {
		return r, err
	}
	by := &asker{Actor: "local", All: true, Address: from.String(), Action: pattern, Quota: g.quota}
	if g.open || isOpenRoute(pattern, g.openDocs) {
		if !g.open {
			by = &asker{Actor: "anonymous", Address: from.String(), Action: pattern}
		}
		return r.WithContext(withAsker(r.Context(), by)), nil
	}
	scopes, err := g.login(r, from, by, pattern)
	if err != nil {
		return r, err
	}
	by.Scopes, by.All = scopes, scopes.Has(door.Admin)
	need, ok := routeScopes[pattern]
	if !ok {
		need = 0
		if pattern != "" {
			need = door.Admin // a route that nobody thought of
		}
	}
	if !scopes.Has(need) {
		return r, newProblem(http.StatusForbidden, "scope_missing", fmt.Sprintf("this needs the scope %s; yours are: %s", need, scopes))
	}
	return r.WithContext(withAsker(r.Context(), by)), nil
}

// login finds out who sends the request, and fills it in.
func (g *gate) login(r *http.Request, from netip.Addr, by *asker, pattern string) (door.Scopes, error) {
	text := credential(r)
	if text == "" {
		return 0, g.unauthorized(pattern, "no_credentials", "send an API key or a token: Authorization: Bearer …")
	}
	now := g.now()
	if wait := g.failures.Wait(from, now); wait > 0 {
		p := newProblem(http.StatusTooManyRequests, "too_many_failures", "too many failed attempts from this address; wait")
		p.header = map[string]string{"Retry-After": strconv.Itoa(int(wait.Seconds()) + 1)}
		return 0, p
	}
	scopes, who, err := g.know(r.Context(), text, from, by, now)
	if err == nil {
		return scopes, nil
	}
	if !errors.Is(err, errStranger) {
		return 0, err
	}
	g.failures.Failed(from, now)
	if g.recorded.Wait(netip.Addr{}, now) == 0 {
		g.recorded.Failed(netip.Addr{}, now)
		g.keys.RecordLogin(who, from.String(), err.Error())
		g.log.Warn("failed login", "actor", who, "address", from.String(), "reason", err.Error())
	}
	return 0, g.unauthorized(pattern, "bad_credentials", "the key or token is not valid")
}

// errStranger is in the errors of credentials that are wrong, as opposed to a database that cannot be read. Its text is for
// the audit; the caller learns nothing from it.
var errStranger = errors.New("refused")

// know verifies a credential and fills in by. who is the claimed identity, for the audit.
func (g *gate) know(ctx context.Context, text string, from netip.Addr, by *asker, now time.Time) (scopes door.Scopes, who string, err error) {
	if !door.IsKey(text) {
		if g.tokens == nil {
			return 0, "unknown", fmt.Errorf("%w: neither a key of this server nor are tokens taken", errStranger)
		}
		t, err := g.tokens.Check(text)
		if err != nil {
			return 0, "jwt", fmt.Errorf("%w: %.300s", errStranger, err)
		}
		by.Actor, by.Owner = "jwt:"+t.Owner, t.Owner
		return t.Scopes, by.Actor, nil
	}
	prefix, hash, err := door.ReadKey(text)
	if err != nil {
		return 0, "key", fmt.Errorf("%w: %w", errStranger, err)
	}
	who = "key:" + prefix
	k, err := g.keys.Key(ctx, prefix)
	switch {
	case errors.Is(err, errNotFound):
		return 0, who, fmt.Errorf("%w: there is no such key", errStranger)
	case err != nil:
		return 0, who, err
	case !door.SameHash(hash[:], k.Hash):
		return 0, who, fmt.Errorf("%w: wrong secret", errStranger)
	case !k.Valid(instantOf(now)):
		return 0, who, fmt.Errorf("%w: revoked or expired", errStranger)
	case len(k.AllowIP) > 0 && !k.AllowIP.Contain(from):
		return 0, who, fmt.Errorf("%w: not from this address", errStranger)
	}
	by.Actor, by.Owner = who, k.Owner
	if instantOf(now).Sub(k.UsedAt) > time.Minute {
		g.keys.UsedKey(prefix, instantOf(now))
	}
	return k.Scopes, who, nil
}

// credential is the key or token of a request: as a bearer token, as X-Api-Key, or as the password of basic authentication,
// which is what a browser asks for.
func credential(r *http.Request) string {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(rest)
	case strings.EqualFold(scheme, "Basic"):
		if _, password, ok := r.BasicAuth(); ok {
			return password
		}
		return rest
	case scheme != "":
		return scheme + " " + rest
	}
	return r.Header.Get("X-Api-Key")
}

// unauthorized is the answer 401. Only pages ask the browser for a password: programs would get a dialog they cannot answer.
func (g *gate) unauthorized(pattern, code, detail string) *problem {
	p := newProblem(http.StatusUnauthorized, code, detail)
	p.header = map[string]string{"WWW-Authenticate": `Bearer realm="teiki"`}
	if isPage(pattern) {
		p.header["WWW-Authenticate"] = `Basic realm="teiki, an API key as the password", charset="UTF-8"`
	}
	return p
}
