package door

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Tokens judges JSON Web Tokens (RFC 7519) by keys that the server was given: nothing in a token (jku, x5u, jwk, x5c) makes
// it fetch or trust another. Its fields are set before use and never change.
type Tokens struct {
	Keys       []TokenKey
	Issuer     string // required iss, "" = any
	Audience   string // required among aud, "" = any
	Leeway     time.Duration
	OwnerClaim string // names the claim with the owner; default sub
	ScopeClaim string // names the claim with the scopes, a list or a text with spaces; default scope
	Now        func() time.Time
}

// TokenKey is one key that tokens may be signed with. The key decides the algorithms, never the token: an RSA key checks no
// HMAC.
type TokenKey struct {
	ID   string   // kid, "" = any token's
	Algs []string // algorithms that this key may check
	key  any      // as package jwt wants it
}

// Token is what a good token says.
type Token struct {
	Owner   string
	Scopes  Scopes
	Expires time.Time
}

// maxToken bounds what is looked at: a token that a browser or proxy would carry is shorter.
const maxToken = 16 << 10

// ErrToken is in every error of Check; the rest of the text says why, for the log and the audit, not for the caller.
var ErrToken = errors.New("bad token")

// Check verifies signature, expiry (required), not-before, issuer and audience of a token, and reads owner and scopes.
func (t *Tokens) Check(text string) (*Token, error) {
	if len(text) > maxToken {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrToken, maxToken)
	}
	if strings.Count(text, ".") != 2 {
		return nil, fmt.Errorf("%w: it has not three parts", ErrToken)
	}
	var algs []string
	for _, k := range t.Keys {
		algs = append(algs, k.Algs...)
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(algs), jwt.WithExpirationRequired(), jwt.WithLeeway(t.Leeway),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(t.now)}
	if t.Issuer != "" {
		options = append(options, jwt.WithIssuer(t.Issuer))
	}
	if t.Audience != "" {
		options = append(options, jwt.WithAudience(t.Audience))
	}
	claims := jwt.MapClaims{}
	if _, err := jwt.NewParser(options...).ParseWithClaims(text, claims, t.keyOf); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return t.read(claims)
}

func (t *Tokens) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// keyOf gives the keys that may have signed the token: of its kid, if it names one, and of its algorithm in any case.
func (t *Tokens) keyOf(token *jwt.Token) (any, error) {
	if crit, ok := token.Header["crit"]; ok {
		return nil, fmt.Errorf("it demands extensions that are not known: %.100v", crit)
	}
	kid, _ := token.Header["kid"].(string)
	var set jwt.VerificationKeySet
	for _, k := range t.Keys {
		if slices.Contains(k.Algs, token.Method.Alg()) && (kid == "" || k.ID == "" || k.ID == kid) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	if len(set.Keys) == 0 {
		return nil, fmt.Errorf("no key for kid %.100q and alg %s", kid, token.Method.Alg())
	}
	return set, nil
}

func (t *Tokens) read(claims jwt.MapClaims) (*Token, error) {
	ownerClaim, scopeClaim := "sub", "scope"
	if t.OwnerClaim != "" {
		ownerClaim = t.OwnerClaim
	}
	if t.ScopeClaim != "" {
		scopeClaim = t.ScopeClaim
	}
	owner, _ := claims[ownerClaim].(string)
	if owner == "" || CheckOwner(owner) != nil {
		return nil, fmt.Errorf("%w: its claim %s is no owner: %w", ErrToken, ownerClaim, CheckOwner(owner))
	}
	var names []string
	switch v := claims[scopeClaim].(type) {
	case string:
		names = strings.Fields(v)
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				names = append(names, s)
			}
		}
	}
	out := &Token{Owner: owner}
	for _, n := range names { // a token may carry other services' scopes too
		n = strings.TrimPrefix(n, "teiki:")
		if s, err := ParseScopes([]string{n}); err == nil {
			out.Scopes |= s
		}
	}
	if exp, err := claims.GetExpirationTime(); err == nil && exp != nil {
		out.Expires = exp.Time
	}
	return out, nil
}

// CheckOwner tells what is wrong with an owner's name. Addresses, account names and URNs are fine.
func CheckOwner(s string) error {
	if s == "" || len(s) > 200 {
		return errors.New("must have 1 to 200 characters")
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f || r == ',' || r == 0xfffd {
			return fmt.Errorf("must not contain %q: no spaces, commas or control characters", r)
		}
	}
	return nil
}

// algorithms are those that a public key may check.
func algorithms(key any) ([]string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, fmt.Errorf("the RSA key has %d bits; at least 2048 are needed", k.N.BitLen())
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		return []string{map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]}, nil
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	case []byte:
		if len(k) < 32 {
			return nil, fmt.Errorf("the shared secret has %d bytes; at least 32 are needed for HS256", len(k))
		}
		return []string{"HS256", "HS384", "HS512"}, nil
	}
	return nil, fmt.Errorf("keys of type %T check no tokens", key)
}

// publicOf is the public part of a private key, and any other key itself.
func publicOf(key any) any {
	if k, ok := key.(crypto.Signer); ok {
		return k.Public()
	}
	return key
}

// isJSONObject tells a JWKS from a PEM or a secret.
func isJSONObject(b []byte) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal(b, &m) == nil
}
