package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// jobAnswer is what the old service answered to every change of a job.
type jobAnswer struct {
	JobID  string `json:"job_id"`
	Status string `json:"status"`
}

func jobPath(jobID string) string { return "/jobs/" + url.PathEscape(jobID) }

// createJob is POST /jobs.
func (a *api) createJob(w http.ResponseWriter, r *http.Request) error {
	body, err := requestBody(w, r, false)
	if err != nil {
		return err
	}
	now := a.now()
	req, err := parseJob(body, now, a.settings, a.calls)
	if err != nil {
		return err
	}
	id := uuid.NewString()
	if req.JobID != nil {
		id = *req.JobID
	}
	n := NewJob{JobID: id, Definition: &req.Definition, Replace: req.ReplaceExisting, At: instantOf(now), Plan: req.plan}
	if _, _, err := a.store.CreateJob(r.Context(), n); err != nil {
		return err
	}
	w.Header().Set("Location", jobPath(id))
	return writeJSON(w, http.StatusCreated, jobAnswer{id, "scheduled"})
}

// maxNext bounds the planned times of one answer.
const maxNext = 1000

// getJob is GET /jobs/{job_id}.
func (a *api) getJob(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	count := q.whole("next", 5, 0, maxNext)
	if err := q.done(); err != nil {
		return err
	}
	return a.showJob(w, r, http.StatusOK, r.PathValue("job_id"), count)
}

func (a *api) showJob(w http.ResponseWriter, r *http.Request, status int, id string, count int) error {
	j, err := a.store.Job(r.Context(), id)
	if err != nil {
		return about("job", id, err)
	}
	return a.writeJob(w, r, status, j, count)
}

// languageOf is the language of words in the answer, by Accept-Language: "ja" or "en".
func languageOf(r *http.Request) string {
	best, weight := "en", 0.0
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Language"), ","), ",") {
		tag, params, _ := strings.Cut(part, ";")
		base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if s, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(s, 64) // not a number: weight 0, not wanted
		}
		if (base == "ja" || base == "en") && q > weight {
			best, weight = base, q
		}
	}
	return best
}

// putJob is PUT /jobs/{job_id}: the body is the whole job. It makes the job when there is none.
func (a *api) putJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	body, err := requestBody(w, r, false)
	if err != nil {
		return err
	}
	req, err := parseJob(body, a.now(), a.settings, a.calls)
	if err != nil {
		return err
	}
	if req.JobID != nil && *req.JobID != id {
		return invalid{{"job_id", "must be " + strconv.Quote(id) + " as in the path, or left out"}}
	}
	if faults := checkJobID(id); len(faults) > 0 {
		return invalid(faults)
	}
	_, err = a.store.UpdateJob(r.Context(), id, func(*Job) (*Definition, error) { return &req.Definition, nil })
	if errors.Is(err, errNotFound) {
		if _, _, err := a.store.CreateJob(r.Context(), NewJob{JobID: id, Definition: &req.Definition}); err != nil {
			return err
		}
		w.Header().Set("Location", jobPath(id))
		return a.showJob(w, r, http.StatusCreated, id, 5)
	}
	if err != nil {
		return err
	}
	return a.showJob(w, r, http.StatusOK, id, 5)
}

// patchJob is PATCH /jobs/{job_id}: a JSON Merge Patch (RFC 7396) on the definition.
func (a *api) patchJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	patch, err := requestBody(w, r, false, "application/merge-patch+json", "application/json")
	if err != nil {
		return err
	}
	_, err = a.store.UpdateJob(r.Context(), id, func(j *Job) (*Definition, error) {
		return mergeJob(j.Definition, patch, a.now(), a.calls)
	})
	if err != nil {
		return about("job", id, err)
	}
	return a.showJob(w, r, http.StatusOK, id, 5)
}

// deleteJob is DELETE /jobs/{job_id}.
func (a *api) deleteJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	if _, err := a.store.DeleteJob(r.Context(), id); err != nil {
		return about("job", id, err)
	}
	return writeJSON(w, http.StatusOK, jobAnswer{id, "deleted"})
}

// pauseJob is POST /jobs/{job_id}/pause, with or without a body.
func (a *api) pauseJob(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Reason string          `json:"reason"`
		Until  json.RawMessage `json:"until"`
	}
	if err := readJSON(w, r, true, &req); err != nil {
		return err
	}
	until, faults := instantField("until", req.Until, false)
	if until != 0 && until <= instantOf(a.now()) {
		faults = append(faults, Fault{"until", "must be in the future; leave it out to pause until resumed"})
	}
	faults = append(faults, checkText("reason", req.Reason, maxName, "")...)
	if len(faults) > 0 {
		return invalid(faults)
	}
	id := r.PathValue("job_id")
	if _, err := a.store.PauseJob(r.Context(), id, req.Reason, until); err != nil {
		return about("job", id, err)
	}
	return writeJSON(w, http.StatusOK, jobAnswer{id, "paused"})
}

// resumeJob is POST /jobs/{job_id}/resume.
func (a *api) resumeJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job_id")
	if _, err := a.store.ResumeJob(r.Context(), id); err != nil {
		return about("job", id, err)
	}
	return writeJSON(w, http.StatusOK, jobAnswer{id, "resumed"})
}
