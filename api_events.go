package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"teiki/internal/ring"
)

// notice is a change of a run or of a job, as small as it can be kept: names and owners are looked up when somebody listens.
type notice struct {
	job, run    int64 // run 0 = about the job itself
	status      Status
	reason      string
	trigger     Trigger // "" = as when the run was made
	at          instant
	scheduledAt instant // 0 = as when the run was made
	httpStatus  int
	attempt     int
}

// Bounds of the event stream.
const (
	eventsKept     = 1 << 14 // a reader that is further behind has to read the lists anew
	maxStreams     = 256
	eventBatch     = 256
	eventHeartbeat = 15 * time.Second
	eventTimeout   = 10 * time.Second // for one write to a slow reader
)

// events is the log of what happens to runs and jobs.
type events struct {
	log     *ring.Log[notice]
	streams atomic.Int64
	done    context.Context // ends when the server shuts down
	end     context.CancelFunc
}

// newEvents makes the log. Its numbers go on from those of a former process, which knew an earlier time.
func newEvents(now time.Time) *events {
	e := &events{log: ring.New[notice](eventsKept, uint64(now.UnixMilli())<<20)}
	e.done, e.end = context.WithCancel(context.Background())
	return e
}

// jobChanged tells of a job whose plan or state has changed.
func (e *events) jobChanged(job int64, at instant) { e.log.Append(notice{job: job, at: at}) }

// watch is l, with what it commits told to the log.
func (e *events) watch(l ledger) ledger { return &watchedLedger{l, e} }

type watchedLedger struct {
	ledger
	events *events
}

// Claim tells of runs that begin and of firings that were not called, once they are on disk.
func (w *watchedLedger) Claim(claims []Claim, done func(held []bool, err error)) {
	w.ledger.Claim(claims, func(held []bool, err error) {
		if err == nil {
			at := instantOf(time.Now())
			for i, c := range claims {
				if held[i] {
					w.tell(c, at)
				}
			}
		}
		done(held, err)
	})
}

func (w *watchedLedger) tell(c Claim, at instant) {
	for _, r := range c.Rows {
		w.events.log.Append(notice{job: c.Job, run: r.ID, status: r.Status, reason: r.Reason, trigger: r.Trigger, at: at, scheduledAt: r.ScheduledAt, attempt: r.Attempt})
	}
	for _, s := range c.Starts {
		w.events.log.Append(notice{job: c.Job, run: s.Run, status: Running, at: at, attempt: s.Attempt + 1})
	}
	for _, e := range c.Ends {
		w.events.log.Append(notice{job: c.Job, run: e.Run, status: e.Status, reason: e.Reason, at: at, attempt: e.Attempt})
	}
}

// Finish tells of the end of an attempt, once it is on disk.
func (w *watchedLedger) Finish(f Finish, done func(accepted bool)) {
	told := notice{job: f.Job, run: f.Run, status: f.Status, reason: f.Reason, at: f.FinishedAt, httpStatus: f.Attempt.HTTPStatus, attempt: f.Attempt.Attempt}
	w.ledger.Finish(f, func(accepted bool) {
		if accepted {
			w.events.log.Append(told)
		}
		done(accepted)
	})
}

// runEvent and jobEvent are what a stream shows.
type runEvent struct {
	RunID       string  `json:"run_id"`
	JobID       string  `json:"job_id"`
	Status      Status  `json:"status"`
	Reason      string  `json:"reason"`
	Trigger     Trigger `json:"trigger,omitempty"`
	ScheduledAt *string `json:"scheduled_at,omitempty"`
	At          string  `json:"at"`
	Attempt     int     `json:"attempt"`
	HTTPStatus  *int    `json:"http_status"`
}

type jobEvent struct {
	JobID string `json:"job_id"`
	State string `json:"state"` // deleted, when it is
	At    string `json:"at"`
}

