package secret

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mask is what stands for a secret wherever one is shown.
const Mask = "***"

// Masker takes values out of text, in the forms in which a target echoes them: as they are, percent-encoded, as a JSON string
// or HTML, in mixtures of these, in base64 and in hexadecimal. The nil Masker changes nothing. It is immutable.
type Masker struct {
	forms   *regexp.Regexp
	needles []string // text without any of these has no form in it: most text is told so without the expression
	longest int
}

// maxMixed is the longest value, in bytes, that is searched for in mixtures of encodings: beyond it (certificates, keys) the
// search would cost more than the call.
const maxMixed = 1 << 10

// NewMasker makes a masker of values; empty ones do not count. nil when none is left.
func NewMasker(values ...string) *Masker {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	if len(values) == 0 {
		return nil
	}
	// The longest first: a value that starts like another must not leave its tail behind.
	slices.SortFunc(values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	m := &Masker{}
	var forms []string
	for _, v := range slices.Compact(values) {
		forms = append(forms, m.formsOf(v)...)
	}
	m.forms = regexp.MustCompile(strings.Join(forms, "|")) // made of quoted text alone
	return m
}

// String is s without the values.
func (m *Masker) String(s string) string {
	if m == nil || s == "" {
		return s
	}
	if !slices.ContainsFunc(m.needles, func(n string) bool { return strings.Contains(s, n) }) {
		return s
	}
	return m.forms.ReplaceAllLiteralString(s, Mask)
}

// Longest is the length in bytes of the longest form: text that is to be cut must be masked with that much more, or half a
// value would stay at the cut.
func (m *Masker) Longest() int {
	if m == nil {
		return 0
	}
	return m.longest
}

// formsOf gives the regular expressions of a value's forms.
func (m *Masker) formsOf(v string) []string {
	var forms []string
	m.needles = append(m.needles, needle(v))
	if len(v) <= maxMixed && utf8.ValidString(v) {
		var b strings.Builder
		width := 0
		for _, r := range v {
			pattern, n := formsOfRune(r)
			b.WriteString(pattern)
			width += n
		}
		forms = append(forms, b.String())
		m.longest = max(m.longest, width)
	} else {
		forms = append(forms, regexp.QuoteMeta(v))
		m.longest = max(m.longest, len(v))
	}
	if len(v) >= 4 { // shorter ones are found by chance in any encoded text
		raw := base64.RawStdEncoding.EncodeToString([]byte(v))
		urlSafe := base64.RawURLEncoding.EncodeToString([]byte(v))
		forms = append(forms, mixed(raw)+"(?:=|%3D){0,2}")
		if urlSafe != raw {
			forms = append(forms, urlSafe)
			m.needles = append(m.needles, urlSafe)
		}
		digits := hex.EncodeToString([]byte(v))
		forms = append(forms, digits, strings.ToUpper(digits))
		m.needles = append(m.needles, needle(raw), digits, strings.ToUpper(digits))
		m.longest = max(m.longest, 3*len(raw)+6)
	}
	return forms
}

// needle is the longest part of a value that every encoding leaves as it is; "" is in every text.
func needle(v string) string {
	longest := ""
	for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return !plain(r) }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

// plain tells whether no encoder changes a character.
func plain(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_' || r == '~'
}

func mixed(s string) string {
	var b strings.Builder
	for _, r := range s {
		pattern, _ := formsOfRune(r)
		b.WriteString(pattern)
	}
	return b.String()
}

// formsOfRune is a regular expression of what encoders make of one character, and the most bytes that it matches.
func formsOfRune(r rune) (string, int) {
	if plain(r) {
		return regexp.QuoteMeta(string(r)), 1
	}
	const backslashes = `(?:\\|%5[Cc]){1,4}` // JSON within JSON doubles them
	percent, units := "", ""
	for _, c := range []byte(string(r)) {
		percent += fmt.Sprintf("%%(?:25)?%02X", c)
	}
	for _, u := range utf16.Encode([]rune{r}) {
		units += backslashes + fmt.Sprintf("u%04x", u)
	}
	forms := []string{regexp.QuoteMeta(string(r)), "(?i:" + percent + ")", "(?i:" + units + ")", fmt.Sprintf("&#%d;", r), fmt.Sprintf("(?i:&#x%x;)", r)}
	if escaped := html.EscapeString(string(r)); escaped != string(r) {
		forms = append(forms, regexp.QuoteMeta(escaped))
	}
	switch r {
	case ' ':
		forms = append(forms, `\+`)
	case '"':
		forms = append(forms, backslashes+`"`, backslashes+"%22", "&quot;")
	case '\\':
		forms = append(forms, backslashes)
	case '/':
		forms = append(forms, backslashes+"/")
	case '\n', '\r', '\t':
		forms = append(forms, backslashes+map[rune]string{'\n': "n", '\r': "r", '\t': "t"}[r])
	}
	return "(?:" + strings.Join(forms, "|") + ")", 36
}
