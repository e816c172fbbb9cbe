package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// withSecrets gives an executor the secrets of m in its environment, and a directory for more.
func withSecrets(m map[string]string, dir string) func(*executorConfig) {
	return func(c *executorConfig) {
		c.Settings.SecretsDir = dir
		c.LookupEnv = func(name string) (string, bool) {
			v, ok := m[strings.TrimPrefix(name, "TEIKI_SECRET_")]
			return v, ok && strings.HasPrefix(name, "TEIKI_SECRET_")
		}
	}
}

// TestTemplates: placeholders are filled in where they stand, encoded for it.
func TestTemplates(t *testing.T) {
	target := newSeen(t, nil)
	r := newRig(t, withSecrets(map[string]string{"T": `a/b c&d="é"`}, ""))
	d := define(t, `{"method":"POST","target_url":"`+target.URL+`/{{scheduled_at|%Y/%m}}/{{secret.T}}?m={{scheduled_at-1mo|%Y-%m}}&t={{secret.T}}#{{attempt}}",
		"headers":{"X-Run":"{{run_id}} {{attempt}}","X-Token":"{{secret.T}}"},"body":{"job":"{{job_id}}","n":1.50,"t":"{{secret.T}}"}}`)
	if a := r.Attempt(t.Context(), callOf(d)); !a.OK {
		t.Fatalf("%s %s", a.Error, a.Detail)
	}
	req, body := target.last()
	if want := `/2026/03/a/b%20c&d=%22%C3%A9%22?m=2026-02&t=a%2Fb%20c%26d%3D%22%C3%A9%22`; req.RequestURI != want {
		t.Errorf("%s, want %s", req.RequestURI, want)
	}
	if req.Header.Get("X-Run") != testRunID+" 1" || req.Header.Get("X-Token") != `a/b c&d="é"` || body != `{"job":"nightly","n":1.50,"t":"a/b c\u0026d=\"é\""}` {
		t.Errorf("%v %s", req.Header, body)
	}
	for field, want := range map[string]string{
		`"body_text":"{{job_id}} {{secret.T}}"`:     `nightly a/b c&d="é"`,
		`"body_form":{"a b":"{{secret.T}}","c":""}`: `a+b=a%2Fb+c%26d%3D%22%C3%A9%22&c=`,
		`"body_base64":"AAEC"`:                      "\x00\x01\x02",
		`"body":null`:                               "",
		`"body":"{{attempt}}"`:                      `"1"`,
	} {
		d := define(t, `{"method":"POST","target_url":"`+target.URL+`",`+field+`}`)
		a := r.Attempt(t.Context(), callOf(d))
		if _, body := target.last(); body != want || !a.OK {
			t.Errorf("%s: %q, want %q", field, body, want)
		}
	}
}

