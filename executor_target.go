package main

import (
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"teiki/internal/template"
)

const maxURLBytes = 8 << 10

// target is a job's target_url: fixed, or with placeholders in user info, path or query. The host has none: the limits per
// host and the egress rules must know it.
type target struct {
	fixed *url.URL
	user  *url.Userinfo // of fixed; sent as Basic

	text         *template.Template
	authorityEnd int // byte offsets into the text, for escaping
	queryStart   int
}

// compileTarget reads a target_url; what is wrong with it is the second result.
func compileTarget(raw string) (*target, string) {
	if raw == "" {
		return nil, "is required: an http or https URL such as https://example.com/api"
	}
	if len(raw) > maxURLBytes {
		return nil, "is longer than " + strconv.Itoa(maxURLBytes) + " bytes"
	}
	t, err := template.Parse(raw)
	if err != nil {
		return nil, err.Error()
	}
	if text, ok := t.Constant(); ok {
		u, user, wrong := parseTarget(text)
		return &target{fixed: u, user: user}, wrong
	}
	plain := blank(raw, t)
	if _, _, wrong := parseTarget(plain); wrong != "" {
		return nil, wrong
	}
	start := strings.Index(plain, "://") + 3
	end := start + strings.IndexAny(plain[start:]+"/", "/?#")
	host := start + strings.LastIndexByte(plain[start:end], '@') + 1
	for _, at := range t.Positions() {
		if at < start || at >= host && at < end {
			return nil, "has a placeholder in its scheme or host; write those out, placeholders may stand in the path and the query"
		}
	}
	query := strings.IndexByte(plain, '?')
	if query < 0 {
		query = len(plain)
	}
	return &target{text: t, authorityEnd: end, queryStart: query}, ""
}

// blank is raw with every placeholder replaced by as many letters, so that offsets stay.
func blank(raw string, t *template.Template) string {
	b := []byte(raw)
	for _, at := range t.Positions() {
		end := at + strings.Index(raw[at:], "}}") + 2
		copy(b[at:end], strings.Repeat("x", end-at))
	}
	return string(b)
}

// render fills in one attempt's values. They are percent-encoded for where they stand; a "/" in the path stays.
func (t *target) render(v *template.Vars) (*url.URL, *url.Userinfo, error) {
	if t.fixed != nil {
		return t.fixed, t.user, nil
	}
	text, err := t.text.Append(nil, v, func(dst []byte, value string, at int) []byte {
		escaped := strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
		if at >= t.authorityEnd && at < t.queryStart {
			escaped = strings.ReplaceAll(url.PathEscape(value), "%2F", "/")
		}
		return append(dst, escaped...)
	})
	if err != nil {
		return nil, nil, err
	}
	u, user, wrong := parseTarget(string(text))
	if wrong != "" {
		return nil, nil, &failure{classRequest, classRequest, "target_url " + wrong}
	}
	return u, user, nil
}

// parseTarget reads a whole URL. The result has its host in ASCII and lower case, neither user info nor fragment.
func parseTarget(s string) (*url.URL, *url.Userinfo, string) {
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f {
			return nil, nil, "holds a space or a control character; percent-encode it (%20)"
		}
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, nil, "is not a URL: " + urlError(err)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		if u.Scheme == "" || u.Host == "" {
			return nil, nil, "must start with http:// or https://"
		}
		return nil, nil, "must be http or https, not " + u.Scheme
	}
	if u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return nil, nil, "has no host; write it as https://example.com/path"
	}
	host, ok := asciiHost(u.Hostname())
	if !ok {
		return nil, nil, "has a host that is no domain name: " + u.Hostname()
	}
	port := u.Port()
	if port == "" && strings.HasSuffix(u.Host, ":") {
		return nil, nil, "has no port after the colon"
	}
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, nil, "has a port that is not from 1 to 65535"
		}
	}
	user := u.User
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.Host = host
	if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	if port != "" {
		u.Host += ":" + port
	}
	return u, user, ""
}

// urlError is what url.Parse says, without the URL, which may hold credentials.
func urlError(err error) string {
	if e, ok := err.(*url.Error); ok {
		err = e.Err
	}
	text := err.Error()
	if i := strings.IndexByte(text, '"'); i >= 0 {
		text = strings.TrimRight(text[:i], " :")
	}
	return text
}

// asciiHost is a host in the form that goes into DNS; internationalized names are folded as browsers do.
func asciiHost(host string) (string, bool) {
	if strings.Contains(host, ":") { // IPv6
		return strings.ToLower(host), true
	}
	for _, c := range []byte(host) {
		if c >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(host)
			return ascii, err == nil && ascii != ""
		}
	}
	host = strings.ToLower(host)
	return host, strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" && strings.Trim(host, ".") != ""
}

// hostKey is the key of the per-host limits: host:port of a valid target_url in lower case, with the scheme's port where it
// has none; "" for one that is not valid.
func hostKey(targetURL string) string {
	t, wrong := compileTarget(targetURL)
	if wrong != "" {
		return ""
	}
	u := t.fixed
	if u == nil {
		u, _, _ = parseTarget(blank(targetURL, t.text))
	}
	return keyOf(u)
}

func keyOf(u *url.URL) string {
	host := u.Host
	if u.Port() == "" {
		host += ":" + portOf(u)
	}
	return host
}
