package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"teiki/internal/door"
	"teiki/internal/secret"
)

// exportLine is one line of an export: the body of a POST /jobs, and what the job is besides.
type exportLine struct {
	JobID string `json:"job_id"`
	Definition
	Owner  string `json:"owner,omitempty"`
	Paused bool   `json:"paused,omitempty"`
	Reason string `json:"pause_reason,omitempty"`
}

// export is GET /export: every job that the asker sees as JSON Lines, in the order of creation, without literal credentials.
func (a *api) export(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	f := JobFilter{Limit: streamPage, State: q.choice("state", "scheduled", "paused", "completed"), Tags: q.list("tag"), Q: q.text("q"), Owner: q.text("owner")}
	if err := q.done(); err != nil {
		return err
	}
	for began := false; ; {
		page, next, err := a.store.Jobs(r.Context(), f)
		if err != nil {
			return err
		}
		var lines []byte
		for _, j := range page {
			b, err := marshal(exportLine{j.JobID, redact(*j.Definition), j.Owner, j.PausedAt != 0, j.PauseReason})
			if err != nil {
				return err
			}
			lines = append(append(lines, b...), '\n')
		}
		if !began {
			w.Header().Set("Content-Type", "application/jsonl")
			w.Header().Set("Content-Disposition", `attachment; filename="jobs.jsonl"`)
			began = true
		}
		if _, err := w.Write(lines); err != nil || next == 0 {
			return nil // done, or the client has gone
		}
		f.After = next
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	}
}

// Limits of an import.
const (
	maxImport     = 32 << 20 // bytes
	importTimeout = time.Minute
)

// importRequest is one line of an import: what an export writes, or the body of a POST /jobs.
type importRequest struct {
	jobRequest
	Owner  string `json:"owner"`
	Paused bool   `json:"paused"`
	Reason string `json:"pause_reason"`
}

// importView is what became of one line.
type importView struct {
	Line   int    `json:"line"`
	JobID  string `json:"job_id"`
	Status string `json:"status"` // created | replaced | valid (dry run)
}

// importJobs is POST /import: all lines, or nothing.
func (a *api) importJobs(w http.ResponseWriter, r *http.Request) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(importTimeout))
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if types := []string{"application/jsonl", "application/x-ndjson", "application/ndjson"}; err != nil || !slices.Contains(types, media) {
		return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
			fmt.Sprintf("the Content-Type must be %s, not %.100q", strings.Join(types, " or "), r.Header.Get("Content-Type")))
	}
	jobs, lines, err := a.readImport(http.MaxBytesReader(w, r.Body, maxImport), askerOf(r.Context()))
	if err != nil {
		return err
	}
	by := askerOf(r.Context())
	done, err := a.records.ImportJobs(r.Context(), jobs)
	var about *ImportError
	if errors.As(err, &about) {
		p, known := problemOf(about.Err)
		if !known {
			return about.Err
		}
		return invalid{{fmt.Sprintf("line %d: job_id", lines[about.Index]), p.Detail}}
	}
	if err != nil && !errors.Is(err, errDryRun) {
		return err
	}
	out := struct {
		DryRun  bool         `json:"dry_run"`
		Created int          `json:"created"`
		Changed int          `json:"replaced"`
		Jobs    []importView `json:"jobs"`
	}{DryRun: by.DryRun, Jobs: make([]importView, len(done))}
	for i, d := range done {
		v := importView{lines[i], d.Job.JobID, "replaced"}
		if d.Created {
			v.Status = "created"
			out.Created++
		} else {
			out.Changed++
		}
		out.Jobs[i] = v
	}
	return writeJSON(w, http.StatusOK, out)
}

