package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"teiki/internal/door"
)

// routeScopes say what each operation needs. A route that is missing here needs admin; a test finds it.
var routeScopes = map[string]door.Scopes{
	"POST /jobs":                                     door.Write,
	"GET /jobs":                                      door.Read,
	"POST /jobs/bulk":                                door.Read, // and what the action needs
	"GET /jobs/{job_id}":                             door.Read,
	"PUT /jobs/{job_id}":                             door.Write,
	"PATCH /jobs/{job_id}":                           door.Write,
	"DELETE /jobs/{job_id}":                          door.Write,
	"POST /jobs/{job_id}/pause":                      door.Write,
	"POST /jobs/{job_id}/resume":                     door.Write,
	"POST /jobs/{job_id}/run":                        door.Run,
	"POST /jobs/{job_id}/test":                       door.Run,
	"POST /jobs/test":                                door.Write, // it calls whatever its body says
	"POST /jobs/{job_id}/backfill":                   door.Run,
	"GET /jobs/{job_id}/runs":                        door.Read,
	"GET /jobs/{job_id}/versions":                    door.Read,
	"POST /jobs/{job_id}/versions/{version}/restore": door.Write,
	"GET /runs":                                      door.Read,
	"GET /runs/{run_id}":                             door.Read,
	"POST /runs/{run_id}/rerun":                      door.Run,
	"POST /runs/{run_id}/cancel":                     door.Run,
	"POST /schedules/preview":                        door.Read,
	"GET /events":                                    door.Read,
	"GET /export":                                    door.Read,
	"POST /import":                                   door.Write,
	"GET /keys":                                      door.Admin,
	"POST /keys":                                     door.Admin,
	"DELETE /keys/{prefix}":                          door.Admin,
	"GET /audit":                                     door.Read,
	"GET /ledger":                                    door.Admin,
	"GET /metrics":                                   door.Read,
	"GET /healthz":                                   0,
	"GET /readyz":                                    0,
	"GET /openapi.json":                              0,
	"GET /docs":                                      0,
	"GET /docs/{file}":                               0,
	"GET /{$}":                                       0,
}

// isProbe tells whether an operation is one of the two that a load balancer asks.
func isProbe(pattern string) bool { return pattern == "GET /healthz" || pattern == "GET /readyz" }

// isOpenRoute tells whether an operation needs no credential at all: probes, and, as configured, the documentation.
func isOpenRoute(pattern string, openDocs bool) bool {
	switch pattern {
	case "GET /openapi.json", "GET /{$}":
		return openDocs
	}
	return isProbe(pattern) || openDocs && strings.HasPrefix(pattern, "GET /docs")
}

// isPage tells whether people open an operation in a browser.
func isPage(pattern string) bool {
	return pattern == "GET /{$}" || pattern == "GET /openapi.json" || strings.HasPrefix(pattern, "GET /docs")
}

// guard keeps other web pages from using this server through the browser of somebody who can reach it. Requests that would
// change something must not come from another site (http.CrossOriginProtection). Where there is no access control, no request
// of another page is answered, and the Host must be this server's: a name that an attacker points here is none. A probe in
// HTTP/1.0 may come without a Host. That opens nothing: a browser names the host that it thinks it is talking to.
func (g *gate) guard(r *http.Request, pattern string) error {
	unknown := g.guarded && !g.knownHost(r.Host) || !g.guarded && len(g.hosts) > 0 && !g.listedHost(r.Host)
	if unknown && !(r.Host == "" && isProbe(pattern)) {
		return newProblem(http.StatusMisdirectedRequest, "unknown_host",
			fmt.Sprintf("this server is not %.100q; use its address, or start it with -allow-host NAME", r.Host))
	}
	err := g.sites.Check(r)
	if err == nil && g.guarded && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		// The check lets safe methods pass. A page of another site cannot read the answer, but has no business here either.
		site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
		origin := r.Header.Get("Origin")
		if (site == "cross-site" || site == "same-site") && mode != "navigate" || origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host && !g.trusted(origin) {
			err = fmt.Errorf("from another site")
		}
	}
	if err != nil {
		return newProblem(http.StatusForbidden, "cross_origin", "a page of another origin may not use this API; -allow-host NAME trusts one more")
	}
	return nil
}

func (g *gate) trusted(origin string) bool {
	_, host, _ := strings.Cut(origin, "://")
	return slices.Contains(g.hosts, host)
}

// knownHost tells whether a Host header names this machine's loopback or a configured name, with any port.
func (g *gate) knownHost(host string) bool {
	name := hostName(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if a, err := netip.ParseAddr(name); err == nil && a.Unmap().IsLoopback() {
		return true
	}
	return g.listedHost(host)
}

// listedHost tells whether -allow-host has the name, with that port or without any.
func (g *gate) listedHost(host string) bool {
	return slices.Contains(g.hosts, strings.ToLower(host)) || slices.Contains(g.hosts, hostName(host))
}

// hostName is a Host header without its port and brackets, in small letters.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
