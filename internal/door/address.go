package door

import (
	"fmt"
	"net/netip"
	"strings"
)

// Nets is a list of networks.
type Nets []netip.Prefix

// ParseNets reads networks (10.0.0.0/8, 2001:db8::/32) and single addresses, separated by commas or spaces.
func ParseNets(text string) (Nets, error) {
	var nets Nets
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			nets = append(nets, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("must be networks and addresses such as 10.0.0.0/8 or 192.0.2.7, not %.60q", s)
		}
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return nil, fmt.Errorf("%.60q: write IPv4 networks as 10.0.0.0/8", s)
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("%q has bits beyond its length set: %q is the network, %s/%d the address alone", s, p.Masked(), p.Addr(), p.Addr().BitLen())
		}
		nets = append(nets, p)
	}
	return nets, nil
}

// Contain tells whether one of the networks has the address.
func (n Nets) Contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (n Nets) String() string {
	parts := make([]string, len(n))
	for i, p := range n {
		parts[i] = p.String()
		if p.IsSingleIP() {
			parts[i] = p.Addr().String()
		}
	}
	return strings.Join(parts, ",")
}

// ClientAddress is the address that a request came from. remote is the other end of the connection ("host:port"). Only when
// that is a trusted proxy do the X-Forwarded-For headers count, read from the right: the first address that is not a trusted
// proxy's is the client, because everything to its left is the client's own claim. An entry that is no address ends the
// reading: the client is then the nearest proxy known.
func ClientAddress(remote string, forwarded []string, trusted Nets) netip.Addr {
	at, ok := readAddress(remote)
	if !ok || !trusted.Contain(at) {
		return at
	}
	entries := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(entries) - 1; i >= 0; i-- {
		next, ok := readAddress(strings.TrimSpace(entries[i]))
		if !ok {
			return at
		}
		at = next
		if !trusted.Contain(at) {
			return at
		}
	}
	return at
}

// readAddress reads an address with or without port.
func readAddress(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}
