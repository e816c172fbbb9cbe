package main

import "errors"

// Causes that end a call from inside; context.Cause tells them apart from the target's doing.
var (
	errReplaced = errors.New("replaced by a newer firing")
	errCanceled = errors.New("canceled by a user")
	errShutdown = errors.New("the server is shutting down")
)

// Errors of the store that the API turns into answers.
var (
	errNotFound     = errors.New("not found")
	errExists       = errors.New("the job_id is taken")
	errConflict     = errors.New("changed in the meantime")
	errBadCursor    = errors.New("not a next_cursor of this list")
	errTooMany      = errors.New("too many at one time")
	errDryRun       = errors.New("this was a dry run") // ends a change that was only tried
	errQuota        = errors.New("the quota is used up")
	errReused       = errors.New("the Idempotency-Key was used for another request")
	errPrecondition = errors.New("the job is not as the condition says")
	errUnavailable  = errors.New("the database cannot be written")
)
