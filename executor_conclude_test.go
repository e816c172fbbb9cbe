package main

import (
	"testing"
	"time"
)

func TestConclude(t *testing.T) {
	now := testTime.Add(time.Minute)
	answer := func(status int) Attempt {
		return Attempt{Attempt: 1, StartedAt: testTime.Time(), HTTPStatus: status, Reason: ReasonHTTPStatus}
	}
	broken := func(class, reason string) Attempt {
		return Attempt{Attempt: 1, StartedAt: testTime.Time(), Error: class, Reason: reason}
	}
	nth := func(n int, a Attempt) Attempt { a.Attempt = n; return a }
	after := func(at time.Time, a Attempt) Attempt { a.RetryAfter = at; return a }
	fine := Attempt{Attempt: 1, StartedAt: testTime.Time(), HTTPStatus: 200, OK: true}
	conditions := Attempt{Attempt: 1, StartedAt: testTime.Time(), HTTPStatus: 200, Reason: reasonJSON}
	for _, test := range []struct {
		name   string
		job    string
		a      Attempt
		status Status
		reason string
		delay  float64 // s
	}{
		{"success", `{"max_retries":3}`, fine, Succeeded, "", 0},
		{"no retries by default", `{}`, answer(500), Failed, ReasonHTTPStatus, 0},
		{"5xx", `{"max_retries":2,"retry_backoff_sec":2}`, answer(503), Retrying, ReasonHTTPStatus, 2},
		{"second retry doubles", `{"max_retries":2,"retry_backoff_sec":2}`, nth(2, answer(500)), Retrying, ReasonHTTPStatus, 4},
		{"retries are used up", `{"max_retries":2,"retry_backoff_sec":2}`, nth(3, answer(500)), Failed, ReasonHTTPStatus, 0},
		{"4xx ends at once", `{"max_retries":2}`, answer(404), Failed, ReasonHTTPStatus, 0},
		{"429 ends at once", `{"max_retries":2}`, answer(429), Failed, ReasonHTTPStatus, 0},
		{"429 if the job says so", `{"max_retries":2,"retry_backoff_sec":1,"retry_on":["429"]}`, answer(429), Retrying, ReasonHTTPStatus, 1},
		{"then 5xx is not", `{"max_retries":2,"retry_on":["429"]}`, answer(500), Failed, ReasonHTTPStatus, 0},
		{"4xx as a class", `{"max_retries":2,"retry_backoff_sec":1,"retry_on":["4xx"]}`, answer(404), Retrying, ReasonHTTPStatus, 1},
		{"a condition", `{"max_retries":2}`, conditions, Failed, reasonJSON, 0},
		{"a condition that is retried", `{"max_retries":2,"retry_backoff_sec":1,"retry_on":["condition"]}`, conditions, Retrying, reasonJSON, 1},
		{"a 3xx", `{"max_retries":2}`, answer(302), Failed, ReasonHTTPStatus, 0},
		{"connect", `{"max_retries":1,"retry_backoff_sec":1}`, broken(classConnect, classConnect), Retrying, classConnect, 1},
		{"dns", `{"max_retries":1,"retry_backoff_sec":1}`, broken(classDNS, classDNS), Retrying, classDNS, 1},
		{"tls", `{"max_retries":1,"retry_backoff_sec":1}`, broken(classTLS, classTLS), Retrying, classTLS, 1},
		{"timeout", `{"max_retries":1,"retry_backoff_sec":1}`, broken(classTimeout, classTimeout), Retrying, classTimeout, 1},
		{"connect timeout is connect", `{"max_retries":1,"retry_backoff_sec":1,"retry_on":["connect"]}`, broken(classTimeout, reasonConnectTimeout), Retrying, reasonConnectTimeout, 1},
		{"another timeout is not", `{"max_retries":1,"retry_on":["connect"]}`, broken(classTimeout, classTimeout), Failed, classTimeout, 0},
		{"egress is not retried", `{"max_retries":1}`, broken(classEgress, classEgress), Failed, classEgress, 0},
		{"secret is not retried", `{"max_retries":1}`, broken(classSecret, classSecret), Failed, classSecret, 0},
		{"crash", `{"max_retries":1,"retry_backoff_sec":1}`, broken(classInterrupted, ReasonCrash), Retrying, ReasonCrash, 1},
		{"crash without retries", `{}`, broken(classInterrupted, ReasonCrash), Interrupted, ReasonCrash, 0},
		{"crash not in retry_on", `{"max_retries":1,"retry_on":["5xx"]}`, broken(classInterrupted, ReasonCrash), Interrupted, ReasonCrash, 0},
		{"shutdown", `{"max_retries":1,"retry_backoff_sec":0}`, broken(classInterrupted, ReasonShutdown), Retrying, ReasonShutdown, 0},
		{"canceled", `{"max_retries":9}`, broken(classCanceled, ReasonByUser), Canceled, ReasonByUser, 0},
		{"replaced", `{"max_retries":9}`, broken(classCanceled, ReasonReplaced), Canceled, ReasonReplaced, 0},
		{"multiplier", `{"max_retries":9,"retry_backoff_sec":1,"retry_multiplier":3}`, nth(4, answer(500)), Retrying, ReasonHTTPStatus, 27},
		{"multiplier 1", `{"max_retries":9,"retry_backoff_sec":5,"retry_multiplier":1}`, nth(4, answer(500)), Retrying, ReasonHTTPStatus, 5},
		{"cap", `{"max_retries":999,"retry_backoff_sec":1,"retry_max_backoff_sec":60}`, nth(900, answer(500)), Retrying, ReasonHTTPStatus, 60},
		{"the server's cap", `{"max_retries":9999,"retry_backoff_sec":1}`, nth(9000, answer(500)), Retrying, ReasonHTTPStatus, 3600},
		{"no backoff, many times", `{"max_retries":9999,"retry_backoff_sec":0}`, nth(9000, answer(500)), Retrying, ReasonHTTPStatus, 0},
		{"Retry-After is later", `{"max_retries":1,"retry_backoff_sec":1}`, after(now.Time().Add(90*time.Second), answer(503)), Retrying, ReasonHTTPStatus, 90},
		{"Retry-After is earlier", `{"max_retries":1,"retry_backoff_sec":10}`, after(now.Time().Add(time.Second), answer(503)), Retrying, ReasonHTTPStatus, 10},
		{"Retry-After in the past", `{"max_retries":1,"retry_backoff_sec":10}`, after(now.Time().Add(-time.Hour), answer(503)), Retrying, ReasonHTTPStatus, 10},
		{"Retry-After beyond the cap", `{"max_retries":1,"retry_backoff_sec":1}`, after(now.Time().Add(48*time.Hour), answer(503)), Retrying, ReasonHTTPStatus, 3600},
		{"budget", `{"max_retries":5,"retry_backoff_sec":10,"retry_budget_sec":69}`, answer(500), Failed, ReasonHTTPStatus, 0},
		{"inside the budget", `{"max_retries":5,"retry_backoff_sec":10,"retry_budget_sec":70}`, answer(500), Retrying, ReasonHTTPStatus, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := testSettings()
			s.Policy.PauseAfterFailures = 4
			d0 := Dispatch{Run: 99, Job: 5, ScheduledAt: testTime, Attempt: test.a.Attempt, StartedAt: testTime}
			f := conclude(define(t, test.job), s, d0, test.a, now)
			want := instant(0)
			if test.status == Retrying {
				want = now.Add(time.Duration(test.delay * 1e9))
			}
			if f.Status != test.status || f.Reason != test.reason || f.DueAt != want {
				t.Errorf("%s %q due %s, want %s %q %s", f.Status, f.Reason, f.DueAt.Sub(now), test.status, test.reason, want.Sub(now))
			}
			if f.Run != 99 || f.Job != 5 || f.StartedAt != testTime || f.FinishedAt != now || f.PauseAfter != 4 || f.Attempt.Attempt != test.a.Attempt {
				t.Errorf("%+v", f)
			}
		})
	}
	f := conclude(nil, testSettings(), Dispatch{Run: 1, Attempt: 1}, broken(classDefinition, classDefinition), now)
	if f.Status != Failed || f.StartedAt != testTime {
		t.Errorf("without a definition: %+v", f)
	}
	if f := conclude(define(t, `{"pause_after_failures":7}`), testSettings(), Dispatch{}, fine, now); f.PauseAfter != 7 {
		t.Errorf("pause after %d", f.PauseAfter)
	}
}

// TestJitter: only the given share of the delay is random, it is the same when decided again, and it differs between attempts.
func TestJitter(t *testing.T) {
	d := define(t, `{"max_retries":9,"retry_backoff_sec":100,"retry_multiplier":1,"retry_jitter":0.25}`)
	delays := map[time.Duration]bool{}
	for run := range int64(200) {
		a := Attempt{Attempt: 1 + int(run%5), Error: classConnect}
		got := retryDelay(d, testSettings(), run, a, testTime)
		if got != retryDelay(d, testSettings(), run, a, testTime) {
			t.Fatal("not the same twice")
		}
		if got <= 75*time.Second || got > 100*time.Second {
			t.Fatal(got)
		}
		delays[got] = true
	}
	if len(delays) < 190 {
		t.Errorf("%d different delays of 200", len(delays))
	}
}

func TestRetryAfterForms(t *testing.T) {
	now := testTime.Time()
	for v, want := range map[string]time.Time{
		"120": now.Add(2 * time.Minute), "0": now, "Tue, 31 Mar 2026 01:31:00 GMT": now.Add(time.Minute),
		"": {}, "soon": {}, "-5": {}, "1.5": {}, "99999999999999": {},
	} {
		if got := retryAfter(v, now); !got.Equal(want) {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}