// TestSecretsRotate: the next call has the new value, without a restart; a missing one fails the attempt, plainly.
func TestSecretsRotate(t *testing.T) {
	dir := t.TempDir()
	target := newSeen(t, nil)
	r := newRig(t, withSecrets(nil, dir))
	d := &Definition{TargetURL: target.URL, Method: "GET", Auth: &Auth{Bearer: "{{secret.api-token}}"}}
	r.ledger.jobs[1] = d
	for _, value := range []string{"first", "second"} {
		if err := os.WriteFile(filepath.Join(dir, "api-token"), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.Start(Dispatch{Run: 1, Job: 1, Version: 1, Attempt: 1})
		if f := <-r.finished; f.Status != Succeeded {
			t.Fatalf("%+v", f)
		}
		if req, _ := target.last(); req.Header.Get("Authorization") != "Bearer "+value {
			t.Errorf("%q", req.Header.Get("Authorization"))
		}
	}
	if err := os.Remove(filepath.Join(dir, "api-token")); err != nil {
		t.Fatal(err)
	}
	a := r.Attempt(t.Context(), callOf(d))
	if a.Error != classSecret || a.Reason != classSecret || !strings.Contains(a.Detail, "api-token") || target.count() != 2 {
		t.Errorf("%+v", a)
	}
	if err := os.WriteFile(filepath.Join(dir, "api-token"), []byte("two\nlines"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := r.Attempt(t.Context(), callOf(d)); a.Error != classRequest || strings.Contains(fmt.Sprint(a), "two") || target.count() != 2 {
		t.Errorf("a header of two lines: %+v", a)
	}
}

// TestCanaries is S11: a target that sends everything back, in many encodings, makes no secret appear anywhere.
func TestCanaries(t *testing.T) {
	env := map[string]string{}
	for i := range 10 {
		env[fmt.Sprint("S", i)] = fmt.Sprintf("canary-env-%d/+&é<", i)
	}
	env["HOOK"] = "whsec_" + base64.StdEncoding.EncodeToString([]byte("canary-hook-0123456789abcdef"))
	var echo http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all := map[string]any{"url": r.URL.String(), "path": r.URL.Path, "query": r.URL.Query(), "headers": r.Header, "body": string(body)}
		text, _ := json.Marshal(all)
		w.Header().Set("Content-Type", "text/x; q="+r.Header.Get("Authorization"))
		w.Header().Set("X-Echo", r.Header.Get("Cookie"))
		if r.URL.Query().Get("redirect") != "" {
			w.Header().Set("Location", "/elsewhere?token="+url.QueryEscape(r.Header.Get("X-S1"))+"&x="+url.QueryEscape(r.Header.Get("X-S2")))
			w.WriteHeader(302)
		}
		_, _ = fmt.Fprintf(w, "%s\n%s\n%x\n%s\n%v", text, url.QueryEscape(string(text)), body, base64.StdEncoding.EncodeToString([]byte(r.Header.Get("X-S1"))), r.Header)
	}
	target := newSeen(t, echo)
	r := newRig(t, func(c *executorConfig) {
		withSecrets(env, "")(c)
		c.Settings.ExcerptBytes = 1 << 20
	})
	literals := `"headers":{"Authorization":"Bearer canary-lit-0","Cookie":"sid=canary-lit-1","X-Api-Key":"canary-lit-2","X-Auth-Token":"canary-lit-3",
		"X-S1":"{{secret.S1}}","X-S2":"pre {{secret.S2}} post"},
		"body":{"password":"canary-lit-4","deep":[{"client_secret":"canary-lit-5","x":"{{secret.S3}}"}],"access_token":"canary-lit-6"},"signing_secret":"{{secret.HOOK}}"`
	for i, text := range []string{
		`{"method":"POST","target_url":"` + target.URL + `/{{secret.S4}}?api_key=canary-lit-7&k={{secret.S5}}",` + literals + `}`,
		`{"method":"POST","target_url":"` + target.URL + `/?redirect=1",` + literals + `}`,
		`{"method":"GET","target_url":"` + strings.Replace(target.URL, "//", "//canary-user:canary-lit-8@", 1) + `/"}`,
		`{"method":"GET","target_url":"` + target.URL + `","auth":{"basic":{"username":"u","password":"{{secret.S6}}"}}}`,
		`{"method":"GET","target_url":"` + target.URL + `","auth":{"bearer":"canary-lit-9"}}`,
		`{"method":"POST","target_url":"` + target.URL + `","body_form":{"token":"canary-lit-10","x":"{{secret.S7}}"}}`,
		`{"method":"POST","target_url":"` + target.URL + `","body_text":"{{secret.S8}}","success":{"json":[{"pointer":"/a","equals":"{{secret.S9}}"}]}}`,
		`{"method":"POST","target_url":"` + target.URL + `","body_text":"{{secret.S8}}","success":{"json":[{"pointer":"","equals":1}]}}`,
		`{"method":"POST","target_url":"http://127.0.0.1:1/{{secret.S0}}?token=canary-lit-11",` + literals + `}`,
	} {
		d := define(t, text)
		if faults := validateCall(d, r.env()); len(faults) > 0 {
			t.Fatalf("%d: %v", i, faults)
		}
		r.ledger.mu.Lock()
		r.ledger.jobs[int64(i)] = d
		r.ledger.mu.Unlock()
		r.Start(Dispatch{Run: int64(i), Job: int64(i), Version: 1, Attempt: 1})
		f := <-r.finished
		shown, err := json.Marshal([]any{f, r.Try(t.Context(), callOf(d)), redact(*d)})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(shown), r.log.String()} {
			for _, form := range []string{text, unescapeAll(text)} {
				form = strings.ReplaceAll(form, "canary-user", "")
				if at := strings.Index(form, "canary"); at >= 0 {
					t.Errorf("%d: …%s…", i, form[max(0, at-200):min(len(form), at+60)])
				}
				if strings.Contains(form, base64.StdEncoding.EncodeToString([]byte("canary-user:canary"))[:20]) {
					t.Errorf("%d: basic credentials in base64", i)
				}
			}
		}
	}
}

func unescapeAll(s string) string {
	u, err := url.QueryUnescape(strings.ReplaceAll(s, "%!", "%25!"))
	if err != nil {
		return s
	}
	return u
}

// TestSecretAtTheCut: an excerpt that ends within a secret shows no part of it.
func TestSecretAtTheCut(t *testing.T) {
	secret := strings.Repeat("canary", 20)
	target := newSeen(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 90)+r.Header.Get("X-Token")+strings.Repeat("y", 5000))
	})
	r := newRig(t, func(c *executorConfig) {
		withSecrets(map[string]string{"T": secret}, "")(c)
		c.Settings.ExcerptBytes = 100
	})
	a := r.try(t, target.URL, func(d *Definition) { d.Headers = map[string]string{"X-Token": "{{secret.T}}"} })
	if a.Response.Excerpt != strings.Repeat("x", 90)+"***yyyyyyy" {
		t.Errorf("%q", a.Response.Excerpt)
	}
}

