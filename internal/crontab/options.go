package crontab

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// option is what a command-line option means for the call.
type option struct {
	short byte
	long  string
	value bool // takes a value
	do    func(c *call, v string) error
}

// Kinds of options that need no code of their own.
var (
	ignored = func(*call, string) error { return nil } // about output, or what every call does anyway
)

func refused(why string) func(*call, string) error {
	return func(*call, string) error { return fmt.Errorf("%s", why) }
}

func noted(format string) func(*call, string) error {
	return func(c *call, v string) error {
		if strings.Contains(format, "%s") {
			c.note(format, v)
		} else {
			c.note("%s", format)
		}
		return nil
	}
}

func (c *call) basic(v string) error {
	name, password, _ := strings.Cut(v, ":")
	c.Auth = &Auth{Basic: &Basic{name, password}}
	return nil
}

// partial sets one half of the name and password.
func partial(set func(b *Basic, v string)) func(*call, string) error {
	return func(c *call, v string) error {
		if c.Auth == nil || c.Auth.Basic == nil {
			c.Auth = &Auth{Basic: &Basic{}}
		}
		set(c.Auth.Basic, v)
		return nil
	}
}

func (c *call) urlencode(v string) error {
	name, content, named := strings.Cut(v, "=")
	switch {
	case strings.Contains(v, "@") && !named:
		return fmt.Errorf("--data-urlencode %.60q reads a file, which is not here", v)
	case named && name != "":
		return c.addData(name+"="+url.QueryEscape(content), false, false)
	case named:
		return c.addData(url.QueryEscape(content), false, false)
	}
	return c.addData(url.QueryEscape(v), false, false)
}

func timeout(set func(c *call, n float64)) func(*call, string) error {
	return func(c *call, v string) error {
		n, err := seconds("the time limit", v)
		if err == nil && n > 0 {
			set(c, n)
		}
		return err
	}
}

func retries(less int) func(*call, string) error {
	return func(c *call, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("the number of retries %.40q is no number", v)
		}
		if n > 1000 || n == 0 && less == 1 {
			c.note("%s retries are more than a job may have: 1000 are made", v)
			n = 1000 + less
		}
		c.MaxRetries = max(0, n-less)
		return nil
	}
}

func (c *call) follow(v string) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("the number of redirects %.40q is no number", v)
	}
	if c.Redirects != nil && n >= 0 {
		c.Redirects.Follow = min(n, maxFollow)
	}
	return nil
}

