package schedule

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBetween(t *testing.T) {
	from := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	s := cronOf(t, `{"minute":"*/20"}`, "UTC")
	got := slices.Collect(s.Between(from, from.Add(time.Hour)))
	if len(got) != 3 || !got[0].Equal(from.Add(20*time.Minute)) || !got[2].Equal(from.Add(time.Hour)) {
		t.Error(got) // (from, to]: without 10:00, with 11:00
	}
	for range s.Between(from, from.AddDate(7000, 0, 0)) {
		break // lazy
	}
	if got := slices.Collect(s.Between(from, from.Add(-time.Hour))); got != nil {
		t.Error(got)
	}
	once := mustParse(t, dateSource(`"2026-11-23T10:00:00Z"`))
	if len(slices.Collect(once.Between(from.Add(-1), from))) != 1 || slices.Collect(once.Between(from, from.Add(time.Hour))) != nil {
		t.Error("a date schedule fires once in (from, to]")
	}
}

func TestDate(t *testing.T) {
	s := mustParse(t, dateSource(`"2026-11-23T10:00:00Z"`))
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	if got, ok := s.First(at.AddDate(1, 0, 0)); !ok || !got.Equal(at) {
		t.Error("First gives run_at even if it is past")
	}
	if _, ok := s.Next(at); ok {
		t.Error("Next is strictly after")
	}
	if got, ok := s.Next(at.Add(-time.Microsecond)); !ok || !got.Equal(at) || s.Kind() != "date" || s.Zone() != "Asia/Tokyo" {
		t.Error(got)
	}
}

func TestInterval(t *testing.T) {
	src := intervalSource(`{"minutes":10}`)
	s := mustParse(t, src)
	for k, from := range []time.Time{benchNow.AddDate(-1, 0, 0), benchNow, benchNow.Add(10 * time.Minute), benchNow.Add(10*time.Minute + 1)} {
		want := benchNow.Add(10 * time.Minute)
		if k == 3 {
			want = want.Add(10 * time.Minute)
		}
		if at, ok := s.First(from); !ok || !at.Equal(want) {
			t.Errorf("from %v: %v", from, at)
		}
	}
	src.Anchor = src.Anchor.Add(time.Second)
	if other := mustParse(t, src); other.rule != s.rule || other.anchor == s.anchor {
		t.Error("intervals share their rule, but not the anchor")
	}
	far := mustParse(t, intervalSource(`{"weeks":400000}`))
	at, ok := far.First(benchNow)
	if !ok || at.Year() < 9000 {
		t.Error(at, ok)
	}
	if at, ok := far.Next(at); ok {
		t.Error("fires after the year 9999:", at)
	}
}

// TestExtremeInstants: no instant makes a search fail, loop or go back.
func TestExtremeInstants(t *testing.T) {
	for _, src := range []Source{cronSource(`{"hour":10}`), cronSource(`{"year":9999}`), intervalSource(`{"seconds":0.000001}`),
		intervalSource(`{"hours":1,"start_date":"0001-01-01"}`), intervalSource(`{"hours":1,"start_date":"9999-12-31 23:00:00"}`), dateSource(`"0001-01-01"`)} {
		s := mustParse(t, src)
		for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
			time.Date(9999, 12, 31, 14, 0, 0, 0, time.UTC), time.Date(250_000, 1, 1, 0, 0, 0, 0, time.UTC)} {
			if next, ok := s.Next(at); ok && (!next.After(at) || next.Year() > 10_000) {
				t.Errorf("%s: %v after %v", s, next, at)
			}
			s.First(at)
			s.Check(at)
		}
	}
	s := cronOf(t, `{"hour":10}`, "Asia/Tokyo")
	if at, ok := s.First(time.Time{}); !ok || at.Year() != 1970 {
		t.Error(at, ok)
	}
}

