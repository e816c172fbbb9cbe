// Package template fills placeholders into text: {{scheduled_at|%Y-%m}}, {{job_id}}, {{run_id}}, {{attempt}} and
// {{secret.NAME}}. There is no code, no loop and no condition, and what can be wrong is found when the text is parsed.
//
// Grammar: "{{" name [shifts] ["|" format] "}}". Only scheduled_at takes shifts (-1mo, +2h) and a format; the format is
// strftime's, default RFC 3339. "{{{{" stands for a literal "{{".
package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"teiki/internal/secret"
)

// Vars are the values of one attempt.
type Vars struct {
	ScheduledAt time.Time // in the job's zone
	JobID       string
	RunID       string
	Attempt     int
	// Secret resolves a name; its error ends the rendering.
	Secret func(name string) (string, error)
}

// Template is a parsed text. It is immutable.
type Template struct {
	parts []part
}

// part is literal text or one placeholder.
type part struct {
	literal string
	kind    kind
	name    string  // of a secret
	shifts  []shift // of scheduled_at
	format  string  // strftime, "" = RFC 3339
	at      int     // where the placeholder starts in the text, in bytes
}

type kind byte

const (
	literal kind = iota
	scheduledAt
	jobID
	runID
	attempt
	secretValue
)

var names = map[string]kind{"scheduled_at": scheduledAt, "job_id": jobID, "run_id": runID, "attempt": attempt}

const known = "{{scheduled_at|%Y-%m-%d}}, {{scheduled_at-1mo|%Y-%m}}, {{job_id}}, {{run_id}}, {{attempt}} and {{secret.NAME}} are known; write {{{{ for a literal {{"

// Has tells whether a text needs parsing at all.
func Has(s string) bool { return strings.Contains(s, "{{") }

// Parse reads a text. The error says which placeholder is wrong and what would be right.
func Parse(s string) (*Template, error) {
	t := &Template{}
	text := func(s string) {
		if n := len(t.parts); n > 0 && t.parts[n-1].kind == literal {
			t.parts[n-1].literal += s
		} else if s != "" {
			t.parts = append(t.parts, part{literal: s})
		}
	}
	pos := 0
	for {
		i := strings.Index(s[pos:], "{{")
		if i < 0 {
			text(s[pos:])
			return t, nil
		}
		text(s[pos : pos+i])
		pos += i
		if strings.HasPrefix(s[pos:], "{{{{") {
			text("{{")
			pos += 4
			continue
		}
		end := strings.Index(s[pos:], "}}")
		if end < 0 {
			return nil, fmt.Errorf("%q has no closing }}; %s", clip(s[pos:]), known)
		}
		p, err := parsePlaceholder(s[pos+2 : pos+end])
		if err != nil {
			return nil, err
		}
		p.at = pos
		t.parts = append(t.parts, p)
		pos += end + 2
	}
}

func parsePlaceholder(s string) (part, error) {
	bad := func(format string, args ...any) (part, error) {
		return part{}, fmt.Errorf("{{%s}}: %s", clip(s), fmt.Sprintf(format, args...))
	}
	expr, format, hasFormat := strings.Cut(s, "|")
	expr = strings.TrimSpace(expr)
	if name, ok := strings.CutPrefix(expr, "secret."); ok {
		if hasFormat {
			return bad("a secret takes no format")
		}
		if !secret.ValidName(name) {
			return bad("the name of a secret is letters, digits, _, - and .")
		}
		return part{kind: secretValue, name: name}, nil
	}
	word := expr
	if i := strings.IndexAny(expr, "+- "); i >= 0 {
		word = expr[:i]
	}
	k, ok := names[word]
	if !ok {
		if near := nearest(word); near != "" {
			return bad("not known; did you mean {{%s}}?", near)
		}
		return bad("not known; %s", known)
	}
	p := part{kind: k}
	if k != scheduledAt {
		if word != expr || hasFormat {
			return bad("%s takes neither arithmetic nor a format", word)
		}
		return p, nil
	}
	var err error
	if p.shifts, err = parseShifts(expr[len(word):]); err != nil {
		return bad("%v", err)
	}
	if hasFormat {
		if p.format = strings.TrimSpace(format); p.format == "" {
			return bad("the format is empty; write one such as %%Y-%%m-%%d")
		}
		if err := checkFormat(p.format); err != nil {
			return bad("%v", err)
		}
	}
	return p, nil
}

// Constant tells whether the text is the same for every attempt, and gives it then.
func (t *Template) Constant() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].kind == literal:
		return t.parts[0].literal, true
	}
	return "", false
}

// Secrets are the names of the secrets in it.
func (t *Template) Secrets() []string {
	var list []string
	for _, p := range t.parts {
		if p.kind == secretValue && !slices.Contains(list, p.name) {
			list = append(list, p.name)
		}
	}
	return list
}

// Positions are the byte offsets of the placeholders in the parsed text.
func (t *Template) Positions() []int {
	var list []int
	for _, p := range t.parts {
		if p.kind != literal {
			list = append(list, p.at)
		}
	}
	return list
}

// Literal is the text without its placeholders, for judging what an author wrote out.
func (t *Template) Literal() string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.literal)
	}
	return b.String()
}

// Append appends the filled-in text to dst. Values, not literals, pass through escape, which is told where the placeholder
// stood; nil leaves them as they are. It fails only where a secret can't be had, or a shift leaves the years 1 to 9999.
func (t *Template) Append(dst []byte, v *Vars, escape func(dst []byte, value string, at int) []byte) ([]byte, error) {
	for i := range t.parts {
		p := &t.parts[i]
		if p.kind == literal {
			dst = append(dst, p.literal...)
			continue
		}
		value, err := p.value(v)
		if err != nil {
			return dst, err
		}
		if escape == nil {
			dst = append(dst, value...)
		} else {
			dst = escape(dst, value, p.at)
		}
	}
	return dst, nil
}

func (p *part) value(v *Vars) (string, error) {
	switch p.kind {
	case scheduledAt:
		return formatTime(v.ScheduledAt, p.shifts, p.format)
	case jobID:
		return v.JobID, nil
	case runID:
		return v.RunID, nil
	case attempt:
		return strconv.Itoa(v.Attempt), nil
	default:
		return v.Secret(p.name)
	}
}

// nearest is the name that a misspelt one was meant to be, "" when it is like none.
func nearest(word string) string {
	switch w := strings.ReplaceAll(strings.ToLower(word), "-", "_"); w {
	case "now", "date", "time", "today", "run_at", "scheduled", "scheduled_time", "timestamp":
		return "scheduled_at"
	case "job", "jobid", "id":
		return "job_id"
	case "run", "runid":
		return "run_id"
	case "attempts", "try", "retry":
		return "attempt"
	case "secret", "secrets", "env":
		return "secret.NAME"
	default:
		for n := range names {
			if len(w) == len(n) && differ(w, n) <= 2 || len(w) == len(n)-1 && strings.HasPrefix(n, w) {
				return n
			}
		}
		if name, ok := strings.CutPrefix(w, "secrets."); ok {
			return "secret." + name
		}
		return ""
	}
}

func differ(a, b string) (n int) {
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
