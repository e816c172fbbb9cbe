package apscheduler

import (
	"encoding/json"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ trigger, next, want string }{
		{"cron[hour='10', minute='30']", "", `{"schedule_type":"cron","cron":{"hour":"10","minute":"30"}}`},
		{"cron[month='*', day='1st mon,last', day_of_week='mon-fri', hour='*/2']", "", `{"schedule_type":"cron","cron":{"day":"1st mon,last","day_of_week":"mon-fri","hour":"*/2","month":"*"}}`},
		{"interval[0:10:00]", "", `{"schedule_type":"interval","interval":{"minutes":10}}`},
		{"interval[1 day, 0:00:00]", "", `{"schedule_type":"interval","interval":{"days":1}}`},
		{"interval[7 days, 1:02:03.500000]", "", `{"schedule_type":"interval","interval":{"days":7,"hours":1,"minutes":2,"seconds":3.5}}`},
		{"date[2025-09-20 15:00:00 JST]", "2025-09-20T15:00:00+09:00", `{"schedule_type":"date","run_at":"2025-09-20T15:00:00+09:00"}`},
		{"date[2025-09-20 15:00:00 JST]", "", `{"schedule_type":"date","run_at":"2025-09-20T15:00:00+09:00"}`},
		{"date[2025-09-20 15:00:00 UTC]", "", `{"schedule_type":"date","run_at":"2025-09-20T15:00:00Z"}`},
	} {
		s, err := Parse(c.trigger, c.next)
		if err != nil {
			t.Errorf("%s: %v", c.trigger, err)
			continue
		}
		if b, _ := json.Marshal(s); string(b) != c.want {
			t.Errorf("%s: %s, want %s", c.trigger, b, c.want)
		}
	}
	for _, bad := range []string{"", "cron", "cron[]", "cron[hour=10]", "cron[hour='10' minute='3']", "interval[]", "interval[0:00:00]", "interval[ten minutes]",
		"date[today]", "date[2025-09-20 15:00:00 IST]", "and[cron[hour='1'], interval[0:10:00]]", "cron[hour='10'"} {
		if s, err := Parse(bad, ""); err == nil {
			t.Errorf("%q is taken as %+v", bad, s)
		}
	}
}