var curlOptions = []option{
	{'X', "request", true, func(c *call, v string) error { c.Method = v; return nil }},
	{'H', "header", true, (*call).header},
	{'d', "data", true, func(c *call, v string) error { return c.addData(v, true, false) }},
	{0, "data-ascii", true, func(c *call, v string) error { return c.addData(v, true, false) }},
	{0, "data-binary", true, func(c *call, v string) error { return c.addData(v, true, true) }},
	{0, "data-raw", true, func(c *call, v string) error { return c.addData(v, false, false) }},
	{0, "data-urlencode", true, (*call).urlencode},
	{0, "json", true, func(c *call, v string) error {
		c.json = true
		if c.headerValue("Content-Type") == "" {
			c.set("Content-Type", "application/json")
		}
		if c.headerValue("Accept") == "" {
			c.set("Accept", "application/json")
		}
		return c.addData(v, true, true)
	}},
	{'G', "get", false, func(c *call, _ string) error { c.get = true; return nil }},
	{'I', "head", false, func(c *call, _ string) error { c.Method = "HEAD"; return nil }},
	{'u', "user", true, (*call).basic},
	{0, "oauth2-bearer", true, func(c *call, v string) error { c.Auth = &Auth{Bearer: v}; return nil }},
	{'A', "user-agent", true, func(c *call, v string) error { c.set("User-Agent", v); return nil }},
	{'e', "referer", true, func(c *call, v string) error { c.set("Referer", v); return nil }},
	{'b', "cookie", true, func(c *call, v string) error {
		if !strings.Contains(v, "=") {
			return fmt.Errorf("reads cookies from the file %.60q; jobs have no cookie store", v)
		}
		c.set("Cookie", v)
		return nil
	}},
	{'m', "max-time", true, timeout(func(c *call, n float64) { c.TimeoutSec = n })},
	{0, "connect-timeout", true, timeout(func(c *call, n float64) { c.ConnectTimeoutSec = n })},
	{0, "retry", true, retries(0)},
	{0, "retry-delay", true, timeout(func(c *call, n float64) { c.RetryBackoffSec = n })},
	{'L', "location", false, func(c *call, _ string) error { c.Redirects = &Redirects{maxFollow}; return nil }},
	{0, "location-trusted", false, func(c *call, _ string) error {
		c.Redirects = &Redirects{maxFollow}
		c.note("--location-trusted: teiki never sends credentials on to another host")
		return nil
	}},
	{0, "max-redirs", true, (*call).follow},
	{0, "url", true, func(c *call, v string) error { c.urls = append(c.urls, v); return nil }},
	{'k', "insecure", false, noted("-k: teiki always checks certificates; give the server's with -ca-file")},
	{0, "cacert", true, noted("--cacert %s: give the server -ca-file")},
	{'E', "cert", true, noted("--cert %s: give the server -client-cert and -client-key")},
	{0, "key", true, noted("--key %s: give the server -client-cert and -client-key")},
	{'n', "netrc", false, noted("-n: a .netrc is not read; write auth into the job")},
	{'x', "proxy", true, refused("goes through a proxy; set HTTPS_PROXY or an egress rule for the server")},
	{'F', "form", true, refused("sends a multipart form; write the body into body_base64 with its Content-Type")},
	{'T', "upload-file", true, refused("uploads a file, which is not here")},
	{'K', "config", true, refused("reads options from a file, which is not here")},
	{0, "unix-socket", true, refused("calls a Unix socket")},
	{0, "resolve", true, refused("--resolve: names are resolved by the system")},
	{':', "next", false, refused("makes several calls; make one job of each")},
	{0, "digest", false, refused("digest authentication is not supported")},
	{0, "ntlm", false, refused("NTLM authentication is not supported")},
	{'s', "silent", false, ignored}, {'S', "show-error", false, ignored}, {'f', "fail", false, ignored}, {0, "fail-with-body", false, ignored},
	{'v', "verbose", false, ignored}, {'i', "include", false, ignored}, {'o', "output", true, ignored}, {'O', "remote-name", false, ignored},
	{'D', "dump-header", true, ignored}, {'c', "cookie-jar", true, ignored}, {'w', "write-out", true, ignored}, {'#', "progress-bar", false, ignored},
	{'N', "no-buffer", false, ignored}, {'g', "globoff", false, ignored}, {'4', "ipv4", false, ignored}, {'6', "ipv6", false, ignored},
	{'q', "disable", false, ignored}, {0, "compressed", false, ignored}, {0, "no-progress-meter", false, ignored}, {0, "stderr", true, ignored},
	{0, "http1.1", false, ignored}, {0, "http2", false, ignored}, {0, "tlsv1.2", false, ignored}, {'1', "tlsv1", false, ignored}, {0, "basic", false, ignored},
	{0, "retry-all-errors", false, ignored}, {0, "retry-connrefused", false, ignored}, {0, "retry-max-time", true, noted("--retry-max-time %s: see retry_budget_sec")},
	{0, "create-dirs", false, ignored}, {'J', "remote-header-name", false, ignored}, {0, "path-as-is", false, ignored},
}

