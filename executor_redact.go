package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"teiki/internal/secret"
	"teiki/internal/template"
)

// isCredential tells whether a header, parameter or member with this name holds something that lets one in.
func isCredential(name string) bool {
	var space [64]byte
	n := string(plainName(space[:0], strings.TrimPrefix(strings.ToLower(name), "x-")))
	switch n {
	case "key", "sig", "code", "pass", "pwd", "pin", "jwt", "auth", "sas", "session", "sessionid", "csrf":
		return true
	}
	for _, part := range []string{"authorization", "cookie", "token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "authkey", "signature", "credential", "webhookurl"} {
		if strings.Contains(n, part) {
			return true
		}
	}
	return false
}

// plainName appends name without the separators that people choose freely.
func plainName(b []byte, name string) []byte {
	for _, c := range []byte(name) {
		if c != '-' && c != '_' && c != '.' && c != ' ' {
			b = append(b, c)
		}
	}
	return b
}

// redacted is a credential as it may be shown. One that is nothing but references to secrets ("Bearer {{secret.X}}") is shown
// as it is: it gives nothing away.
func redacted(v string) string {
	if v == "" || onlySecrets(v) {
		return v
	}
	return secret.Mask
}

func onlySecrets(v string) bool {
	t, err := template.Parse(v)
	if err != nil || len(t.Secrets()) == 0 {
		return false
	}
	switch strings.ToLower(strings.Trim(t.Literal(), " ")) {
	case "", "bearer", "basic", "token", "apikey", "key":
		return true
	}
	return false
}

// redact is a definition as answers, pages and exports show it: every literal credential masked. d stays as it is.
func redact(d Definition) Definition {
	d.TargetURL = redactURL(d.TargetURL)
	d.Headers = redactMap(d.Headers)
	d.BodyForm = redactMap(d.BodyForm)
	d.Body = redactJSON(d.Body)
	if d.Auth != nil {
		a := *d.Auth
		a.Bearer = redacted(a.Bearer)
		if a.Basic != nil {
			a.Basic = &BasicAuth{a.Basic.Username, redacted(a.Basic.Password)}
		}
		if a.OAuth2 != nil {
			o := *a.OAuth2
			o.ClientSecret, o.TokenURL = redacted(o.ClientSecret), redactURL(o.TokenURL)
			a.OAuth2 = &o
		}
		d.Auth = &a
	}
	if len(d.SigningSecret) > 0 {
		d.SigningSecret = slices.Clone(d.SigningSecret)
		for i, s := range d.SigningSecret {
			d.SigningSecret[i] = redacted(s)
		}
	}
	return d
}

func redactMap(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		if isCredential(k) {
			v = redacted(v)
		}
		out[k] = v
	}
	return out
}

// redactURL masks the password (or the lone user name, which then is a token) and parameters that are credentials, and leaves
// every other byte as it is.
func redactURL(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, tail := rest[:end], rest[end:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, both := strings.Cut(authority[:at], ":")
		if both {
			user += ":" + redacted(password)
		} else {
			user = redacted(user)
		}
		authority = user + authority[at:]
	}
	path, query, hasQuery := strings.Cut(tail, "?")
	if hasQuery {
		query, fragment, hasFragment := strings.Cut(query, "#")
		params := strings.Split(query, "&")
		for i, p := range params {
			if k, v, ok := strings.Cut(p, "="); ok && isCredential(unescape(k)) {
				params[i] = k + "=" + redacted(v)
			}
		}
		path += "?" + strings.Join(params, "&")
		if hasFragment {
			path += "#" + fragment
		}
	}
	return scheme + "://" + authority + path
}

// shownURL is a URL from elsewhere (a Location) as it may be shown.
func shownURL(raw string) string { return redactURL(raw) }

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// redactJSON masks the string members of objects whose name says that they are credentials, at any depth. All other bytes
// stay as they are.
func redactJSON(raw json.RawMessage) json.RawMessage {
	var out []byte
	from := 0
	eachCredential(raw, func(start, end int, value string) {
		masked, _ := json.Marshal(redacted(value)) // a string: cannot fail
		out = append(append(out, raw[from:start]...), masked...)
		from = end
	})
	if from == 0 {
		return raw
	}
	return append(out, raw[from:]...)
}

