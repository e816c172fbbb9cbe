package main

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBenchTarget: the target counts calls and their lag by its own clock, and forgets when told.
func TestBenchTarget(t *testing.T) {
	c := new(targetCounters)
	call := func(late time.Duration) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if late >= 0 {
			r.Header.Set(headerScheduledAt, time.Now().Add(-late).Format(time.RFC3339Nano))
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != `{"status":"ok"}` {
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
	}
	stats := func() (s benchStats) {
		w := httptest.NewRecorder()
		c.serveStats(w, httptest.NewRequest(http.MethodGet, "/stats", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for range 95 {
		call(10 * time.Millisecond)
	}
	for range 5 {
		call(time.Second)
	}
	call(-1)
	s := stats()
	if s.Calls != 100 || s.Bare != 1 || s.Most != 1 || s.LastAt < s.FirstAt || s.FirstAt == 0 {
		t.Errorf("%+v", s)
	}
	if s.LagP50 < 10 || s.LagP50 > 500 || s.LagP99 < 1000 || s.LagMax < 1000 {
		t.Errorf("lag: %+v", s)
	}
	c.serveStats(httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, "/stats", nil))
	if s := stats(); s != (benchStats{}) {
		t.Errorf("after a reset: %+v", s)
	}
}

// TestBenchReport: a limit that is not met makes the command fail; one that can't be measured here does not.
func TestBenchReport(t *testing.T) {
	b := new(bench)
	b.atLeast("a", "fast enough", 12_345.6, "/s", 10_000)
	b.atMost("a", "unknown here", math.NaN(), "MB", 30)
	b.show("b", "for information", 0.123, "")
	var out strings.Builder
	if err := b.report(&out, false); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"12,346 /s", ">= 10,000", "ok", "not measured", "0.12"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := b.report(&out, true); err != nil || !json.Valid([]byte(out.String())) || !strings.Contains(out.String(), `"measured": null`) {
		t.Errorf("%v\n%s", err, out.String())
	}
	b.none("c", "lost", 1)
	if err := b.report(&out, false); err != errDone || !strings.Contains(out.String(), "FAIL") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestBenchCases(t *testing.T) {
	if all, err := chooseCases(""); err != nil || len(all) != len(benchCases())-1 {
		t.Errorf("%d cases, %v", len(all), err)
	}
	if some, err := chooseCases("soak,idle"); err != nil || len(some) != 2 {
		t.Errorf("%d cases, %v", len(some), err)
	}
	if _, err := chooseCases("idel"); err == nil || !strings.Contains(err.Error(), "idle") {
		t.Errorf("a wrong name: %v", err)
	}
	if p := percentile([]float64{3, 1, 2, 4}, 0.5); p != 2 {
		t.Errorf("median %v", p)
	}
}
