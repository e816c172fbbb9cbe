package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func environ(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestSettingsDefaults(t *testing.T) {
	s, err := readSettings(nil, environ())
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != "127.0.0.1:8000" || s.DB != "jobs.db" || s.Timezone != "Asia/Tokyo" || s.DrainTimeout != 30*time.Second {
		t.Errorf("got %+v", s)
	}
	if p := s.Policy; p.MaxInstances != 1 || !p.Coalesce || p.Grace != 300*time.Second || p.Overlap != "skip" || p.CatchupLimit != 100 || p.PauseAfterFailures != 0 {
		t.Errorf("got policy %+v", p)
	}
	if s.KeepPeriod != 30*24*time.Hour || s.KeepRuns != 0 {
		t.Errorf("got retention %d, %s", s.KeepRuns, s.KeepPeriod)
	}
}

func TestSettingsPrecedence(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  []string
		want string
	}{
		{nil, nil, "Asia/Tokyo"},
		{nil, []string{"TZ", "Europe/Berlin"}, "Europe/Berlin"},
		{nil, []string{"TZ", ":Europe/Berlin"}, "Europe/Berlin"},
		{nil, []string{"TZ", "/usr/share/zoneinfo/Europe/Berlin"}, "Europe/Berlin"},
		{nil, []string{"TZ", "Europe/Berlin", "TEIKI_TIMEZONE", "UTC"}, "UTC"},
		{[]string{"-timezone", "Asia/Seoul"}, []string{"TZ", "Europe/Berlin", "TEIKI_TIMEZONE", "UTC"}, "Asia/Seoul"},
		{[]string{"--timezone=Asia/Seoul"}, nil, "Asia/Seoul"},
	} {
		s, err := readSettings(c.args, environ(c.env...))
		if err != nil || s.Timezone != c.want {
			t.Errorf("%v %v: got %v, %v; want %s", c.args, c.env, s, err, c.want)
		}
	}
}

func TestSettingsValues(t *testing.T) {
	s, err := readSettings([]string{"-misfire-grace-time", "none", "-coalesce=false", "-retry-backoff", "1.5", "-keep-period", "7d", "-timeout=1m30s"}, environ())
	if err != nil {
		t.Fatal(err)
	}
	if s.Policy.Grace >= 0 || s.Policy.Coalesce || s.RetryBackoff != 1500*time.Millisecond || s.KeepPeriod != 7*24*time.Hour || s.Timeout != 90*time.Second {
		t.Errorf("got %+v", s)
	}
}

// Every fault names the flag or variable, the value and what would be right.
func TestSettingsFaults(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  []string
		want []string
	}{
		{[]string{"-lissten", "x"}, nil, []string{"-lissten", `did you mean "listen"?`}},
		{[]string{"-listen"}, nil, []string{"-listen", "needs a value", "HOST:PORT"}},
		{[]string{"serve.conf"}, nil, []string{"there is no command", "serve.conf"}},
		{[]string{"-db", "x", "serve.conf"}, nil, []string{`"serve.conf" is no flag`}},
		{[]string{"-listen", "8000"}, nil, []string{"flag -listen", `"8000"`, "127.0.0.1:8000"}},
		{[]string{"-listen", ":http"}, nil, []string{"flag -listen", `":http"`, "65535"}},
		{[]string{"-timezone", "Asia/Tokio"}, nil, []string{"flag -timezone", `did you mean "Asia/Tokyo"?`}},
		{nil, []string{"TZ", "JST-9"}, []string{"environment variable TZ", `"JST-9"`}},
		{nil, []string{"TEIKI_MAX_RETRIES", "many"}, []string{"TEIKI_MAX_RETRIES", `"many"`, "from 0 to 1000"}},
		{[]string{"-log-format", "jsn"}, nil, []string{"flag -log-format", "auto, text, json", `did you mean "json"?`}},
		{[]string{"-timeout", "30x"}, nil, []string{"flag -timeout", `"30x"`, "30s"}},
		{[]string{"-timeout", "0"}, nil, []string{"flag -timeout", "is not from 1ms to 24h"}},
		{[]string{"-misfire-grace-time", "-1s"}, nil, []string{"none (no limit)"}},
		{[]string{"-coalesce", "yes"}, nil, []string{"neither true nor false"}},
		{[]string{"-max-per-host", "0", "-max-concurrent", "x"}, nil, []string{"-max-per-host", "-max-concurrent"}},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), c.args, environ(c.env...), &stdout, &stderr); code != exitUsage {
			t.Errorf("%v %v: exit code %d, want %d", c.args, c.env, code, exitUsage)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%v %v: %q does not contain %q", c.args, c.env, stderr.String(), want)
			}
		}
	}
}

// The flags in -h and in the READMEs are those of the table.
func TestSettingsAreDocumented(t *testing.T) {
	var help, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-h"}, environ(), &help, &stderr); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("-h: exit code %d, %s", code, stderr.String())
	}
	for _, o := range settingsTable() {
		if !strings.Contains(help.String(), "-"+o.name+" "+o.value) || !strings.Contains(help.String(), o.env()) {
			t.Errorf("-h does not show -%s", o.name)
		}
	}
	english, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(english), settingsMarkdown()) {
		t.Errorf("the table of settings in README.md is not the one of the code, which is:\n%s", settingsMarkdown())
	}
	japanese, err := os.ReadFile("README.ja.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range settingsTable() {
		if row := "| `-" + o.name + "` | `" + o.env() + "` | `" + shownPreset(o) + "` | "; !strings.Contains(string(japanese), row) {
			t.Errorf("README.ja.md has no row %s", row)
		}
	}
}

// The two READMEs have the same outline: what one says, the other does.
func TestReadmesMatch(t *testing.T) {
	outline := func(file string) (list []string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := false
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "```") {
				code = !code
				list = append(list, line)
			} else if level := len(line) - len(strings.TrimLeft(line, "#")); level > 0 && !code {
				list = append(list, strings.Repeat("#", level))
			}
		}
		return list
	}
	english, japanese := outline("README.md"), outline("README.ja.md")
	if strings.Join(english, " ") != strings.Join(japanese, " ") {
		t.Errorf("headings and code blocks differ:\n%v\n%v", english, japanese)
	}
}

func TestVersion(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"version"}, environ(), &stdout, &stderr); code != exitOK || !strings.HasPrefix(stdout.String(), "teiki "+version+" go1.") {
		t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
	}
}
