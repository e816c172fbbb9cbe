package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"teiki/internal/door"
)

// doorSettings are the rows of the settings table about who may come in.
func doorSettings() []setting {
	return []setting{
		{"auth", "RULE", "auto", "access control: auto (by API keys and -jwt-key where there are any; without them only a loopback address is served, and openly), required, or none",
			func(s *Settings, v string) error { return setChoice(&s.Auth, v, "auto", "required", "none") }},
		{"allow-ip", "NETWORKS", "", "networks and addresses that may use the API, with commas; empty = all",
			func(s *Settings, v string) error { return setNets(&s.AllowIP, v) }},
		{"trusted-proxies", "NETWORKS", "", "proxies whose X-Forwarded-For is believed",
			func(s *Settings, v string) error { return setNets(&s.TrustedProxies, v) }},
		{"allow-host", "NAMES", "", "names that the Host header may have, with commas; pages from them may use the API",
			func(s *Settings, v string) error { return setHosts(&s.AllowHosts, v) }},
		{"open-docs", "BOOL", "true", "the page, /docs and /openapi.json need no key",
			func(s *Settings, v string) error { return setBool(&s.OpenDocs, v) }},
		{"jwt-key", "FILE", "", "takes JSON Web Tokens signed with this key: a JWK set, public keys in PEM, or a shared secret",
			func(s *Settings, v string) error { s.JWTKey = v; return nil }},
		{"jwt-issuer", "TEXT", "", "issuer (iss) that tokens must have; empty = any",
			func(s *Settings, v string) error { s.JWTIssuer = v; return nil }},
		{"jwt-audience", "TEXT", "", "audience (aud) that tokens must have; empty = any",
			func(s *Settings, v string) error { s.JWTAudience = v; return nil }},
		{"jwt-leeway", "DURATION", "30s", "how far the clocks of issuer and server may differ",
			func(s *Settings, v string) error { return setDuration(&s.JWTLeeway, v, 0, time.Hour) }},
		{"jwt-owner-claim", "NAME", "sub", "claim with the owner",
			func(s *Settings, v string) error {
				return setText(&s.JWTOwnerClaim, v, "the name of a claim such as sub")
			}},
		{"jwt-scope-claim", "NAME", "scope", "claim with the scopes (read, run, write, admin), a list or a text with spaces",
			func(s *Settings, v string) error {
				return setText(&s.JWTScopeClaim, v, "the name of a claim such as scope")
			}},
		{"quota-jobs", "N", "0", "jobs that each owner may have; 0 = no limit",
			func(s *Settings, v string) error { return setInt(&s.QuotaJobs, v, 0, 1<<30) }},
		{"quota-runs", "RATE", "0", "runs per second that each owner may plan or ask for; 0 = no limit",
			func(s *Settings, v string) error { return setRate(&s.QuotaRuns, v) }},
		{"keep-audit", "DURATION", "365d", "how long the audit log is kept; 0 = for ever",
			func(s *Settings, v string) error { return setDuration(&s.KeepAudit, v, 0, 100*366*24*time.Hour) }},
	}
}

func setNets(p *door.Nets, v string) error {
	nets, err := door.ParseNets(v)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	*p = nets
	return nil
}

func setHosts(p *[]string, v string) error {
	*p = nil
	for _, h := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		if strings.ContainsAny(h, "/@?#*") {
			return fmt.Errorf("has %q, which is no host name: use for example teiki.example.com or teiki.example.com:8443", h)
		}
		if err := http.NewCrossOriginProtection().AddTrustedOrigin("http://" + h); err != nil {
			return fmt.Errorf("has %q, which is no host name: %w", h, err)
		}
		*p = append(*p, strings.ToLower(h))
	}
	return nil
}
