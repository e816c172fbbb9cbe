package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestAttempts: what goes into the database comes out again, whatever it is, and takes little space.
func TestAttempts(t *testing.T) {
	days := 40
	usual := fillAttempt(instant(1_763_900_000_123_456))
	list := []Attempt{usual,
		{Attempt: 2, StartedAt: usual.StartedAt, Error: "connect", Reason: "refused", Detail: "a \"quoted\" <detail> & more ü\u2028"},
		{Attempt: 7, StartedAt: usual.StartedAt, DurationMS: 1.5, HTTPStatus: 500, Reason: "http_status",
			Response: &Response{ContentType: "text/html", Length: 5000, Truncated: true, Excerpt: "<html>", Location: "http://x/"},
			Timings:  &Timings{DNS: 1, Connect: 2, TLS: 3, FirstByte: 4, Total: 5},
			Remote:   &Remote{Address: "[::1]:443", Protocol: "HTTP/2.0", TLSVersion: "TLS 1.3", CertExpiresDays: &days}},
		{Attempt: 8, StartedAt: usual.StartedAt, Response: &Response{}, Timings: &Timings{}, Remote: &Remote{}, OK: true},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 500 { // all combinations of what makes a hash superfluous
		text := strings.Repeat("x", random.IntN(3))
		r := &Response{Length: int64(random.IntN(3)), Excerpt: text, Binary: random.IntN(4) == 0, Truncated: random.IntN(4) == 0, SHA256: hashText("x")}
		if random.IntN(2) == 0 {
			r.SHA256 = hashText(text)
		}
		list = append(list, Attempt{Attempt: 9 + i, StartedAt: usual.StartedAt, Response: r})
	}
	var texts []string
	for i := range list {
		texts = append(texts, attemptText(&list[i]))
	}
	got, err := parseAttempts("[" + strings.Join(texts, ",") + "]")
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if !reflect.DeepEqual(got[i], list[i]) {
			a, _ := json.Marshal(list[i])
			b, _ := json.Marshal(got[i])
			t.Errorf("%s became %s, kept as %s", a, b, texts[i])
		}
	}
	if n := len(texts[0]); n > 180 {
		t.Errorf("a usual attempt takes %d bytes: %s", n, texts[0])
	}

	broken := Attempt{Attempt: 3, StartedAt: time.Unix(0, 0), DurationMS: math.NaN(), HTTPStatus: 200, OK: true}
	got, err = parseAttempts(fmt.Sprint("[", attemptText(&broken), "]"))
	if err != nil || !got[0].OK || got[0].Attempt != 3 || !strings.Contains(got[0].Detail, "NaN") {
		t.Errorf("%+v, %v", got, err)
	}
	if none, err := parseAttempts(""); none != nil || err != nil {
		t.Error(none, err)
	}
	if _, err := parseAttempts("{"); err == nil {
		t.Error("nonsense has no error")
	}
}
