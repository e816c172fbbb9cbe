package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"teiki/internal/door"
	"teiki/internal/schedule"
)

// moreRoutes are the operations around jobs and runs: versions, bulk, keys, audit, export and import, events, documentation.
func (a *api) moreRoutes() []route {
	return []route{
		{"GET /jobs/{job_id}/versions", closed(a.listVersions)},
		{"POST /jobs/{job_id}/versions/{version}/restore", closed(a.restoreVersion)},
		{"POST /jobs/bulk", closed(a.bulk)},
		{"GET /keys", closed(a.listKeys)},
		{"POST /keys", closed(a.createKey)},
		{"DELETE /keys/{prefix}", closed(a.revokeKey)},
		{"GET /audit", a.listAudit},
		{"GET /export", a.export},
		{"POST /import", closed(a.importJobs)},
		{"GET /events", a.streamEvents},
		{"GET /openapi.json", closed(a.openapi)},
		{"GET /docs", closed(a.docs)},
		{"GET /docs/{file}", closed(a.docsFile)},
	}
}

// versionView is one version of a job, without its credentials.
type versionView struct {
	Version     int        `json:"version"`
	EffectiveAt string     `json:"effective_at"`
	UntilAt     *string    `json:"until_at"` // null: the present version
	Definition  Definition `json:"definition"`
}

// listVersions is GET /jobs/{job_id}/versions, the present one first.
func (a *api) listVersions(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	list, err := a.records.Versions(r.Context(), id)
	if err != nil {
		return about("job", id, err)
	}
	out := struct {
		Versions []versionView `json:"versions"`
	}{make([]versionView, len(list))}
	for i, v := range list {
		loc, fault := schedule.LoadZone(v.Definition.Timezone)
		if fault != nil {
			loc = time.UTC
		}
		out.Versions[i] = versionView{v.Version, zoneTime(v.EffectiveAt, loc), shown(v.UntilAt, loc), redact(*v.Definition)}
	}
	return writeJSON(w, http.StatusOK, out)
}

// restoreVersion is POST /jobs/{job_id}/versions/{version}/restore: a former definition becomes the next version. It is judged
// like a new one: a date that has gone by cannot come back.
func (a *api) restoreVersion(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	list, err := a.records.Versions(r.Context(), id)
	if err != nil {
		return about("job", id, err)
	}
	n, err := strconv.Atoi(r.PathValue("version"))
	var former *Definition
	for _, v := range list {
		if v.Version == n && err == nil {
			former = v.Definition
		}
	}
	if former == nil {
		return about("version", r.PathValue("version"), errNotFound)
	}
	_, err = a.store.UpdateJob(r.Context(), id, func(j *Job) (*Definition, error) {
		d := *former
		if _, faults := completeDefinition(&d, j.Definition, a.now(), d.Timezone, a.calls); len(faults) > 0 {
			return nil, invalid(faults)
		}
		return &d, nil
	})
	if err != nil {
		return about("job", id, err)
	}
	return a.showJob(w, r, http.StatusOK, id, 5)
}

// bulkRequest is the body of POST /jobs/bulk.
type bulkRequest struct {
	Selector bulkSelector `json:"selector"`
	Action   string       `json:"action"`
	Reason   string       `json:"reason"` // of a pause
	DryRun   bool         `json:"dry_run"`
}

// bulkSelector says which jobs are meant: all that meet every condition given. At least one must be given, so that an empty
// object never means everything.
type bulkSelector struct {
	JobIDs []string `json:"job_ids"`
	State  string   `json:"state"`
	Tags   []string `json:"tags"`
	Q      string   `json:"q"`
	Owner  string   `json:"owner"`
	All    bool     `json:"all"`
}

// bulkResult is what became of one job.
type bulkResult struct {
	JobID  string `json:"job_id"`
	Status string `json:"status"`           // the action's, as the operation on one job answers it; matched in a dry run
	RunID  string `json:"run_id,omitempty"` // of the run that was made
	Code   string `json:"code,omitempty"`   // why it failed
	Detail string `json:"detail,omitempty"`
}

const (
	maxBulk      = 10_000 // jobs of one request
	bulkTogether = 64     // changes that wait for one commit together
)

var bulkActions = []string{"pause", "resume", "run", "delete"}

// bulk is POST /jobs/bulk. Each job is a change of its own: what fails is reported and keeps the others from nothing.
func (a *api) bulk(w http.ResponseWriter, r *http.Request) error {
	var req bulkRequest
	if err := readJSON(w, r, false, &req); err != nil {
		return err
	}
	if faults := req.check(); len(faults) > 0 {
		return invalid(faults)
	}
	by := askerOf(r.Context())
	if need := map[bool]door.Scopes{true: door.Run, false: door.Write}[req.Action == "run"]; !a.gate.has(by, need) {
		return newProblem(http.StatusForbidden, "scope_missing", fmt.Sprintf("the action %s needs the scope %s", req.Action, need))
	}
	ids, err := a.selected(r, req.Selector)
	if err != nil {
		return err
	}
	dry := req.DryRun || by.DryRun
	results := make([]bulkResult, len(ids))
	var group sync.WaitGroup
	room := make(chan struct{}, bulkTogether)
	for i, id := range ids {
		if dry {
			results[i] = bulkResult{JobID: id, Status: "matched"}
			continue
		}
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			results[i] = a.bulkOne(r, *by, id, req)
		})
	}
	group.Wait()
	out := struct {
		Action  string       `json:"action"`
		DryRun  bool         `json:"dry_run"`
		Matched int          `json:"matched"`
		Failed  int          `json:"failed"`
		Jobs    []bulkResult `json:"jobs"`
	}{Action: req.Action, DryRun: dry, Matched: len(ids), Jobs: results}
	for _, res := range results {
		if res.Status == "failed" {
			out.Failed++
		}
	}
	return writeJSON(w, http.StatusOK, out)
}

