package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func policy(t *testing.T, allow, deny string) *Policy {
	t.Helper()
	p, err := New(strings.Fields(allow), strings.Fields(deny))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		allow, deny string
		refused     string // addresses
		permitted   string
	}{
		{"", "",
			`0.0.0.0 0.1.2.3 169.254.0.1 169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192 192.0.0.1
			 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 :: ::2 ::7f00:1 ::a9fe:a9fe ::ffff:169.254.169.254 ::ffff:0.0.0.0
			 ::ffff:0:169.254.169.254 64:ff9b::169.254.169.254 64:ff9b::224.0.0.1 64:ff9b:1::1 2001::1 2001:0:a9fe:a9fe::1
			 2002:a9fe:a9fe:: 2002:7f00:1:: fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 fd00:ec2::254 fd20:ce::254 100::1`,
			`127.0.0.1 127.255.255.254 ::1 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 8.8.8.8 ::ffff:10.0.0.1 ::ffff:127.0.0.1
			 fd00::1 fd12:3456::1 2606:4700::1 64:ff9b::8.8.8.8 168.63.129.17 192.0.2.1`},
		{"", "10.0.0.0/8 127.0.0.1 [fd00::]/8:443 :25", "10.1.2.3:80 127.0.0.1:80 [fd00::1]:443 8.8.8.8:25 ::ffff:10.0.0.1 64:ff9b::10.0.0.1",
			"127.0.0.2 11.0.0.1 [fd00::1]:80 8.8.8.8:26 ::1"},
		{"10.0.0.0/8:443 192.168.1.1 [::1]:80", "", "10.0.0.1:80 192.168.1.2 8.8.8.8 ::1 169.254.169.254 127.0.0.1", "10.0.0.1:443 192.168.1.1 [::1]:80"},
		{"0.0.0.0/0 ::/0", "", "169.254.169.254 ff02::1 fe80::1 0.0.0.0 64:ff9b::169.254.169.254", "8.8.8.8 10.0.0.1 2606::1"},
		{"169.254.169.254:80 0.0.0.0/0", "", "169.254.169.254:443 169.254.169.253:80", "169.254.169.254:80 8.8.8.8"},
		{"169.254.169.254", "169.254.0.0/16", "169.254.169.254", ""},
		{"host.test", "", "169.254.169.254 64:ff9b::169.254.169.254", "8.8.8.8 10.0.0.1"},
		{"*.test", "", "169.254.169.254", "8.8.8.8"},
		{"other.test", "", "8.8.8.8", ""},
		{"", "host.test", "8.8.8.8 127.0.0.1", ""},
		{"", "*.test:443", "8.8.8.8:443", "8.8.8.8:80"},
	} {
		p := policy(t, test.allow, test.deny)
		check := func(list string, refused bool) {
			for _, s := range strings.Fields(list) {
				ap, err := netip.ParseAddrPort(s)
				if err != nil {
					ap = netip.AddrPortFrom(netip.MustParseAddr(s), 8080)
				}
				err = p.CheckAddr("Host.Test.", ap)
				var denied *Denied
				if refused != errors.As(err, &denied) {
					t.Errorf("allow %q deny %q: %s: %v", test.allow, test.deny, s, err)
				}
				if denied != nil && (denied.Rule == "" || !strings.Contains(err.Error(), denied.Rule)) {
					t.Errorf("%s: no rule in %q", s, err)
				}
			}
		}
		check(test.refused, true)
		check(test.permitted, false)
	}
}

func TestHosts(t *testing.T) {
	p := policy(t, "", "evil.test *.bad.test:443 :6379")
	for _, h := range strings.Fields(`2130706433 0x7f000001 0177.0.0.1 127.1 127.0.1 0x7f.1 017700000001 127.0.0.0x1 1.2.3.4.5 0xa9fea9fe 2852039166
		169.254.169.254 ::ffff:127.0.0.1 ::ffff:8.8.8.8 fe80::1 evil.test EVIL.test. a.bad.test b.a.bad.test 0 00 0x`) {
		if p.CheckHost(h, 443) == nil {
			t.Errorf("%s is not refused", h)
		}
	}
	for _, h := range strings.Fields("localhost example.com 127.0.0.1 ::1 8.8.8.8 bad.test a.bad.testing 1.example 0x7f.example notevil.test") {
		if err := p.CheckHost(h, 443); err != nil {
			t.Errorf("%s: %v", h, err)
		}
	}
	if p.CheckHost("a.bad.test", 80) != nil || p.CheckHost("redis.example", 6379) == nil {
		t.Error("ports of rules")
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	for _, s := range []string{"", " ", "10.0.0.0/33", "10.0.0.0/8/9", "host:", "host:0", "host:99999", "http://x", "a*b", "*", "host/8", "[::1", "user@host"} {
		if _, err := New([]string{s}, nil); err == nil || !strings.Contains(err.Error(), "egress-allow") {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := New(nil, []string{s}); err == nil || !strings.Contains(err.Error(), "egress-deny") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestDialChecksWhatTheNameResolvesTo: the address that DNS gives decides, with real sockets.
func TestDialChecksWhatTheNameResolvesTo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()

	conn, err := policy(t, "", "").Dial(ctx, net.Dialer{}, "tcp", join("localhost", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	var denied *Denied
	_, err = policy(t, "", "127.0.0.0/8 ::1").Dial(ctx, net.Dialer{}, "tcp", join("localhost", port))
	if !errors.As(err, &denied) || denied.Target != join("localhost", port) || !strings.Contains(denied.Rule, "egress-deny") {
		t.Errorf("a name that resolves to a denied address: %v", err)
	}
	if _, err = policy(t, "10.0.0.0/8", "").Dial(ctx, net.Dialer{}, "tcp", join("127.0.0.1", port)); !errors.As(err, &denied) {
		t.Errorf("outside of the allowed network: %v", err)
	}
}

func TestProxiedTargets(t *testing.T) {
	ctx := t.Context()
	p := policy(t, "", "127.0.0.0/8 ::1")
	if p.CheckProxied(ctx, net.DefaultResolver, "localhost", 80) == nil {
		t.Error("a name that resolves to a denied address")
	}
	if p.CheckProxied(ctx, net.DefaultResolver, "169.254.169.254", 80) == nil || p.CheckProxied(ctx, net.DefaultResolver, "2852039166", 80) == nil {
		t.Error("a denied address")
	}
	if err := p.CheckProxied(ctx, net.DefaultResolver, "8.8.8.8", 80); err != nil {
		t.Error(err)
	}
	only := policy(t, "api.test", "")
	unresolved := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no DNS here") }}
	if err := only.CheckProxied(ctx, unresolved, "api.test", 443); err != nil {
		t.Errorf("an allowed name that only the proxy can resolve: %v", err)
	}
	if only.CheckProxied(ctx, unresolved, "other.test", 443) == nil {
		t.Error("a name that is not allowed and can't be resolved here")
	}
}
