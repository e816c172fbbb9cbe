package door

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		text, prefix, hash := NewKey()
		if seen[text] || seen[prefix] {
			t.Fatal("a key came twice")
		}
		seen[text], seen[prefix] = true, true
		p, h, err := ReadKey(text)
		if err != nil || p != prefix || !SameHash(h[:], hash[:]) {
			t.Fatalf("ReadKey(%q) = %q, %v", text, p, err)
		}
		secret := text[len(keyMark)+prefixLength+1:]
		if b, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(b) != 32 {
			t.Fatalf("the secret has %d bytes, want 256 bits", len(b))
		}
	}
	text, _, hash := NewKey()
	other := sha256.Sum256([]byte("x"))
	if SameHash(other[:], hash[:]) || SameHash(nil, nil) || SameHash(hash[:5], hash[:5]) {
		t.Error("SameHash holds unequal or short hashes for the same")
	}
	for _, bad := range []string{"", "teiki_", text[1:], text + "x", text[:len(text)-1], "teiki_ABCDEFGHIJKL_" + strings.Repeat("a", 43), strings.Replace(text, "_", "-", 2)} {
		if _, _, err := ReadKey(bad); err == nil {
			t.Errorf("ReadKey(%q) takes it", bad)
		}
	}
}

func TestScopes(t *testing.T) {
	s, err := ParseScopes([]string{"read", "run"})
	if err != nil || !s.Has(Read|Run) || s.Has(Write) || s.Has(Read|Write) || s.String() != "read,run" {
		t.Errorf("read,run: %v %v", s, err)
	}
	if !Admin.Has(Read | Run | Write) {
		t.Error("admin lacks a scope")
	}
	if _, err := ParseScopes([]string{"reed"}); err == nil || !strings.Contains(err.Error(), "read, run, write, admin") {
		t.Errorf("unknown scope: %v", err)
	}
}

func TestNets(t *testing.T) {
	nets, err := ParseNets("10.0.0.0/8, 192.0.2.7,2001:db8::/32 ::ffff:172.16.0.0/108")
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{"10.255.1.2": true, "11.0.0.1": false, "192.0.2.7": true, "192.0.2.8": false,
		"2001:db8::1": true, "2001:db9::1": false, "::ffff:10.1.1.1": true, "172.16.3.4": true, "172.32.0.1": false} {
		if got := nets.Contain(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
	if nets.String() != "10.0.0.0/8,192.0.2.7,2001:db8::/32,172.16.0.0/12" {
		t.Errorf("text form: %s", nets)
	}
	for _, bad := range []string{"10.0.0.1/8", "x", "10.0.0.0/33", "300.1.1.1", "fe80::1%eth0"} {
		if _, err := ParseNets(bad); err == nil {
			t.Errorf("ParseNets(%q) takes it", bad)
		}
	}
}

func TestClientAddress(t *testing.T) {
	trusted, _ := ParseNets("10.0.0.0/8")
	for _, c := range []struct {
		remote string
		xff    []string
		want   string
	}{
		{"203.0.113.9:5", []string{"198.51.100.1"}, "203.0.113.9"}, // not through a proxy: its claim counts for nothing
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"}, // the left part is the client's claim
		{"10.0.0.1:5", []string{"127.0.0.1", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"10.9.9.9, 10.0.0.2"}, "10.9.9.9"},
		{"10.0.0.1:5", []string{"198.51.100.1, nonsense, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:5", []string{"198.51.100.1:1234"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "198.51.100.1"},
	} {
		if got := ClientAddress(c.remote, c.xff, trusted); got.String() != c.want {
			t.Errorf("%s %q: %s, want %s", c.remote, c.xff, got, c.want)
		}
	}
}

func TestLimiter(t *testing.T) {
	l := &Limiter{Burst: 3, Refill: 10 * time.Second}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	now := time.Unix(1e9, 0)
	for range 3 {
		if l.Wait(a, now) != 0 {
			t.Fatal("refused too early")
		}
		l.Failed(a, now)
	}
	if w := l.Wait(a, now); w != 10*time.Second {
		t.Errorf("wait %v, want 10 s", w)
	}
	if l.Wait(b, now) != 0 {
		t.Error("one address pays for another")
	}
	if w := l.Wait(a, now.Add(9*time.Second)); w <= 0 || w > 1100*time.Millisecond {
		t.Errorf("wait after 9 s: %v", w)
	}
	if l.Wait(a, now.Add(10*time.Second)) != 0 {
		t.Error("still refused after the wait")
	}
	// One IPv6 host owns a /64.
	v6 := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	for i := range 3 {
		l.Failed(v6(fmt.Sprintf("2001:db8::%d", i+1)), now)
	}
	if l.Wait(v6("2001:db8::ffff:1"), now) == 0 || l.Wait(v6("2001:db8:0:1::1"), now) != 0 {
		t.Error("IPv6 is not counted by /64")
	}
	// A million addresses stay within the bound, and the attacker at work is not forgotten for them.
	for i := range 30_000 {
		l.Failed(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), now.Add(time.Duration(i)*time.Microsecond))
	}
	if len(l.known) > maxAddresses {
		t.Errorf("%d addresses are kept", len(l.known))
	}
}

func TestReadKeysRefuses(t *testing.T) {
	for name, file := range map[string]string{"empty": " \n", "short secret": "hunter2", "no keys": `{"keys":[]}`, "wrong key": `{"keys":[{"kty":"RSA"}]}`,
		"broken PEM": "-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----\n", "no block": "-----BEGIN nothing"} {
		if keys, err := ReadKeys([]byte(file)); err == nil {
			t.Errorf("%s: taken as %v", name, keys)
		}
	}
	keys, err := ReadKeys(append(bytes.Repeat([]byte("s"), 32), '\n'))
	if err != nil || len(keys[0].key.([]byte)) != 32 {
		t.Errorf("secret with a newline: %v %v", keys, err)
	}
}
