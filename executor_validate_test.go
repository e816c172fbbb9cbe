package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestCallFaults is S10 and more: what can be known to be wrong is told at creation, in its field.
func TestCallFaults(t *testing.T) {
	r := newRig(t, func(c *executorConfig) {
		withSecrets(map[string]string{"OK": "value", "HOOK": "not a signing secret"}, "")(c)
		c.Settings.EgressDeny = []string{"evil.test"}
	})
	const url = `"target_url":"https://example.com/x"`
	for text, want := range map[string]string{
		`{` + url + `}`:                                                                         "",
		`{}`:                                                                                    "target_url: is required",
		`{"target_url":"ftp://x"}`:                                                              "target_url: must be http or https, not ftp",
		`{"target_url":"example.com/x"}`:                                                        "target_url: must start with http",
		`{"target_url":"http:///x"}`:                                                            "target_url: has no host",
		`{"target_url":"http://a b/"}`:                                                          "target_url: holds a space",
		`{"target_url":"http://x/\r\nHost: y"}`:                                                 "target_url: holds a space or a control",
		`{"target_url":"http://x/\u0000"}`:                                                      "target_url: holds a space or a control",
		`{"target_url":"http://x:99999/"}`:                                                      "target_url: has a port",
		`{"target_url":"http://x:0/"}`:                                                          "target_url: has a port",
		`{"target_url":"http://x:/"}`:                                                           "target_url: has no port",
		`{"target_url":"http://%zz/"}`:                                                          "target_url: is not a URL",
		`{"target_url":"http://a!b/"}`:                                                          "target_url: has a host that is no domain name",
		`{"target_url":"http://x/` + strings.Repeat("a", 9000) + `"}`:                           "target_url: is longer",
		`{"target_url":"http://{{secret.OK}}/"}`:                                                "target_url: has a placeholder in its scheme or host",
		`{"target_url":"{{secret.OK}}"}`:                                                        "target_url: must start with http",
		`{"target_url":"http://x/{{nope}}"}`:                                                    "target_url: {{nope}}: not known",
		`{"target_url":"http://x/{{secret.NONE}}"}`:                                             `target_url: secret "NONE": no such secret: set TEIKI_SECRET_NONE`,
		`{"target_url":"http://169.254.169.254/"}`:                                              "target_url: is refused (egress_denied)",
		`{"target_url":"http://2852039166/"}`:                                                   "target_url: is refused (egress_denied)",
		`{"target_url":"http://evil.test/{{job_id}}"}`:                                          "target_url: is refused (egress_denied)",
		`{"target_url":"http://u:p@x/","auth":{"bearer":"x"}}`:                                  "target_url: holds credentials",
		`{` + url + `,"headers":{"X-A":"a\r\nX-B: b"}}`:                                         "headers.X-A: holds a control character",
		`{` + url + `,"headers":{"X-A":"a\u0000"}}`:                                             "headers.X-A: holds a control character",
		`{` + url + `,"headers":{"X A":"a"}}`:                                                   "headers.X A: is not the name",
		`{` + url + `,"headers":{"X-A\r\nB":"a"}}`:                                              "headers.X-A\r\nB: is not the name",
		`{` + url + `,"headers":{"":"a"}}`:                                                      "headers.: is not the name",
		`{` + url + `,"headers":{"x-a":"a","X-A":"b"}}`:                                         "headers.x-a: is the same header",
		`{` + url + `,"headers":{"X-A":"{{secret.NONE}}"}}`:                                     "headers.X-A: secret",
		`{` + url + `,"headers":{"X-A":"{{oops"}}`:                                              "headers.X-A: \"{{oops\" has no closing",
		`{` + url + `,"headers":{"X-A":"` + strings.Repeat("a", 40000) + `"}}`:                  "headers: are 40003 bytes",
		`{` + url + `,"headers":{"Authorization":"***"}}`:                                       "headers.Authorization: is the mask",
		`{` + url + `,"body":{},"body_text":"x"}`:                                               "body_text: is the second body",
		`{` + url + `,"body":{"a":["{{secret.NONE}}"]}}`:                                        "body: secret",
		`{` + url + `,"body":["{{secret.NONE}}","{{secret.NONE}}"]}`:                            "body: secret", // once
		`{` + url + `,"body_form":{"{{secret.NONE}}":"{{secret.NONE}}"}}`:                       "body_form.{{secret.NONE}}: secret",
		`{` + url + `,"body":{"password":"***"}}`:                                               "body: is the mask",
		`{` + url + `,"body_text":"{{x}}"}`:                                                     "body_text: {{x}}",
		`{` + url + `,"body_form":{"a":"{{x}}"}}`:                                               "body_form.a: {{x}}",
		`{` + url + `,"body_base64":"%"}`:                                                       "body_base64: is not base64",
		`{` + url + `,"timeout_sec":0}`:                                                         "timeout_sec: must be more than 0",
		`{` + url + `,"timeout_sec":1e9}`:                                                       "timeout_sec: must be",
		`{` + url + `,"connect_timeout_sec":-1}`:                                                "connect_timeout_sec: must be",
		`{` + url + `,"first_byte_timeout_sec":0}`:                                              "first_byte_timeout_sec: must be",
		`{` + url + `,"max_retries":-1}`:                                                        "max_retries: must be from 0",
		`{` + url + `,"retry_backoff_sec":-1}`:                                                  "retry_backoff_sec: must be at least 0",
		`{` + url + `,"retry_multiplier":0.5}`:                                                  "retry_multiplier: must be",
		`{` + url + `,"retry_max_backoff_sec":0}`:                                               "retry_max_backoff_sec: must be",
		`{` + url + `,"retry_jitter":1.5}`:                                                      "retry_jitter: must be",
		`{` + url + `,"retry_budget_sec":0}`:                                                    "retry_budget_sec: must be",
		`{` + url + `,"retry_on":["5xx","429","4xx","dns","none"]}`:                             `retry_on[4]: "none" must be one of connect`,
		`{` + url + `,"retry_on":["200-204"]}`:                                                  "retry_on[0]:",
		`{` + url + `,"success":{"status":["200","6xx"]}}`:                                      `success.status[1]: "6xx" is not a status`,
		`{` + url + `,"success":{"status":["204-200"]}}`:                                        "success.status[0]",
		`{` + url + `,"success":{"body_matches":"("}}`:                                          "success.body_matches: is not a regular expression",
		`{` + url + `,"success":{"body_matches":"` + strings.Repeat("a", 1001) + `"}}`:          "success.body_matches: is longer",
		`{` + url + `,"success":{"json":[{"pointer":"ok","equals":1}]}}`:                        "success.json[0].pointer: must be a JSON pointer",
		`{` + url + `,"success":{"json":[{"pointer":"/a~2","equals":1}]}}`:                      "success.json[0].pointer: holds a",
		`{` + url + `,"success":{"json":[{"pointer":"/a"}]}}`:                                   "success.json[0].equals: is required",
		`{` + url + `,"success":{"max_duration_ms":0}}`:                                         "success.max_duration_ms: must be more",
		`{` + url + `,"redirects":{"follow":11}}`:                                               "redirects.follow: must be from 0 to 10",
		`{` + url + `,"auth":{}}`:                                                               "auth: must be exactly one",
		`{` + url + `,"auth":{"bearer":"a","basic":{"username":"a","password":"b"}}}`:           "auth: must be exactly one",
		`{` + url + `,"auth":{"bearer":"a"},"headers":{"authorization":"b"}}`:                   "auth: and the header Authorization",
		`{` + url + `,"auth":{"basic":{"username":"a:b","password":"c"}}}`:                      "auth.basic.username: holds a colon",
		`{` + url + `,"auth":{"bearer":"{{secret.NONE}}"}}`:                                     "auth.bearer: secret",
		`{` + url + `,"auth":{"oauth2":{"token_url":"x","client_id":"a","client_secret":"b"}}}`: "auth.oauth2.token_url: must start",
		`{` + url + `,"auth":{"oauth2":{"token_url":"http://169.254.169.254/","client_id":"a","client_secret":"b"}}}`: "auth.oauth2.token_url: is refused",
		`{` + url + `,"auth":{"oauth2":{"token_url":"https://x/","client_secret":"b"}}}`:                              "auth.oauth2.client_id: is required",
		`{` + url + `,"signing_secret":"short"}`:                                                                      "signing_secret: a signing secret is",
		`{` + url + `,"signing_secret":"{{secret.HOOK}}"}`:                                                            "signing_secret: a signing secret is",
		`{` + url + `,"signing_secret":["a","b","c"]}`:                                                                "signing_secret: must be one secret, or two",
	} {
		var got []string
		for _, f := range validateCall(define(t, text), r.env()) {
			got = append(got, f.Field+": "+f.Detail)
		}
		if want == "" && len(got) > 0 || want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("%s\n got %q\nwant %q", clip(text), got, want)
		}
		if len(got) > 1 && !strings.Contains(text, `["a","b","c"]`) {
			t.Errorf("%s: %d faults: %q", clip(text), len(got), got)
		}
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(reservedHeaders)), []string{"Teiki-Attempt", "teiki-anything", "host", "CONTENT-LENGTH"}) {
		d := define(t, `{`+url+`}`)
		d.Headers = map[string]string{name: "x"}
		if f := validateCall(d, r.env()); len(f) != 1 || f[0].Field != "headers."+name || !strings.HasPrefix(f[0].Detail, "can't be set: ") {
			t.Errorf("%s: %v", name, f)
		}
	}
	all := validateCall(define(t, `{"target_url":"ftp://x","headers":{"Host":"a","B B":"c"},"timeout_sec":0,"retry_on":["x","y"],"auth":{}}`), r.env())
	if len(all) != 7 {
		t.Errorf("all faults at once: %q", all)
	}
}

