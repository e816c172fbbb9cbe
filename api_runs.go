package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"teiki/internal/suggest"
)

// statuses and triggers are the words that filters take.
var (
	statuses = []string{string(Pending), string(Running), string(Retrying), string(Succeeded), string(Failed), string(Interrupted),
		string(Canceled), string(Missed), string(Skipped), string(Coalesced)}
	triggers = []string{string(BySchedule), string(ByHand), string(ByRerun), string(ByBackfill)}
)

// runAnswer is the answer to what makes or ends a run.
type runAnswer struct {
	RunID  string `json:"run_id"`
	JobID  string `json:"job_id"`
	Status Status `json:"status"`
}

func runPath(runID string) string { return "/runs/" + url.PathEscape(runID) }

// listRuns is GET /runs.
func (a *api) listRuns(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	return a.pageOfRuns(w, r, q, RunFilter{JobID: q.text("job_id")})
}

// listJobRuns is GET /jobs/{job_id}/runs.
func (a *api) listJobRuns(w http.ResponseWriter, r *http.Request) error {
	return a.pageOfRuns(w, r, readQuery(r), RunFilter{JobID: r.PathValue("job_id")})
}

func (a *api) pageOfRuns(w http.ResponseWriter, r *http.Request, q *query, f RunFilter) error {
	for _, s := range q.list("status") {
		if !slices.Contains(statuses, s) {
			q.fault("status", fmt.Sprintf("must be one of %s, not %.40q%s", strings.Join(statuses, ", "), s, suggest.DidYouMean(s, statuses)))
		}
		f.Statuses = append(f.Statuses, Status(s))
	}
	f.Trigger = Trigger(q.choice("trigger", triggers...))
	f.From, f.To = q.time("from"), q.time("to")
	if f.From != 0 && f.To != 0 && f.From > f.To {
		q.fault("to", "must not be before from")
	}
	f.HTTPStatus = q.whole("http_status", 0, 100, 599)
	f.Q = q.text("q")
	f.Limit = q.whole("limit", 100, 1, maxLimit)
	f.Cursor = q.text("cursor")
	if err := q.done(); err != nil {
		return err
	}
	runs, next, err := a.store.Runs(r.Context(), f)
	if errors.Is(err, errBadCursor) {
		return invalid{{"cursor", "must be a next_cursor of an earlier answer to this list"}}
	}
	if err != nil {
		return about("job", f.JobID, err)
	}
	out := struct {
		Runs []runView `json:"runs"`
		Next *string   `json:"next_cursor"`
	}{Runs: make([]runView, len(runs))}
	for i, run := range runs {
		out.Runs[i] = a.showRun(run, false)
	}
	if next != "" {
		out.Next = &next
	}
	return writeJSON(w, http.StatusOK, out)
}

// getRun is GET /runs/{run_id}: a run with its attempts.
func (a *api) getRun(w http.ResponseWriter, r *http.Request) error {
	key, err := a.runKey(r)
	if err != nil {
		return err
	}
	run, err := a.store.Run(r.Context(), key)
	if err != nil {
		return about("run", r.PathValue("run_id"), err)
	}
	return writeJSON(w, http.StatusOK, a.showRun(run, true))
}

// runJob is POST /jobs/{job_id}/run: a run now, whatever the schedule says.
func (a *api) runJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	if err := a.gate.mayRun(askerOf(r.Context()), 1, a.now()); err != nil {
		return err
	}
	run, err := a.store.RunNow(r.Context(), id)
	return a.accepted(w, run, about("job", id, err))
}

// rerunRun is POST /runs/{run_id}/rerun: another run for the same scheduled time.
func (a *api) rerunRun(w http.ResponseWriter, r *http.Request) error {
	key, err := a.runKey(r)
	if err != nil {
		return err
	}
	if err := a.gate.mayRun(askerOf(r.Context()), 1, a.now()); err != nil {
		return err
	}
	run, err := a.store.RerunRun(r.Context(), key)
	return a.accepted(w, run, about("run", r.PathValue("run_id"), err))
}

