package main

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"
)

const (
	// A page looks at no more rows, and for no longer, than this; then it ends with a cursor, full or not. So a filter that
	// matches little costs many short answers instead of one long one.
	pageRows = 2000
	pageTime = 12 * time.Millisecond
	// jobBatch rows are read at a time when jobs stream, so that no snapshot stays open and keeps the log from being reset.
	jobBatch = 200
)

// JobFilter says which jobs are wanted. Zero fields want all.
type JobFilter struct {
	State string   // scheduled | paused | completed
	Text  string   // in job_id, name or description, in any case
	Tags  []string // all of them
	After int64    // Job.ID of the last job of the page before
	Limit int      // 0 = all of them, else one page of at most so many
}

// Jobs calls each for every living job that f wants, in the order of creation, while memory stays constant. next is the After
// of the following page, 0 when there is none.
func (r *Reader) Jobs(ctx context.Context, f JobFilter, each func(*Job) error) (next int64, err error) {
	query := "SELECT " + jobColumns + jobTables + " WHERE j.deleted_at IS NULL AND j.id > ? ORDER BY j.id LIMIT ?"
	if f.State == StatePaused { // few among many: by the index of open pauses
		query = "SELECT " + jobColumns + ` FROM pauses p INDEXED BY pauses_open CROSS JOIN jobs j ON j.id = p.job CROSS JOIN timers t ON t.job = p.job
			WHERE p.resumed_at IS NULL AND j.deleted_at IS NULL AND p.job > ? ORDER BY p.job LIMIT ?`
	}
	st, err := r.read.PrepareContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	text, sent, seen, began := strings.ToLower(f.Text), 0, 0, time.Now()
	for {
		batch, err := jobBatchAfter(ctx, st, f.After)
		if err != nil {
			return 0, err
		}
		for _, j := range batch {
			f.After = j.ID
			seen++
			if f.State != "" && j.State != f.State || !j.mayMatch(text) {
				continue
			}
			if err := j.parse(); err != nil {
				return 0, err
			}
			if !j.matches(text, f.Tags) {
				continue
			}
			if err := each(j); err != nil {
				return 0, err
			}
			if sent++; sent == f.Limit {
				return f.After, nil
			}
		}
		if len(batch) < jobBatch {
			return 0, nil
		}
		if f.Limit > 0 && (seen >= pageRows || time.Since(began) > pageTime) {
			return f.After, nil
		}
	}
}

func jobBatchAfter(ctx context.Context, st *sql.Stmt, after int64) (batch []*Job, err error) {
	rows, err := st.QueryContext(ctx, after, jobBatch)
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

// mayMatch is a cheap look before the definition is parsed. JSON may spell a letter otherwise, so it only judges plain text.
func (j *Job) mayMatch(text string) bool {
	if text == "" || strings.ContainsFunc(text, func(c rune) bool {
		return c > 126 || c == '\\' || c == '"' || c == '<' || c == '>' || c == '&' || c < ' '
	}) {
		return true
	}
	return strings.Contains(strings.ToLower(j.JobID), text) || strings.Contains(strings.ToLower(j.definition), text)
}

func (j *Job) matches(text string, tags []string) bool {
	for _, tag := range tags {
		if !slices.Contains(j.Definition.Tags, tag) {
			return false
		}
	}
	return text == "" || slices.ContainsFunc([]string{j.JobID, j.Definition.Name, j.Definition.Description},
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