func TestJitter(t *testing.T) {
	s := mustParse(t, cronSource(`{"minute":"*","jitter":30}`))
	if s.Jitter() != 30*time.Second {
		t.Error(s.Jitter())
	}
	planned, _ := s.First(benchNow)
	const n = 20_000
	var sum, least, most float64 = 0, math.Inf(1), 0
	for seed := range uint64(n) {
		due := s.Due(planned, seed)
		if !due.Equal(s.Due(planned, seed)) {
			t.Fatal("not a function of planned and seed")
		}
		d := due.Sub(planned).Seconds()
		sum, least, most = sum+d, min(least, d), max(most, d)
	}
	if least < 0 || most > 30 || least > 0.05 || most < 29.95 || math.Abs(sum/n-15) > 0.3 {
		t.Errorf("least %v, most %v, mean %v", least, most, sum/n)
	}
	differ := 0
	for range 100 {
		next, _ := s.Next(planned)
		if s.Due(planned, 1).Sub(planned) != s.Due(next, 1).Sub(next) {
			differ++
		}
		if next.Sub(planned) != time.Minute {
			t.Fatal("jitter moves the plan")
		}
		planned = next
	}
	if differ < 95 {
		t.Errorf("only %d of 100 firings of one job differ", differ)
	}
	// Never past end_date, and spread evenly over what is left up to it.
	s = mustParse(t, cronSource(`{"minute":"*","jitter":3600,"end_date":"2026-11-23 20:00:10"}`))
	last := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)
	late := 0
	for seed := range uint64(1000) {
		d := s.Due(last, seed).Sub(last)
		if d < 0 || d > 10*time.Second {
			t.Fatalf("due %v after the planned time, 10 s before the end", d)
		}
		if d > 9*time.Second {
			late++
		}
	}
	if late < 50 || late > 200 {
		t.Errorf("%d of 1000 in the last tenth", late)
	}
	if s := mustParse(t, cronSource(`{"minute":"*"}`)); !s.Due(last, 5).Equal(last) {
		t.Error("delayed without jitter")
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		src   Source
		field string
		want  string // in the detail; "" = fires
	}{
		{cronSource(`{"hour":1}`), "", ""},
		{cronSource(`{"month":2,"day":30}`), "cron.day", "can never fire: there is no 30 February"},
		{cronSource(`{"month":"4,jun","day":"31"}`), "cron.day", "can never fire: there is no 31 April or June"},
		{cronSource(`"0 0 30 2 *"`), "cron", "can never fire: there is no 30 February"},
		{cronSource(`{"month":2,"day":29,"year":2027}`), "cron.day", "can never fire: there is no 29 February in 2027"},
		{cronSource(`{"day":"4th sat","day_of_week":"0,6"}`), "cron.day_of_week", "can never fire: no day has day='4th sat' and day_of_week='0,6'"},
		{cronSource(`{"week":53,"year":2029,"hour":5}`), "cron.week", "can never fire: no day has year='2029' and week='53'"},
		{cronSource(`{"year":"2025","hour":3}`), "cron.year", "is already over since its last firing at 2025-12-31 03:00:00 JST"},
		{cronSource(`{"hour":3,"end_date":"2026-01-01"}`), "cron.end_date", "is already over since its last firing at 2025-12-31 03:00:00 JST"},
		{cronSource(`{"hour":3,"end_date":"2026-01-01","start_date":"2027-01-01"}`), "cron.end_date", "can never fire: end_date (2026-01-01 00:00:00 JST) is before start_date"},
		{cronSource(`{"hour":3,"start_date":"2027-01-01 04:00:00","end_date":"2027-01-02"}`), "cron.end_date", "can never fire: nothing matches between start_date"},
		{cronSource(`{"year":2027,"start_date":"2028-01-01"}`), "cron.start_date", "can never fire: nothing matches from start_date"},
		{intervalSource(`{"hours":1,"end_date":"2026-11-23 19:30:00"}`), "interval.end_date", "can never fire: end_date (2026-11-23 19:30:00 JST) is before the first firing (2026-11-23 20:17:05 JST)"},
		{intervalSource(`{"hours":1,"end_date":"2026-11-01"}`), "interval.end_date", "is already over since end_date (2026-11-01 00:00:00 JST)"},
		{intervalSource(`{"hours":5,"start_date":"2026-01-01","end_date":"2026-01-02"}`), "interval.end_date", "is already over since its last firing at 2026-01-01 20:00:00 JST"},
		{intervalSource(`{"minutes":10}`), "", ""},
		{intervalSource(`{"weeks":418000}`), "interval", "can never fire: its next time is after the year 9999"},
		{dateSource(`"2026-11-23T10:17:05.123456Z"`), "", ""},
		{dateSource(`"2026-11-23T10:17:05.123455Z"`), "run_at", "is already over since 2026-11-23 19:17:05 JST"},
	} {
		s := mustParse(t, c.src)
		f := s.Check(benchNow)
		switch {
		case f == nil && c.want == "":
		case f == nil || f.Field != c.field || !strings.HasPrefix(f.Detail, c.want) || c.want == "":
			t.Errorf("%s: got %v, want %s %s", s, f, c.field, c.want)
		}
	}
}

