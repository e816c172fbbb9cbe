package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/net/http/httpproxy"

	"teiki/internal/egress"
)

// errEgressDenied is what explainEgress returns for a URL that calls may not reach.
var errEgressDenied = errors.New("egress_denied")

// explainEgress writes what the egress guard makes of a URL: the proxy, each address that its host has now, and the rule that
// refuses it. It connects to nothing. The error is errEgressDenied when no call could reach it, or says what is wrong with
// the URL, the rules or the name.
func explainEgress(w io.Writer, s *Settings, rawURL string) error {
	policy, err := egress.New(s.EgressAllow, s.EgressDeny)
	if err != nil {
		return err
	}
	u, _, wrong := parseTarget(rawURL)
	if wrong != "" {
		return fmt.Errorf("the URL %s", wrong)
	}
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	if err != nil {
		return err
	}
	host := u.Hostname()
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // a terminal: nothing to be done
	line("host     %s, port %d", host, port)
	if proxy, err := httpproxy.FromEnvironment().ProxyFunc()(u); err != nil {
		return err
	} else if proxy != nil {
		line("proxy    %s (from the environment; it resolves the name for itself)", proxy.Redacted())
	}
	if err := policy.CheckHost(host, uint16(port)); err != nil {
		line("refused  %v", err)
		return errEgressDenied
	}
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if addrs, err = resolver.LookupNetIP(ctx, "ip", host); err != nil {
			return err
		}
	}
	allowed := 0
	for _, a := range addrs {
		if err := policy.CheckAddr(host, netip.AddrPortFrom(a, uint16(port))); err != nil {
			line("refused  %v", err)
			continue
		}
		allowed++
		line("allowed  %s", netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	if allowed == 0 {
		return errEgressDenied
	}
	return nil
}
