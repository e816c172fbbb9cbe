// Package webhook signs requests as Standard Webhooks says (standardwebhooks.com, symmetric signatures).
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

const prefix = "whsec_"

// ParseSecret reads a secret: "whsec_" and 24 to 64 bytes in base64. The error does not hold the secret.
func ParseSecret(s string) ([]byte, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return nil, errors.New(`a signing secret is "whsec_" followed by base64; make one with: echo whsec_$(openssl rand -base64 32)`)
	}
	key, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return nil, errors.New(`what follows "whsec_" is not base64`)
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a signing secret has 24 to 64 bytes, not " + strconv.Itoa(len(key)))
	}
	return key, nil
}

// Sign gives the value of webhook-signature: one "v1,…" per key, separated by spaces, so that the receiver may know either
// of two while they rotate. id must not contain a dot.
func Sign(id string, at time.Time, body []byte, keys ...[]byte) string {
	var b strings.Builder
	stamp := strconv.FormatInt(at.Unix(), 10)
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("v1,")
		b.WriteString(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return b.String()
}