// TestSharing: equal sources share one rule, however they are written, and an unused
// rule leaves nothing behind.
func TestSharing(t *testing.T) {
	same := []Source{cronSource(`{"hour":"10","minute":30}`), cronSource(` {"minute":"030", "hour":10, "timezone":"Asia/Tokyo"}`),
		{Type: "cron", Cron: json.RawMessage(`{"hour":" 10","minute":"30","jitter":0}`), Timezone: "Asia/Tokyo"}}
	first := mustParse(t, same[0])
	for _, src := range same[1:] {
		if mustParse(t, src).rule != first.rule {
			t.Errorf("%s has its own rule", src.Cron)
		}
	}
	for _, other := range []string{`{"hour":"10","minute":31}`, `{"hour":"10","minute":30,"jitter":1}`, `{"hour":"10","minute":30,"timezone":"Japan"}`,
		`{"hour":"10","minute":30,"start_date":"2027-01-01"}`, `{"hour":"10","minute":30,"end_date":"2027-01-01"}`, `"30 10 * * *"`} {
		if mustParse(t, cronSource(other)).rule == first.rule {
			t.Errorf("%s shares another's rule", other)
		}
	}
	runtime.KeepAlive(first)
}

func TestNothingLeaks(t *testing.T) {
	const n = 20_000
	collect := func() int {
		for range 20 {
			runtime.GC()
			time.Sleep(5 * time.Millisecond) // cleanups run in their own goroutine
			if rules.size() < n/100 {
				break
			}
		}
		return rules.size()
	}
	before := collect()
	all := make([]*Schedule, 0, n)
	for i := range n {
		all = append(all, mustParse(t, cronSource(fmt.Sprintf(`{"hour":%d,"minute":%d,"second":%d,"day":%d}`, i%24, i/24%60, i/1440%60, 1+i/86400))))
	}
	if rules.size() < n {
		t.Errorf("%d rules for %d schedules", rules.size(), n)
	}
	runtime.KeepAlive(all)
	all = nil
	if after := collect(); after > before+n/100 {
		t.Errorf("%d rules left of %d", after, n)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 300 {
				s := mustParse(t, cronSource(fmt.Sprintf(`{"minute":"*/%d"}`, 1+(i+g)%7)))
				at := benchNow
				for range 5 {
					next, ok := s.Next(at)
					if !ok || !next.After(at) {
						t.Errorf("%s: %v", s, next)
						return
					}
					at = next
				}
			}
		})
	}
	all.Wait()
}

// TestMemo: a remembered answer is the searched one, whatever else was asked.
func TestMemo(t *testing.T) {
	s := cronOf(t, `{"minute":"*/7","hour":"*/5"}`, "Europe/Berlin")
	for i := range 2000 {
		at := benchNow.Add(time.Duration(i%37) * 11 * time.Minute)
		got, ok := s.Next(at)
		sec := at.Unix() + 1
		want, fresh := s.cron.nextInstant(s.loc, sec)
		if got.Unix() != want || ok != fresh {
			t.Fatalf("%v: %v, want %v", at, got, time.Unix(want, 0))
		}
	}
}