func (req *bulkRequest) check() (faults []Fault) {
	s := req.Selector
	if !slices.Contains(bulkActions, req.Action) {
		faults = append(faults, Fault{"action", fmt.Sprintf("must be one of %s, not %.40q", strings.Join(bulkActions, ", "), req.Action)})
	}
	if s.State != "" && !slices.Contains([]string{StateScheduled, StatePaused, StateCompleted}, s.State) {
		faults = append(faults, Fault{"selector.state", fmt.Sprintf("must be scheduled, paused or completed, not %.40q", s.State)})
	}
	narrow := len(s.JobIDs) > 0 || s.State != "" || len(s.Tags) > 0 || s.Q != "" || s.Owner != ""
	if narrow == s.All {
		faults = append(faults, Fault{"selector", "must have at least one condition, or all: true alone"})
	}
	if len(s.JobIDs) > maxBulk {
		faults = append(faults, Fault{"selector.job_ids", fmt.Sprintf("has %d names; at most %d are possible", len(s.JobIDs), maxBulk)})
	}
	return append(faults, checkText("reason", req.Reason, maxName, "")...)
}

// selected gives the names of the jobs that a selector means.
func (a *api) selected(r *http.Request, s bulkSelector) ([]string, error) {
	ids := []string{}
	f := JobFilter{State: s.State, Tags: s.Tags, Q: s.Q, Owner: s.Owner, Limit: streamPage}
	if len(s.JobIDs) > 0 {
		seen := map[string]bool{}
		for _, id := range s.JobIDs {
			if seen[id] {
				continue
			}
			seen[id] = true
			j, err := a.store.Job(r.Context(), id)
			if errors.Is(err, errNotFound) {
				ids = append(ids, id) // reported as not found
				continue
			}
			if err != nil {
				return nil, err
			}
			if (s.State == "" || j.State == s.State) && (s.Owner == "" || j.Owner == s.Owner) && j.matches(strings.ToLower(s.Q), s.Tags) {
				ids = append(ids, id)
			}
		}
		return ids, nil
	}
	for {
		page, next, err := a.store.Jobs(r.Context(), f)
		if err != nil {
			return nil, err
		}
		for _, j := range page {
			ids = append(ids, j.JobID)
		}
		if len(ids) > maxBulk {
			return nil, fmt.Errorf("%w: more than %d jobs are meant; narrow the selector", errTooMany, maxBulk)
		}
		if next == 0 {
			return ids, nil
		}
		f.After = next
	}
}

// bulkOne changes one job as by, which is a copy of its own: the store leaves the outcome in it. The receipt of the request is
// written with the first of the changes.
func (a *api) bulkOne(r *http.Request, by asker, id string, req bulkRequest) bulkResult {
	ctx := withAsker(r.Context(), &by)
	res := bulkResult{JobID: id}
	var err error
	switch req.Action {
	case "pause":
		_, err = a.store.PauseJob(ctx, id, req.Reason, 0)
		res.Status = "paused"
	case "resume":
		_, err = a.store.ResumeJob(ctx, id)
		res.Status = "resumed"
	case "delete":
		_, err = a.store.DeleteJob(ctx, id)
		res.Status = "deleted"
	case "run":
		var run *Run
		if err = a.gate.mayRun(&by, 1, a.now()); err == nil {
			if run, err = a.store.RunNow(ctx, id); err == nil {
				res.Status, res.RunID = string(run.Status), a.store.RunID(run.ID)
			}
		}
	}
	if err != nil {
		p, known := problemOf(about("job", id, err))
		if !known {
			a.log.Error("bulk change failed", "job_id", id, "error", err)
		}
		res = bulkResult{JobID: id, Status: "failed", Code: p.Code, Detail: p.Detail}
	}
	return res
}

// auditView is an entry of the audit log.
type auditView struct {
	ID      string          `json:"id"`
	At      string          `json:"at"`
	Actor   string          `json:"actor"`
	Owner   string          `json:"owner"`
	Address string          `json:"address"`
	Action  string          `json:"action"`
	JobID   string          `json:"job_id,omitempty"`
	Detail  string          `json:"detail,omitempty"`
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
}

// listAudit is GET /audit, newest first.
func (a *api) listAudit(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	f := AuditFilter{JobID: q.text("job_id"), Actor: q.text("actor"), Action: q.text("action"), From: q.time("from"), To: q.time("to"), Limit: q.whole("limit", 100, 1, maxLimit)}
	if c := q.text("cursor"); c != "" {
		n, err := strconv.ParseInt(c, 36, 64)
		if f.After = n; err != nil || n <= 0 {
			q.fault("cursor", "must be a next_cursor of an earlier answer to the same question")
		}
	}
	if err := q.done(); err != nil {
		return err
	}
	page, next, err := a.records.Audit(r.Context(), f)
	if err != nil {
		return err
	}
	out := struct {
		Entries []auditView `json:"entries"`
		Next    *string     `json:"next_cursor"`
	}{Entries: make([]auditView, len(page))}
	for i, e := range page {
		out.Entries[i] = auditView{strconv.FormatInt(e.ID, 10), e.At.Time().Format(time.RFC3339Nano), e.Actor, e.Owner, e.Address, e.Action, e.JobID, e.Detail, e.Before, e.After}
	}
	if next != 0 {
		c := strconv.FormatInt(next, 36)
		out.Next = &c
	}
	return writeJSON(w, http.StatusOK, out)
}
