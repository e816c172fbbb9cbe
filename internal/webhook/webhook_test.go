package webhook

import (
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// TestAgainstUpstream: 10,000 random bodies, each signed by two keys while they rotate, are verified with either by the
// project's own library, and not with a third.
func TestAgainstUpstream(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	secret := func() string { return "whsec_" + base64.StdEncoding.EncodeToString(bytes(24+rnd.IntN(41))) }
	for i := range 10_000 {
		former, present, stranger := secret(), secret(), secret()
		var keys [][]byte
		for _, s := range []string{former, present} {
			key, err := ParseSecret(s)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		body, now, id := bytes(rnd.IntN(300)), time.Now(), "run-"+strconv.Itoa(i)
		h := http.Header{}
		h.Set(HeaderID, id)
		h.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
		h.Set(HeaderSignature, Sign(id, now, body, keys...))
		for _, s := range []string{former, present, stranger} {
			receiver, err := standardwebhooks.NewWebhook(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := receiver.Verify(body, h); (err == nil) == (s == stranger) {
				t.Fatalf("body %d: %v", i, err)
			}
		}
	}
}

func TestParseSecret(t *testing.T) {
	for _, s := range []string{"", "secret", "whsec_", "whsec_%%%", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		if _, err := ParseSecret(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}
