package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("FILE", "one\n")
	write("BOTH", "file")
	write("EMPTY", "\n")
	write("CRLF", "a\nb\r\n")
	write("LARGE", strings.Repeat("x", maxBytes+1))
	if err := os.Mkdir(filepath.Join(dir, "SUB"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := New(dir, func(name string) (string, bool) {
		v, ok := map[string]string{"TEIKI_SECRET_ENV": "env", "TEIKI_SECRET_BOTH": "both", "TEIKI_SECRET_BLANK": ""}[name]
		return v, ok
	})
	for name, want := range map[string]string{"ENV": "env", "FILE": "one", "BOTH": "both", "CRLF": "a\nb"} {
		if v, err := s.Lookup(name); v != want || err != nil {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
	for _, name := range []string{"EMPTY", "LARGE", "SUB", "BLANK", "", "../FILE", "a/b", ".hidden", "a b", "名"} {
		if v, err := s.Lookup(name); err == nil || v != "" || errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %q, %v", name, v, err)
		}
	}
	if _, err := s.Lookup("NONE"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "TEIKI_SECRET_NONE") {
		t.Error(err)
	}
	if _, err := New("", s.lookup).Lookup("NONE"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "-secrets-dir") {
		t.Error(err)
	}
	write("FILE", "two\n")
	if v, _ := s.Lookup("FILE"); v != "two" {
		t.Errorf("after rotation: %q", v)
	}
}

func TestMasker(t *testing.T) {
	value := `s&cr<t "q\" ü/+=%?😀`
	quoted, _ := json.Marshal(value)
	m := NewMasker(value, "", "s&cr")
	for _, form := range []string{
		value, url.QueryEscape(value), url.PathEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
		string(quoted), html.EscapeString(value), base64.StdEncoding.EncodeToString([]byte(value)),
		strings.ToLower(url.QueryEscape(value)), url.QueryEscape(string(quoted)[1 : len(quoted)-1]), url.QueryEscape(url.QueryEscape(value)),
		strings.ReplaceAll(url.PathEscape(value), "%2F", "/"), url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(value))),
		base64.RawURLEncoding.EncodeToString([]byte(value)), hex.EncodeToString([]byte(value)), "s&cr",
	} {
		got := m.String("before " + form + " after")
		if strings.Contains(got, strings.Trim(form, `"`)) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, Mask) {
			t.Errorf("%q: %q", form, got)
		}
	}
	if got := m.String(value + value); got != Mask+Mask {
		t.Errorf("the longer value first: %q", got)
	}
	if m.Longest() < len(value) {
		t.Error("longest")
	}
	var none *Masker
	if NewMasker("", "") != nil || none.String("x") != "x" || none.Longest() != 0 {
		t.Error("no values, no masker")
	}
}
