package egress

import "net/netip"

// refused are the networks that no call may reach unless an allow rule opens a part of them: where a server's own
// credentials can be had (cloud metadata), where there is no single peer, and the IPv6 ranges that hide an IPv4 address.
// Private networks and loopback are not in it: calling one's own services is what a scheduler is for.
//
// The table is ours because netip's predicates know only some of it.
var refused = []rule{
	builtin("0.0.0.0/8", "unspecified addresses"),
	builtin("169.254.0.0/16", "link-local addresses, cloud metadata"),
	builtin("168.63.129.16/32", "cloud metadata (Azure)"),
	builtin("100.100.100.200/32", "cloud metadata (Alibaba)"),
	builtin("192.0.0.0/24", "IETF protocol assignments, cloud metadata (Oracle)"),
	builtin("192.88.99.0/24", "6to4 relays"),
	builtin("224.0.0.0/4", "multicast"),
	builtin("240.0.0.0/4", "reserved addresses and broadcast"),
	builtin("::/128", "unspecified address"),
	builtin("::/96", "IPv4-compatible addresses"),
	builtin("::ffff:0:0:0/96", "IPv4-translated addresses"),
	builtin("64:ff9b:1::/48", "local NAT64"),
	builtin("100::/64", "discard-only addresses"),
	builtin("2001::/23", "IETF protocol assignments, Teredo"),
	builtin("2002::/16", "6to4"),
	builtin("3fff::/20", "documentation"),
	builtin("5f00::/16", "segment routing"),
	builtin("fe80::/10", "link-local addresses"),
	builtin("fec0::/10", "site-local addresses"),
	builtin("ff00::/8", "multicast"),
	builtin("fd00:ec2::/32", "cloud metadata (AWS)"),
	builtin("fd20:ce::/32", "cloud metadata (Google)"),
}

// nat64 is the well-known prefix of RFC 6052. Networks without IPv4 reach all of it that way, so what counts is the
// address inside.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

var loopback6 = netip.IPv6Loopback()

func builtin(prefix, what string) rule {
	return rule{text: prefix + " (" + what + ")", prefix: netip.MustParsePrefix(prefix)}
}

// inside is the IPv4 address that a NAT64 address stands for.
func inside(a netip.Addr) (netip.Addr, bool) {
	if !nat64.Contains(a) {
		return netip.Addr{}, false
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:])), true
}
