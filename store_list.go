package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// A page looks at no more rows, and for no longer, than this; then it ends with a cursor, full or not. So a filter that
	// matches little costs many short answers instead of one long one.
	pageRows = 2000
	pageTime = 8 * time.Millisecond
	// jobBatch rows are read at a time, so that no snapshot stays open and keeps the log from being reset.
	jobBatch = 200
)

// JobFilter says which jobs are wanted, and which page of them. Zero fields want all.
type JobFilter struct {
	State string   // scheduled | paused | completed
	Q     string   // in job_id, name, description or target_url, in any case
	Tags  []string // all of them, automatic ones too
	Owner string   // "" = every owner that the asker sees
	After int64    // the next of the page before
	Limit int      // at most so many, > 0
}

// Jobs gives one page of the living jobs that f wants, in the order of creation. next is the After of the following page, 0
// when there is none; a page may have fewer than Limit jobs, even none, and still be followed.
func (r *Reader) Jobs(ctx context.Context, f JobFilter) (page []*Job, next int64, err error) {
	if owner, ok := askerOf(ctx).limited(); ok {
		if f.Owner != "" && f.Owner != owner {
			return nil, 0, nil
		}
		f.Owner = owner
		if owner == "" {
			return nil, 0, nil // nobody's jobs are seen by admins alone
		}
	}
	q, seen, began := strings.ToLower(f.Q), 0, time.Now()
	for {
		size := min(jobBatch, f.Limit-len(page)+1) // one more tells whether another page follows
		batch, err := r.jobBatch(ctx, f, size)
		if err != nil {
			return nil, 0, err
		}
		for _, j := range batch {
			if len(page) == f.Limit {
				return page, f.After, nil
			}
			f.After = j.ID
			seen++
			if f.State != "" && j.State != f.State || f.Owner != "" && j.Owner != f.Owner || !j.mayMatch(q) {
				continue
			}
			if err := j.parse(); err != nil {
				return nil, 0, err
			}
			if j.matches(q, f.Tags) {
				page = append(page, j)
			}
		}
		if len(batch) < size {
			return page, 0, nil
		}
		if seen >= pageRows || time.Since(began) > pageTime {
			return page, f.After, nil
		}
	}
}

const (
	jobsQuery      = "SELECT " + jobColumns + jobTables + " WHERE j.deleted_at IS NULL AND j.id > ? ORDER BY j.id LIMIT ?"
	ownedJobsQuery = "SELECT " + jobColumns + jobTables + " WHERE j.owner = ? AND j.owner <> '' AND j.deleted_at IS NULL AND j.id > ? ORDER BY j.id LIMIT ?"
	// Few among many: by the index of open pauses.
	pausedJobsQuery = "SELECT " + jobColumns + ` FROM pauses p INDEXED BY pauses_open CROSS JOIN jobs j ON j.id = p.job CROSS JOIN timers t ON t.job = p.job
		WHERE p.resumed_at IS NULL AND j.deleted_at IS NULL AND p.job > ? ORDER BY p.job LIMIT ?`
)

// jobBatch reads the next jobs after f.After that may be wanted.
func (r *Reader) jobBatch(ctx context.Context, f JobFilter, size int) (batch []*Job, err error) {
	query, args := jobsQuery, []any{f.After, size}
	switch {
	case f.Owner != "":
		query, args = ownedJobsQuery, []any{f.Owner, f.After, size}
	case f.State == StatePaused:
		query = pausedJobsQuery
	}
	rows, err := r.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		j, err := jobScan(rows.Scan)
		if err != nil {
			return nil, err
		}
		batch = append(batch, j)
	}
	return batch, rows.Err()
}

// mayMatch is a cheap look before the definition is parsed. JSON may spell some letters otherwise: with those it judges nothing.
func (j *Job) mayMatch(text string) bool {
	if text == "" || strings.ContainsFunc(text, func(c rune) bool {
		return c > 126 || c == '\\' || c == '"' || c == '<' || c == '>' || c == '&' || c < ' '
	}) {
		return true
	}
	return strings.Contains(strings.ToLower(j.JobID), text) || strings.Contains(strings.ToLower(j.definition), text)
}

func (j *Job) matches(text string, tags []string) bool {
	if len(tags) > 0 {
		auto := autoTags(j.Definition, j.Owner)
		for _, tag := range tags {
			if !slices.Contains(j.Definition.Tags, tag) && !slices.Contains(auto, tag) {
				return false
			}
		}
	}
	return text == "" || slices.ContainsFunc([]string{j.JobID, j.Definition.Name, j.Definition.Description, j.Definition.TargetURL},
		func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}

// JobVersion is one version of a job's definition, and the firings that it planned: those in (EffectiveAt, UntilAt].
type JobVersion struct {
	Version     int
	Definition  *Definition
	EffectiveAt instant
	UntilAt     instant // 0 = the present version
}

// Versions gives a living job's versions, the present one first, as far back as retention has kept them; errNotFound.
func (r *Reader) Versions(ctx context.Context, jobID string) (list []JobVersion, err error) {
	if _, err := r.Job(ctx, jobID); err != nil { // also when the asker must not see it
		return nil, err
	}
	rows, err := r.read.QueryContext(ctx, `SELECT version, definition, effective_at, 0 FROM jobs WHERE job_id = ?1 AND deleted_at IS NULL
		UNION ALL SELECT v.version, v.definition, v.effective_at, v.until_at FROM jobs j JOIN versions v ON v.job = j.id WHERE j.job_id = ?1 AND j.deleted_at IS NULL
		ORDER BY 1 DESC`, jobID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v JobVersion
		var text string
		if err := rows.Scan(&v.Version, &text, &v.EffectiveAt, &v.UntilAt); err != nil {
			return nil, err
		}
		if v.Definition, err = parseDefinition(text); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if len(list) == 0 && rows.Err() == nil {
		return nil, errNotFound
	}
	return list, rows.Err()
}
