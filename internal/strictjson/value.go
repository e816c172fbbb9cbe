package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"teiki/internal/suggest"
)

// Wanter is a json.Unmarshaler that says what its JSON form is, as in "must be " + Want().
type Wanter interface {
	json.Unmarshaler
	Want() string
}

// maxFaults bounds what one document can make an answer say.
const maxFaults = 100

type decoding struct{ faults []Fault }

func (d *decoding) fault(path, detail string) {
	if !d.full() {
		d.faults = append(d.faults, Fault{path, detail})
	}
}

// full tells that no more faults are told: looking for more would be work for nothing.
func (d *decoding) full() bool { return len(d.faults) >= maxFaults }

func (d *decoding) value(path string, raw []byte, into any) {
	d.decode(path, raw, reflect.ValueOf(into).Elem())
}

var rawType = reflect.TypeFor[json.RawMessage]()

// decode sets v from raw, which is valid JSON.
func (d *decoding) decode(path string, raw []byte, v reflect.Value) {
	raw = bytes.TrimSpace(raw)
	if v.Type() == rawType {
		v.SetBytes(bytes.Clone(raw))
		return
	}
	if w, ok := v.Addr().Interface().(Wanter); ok {
		if err := w.UnmarshalJSON(raw); err != nil {
			d.fault(path, "must be "+w.Want()+", not "+kind(raw))
		}
		return
	}
	if raw[0] == 'n' {
		if path == "" {
			d.fault("", "the body must be a JSON object, not null")
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		before := len(d.faults)
		if d.decode(path, raw, p.Elem()); len(d.faults) == before {
			v.Set(p)
		}
	case reflect.Struct:
		d.object(path, raw, v)
	case reflect.Map:
		d.table(path, raw, v)
	case reflect.Slice:
		d.list(path, raw, v)
	case reflect.String:
		d.text(path, raw, v)
	case reflect.Bool:
		if raw[0] != 't' && raw[0] != 'f' {
			d.fault(path, "must be true or false, not "+kind(raw))
			return
		}
		v.SetBool(raw[0] == 't')
	case reflect.Int:
		d.whole(path, raw, v)
	case reflect.Float64:
		d.number(path, raw, v)
	default:
		panic("strictjson: no rule for " + v.Type().String())
	}
}

// object sets the fields of a struct, embedded ones included.
func (d *decoding) object(path string, raw []byte, v reflect.Value) {
	if raw[0] != '{' {
		if path == "" {
			d.fault(path, "the body must be a JSON object, not "+kind(raw))
		} else {
			d.fault(path, "must be an object, not "+kind(raw))
		}
		return
	}
	fields := fieldsOf(v.Type())
	for _, m := range Members(raw) {
		if d.full() {
			return
		}
		if index, ok := fields.index[m.Name]; ok {
			d.decode(join(path, m.Name), m.Raw, v.FieldByIndex(index))
			continue
		}
		detail := "is not a known field" + suggest.DidYouMean(m.Name, fields.names)
		if path != "" {
			detail = "is not a known field of " + path + "; known are " + strings.Join(fields.names, ", ")
		}
		d.fault(join(path, m.Name), detail)
	}
}

// fields are the fields of a struct by their names in JSON.
type fields struct {
	names []string // in its order
	index map[string][]int
}

var known sync.Map // of reflect.Type: *fields, gathered once

func fieldsOf(t reflect.Type) *fields {
	if f, ok := known.Load(t); ok {
		return f.(*fields)
	}
	f := &fields{index: map[string][]int{}}
	f.collect(t, nil)
	known.Store(t, f)
	return f
}

func (f *fields) collect(t reflect.Type, at []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		index := append(slices.Clip(at), i)
		switch {
		case field.Anonymous && name == "":
			f.collect(field.Type, index)
		case name != "" && name != "-":
			f.index[name] = index
			f.names = append(f.names, name)
		}
	}
}

// Names are the names of the fields of a struct in JSON, in its order.
func Names(of any) []string { return slices.Clone(fieldsOf(reflect.TypeOf(of)).names) }

func (d *decoding) table(path string, raw []byte, v reflect.Value) {
	if raw[0] != '{' {
		d.fault(path, "must be an object, not "+kind(raw))
		return
	}
	table := reflect.MakeMap(v.Type())
	for _, m := range Members(raw) {
		if d.full() {
			return
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if m.Raw[0] == 'n' {
			d.fault(join(path, m.Name), "must be a "+element.Kind().String()+", not null")
			continue
		}
		d.decode(join(path, m.Name), m.Raw, element)
		table.SetMapIndex(reflect.ValueOf(m.Name), element)
	}
	v.Set(table)
}

func (d *decoding) list(path string, raw []byte, v reflect.Value) {
	if raw[0] != '[' {
		d.fault(path, "must be a list, not "+kind(raw))
		return
	}
	all := elements(raw)
	list := reflect.MakeSlice(v.Type(), len(all), len(all))
	for i, e := range all {
		if d.full() {
			return
		}
		at := path + "[" + strconv.Itoa(i) + "]"
		if string(e) == "null" {
			d.fault(at, "must not be null")
			continue
		}
		d.decode(at, e, list.Index(i))
	}
	v.Set(list)
}

func (d *decoding) text(path string, raw []byte, v reflect.Value) {
	if raw[0] != '"' {
		d.fault(path, "must be a string, not "+kind(raw))
		return
	}
	s := text(raw)
	if HalfPair(raw, s) {
		d.fault(path, `contains half of a surrogate pair such as "\ud800", which stands for no character`)
		return
	}
	v.SetString(s)
}

// HalfPair tells whether decoding the string raw to s replaced a lone surrogate by U+FFFD.
func HalfPair(raw []byte, s string) bool {
	n := strings.Count(s, "\uFFFD")
	return n > 0 && n > bytes.Count(raw, []byte("\uFFFD"))+bytes.Count(bytes.ToLower(raw), []byte(`\ufffd`))
}

// whole takes integers, also as 2.0 or 1e3.
func (d *decoding) whole(path string, raw []byte, v reflect.Value) {
	if !numeric(raw) {
		d.fault(path, "must be a whole number, not "+kind(raw))
		return
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		v.SetInt(n)
		return
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || math.Abs(f) > 1<<53:
		d.fault(path, "is too large a number")
	case f != math.Trunc(f):
		d.fault(path, "must be a whole number, not a fraction")
	default:
		v.SetInt(int64(f))
	}
}

func (d *decoding) number(path string, raw []byte, v reflect.Value) {
	if !numeric(raw) {
		d.fault(path, "must be a number, not "+kind(raw))
		return
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if errors.Is(err, strconv.ErrRange) {
		d.fault(path, "is too large a number")
		return
	}
	v.SetFloat(f)
}

func numeric(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

// kind names what a value is, for messages.
func kind(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
