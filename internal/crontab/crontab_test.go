package crontab

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	for line, want := range map[string]string{
		`curl https://example.com/ping`:  `{"target_url":"https://example.com/ping","method":"GET"}`,
		`/usr/bin/curl -fsS example.com`: `{"target_url":"http://example.com","method":"GET"}`,
		`curl -s -X POST -H "Content-Type: application/json" -H 'Authorization: Bearer XXX' -d '{"report":"daily"}' https://example.com/r`: `{"target_url":"https://example.com/r","method":"POST","headers":{"Authorization":"Bearer XXX","Content-Type":"application/json"},"body":{"report":"daily"}}`,
		`curl -d a=1 -d b=2 https://example.com/f`:                                         `{"target_url":"https://example.com/f","method":"POST","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_text":"a=1\u0026b=2"}`,
		`curl -G -d a=1 --data-urlencode 'q=x y' https://example.com/f`:                    `{"target_url":"https://example.com/f?a=1\u0026q=x+y","method":"GET"}`,
		`curl --json '{"a":1}' https://example.com`:                                        `{"target_url":"https://example.com","method":"POST","headers":{"Accept":"application/json","Content-Type":"application/json"},"body":{"a":1}}`,
		`curl -sSLm30 --connect-timeout=5 --retry 3 --retry-delay 10 https://example.com`:  `{"target_url":"https://example.com","method":"GET","timeout_sec":30,"connect_timeout_sec":5,"max_retries":3,"retry_backoff_sec":10,"redirects":{"follow":10}}`,
		`curl -u user:pa:ss https://example.com >/dev/null 2>&1`:                           `{"target_url":"https://example.com","method":"GET","auth":{"basic":{"username":"user","password":"pa:ss"}}}`,
		`curl https://u:p@example.com/x?a=b &>>/var/log/x.log`:                             `{"target_url":"https://example.com/x?a=b","method":"GET","auth":{"basic":{"username":"u","password":"p"}}}`,
		`curl -I https://example.com || true`:                                              `{"target_url":"https://example.com","method":"HEAD"}`,
		`curl -o /dev/null -w '%{http_code}' https://example.com; # note`:                  ``,
		`timeout 2m curl https://example.com`:                                              `{"target_url":"https://example.com","method":"GET","timeout_sec":120}`,
		`wget -q -O - https://example.com/cron.php`:                                        `{"target_url":"https://example.com/cron.php","method":"GET","redirects":{"follow":10}}`,
		`wget -qO- --post-data='a=1' --tries=3 --timeout=10 --max-redirect=0 example.com`:  `{"target_url":"http://example.com","method":"POST","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_text":"a=1","timeout_sec":10,"max_retries":2,"redirects":{"follow":0}}`,
		`wget --spider -nv --user=u --password=p https://example.com`:                      `{"target_url":"https://example.com","method":"HEAD","redirects":{"follow":10},"auth":{"basic":{"username":"u","password":"p"}}}`,
		`nice -n 19 env A=b curl https://example.com`:                                      `{"target_url":"https://example.com","method":"GET"}`,
		`curl "https://example.com/\$x"`:                                                   `{"target_url":"https://example.com/$x","method":"GET"}`,
		`curl https://example.com/日本 -H 'X-Name: 定期'`:                                      `{"target_url":"https://example.com/日本","method":"GET","headers":{"X-Name":"定期"}}`,
		`curl --oauth2-bearer tok https://example.com -A me -e https://ref.example -b a=b`: `{"target_url":"https://example.com","method":"GET","headers":{"Cookie":"a=b","Referer":"https://ref.example","User-Agent":"me"},"auth":{"bearer":"tok"}}`,
	} {
		r, _, err := Command(line)
		got := ""
		if err == nil {
			b, _ := json.Marshal(r)
			got = string(b)
		}
		if got != want {
			t.Errorf("%s\n got %s %v\nwant %s", line, got, err, want)
		}
	}
}

