package schedule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// hardest are accepted schedules whose next time is as far or as costly as can be.
func hardest() []string {
	gaps := "0"
	for v := 2; v < 60; v += 2 {
		gaps += fmt.Sprintf(",%d", v)
	}
	odd := strings.Repeat("59,", 100) + "58"
	years := "9999"
	for y := 9999 - 2*120; y < 9999; y += 2 {
		years += fmt.Sprintf(",%d", y)
	}
	return []string{
		`{"month":2,"day":29,"day_of_week":"mon","week":9}`,
		`{"week":53,"day":"1st fri","month":1}`,
		`{"year":"*/400","month":1,"day":1}`,
		`{"year":"9999","month":12,"day":"5th fri"}`,
		`{"year":"` + years + `","day":"last sun","week":52}`,
		`{"year":"2400/400","month":2,"day":29,"day_of_week":"tue"}`,
		`{"hour":"23","minute":"59","second":"59"}`,
		`{"hour":"1,3,5,7,9,11,13,15,17,19,21,23","minute":"` + odd + `","second":"` + odd + `"}`,
		`{"hour":"23","minute":"` + gaps + `","second":"` + gaps + `"}`,
		`{"day":"31","month":"12","hour":"23","minute":"59","second":"59"}`,
		`{"week":"53","day_of_week":"sun","hour":"23","minute":"58","second":"` + gaps + `"}`,
		`"59 59 23 31 12 *"`, `"59 23 29 2 0"`,
	}
}

// never are schedules without any day, which Check refuses.
var never = []string{
	`{"month":2,"day":30}`, `{"day":"4th sat","day_of_week":"0-4,6"}`, `{"month":"7","week":"1,53"}`,
	`{"year":"1971/2","month":2,"day":29}`, `{"week":53,"day":"2nd mon"}`, `"0 0 31 2,4,6,9,11 *"`,
}

// TestSearchTime: no schedule stalls the loop. The bounds are the contract's; the best of
// a few tries counts, because the machine may be busy.
func TestSearchTime(t *testing.T) {
	best := func(do func()) time.Duration {
		least := time.Hour
		for range 5 {
			begin := time.Now()
			do()
			least = min(least, time.Since(begin))
		}
		return least
	}
	worst := time.Duration(0)
	for _, zone := range []string{"Asia/Tokyo", "America/New_York", "Africa/Casablanca"} {
		for _, cron := range hardest() {
			for _, from := range []time.Time{benchNow, time.Date(2040, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 10, 25, 0, 59, 59, 1000, time.UTC)} {
				s := mustParse(t, Source{Type: "cron", Cron: json.RawMessage(cron), Timezone: zone})
				at, ok := s.First(from)
				for i := 0; ok && i < 3; i++ {
					prev := at
					took := best(func() {
						s.rule.memo = memo{}
						at, ok = s.Next(prev)
					})
					if worst = max(worst, took); took > 5*time.Millisecond {
						t.Errorf("%s in %s after %v: %v", cron, zone, prev, took)
					}
				}
			}
		}
		for _, cron := range never {
			var f *Fault
			took := best(func() {
				s := mustParse(t, Source{Type: "cron", Cron: json.RawMessage(cron), Timezone: zone})
				f = s.Check(benchNow)
			})
			if f == nil || !strings.HasPrefix(f.Detail, "can never fire: ") {
				t.Errorf("%s: %v", cron, f)
			}
			if took > 20*time.Millisecond {
				t.Errorf("%s: refused after %v", cron, took)
			}
		}
	}
	t.Logf("worst next time %v", worst)
}

// BenchmarkNextHardest: the most costly of the schedules above.
func BenchmarkNextHardest(b *testing.B) {
	for i, cron := range hardest() {
		s := mustParse(b, Source{Type: "cron", Cron: json.RawMessage(cron), Timezone: "America/New_York"})
		b.Run(fmt.Sprint(i), func(b *testing.B) {
			for b.Loop() {
				s.rule.memo = memo{}
				s.Next(benchNow)
			}
		})
	}
}

// BenchmarkRefuseNever: parsing and refusing schedules that can never fire.
func BenchmarkRefuseNever(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		s := mustParse(b, Source{Type: "cron", Cron: json.RawMessage(never[i%len(never)])})
		if s.Check(benchNow) == nil {
			b.Fatal(s)
		}
	}
}
