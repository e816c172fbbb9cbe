package suggest

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"target_url", "timeout_sec", "cron", "interval"}
	for _, c := range []struct{ word, want string }{
		{"targeturl", "target_url"},
		{"target-url", "target_url"},
		{"targetUrl", "target_url"},
		{"tiemout_sec", "timeout_sec"},
		{"corn", "cron"},
		{"intervall", "interval"},
		{"headers", ""},
		{"", ""},
	} {
		if got := Nearest(c.word, names); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	if got, want := DidYouMean("crn", []string{"cron"}), `; did you mean "cron"?`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := DidYouMean("nothing like it", []string{"cron"}); got != "" {
		t.Errorf("got %q for a word that is near none", got)
	}
}