func clip(s string) string { return s[:min(len(s), 120)] }

func TestHostKey(t *testing.T) {
	for url, want := range map[string]string{
		"http://Example.com/x": "example.com:80", "https://example.com": "example.com:443", "https://example.com:8443/?a": "example.com:8443",
		"HTTPS://u:p@EXAMPLE.com/": "example.com:443", "http://[::1]/": "[::1]:80", "http://[::1]:81/": "[::1]:81",
		"http://x/{{secret.A}}?b={{job_id}}": "x:80", "http://日本語.jp/": "xn--wgv71a119e.jp:80", "http://①②⑦.⓪.⓪.①:1/": "127.0.0.1:1", "ftp://x": "", "": "",
	} {
		if got := hostKey(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

// TestRedact: every literal credential is masked, a reference to a secret is shown, everything else stays byte for byte, and so
// does the definition itself.
func TestRedact(t *testing.T) {
	text := `{"target_url":"https://me:canary@x.test/p?a=1&api_key=canary&sig={{secret.S}}#f","method":"POST",
		"headers":{"Authorization":"Bearer canary","X-Auth":"Bearer {{secret.A}}","X-Mixed-Token":"canary{{secret.A}}","Accept":"text/plain","Cookie":"canary","X-Auth-Key":"canary","x-sig":"canary"},
		"body":{"n":1.50,"password":"canary","list":[{"apiKey":"canary","keep":"x"}],"secret":{"a":"shown"},"token":null,"pwd":"q\"\\canary\\"},
		"auth":{"oauth2":{"token_url":"https://x.test/t?code=canary","client_id":"id","client_secret":"canary"}},"signing_secret":["whsec_canary","{{secret.H}}"]}`
	d := define(t, text)
	before := fmt.Sprintf("%+v %+v %s", d, d.Auth.OAuth2, d.Body)
	got := redact(*d)
	if after := fmt.Sprintf("%+v %+v %s", d, d.Auth.OAuth2, d.Body); after != before {
		t.Errorf("changed: %s", after)
	}
	if got.TargetURL != "https://me:***@x.test/p?a=1&api_key=***&sig={{secret.S}}#f" {
		t.Error(got.TargetURL)
	}
	if want := `{"n":1.50,"password":"***","list":[{"apiKey":"***","keep":"x"}],"secret":{"a":"shown"},"token":null,"pwd":"***"}`; string(got.Body) != want {
		t.Errorf("%s", got.Body)
	}
	want := map[string]string{"Authorization": "***", "X-Auth": "Bearer {{secret.A}}", "X-Mixed-Token": "***", "Accept": "text/plain", "Cookie": "***", "X-Auth-Key": "***", "x-sig": "***"}
	if !maps.Equal(got.Headers, want) {
		t.Error(got.Headers)
	}
	if o := got.Auth.OAuth2; o.ClientSecret != "***" || o.TokenURL != "https://x.test/t?code=***" || o.ClientID != "id" || got.SigningSecret[0] != "***" || got.SigningSecret[1] != "{{secret.H}}" {
		t.Errorf("%+v %v", o, got.SigningSecret)
	}
	for in, want := range map[string]string{
		"https://token@x/": "https://***@x/", "https://x/?a": "https://x/?a", "no url": "no url", "https://u:@x/": "https://u:@x/",
		"https://u:{{secret.P}}@x/": "https://u:{{secret.P}}@x/", "https://x/?to%6ben=v": "https://x/?to%6ben=***",
	} {
		if got := redactURL(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestShownText: the audit's text of a definition is that of the redacted one, wherever its one credential is.
func TestShownText(t *testing.T) {
	for _, fields := range []string{``, `"headers":{"Accept":"x"}`, `"headers":{"Cookie":"canary"}`, `"body_form":{"token":"canary"}`, `"body":{"pin":"canary"}`,
		`"target_url":"https://x.test/?sig=canary"`, `"auth":{"bearer":"canary"}`, `"auth":{"bearer":"{{secret.X}}"}`, `"auth":{"basic":{"username":"u","password":"canary"}}`,
		`"auth":{"oauth2":{"token_url":"https://x.test/t?code=canary"}}`, `"signing_secret":["canary"]`} {
		d := define(t, `{`+fields+`}`)
		made, err := textsOf(d)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(redact(*d))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := shownText(d, made.definition); err != nil || got != string(want) || strings.Contains(got, "canary") {
			t.Errorf("%s: %s %v, want %s", fields, got, err, want)
		}
	}
}

func TestExplainEgress(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:8080/":  "allowed  127.0.0.1:8080",
		"http://169.254.169.254/": "refused  169.254.169.254:80 is refused by the built-in rule 169.254.0.0/16",
		"http://2130706433/":      "refused  2130706433:80 is refused by the built-in rule on numeric hosts",
		"http://10.1.1.1/":        "refused  10.1.1.1:80 is refused by egress-deny 10.0.0.0/8",
	} {
		var b strings.Builder
		err := explainEgress(&b, &Settings{EgressDeny: []string{"10.0.0.0/8"}}, url)
		if !strings.Contains(b.String(), want) || (err == errEgressDenied) != strings.HasPrefix(want, "refused") {
			t.Errorf("%s: %v\n%s", url, err, &b)
		}
	}
	if err := explainEgress(&strings.Builder{}, &Settings{}, "ftp://x"); err == nil || err == errEgressDenied {
		t.Error(err)
	}
}
