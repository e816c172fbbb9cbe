package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// longLife makes a job with n one-second firings that succeeded, written directly: the plan's own API would take the time.
func longLife(t *testing.T, s *Store, jobID string, n int) *Job {
	t.Helper()
	j := mustCreate(t, s, jobID, everySeconds(1), 0)
	first := j.NextAt
	err := s.change(t.Context(), func(tx *tx) error {
		if _, err := tx.exec(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
			INSERT INTO runs (id, job, version, trigger, serial, scheduled_at, status, attempt, finished_at) SELECT ?2 + i, ?3, 1, 'schedule', 0, ?4 + i * 1000000, 'succeeded', 1, ?4 + i * 1000000 FROM n`,
			n, tx.s.newRunID(tx.now), j.ID, int64(first)); err != nil {
			return err
		}
		tx.s.lastRun += int64(n)
		_, err := tx.exec("UPDATE timers SET cursor_at = ?1, next_at = ?1 + 1000000 WHERE job = ?2", int64(first)+int64(n-1)*1_000_000, j.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestLedgerOfALongLife: a job with many rows is compared with memory for one page of them; what is wrong is found wherever it
// is, and any window sees what lies in it.
func TestLedgerOfALongLife(t *testing.T) {
	s := openTest(t)
	const n = 200_000
	j := longLife(t, s, "long", n)
	compare := func(from, to int) *tally {
		t.Helper()
		w := ledgerWindow{From: j.NextAt.Add(time.Duration(from)*time.Second) - 1, To: j.NextAt.Add(time.Duration(to) * time.Second)}
		sum, err := compareLedger(t.Context(), s, w, w.To)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is measured is what is held, whatever else the process holds
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	ctx, stop := context.WithCancel(t.Context())
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		for ctx.Err() == nil {
			runtime.ReadMemStats(&after)
			peak = max(peak, after.HeapAlloc)
			<-time.After(5 * time.Millisecond)
		}
	}()
	began := time.Now()
	all := compare(0, n)
	took := time.Since(began)
	stop()
	<-sampled
	if all.Planned != n || all.gap() != 0 || all.Statuses[Succeeded] != n {
		t.Errorf("%+v", all)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	t.Logf("%d rows in %s", n, took)
	if sum := compare(100_000, 100_009); sum.Planned != 10 || sum.gap() != 0 {
		t.Errorf("a window of ten: %+v", sum)
	}
	err := s.change(t.Context(), func(tx *tx) error {
		_, err := tx.exec("DELETE FROM runs WHERE scheduled_at IN (?1, ?1 + 4000000000)", int64(j.NextAt)+historyPage*1_000_000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum := compare(0, n); sum.gap() != 2 || sum.Differences[0].Kind != "gap" {
		t.Errorf("two rows are missing: %+v", sum.Differences)
	}
	if sum := compare(historyPage+1, historyPage+3999); sum.gap() != 0 || sum.Planned != 3999 {
		t.Errorf("between them: %+v", sum)
	}
}

// TestLedgerDuringRetention: rows that retention deletes while they are compared are not missed.
func TestLedgerDuringRetention(t *testing.T) {
	s := openTest(t)
	const n = 3 * historyPage
	j := longLife(t, s, "long", n)
	sum := newTally(ledgerWindow{})
	to := j.NextAt.Add(n * time.Second)
	err := s.Histories(t.Context(), ledgerWindow{To: to}, func(h *history, rows rowReader) error {
		// The first page is read; now the rows of the second go.
		err := s.change(t.Context(), func(tx *tx) error {
			for {
				k, err := tx.prune(prune{job: j.ID, to: j.NextAt.Add((2*historyPage - 1) * time.Second), key: 1<<63 - 1}, 1000)
				if err != nil || k < 1000 {
					return err
				}
			}
		})
		if err != nil {
			return err
		}
		return sum.check(t.Context(), h, rows, to)
	})
	if err != nil || sum.gap() != 0 || sum.Planned != 2*historyPage {
		t.Errorf("%v: %d planned, differences %+v", err, sum.Planned, sum.Differences)
	}
}

// TestLedgerWindowsAndRanges: a window whose edge lies in a range takes the whole range.
func TestLedgerWindowsAndRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLoopRig(t, time.Millisecond)
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10},"misfire_grace_time":25,"coalesce":false,"catchup_limit":1}`)
		t0 := time.Now()
		for range 5 {
			r.sleep(25 * time.Second)
			r.stop()
			r.sleep(104 * time.Second)
			r.start()
		}
		r.sleep(11 * time.Second)
		for from := 0; from < 650; from += 7 {
			for _, to := range []int{from + 1, from + 9, from + 150, 700} {
				w := ledgerWindow{From: instantOf(t0.Add(time.Duration(from) * time.Second)), To: instantOf(t0.Add(time.Duration(to) * time.Second))}
				sum, err := compareLedger(t.Context(), r.store, w, r.sched.now())
				if err != nil || sum.gap() != 0 {
					t.Errorf("(%d, %d]: %v, %+v", from, to, err, sum)
				}
			}
		}
		r.stop()
	})
}