// TestSigning is S3 end to end: the request as it arrives is verified by the upstream library, with each of two secrets.
func TestSigning(t *testing.T) {
	former := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 24)))
	present := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 32)))
	target := newSeen(t, nil)
	r := newRig(t, withSecrets(map[string]string{"HOOK": present}, ""))
	d := define(t, `{"method":"POST","target_url":"`+target.URL+`","body":{"id":"{{run_id}}"},"signing_secret":["{{secret.HOOK}}","`+former+`"]}`)
	if a := r.Attempt(t.Context(), callOf(d)); !a.OK {
		t.Fatalf("%+v", a)
	}
	req, body := target.last()
	for _, s := range []string{former, present} {
		receiver, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify([]byte(body), req.Header); err != nil {
			t.Error(err)
		}
	}
	if id := req.Header.Get("Webhook-Id"); id != testRunID || strings.Contains(id, ".") {
		t.Errorf("webhook-id %q", id)
	}
}

func TestOAuth2(t *testing.T) {
	var mu sync.Mutex
	issued, refuse, expires := 0, false, 3600
	tokens := newSeen(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		user, password, _ := r.BasicAuth()
		if refuse || user != "client" || password != "canary-secret" {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"canary-secret is wrong"}`)
			return
		}
		issued++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"canary-token-%d","token_type":"Bearer","expires_in":%d}`, issued, expires)
	})
	status := 200
	target := newSeen(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	})
	r := newRig(t, withSecrets(map[string]string{"C": "canary-secret"}, ""))
	d := define(t, `{"method":"GET","target_url":"`+target.URL+`","auth":{"oauth2":{"token_url":"`+tokens.URL+`","client_id":"client","client_secret":"{{secret.C}}","scopes":["a","b"],"audience":"api"}}}`)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := r.Attempt(t.Context(), callOf(d)); !a.OK || strings.Contains(fmt.Sprintf("%+v %+v", a, a.Response), "canary") {
				t.Errorf("%+v %+v", a, a.Response)
			}
		})
	}
	wg.Wait()
	if req, form := tokens.last(); issued != 1 || req.Method != "POST" || form != "audience=api&grant_type=client_credentials&scope=a+b" {
		t.Errorf("%d tokens, the last for %s", issued, form)
	}
	if req, _ := target.last(); req.Header.Get("Authorization") != "Bearer canary-token-1" {
		t.Errorf("%q", req.Header.Get("Authorization"))
	}
	status = 401
	r.Attempt(t.Context(), callOf(d))
	status = 200
	if r.Attempt(t.Context(), callOf(d)); issued != 2 {
		t.Errorf("%d tokens: a refused one is not used again", issued)
	}
	other := define(t, `{"method":"GET","target_url":"`+target.URL+`","auth":{"oauth2":{"token_url":"`+tokens.URL+`","client_id":"client","client_secret":"canary-secret"}}}`)
	expires = 5 // less than the margin: never used a second time
	r.Attempt(t.Context(), callOf(other))
	r.Attempt(t.Context(), callOf(other))
	if issued != 4 {
		t.Errorf("%d tokens: one that is about to end is not used again", issued)
	}
	refuse = true
	a := r.Attempt(t.Context(), callOf(other))
	if a.Error != classAuth || strings.Contains(a.Detail, "canary") || !strings.Contains(a.Detail, "invalid_client") {
		t.Errorf("%+v", a)
	}
	slow, _ := hanging(t)
	other.Auth.OAuth2.TokenURL, other.TimeoutSec = slow, ptr(0.05)
	start := time.Now()
	if a := r.Attempt(t.Context(), callOf(other)); a.Error != classTimeout || time.Since(start) > time.Second {
		t.Errorf("a token endpoint that hangs: %+v", a)
	}
}

func TestTry(t *testing.T) {
	target := newSeen(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "sid=canary")
		w.Header().Set("X-Plain", "shown")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	r := newRig(t, withSecrets(map[string]string{"T": "canary-secret"}, ""))
	d := define(t, `{"method":"POST","target_url":"`+target.URL+`/?token=canary&x={{secret.T}}","headers":{"Authorization":"Bearer canary"},"body":{"password":"canary","a":"{{secret.T}}","n":1}}`)
	trial := r.Try(t.Context(), callOf(d))
	text, err := json.Marshal(trial)
	if err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("%s %v", text, err)
	}
	q := trial.Request
	if q.Method != "POST" || q.URL != target.URL+"/?token=***&x=***" || q.Headers["Authorization"] != "***" || q.Headers["Idempotency-Key"] != `"`+testRunID+`"` || q.Body != `{"password":"***","a":"***","n":1}` {
		t.Errorf("%+v", q)
	}
	if trial.Headers["X-Plain"] != "shown" || trial.Headers["Set-Cookie"] != "***" || !trial.Attempt.OK || trial.Attempt.Timings == nil {
		t.Errorf("%+v", trial)
	}
	bad := r.Try(t.Context(), callOf(&Definition{TargetURL: "ftp://u:canary@x"}))
	if text, _ := json.Marshal(bad); bad.Attempt.Error != classDefinition || strings.Contains(string(text), "canary") {
		t.Errorf("%s", text)
	}
}