var wgetOptions = []option{
	{0, "post-data", true, func(c *call, v string) error { return c.addData(v, false, false) }},
	{0, "body-data", true, func(c *call, v string) error { return c.addData(v, false, false) }},
	{0, "post-file", true, refused("reads its body from a file, which is not here")},
	{0, "body-file", true, refused("reads its body from a file, which is not here")},
	{0, "method", true, func(c *call, v string) error { c.Method = strings.ToUpper(v); return nil }},
	{0, "header", true, (*call).header},
	{0, "user", true, partial(func(b *Basic, v string) { b.Username = v })},
	{0, "http-user", true, partial(func(b *Basic, v string) { b.Username = v })},
	{0, "password", true, partial(func(b *Basic, v string) { b.Password = v })},
	{0, "http-password", true, partial(func(b *Basic, v string) { b.Password = v })},
	{'T', "timeout", true, timeout(func(c *call, n float64) { c.TimeoutSec = n })},
	{0, "connect-timeout", true, timeout(func(c *call, n float64) { c.ConnectTimeoutSec = n })},
	{0, "read-timeout", true, timeout(func(c *call, n float64) { c.TimeoutSec = n })},
	{0, "dns-timeout", true, ignored},
	{'t', "tries", true, retries(1)},
	{0, "waitretry", true, timeout(func(c *call, n float64) { c.RetryBackoffSec = n })},
	{0, "max-redirect", true, (*call).follow},
	{0, "spider", false, func(c *call, _ string) error { c.Method = "HEAD"; return nil }},
	{'U', "user-agent", true, func(c *call, v string) error { c.set("User-Agent", v); return nil }},
	{0, "referer", true, func(c *call, v string) error { c.set("Referer", v); return nil }},
	{0, "no-check-certificate", false, noted("--no-check-certificate: teiki always checks certificates; give the server's with -ca-file")},
	{0, "ca-certificate", true, noted("--ca-certificate %s: give the server -ca-file")},
	{'i', "input-file", true, refused("reads its URLs from a file, which is not here")},
	{'r', "recursive", false, refused("fetches many pages; a job makes one call")},
	{'m', "mirror", false, refused("fetches many pages; a job makes one call")},
	{'q', "quiet", false, ignored}, {'O', "output-document", true, ignored}, {'o', "output-file", true, ignored}, {'a', "append-output", true, ignored},
	{'v', "verbose", false, ignored}, {'b', "background", false, ignored}, {'S', "server-response", false, ignored}, {'P', "directory-prefix", true, ignored},
	{'N', "timestamping", false, ignored}, {'c', "continue", false, ignored}, {0, "no-verbose", false, ignored}, {0, "delete-after", false, ignored},
	{'4', "inet4-only", false, ignored}, {'6', "inet6-only", false, ignored}, {0, "no-cache", false, ignored}, {0, "content-on-error", false, ignored},
	{0, "no-proxy", false, ignored}, {0, "progress", true, ignored}, {0, "show-progress", false, ignored}, {0, "retry-connrefused", false, ignored},
}

// options reads words as getopt does: -abc, -dVALUE, -d VALUE, --name VALUE, --name=VALUE; the rest are URLs.
func (c *call) options(words []string, known []option) error {
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--":
			c.urls = append(c.urls, words[i+1:]...)
			return nil
		case w == "-nv": // wget's only option of two letters that jobs use
		case strings.HasPrefix(w, "--"):
			name, value, joined := strings.Cut(w[2:], "=")
			o := long(known, name)
			if o == nil {
				return fmt.Errorf("uses the option --%.40s, which is not known here", name)
			}
			if o.value && !joined {
				if i++; i == len(words) {
					return fmt.Errorf("--%s has no value", name)
				}
				value = words[i]
			}
			if err := o.do(c, value); err != nil {
				return err
			}
		case strings.HasPrefix(w, "-") && w != "-":
			taken, err := c.letters(w[1:], words[i+1:], known)
			if err != nil {
				return err
			}
			i += taken
		default:
			c.urls = append(c.urls, w)
		}
	}
	return nil
}

// letters reads a word of one-letter options; taken tells whether the last one's value was the next word.
func (c *call) letters(letters string, next []string, known []option) (taken int, err error) {
	for i := 0; i < len(letters); i++ {
		var o *option
		for j := range known {
			if known[j].short == letters[i] {
				o = &known[j]
			}
		}
		if o == nil {
			return 0, fmt.Errorf("uses the option -%.4q, which is not known here", letters[i:i+1])
		}
		if !o.value {
			if err := o.do(c, ""); err != nil {
				return 0, err
			}
			continue
		}
		value := letters[i+1:]
		if value == "" {
			if len(next) == 0 {
				return 0, fmt.Errorf("-%c has no value", o.short)
			}
			value, taken = next[0], 1
		}
		return taken, o.do(c, value)
	}
	return 0, nil
}

func long(known []option, name string) *option {
	for i := range known {
		if known[i].long == name {
			return &known[i]
		}
	}
	return nil
}

// maxFollow is the most redirects that a job may follow; curl follows 50, wget 20, and either seldom more than two.
const maxFollow = 10
