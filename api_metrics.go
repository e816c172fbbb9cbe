package main

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what GET /metrics shows, in a registry of its own. No label holds a job id or a URL: their number has no bound.
type metrics struct {
	registry *prometheus.Registry
	lag      prometheus.Histogram
	duration prometheus.Histogram
	runs     *prometheus.CounterVec
	commits  prometheus.Histogram
}

// gauges are read when metrics are asked for.
type gauges struct {
	queued  func() float64 // runs due that wait for a slot
	running func() float64 // calls out
	jobs    func() float64
	ready   func() bool // the database takes writes
	ledger  *ledgerWatch
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "teiki_run_lag_seconds",
			Help:    "How long after its due time the first attempt of a run left.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "teiki_run_duration_seconds",
			Help:    "From the first attempt of a run to its end, retries and the waits between them included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600}}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "teiki_runs_total", Help: "Runs that have ended, by how."}, []string{"status"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "teiki_store_commit_seconds",
			Help:    "Duration of the database's commits, the wait for the disk included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}}),
	}
	for _, s := range statuses {
		if !Status(s).Open() {
			m.runs.WithLabelValues(s) // shown as 0 before the first one
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "teiki_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.lag, m.duration, m.runs, m.commits, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds the gauges. It is called once, before serving.
func (m *metrics) watch(g gauges) {
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("teiki_queue_depth", "Runs that are due and wait for a slot.", g.queued)
	gauge("teiki_calls_running", "Calls that are out.", g.running)
	gauge("teiki_jobs", "Jobs that the scheduler holds.", g.jobs)
	gauge("teiki_ledger_differences", "Differences between plans and rows of the last hour, when the server last compared them: not 0 means that a firing was lost.", g.ledger.differences)
	gauge("teiki_ledger_oldest_due_seconds", "How long the oldest firing that nobody had claimed yet was due at that time.", g.ledger.oldestDue)
	gauge("teiki_ledger_compared_timestamp_seconds", "When that was.", g.ledger.comparedAt)
	gauge("teiki_store_writable", "1 while the database takes writes, else 0.", func() float64 {
		if g.ready() {
			return 1
		}
		return 0
	})
}

// observeAttempt counts the end of runs that were called; the executor tells it of every attempt whose outcome is on disk.
func (m *metrics) observeAttempt(d Dispatch, f Finish) {
	if f.Attempt.Attempt == 1 {
		m.lag.Observe(max(0, f.StartedAt.Sub(d.DueAt).Seconds()))
	}
	if f.Status.Open() {
		return
	}
	m.runs.WithLabelValues(string(f.Status)).Inc()
	m.duration.Observe(max(0, f.FinishedAt.Sub(f.StartedAt).Seconds()))
}

// observeUncalled counts firings that ended without a call: missed, skipped, coalesced.
func (m *metrics) observeUncalled(r *Run) {
	m.runs.WithLabelValues(string(r.Status)).Add(float64(max(r.Count, 1)))
}

// observeCommit is told how long each commit of the database took.
func (m *metrics) observeCommit(took time.Duration) { m.commits.Observe(took.Seconds()) }

// serveMetrics is GET /metrics.
func (a *api) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}