// eachCredential calls f with the position and the value of each string member of raw that is a credential.
func eachCredential(raw json.RawMessage, f func(start, end int, value string)) {
	if !mayNameCredential(raw) {
		return
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	type level struct {
		object, key bool // key: the next token is a member's name
		name        string
	}
	var stack []level
	for {
		token, err := d.Token()
		if err != nil {
			return // the end; what is not JSON was refused before
		}
		top := len(stack) - 1
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				if top >= 0 {
					stack[top].key = stack[top].object
				}
				stack = append(stack, level{object: v == '{', key: v == '{'})
			default:
				stack = stack[:top]
			}
			continue
		case string:
			if top >= 0 && stack[top].object && stack[top].key {
				stack[top].key, stack[top].name = false, v
				continue
			}
			if top >= 0 && stack[top].object && isCredential(stack[top].name) {
				end := int(d.InputOffset())
				f(stringStart(raw, end), end, v)
			}
		}
		if top >= 0 {
			stack[top].key = stack[top].object
		}
	}
}

// mayNameCredential is a quick look at valid JSON before the exact one: false = no member's name is a credential's.
func mayNameCredential(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '"')
		if i < 0 {
			return false
		}
		raw = raw[i+1:]
		end := 0
		for end < len(raw) && raw[end] != '"' {
			if raw[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(raw) {
			return true // not valid after all
		}
		name := raw[:end]
		raw = raw[end+1:]
		rest := bytes.TrimLeft(raw, " \t\r\n")
		if len(rest) > 0 && rest[0] == ':' && (bytes.IndexByte(name, '\\') >= 0 || isCredential(string(name))) {
			return true
		}
	}
}

// stringStart is where the JSON string that ends before end begins.
func stringStart(raw []byte, end int) int {
	for i := end - 2; i >= 0; i-- {
		if raw[i] != '"' {
			continue
		}
		slashes := 0
		for i-1-slashes >= 0 && raw[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
	return 0
}

// minCredential is the shortest literal credential, in bytes, that is searched for in what a target answers: shorter ones would
// be found everywhere.
const minCredential = 4

// credentialsOf lists the literal credentials of a definition: what must not come back in an excerpt or an error.
func credentialsOf(d *Definition) []string {
	var list []string
	add := func(v string) {
		if t, err := template.Parse(v); err == nil {
			v = strings.TrimSpace(t.Literal())
		}
		if scheme, rest, ok := strings.Cut(v, " "); ok && slices.Contains([]string{"bearer", "basic", "token", "apikey", "key"}, strings.ToLower(scheme)) {
			v = strings.TrimSpace(rest)
		}
		if len(v) >= minCredential && !slices.Contains([]string{"bearer", "basic", "token", "apikey"}, strings.ToLower(v)) {
			list = append(list, v)
		}
	}
	for _, m := range []map[string]string{d.Headers, d.BodyForm} {
		for k, v := range m {
			if isCredential(k) {
				add(v)
			}
		}
	}
	eachCredential(d.Body, func(_, _ int, v string) { add(v) })
	if _, query, ok := strings.Cut(d.TargetURL, "?"); ok {
		for p := range strings.SplitSeq(query, "&") {
			if k, v, _ := strings.Cut(p, "="); isCredential(unescape(k)) {
				add(unescape(v))
			}
		}
	}
	if at := strings.LastIndexByte(blankUser(d.TargetURL), '@'); at >= 0 {
		user, password, both := strings.Cut(blankUser(d.TargetURL)[:at], ":")
		if both {
			add(unescape(password))
		} else {
			add(unescape(user))
		}
	}
	if a := d.Auth; a != nil {
		add(a.Bearer)
		if a.Basic != nil {
			add(a.Basic.Password)
		}
		if a.OAuth2 != nil {
			add(a.OAuth2.ClientSecret)
		}
	}
	for _, s := range d.SigningSecret {
		add(s)
		add(strings.TrimPrefix(s, "whsec_"))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
