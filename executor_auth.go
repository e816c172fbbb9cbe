package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"

	"teiki/internal/template"
)

// auth is how a job's calls identify themselves, compiled: basic (first and second), bearer (first) or oauth2.
type auth struct {
	first, second *template.Template
	oauth2        *oauth2Auth
}

type oauth2Auth struct {
	definition   *OAuth2Auth
	clientID     *template.Template
	clientSecret *template.Template
}

func (c *compiler) auth(d *Definition) {
	p := c.p
	if p.header["Authorization"] != nil || hasHeader(p.headers, "Authorization") {
		if d.Auth != nil {
			c.fault("auth", "and the header Authorization say two things: give one of them")
		}
	}
	if p.target != nil && (p.target.user != nil || strings.Contains(blankUser(d.TargetURL), "@")) && (d.Auth != nil || p.header["Authorization"] != nil || hasHeader(p.headers, "Authorization")) {
		c.fault("target_url", "holds credentials (user:password@) besides auth or the header Authorization: give one of them")
	}
	if d.Auth == nil {
		return
	}
	a := &auth{}
	given := 0
	if b := d.Auth.Basic; b != nil {
		given++
		a.first, a.second = c.text("auth.basic.username", b.Username), c.text("auth.basic.password", b.Password)
		if strings.Contains(b.Username, ":") {
			c.fault("auth.basic.username", "holds a colon, which RFC 7617 does not allow")
		}
	}
	if d.Auth.Bearer != "" {
		given++
		a.first = c.text("auth.bearer", d.Auth.Bearer)
	}
	if o := d.Auth.OAuth2; o != nil {
		given++
		a.oauth2 = &oauth2Auth{o, c.text("auth.oauth2.client_id", o.ClientID), c.text("auth.oauth2.client_secret", o.ClientSecret)}
		if _, user, wrong := parseTarget(o.TokenURL); wrong != "" {
			c.fault("auth.oauth2.token_url", "%s", wrong)
		} else if user != nil {
			c.fault("auth.oauth2.token_url", "holds credentials; put them into client_id and client_secret")
		}
		if o.ClientID == "" {
			c.fault("auth.oauth2.client_id", "is required")
		}
	}
	if given != 1 {
		c.fault("auth", "must be exactly one of basic, bearer and oauth2")
	}
	p.auth = a
}

func hasHeader(list []headerTemplate, name string) bool {
	for _, h := range list {
		if h.name == name {
			return true
		}
	}
	return false
}

// blankUser is the authority of a URL text, as written.
func blankUser(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

const (
	maxTokens    = 1000
	tokenTimeout = 30 * time.Second
	// tokenMargin: a token that is about to end is not sent.
	tokenMargin = 10 * time.Second
)

// tokenCache keeps OAuth2 tokens until they end. Attempts that need the same new token wait for one request.
type tokenCache struct {
	client *http.Client
	tokens *cache[[sha256.Size]byte, *oauth2.Token]
	flight singleflight.Group
}

func newTokenCache(e *Executor) *tokenCache {
	return &tokenCache{
		client: &http.Client{
			Transport: e.transport,
			Timeout:   tokenTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return errors.New("the token endpoint redirects, which is refused")
			},
		},
		tokens: newCache[[sha256.Size]byte, *oauth2.Token](maxTokens),
	}
}

// tokenKey is the identity of a token: no secret stays in memory as a key.
func tokenKey(o *OAuth2Auth, id, secret string) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", o.TokenURL, id, secret, o.Scopes, o.Audience))
}

// get gives a token, and the values that must not be shown. The errors are *failure or ctx's.
func (c *tokenCache) get(ctx context.Context, a *oauth2Auth, vars *template.Vars) (token string, hidden []string, err error) {
	id, err := a.clientID.Append(nil, vars, nil)
	if err != nil {
		return "", nil, err
	}
	secret, err := a.clientSecret.Append(nil, vars, nil)
	if err != nil {
		return "", nil, err
	}
	o := a.definition
	key := tokenKey(o, string(id), string(secret))
	if t, ok := c.tokens.get(key); ok && fresh(t) {
		return t.AccessToken, []string{t.AccessToken}, nil
	}
	done := c.flight.DoChan(string(key[:]), func() (any, error) {
		config := clientcredentials.Config{ClientID: string(id), ClientSecret: string(secret), TokenURL: o.TokenURL, Scopes: o.Scopes}
		if o.Audience != "" {
			config.EndpointParams = map[string][]string{"audience": {o.Audience}}
		}
		// Its own ctx: the attempt that asked first may end before the others. The client's Timeout bounds it.
		t, err := config.Token(context.WithValue(context.Background(), oauth2.HTTPClient, c.client))
		if err != nil {
			return nil, err
		}
		c.tokens.put(key, t, 1)
		return t, nil
	})
	select {
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	case r := <-done:
		if r.Err != nil {
			return "", nil, tokenFailure(ctx, r.Err)
		}
		t := r.Val.(*oauth2.Token)
		return t.AccessToken, []string{t.AccessToken}, nil
	}
}

func fresh(t *oauth2.Token) bool {
	return t.Expiry.IsZero() || time.Until(t.Expiry) > tokenMargin
}

// tokenFailure: a refused address stays what it is; everything else is class auth.
func tokenFailure(ctx context.Context, err error) *failure {
	if f := classify(ctx, err); f.class == classEgress {
		return f
	}
	return &failure{classAuth, classAuth, "no token from auth.oauth2.token_url: " + err.Error()}
}

// forget drops a token that the target has refused (401): the next attempt asks for a new one.
func (c *tokenCache) forget(token string) {
	c.tokens.removeIf(func(t *oauth2.Token) bool { return t.AccessToken == token })
}
