package door

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

var at = time.Unix(1_800_000_000, 0)

func good() jwt.MapClaims {
	return jwt.MapClaims{"iss": "https://id.example.com", "aud": "teiki", "sub": "alice", "scope": "read run openid teiki:write", "exp": at.Unix() + 600, "iat": at.Unix()}
}

func with(change jwt.MapClaims) jwt.MapClaims {
	c := good()
	maps.Copy(c, change)
	for k, v := range change {
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publicPEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func tokens(t *testing.T, file []byte) *Tokens {
	t.Helper()
	keys, err := ReadKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	return &Tokens{Keys: keys, Issuer: "https://id.example.com", Audience: "teiki", Leeway: 30 * time.Second, Now: func() time.Time { return at }}
}

func TestGoodTokens(t *testing.T) {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	edPublic, ed, _ := ed25519.GenerateKey(rand.Reader)
	secret := []byte("0123456789abcdef0123456789abcdef")
	var set []json.RawMessage
	for kid, key := range map[string]any{"r": rsaKey.Public(), "e": p256.Public(), "d": edPublic} {
		jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(jwk.Marshal())
		set = append(set, raw)
	}
	jwks, _ := json.Marshal(map[string]any{"keys": set})
	kid := func(s string) map[string]any { return map[string]any{"kid": s} }
	for name, c := range map[string]struct {
		file   []byte
		method jwt.SigningMethod
		key    any
		header map[string]any
	}{
		"HS256": {secret, jwt.SigningMethodHS256, secret, nil}, "RS256": {publicPEM(t, rsaKey.Public()), jwt.SigningMethodRS256, rsaKey, nil},
		"PS256": {publicPEM(t, rsaKey.Public()), jwt.SigningMethodPS256, rsaKey, nil}, "ES256": {publicPEM(t, p256.Public()), jwt.SigningMethodES256, p256, nil},
		"ES384": {publicPEM(t, p384.Public()), jwt.SigningMethodES384, p384, kid("unknown to a PEM")}, "EdDSA": {publicPEM(t, edPublic), jwt.SigningMethodEdDSA, ed, nil},
		"JWKS RSA": {jwks, jwt.SigningMethodRS256, rsaKey, kid("r")}, "JWKS EC": {jwks, jwt.SigningMethodES256, p256, kid("e")},
		"JWKS Ed": {jwks, jwt.SigningMethodEdDSA, ed, kid("d")}, "JWKS without kid": {jwks, jwt.SigningMethodES256, p256, nil},
	} {
		tok, err := tokens(t, c.file).Check(sign(t, c.method, c.key, good(), c.header))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if tok.Owner != "alice" || tok.Scopes != Read|Run|Write || tok.Expires.Unix() != at.Unix()+600 {
			t.Errorf("%s: %+v", name, tok)
		}
	}
	v := tokens(t, secret)
	v.OwnerClaim, v.ScopeClaim = "team", "roles"
	tok, err := v.Check(sign(t, jwt.SigningMethodHS256, secret, with(jwt.MapClaims{"team": "ops", "roles": []string{"admin"}}), nil))
	if err != nil || tok.Owner != "ops" || tok.Scopes != Admin {
		t.Errorf("other claims: %+v %v", tok, err)
	}
	if _, err := tokens(t, secret).Check(sign(t, jwt.SigningMethodHS256, secret, with(jwt.MapClaims{"exp": at.Unix() - 20}), nil)); err != nil {
		t.Errorf("expired within the leeway: %v", err)
	}
}

// TestBadTokens is S7: each is refused, in less than 10 ms.
func TestBadTokens(t *testing.T) {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	otherRSA, _ := rsa.GenerateKey(rand.Reader, 2048)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	public := publicPEM(t, rsaKey.Public())
	check := tokens(t, public)
	rs := func(c jwt.MapClaims, h map[string]any) string { return sign(t, jwt.SigningMethodRS256, rsaKey, c, h) }
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	parts := strings.Split(rs(good(), nil), ".")
	none := func(alg string) string { return b64(fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, alg)) + "." + parts[1] + "." }
	der, _ := x509.MarshalPKIXPublicKey(rsaKey.Public())
	signedByOther := func(header map[string]any) string { return sign(t, jwt.SigningMethodRS256, otherRSA, good(), header) }
	jwkOfOther, _ := jwkset.NewJWKFromKey(otherRSA.Public(), jwkset.JWKOptions{})
	bad := map[string]string{
		"nothing": "", "dots": "..", "one part": "abc", "a megabyte of dots": strings.Repeat(".", 1<<20), "dots below the limit": strings.Repeat(".", 16000),
		"four parts": strings.Join(parts, ".") + ".x", "no signature": parts[0] + "." + parts[1] + ".", "other payload": parts[0] + "." + b64(`{"sub":"root","exp":9999999999}`) + "." + parts[2],
		"cut signature": strings.Join(parts, ".")[:len(strings.Join(parts, "."))-8], "padding": strings.Join(parts, ".") + "=", "long": parts[0] + "." + strings.Repeat("A", 1<<20) + "." + parts[2],
		"alg none": none("none"), "alg None": none("None"), "alg NONE": none("NONE"), "alg empty": none(""), "alg of nobody": none("RS1"),
		"HMAC with the PEM":        sign(t, jwt.SigningMethodHS256, public, good(), nil),
		"HMAC with the DER":        sign(t, jwt.SigningMethodHS256, der, good(), nil),
		"HMAC with an empty key":   sign(t, jwt.SigningMethodHS256, []byte{}, good(), nil),
		"another type of key":      sign(t, jwt.SigningMethodES256, ec, good(), nil),
		"another key":              signedByOther(nil),
		"jku":                      signedByOther(map[string]any{"jku": "http://127.0.0.1:1/jwks.json"}),
		"x5u":                      signedByOther(map[string]any{"x5u": "http://127.0.0.1:1/cert.pem"}),
		"jwk in the header":        signedByOther(map[string]any{"jwk": jwkOfOther.Marshal()}),
		"kid as a path":            signedByOther(map[string]any{"kid": "../../../../dev/null"}),
		"kid as a number":          signedByOther(map[string]any{"kid": 7}),
		"crit":                     rs(good(), map[string]any{"crit": []string{"b64"}, "b64": false}),
		"wrong issuer":             rs(with(jwt.MapClaims{"iss": "https://evil.example.com"}), nil),
		"no issuer":                rs(with(jwt.MapClaims{"iss": nil}), nil),
		"wrong audience":           rs(with(jwt.MapClaims{"aud": "billing"}), nil),
		"no audience":              rs(with(jwt.MapClaims{"aud": nil}), nil),
		"expired":                  rs(with(jwt.MapClaims{"exp": at.Unix() - 31}), nil),
		"no expiry":                rs(with(jwt.MapClaims{"exp": nil}), nil),
		"expiry as a text":         rs(with(jwt.MapClaims{"exp": "tomorrow"}), nil),
		"not yet":                  rs(with(jwt.MapClaims{"nbf": at.Unix() + 60}), nil),
		"no subject":               rs(with(jwt.MapClaims{"sub": nil}), nil),
		"subject as a list":        rs(with(jwt.MapClaims{"sub": []string{"alice"}}), nil),
		"subject with a line feed": rs(with(jwt.MapClaims{"sub": "alice\nbob"}), nil),
		"a nested bomb":            b64(`{"alg":"RS256","x":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`)[:15000] + "." + parts[1] + "." + parts[2],
	}
	if len(bad) < 30 {
		t.Fatalf("only %d tokens", len(bad))
	}
	for name, token := range bad {
		began := time.Now()
		tok, err := check.Check(token)
		if err == nil || !errors.Is(err, ErrToken) {
			t.Errorf("%s: %+v, %v", name, tok, err)
		}
		if took := time.Since(began); took > 10*time.Millisecond {
			t.Errorf("%s took %v", name, took)
		}
	}
	if _, err := check.Check(rs(good(), nil)); err != nil {
		t.Errorf("the good one among them: %v", err)
	}
}
