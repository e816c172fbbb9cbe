package schedule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"teiki/internal/strictjson"
)

// maxRaw bounds the JSON text of one schedule; the longest sensible one is far shorter.
const maxRaw = 16 << 10

// object is a JSON object read strictly: one level, each name once, in order.
type object struct {
	names  []string
	values []json.RawMessage
	taken  []bool
}

// absent tells whether a value was left out or given as null, which is the same.
func absent(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// checkRaw refuses what is too long, not UTF-8 or not JSON, before anything looks into it.
func checkRaw(raw []byte) string {
	switch {
	case len(raw) > maxRaw:
		return fmt.Sprintf("is %d bytes long; at most %d are accepted", len(raw), maxRaw)
	case !utf8.Valid(raw):
		return "is not valid UTF-8"
	case !json.Valid(raw):
		return "is not valid JSON"
	}
	return ""
}

// readObject reads raw, which checkRaw has passed and which starts with '{'.
func readObject(raw []byte, p *parsing, prefix string) *object {
	o := &object{}
	for _, m := range strictjson.Members(raw) {
		if o.index(m.Name) >= 0 {
			p.fault(prefix+shown(m.Name), "is given more than once")
			continue
		}
		o.names = append(o.names, m.Name)
		o.values = append(o.values, m.Raw)
		o.taken = append(o.taken, false)
	}
	return o
}

func (o *object) index(name string) int {
	for i, n := range o.names {
		if n == name {
			return i
		}
	}
	return -1
}

// take returns the value of name and marks it as known; nil if it is not there.
func (o *object) take(name string) json.RawMessage {
	i := o.index(name)
	if i < 0 {
		return nil
	}
	o.taken[i] = true
	return o.values[i]
}

// maxUnknown bounds how many unknown names are reported one by one.
const maxUnknown = 20

// refuseUnknown faults every name nobody took, with the nearest known one if there is one.
func (o *object) refuseUnknown(p *parsing, prefix string, known []string) {
	count := 0
	for i, name := range o.names {
		if o.taken[i] {
			continue
		}
		if count++; count > maxUnknown {
			p.fault(strings.TrimSuffix(prefix, "."), "has more unknown fields than are listed here")
			return
		}
		if near := nearest(name, known); near != "" {
			p.fault(prefix+shown(name), "unknown field; did you mean %q?", near)
		} else {
			p.fault(prefix+shown(name), "unknown field; the fields are %s", strings.Join(known, ", "))
		}
	}
}

// stringValue is the string that raw holds, if it holds one.
func stringValue(raw []byte) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// kindOf names the JSON type of raw for a message.
func kindOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// maxQuantity bounds numbers of weeks, days, hours, minutes and seconds.
const maxQuantity = 1e12

// parseNumber reads a JSON number exactly. Numbers that no schedule needs are refused
// before they cost anything: 1e999999999 is eleven bytes long.
func parseNumber(raw []byte) (*big.Rat, string) {
	text := string(bytes.TrimSpace(raw))
	if kindOf(raw) != "a number" {
		if s, ok := stringValue(raw); ok {
			if _, err := strconv.ParseFloat(s, 64); err == nil {
				return nil, fmt.Sprintf("must be a number, not a string: write %s without quotes", shown(s))
			}
		}
		return nil, "must be a number, not " + kindOf(raw)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f > maxQuantity || f < -maxQuantity {
		return nil, "is too large"
	}
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > 64 || len(exponent) > 4 {
		return new(big.Rat).SetFloat64(f), ""
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, "must be a number"
	}
	return n, ""
}

// shortNumber is a millionfold of a JSON number of at most six digits before the point and six behind it, which is almost every
// one that is written, without the cost of exact arithmetic for all others.
func shortNumber(raw []byte) (millionths int64, ok bool) {
	whole, fraction, _ := bytes.Cut(raw, []byte{'.'})
	if len(whole) == 0 || len(whole) > 6 || len(fraction) > 6 {
		return 0, false
	}
	for i := range len(whole) + 6 {
		digit := byte('0')
		if i < len(whole) {
			digit = whole[i]
		} else if i-len(whole) < len(fraction) {
			digit = fraction[i-len(whole)]
		}
		if digit < '0' || digit > '9' {
			return 0, false
		}
		millionths = 10*millionths + int64(digit-'0')
	}
	return millionths, true
}

func ratOf(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

// roundRat rounds to the nearest integer, halves to the even one, as Python's timedelta does.
func roundRat(r *big.Rat) *big.Int {
	two := big.NewInt(2)
	num := new(big.Int).Mul(r.Num(), two)
	num.Add(num, r.Denom())
	den := new(big.Int).Mul(r.Denom(), two)
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	if rest.Sign() == 0 && q.Bit(0) == 1 { // exactly half way, and rounded up to an odd one
		q.Sub(q, big.NewInt(1))
	}
	return q
}

// shown shortens text that goes into a message or a field name.
func shown(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func quote(s string) string { return `"` + shown(s) + `"` }