func TestNotCarriedOver(t *testing.T) {
	for line, want := range map[string]string{
		`/usr/local/bin/backup.sh`: "only curl and wget", `cd /tmp && curl https://example.com`: "needs a shell", `curl https://example.com | jq .`: "needs a shell",
		`curl https://example.com/$(date +%F)`: "output of another command", "curl `host`": "output of another command", `curl https://example.com/$TOKEN`: "variable TOKEN",
		`curl "https://example.com/${TOKEN}"`: "variable TOKEN", `curl -F a=b https://example.com`: "multipart", `curl -d @body.json https://example.com`: "file",
		`curl -T x https://example.com`: "uploads", `curl -x http://proxy https://example.com`: "proxy", `curl`: "no URL", `curl https://a.example https://b.example`: "2 URLs",
		`curl ftp://example.com`: "no URL of http", `curl --frobnicate https://example.com`: "--frobnicate", `curl -Z https://example.com`: "-", `curl 'https://example.com`: "without its end",
		`curl -H broken https://example.com`: "colon", `curl -m soon https://example.com`: "seconds", `curl -X`: "no value", `curl < in`: "needs a shell", `(curl https://example.com)`: "needs a shell",
		`wget -i list`: "file", `wget -r https://example.com`: "many pages", `curl -K conf`: "file", `curl -b jar https://example.com`: "cookies",
	} {
		r, _, err := Command(line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want an error with %q", line, r, err, want)
		}
	}
}

const file = "\ufeff# the crontab of the old host\nSHELL=/bin/sh\nMAILTO=\"ops@example.com\"\nBASE = https://api.example.com\n\n" +
	"# Nightly report\n30 2 * * mon-fri  curl -fsS $BASE/report?d=\\%Y >/dev/null 2>&1\n" +
	"@daily curl -d @- ${BASE}/in%line 1%line 2\n" +
	"CRON_TZ=America/New_York\n0 9 * * 1 wget -q https://us.example.com/\n" +
	"@reboot curl https://example.com/start\n5 4 * * * /opt/backup.sh\n0~30 4 * * * curl https://example.com\n* * * curl\n" +
	"0 5 * * * curl -k https://self.example.com\r\n@hourly flock -n /tmp/l curl https://example.com\n"

func TestRead(t *testing.T) {
	jobs, skipped, err := Read(strings.NewReader(file), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs {
		b, _ := json.Marshal(j)
		var m map[string]any
		_ = json.Unmarshal(b, &m)
		got = append(got, j.Cron+" | "+j.Timezone+" | "+j.TargetURL+" | "+j.Name+" | "+strings.Join(j.Notes, ";"))
		if m["schedule_type"] != "cron" || m["cron"] != j.Cron || m["target_url"] != j.TargetURL || m["Line"] != nil && m["Line"] == 0 {
			t.Errorf("line %d as JSON: %s", j.Line, b)
		}
	}
	want := []string{
		"30 2 * * mon-fri |  | https://api.example.com/report?d=%Y | Nightly report | ",
		"@daily |  | https://api.example.com/in |  | ",
		"0 9 * * 1 | America/New_York | https://us.example.com/ |  | ",
		"0 5 * * * | America/New_York | https://self.example.com |  | -k: teiki always checks certificates; give the server's with -ca-file",
		"@hourly | America/New_York | https://example.com |  | the lock file /tmp/l was not carried over: max_instances keeps the runs of one job apart, but not those of several jobs",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("jobs:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if b := *jobs[1].BodyText; b != "line 1line 2" {
		t.Errorf("input after %%: %q", b) // -d takes line feeds out, as curl does
	}
	var lines []int
	for _, s := range skipped {
		lines = append(lines, s.Line)
		if s.Reason == "" || s.Text == "" {
			t.Errorf("line %d is skipped without a reason", s.Line)
		}
	}
	if len(lines) != 4 || lines[0] != 11 || lines[3] != 14 {
		t.Errorf("skipped lines %v", lines)
	}
}

func TestUserColumn(t *testing.T) {
	jobs, skipped, err := Read(strings.NewReader("17 * * * * root curl https://example.com\n@daily www wget https://example.com\n1 1 1 1 1 root\n"), Options{UserColumn: true})
	if err != nil || len(jobs) != 2 || len(skipped) != 1 {
		t.Fatalf("%v %v %v", jobs, skipped, err)
	}
	if len(jobs[0].Notes) != 0 || len(jobs[1].Notes) != 1 || jobs[1].Cron != "@daily" {
		t.Errorf("%+v", jobs)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file)
	f.Add("* * * * * curl -d'a' -\"b\" $")
	f.Fuzz(func(t *testing.T, s string) {
		jobs, _, err := Read(strings.NewReader(s), Options{UserColumn: len(s)%2 == 0})
		for _, j := range jobs {
			if j.TargetURL == "" || j.Cron == "" || j.Method == "" {
				t.Errorf("%q: %+v", s, j)
			}
			if _, err := json.Marshal(j); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		_ = err
	})
}
