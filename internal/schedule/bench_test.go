package schedule

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var benchNow = time.Date(2026, 11, 23, 10, 17, 5, 123456000, time.UTC)

// mixed makes n different cron schedules of the shapes that people use, in several zones.
func mixed(n int) []Source {
	rnd := rand.New(rand.NewPCG(1, 2))
	zoneList := []string{"Asia/Tokyo", "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}
	seen := make(map[string]bool)
	var list []Source
	for len(list) < n {
		h, m, s, d := rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), 1+rnd.IntN(28)
		var cron string
		switch rnd.IntN(10) {
		case 0, 1:
			cron = fmt.Sprintf(`{"hour":"%d","minute":"%d"}`, h, m)
		case 2:
			cron = fmt.Sprintf(`{"minute":"%d/%d","second":"%d"}`, m%5, 5+m%10, s)
		case 3, 4:
			cron = fmt.Sprintf(`{"day_of_week":"mon-fri","hour":"%d-%d","minute":"%d,%d"}`, h%12, 12+h%12, m%30, 30+s%30)
		case 5:
			cron = fmt.Sprintf(`{"day":"%d","hour":"%d","minute":"%d"}`, d, h, m)
		case 6:
			cron = fmt.Sprintf(`{"day":"last, 2nd tue","hour":"%d","minute":"%d","second":%d}`, h, m, s)
		case 7:
			cron = fmt.Sprintf(`{"month":"*/3","day":"%d","hour":"%d","minute":"%d"}`, d, h, m)
		case 8:
			cron = fmt.Sprintf(`"%d */%d * * %d-%d"`, m, 1+h%8, d%4, 4+d%4)
		case 9:
			cron = fmt.Sprintf(`"*/%d %d-%d * * *"`, 1+m%20, h%10, 11+h%12)
		}
		zone := zoneList[rnd.IntN(len(zoneList))]
		if key := cron + zone; !seen[key] {
			seen[key] = true
			list = append(list, Source{Type: "cron", Cron: json.RawMessage(cron), Timezone: zone})
		}
	}
	return list
}

func mustParse(t testing.TB, src Source) *Schedule {
	t.Helper()
	s, faults := Parse(src, "Asia/Tokyo")
	if len(faults) > 0 {
		t.Fatalf("%s: %q", src.Cron, faults)
	}
	return s
}

// BenchmarkNextMixed: the next time of 10,000 different schedules in turn.
func BenchmarkNextMixed(b *testing.B) {
	var all []*Schedule
	for _, src := range mixed(10_000) {
		all = append(all, mustParse(b, src))
	}
	prev := make([]time.Time, len(all))
	for i := range prev {
		prev[i] = benchNow
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		at, ok := all[i%len(all)].Next(prev[i%len(all)])
		if !ok {
			b.Fatal("exhausted")
		}
		prev[i%len(all)] = at
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "next/s")
}

// BenchmarkNextShared: 10,000 jobs on one schedule, all due at the same time.
func BenchmarkNextShared(b *testing.B) {
	var jobs []*Schedule
	for range 10_000 {
		jobs = append(jobs, mustParse(b, Source{Type: "cron", Cron: json.RawMessage(`{"minute":"*/5"}`)}))
	}
	at := benchNow
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); {
		next, _ := jobs[i].Next(at)
		if i++; i == len(jobs) {
			i, at = 0, next
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "next/s")
}

// BenchmarkCompile: a schedule that no other uses, from its JSON on.
func BenchmarkCompile(b *testing.B) {
	sources := mixed(10_000)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		p := &parsing{rule: rule{kind: "cron"}}
		p.parseCron(sources[i%len(sources)], "Asia/Tokyo")
		p.cacheKey()
		p.compile()
	}
}

// BenchmarkParseShared: a schedule that is in use already.
func BenchmarkParseShared(b *testing.B) {
	src := Source{Type: "cron", Cron: json.RawMessage(`{"day_of_week":"mon-fri","hour":"9-17","minute":"0,30"}`)}
	keep := mustParse(b, src)
	b.ReportAllocs()
	for b.Loop() {
		mustParse(b, src)
	}
	_ = keep
}
