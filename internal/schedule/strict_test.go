package schedule

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestFaults: every bad source is refused with these faults and no others.
func TestFaults(t *testing.T) {
	long := strings.Repeat("1,", 600) + "1"
	for _, c := range []struct {
		src  Source
		want []string // "field: beginning of detail"
	}{
		{Source{}, []string{"schedule_type: is required"}},
		{Source{Type: "Cron"}, []string{`schedule_type: must be "cron", "interval" or "date", not "Cron"`}},
		{cronSource(``), []string{"cron: is required"}},
		{cronSource(`null`), []string{"cron: is required"}},
		{cronSource(`{}`), []string{"cron: gives no field"}},
		{cronSource(`{"hour":null,"start_date":null}`), []string{"cron: gives no field"}},
		{cronSource(`{"start_date":"2027-01-01"}`), []string{"cron: gives no field"}},
		{cronSource(`[1]`), []string{"cron: must be an object"}},
		{cronSource(`5`), []string{"cron: must be an object"}},
		{cronSource(`true`), []string{"cron: must be an object"}},
		{cronSource(`{"hour":`), []string{"cron: is not valid JSON"}},
		{cronSource("{\"hour\":\"\xff\"}"), []string{"cron: is not valid UTF-8"}},
		{cronSource(`{"hour":"` + strings.Repeat(" ", maxRaw) + `1"}`), []string{"cron: is 16396 bytes long"}},
		{cronSource(strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), []string{"cron: is 18000 bytes long"}},
		{cronSource(`{"hour":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}`), []string{"cron.hour: must be an integer or a string"}},
		{cronSource(`{"hour":"` + long + `"}`), []string{"cron.hour: is 1201 bytes long"}},
		{cronSource(`{"hour":"` + long[:401] + `"}`), []string{"cron.hour: lists 201 expressions"}},
		{cronSource(`{"hour":1,"hour":2}`), []string{"cron.hour: is given more than once"}},
		{cronSource(`{"hour":1,"Hour":2,"seconds":1,"zzz":1}`), []string{`cron.Hour: unknown field; did you mean "hour"?`,
			`cron.seconds: unknown field; did you mean "second"?`, "cron.zzz: unknown field; the fields are year, month"}},
		{cronSource(`{"hour":""}`), []string{`cron.hour: Unrecognized expression "" for field "hour"`}},
		{cronSource(`{"hour":"1,"}`), []string{`cron.hour: Unrecognized expression "" for field "hour"`}},
		{cronSource(`{"hour":1.5}`), []string{`cron.hour: Unrecognized expression "1.5" for field "hour"`}},
		{cronSource(`{"hour":1e2}`), []string{`cron.hour: Unrecognized expression "100.0" for field "hour"`}},
		{cronSource(`{"hour":1e999}`), []string{`cron.hour: Unrecognized expression "inf" for field "hour"`}},
		{cronSource(`{"hour":-1}`), []string{`cron.hour: Unrecognized expression "-1" for field "hour"`}},
		{cronSource(`{"hour":"0x1"}`), []string{`cron.hour: Unrecognized expression "0x1" for field "hour"`}},
		{cronSource(`{"hour":"+1"}`), []string{`cron.hour: Unrecognized expression "+1" for field "hour"`}},
		{cronSource(`{"hour":"１０"}`), []string{`cron.hour: Unrecognized expression "１０" for field "hour"`}},
		{cronSource(`{"hour":"1\u0000"}`), []string{"cron.hour: Unrecognized expression"}},
		{cronSource(`{"hour":99999999999999999999999999}`), []string{"cron.hour: Error validating expression '99999999999999999999999999': the last value (99999999999999999999999999) is higher than the maximum value (23)"}},
		{cronSource(`{"hour":"99999999999999999999/2"}`), []string{"cron.hour: Error validating expression '99999999999999999999/2': the step value (2) is higher than the total range of the expression (-99999999999999999976)"}},
		{cronSource(`{"day":"5th 7Dec"}`), []string{`cron.day: Invalid weekday name "7"`}},
		{cronSource(`{"day":"2nd 金"}`), []string{`cron.day: Invalid weekday name "金"`}},
		{cronSource(`{"hour":true}`), []string{"cron.hour: must be an integer or a string such as \"*/5\", not a boolean"}},
		{cronSource(`{"hour":{"a":1}}`), []string{"cron.hour: must be an integer or a string such as \"*/5\", not an object"}},
		{cronSource(`{"hour":"25,x","minute":"99"}`), []string{"cron.hour: Error validating expression '25'",
			`cron.hour: Unrecognized expression "x"`, "cron.minute: Error validating expression '99'"}},
		{cronSource(`{"hour":1,"timezone":"Asia/Tokio","start_date":"x","end_date":5,"jitter":"1"}`), []string{
			`cron.timezone: is not an IANA time zone name: "Asia/Tokio"; did you mean "Asia/Tokyo"?`, "cron.start_date: Invalid date string",
			"cron.end_date: must be a string", "cron.jitter: must be a number, not a string: write 1 without quotes"}},
		{cronSource(`{"hour":1,"timezone":""}`), []string{"cron.timezone: must be an IANA time zone name"}},
		{cronSource(`{"hour":1,"timezone":9}`), []string{"cron.timezone: must be an IANA time zone name such as \"Asia/Tokyo\", not a number"}},
		{cronSource(`{"hour":1,"jitter":-1}`), []string{"cron.jitter: must be 0 or more"}},
		{cronSource(`{"hour":1,"jitter":1e9}`), []string{"cron.jitter: must be at most"}},
		{cronSource(`{"hour":1,"jitter":1e999999999}`), []string{"cron.jitter: is too large"}},
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":1,"timezone":"UTC"}`), Timezone: "Asia/Tokyo"}, []string{"cron.timezone: is \"UTC\", but the job's timezone is \"Asia/Tokyo\""}},
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":1}`), Timezone: "Local"}, []string{"timezone: is not an IANA time zone name"}},
		{Source{Type: "cron", Cron: json.RawMessage(`{"hour":1}`), Interval: json.RawMessage(`{}`), RunAt: json.RawMessage(`null`)}, []string{`interval: does not belong to schedule_type "cron"`}},
		{cronSource(`""`), []string{"cron: Wrong number of fields; got 0, expected 5"}},
		{cronSource(`"* * * *"`), []string{"cron: Wrong number of fields; got 4, expected 5"}},
		{cronSource(`"61 * 0 13 8"`), []string{"cron: minute: 61 is higher", "cron: day of month: 0 is lower", "cron: month: 13 is higher", "cron: day of week: 8 is higher"}},
		{cronSource(`"*/0 5-1 */32 foo mon-x"`), []string{"cron: minute: Increment must be higher than 0", "cron: hour: The minimum value",
			"cron: day of month: Error validating expression '*/32'", `cron: month: Invalid month name "foo"`, `cron: day of week: Invalid weekday name "x"`}},
		{cronSource(`"*/90 * * * *"`), []string{"cron: minute: Error validating expression '*/90': the step value (90) is higher"}},
		{cronSource(`"@reboot"`), []string{`cron: "@reboot" is not a schedule`}},
		{intervalSource(`{}`), []string{"interval: gives no length"}},
		{intervalSource(`{"minutes":null}`), []string{"interval: gives no length"}},
		{intervalSource(`{"minutes":0}`), []string{"interval: must be longer than 0 seconds"}},
		{intervalSource(`{"seconds":1e-9}`), []string{"interval: must be longer than 0 seconds"}},
		{intervalSource(`{"minutes":-5,"hours":1}`), []string{"interval.minutes: must not be negative"}},
		{intervalSource(`{"minutes":"10"}`), []string{"interval.minutes: must be a number, not a string: write 10 without quotes"}},
		{intervalSource(`{"minutes":[10]}`), []string{"interval.minutes: must be a number, not an array"}},
		{intervalSource(`{"minutes":NaN}`), []string{"interval: is not valid JSON"}},
		{intervalSource(`{"minutes":1e400,"weeks":1e13}`), []string{"interval.weeks: is too large", "interval.minutes: is too large"}},
		{intervalSource(`{"weeks":1e11}`), []string{"interval: can never fire: it is too long"}},
		{intervalSource(`{"minute":5}`), []string{`interval.minute: unknown field; did you mean "minutes"?`}},
		{intervalSource(`"10m"`), []string{`interval: must be an object such as {"minutes": 10}, not a string`}},
		{intervalSource(`{"minutes":5,"start_date":"bad"}`), []string{"interval.start_date: Invalid date string"}},
		{dateSource(``), []string{"run_at: is required"}},
		{dateSource(`1790000000`), []string{"run_at: must be a string"}},
		{dateSource(`"2025-09-20T15:00:00+25:00"`), []string{"run_at: offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24), not datetime.timedelta(days=1, seconds=3600)."}},
		{dateSource(`"2025-09-20T15:00:00+25:00x"`), []string{"run_at: Invalid date string"}},
		{dateSource(`"2025-02-29"`), []string{"run_at: day is out of range for month"}},
		{dateSource(`"0000-01-01"`), []string{"run_at: year 0 is out of range"}},
		{dateSource(`"2025-13-01 00:00:00"`), []string{"run_at: month must be in 1..12"}},
		{dateSource(`"2025-01-01 00:60:00"`), []string{"run_at: minute must be in 0..59"}},
		{dateSource(`"2025-01-01 00:00:60"`), []string{"run_at: second must be in 0..59"}},
		{dateSource(`"2025-01-01T00:00"`), []string{"run_at: Invalid date string"}},
		{dateSource(`"2025-01-01 00:00:00 "`), []string{"run_at: Invalid date string"}},
		{dateSource(`"2025-01-01 00:00:00.1234567"`), []string{"run_at: Invalid date string"}},
		{dateSource(`"２０２５-01-01"`), []string{"run_at: Invalid date string"}},
		{dateSource(`"tomorrow"`), []string{"run_at: Invalid date string"}},
	} {
		s, faults := Parse(c.src, "Asia/Tokyo")
		if s != nil || len(faults) != len(c.want) {
			t.Errorf("%.80q %.40q: got %q, want %q", c.src.Cron, c.src.Interval, faults, c.want)
			continue
		}
		for i, f := range faults {
			if !strings.HasPrefix(f.Field+": "+f.Detail, c.want[i]) {
				t.Errorf("%.80q: got %q, want %q", c.src.Cron, f.Field+": "+f.Detail, c.want[i])
			}
		}
	}
}

