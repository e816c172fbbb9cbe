package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// BenchmarkHangingHost measures what a thousand one-second jobs on a host that hangs do to a job on another: its lag with
// them and without, in milliseconds. The promise is that they delay it by less than 50 ms.
func BenchmarkHangingHost(b *testing.B) {
	release := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer hang.Close()
	defer close(release)
	quick := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer quick.Close()
	for b.Loop() {
		a := newTestAPI(b)
		a.want(201, "POST", "/jobs", `{"job_id":"quick","schedule_type":"interval","interval":{"seconds":0.1},"target_url":"`+quick.URL+`"}`)
		alone := lagP99(a, 5*time.Second)
		for i := range 1000 {
			a.want(201, "POST", "/jobs", fmt.Sprintf(`{"job_id":"hang-%d","schedule_type":"interval","interval":{"seconds":1},"target_url":"%s","timeout_sec":20}`, i, hang.URL))
		}
		beside := lagP99(a, 10*time.Second)
		b.ReportMetric(alone, "ms-alone")
		b.ReportMetric(beside, "ms-beside")
		b.ReportMetric(beside-alone, "ms-delay")
	}
}

// lagP99 is the 99th percentile of the lag of the job "quick" over the time that comes, in milliseconds.
func lagP99(a *testAPI, d time.Duration) float64 {
	from := time.Now()
	<-time.After(d)
	var page struct {
		Runs []struct {
			LagMS *float64 `json:"lag_ms"`
		}
	}
	text := a.want(200, "GET", "/jobs/quick/runs?limit=1000&status=succeeded&from="+from.UTC().Format("2006-01-02T15:04:05Z"), "").text
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		a.t.Fatal(err)
	}
	var lags []float64
	for _, r := range page.Runs {
		lags = append(lags, *r.LagMS)
	}
	slices.Sort(lags)
	if len(lags) == 0 {
		a.t.Fatal("the job was not called")
	}
	return lags[len(lags)*99/100]
}
