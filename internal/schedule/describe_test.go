package schedule

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct{ cron, en, ja string }{
		{`{"hour":"10","minute":"30"}`, "", ""},
		{`{"hour":"9,12,18"}`, "", ""},
		{`{"day_of_week":"mon-fri","hour":9}`, "", ""},
		{`{"day_of_week":"mon,wed,fri","hour":9,"second":30}`, "", ""},
		{`{"day_of_week":"sun","hour":9}`, "", ""},
		{`{"minute":"*/5"}`, "", ""},
		{`{"minute":"3/5"}`, "", ""},
		{`{"minute":"*/7"}`, "", ""},
		{`{"minute":"5"}`, "", ""},
		{`{"minute":"0"}`, "", ""},
		{`{"hour":"*"}`, "", ""},
		{`{"minute":"*"}`, "", ""},
		{`{"second":"*"}`, "", ""},
		{`{"second":"*/15"}`, "", ""},
		{`{"second":"5,10"}`, "", ""},
		{`{"hour":"9-17"}`, "", ""},
		{`{"hour":"*/3","minute":5}`, "", ""},
		{`{"hour":"*/5","minute":5}`, "", ""},
		{`{"hour":"1,2,5-9","minute":5}`, "", ""},
		{`{"hour":"9-17","minute":"*/30","day_of_week":"mon-fri"}`, "", ""},
		{`{"hour":"9","minute":"*/5","day_of_week":"mon-fri"}`, "", ""},
		{`{"minute":"5,35,50"}`, "", ""},
		{`{"minute":"0-10,30","hour":"1,3"}`, "", ""},
		{`{"minute":"0-4","second":"*"}`, "", ""},
		{`{"day":"1,15"}`, "", ""},
		{`{"day":"last","hour":23,"minute":59}`, "", ""},
		{`{"day":"2nd tue,last fri","hour":18}`, "", ""},
		{`{"month":12,"day":24,"hour":9}`, "", ""},
		{`{"month":"1,7","day":"1-7","hour":9}`, "", ""},
		{`{"month":"1,7","hour":9}`, "", ""},
		{`{"month":"4","day":"last","hour":9}`, "", ""},
		{`{"month":"4","day_of_week":"mon"}`, "", ""},
		{`{"day":"13","day_of_week":"fri","hour":9}`, "", ""},
		{`"0 9 13 * 5"`, "", ""},
		{`"*/5 9-17 * * 1-5"`, "", ""},
		{`"@weekly"`, "", ""},
		{`{"week":"1-10,20","day_of_week":"mon","hour":9}`, "", ""},
		{`{"year":"2027"}`, "", ""},
		{`{"year":"2027","month":12,"day":24}`, "", ""},
		{`{"year":"2027-2029,2035","hour":9}`, "", ""},
		{`{"year":"2027/2","day":1}`, "", ""},
		{`{"hour":9,"start_date":"2027-01-01","end_date":"2027-03-31 23:59:59","jitter":90}`, "", ""},
		{`{"second":"7","minute":"*/5"}`, "", ""},
		{`{"second":"7","minute":"5"}`, "", ""},
	} {
		s := mustParse(t, Source{Type: "cron", Cron: json.RawMessage(c.cron)})
		t.Logf("%s\n\t%s\n\t%s", c.cron, s.Describe("en"), s.Describe("ja"))
	}
	for _, c := range []string{`{"minutes":10}`, `{"weeks":1}`, `{"days":1}`, `{"seconds":0.5}`, `{"days":1,"hours":2,"minutes":3,"seconds":4.25,"start_date":"2027-01-01"}`, `{"hours":1,"end_date":"2027-01-01","jitter":30}`} {
		s := mustParse(t, Source{Type: "interval", Interval: json.RawMessage(c)})
		t.Logf("%s\n\t%s\n\t%s", c, s.Describe("en"), s.Describe("ja"))
	}
	s := mustParse(t, Source{Type: "date", RunAt: json.RawMessage(`"2025-09-20T15:00:00+09:00"`)})
	t.Logf("%s\n\t%s\n\t%s", s, s.Describe("en"), s.Describe("ja"))
	for _, c := range []string{`{"month":2,"day":30,"hour":1}`, `{"month":"2,4","day":"30-31"}`, `{"year":2025,"month":2,"day":29}`, `{"day":"4th sat","day_of_week":"0,6"}`, `{"week":53,"year":2029}`, `{"year":"2025"}`, `{"hour":1,"end_date":"2025-01-01"}`, `{"hour":1,"start_date":"2030-01-01","end_date":"2025-01-01"}`, `"0 0 31 4,6 *"`, `{"year":"2027","end_date":"2026-01-01"}`, `{"month":"7","week":"1,53","day_of_week":"fri-sun"}`, `{"year":"2027","week":"53","hour":3}`} {
		s := mustParse(t, Source{Type: "cron", Cron: json.RawMessage(c)})
		st := time.Now()
		f := s.Check(benchNow)
		t.Log(c, f, time.Since(st))
	}
}
