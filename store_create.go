package main

import (
	"context"
	"errors"
	"fmt"

	"teiki/internal/schedule"
)

// NewJob is what CreateJob stores.
type NewJob struct {
	JobID      string
	Definition *Definition // checked before: the store does not judge it
	Replace    bool        // a living job of this name becomes this one, and is no longer paused
	At         instant     // when the request was judged: what was a future firing then is one; 0 = now
	Owner      string      // "" = who asks
	Paused     bool        // the job is paused from the start
	Reason     string      // of that pause

	Plan  *schedule.Schedule // the definition's schedule with At as its anchor; nil = not made yet
	texts *texts             // of Definition, likewise
}

// CreateJob stores a new job. A name that a living job has is errExists, unless n.Replace is set or that job is completed:
// then the definition becomes the next version of the same job. created tells whether the name was free.
func (s *Store) CreateJob(ctx context.Context, n NewJob) (job *Job, created bool, err error) {
	// What does not need the database is done here, and not while others wait for the writer.
	made, err := textsOf(n.Definition)
	if err != nil {
		return nil, false, err
	}
	if askerOf(ctx) != nil {
		if made.shown, err = shownText(n.Definition, made.definition); err != nil {
			return nil, false, err
		}
	}
	n.texts = &made
	err = s.change(ctx, func(t *tx) error {
		job, created, err = t.put(n)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return job, created, nil
}

// put is CreateJob within a transaction.
func (t *tx) put(n NewJob) (job *Job, created bool, err error) {
	at := n.At
	if at == 0 {
		at = t.now
	}
	var before *Job
	taken, err := t.has("SELECT 1 FROM jobs WHERE job_id = ? AND deleted_at IS NULL", n.JobID)
	if err != nil {
		return nil, false, err
	}
	err = errNotFound
	if taken {
		job, err = t.anyJob(n.JobID)
	}
	switch {
	case errors.Is(err, errNotFound) && t.by != nil && t.by.MustExist:
		err = errPrecondition
	case errors.Is(err, errNotFound):
		created = true
		job, err = t.create(n, at)
	case err != nil:
	case !t.by.sees(job.Owner): // names are one space for all owners
		err = errExists
	case job.State == StateCompleted || n.Replace:
		former := *job
		before = &former
		if err = t.allowed(job); err == nil {
			err = t.replace(job, n.Definition, at)
		}
	default:
		err = errExists
	}
	if err == nil && n.Paused && job.PausedAt == 0 {
		err = t.pause(job, n.Reason, 0)
		t.touch(job.ID)
	}
	if err != nil {
		return nil, false, err
	}
	t.note(before, job, "")
	return job, created, nil
}

func (t *tx) create(n NewJob, at instant) (*Job, error) {
	j := &Job{JobID: n.JobID, Owner: n.Owner, Version: 1, CreatedAt: at, UpdatedAt: at, AnchorAt: at, State: StateScheduled, Counts: map[Status]int64{}}
	if j.Owner == "" && t.by != nil {
		j.Owner = t.by.Owner
	}
	if n.texts != nil {
		j.Definition, j.texts = n.Definition, *n.texts
	} else if err := j.setDefinition(n.Definition); err != nil {
		return nil, err
	}
	rate := t.rate(j)
	if err := t.withinQuota(j.Owner, 0, rate); err != nil {
		return nil, err
	}
	plan := n.Plan
	if plan == nil || n.At == 0 {
		var err error
		if plan, err = j.Schedule(); err != nil {
			return nil, err
		}
	}
	j.EffectiveAt = since(plan, at)
	j.cursor, j.NextAt = j.EffectiveAt, nextAfter(plan, j.EffectiveAt)
	if j.NextAt == 0 {
		j.State = StateCompleted
	}
	data, err := t.zoneData(plan)
	if err != nil {
		return nil, err
	}
	host := hostKey(n.Definition.TargetURL)
	j.ID, err = t.insert(`INSERT INTO jobs (job_id, version, schedule, policy, host, zone_data, anchor_at, effective_at, created_at, updated_at, definition, owner, rate)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`, j.JobID, int64(j.Version), j.schedule, j.policy, host, data,
		int64(j.AnchorAt), int64(j.EffectiveAt), int64(j.CreatedAt), int64(j.UpdatedAt), j.definition, j.Owner, rate)
	if err != nil {
		return nil, fmt.Errorf("new job: %w", err)
	}
	if _, err := t.insert("INSERT INTO timers (job, version, next_at, cursor_at) VALUES (?,?,?,?)", j.ID, int64(j.Version), orNull(j.NextAt), int64(j.cursor)); err != nil {
		return nil, fmt.Errorf("new job: %w", err)
	}
	t.touched = append(t.touched, news{j.ID, &Timer{Job: j.ID, Version: j.Version, Schedule: j.schedule, Anchor: j.AnchorAt, Policy: j.policy,
		Host: host, NextAt: j.NextAt, CursorAt: j.cursor}})
	return j, nil
}

// since is the instant after which a plan that starts at the instant at counts. It is at, but for a date in the very second
// of at that has just gone by: "now" to the second is what its author meant, and it fires at once.
func since(s *schedule.Schedule, at instant) instant {
	if s.Kind() != "date" {
		return at
	}
	if runAt := nextAfter(s, at-at%1e6-1); runAt != 0 && runAt <= at {
		return runAt - 1
	}
	return at
}