// accepted answers that a run will be made.
func (a *api) accepted(w http.ResponseWriter, run *Run, err error) error {
	if err != nil {
		return err
	}
	id := a.store.RunID(run.ID)
	w.Header().Set("Location", runPath(id))
	return writeJSON(w, http.StatusAccepted, runAnswer{id, run.JobID, run.Status})
}

// cancelRun is POST /runs/{run_id}/cancel. A waiting run has ended when the answer comes; of a running one, the end of its call
// is on its way: 202, and GET /runs/{run_id} shows it.
func (a *api) cancelRun(w http.ResponseWriter, r *http.Request) error {
	key, err := a.runKey(r)
	if err != nil {
		return err
	}
	run, err := a.store.CancelRun(r.Context(), key)
	if err != nil {
		return about("run", r.PathValue("run_id"), err)
	}
	status := http.StatusOK
	if run.Status.Open() {
		a.cancel(key)
		status = http.StatusAccepted
	}
	return writeJSON(w, status, runAnswer{a.store.RunID(run.ID), run.JobID, run.Status})
}

// runKey is the database key of the run in the path.
func (a *api) runKey(r *http.Request) (int64, error) {
	id := r.PathValue("run_id")
	key, err := a.store.ParseRunID(id)
	return key, about("run", id, err)
}

// backfillView is one firing that a backfill makes up for; run_id is absent in a dry run.
type backfillView struct {
	RunID       string `json:"run_id,omitempty"`
	ScheduledAt string `json:"scheduled_at"`
}

// backfillJob is POST /jobs/{job_id}/backfill.
func (a *api) backfillJob(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		From   json.RawMessage `json:"from"`
		To     json.RawMessage `json:"to"`
		Only   string          `json:"only"`
		DryRun bool            `json:"dry_run"`
	}
	if err := readJSON(w, r, false, &req); err != nil {
		return err
	}
	b := BackfillRequest{All: req.Only == "all", DryRun: req.DryRun}
	var faults, more []Fault
	b.From, faults = instantField("from", req.From, true)
	b.To, more = instantField("to", req.To, true)
	faults = append(faults, more...)
	if len(faults) == 0 && b.From > b.To {
		faults = append(faults, Fault{"to", "must not be before from"})
	}
	if len(faults) == 0 && b.To > instantOf(a.now()) {
		faults = append(faults, Fault{"to", "must not be in the future: those firings happen by themselves"})
	}
	if req.Only != "" && req.Only != "missed" && req.Only != "all" {
		faults = append(faults, Fault{"only", fmt.Sprintf("must be missed (firings without a call) or all, not %.40q", req.Only)})
	}
	if len(faults) > 0 {
		return invalid(faults)
	}
	id := r.PathValue("job_id")
	job, err := a.store.Job(r.Context(), id)
	if err != nil {
		return about("job", id, err)
	}
	runs, err := a.store.Backfill(r.Context(), id, b)
	if err != nil {
		return about("job", id, err)
	}
	_, loc := compiled(job)
	out := struct {
		JobID  string         `json:"job_id"`
		DryRun bool           `json:"dry_run"`
		Count  int            `json:"count"`
		Runs   []backfillView `json:"runs"`
	}{id, b.DryRun, len(runs), make([]backfillView, len(runs))}
	for i, run := range runs {
		out.Runs[i].ScheduledAt = zoneTime(run.ScheduledAt, loc)
		if !b.DryRun {
			out.Runs[i].RunID = a.store.RunID(run.ID)
		}
	}
	status := http.StatusAccepted
	if b.DryRun {
		status = http.StatusOK
	}
	return writeJSON(w, status, out)
}

// instantField reads an RFC 3339 time out of a body; absent is 0.
func instantField(name string, raw json.RawMessage, required bool) (instant, []Fault) {
	if len(raw) == 0 || string(raw) == "null" {
		if required {
			return 0, []Fault{{name, "is required: a time in RFC 3339, for example 2026-01-31T15:00:00+09:00"}}
		}
		return 0, nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return 0, []Fault{{name, "must be a string with a time in RFC 3339, for example \"2026-01-31T15:00:00+09:00\""}}
	}
	at, detail := parseInstant(s)
	if detail != "" {
		return 0, []Fault{{name, detail}}
	}
	return at, nil
}
