package egress

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// Dial connects to addr ("host:port") like d.DialContext, and refuses with a *Denied in the error's chain. Each address
// that the name resolves to is checked after DNS and before the connection is opened, so a name that changes its address
// between a check and the call (DNS rebinding) gains nothing.
func (p *Policy) Dial(ctx context.Context, d net.Dialer, network, addr string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	if err := p.CheckHost(host, uint16(n)); err != nil {
		return nil, err
	}
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return &Denied{Target: addr, Addr: address, Rule: "the built-in rule on addresses that can't be read"}
		}
		return p.CheckAddr(host, ap)
	}
	return d.DialContext(ctx, network, addr)
}

// CheckProxied decides on a target that a proxy will connect to: what this machine's resolver says of its name is checked,
// every address of it. A name that can't be resolved here is left to the proxy; the rules on names have been applied.
func (p *Policy) CheckProxied(ctx context.Context, r *net.Resolver, host string, port uint16) error {
	if err := p.CheckHost(host, port); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil // CheckHost has seen it
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		if len(p.allow) > 0 && !p.allowed(canonical(host), netip.Addr{}, port) {
			return &Denied{Target: join(host, port), Rule: "egress-allow: no rule there names it, and it can't be resolved here"}
		}
		return nil
	}
	for _, a := range addrs {
		if err := p.CheckAddr(host, netip.AddrPortFrom(a, port)); err != nil {
			return err
		}
	}
	return nil
}