func cronSource(raw string) Source { return Source{Type: "cron", Cron: json.RawMessage(raw)} }

func intervalSource(raw string) Source {
	return Source{Type: "interval", Interval: json.RawMessage(raw), Anchor: benchNow}
}

func dateSource(raw string) Source { return Source{Type: "date", RunAt: json.RawMessage(raw)} }

// TestText: the canonical trigger text of what is accepted.
func TestText(t *testing.T) {
	for _, c := range []struct {
		src  Source
		want string
	}{
		{cronSource(`{"minute":"30","hour":"10"}`), "cron[hour='10', minute='30']"},
		{cronSource(`{"hour":" 05 , 007-08/1 ","minute":-0}`), "cron[hour='5,7-8/1', minute='0']"},
		{cronSource(`{"day":"LAST, 2ND  Fri","month":"JAN-Mar,12"}`), "cron[month='jan-mar,12', day='last,2nd fri']"},
		{cronSource(`{"day_of_week":"MON,5-5,*"}`), "cron[day_of_week='mon,5,*']"},
		{cronSource(`" */5  *\t* * MON-fri"`), "cron['*/5 * * * mon-fri']"},
		{cronSource(`"30 0 12 * * *"`), "cron['30 0 12 * * *']"},
		{cronSource(`"@Daily"`), "cron['@daily']"},
		{intervalSource(`{"minutes":10}`), "interval[0:10:00]"},
		{intervalSource(`{"days":1}`), "interval[1 day, 0:00:00]"},
		{intervalSource(`{"weeks":1,"seconds":0.25}`), "interval[7 days, 0:00:00.250000]"},
		{intervalSource(`{"seconds":2.0000005}`), "interval[0:00:02]"},
		{intervalSource(`{"seconds":2.0000015}`), "interval[0:00:02.000002]"},
		{intervalSource(`{"hours":0.1}`), "interval[0:06:00]"},
		{dateSource(`"2025-09-20T15:00:00+09:00"`), "date[2025-09-20 15:00:00 JST]"},
		{dateSource(`"2025-09-20T06:00:00Z"`), "date[2025-09-20 15:00:00 JST]"},
		{dateSource(`"2025-9-20"`), "date[2025-09-20 00:00:00 JST]"},
	} {
		if s := mustParse(t, c.src); s.String() != c.want {
			t.Errorf("got %s, want %s", s, c.want)
		}
	}
}

