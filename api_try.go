package main

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"teiki/internal/schedule"
)

// tryAtOnce is how many calls /test makes at one time: they go past the scheduler's limits.
const tryAtOnce = 16

// tryView is the answer of /test: the call as it went out, and what came back. run_id is absent for a job that is not saved.
type tryView struct {
	RunID string `json:"run_id,omitempty"`
	JobID string `json:"job_id,omitempty"`
	Trial
}

// tryUnsaved is POST /jobs/test: the call of a job that is not saved, made now. It leaves no trace in the history.
func (a *api) tryUnsaved(w http.ResponseWriter, r *http.Request) error {
	body, err := requestBody(w, r, false)
	if err != nil {
		return err
	}
	if askerOf(r.Context()).DryRun {
		return invalid{{"dry_run", "means nothing here: this operation saves nothing, and makes the call"}}
	}
	now := a.now()
	req, err := parseJob(body, now, a.settings, a.calls)
	if err != nil {
		return err
	}
	done, err := a.beginTry(w, &req.Definition)
	if err != nil {
		return err
	}
	defer done()
	c := Call{RunID: uuid.Must(uuid.NewV7()).String(), JobID: "test", Definition: &req.Definition, ScheduledAt: instantOf(now),
		Attempt: 1, Zone: zoneOf(&req.Definition)}
	if req.JobID != nil {
		c.JobID = *req.JobID
	}
	return writeJSON(w, http.StatusOK, tryView{JobID: c.JobID, Trial: a.tryCall(context.WithoutCancel(r.Context()), c)})
}

// trySaved is POST /jobs/{job_id}/test: the call of a saved job, made now, whatever its schedule, pause and overlap say, and not
// retried. It is a call, so it has a row: a manual run.
func (a *api) trySaved(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	j, err := a.store.Job(r.Context(), id)
	if err != nil {
		return about("job", id, err)
	}
	done, err := a.beginTry(w, j.Definition)
	if err != nil {
		return err
	}
	defer done()
	run, err := a.trials.BeginTrial(r.Context(), id)
	if err != nil {
		return about("job", id, err)
	}
	d := Dispatch{Run: run.ID, Job: run.Job, Version: run.Version, Trigger: run.Trigger, ScheduledAt: run.ScheduledAt, DueAt: run.ScheduledAt, Attempt: 1}
	c := Call{Run: run.ID, RunID: a.store.RunID(run.ID), Job: run.Job, JobID: id, Definition: j.Definition, ScheduledAt: run.ScheduledAt,
		Attempt: 1, Zone: zoneOf(j.Definition)}
	t := a.tryCall(context.WithoutCancel(r.Context()), c)
	f := conclude(j.Definition, a.settings, d, t.Attempt, instantOf(a.now()))
	if f.Status == Retrying { // its author sees what went wrong, and decides
		f.Status, f.DueAt = Failed, 0
	}
	f.PauseAfter = 0
	a.trials.Finish(f, func(accepted bool) { a.tried(d, f, accepted) })
	return writeJSON(w, http.StatusOK, tryView{c.RunID, id, t})
}

// trialStore is what /test asks of the store.
type trialStore interface {
	// BeginTrial stores a manual run of a job as running: its call leaves now.
	BeginTrial(ctx context.Context, jobID string) (*Run, error)
	Finish(f Finish, done func(accepted bool))
}

// beginTry takes one of the places for calls of /test, and gives the answer as long as the call may take.
func (a *api) beginTry(w http.ResponseWriter, d *Definition) (done func(), err error) {
	select {
	case a.tries <- struct{}{}:
	default:
		p := newProblem(http.StatusTooManyRequests, "too_many_tests", "too many calls of /test are out; wait for one to end")
		p.header = map[string]string{"Retry-After": "1"}
		return nil, p
	}
	longest := a.settings.Timeout
	if d.TimeoutSec != nil {
		longest = seconds(*d.TimeoutSec)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longest + answerTimeout))
	return func() { <-a.tries }, nil
}

func zoneOf(d *Definition) *time.Location {
	loc, fault := schedule.LoadZone(d.Timezone)
	if fault != nil {
		return time.UTC
	}
	return loc
}
