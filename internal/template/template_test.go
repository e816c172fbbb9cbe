package template

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func vars(t testing.TB) *Vars {
	t.Helper()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	return &Vars{
		ScheduledAt: time.Date(2026, 3, 31, 10, 5, 7, 123456000, tokyo), JobID: `a"b`, RunID: "run", Attempt: 3,
		Secret: func(name string) (string, error) {
			if name == "NONE" {
				return "", errors.New("no such secret")
			}
			return "value of " + name, nil
		},
	}
}

func TestRender(t *testing.T) {
	for in, want := range map[string]string{
		"":                                          "",
		"plain } { %Y":                              "plain } { %Y",
		"{{scheduled_at}}":                          "2026-03-31T10:05:07+09:00",
		"{{ scheduled_at }}":                        "2026-03-31T10:05:07+09:00",
		"{{scheduled_at|%Y-%m}}":                    "2026-03",
		"{{scheduled_at-1mo|%Y-%m-%d}}":             "2026-02-28",
		"{{scheduled_at - 1mo | %F}}":               "2026-02-28",
		"{{scheduled_at+1y-1d|%F}}":                 "2027-03-30",
		"{{scheduled_at-13mo|%F}}":                  "2025-02-28",
		"{{scheduled_at+1w|%a %d %b}}":              "Tue 07 Apr",
		"{{scheduled_at-25h|%F %T}}":                "2026-03-30 09:05:07",
		"{{scheduled_at+90m|%H:%M}}":                "11:35",
		"{{scheduled_at+53s|%T}}":                   "10:06:00",
		"{{scheduled_at|%s}}":                       "1774919107",
		"{{scheduled_at|%Y年%-m月%-d日}}":              "2026年3月31日",
		"{{scheduled_at|%z %:z %Z %j %V %u %L %%}}": "+0900 +09:00 JST 090 14 2 123 %",
		"{{job_id}}/{{run_id}}/{{attempt}}":         `a"b/run/3`,
		"Bearer {{secret.TOKEN}}":                   "Bearer value of TOKEN",
		"{{{{job_id}}":                              "{{job_id}}",
		"a{{{{b{{attempt}}c":                        "a{{b3c",
	} {
		tmpl, err := Parse(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		got, err := tmpl.Append(nil, vars(t), nil)
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, want %q (%v)", in, got, want, err)
		}
		if text, ok := tmpl.Constant(); ok && text != want {
			t.Errorf("%q: constant %q", in, text)
		}
	}
}

func TestFaults(t *testing.T) {
	for in, want := range map[string]string{
		"{{scheduled_at":              "no closing",
		"{{}}":                        "not known",
		"{{job}}":                     "did you mean {{job_id}}",
		"{{scheduled-at}}":            "did you mean {{scheduled_at}}",
		"{{now}}":                     "did you mean {{scheduled_at}}",
		"{{secret}}":                  "did you mean {{secret.NAME}}",
		"{{secret.}}":                 "name of a secret",
		"{{secret.a/b}}":              "name of a secret",
		"{{secret.A|%Y}}":             "no format",
		"{{job_id|%Y}}":               "neither",
		"{{attempt+1}}":               "neither",
		"{{scheduled_at*2}}":          "not known",
		"{{scheduled_at-1}}":          "is not a unit",
		"{{scheduled_at-1fortnight}}": "is not a unit",
		"{{scheduled_at-xd}}":         "whole number",
		"{{scheduled_at-9999999d}}":   "whole number",
		"{{scheduled_at|}}":           "format is empty",
		"{{scheduled_at|%Q}}":         "no directive",
		"{{scheduled_at|%}}":          "no directive",
		"{{scheduled_at|%Y{}}":        "braces",
		"{{ range .Items }}":          "not known",
		"{{printf \"%s\" job_id}}":    "not known",
	} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestRunTimeErrors(t *testing.T) {
	for _, in := range []string{"{{secret.NONE}}", "{{scheduled_at+9000y}}", "{{scheduled_at-3000y}}"} {
		tmpl, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.Append(nil, vars(t), nil); err == nil {
			t.Errorf("%q rendered", in)
		}
	}
}

func TestJSONStaysJSON(t *testing.T) {
	in := `{"big": 12345678901234567890.10, "a\u0022{{job_id}}": ["{{scheduled_at|%Y}}", {"x": "\\{{secret.T}}\\"}], "plain": "{}", "é": null}`
	j, err := ParseJSON([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	got, err := j.Append(nil, vars(t))
	want := `{"big": 12345678901234567890.10, "a\"a\"b": ["2026", {"x": "\\value of T\\"}], "plain": "{}", "é": null}`
	if err != nil || string(got) != want || !json.Valid(got) {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
	if fixed, ok := must(ParseJSON([]byte(`{"a": [1, "b"]}`))).Constant(); !ok || string(fixed) != `{"a": [1, "b"]}` {
		t.Errorf("constant: %s %v", fixed, ok)
	}
	if _, err := ParseJSON([]byte(`{"a": "{{what}}"}`)); err == nil {
		t.Error("an unknown name")
	}
}

func must(j *JSON, err error) *JSON {
	if err != nil {
		panic(err)
	}
	return j
}

// FuzzParse: no text makes it panic, and what it takes it can render.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{{scheduled_at-1mo|%Y-%m}}", "{{{{", "{{secret.A}}}}", "{{scheduled_at|%-", "{{scheduled_at+1d+1d}}", `"{{job_id}}`} {
		f.Add(s)
	}
	v := vars(f)
	f.Fuzz(func(t *testing.T, s string) {
		if tmpl, err := Parse(s); err == nil {
			_, _ = tmpl.Append(nil, v, nil)
			tmpl.Positions()
		}
		raw, _ := json.Marshal(s)
		if j, err := ParseJSON(raw); err == nil {
			if out, err := j.Append(nil, v); err == nil && !json.Valid(out) {
				t.Errorf("%q made %q", raw, out)
			}
		}
		_, _ = ParseJSON([]byte(s))
	})
}