// streamEvents is GET /events: server-sent events, from now on or from Last-Event-ID on. A reader that is too slow, or was away
// too long, gets the event reset: it has missed something and should read the lists anew.
func (a *api) streamEvents(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	s := &eventStream{a: a, w: w, by: askerOf(r.Context()), jobID: q.text("job_id"), kind: q.choice("type", "run", "job"), names: map[int64]Jobname{}}
	next := a.events.log.Next()
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = q.text("last_event_id")
	} else {
		q.text("last_event_id")
	}
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 64)
		if err != nil {
			q.fault("last_event_id", "must be the id of an event of this stream")
		}
		next = n + 1
	}
	if err := q.done(); err != nil {
		return err
	}
	if a.events.streams.Add(1) > maxStreams {
		a.events.streams.Add(-1)
		return newProblem(http.StatusServiceUnavailable, "too_many_streams", fmt.Sprintf("%d event streams are open, as many as may be", maxStreams))
	}
	defer a.events.streams.Add(-1)
	s.conn = http.NewResponseController(w)
	_ = s.conn.SetReadDeadline(time.Time{}) // the request is read; its connection stays
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	if err := s.send(": teiki\nretry: 2000\n\n"); err != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.events.done, cancel)()
	s.follow(ctx, next)
	return nil
}

// eventStream is one reader.
type eventStream struct {
	a     *api
	w     http.ResponseWriter
	conn  *http.ResponseController
	by    *asker
	jobID string // of this job alone
	kind  string // run | job, "" = both
	names map[int64]Jobname
	text  []byte
}

// send writes within eventTimeout, or gives the reader up.
func (s *eventStream) send(text string) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(eventTimeout))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.conn.Flush()
}

// follow sends events until the reader has gone or ctx ends.
func (s *eventStream) follow(ctx context.Context, next uint64) {
	batch := make([]notice, eventBatch)
	for {
		n, at := s.a.events.log.Read(next, batch)
		s.text = s.text[:0]
		if at != next {
			s.text = fmt.Appendf(s.text, "id: %d\nevent: reset\ndata: {}\n\n", at-1)
		}
		for i, e := range batch[:n] {
			if err := s.add(ctx, at+uint64(i), e); err != nil {
				if ctx.Err() == nil {
					s.a.log.Error("events could not be shown", "error", err)
				}
				return
			}
		}
		next = at + uint64(n)
		if len(s.text) > 0 && s.send(string(s.text)) != nil {
			return
		}
		if n == len(batch) {
			continue
		}
		quiet, cancel := context.WithTimeout(ctx, eventHeartbeat)
		err := s.a.events.log.Wait(quiet, next)
		cancel()
		if ctx.Err() != nil || err != nil && s.send(": \n\n") != nil {
			return
		}
	}
}

// add appends one event in its text form, if this reader wants it and may see it.
func (s *eventStream) add(ctx context.Context, id uint64, e notice) error {
	if e.run == 0 && s.kind == "run" || e.run != 0 && s.kind == "job" {
		return nil
	}
	name, err := s.name(ctx, e)
	if errors.Is(err, errNotFound) {
		return nil // retention has taken the job away
	}
	if err != nil || !s.by.sees(name.Owner) || s.jobID != "" && name.JobID != s.jobID {
		return err
	}
	kind, data := "run", any(nil)
	if e.run == 0 {
		kind, data = "job", jobEvent{name.JobID, name.State, zoneTime(e.at, time.UTC)}
	} else {
		v := runEvent{RunID: s.a.store.RunID(e.run), JobID: name.JobID, Status: e.status, Reason: e.reason, Trigger: e.trigger, At: zoneTime(e.at, time.UTC),
			Attempt: e.attempt, HTTPStatus: optional(e.httpStatus), ScheduledAt: shown(e.scheduledAt, time.UTC)}
		data = v
	}
	b, err := marshal(data)
	if err != nil {
		return err
	}
	s.text = fmt.Appendf(s.text, "id: %d\nevent: %s\ndata: %s\n\n", id, kind, b)
	return nil
}

// maxNames bounds the names that one stream remembers.
const maxNames = 10_000

// name looks a job's name and owner up. An event about the job itself always looks anew: its state has changed.
func (s *eventStream) name(ctx context.Context, e notice) (Jobname, error) {
	if n, ok := s.names[e.job]; ok && e.run != 0 {
		return n, nil
	}
	n, err := s.a.lister.Jobname(ctx, e.job)
	if err != nil {
		return n, err
	}
	if len(s.names) >= maxNames {
		clear(s.names)
	}
	s.names[e.job] = n
	return n, nil
}