// TestLedgerRoute: GET /ledger says what teiki verify says, about a window and a job, and refuses what it does not understand.
func TestLedgerRoute(t *testing.T) {
	a := newTestAPI(t)
	longLife(t, a.engine.store, "long", 1000)
	a.want(201, "POST", "/jobs", `{"job_id":"other","schedule_type":"cron","cron":"0 0 1 1 *","target_url":"http://127.0.0.1:9/"}`)
	got := a.want(200, "GET", "/ledger", "")
	if got.object["jobs"] != 2.0 || len(got.object["differences"].([]any)) != 0 || got.object["from"] == nil || got.object["to"] == nil {
		t.Errorf("%s", got.text)
	}
	if got := a.want(200, "GET", "/ledger?job_id=other&from=2020-01-01T00:00:00Z", ""); got.object["jobs"] != 1.0 || got.object["planned"] != 0.0 {
		t.Errorf("%s", got.text)
	}
	a.want(404, "GET", "/ledger?job_id=none", "")
	a.want(422, "GET", "/ledger?from=yesterday", "")
	a.want(422, "GET", "/ledger?since=2020-01-01T00:00:00Z", "")
	a.want(422, "GET", "/ledger?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z", "")
	a.want(422, "GET", "/ledger?from=2200-01-02T00:00:00Z", "")
	a.want(405, "POST", "/ledger", "")
	if metrics := a.want(200, "GET", "/metrics", "").text; !strings.Contains(metrics, "teiki_ledger_differences NaN") {
		t.Error("a gap is shown before anything was compared")
	}
}

// TestLedgerRouteIsBounded: what takes too long is refused with what to do, and a second comparison does not pile up on the first.
func TestLedgerRouteIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := hangingHistories{make(chan struct{})}
		h := &api{histories: hang, now: time.Now}
		first := make(chan *problem)
		go func() {
			p, err := callLedger(h)
			if err != nil {
				t.Error(err)
			}
			first <- p
		}()
		<-hang.began
		if p, err := callLedger(h); err != nil || p.Status != 503 || p.header["Retry-After"] == "" {
			t.Errorf("a second comparison: %+v %v", p, err)
		}
		began := time.Now()
		if p := <-first; p == nil || p.Status != 422 || !strings.Contains(p.Detail, "teiki verify") {
			t.Errorf("the first one: %+v", p)
		}
		if took := time.Since(began); took > ledgerTimeout {
			t.Errorf("the first one took %s", took)
		}
	})
}

// TestLedgerWatch: the server finds a lost firing by itself and says so once.
func TestLedgerWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLoopRig(t, time.Second)
		log := new(logLines)
		w := &ledgerWatch{histories: r.store, log: slog.New(slog.NewJSONHandler(log, nil)), every: 10 * time.Minute}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		r.create("a", `{"schedule_type":"interval","interval":{"seconds":10}}`)
		r.sleep(2 * time.Minute)
		if w.differences() != 0 || w.comparedAt() == 0 || w.oldestDue() != 0 {
			t.Errorf("%v %v", w.differences(), w.oldestDue())
		}
		r.do(nil, r.store.change(ctx, func(t *tx) error {
			_, err := t.exec("DELETE FROM runs WHERE status = 'succeeded' AND scheduled_at < ?", int64(instantOf(time.Now().Add(-time.Minute))))
			return err
		}))
		r.sleep(25 * time.Minute)
		if n := strings.Count(log.String(), "the ledger has differences"); n != 1 || w.differences() < 1 {
			t.Errorf("%v differences, told %d times: %s", w.differences(), n, log.String())
		}
		stop()
		<-done
		r.stop()
	})
}

// TestTallyJSON keeps the names of the answer.
func TestTallyJSON(t *testing.T) {
	b, err := json.Marshal(newTally(ledgerWindow{To: 1_000_000}))
	if want := `{"to":"1970-01-01T00:00:01Z","jobs":0,"planned":0,"due":0,"firings":{},"former_zone_data":0,"differences":[],"more_differences":0}`; err != nil || string(b) != want {
		t.Errorf("%s, want %s", b, want)
	}
}

// hangingHistories never ends by itself.
type hangingHistories struct{ began chan struct{} }

func (h hangingHistories) Histories(ctx context.Context, _ ledgerWindow, _ func(*history, rowReader) error) error {
	close(h.began)
	<-ctx.Done()
	return ctx.Err()
}

// callLedger asks for the ledger and gives the problem in the answer.
func callLedger(a *api) (p *problem, err error) {
	err = a.ledger(httptest.NewRecorder(), httptest.NewRequest("GET", "/ledger", nil))
	if errors.As(err, &p) {
		return p, nil
	}
	return nil, err
}
