package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"teiki/internal/schedule"
)

// success is a job's success conditions, compiled.
type success struct {
	statuses    []statusRange // none = 2xx
	contains    []byte
	matches     *regexp.Regexp
	checks      []jsonCheck
	maxDuration time.Duration // 0 = no limit
}

type statusRange struct{ from, to int }

type jsonCheck struct {
	pointer string
	tokens  []string
	equals  any
	text    string
}

const (
	maxPattern       = 1000
	maxPointerTokens = 32
)

func compileSuccess(s *Success) (*success, []schedule.Fault) {
	var faults []schedule.Fault
	fault := func(field, format string, args ...any) {
		faults = append(faults, schedule.Fault{Field: "success." + field, Detail: fmt.Sprintf(format, args...)})
	}
	c := &success{}
	if s == nil {
		return c, nil
	}
	for i, text := range s.Status {
		r, ok := parseStatus(text)
		if !ok {
			fault(fmt.Sprintf("status[%d]", i), `%q is not a status: write "200", "2xx" or "200-204"`, text)
		}
		c.statuses = append(c.statuses, r)
	}
	c.contains = []byte(s.BodyContains)
	if s.BodyMatches != "" {
		re, err := regexp.Compile(s.BodyMatches)
		switch {
		case len(s.BodyMatches) > maxPattern:
			fault("body_matches", "is longer than %d bytes", maxPattern)
		case err != nil:
			fault("body_matches", "is not a regular expression (RE2 syntax): %v", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		c.matches = re
	}
	for i, check := range s.JSON {
		field := fmt.Sprintf("json[%d]", i)
		tokens, wrong := parsePointer(check.Pointer)
		if wrong != "" {
			fault(field+".pointer", "%s", wrong)
		}
		equals, err := decodeNumbers(check.Equals)
		if err != nil {
			fault(field+".equals", "is required: the JSON value that the pointer must find")
		}
		c.checks = append(c.checks, jsonCheck{check.Pointer, tokens, equals, string(check.Equals)})
	}
	if s.MaxDurationMS != nil {
		if !(*s.MaxDurationMS > 0) {
			fault("max_duration_ms", "must be more than 0")
		}
		c.maxDuration = seconds(*s.MaxDurationMS / 1000)
	}
	return c, faults
}

// parseStatus reads "200", "2xx" or "200-204".
func parseStatus(s string) (statusRange, bool) {
	if len(s) == 3 && strings.EqualFold(s[1:], "xx") && '1' <= s[0] && s[0] <= '5' {
		n := int(s[0]-'0') * 100
		return statusRange{n, n + 99}, true
	}
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err1 := strconv.Atoi(strings.TrimSpace(from))
	b, err2 := strconv.Atoi(strings.TrimSpace(to))
	return statusRange{a, b}, err1 == nil && err2 == nil && 100 <= a && a <= b && b <= 599
}

// parsePointer splits an RFC 6901 pointer.
func parsePointer(p string) ([]string, string) {
	if p == "" {
		return nil, ""
	}
	if p[0] != '/' {
		return nil, `must be a JSON pointer (RFC 6901): "" or starting with "/", such as "/status/ok"`
	}
	tokens := strings.Split(p[1:], "/")
	if len(tokens) > maxPointerTokens {
		return nil, fmt.Sprintf("has more than %d steps", maxPointerTokens)
	}
	for i, t := range tokens {
		for j := range len(t) {
			if t[j] == '~' && (j+1 == len(t) || t[j+1] != '0' && t[j+1] != '1') {
				return nil, `holds a "~" that is neither ~0 (for ~) nor ~1 (for /)`
			}
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens, ""
}

// needsBody tells whether the whole body must be kept to judge it.
func (s *success) needsBody() bool {
	return len(s.contains) > 0 || s.matches != nil || len(s.checks) > 0
}

// status tells whether an answer's status is a good one.
func (s *success) status(code int) bool {
	if len(s.statuses) == 0 {
		return code >= 200 && code <= 299
	}
	for _, r := range s.statuses {
		if r.from <= code && code <= r.to {
			return true
		}
	}
	return false
}

// names tells whether a status is listed by its author, so that a redirect may count as an answer.
func (s *success) names(code int) bool { return len(s.statuses) > 0 && s.status(code) }

// judge gives the first condition that an answer misses, nil when it meets all. truncated says that body is only the
// beginning of what the target sent.
func (s *success) judge(code int, body []byte, truncated bool, took time.Duration) *failure {
	cut := ""
	if truncated {
		cut = fmt.Sprintf(" in its first %d bytes; more is not read", len(body))
	}
	switch {
	case !s.status(code):
		return &failure{"", ReasonHTTPStatus, fmt.Sprintf("status %d is not a success", code)}
	case len(s.contains) > 0 && !bytes.Contains(body, s.contains):
		return &failure{"", reasonBodyContains, "the body does not contain what success.body_contains says" + cut}
	case s.matches != nil && !s.matches.Match(body):
		return &failure{"", reasonBodyMatches, "the body does not match success.body_matches" + cut}
	}
	for _, check := range s.checks {
		if wrong := check.judge(body); wrong != "" {
			return &failure{"", reasonJSON, wrong + cut}
		}
	}
	if s.maxDuration > 0 && took > s.maxDuration {
		return &failure{"", reasonDuration, fmt.Sprintf("took %.0f ms, more than success.max_duration_ms %.0f", ms(took), ms(s.maxDuration))}
	}
	return nil
}

func (c *jsonCheck) judge(body []byte) string {
	raw := json.RawMessage(body)
	if !json.Valid(raw) {
		return "the body is not JSON"
	}
	for _, token := range c.tokens {
		next, ok := descend(raw, token)
		if !ok {
			return fmt.Sprintf("the body has nothing at %s", c.pointer)
		}
		raw = next
	}
	value, err := decodeNumbers(raw)
	if err != nil || !equalJSON(value, c.equals) {
		return fmt.Sprintf("%s must be %s, but is %s", c.where(), c.text, raw) // cut where it is masked
	}
	return ""
}

func (c *jsonCheck) where() string {
	if c.pointer == "" {
		return "the body"
	}
	return c.pointer
}

// descend goes one token down.
func descend(raw json.RawMessage, token string) (json.RawMessage, bool) {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		i, err := strconv.ParseUint(token, 10, 31)
		if err != nil || len(token) > 1 && token[0] == '0' || json.Unmarshal(raw, &list) != nil || int(i) >= len(list) {
			return nil, false
		}
		return list[i], true
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil, false
	}
	v, ok := object[token]
	return v, ok
}

// decodeNumbers decodes one JSON value and keeps its numbers exact.
func decodeNumbers(raw []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// equalJSON compares by value: 1, 1.0 and 1e0 are equal, members have no order.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || equalNumbers(string(a), string(b)))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !equalJSON(v, w) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}

// equalNumbers compares exactly where that is cheap: a hostile exponent would make a number of a billion digits.
func equalNumbers(a, b string) bool {
	if len(a) > 40 || len(b) > 40 || hugeExponent(a) || hugeExponent(b) {
		x, err1 := strconv.ParseFloat(a, 64)
		y, err2 := strconv.ParseFloat(b, 64)
		return err1 == nil && err2 == nil && x == y
	}
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

func hugeExponent(s string) bool {
	i := strings.IndexAny(s, "eE")
	return i >= 0 && len(strings.TrimLeft(s[i+1:], "+-0")) > 3
}
