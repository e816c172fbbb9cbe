package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	// ledgerTimeout bounds a comparison over the API; teiki verify has no bound.
	ledgerTimeout = 25 * time.Second
	// ledgerSpan is the window when from is not given.
	ledgerSpan = 24 * time.Hour
)

// ledger is GET /ledger: what teiki verify -json prints, for the window (from, to]. One comparison goes on at a time, with memory
// for one page of one job's rows.
func (a *api) ledger(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	now := instantOf(a.now())
	window := ledgerWindow{From: q.time("from"), To: q.time("to"), JobID: q.text("job_id")}
	if window.To == 0 || window.To > now {
		window.To = now
	}
	if window.From == 0 {
		window.From = window.To.Add(-ledgerSpan)
	}
	if window.From > window.To {
		q.fault("from", "must not be after to, nor in the future")
	}
	if err := q.done(); err != nil {
		return err
	}
	if !a.comparing.TryLock() {
		p := newProblem(http.StatusServiceUnavailable, "busy", "another comparison is under way; ask again when it has ended")
		p.header = map[string]string{"Retry-After": strconv.Itoa(retryAfterSec)}
		return p
	}
	defer a.comparing.Unlock()
	ctx, cancel := context.WithTimeoutCause(r.Context(), ledgerTimeout, errTooMany)
	defer cancel()
	t, err := compareLedger(ctx, a.histories, window, now)
	if err != nil && errors.Is(context.Cause(ctx), errTooMany) {
		return newProblem(http.StatusUnprocessableEntity, "too_many",
			"there is more to compare than 25 s allow: choose a shorter window with from and to, one job with job_id, or run teiki verify beside the server")
	}
	if err != nil {
		return about("job", window.JobID, err)
	}
	return writeJSON(w, http.StatusOK, t)
}
