package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// loopRig is a scheduler on a real store, in a synctest bubble, with a target that answers as the test says.
type loopRig struct {
	t        *testing.T
	db       string
	settings Settings
	store    *Store
	sched    *Scheduler
	target   *loopTarget
	stop     func()
	wrap     func(ledger) ledger // puts something between loop and store; nil = nothing
	shift    atomic.Int64        // step of the wall clock, in nanoseconds
}

// loopTarget is the executor's place: it notes each call and ends it after the time and with the status that answer gives.
type loopTarget struct {
	r          *loopRig
	answer     func(d Dispatch) (time.Duration, Status)
	pauseAfter int           // pause_after_failures that its outcomes carry
	backoff    time.Duration // from a failure to its retry; 0 = 30 s
	crashed    Status        // what becomes of a call that a crash cut off; "" = interrupted
	deaf       bool          // a cancellation comes too late: the call ends as it would have

	mu     sync.Mutex
	calls  []loopCall
	cancel map[int64]chan error
	wg     sync.WaitGroup
}

type loopCall struct {
	Dispatch
	at    instant
	ended instant // 0 = still out
}

// setAnswer says how calls end from now on.
func (f *loopTarget) setAnswer(answer func(d Dispatch) (time.Duration, Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *loopTarget) answerTo(d Dispatch) (time.Duration, Status) {
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	return answer(d)
}

// made gives the calls so far.
func (f *loopTarget) made() []loopCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// restartWith starts the server anew under other settings.
func (r *loopRig) restartWith(change func(s *Settings)) {
	r.stop()
	change(&r.settings)
	r.start()
}

func (f *loopTarget) Start(d Dispatch) {
	f.mu.Lock()
	i := len(f.calls)
	f.calls = append(f.calls, loopCall{Dispatch: d, at: f.r.sched.now()})
	stop := make(chan error, 1)
	f.cancel[d.Run] = stop
	f.mu.Unlock()
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		start := f.r.sched.now()
		took, status := f.answerTo(d)
		reason := ""
		if f.deaf {
			stop = nil
		}
		select {
		case <-time.After(took):
		case err := <-stop:
			switch err {
			case errKilled: // nobody is left to say so
				f.over(i, d)
				return
			case errReplaced:
				status, reason = Canceled, ReasonReplaced
			case errCanceled:
				status, reason = Canceled, ReasonByUser
			case errShutdown:
				status, reason = Interrupted, ReasonShutdown
			}
		}
		f.over(i, d)
		f.end(d, start, status, reason)
		f.r.sched.Ended(d)
	}()
}

func (f *loopTarget) over(i int, d Dispatch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[i].ended = f.r.sched.now()
	delete(f.cancel, d.Run)
}

func (f *loopTarget) end(d Dispatch, start instant, status Status, reason string) {
	fin := Finish{Run: d.Run, Job: d.Job, Status: status, Reason: reason, StartedAt: d.StartedAt, FinishedAt: f.r.sched.now(), PauseAfter: f.pauseAfter,
		Attempt: Attempt{Attempt: d.Attempt, StartedAt: start.Time(), OK: status == Succeeded}}
	if d.StartedAt == 0 {
		fin.StartedAt = start
	}
	if status == Retrying {
		fin.DueAt = fin.FinishedAt.Add(30 * time.Second)
		if f.backoff > 0 {
			fin.DueAt = fin.FinishedAt.Add(f.backoff)
		}
	}
	s := f.r.sched
	f.r.store.Finish(fin, func(accepted bool) { s.Finished(d, fin, accepted) })
}

func (f *loopTarget) Expect([]ScheduleText) {}

func (f *loopTarget) Interrupted(d Dispatch) {
	status := f.crashed
	if status == "" {
		status = Interrupted
	}
	f.end(d, d.StartedAt, status, ReasonCrash)
}

// errKilled ends a call without a word, as kill -9 does.
var errKilled = errors.New("killed")

// crash ends everything as kill -9 does: what is on disk stays, what is out is never heard of again.
func (r *loopRig) crash() {
	r.target.mu.Lock()
	for _, c := range r.target.cancel {
		c <- errKilled
	}
	clear(r.target.cancel)
	r.target.mu.Unlock()
	r.stop()
}

func (f *loopTarget) Cancel(run int64, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.cancel[run]; c != nil {
		c <- cause
	}
}

// newLoopRig starts a scheduler on a new database; every call succeeds after took.
func newLoopRig(t *testing.T, took time.Duration) *loopRig {
	r := &loopRig{t: t, db: filepath.Join(t.TempDir(), "jobs.db"), settings: Settings{MaxConcurrent: 100, MaxPerHost: 20,
		Policy: Policy{MaxInstances: 1, Overlap: "skip", Coalesce: true, Grace: 300 * time.Second, CatchupLimit: 100}}}
	r.target = &loopTarget{r: r, cancel: map[int64]chan error{}, answer: func(Dispatch) (time.Duration, Status) { return took, Succeeded }}
	r.start()
	return r
}

