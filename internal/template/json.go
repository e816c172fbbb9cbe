package template

import (
	"encoding/json"
	"fmt"
)

// JSON is a JSON text with placeholders inside its strings. Filled in, it is still JSON, and everything outside of those
// strings stays byte for byte what its author wrote.
type JSON struct {
	parts   []jsonPart
	secrets []string
}

type jsonPart struct {
	raw  []byte
	text *Template // a string with placeholders, instead of raw
}

// ParseJSON reads a valid JSON text; keys and string values may hold placeholders.
func ParseJSON(raw []byte) (*JSON, error) {
	j := &JSON{}
	from := 0
	for i := 0; i < len(raw); i++ {
		if raw[i] != '"' {
			continue
		}
		start := i
		for i++; i < len(raw) && raw[i] != '"'; i++ {
			if raw[i] == '\\' {
				i++
			}
		}
		if i >= len(raw) {
			return nil, fmt.Errorf("not JSON: a string has no end")
		}
		var s string
		if err := json.Unmarshal(raw[start:i+1], &s); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		if !Has(s) {
			continue
		}
		t, err := Parse(s)
		if err != nil {
			return nil, err
		}
		if from < start {
			j.parts = append(j.parts, jsonPart{raw: raw[from:start]})
		}
		j.parts = append(j.parts, jsonPart{text: t})
		j.secrets = append(j.secrets, t.Secrets()...)
		from = i + 1
	}
	if from < len(raw) {
		j.parts = append(j.parts, jsonPart{raw: raw[from:]})
	}
	return j, nil
}

// Constant tells whether the text is the same for every attempt, and gives it then.
func (j *JSON) Constant() ([]byte, bool) {
	switch {
	case len(j.parts) == 0:
		return nil, true
	case len(j.parts) == 1 && j.parts[0].text == nil:
		return j.parts[0].raw, true
	}
	return nil, false
}

// Secrets are the names of the secrets in it, possibly twice.
func (j *JSON) Secrets() []string { return j.secrets }

// Append appends the filled-in JSON to dst. It fails as Template.Append does.
func (j *JSON) Append(dst []byte, v *Vars) ([]byte, error) {
	for _, p := range j.parts {
		if p.text == nil {
			dst = append(dst, p.raw...)
			continue
		}
		s, err := p.text.Append(nil, v, nil)
		if err != nil {
			return dst, err
		}
		quoted, err := json.Marshal(string(s))
		if err != nil {
			return dst, err
		}
		dst = append(dst, quoted...)
	}
	return dst, nil
}
