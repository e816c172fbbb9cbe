package main

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
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

// noNext is the key of a job without a next time: it comes last.
const noNext = "09223372036854775807"

// sortKeys give the text that an order compares.
var sortKeys = map[string]string{
	"next_run_time": "printf('%020d', coalesce(t.next_at, 9223372036854775807))",
	"name":          "coalesce(json_extract(j.definition, '$.name'), '')",
	"last_status":   "coalesce(t.last_status, '')",
	"job_id":        "j.job_id",
}

// JobsSorted gives one page of the living jobs that f wants, in the order by, whose place is where the page before ended. Orders
// by next time and by job_id follow an index; the others look at all jobs, or all of the owner's, for each page: the time it takes
// grows with their number, its memory does not. next is nil at the end; a page may have fewer than Limit jobs, even none, and
// still be followed.
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
	const all = "jobs j JOIN timers t ON t.job = j.id WHERE j.deleted_at IS NULL"
	switch {
	case f.Owner != "":
		return r.places(ctx, by, size, "j.id", sortKeys[by.Field], all+" AND j.owner <> '' AND j.owner = ?", f.Owner)
	case by.Field == "job_id":
		return r.places(ctx, by, size, "j.id", "j.job_id", "jobs j INDEXED BY jobs_job_id WHERE j.deleted_at IS NULL")
	case by.Field != "next_run_time":
		return r.places(ctx, by, size, "j.id", sortKeys[by.Field], all)
	}
	// Two stretches of one index: the times, and the jobs without one.
	first, second := r.nextTimes, r.noTimes
	if by.Desc {
		first, second = second, first
	}
	if !by.Begun || (by.Key == noNext) == by.Desc {
		if batch, err = first(ctx, by, size); err != nil || len(batch) == size {
			return batch, err
		}
		by.Begun = false
	}
	more, err := second(ctx, by, size-len(batch))
	return append(batch, more...), err
}

// nextTimes gives the places of jobs that have a next time.
func (r *Reader) nextTimes(ctx context.Context, by JobOrder, size int) ([]JobOrder, error) {
	at, err := strconv.ParseInt(by.Key, 10, 64)
	if err != nil && by.Begun {
		return nil, errBadCursor
	}
	list, err := r.placesAfter(ctx, by, size, "t.job", "t.next_at", "timers t INDEXED BY timers_next WHERE t.next_at IS NOT NULL", nil, at)
	for i := range list {
		list[i].Key = fmt.Sprintf("%020s", list[i].Key)
	}
	return list, err
}

// noTimes gives the places of living jobs that have none.
func (r *Reader) noTimes(ctx context.Context, by JobOrder, size int) ([]JobOrder, error) {
	return r.places(ctx, by, size, "t.job", "'"+noNext+"'", "timers t INDEXED BY timers_next CROSS JOIN jobs j ON j.id = t.job WHERE t.next_at IS NULL AND j.deleted_at IS NULL")
}

// places gives the places after by of the rows that from, which is SQL and takes args, selects, in the order of their key.
func (r *Reader) places(ctx context.Context, by JobOrder, size int, id, key, from string, args ...any) ([]JobOrder, error) {
	return r.placesAfter(ctx, by, size, id, key, from, args, by.Key)
}

// placesAfter is places with the place's key as the database compares it.
func (r *Reader) placesAfter(ctx context.Context, by JobOrder, size int, id, key, from string, args []any, after any) (batch []JobOrder, err error) {
	than, direction := ">", "ASC"
	if by.Desc {
		than, direction = "<", "DESC"
	}
	query := "SELECT " + id + ", " + key + " FROM " + from
	if by.Begun {
		query += " AND (" + key + ", " + id + ") " + than + " (?, ?)"
		args = append(args, after, by.ID)
	}
	query += " ORDER BY " + key + " " + direction + ", " + id + " " + direction + " LIMIT ?"
	rows, err := r.read.QueryContext(ctx, query, append(args, size)...)
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
