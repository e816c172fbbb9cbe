package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"

	"teiki/internal/strictjson"
)

// problem is an RFC 9457 answer. code is stable: programs may rely on it; title and detail are for people.
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Code   string  `json:"code"`
	Errors []Fault `json:"errors,omitempty"`

	header map[string]string
}

func (p *problem) Error() string { return p.Detail }

func newProblem(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

// problemInternal says nothing of what happened: that is in the log.
var problemInternal = newProblem(http.StatusInternalServerError, "internal", "the server failed to answer; its log says why")

// retryAfterSec is what a 503 asks clients to wait.
const retryAfterSec = 5

// errorTable says how the errors of the other families are answered. The first that matches counts.
var errorTable = []struct {
	err    error
	status int
	code   string
	detail string
}{
	{errNotFound, http.StatusNotFound, "not_found", "there is no such object"},
	{errExists, http.StatusConflict, "job_exists", "a job with this job_id exists; choose another, or send replace_existing: true"},
	{errConflict, http.StatusConflict, "conflict", "the object has changed in the meantime; read it again"},
	{errDryRun, http.StatusOK, "dry_run", "nothing was changed"},
	{errPrecondition, http.StatusPreconditionFailed, "precondition_failed", "the job is not as If-Match or If-None-Match says; read it again"},
	{errReused, http.StatusUnprocessableEntity, "idempotency_key_reused", "this Idempotency-Key was used for another request; use a new one for each"},
	{errQuota, http.StatusTooManyRequests, "quota", "the quota is used up"},
	{errTooMany, http.StatusUnprocessableEntity, "too_many", "that is too much for one request"},
	{errUnavailable, http.StatusServiceUnavailable, "unavailable", "the database cannot be written at the moment; nothing was changed"},
	{errShutdown, http.StatusServiceUnavailable, "shutting_down", "the server is shutting down; nothing was changed"},
	{context.Canceled, http.StatusServiceUnavailable, "shutting_down", "the request was ended before its answer was ready"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable", "the answer was not ready in time"},
	{os.ErrDeadlineExceeded, http.StatusRequestTimeout, "request_timeout", "the request did not arrive in time"},
}

// problemOf turns an error into its answer; known is false for one that no table has, which is a fault of the program.
func problemOf(err error) (p *problem, known bool) {
	var (
		syntax *strictjson.SyntaxError
		wrong  invalid
		tooBig *http.MaxBytesError
	)
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &syntax):
		return newProblem(http.StatusBadRequest, "not_json", "the body is not JSON: "+syntax.Detail), true
	case errors.As(err, &wrong):
		p = newProblem(http.StatusUnprocessableEntity, "invalid", "the request is not valid: "+countFaults(len(wrong))+", listed in errors")
		p.Errors = wrong
		return p, true
	case errors.As(err, &tooBig):
		return problemTooLarge(), true
	}
	for _, row := range errorTable {
		if errors.Is(err, row.err) {
			p = newProblem(row.status, row.code, row.detail)
			if _, detail, ok := strings.Cut(err.Error(), row.err.Error()+": "); ok && (row.err == errConflict || row.err == errTooMany || row.err == errQuota) {
				p.Detail = detail // the store's own words about this object
			}
			if row.status == http.StatusServiceUnavailable {
				p.header = map[string]string{"Retry-After": strconv.Itoa(retryAfterSec)}
			}
			return p, true
		}
	}
	return problemInternal, false
}

func countFaults(n int) string {
	if n == 1 {
		return "1 fault"
	}
	return strconv.Itoa(n) + " faults"
}

func problemTooLarge() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "too_large", "the body is larger than "+strconv.Itoa(maxRequestBody)+" bytes")
}

// fail writes the answer to an error. An answer that has begun can only be cut off, so that the client sees that it is incomplete.
func (a *api) fail(w *answerWriter, r *http.Request, err error) {
	p, known := problemOf(err)
	if !known {
		a.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	for k, v := range p.header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	b, _ := marshal(p)              // strings and numbers: cannot fail
	_, _ = w.Write(append(b, '\n')) // an error means that the client has gone
}

// about names the object in the answer to errNotFound.
func about(kind, id string, err error) error {
	if err == nil || !errors.Is(err, errNotFound) {
		return err
	}
	if len(id) > maxJobID {
		id = id[:maxJobID] + "…"
	}
	return newProblem(http.StatusNotFound, kind+"_not_found", "there is no "+kind+" "+strconv.Quote(id))
}
