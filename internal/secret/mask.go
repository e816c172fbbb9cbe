package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// Mask is what stands for a secret wherever one is shown.
const Mask = "***"

// Masker takes values out of text, in the forms in which a target echoes them: as they are, percent-encoded, as a JSON
// string, as HTML, in base64 and in hexadecimal. The nil Masker changes nothing. It is immutable.
type Masker struct {
	replacer *strings.Replacer
	longest  int
}

// NewMasker makes a masker of values; empty ones do not count. nil when none is left.
func NewMasker(values ...string) *Masker {
	var forms []string
	for _, v := range values {
		if v != "" {
			forms = append(forms, formsOf(v)...)
		}
	}
	if len(forms) == 0 {
		return nil
	}
	// The longest first: a value that starts like another must not leave its tail behind.
	slices.SortFunc(forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, Mask)
	}
	return &Masker{replacer: strings.NewReplacer(pairs...), longest: len(forms[0])}
}

// String is s without the values.
func (m *Masker) String(s string) string {
	if m == nil || s == "" {
		return s
	}
	return m.replacer.Replace(s)
}

// Longest is the length in bytes of the longest form: text that is to be cut must be masked with that much more, or half a
// value would stay at the cut.
func (m *Masker) Longest() int {
	if m == nil {
		return 0
	}
	return m.longest
}

func formsOf(v string) []string {
	quoted, _ := json.Marshal(v) // a string: cannot fail
	var plain strings.Builder
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // into memory: cannot fail
	escaped := url.QueryEscape(v)
	forms := []string{
		v,
		escaped, strings.ReplaceAll(escaped, "+", "%20"), url.PathEscape(v), lowerHex(escaped),
		string(quoted[1 : len(quoted)-1]), strings.Trim(plain.String(), "\n")[1 : plain.Len()-2],
		html.EscapeString(v),
	}
	if len(v) >= 4 { // shorter ones are found by chance in any encoded text
		forms = append(forms,
			base64.StdEncoding.EncodeToString([]byte(v)), base64.RawStdEncoding.EncodeToString([]byte(v)),
			base64.URLEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v)),
			hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v))))
	}
	return forms
}

// lowerHex is a percent-encoded text with its escapes in lower case.
func lowerHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			b[i+1], b[i+2] = b[i+1]|0x20, b[i+2]|0x20
		}
	}
	return string(b)
}
