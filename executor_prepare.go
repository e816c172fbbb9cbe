package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"teiki/internal/schedule"
	"teiki/internal/secret"
	"teiki/internal/template"
)

// prepared is a version's definition, ready to be sent: what does not change from attempt to attempt is made once. It is
// immutable and shared by all attempts.
type prepared struct {
	definition *Definition
	jobID      string
	zone       *time.Location
	faults     []schedule.Fault // it can't be called

	method  string
	target  *target
	header  http.Header // the fixed part, in canonical form
	headers []headerTemplate
	body    body
	auth    *auth
	signing []*template.Template
	success *success

	credentials []string       // what its author wrote out and must not be shown
	mask        func() masking // of credentials alone
}

type headerTemplate struct {
	name string
	text *template.Template
}

// compiler makes a definition ready, and collects the faults of its call part.
type compiler struct {
	p       *prepared
	secrets []secretUse // in the order of the definition, possibly twice
}

// secretUse is a field, by its JSON path, and the name of a secret that it refers to.
type secretUse struct{ field, name string }

func (c *compiler) uses(field string, secrets []string) {
	for _, name := range secrets {
		c.secrets = append(c.secrets, secretUse{field, name})
	}
}

func (c *compiler) fault(field, format string, args ...any) {
	c.p.faults = append(c.p.faults, schedule.Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
}

// text compiles a field that may hold placeholders; nil after a fault.
func (c *compiler) text(field, s string) *template.Template {
	t, err := template.Parse(s)
	if err != nil {
		c.fault(field, "%v", err)
		return nil
	}
	c.uses(field, t.Secrets())
	return t
}

// prepare makes a definition ready. What is wrong with it is in faults; the rest of it is then not to be used.
func prepare(jobID string, d *Definition) *prepared { return compile(jobID, d).p }

// compile is prepare, for who judges the definition further.
func compile(jobID string, d *Definition) *compiler {
	p := &prepared{definition: d, jobID: jobID, zone: time.UTC, method: d.Method}
	c := &compiler{p: p}
	if p.method == "" {
		p.method = http.MethodGet
	}
	if d.Timezone != "" {
		if zone, fault := schedule.LoadZone(d.Timezone); fault == nil {
			p.zone = zone
		}
	}
	t, wrong := compileTarget(d.TargetURL)
	if wrong != "" {
		c.fault("target_url", "%s", wrong)
	} else {
		p.target = t
		if t.text != nil {
			c.uses("target_url", t.text.Secrets())
		}
	}
	p.credentials = credentialsOf(d)
	p.mask = sync.OnceValue(func() masking { return secret.NewMasker(p.credentials...) })
	c.body(d)
	c.headers(d)
	c.auth(d)
	for i, s := range d.SigningSecret {
		if t := c.text(signingField(d, i), s); t != nil {
			p.signing = append(p.signing, t)
		}
	}
	var faults []schedule.Fault
	p.success, faults = compileSuccess(d.Success)
	p.faults = append(p.faults, faults...)
	return c
}

// signingField is the JSON path of a signing secret: a single one may be written as a string.
func signingField(d *Definition, i int) string {
	if len(d.SigningSecret) == 1 {
		return "signing_secret"
	}
	return fmt.Sprintf("signing_secret[%d]", i)
}

// fault is the error of a definition that can't be called.
func (p *prepared) fault() error {
	if len(p.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", p.faults[0].Field, p.faults[0].Detail)
}

// size is about what p takes in memory, in bytes.
func (p *prepared) size() int {
	d := p.definition
	n := 4096 + 2*len(d.TargetURL) + 2*len(d.Body) + len(d.Cron) + len(d.Interval) + len(d.Description)
	for k, v := range d.Headers {
		n += 2 * (len(k) + len(v))
	}
	for k, v := range d.BodyForm {
		n += 2 * (len(k) + len(v))
	}
	for _, s := range []*string{d.BodyText, d.BodyBase64} {
		if s != nil {
			n += 2 * len(*s)
		}
	}
	return n
}

func (c *compiler) headers(d *Definition) {
	p := c.p
	p.header = make(http.Header, len(d.Headers)+2)
	if p.body.contentType != "" {
		p.header["Content-Type"] = []string{p.body.contentType}
	}
	seen := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		field := "headers." + name
		key, wrong := headerName(name)
		if wrong != "" {
			c.fault(field, "%s", wrong)
			continue
		}
		if other, twice := seen[key]; twice {
			c.fault(field, "is the same header as %q: give it once", other)
			continue
		}
		seen[key] = name
		value := strings.Trim(d.Headers[name], " \t")
		if i := strings.IndexFunc(value, isControl); i >= 0 {
			c.fault(field, "holds a control character (%q); a header is one line", value[i])
			continue
		}
		t := c.text(field, value)
		if t == nil {
			continue
		}
		if s, ok := t.Constant(); ok {
			p.header[key] = []string{s}
		} else {
			p.headers = append(p.headers, headerTemplate{key, t})
		}
	}
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// body is what is sent: fixed, or a template of one of the three kinds.
type body struct {
	contentType string // "" = no body
	fixed       []byte
	json        *template.JSON
	text        *template.Template
	form        []formField
}

type formField struct{ name, value *template.Template }

func (c *compiler) body(d *Definition) {
	b := &c.p.body
	given := 0
	for _, g := range []struct {
		field string
		given bool
	}{
		{"body", len(d.Body) > 0}, {"body_text", d.BodyText != nil}, {"body_form", d.BodyForm != nil}, {"body_base64", d.BodyBase64 != nil},
	} {
		if !g.given {
			continue
		}
		if given++; given > 1 {
			c.fault(g.field, "is the second body: give one of body, body_text, body_form and body_base64")
		}
	}
	switch {
	case given != 1:
	case len(d.Body) > 0:
		if string(d.Body) == "null" {
			return // as the old service: no body
		}
		b.contentType = "application/json"
		j, err := template.ParseJSON(d.Body)
		if err != nil {
			c.fault("body", "%v", err)
			return
		}
		if fixed, ok := j.Constant(); ok {
			b.fixed = fixed
		} else {
			b.json = j
			c.uses("body", j.Secrets())
		}
	case d.BodyText != nil:
		b.contentType = "text/plain; charset=utf-8"
		if t := c.text("body_text", *d.BodyText); t == nil {
			return
		} else if fixed, ok := t.Constant(); ok {
			b.fixed = []byte(fixed)
		} else {
			b.text = t
		}
	case d.BodyForm != nil:
		b.contentType = "application/x-www-form-urlencoded"
		for _, name := range slices.Sorted(maps.Keys(d.BodyForm)) {
			n, v := c.text("body_form."+name, name), c.text("body_form."+name, d.BodyForm[name])
			if n != nil && v != nil {
				b.form = append(b.form, formField{n, v})
			}
		}
	default:
		b.contentType = "application/octet-stream"
		fixed, err := base64.StdEncoding.DecodeString(*d.BodyBase64)
		if err != nil {
			c.fault("body_base64", "is not base64 (standard alphabet, padded): %v", err)
		}
		b.fixed = fixed
	}
}

// render gives the bytes of one attempt's body.
func (b *body) render(v *template.Vars) ([]byte, error) {
	switch {
	case b.json != nil:
		return b.json.Append(nil, v)
	case b.text != nil:
		return b.text.Append(nil, v, nil)
	case b.form != nil:
		var out []byte
		escape := func(dst []byte, value string) []byte { return append(dst, url.QueryEscape(value)...) }
		for i, f := range b.form {
			name, err := f.name.Append(nil, v, nil)
			if err != nil {
				return nil, err
			}
			value, err := f.value.Append(nil, v, nil)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				out = append(out, '&')
			}
			out = escape(out, string(name))
			out = append(out, '=')
			out = escape(out, string(value))
		}
		return out, nil
	default:
		return b.fixed, nil
	}
}