func (r *loopRig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	store, err := openStore(ctx, r.db, storeOptions{Log: slog.New(slog.DiscardHandler), Policy: r.settings.Policy,
		Changed: func(job int64) { r.sched.Wake(job) }, Created: func(t Timer) { r.sched.Added(t) }})
	if err != nil {
		r.t.Fatal(err)
	}
	r.store = store
	var l ledger = store
	if r.wrap != nil {
		l = r.wrap(store)
	}
	r.sched = newScheduler(l, r.target, &r.settings, slog.New(slog.DiscardHandler))
	r.sched.now = func() instant { return instantOf(time.Now().Add(time.Duration(r.shift.Load()))) }
	store.now = r.sched.now
	if err := r.sched.Load(ctx); err != nil {
		r.t.Fatal(err)
	}
	go r.sched.Run(ctx)
	r.stop = func() {
		cancel()
		<-r.sched.done
		r.target.wg.Wait()
		if err := r.store.Close(context.Background()); err != nil {
			r.t.Error(err)
		}
	}
}

// create makes a job from JSON fields over a plain GET.
func (r *loopRig) create(id, fields string) {
	r.t.Helper()
	d := Definition{TargetURL: "http://" + id + ".example/", Method: "GET", Timezone: "UTC"}
	if err := json.Unmarshal([]byte(fields), &d); err != nil {
		r.t.Fatal(err)
	}
	if _, _, err := r.store.CreateJob(context.Background(), NewJob{JobID: id, Definition: &d}); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// sleep lets d pass and everything settle.
func (r *loopRig) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// calls gives the calls made so far as seconds since t0, with a * for attempts after the first.
func (r *loopRig) calls(t0 time.Time) string {
	out := ""
	for _, c := range r.target.made() {
		out += fmt.Sprintf(" %g", c.at.Time().Sub(t0.UTC()).Seconds())
		if c.Attempt > 1 {
			out += "*"
		}
	}
	if out == "" {
		return out
	}
	return out[1:]
}

// rows gives the runs of a job in order of scheduled_at, as brief does.
func (r *loopRig) rows(id string, t0 time.Time) string {
	r.t.Helper()
	page, _, err := r.store.Runs(r.t.Context(), RunFilter{JobID: id, Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	var rows []*Run
	for _, v := range page {
		rows = append(rows, v.Run)
	}
	slices.Reverse(rows)
	return brief(rows, t0)
}

func (r *loopRig) expect(what, got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// inBubble runs test in synthetic time, which starts at midnight UTC 2000-01-01.
func inBubble(t *testing.T, took time.Duration, test func(r *loopRig, t0 time.Time)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newLoopRig(t, took)
		test(r, time.Now())
		r.stop()
	})
}

// do fails the test when a change did.
func (r *loopRig) do(_ any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// patch changes fields of a job's definition.
func (r *loopRig) patch(id, fields string) {
	r.t.Helper()
	r.do(r.store.UpdateJob(context.Background(), id, func(j *Job) (*Definition, error) {
		d := *j.Definition
		return &d, json.Unmarshal([]byte(fields), &d)
	}))
}

// verify holds the whole database against the plans, as teiki verify does.
func (r *loopRig) verify() *tally {
	r.t.Helper()
	now := r.sched.now()
	sum, err := compareLedger(context.Background(), r.store, ledgerWindow{To: now}, now)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range sum.Differences {
		r.t.Errorf("difference: %+v", d)
	}
	return sum
}

// callsOf gives the calls of one job as scheduled seconds since t0, a * for attempts after the first.
func (r *loopRig) callsOf(id string, t0 time.Time) string {
	r.t.Helper()
	job, err := r.store.Job(context.Background(), id)
	r.do(job, err)
	var out []string
	for _, c := range r.target.made() {
		if c.Job != job.ID {
			continue
		}
		s := fmt.Sprintf("%g", c.ScheduledAt.Time().Sub(t0.UTC()).Seconds())
		if c.Attempt > 1 {
			s += "*"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// noneTwice: no scheduled time of a job is called under two runs, and no attempt twice.
func (r *loopRig) noneTwice() {
	r.t.Helper()
	type firing struct {
		job int64
		at  instant
	}
	runs, attempts := map[firing]int64{}, map[[2]int64]bool{}
	for _, c := range r.target.made() {
		if c.Trigger == BySchedule {
			f := firing{c.Job, c.ScheduledAt}
			if other, ok := runs[f]; ok && other != c.Run {
				r.t.Errorf("job %d is called for %s under two runs", c.Job, c.ScheduledAt.Time())
			}
			runs[f] = c.Run
		}
		a := [2]int64{c.Run, int64(c.Attempt)}
		if attempts[a] {
			r.t.Errorf("attempt %d of run %d is made twice", c.Attempt, c.Run)
		}
		attempts[a] = true
	}
}

func splitRows(rows string) []string { return strings.Split(rows, "; ") }
