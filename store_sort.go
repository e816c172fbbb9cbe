package main

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// JobOrder is an order of jobs and a place in it.
type JobOrder struct {
	Field string `json:"f"` // next_run_time | name | last_status | job_id
	Desc  bool   `json:"d,omitempty"`
	Key   string `json:"k,omitempty"` // of the last job looked at
	ID    int64  `json:"i,omitempty"`
	Begun bool   `json:"b,omitempty"` // there is a last job
}

// jobSorts are the orders that GET /jobs knows, each also the other way round.
var jobSorts = []string{"next_run_time", "-next_run_time", "name", "-name", "last_status", "-last_status", "job_id", "-job_id"}

// sortKeys give the text that an order compares. Jobs without a next time come last.
var sortKeys = map[string]string{
	"next_run_time": "printf('%020d', coalesce(t.next_at, 9223372036854775807))",
	"name":          "coalesce(json_extract(j.definition, '$.name'), '')",
	"last_status":   "coalesce(t.last_status, '')",
	"job_id":        "j.job_id",
}

// JobsSorted gives one page of the living jobs that f wants, in the order by, whose place is where the page before ended. It
// looks at all jobs for each page: the time it takes grows with their number, its memory does not. next is nil at the end; a page
// may have fewer than Limit jobs, even none, and still be followed.
func (r *Reader) JobsSorted(ctx context.Context, f JobFilter, by JobOrder) (page []*Job, next *JobOrder, err error) {
	if owner, ok := askerOf(ctx).limited(); ok {
		if f.Owner != "" && f.Owner != owner || owner == "" {
			return nil, nil, nil
		}
		f.Owner = owner
	}
	q, seen, began := strings.ToLower(f.Q), 0, time.Now()
	for {
		size := min(jobBatch, f.Limit-len(page)+1)
		batch, err := r.sortedBatch(ctx, f, by, size)
		if err != nil {
			return nil, nil, err
		}
		for _, at := range batch {
			if len(page) == f.Limit {
				return page, &by, nil
			}
			by = at
			seen++
			j, err := jobScan(r.read.QueryRowContext(ctx, "SELECT "+jobColumns+jobTables+" WHERE j.id = ? AND j.deleted_at IS NULL", at.ID).Scan)
			if err == sql.ErrNoRows {
				continue // deleted in between
			}
			if err != nil {
				return nil, nil, err
			}
			if f.State != "" && j.State != f.State {
				continue
			}
			if err := j.parse(); err != nil {
				return nil, nil, err
			}
			if j.matches(q, f.Tags) {
				page = append(page, j)
			}
		}
		if len(batch) < size {
			return page, nil, nil
		}
		if seen >= pageRows || time.Since(began) > pageTime {
			return page, &by, nil
		}
	}
}

// sortedBatch gives the places of the next jobs.
func (r *Reader) sortedBatch(ctx context.Context, f JobFilter, by JobOrder, size int) (batch []JobOrder, err error) {
	key, than, direction := sortKeys[by.Field], ">", "ASC"
	if by.Desc {
		than, direction = "<", "DESC"
	}
	query := "SELECT j.id, " + key + " FROM jobs j JOIN timers t ON t.job = j.id WHERE j.deleted_at IS NULL AND (?1 = '' OR j.owner = ?1) AND (NOT ?2 OR (" +
		key + ", j.id) " + than + " (?3, ?4)) ORDER BY 2 " + direction + ", 1 " + direction + " LIMIT ?5"
	rows, err := r.read.QueryContext(ctx, query, f.Owner, by.Begun, by.Key, by.ID, size)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		at := JobOrder{Field: by.Field, Desc: by.Desc, Begun: true}
		if err := rows.Scan(&at.ID, &at.Key); err != nil {
			return nil, err
		}
		batch = append(batch, at)
	}
	return batch, rows.Err()
}

// Jobname is what tells a job to people: its name, whose it is and how it stands.
type Jobname struct{ JobID, Owner, State string }

// Jobname reads the name of the job with the key id, whoever asks; errNotFound.
func (r *Reader) Jobname(ctx context.Context, id int64) (Jobname, error) {
	j, err := jobScan(r.read.QueryRowContext(ctx, "SELECT "+jobColumns+jobTables+" WHERE j.id = ?", id).Scan)
	if err == sql.ErrNoRows {
		return Jobname{}, errNotFound
	}
	if err != nil {
		return Jobname{}, err
	}
	if j.DeletedAt != 0 {
		j.State = "deleted"
	}
	return Jobname{j.JobID, j.Owner, j.State}, nil
}
