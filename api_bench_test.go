package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkPostJobs measures POST /jobs over a real socket with access log, audit and events: 64 clients, each job on disk
// when its 201 comes.
func BenchmarkPostJobs(b *testing.B) {
	a := newTestAPI(b)
	var n atomic.Int64
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := http.Post(a.url+"/jobs", "application/json", strings.NewReader(job(fmt.Sprint("j", n.Add(1)))))
			if err != nil || res.StatusCode != 201 {
				b.Error(res, err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