// TestFractions: with an offset the fraction is decimal, without one it counts microseconds.
func TestFractions(t *testing.T) {
	for text, want := range map[string]int{
		"2025-09-20T15:00:00.5+09:00": 500_000, "2025-09-20T15:00:00.123Z": 123_000, "2025-09-20T15:00:00.123456789Z": 123_456,
		"2025-09-20 15:00:00.30571": 30_571, "2025-09-20 15:00:00.305710": 305_710,
	} {
		s := mustParse(t, dateSource(`"`+text+`"`))
		if at, _ := s.First(time.Time{}); at.Nanosecond() != want*1000 {
			t.Errorf("%s: %v", text, at)
		}
	}
}

// TestBoundsInGap: a naive start_date that the clocks skip counts with the offset before the gap.
func TestBoundsInGap(t *testing.T) {
	src := Source{Type: "interval", Interval: json.RawMessage(`{"hours":1,"start_date":"2026-03-29 02:30:00"}`), Timezone: "Europe/Berlin"}
	wantFirings(t, mustParse(t, src), "2026-03-01T00:00:00Z", "2026-03-29T03:30:00+02:00", "2026-03-29T04:30:00+02:00")
	src.Interval = json.RawMessage(`{"hours":1,"start_date":"2026-10-25 02:30:00"}`)
	wantFirings(t, mustParse(t, src), "2026-03-01T00:00:00Z", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00")
}

// TestShortNumber: what is read without exact arithmetic is exactly what that would make of it.
func TestShortNumber(t *testing.T) {
	short := 0
	for _, text := range []string{"0", "1", "007", "12.5", "0.000001", "999999.999999", "1000000", "0.0000001", "1e3", "1E-2", "-1", "-0", "12.", ".5", "1.-5", "1.2.3", "", "٣"} {
		got, ok := shortNumber([]byte(text))
		n, fault := parseNumber([]byte(text))
		if !ok {
			continue
		}
		if short++; fault != "" && json.Valid([]byte(text)) || fault == "" && n.Cmp(new(big.Rat).SetFrac64(got, microsPerSecond)) != 0 {
			t.Errorf("%q is %d millionths, exactly %v %s", text, got, n, fault)
		}
	}
	if short != 7 {
		t.Errorf("%d numbers are short", short)
	}
	for short, exact := range map[string]string{
		`{"seconds":0.1,"minutes":1}`:           `{"seconds":1e-1,"minutes":1e0}`,
		`{"hours":0.5,"days":2,"minutes":1e-6}`: `{"hours":5e-1,"days":2e0,"minutes":1e-6}`, // both in one
		`{"weeks":9999.999999}`:                 `{"weeks":9999.9999990}`,
	} {
		a, wrong := Parse(Source{Type: kindInterval, Interval: json.RawMessage(short)}, "UTC")
		b, alsoWrong := Parse(Source{Type: kindInterval, Interval: json.RawMessage(exact)}, "UTC")
		if len(wrong)+len(alsoWrong) > 0 || a.every != b.every {
			t.Errorf("%s and %s: %v %v", short, exact, wrong, alsoWrong)
		}
	}
}
