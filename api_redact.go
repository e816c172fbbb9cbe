package main

import (
	"net/url"
	"regexp"
	"strings"
)

// mask stands in answers where a secret is stored.
const mask = "***"

// secretName matches names of headers and URL parameters whose values are secrets.
var secretName = regexp.MustCompile(`(?i)auth|cookie|token|secret|passw|api-?_?key|signature|credential`)

// secretReference matches a value that only names its secrets: it may be shown.
var secretReference = regexp.MustCompile(`\{\{\s*secret\.[^}]*\}\}`)

// masked is the mask, unless the value is empty or only refers to a secret.
func masked(value string) string {
	if value == "" || secretReference.MatchString(value) {
		return value
	}
	return mask
}

// redactURL masks the password of a URL and those of its parameters that are named like secrets.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return mask
	}
	if password, ok := u.User.Password(); ok && masked(password) == mask {
		raw = strings.Replace(raw, u.User.String()+"@", url.User(u.User.Username()).String()+":"+mask+"@", 1)
	}
	before, query, ok := strings.Cut(raw, "?")
	if !ok {
		return raw
	}
	query, fragment, hasFragment := strings.Cut(query, "#")
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		if name, value, ok := strings.Cut(p, "="); ok && secretName.MatchString(name) {
			pairs[i] = name + "=" + masked(value)
		}
	}
	raw = before + "?" + strings.Join(pairs, "&")
	if hasFragment {
		raw += "#" + fragment
	}
	return raw
}

// redact is a copy of d in which secrets are masked.
func redact(d Definition) Definition {
	c := d
	c.TargetURL = redactURL(d.TargetURL)
	if d.Headers != nil {
		c.Headers = make(map[string]string, len(d.Headers))
		for name, value := range d.Headers {
			if secretName.MatchString(name) {
				value = masked(value)
			}
			c.Headers[name] = value
		}
	}
	c.SigningSecret = nil
	for _, s := range d.SigningSecret {
		c.SigningSecret = append(c.SigningSecret, masked(s))
	}
	if d.Auth != nil {
		auth := *d.Auth
		auth.Bearer = masked(auth.Bearer)
		if auth.Basic != nil {
			basic := *auth.Basic
			basic.Password = masked(basic.Password)
			auth.Basic = &basic
		}
		if auth.OAuth2 != nil {
			oauth := *auth.OAuth2
			oauth.ClientSecret = masked(oauth.ClientSecret)
			auth.OAuth2 = &oauth
		}
		c.Auth = &auth
	}
	return c
}
