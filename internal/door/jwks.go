package door

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// ReadKeys reads the contents of a key file: a JWK set (RFC 7517), public keys or certificates in PEM, or, when it is neither,
// the shared secret of HMAC algorithms (one newline at its end is not part of it).
func ReadKeys(file []byte) ([]TokenKey, error) {
	switch {
	case len(bytes.TrimSpace(file)) == 0:
		return nil, errors.New("the file is empty")
	case isJSONObject(file):
		return readSet(file)
	case bytes.Contains(file, []byte("-----BEGIN ")):
		return readPEM(file)
	}
	secret := bytes.TrimSuffix(bytes.TrimSuffix(file, []byte("\n")), []byte("\r"))
	algs, err := algorithms(secret)
	if err != nil {
		return nil, fmt.Errorf("neither a JWK set nor PEM, and as a shared secret: %w", err)
	}
	return []TokenKey{{Algs: algs, key: secret}}, nil
}

func readPEM(file []byte) (keys []TokenKey, err error) {
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			break
		}
		var key any
		if block.Type == "CERTIFICATE" {
			cert, err := jwkset.LoadCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("certificate: %w", err)
			}
			key = cert.PublicKey
		} else if key, err = jwkset.LoadX509KeyInfer(block); err != nil {
			return nil, fmt.Errorf("PEM block %q: %w", block.Type, err)
		}
		key = publicOf(key)
		algs, err := algorithms(key)
		if err != nil {
			return nil, err
		}
		keys = append(keys, TokenKey{Algs: algs, key: key})
	}
	if len(keys) == 0 {
		return nil, errors.New("no PEM block in it could be read")
	}
	return keys, nil
}

func readSet(file []byte) ([]TokenKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(file, &set); err != nil || len(set.Keys) == 0 {
		return nil, errors.New(`a JWK set is a JSON object with a list of at least one key: {"keys": [...]}`)
	}
	var keys []TokenKey
	for i, raw := range set.Keys {
		// No GetX5U: nothing is fetched.
		jwk, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		m := jwk.Marshal()
		if m.USE == jwkset.UseEnc {
			continue
		}
		key := publicOf(jwk.Key())
		algs, err := algorithms(key)
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		if m.ALG != "" {
			if !slices.Contains(algs, string(m.ALG)) {
				return nil, fmt.Errorf("keys[%d]: its alg %q does not fit its type", i, m.ALG)
			}
			algs = []string{string(m.ALG)}
		}
		keys = append(keys, TokenKey{ID: m.KID, Algs: algs, key: key})
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWK set has no key for signatures")
	}
	return keys, nil
}
