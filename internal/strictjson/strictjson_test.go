package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type base struct {
	Name string `json:"name"`
}

type inner struct {
	Pointer string          `json:"pointer"`
	Equals  json.RawMessage `json:"equals"`
}

type document struct {
	base
	N     *int              `json:"n"`
	F     *float64          `json:"f"`
	On    bool              `json:"on"`
	Raw   json.RawMessage   `json:"raw"`
	Table map[string]string `json:"table"`
	List  []inner           `json:"list"`
	Inner *inner            `json:"inner"`
}

func TestDecodeFaults(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []Fault
	}{
		{"fine", `{"name":"x","n":2.0,"f":1e3,"on":true,"raw":{"a":[1]},"table":{"k":"v"},"list":[{"pointer":"/a","equals":null}],"inner":{}}`, nil},
		{"null is absent", `{"name":null,"n":null,"table":null,"list":null,"inner":null}`, nil},
		{"not an object", `[]`, []Fault{{"", "the body must be a JSON object, not a list"}}},
		{"null", `null`, []Fault{{"", "the body must be a JSON object, not null"}}},
		{"all at once", `{"nam":"x","n":"1","f":true,"on":1,"table":[],"list":{},"inner":3}`, []Fault{
			{"nam", `is not a known field; did you mean "name"?`},
			{"n", "must be a whole number, not a string"},
			{"f", "must be a number, not a boolean"},
			{"on", "must be true or false, not a number"},
			{"table", "must be an object, not a list"},
			{"list", "must be a list, not an object"},
			{"inner", "must be an object, not a number"},
		}},
		{"names are exact", `{"Name":"x"}`, []Fault{{"Name", `is not a known field; did you mean "name"?`}}},
		{"inside", `{"list":[{"pointer":1},null,{"point":"/"}],"table":{"a":1,"b":null}}`, []Fault{
			{"list[0].pointer", "must be a string, not a number"},
			{"list[1]", "must not be null"},
			{"list[2].point", "is not a known field of list[2]; known are pointer, equals"},
			{"table.a", "must be a string, not a number"},
			{"table.b", "must be a string, not null"},
		}},
		{"fraction", `{"n":1.5}`, []Fault{{"n", "must be a whole number, not a fraction"}}},
		{"huge", `{"n":1e300,"f":1e999}`, []Fault{{"n", "is too large a number"}, {"f", "is too large a number"}}},
		{"huge digits", `{"n":` + strings.Repeat("9", 5000) + `}`, []Fault{{"n", "is too large a number"}}},
		{"half pair", `{"name":"\ud800"}`, []Fault{{"name", `contains half of a surrogate pair such as "\ud800", which stands for no character`}}},
		{"real U+FFFD", "{\"name\":\"\uFFFD\\uFFFD\"}", nil},
		{"twice", `{"name":"a","raw":{"x":1,"x":2},"name":"b"}`, []Fault{
			{"raw.x", "is given twice; which one is meant?"}, {"name", "is given twice; which one is meant?"}}},
		{"twice by escape", `{"name":"a","n\u0061me":"b"}`, []Fault{{"name", "is given twice; which one is meant?"}}},
		{"same name elsewhere", `{"raw":[{"x":1},{"x":2}]}`, nil},
		{"twice in a list", `{"raw":[0,{"x":1,"x":2}]}`, []Fault{{"raw[1].x", "is given twice; which one is meant?"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d document
			got, err := Decode([]byte(c.in), &d)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestDecodeValues(t *testing.T) {
	var d document
	faults, err := Decode([]byte(`{"name":"時報","n":3,"f":-2.5e1,"on":true,"raw": {"a": 1 } ,"table":{"k":"v"},"list":[{"pointer":"/a","equals":null}]}`), &d)
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	if d.Name != "時報" || *d.N != 3 || *d.F != -25 || !d.On || string(d.Raw) != `{"a": 1 }` || d.Table["k"] != "v" || string(d.List[0].Equals) != "null" {
		t.Errorf("got %+v", d)
	}
}

func TestNotJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "the body is empty: a JSON object is expected"},
		{" \n", "the body is empty: a JSON object is expected"},
		{"{\n \"a\": 1", "line 2, column 7: unexpected end of JSON input"},
		{`{"a":1}{"b":2}`, "line 1, column 8: invalid character '{' after top-level value"},
		{`{"a":NaN}`, "line 1, column 6: invalid character 'N' looking for beginning of value"},
		{"{\"a\":\"\xff\"}", "line 1, column 7: not UTF-8, the only encoding of JSON"},
		{"\xEF\xBB\xBF{}", "line 1, column 1: invalid character 'ï' looking for beginning of value"},
		{strings.Repeat("[", 100000), "line 1, column 65: nested deeper than 64 levels"},
		{`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "line 1, column 69: nested deeper than 64 levels"},
	} {
		var d document
		_, err := Decode([]byte(c.in), &d)
		if _, ok := errors.AsType[*SyntaxError](err); !ok || err.Error() != c.want {
			t.Errorf("%.40q: got %v, want %s", c.in, err, c.want)
		}
	}
}

// A megabyte of the worst kinds is answered in well under a second.
func TestDecodeIsQuick(t *testing.T) {
	for name, in := range map[string]string{
		"members":  `{"raw":{` + strings.Repeat(`"a":1,`, 150_000) + `"b":1}}`,
		"elements": `{"raw":[` + strings.Repeat(`1,`, 500_000) + `1]}`,
		"unknown":  `{` + strings.Repeat(`"aaaa":[[[[{}]]]],`, 50_000) + `"b":1}`,
		"distinct": `{` + distinct(60_000) + `}`,
		"nested":   `{"raw":` + strings.Repeat(strings.Repeat(`[`, 60)+strings.Repeat(`]`, 60), 1)[:60] + strings.Repeat(`1,`, 400_000) + `1` + strings.Repeat(`]`, 60) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var d document
			faults, err := Decode([]byte(in), &d)
			if err != nil || len(faults) > maxFaults {
				t.Errorf("%d faults, error %v", len(faults), err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// distinct is n unknown members with names of their own.
func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	return b.String() + `"name":""`
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"name":"x","n":1}`, `{"list":[{"equals":1}]}`, `{"a":1,"a":2}`, `[`, `{"table":{"a":"\ud800"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var d document
		faults, err := Decode(in, &d)
		if err != nil {
			if _, ok := errors.AsType[*SyntaxError](err); !ok || json.Valid(in) && tooDeep(in) < 0 && !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		if !json.Valid(in) {
			t.Fatalf("%q passed, which is not JSON", in)
		}
		if len(faults) == 0 { // what passes means the same to encoding/json
			var plain document
			if err := json.Unmarshal(in, &plain); err != nil && !strings.ContainsAny(string(in), ".eE") {
				t.Fatalf("%q passed, but %v", in, err)
			}
		}
	})
}
