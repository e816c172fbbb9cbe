package schedule

import "testing"

func TestDescribe(t *testing.T) {
	for _, c := range []struct{ cron, en, ja string }{
		{`{"hour":"10","minute":"30"}`,
			"every day at 10:30",
			"毎日 10:30"},
		{`{"hour":"9,12,18"}`,
			"every day at 09:00, 12:00 and 18:00",
			"毎日 9:00、12:00、18:00"},
		{`{"day_of_week":"mon-fri","hour":9}`,
			"Monday to Friday at 09:00",
			"毎週月〜金曜日 9:00"},
		{`{"day_of_week":"mon,wed,fri","hour":9,"second":30}`,
			"every minute from 09:00:30 to 09:59:30, at second 30, every Monday, Wednesday and Friday",
			"毎週月・水・金曜日 9:00:30〜9:59:30 の毎分30秒"},
		{`{"day_of_week":"sun","hour":9}`,
			"every Sunday at 09:00",
			"毎週日曜日 9:00"},
		{`{"minute":"*/5"}`,
			"every 5 minutes",
			"5分ごと"},
		{`{"minute":"3/5"}`,
			"every 5 minutes from minute 3",
			"毎時3分から5分ごと"},
		{`{"minute":"*/7"}`,
			"every 7 minutes (starting anew each hour)",
			"毎時0分から7分ごと"},
		{`{"minute":"5"}`,
			"every hour at minute 5",
			"毎時5分"},
		{`{"minute":"0"}`,
			"every hour",
			"毎時0分"},
		{`{"hour":"*"}`,
			"every hour",
			"毎時0分"},
		{`{"minute":"*"}`,
			"every minute",
			"毎分"},
		{`{"second":"*"}`,
			"every second",
			"毎秒"},
		{`{"second":"*/15"}`,
			"every 15 seconds",
			"15秒ごと"},
		{`{"second":"5,10"}`,
			"at seconds 5 and 10 of every minute",
			"毎分5秒・10秒"},
		{`{"hour":"9-17"}`,
			"every hour from 09:00 to 17:00",
			"9:00〜17:00 に1時間ごと"},
		{`{"hour":"*/3","minute":5}`,
			"every 3 hours from 00:05",
			"3時間ごと（0:05 起点）"},
		{`{"hour":"*/5","minute":5}`,
			"every day at 00:05, 05:05, 10:05, 15:05 and 20:05",
			"毎日 0:05、5:05、10:05、15:05、20:05"},
		{`{"hour":"1,2,5-9","minute":5}`,
			"at minute 5 of hours 1, 2 and 5–9",
			"1時・2時・5〜9時の5分"},
		{`{"hour":"9-17","minute":"*/30","day_of_week":"mon-fri"}`,
			"every 30 minutes from 09:00 to 17:30, Monday to Friday",
			"毎週月〜金曜日 9:00〜17:30 に30分ごと"},
		{`{"hour":"9","minute":"*/5","day_of_week":"mon-fri"}`,
			"every 5 minutes from 09:00 to 09:55, Monday to Friday",
			"毎週月〜金曜日 9:00〜9:55 に5分ごと"},
		{`{"minute":"5,35,50"}`,
			"at minutes 5, 35 and 50 of every hour",
			"毎時5分・35分・50分"},
		{`{"minute":"0-10,30","hour":"1,3"}`,
			"at minutes 0–10 and 30 of hours 1 and 3",
			"1時・3時台の0〜10分・30分"},
		{`{"minute":"0-4","second":"*"}`,
			"every second of minutes 0–4",
			"毎時0〜4分の毎秒"},
		{`{"day":"1,15"}`,
			"on the 1st and 15th of every month at 00:00",
			"毎月1日・15日 0:00"},
		{`{"day":"last","hour":23,"minute":59}`,
			"on the last day of every month at 23:59",
			"毎月末日 23:59"},
		{`{"day":"2nd tue,last fri","hour":18}`,
			"on the 2nd Tuesday and last Friday of every month at 18:00",
			"毎月第2火曜日・最終金曜日 18:00"},
		{`{"month":12,"day":24,"hour":9}`,
			"every year on 24 December at 09:00",
			"毎年12月24日 9:00"},
		{`{"month":"1,7","day":"1-7","hour":9}`,
			"on the 1st–7th of January and July at 09:00",
			"毎年1月・7月の1〜7日 9:00"},
		{`{"month":"1,7","hour":9}`,
			"every day in January and July at 09:00",
			"毎年1月・7月の毎日 9:00"},
		{`{"month":"4","day":"last","hour":9}`,
			"on the last day of April at 09:00",
			"毎年4月の末日 9:00"},
		{`{"month":"4","day_of_week":"mon"}`,
			"every Monday in April at 00:00",
			"毎年4月の毎週月曜日 0:00"},
		{`{"day":"13","day_of_week":"fri","hour":9}`,
			"on the 13th of every month (if a Friday) at 09:00",
			"毎月13日（金曜日の場合のみ） 9:00"},
		{`"0 9 13 * 5"`,
			"on the 13th of every month and every Friday at 09:00",
			"毎月13日および毎週金曜日 9:00"},
		{`"*/5 9-17 * * 1-5"`,
			"every 5 minutes from 09:00 to 17:55, Monday to Friday",
			"毎週月〜金曜日 9:00〜17:55 に5分ごと"},
		{`"0 9 24 12 1"`,
			"every year on 24 December and every Monday in December at 09:00",
			"毎年12月の24日および毎週月曜日 9:00"},
		{`"0 9 1-31 * 1"`, "every day at 09:00", "毎日 9:00"},
		{`{"day_of_week":"sat,sun","hour":9}`,
			"every Saturday and Sunday at 09:00",
			"毎週土・日曜日 9:00"},
		{`{"day_of_week":"mon-fri","hour":"9-17","minute":"5,35"}`,
			"at minutes 5 and 35 of every hour from 09:05 to 17:35, Monday to Friday",
			"毎週月〜金曜日 9:05〜17:35 の毎時5分・35分"},
		{`{"hour":"*/2","minute":"*/15"}`,
			"every 15 minutes in hours 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 22",
			"0時・2時・4時・6時・8時・10時・12時・14時・16時・18時・20時・22時台に15分ごと"},
		{`"@weekly"`,
			"every Sunday at 00:00",
			"毎週日曜日 0:00"},
		{`{"week":"1-10,20","day_of_week":"mon","hour":9}`,
			"every Monday in ISO weeks 1–10 and 20 at 09:00",
			"毎週月曜日（ISO週番号 1〜10・20 の週のみ） 9:00"},
		{`{"year":"2027"}`,
			"on 1 January 2027 at 00:00",
			"2027年1月1日 0:00"},
		{`{"year":"2027","month":12,"day":24}`,
			"on 24 December 2027 at 00:00",
			"2027年12月24日 0:00"},
		{`{"year":"2027-2029,2035","hour":9}`,
			"every day in 2027–2029 and 2035 at 09:00",
			"2027〜2029年・2035年の毎日 9:00"},
		{`{"year":"2027/2","day":1}`,
			"on the 1st of every month in every 2nd year from 2027 at 00:00",
			"2027年から2年ごとの毎月1日 0:00"},
		{`{"hour":9,"start_date":"2027-01-01","end_date":"2027-03-31 23:59:59","jitter":90}`,
			"every day at 09:00, from 1 January 2027 at 00:00, until 31 March 2027 at 23:59:59, delayed by up to 1 minute and 30 seconds",
			"毎日 9:00、2027年1月1日 0:00 から 2027年3月31日 23:59:59 まで、最大1分30秒の遅延（ジッター）あり"},
		{`{"second":"7","minute":"*/5"}`,
			"every 5 minutes, at second 7",
			"5分ごと（7秒）"},
		{`{"second":"7","minute":"5"}`,
			"every hour at minute 5, second 7",
			"毎時5分7秒"},
	} {
		s := mustParse(t, cronSource(c.cron))
		if got := s.Describe("en"); got != c.en+" (Asia/Tokyo)" {
			t.Errorf("%s: %s, want %s", c.cron, got, c.en)
		}
		if got := s.Describe("ja"); got != c.ja+"（Asia/Tokyo）" {
			t.Errorf("%s: %s, want %s", c.cron, got, c.ja)
		}
	}
}

