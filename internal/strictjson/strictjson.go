// Package strictjson decodes JSON that people write by hand: it reports every fault at once, each with the field it is in, and
// lets nothing pass that encoding/json would bend or drop: unknown and repeated names, names in another case, half surrogate
// pairs, numbers that do not fit.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 64

// Fault is one thing wrong with a document: the path of the field ("success.json[0].pointer"), and what would be right.
type Fault struct{ Field, Detail string }

// SyntaxError tells why a text is not JSON, and where.
type SyntaxError struct{ Detail string }

func (e *SyntaxError) Error() string { return e.Detail }

// Decode reads the one JSON object in data into the struct that into points to, by the names in its json tags. The error is a
// *SyntaxError and means that data is not JSON; faults mean that it is not what the struct describes. Where a field has a
// fault, its value is left as it was. null is the same as an absent field, except for json.RawMessage and json.Unmarshaler.
func Decode(data []byte, into any) ([]Fault, error) {
	if err := syntax(data); err != nil {
		return nil, err
	}
	d := &decoding{}
	d.repeated(data, space(data, 0), nil)
	d.value("", data, into)
	return d.faults, nil
}

// syntax tells why data is not one JSON value in UTF-8, nested no deeper than MaxDepth.
func syntax(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return &SyntaxError{"the body is empty: a JSON object is expected"}
	}
	if !utf8.Valid(data) {
		at := 0
		for at < len(data) {
			r, size := utf8.DecodeRune(data[at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		return &SyntaxError{where(data, at) + "not UTF-8, the only encoding of JSON"}
	}
	if at := tooDeep(data); at >= 0 {
		return &SyntaxError{where(data, at) + fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	if json.Valid(data) {
		return nil
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		var bad *json.SyntaxError
		if errors.As(err, &bad) {
			return &SyntaxError{where(data, max(0, int(bad.Offset)-1)) + bad.Error()}
		}
		return &SyntaxError{err.Error()}
	}
	return nil
}

// where is the line and column of the byte at an offset, both from 1.
func where(data []byte, at int) string {
	before := data[:min(at, len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d: ", line, column)
}

// tooDeep is the offset of the first bracket that nests deeper than MaxDepth, or -1.
func tooDeep(data []byte) int {
	depth, text := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

// join is the path of a member of the object at path.
func join(path, name string) string {
	if len(name) > 100 {
		name = name[:100] + "…"
	}
	name = strings.ToValidUTF8(name, "")
	if path == "" {
		return name
	}
	return path + "." + name
}