// readImport reads the lines of an import, with all the faults of all of them; lines[i] is the line of jobs[i].
func (a *api) readImport(body io.Reader, by *asker) (jobs []NewJob, lines []int, err error) {
	scan := bufio.NewScanner(body)
	scan.Buffer(nil, maxRequestBody)
	var faults invalid
	names := map[string]int{}
	now := a.now()
	n := 0
	for scan.Scan() {
		n++
		text := bytes.TrimPrefix(scan.Bytes(), []byte("\ufeff"))
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if len(jobs) == importBatch {
			return nil, nil, fmt.Errorf("%w: at most %d jobs can be imported at one time", errTooMany, importBatch)
		}
		job, err := a.readImportLine(text, now, by)
		var wrong invalid
		switch {
		case errors.As(err, &wrong):
		case err != nil:
			if p, known := problemOf(err); known {
				wrong = invalid{{"", p.Detail}}
				break
			}
			return nil, nil, err
		default:
			if first, ok := names[job.JobID]; ok {
				wrong = invalid{{"job_id", fmt.Sprintf("is that of line %d", first)}}
			}
			names[job.JobID] = n
		}
		for _, f := range wrong {
			if len(faults) < maxImportFaults {
				faults = append(faults, Fault{strings.TrimSuffix(fmt.Sprintf("line %d: %s", n, f.Field), ": "), f.Detail})
			}
		}
		jobs, lines = append(jobs, job), append(lines, n)
	}
	switch err := scan.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		faults = append(faults, Fault{fmt.Sprintf("line %d", n+1), fmt.Sprintf("is longer than %d bytes", maxRequestBody)})
	case err != nil:
		if p, known := problemOf(err); known {
			return nil, nil, p
		}
		return nil, nil, newProblem(http.StatusBadRequest, "bad_request", "the body could not be read to its end")
	}
	if len(faults) > 0 {
		return nil, nil, faults
	}
	return jobs, lines, nil
}

// maxImportFaults bounds the answer to an import that is wrong throughout.
const maxImportFaults = 1000

func (a *api) readImportLine(text []byte, now time.Time, by *asker) (job NewJob, err error) {
	var req importRequest
	faults, err := decodeBody(text, &req)
	if err != nil {
		return job, err
	}
	job = NewJob{JobID: uuid.NewString(), Definition: &req.Definition, Replace: req.ReplaceExisting, At: instantOf(now), Owner: req.Owner, Paused: req.Paused, Reason: req.Reason}
	if len(faults) > 0 && faults[0].Field == "" {
		return job, invalid(faults)
	}
	if req.JobID != nil {
		job.JobID = *req.JobID
		faults = append(faults, checkJobID(job.JobID)...)
	}
	if owner, limited := by.limited(); limited && req.Owner != "" && req.Owner != owner {
		faults = append(faults, Fault{"owner", "must be your own; others' need the scope admin"})
	} else if err := door.CheckOwner(req.Owner); req.Owner != "" && err != nil {
		faults = append(faults, Fault{"owner", err.Error()})
	}
	faults = append(faults, checkText("pause_reason", req.Reason, maxName, "")...)
	_, wrong := completeDefinition(&req.Definition, nil, now, a.settings.Timezone, a.calls)
	faults = append(faults, wrong...)
	for _, field := range maskedFields(&req.Definition) {
		faults = append(faults, Fault{field, "is masked, as exports show credentials; write it, or {{secret.NAME}}"})
	}
	if faults = firstPerField(faults); len(faults) > 0 {
		return job, invalid(faults)
	}
	return job, nil
}

// maskedFields names the fields of d where the mask stands in the place of a credential.
func maskedFields(d *Definition) (fields []string) {
	look := func(field, value string) {
		if strings.Contains(value, secret.Mask) {
			fields = append(fields, field)
		}
	}
	for name, value := range d.Headers {
		if isCredential(name) {
			look("headers."+name, value)
		}
	}
	for name, value := range d.BodyForm {
		if isCredential(name) {
			look("body_form."+name, value)
		}
	}
	eachCredential(d.Body, func(_, _ int, value string) { look("body", value) })
	if strings.Contains(d.TargetURL, secret.Mask) && redactURL(d.TargetURL) == d.TargetURL {
		fields = append(fields, "target_url")
	}
	for _, s := range d.SigningSecret {
		look("signing_secret", s)
	}
	if d.Auth != nil {
		look("auth.bearer", d.Auth.Bearer)
		if d.Auth.Basic != nil {
			look("auth.basic.password", d.Auth.Basic.Password)
		}
		if d.Auth.OAuth2 != nil {
			look("auth.oauth2.client_secret", d.Auth.OAuth2.ClientSecret)
		}
	}
	slices.Sort(fields)
	return fields
}
