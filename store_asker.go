package main

import (
	"context"
	"database/sql"
	"fmt"

	"teiki/internal/door"
)

// asker is who asks for something, and on what terms. It rides in the context from the API's door to the store, which judges
// by it: no path to a job or a run leads around. A context without one is the server's own work, which sees everything.
type asker struct {
	Actor   string // for the audit: key:PREFIX, jwt:OWNER, local
	Owner   string // sees and changes the objects of this owner, and makes new ones for it
	Scopes  door.Scopes
	All     bool   // sees and changes every owner's
	Address string // of the client
	Action  string // the operation: method and path pattern
	Quota   quota

	MustExist bool             // the job must exist: none is created
	DryRun    bool             // do everything but keep it: the change ends with errDryRun and leaves its outcome in Dry
	Check     func(*Job) error // a condition on the job as it stands in the transaction; nil = none
	Receipt   *receipt         // to be written with the change; nil = none
	Dry       []*Job           // what the jobs would have become
}

// quota bounds what one owner may have; 0 = no limit.
type quota struct {
	Jobs int
	Runs float64 // planned runs per second at most, over all jobs
}

type askerKey struct{}

// withAsker gives a context in which by asks.
func withAsker(ctx context.Context, by *asker) context.Context {
	return context.WithValue(ctx, askerKey{}, by)
}

// askerOf is who asks in ctx, nil for the server itself.
func askerOf(ctx context.Context) *asker {
	by, _ := ctx.Value(askerKey{}).(*asker)
	return by
}

// sees tells whether the objects of an owner exist for the asker.
func (by *asker) sees(owner string) bool { return by == nil || by.All || by.Owner == owner }

// limited is the owner that all which the asker sees must have; ok is false for one who sees everything.
func (by *asker) limited() (owner string, ok bool) {
	if by == nil || by.All {
		return "", false
	}
	return by.Owner, true
}

// trace is one thing that a change did, for the audit.
type trace struct {
	before, after *Job // nil = did not exist
	detail        string
}

// allowed judges whether the asker may touch j: another owner's job does not exist, and a condition must hold.
func (t *tx) allowed(j *Job) error {
	if !t.by.sees(j.Owner) {
		return errNotFound
	}
	if t.by != nil && t.by.Check != nil {
		if j.Definition == nil {
			if err := j.parse(); err != nil {
				return err
			}
		}
		return t.by.Check(j)
	}
	return nil
}

// note keeps what was done for the end of the change. The jobs are not to change any more.
func (t *tx) note(before, after *Job, format string, args ...any) {
	if t.by != nil {
		t.traces = append(t.traces, trace{before, after, fmt.Sprintf(format, args...)})
	}
}

// conclude ends a change of the asker: it writes the audit and the receipt, or says that it was only tried.
func (t *tx) conclude() error {
	by := t.by
	if by == nil {
		return nil
	}
	if by.DryRun {
		by.Dry = nil
		for _, c := range t.traces {
			if c.after != nil {
				if c.after.Definition == nil {
					if err := c.after.parse(); err != nil {
						return err
					}
				}
				by.Dry = append(by.Dry, c.after)
			}
		}
		return errDryRun
	}
	for _, c := range t.traces {
		if err := t.audit(c); err != nil {
			return err
		}
	}
	if by.Receipt != nil {
		return t.writeReceipt(by)
	}
	return nil
}

// withinQuota refuses one more job of an owner, or a faster one, beyond its quota. rate is the new job's, instead of that of
// the job with the key self.
func (t *tx) withinQuota(owner string, self int64, rate float64) error {
	by := t.by
	if by == nil || by.All || by.Quota == (quota{}) {
		return nil
	}
	if by.Quota.Jobs > 0 && self == 0 {
		var n int
		err := t.get([]any{&n}, `SELECT count(*) FROM (SELECT 1 FROM jobs WHERE owner = ? AND owner <> '' AND deleted_at IS NULL LIMIT ?)`, owner, by.Quota.Jobs)
		if err != nil {
			return err
		}
		if n >= by.Quota.Jobs {
			return fmt.Errorf("%w: %s may have %d jobs", errQuota, owner, by.Quota.Jobs)
		}
	}
	if by.Quota.Runs > 0 {
		var sum float64
		err := t.get([]any{&sum}, `SELECT coalesce(sum(rate), 0) FROM jobs WHERE owner = ? AND owner <> '' AND deleted_at IS NULL AND id <> ?`, owner, self)
		if err != nil {
			return err
		}
		if sum+rate > by.Quota.Runs*(1+1e-9) {
			return fmt.Errorf("%w: the jobs of %s may plan %g runs per second; with this one they would plan up to %.3g", errQuota, owner, by.Quota.Runs, sum+rate)
		}
	}
	return nil
}

// rate is how many runs per second j plans at most: one per shortest gap of its next firings. It costs some microseconds and
// is worth them only under a quota.
func (t *tx) rate(j *Job) float64 {
	if t.by == nil || t.by.Quota.Runs == 0 || t.by.All {
		return 0
	}
	plan, err := j.Schedule()
	if err != nil {
		return 0
	}
	fastest := 0.0
	for last, i := nextAfter(plan, t.now), 0; last != 0 && i < 64; i++ {
		next := nextAfter(plan, last)
		if next == 0 {
			break
		}
		fastest = max(fastest, 1e6/float64(next-last))
		last = next
	}
	return fastest
}

// noteJob keeps a change of a job: before and after are not to change any more, after may be shared with the answer.
func (t *tx) noteJob(before, after *Job) {
	if t.by == nil {
		return
	}
	kept, detail := *after, ""
	switch {
	case after.DeletedAt != 0:
		t.note(before, nil, "")
		return
	case before.State != after.State:
		detail = before.State + " → " + after.State
	case before.definition == after.definition:
		detail = "unchanged"
	}
	t.note(before, &kept, "%s", detail)
}

// noteRun keeps what was done to a run of j.
func (t *tx) noteRun(j *Job, r *Run) {
	if t.by != nil {
		t.note(j, j, "run %s", t.s.RunID(r.ID))
	}
}

// ownedJobs remembers, while a list is read, which jobs the asker sees.
type ownedJobs struct {
	by *asker
	of map[int64]bool
}

// has looks a job up in the list's own snapshot: taking another connection while one is held could wait for ever.
func (o ownedJobs) has(ctx context.Context, snapshot *sql.Tx, job int64) (bool, error) {
	if _, limited := o.by.limited(); !limited {
		return true, nil
	}
	seen, known := o.of[job]
	if !known {
		var owner string
		if err := snapshot.QueryRowContext(ctx, "SELECT owner FROM jobs WHERE id = ?", job).Scan(&owner); err != nil {
			return false, err
		}
		seen = o.by.sees(owner)
		o.of[job] = seen
	}
	return seen, nil
}
