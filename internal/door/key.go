package door

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
)

// An API key reads teiki_PREFIX_SECRET: 12 characters that name it and may be shown and stored, and 256 random bits, which
// are shown once. What is stored of the secret is its SHA-256: of 256 random bits there is nothing that a slow hash would
// protect better.
const (
	keyMark      = "teiki_"
	prefixLength = 12
	secretBytes  = 32
)

var secretLength = base64.RawURLEncoding.EncodedLen(secretBytes)

// prefixAlphabet leaves out what is easily misread.
const prefixAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// NewKey makes a key: its text, which nobody can make again, the prefix that names it and the hash to store.
func NewKey() (text, prefix string, hash [sha256.Size]byte) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	name := make([]byte, 0, prefixLength)
	for len(name) < prefixLength {
		var b [1]byte
		_, _ = rand.Read(b[:])
		if int(b[0]) < len(prefixAlphabet)*8 { // without a bias for the first letters
			name = append(name, prefixAlphabet[int(b[0])%len(prefixAlphabet)])
		}
	}
	text = keyMark + string(name) + "_" + base64.RawURLEncoding.EncodeToString(secret)
	return text, string(name), sha256.Sum256([]byte(text))
}

// ErrNotKey says that a text does not have the form of an API key.
var ErrNotKey = errors.New("not an API key")

// ReadKey takes a presented key apart: the prefix to look it up by and the hash to compare with SameHash.
func ReadKey(text string) (prefix string, hash [sha256.Size]byte, err error) {
	rest, ok := strings.CutPrefix(text, keyMark)
	if !ok || len(rest) != prefixLength+1+secretLength || rest[prefixLength] != '_' || strings.Trim(rest[:prefixLength], prefixAlphabet) != "" {
		return "", hash, ErrNotKey
	}
	return rest[:prefixLength], sha256.Sum256([]byte(text)), nil
}

// IsKey tells whether a text claims to be an API key, well-formed or not.
func IsKey(text string) bool { return strings.HasPrefix(text, keyMark) }

// SameHash compares in constant time.
func SameHash(a, b []byte) bool {
	return len(a) == sha256.Size && subtle.ConstantTimeCompare(a, b) == 1
}
