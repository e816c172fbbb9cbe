package strictjson

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// What is here walks JSON that has been found valid: encoding/json's Decoder, which checks each token again, takes most of the
// time that reading a small document costs.

// Member is a member of an object. Raw is a part of the document.
type Member struct {
	Name string
	Raw  []byte
}

// Members are the members of an object in order, repeated ones included. raw must be a valid object from its first byte on.
func Members(raw []byte) []Member {
	var list []Member
	for i := space(raw, 1); raw[i] != '}'; {
		m := Member{}
		begin := i
		i = end(raw, i)
		m.Name = text(raw[begin:i])
		begin = space(raw, space(raw, i)+1) // after the colon
		i = end(raw, begin)
		m.Raw = raw[begin:i]
		list = append(list, m)
		i = comma(raw, i)
	}
	return list
}

// elements are the elements of a valid array, in order.
func elements(raw []byte) [][]byte {
	var list [][]byte
	for i := space(raw, 1); raw[i] != ']'; {
		begin := i
		i = end(raw, i)
		list = append(list, raw[begin:i])
		i = comma(raw, i)
	}
	return list
}

// space is the first offset from i on that is not white space.
func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// comma is the offset of what follows a member or element that ends at i: the next one, or the closing bracket.
func comma(data []byte, i int) int {
	if i = space(data, i); data[i] == ',' {
		i = space(data, i+1)
	}
	return i
}

// end is the offset after the value that begins at i.
func end(data []byte, i int) int {
	switch data[i] {
	case '"':
		return endOfText(data, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch data[i] {
			case '"':
				i = endOfText(data, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

// endOfText is the offset after the string that begins at i.
func endOfText(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// text is what a string stands for.
func text(raw []byte) (s string) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	_ = json.Unmarshal(raw, &s)
	return s
}

// level is an array or object that is being walked, and where it stands.
type level struct {
	above *level
	name  []byte // of the member at hand, as it is written; nil in an array
	index int    // of the element at hand
}

// path is where the member or element at hand stands in the document.
func (l *level) path() string {
	switch {
	case l == nil:
		return ""
	case l.name == nil:
		return l.above.path() + "[" + strconv.Itoa(l.index) + "]"
	}
	return join(l.above.path(), text(l.name))
}

// repeated finds the members that an object has twice, in one pass over the value that begins at i, and gives the offset after
// it. MaxDepth bounds how deep it goes.
func (d *decoding) repeated(data []byte, i int, above *level) int {
	switch data[i] {
	case '{':
		at := level{above: above}
		var names nameSet
		for i = space(data, i+1); data[i] != '}'; i = comma(data, i) {
			begin := i
			i = end(data, i)
			at.name = data[begin:i]
			if !names.add(at.name) && !d.full() {
				d.fault(at.path(), "is given twice; which one is meant?")
			}
			i = d.repeated(data, space(data, space(data, i)+1), &at)
		}
		return i + 1
	case '[':
		at := level{above: above}
		for i = space(data, i+1); data[i] != ']'; i = comma(data, i) {
			i = d.repeated(data, i, &at)
			at.index++
		}
		return i + 1
	}
	return end(data, i)
}

// nameSet are the names of one object. Most have few.
type nameSet struct {
	few  [16][]byte
	n    int
	many map[string]bool
}

// add adds a name as it is written; false when the set has it.
func (s *nameSet) add(raw []byte) bool {
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = []byte(`"` + text(raw) + `"`)
	}
	if s.many != nil {
		had := s.many[string(raw)]
		s.many[string(raw)] = true
		return !had
	}
	for _, name := range s.few[:s.n] {
		if bytes.Equal(name, raw) {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = raw
		s.n++
		return true
	}
	s.many = map[string]bool{string(raw): true}
	for _, name := range s.few {
		s.many[string(name)] = true
	}
	return true
}
