// Package egress decides which addresses this process may connect to.
//
// The decision is made where it can't be talked round: in the dialer, on the address that the name resolved to, just
// before the connection is opened. What a URL looks like decides nothing but early, friendly refusals.
package egress

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Policy holds the rules. It is immutable and safe for concurrent use.
//
// A deny rule wins over everything. With allow rules given, only what one of them names may be reached. The refused ranges
// (see ranges.go) stay refused unless an allow rule names addresses inside them: neither a host name nor 0.0.0.0/0 opens
// the metadata service.
type Policy struct {
	allow, deny []rule
}

// rule is a network or a host, with an optional port. Without either host or prefix it is a port alone.
type rule struct {
	text   string
	prefix netip.Prefix
	host   string // lower case; with a leading dot: every name below it
	port   uint16 // 0 = any
}

// Denied is the refusal of a connection.
type Denied struct {
	Target string // what was to be reached: host:port
	Addr   string // what it resolved to, "" when the name was enough to refuse it
	Rule   string // the rule that did it
}

func (d *Denied) Error() string {
	if d.Addr != "" && d.Addr != d.Target {
		return fmt.Sprintf("%s resolves to %s, refused by %s", d.Target, d.Addr, d.Rule)
	}
	return fmt.Sprintf("%s is refused by %s", d.Target, d.Rule)
}

// New makes a policy from rules as the flags take them: a CIDR ("10.0.0.0/8"), an address, a host name, "*.example.com"
// for every name below, each with an optional ":port" (IPv6 in brackets then), or ":25" for a port of every address.
func New(allow, deny []string) (*Policy, error) {
	p := &Policy{}
	for _, s := range allow {
		r, err := parseRule(s)
		if err != nil {
			return nil, fmt.Errorf("egress-allow: %w", err)
		}
		r.text = "egress-allow " + s
		p.allow = append(p.allow, r)
	}
	for _, s := range deny {
		r, err := parseRule(s)
		if err != nil {
			return nil, fmt.Errorf("egress-deny: %w", err)
		}
		r.text = "egress-deny " + s
		p.deny = append(p.deny, r)
	}
	return p, nil
}

func parseRule(s string) (rule, error) {
	bad := func(why string) (rule, error) {
		return rule{}, fmt.Errorf("%q: %s; write a CIDR (10.0.0.0/8), an address, a host, *.example.com or :port, each but the last with an optional :port", s, why)
	}
	var r rule
	rest := strings.ToLower(strings.TrimSpace(s))
	if rest == "" {
		return bad("is empty")
	}
	if p, err := netip.ParsePrefix(rest); err == nil {
		r.prefix = unmapPrefix(p)
		return r, nil
	}
	if a, err := netip.ParseAddr(rest); err == nil {
		a = a.Unmap().WithZone("")
		r.prefix = netip.PrefixFrom(a, a.BitLen())
		return r, nil
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		n, err := strconv.ParseUint(rest[i+1:], 10, 16)
		if err != nil || n == 0 {
			return bad("has no port after the colon")
		}
		r.port, rest = uint16(n), rest[:i]
		if rest == "" || rest == "*" {
			return r, nil
		}
	}
	if strings.HasPrefix(rest, "[") && strings.Contains(rest, "]") { // [::1]:80, [fd00::]/8:80
		rest = strings.Replace(rest[1:], "]", "", 1)
	}
	if p, err := netip.ParsePrefix(rest); err == nil {
		r.prefix = unmapPrefix(p)
		return r, nil
	}
	if a, err := netip.ParseAddr(rest); err == nil {
		a = a.Unmap().WithZone("")
		r.prefix = netip.PrefixFrom(a, a.BitLen())
		return r, nil
	}
	if strings.Contains(rest, "/") {
		return bad("is not a network")
	}
	if strings.HasPrefix(rest, "*.") {
		rest = rest[1:]
	}
	name := strings.TrimSuffix(rest, ".")
	if strings.Trim(name, ".") == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return bad("is not a host name in ASCII")
	}
	r.host = name
	return r, nil
}

// unmapPrefix is the IPv4 form of a network that was written as IPv4-mapped IPv6, and p without host bits otherwise.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

func (r rule) matchHost(host string, port uint16) bool {
	if r.host == "" || r.port != 0 && r.port != port {
		return false
	}
	if strings.HasPrefix(r.host, ".") {
		return strings.HasSuffix(host, r.host)
	}
	return host == r.host
}

func (r rule) matchAddr(a netip.Addr, port uint16) bool {
	if r.host != "" || r.port != 0 && r.port != port {
		return false
	}
	return !r.prefix.IsValid() || r.prefix.Contains(a)
}

// CheckHost refuses by the name alone: deny rules for hosts, and ways of writing an IP address that only some resolvers
// take for one (decimal, octal, hexadecimal, shortened, IPv4 inside IPv6). A literal address is checked whole.
// host is a name or an IP address without brackets.
func (p *Policy) CheckHost(host string, port uint16) error {
	host = canonical(host)
	target := join(host, port)
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Is4In6() {
			return &Denied{Target: target, Rule: "the built-in rule on IPv4 addresses written as IPv6: write " + a.Unmap().String()}
		}
		return p.CheckAddr(host, netip.AddrPortFrom(a, port))
	}
	if numeric(host) {
		return &Denied{Target: target, Rule: "the built-in rule on numeric hosts: write the address as four decimal numbers (192.0.2.1)"}
	}
	for _, r := range p.deny {
		if r.matchHost(host, port) || r.host == "" && !r.prefix.IsValid() && r.port == port {
			return &Denied{Target: target, Rule: r.text}
		}
	}
	return nil
}

// CheckAddr decides on an address that host (the name before DNS) has resolved to. nil means that it may be reached.
func (p *Policy) CheckAddr(host string, ap netip.AddrPort) error {
	host = canonical(host)
	a, port := ap.Addr().Unmap().WithZone(""), ap.Port()
	v4, translated := inside(a)
	by := p.refusal(host, a, port)
	if by == "" && translated {
		by = p.refusal(host, v4, port)
	}
	if by == "" && len(p.allow) > 0 && !p.allowed(host, a, port) && !(translated && p.allowed(host, v4, port)) {
		by = "egress-allow: no rule there names it"
	}
	if by == "" {
		return nil
	}
	return &Denied{Target: join(host, port), Addr: netip.AddrPortFrom(a, port).String(), Rule: by}
}

// refusal is the rule that refuses an address, "" when none does.
func (p *Policy) refusal(host string, a netip.Addr, port uint16) string {
	for _, r := range p.deny {
		if r.matchHost(host, port) || r.matchAddr(a, port) {
			return r.text
		}
	}
	for _, r := range refused {
		if r.matchAddr(a, port) && a != loopback6 && !p.opens(r.prefix, a, port) {
			return "the built-in rule " + r.text
		}
	}
	return ""
}

func (p *Policy) allowed(host string, a netip.Addr, port uint16) bool {
	for _, r := range p.allow {
		if r.matchHost(host, port) || r.matchAddr(a, port) {
			return true
		}
	}
	return false
}

// opens tells whether an allow rule that lies within the refused range covers a.
func (p *Policy) opens(within netip.Prefix, a netip.Addr, port uint16) bool {
	for _, r := range p.allow {
		if r.prefix.IsValid() && r.matchAddr(a, port) && r.prefix.Bits() >= within.Bits() && within.Contains(r.prefix.Addr()) {
			return true
		}
	}
	return false
}

// canonical is a host as rules see it: lower case, without the root's dot.
func canonical(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// numeric tells whether a host that is no IP address would be taken for one by resolvers in C: its last label is a number.
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func join(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}