func TestDescribeOthers(t *testing.T) {
	for _, c := range []struct {
		src    Source
		en, ja string
	}{
		{intervalSource(`{"minutes":10}`), "every 10 minutes", "10分ごと"},
		{intervalSource(`{"weeks":1}`), "every week", "1週間ごと"},
		{intervalSource(`{"days":1}`), "every day", "1日ごと"},
		{intervalSource(`{"seconds":0.5}`), "every 0.5 seconds", "0.5秒ごと"},
		{intervalSource(`{"days":1,"hours":2,"minutes":3,"seconds":4.25,"start_date":"2027-01-01"}`),
			"every 1 day, 2 hours, 3 minutes and 4.25 seconds, from 1 January 2027 at 00:00 (Asia/Tokyo)",
			"1日2時間3分4.25秒ごと、2027年1月1日 0:00 から（Asia/Tokyo）"},
		{intervalSource(`{"hours":1,"end_date":"2027-01-01","jitter":30}`),
			"every hour, until 1 January 2027 at 00:00, delayed by up to 30 seconds (Asia/Tokyo)",
			"1時間ごと、2027年1月1日 0:00 まで、最大30秒の遅延（ジッター）あり（Asia/Tokyo）"},
		{dateSource(`"2025-09-20T15:00:00+09:00"`), "once, on 20 September 2025 at 15:00 (Asia/Tokyo)", "2025年9月20日 15:00 に1回のみ（Asia/Tokyo）"},
		{cronSource(`{"hour":9,"timezone":"Europe/Berlin"}`), "every day at 09:00 (Europe/Berlin)", "毎日 9:00（Europe/Berlin）"},
	} {
		s := mustParse(t, c.src)
		if en, ja := s.Describe("en"), s.Describe("ja-JP"); en != c.en || ja != c.ja || s.Describe("") != en || s.Describe("fr") != en {
			t.Errorf("%s: %s / %s", s, en, ja)
		}
	}
}

// TestDescribeNamesWhatFires: the words come from the sets, so two ways to write one
// schedule read the same.
func TestDescribeNamesWhatFires(t *testing.T) {
	for _, pair := range [][2]string{
		{`{"minute":"*/15"}`, `"0,15,30-45/15 * * * *"`}, {`{"day_of_week":"mon-fri"}`, `"0 0 * * 1-5"`},
		{`{"hour":"0-23"}`, `"@hourly"`}, {`{"month":"*/6","day":"*"}`, `{"month":"jan,jul","day":"1-31"}`},
	} {
		a, b := cronOf(t, pair[0], "UTC"), cronOf(t, pair[1], "UTC")
		if a.Describe("en") != b.Describe("en") || a.Describe("ja") != b.Describe("ja") {
			t.Errorf("%s and %s: %s and %s", a, b, a.Describe("en"), b.Describe("en"))
		}
	}
}
