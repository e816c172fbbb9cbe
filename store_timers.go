package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"teiki/internal/schedule"
)

const (
	timerColumns = "j.id, t.version, j.schedule, j.anchor_at, j.policy, j.host, coalesce(t.next_at, 0), t.cursor_at FROM jobs j JOIN timers t ON t.job = j.id"
	openColumns  = "job, id, version, trigger, status, scheduled_at, coalesce(due_at, scheduled_at), coalesce(started_at, 0), attempt FROM runs WHERE finished_at IS NULL"
)

// Timers reads every job that can fire or has open runs, in one snapshot; see ledger. Runs that a crash has left running are
// among the open ones. It holds the open runs in memory, not the jobs.
func (r *Reader) Timers(ctx context.Context, each func(Timer) error) error {
	snapshot, err := r.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer snapshot.Rollback()
	open, err := openRuns(ctx, snapshot)
	if err != nil {
		return err
	}
	paused := map[int64]instant{} // until when, 0 = without end
	rows, err := snapshot.QueryContext(ctx, "SELECT job, coalesce(until_at, 0) FROM pauses WHERE resumed_at IS NULL")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var job int64
		var until instant
		if err := rows.Scan(&job, &until); err != nil {
			return err
		}
		paused[job] = until
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows, err = snapshot.QueryContext(ctx, "SELECT j.deleted_at IS NOT NULL, "+timerColumns+" ORDER BY j.id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t Timer
		var deleted bool
		if err := rows.Scan(&deleted, &t.Job, &t.Version, &t.Schedule, &t.Anchor, &t.Policy, &t.Host, &t.NextAt, &t.CursorAt); err != nil {
			return err
		}
		t.Open = open[t.Job]
		if deleted && len(t.Open) == 0 {
			continue
		}
		t.PauseUntil, t.Paused = paused[t.Job]
		if err := each(t); err != nil {
			return err
		}
	}
	return rows.Err()
}

// timerQuery reads one job with its open runs, a row for each: one statement sees one snapshot.
const timerQuery = `SELECT j.deleted_at IS NOT NULL, p.job IS NOT NULL, coalesce(p.until_at, 0),
		j.id, t.version, j.schedule, j.anchor_at, j.policy, j.host, coalesce(t.next_at, 0), t.cursor_at,
		coalesce(r.id, 0), coalesce(r.version, 0), coalesce(r.trigger, ''), coalesce(r.status, ''), coalesce(r.scheduled_at, 0),
		coalesce(r.due_at, r.scheduled_at, 0), coalesce(r.started_at, 0), coalesce(r.attempt, 0)
	FROM jobs j JOIN timers t ON t.job = j.id
	LEFT JOIN pauses p INDEXED BY pauses_open ON p.job = j.id AND p.resumed_at IS NULL
	LEFT JOIN runs r INDEXED BY runs_open ON r.job = j.id AND r.finished_at IS NULL
	WHERE j.id = ? ORDER BY r.id`

// Timer reads one job; see ledger.
func (r *Reader) Timer(ctx context.Context, job int64) (t Timer, ok bool, err error) {
	rows, err := r.timer.QueryContext(ctx, job)
	if err != nil {
		return t, false, err
	}
	defer rows.Close()
	var deleted bool
	for rows.Next() {
		var o OpenRun
		if err := rows.Scan(&deleted, &t.Paused, &t.PauseUntil, &t.Job, &t.Version, &t.Schedule, &t.Anchor, &t.Policy, &t.Host,
			&t.NextAt, &t.CursorAt, &o.Run, &o.Version, &o.Trigger, &o.Status, &o.ScheduledAt, &o.DueAt, &o.StartedAt, &o.Attempt); err != nil {
			return t, false, err
		}
		ok = true
		if o.Run != 0 {
			t.Open = append(t.Open, o)
		}
	}
	return t, ok && (!deleted || len(t.Open) > 0), rows.Err()
}

// openRuns reads the runs that have not ended, by job, each job's in the order of their keys.
func openRuns(ctx context.Context, snapshot *sql.Tx) (map[int64][]OpenRun, error) {
	rows, err := snapshot.QueryContext(ctx, "SELECT "+openColumns+" ORDER BY job, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	open := map[int64][]OpenRun{}
	for rows.Next() {
		var job int64
		var o OpenRun
		if err := rows.Scan(&job, &o.Run, &o.Version, &o.Trigger, &o.Status, &o.ScheduledAt, &o.DueAt, &o.StartedAt, &o.Attempt); err != nil {
			return nil, err
		}
		open[job] = append(open[job], o)
	}
	return open, rows.Err()
}

// Plan is one version of a job, compiled. It never changes, so it may be kept and shared: read only.
type Plan struct {
	JobID      string
	Owner      string
	Definition *Definition
	Schedule   *schedule.Schedule // nil when it can't be read any more
}

// planCacheSize bounds the plans that are kept: some ten megabytes of usual jobs.
const planCacheSize = 16384

// planCache keeps the versions that runs were made under. When it is full it starts anew: the ones in use are back at once.
type planCache struct {
	mu sync.Mutex
	of map[planKey]*Plan
}

type planKey struct {
	job     int64
	version int
}

// Definition reads the definition that a run was made under; see ledger. errNotFound when retention has removed it.
func (r *Reader) Definition(ctx context.Context, job int64, version int) (string, *Definition, error) {
	p, _, _, err := r.readVersion(ctx, job, version)
	return p.JobID, p.Definition, err
}

// definitionsQuery reads the present versions of a JSON list of jobs.
const definitionsQuery = "SELECT j.id, j.version, j.job_id, j.definition FROM json_each(?) k CROSS JOIN jobs j ON j.id = k.value"

// Definitions reads many present versions; see ledger.
func (r *Reader) Definitions(ctx context.Context, keys []versionKey) (names, texts []string, err error) {
	at := make(map[versionKey]int, len(keys))
	jobs := make([]int64, len(keys))
	for i, k := range keys {
		at[k], jobs[i] = i, k.job
	}
	ids, err := json.Marshal(jobs)
	if err != nil {
		return nil, nil, err
	}
	rows, err := r.definitions.QueryContext(ctx, string(ids))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	names, texts = make([]string, len(keys)), make([]string, len(keys))
	for rows.Next() {
		var k versionKey
		var name, text string
		if err := rows.Scan(&k.job, &k.version, &name, &text); err != nil {
			return nil, nil, err
		}
		if i, ok := at[k]; ok {
			names[i], texts[i] = name, text
		}
	}
	return names, texts, rows.Err()
}

// schedulesQuery reads the present schedules of a JSON list of jobs, and their definitions unless those are long: hundreds are
// read in one go.
const schedulesQuery = `SELECT j.id, j.version, j.schedule, j.anchor_at, j.job_id, iif(octet_length(j.definition) <= 4096, j.definition, '')
	FROM json_each(?) k CROSS JOIN jobs j ON j.id = k.value`

// Schedules reads many present schedules; see ledger.
func (r *Reader) Schedules(ctx context.Context, jobs []int64) (list []ScheduleText, err error) {
	ids, err := json.Marshal(jobs)
	if err != nil {
		return nil, err
	}
	rows, err := r.schedules.QueryContext(ctx, string(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list = make([]ScheduleText, 0, len(jobs))
	for rows.Next() {
		var t ScheduleText
		if err := rows.Scan(&t.Job, &t.Version, &t.Text, &t.Anchor, &t.JobID, &t.Definition); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// versionQuery reads one version of a job, present or former.
const versionQuery = `SELECT j.job_id, j.owner, coalesce(v.definition, j.definition), coalesce(v.schedule, j.schedule), coalesce(v.anchor_at, j.anchor_at)
	FROM jobs j LEFT JOIN versions v ON v.job = j.id AND v.version = ?2 WHERE j.id = ?1 AND (j.version = ?2 OR v.version IS NOT NULL)`

// Plan reads one version of a job; errNotFound when there is none (any more).
func (r *Reader) Plan(ctx context.Context, job int64, version int) (*Plan, error) {
	key := planKey{job, version}
	r.cached.mu.Lock()
	p := r.cached.of[key]
	r.cached.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, timing, anchor, err := r.readVersion(ctx, job, version)
	if err != nil {
		return nil, err
	}
	// Zone data that lost a zone can break it: what the version did must be shown all the same.
	if p.Schedule, err = parseSchedule(timing, anchor); err != nil {
		p.Schedule = nil
	}
	r.cached.mu.Lock()
	defer r.cached.mu.Unlock()
	if r.cached.of == nil || len(r.cached.of) >= planCacheSize {
		r.cached.of = map[planKey]*Plan{}
	}
	r.cached.of[key] = p
	return p, nil
}

// readVersion reads one version of a job: the plan without its schedule, and the text and the anchor of that.
func (r *Reader) readVersion(ctx context.Context, job int64, version int) (p *Plan, timing string, anchor instant, err error) {
	p = new(Plan)
	var text string
	err = r.version.QueryRowContext(ctx, job, version).Scan(&p.JobID, &p.Owner, &text, &timing, &anchor)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNotFound
	}
	if err != nil {
		return p, "", 0, err
	}
	if p.Definition, err = parseDefinition(text); err != nil {
		err = fmt.Errorf("job %s, version %d: %w", p.JobID, version, err)
	}
	return p, timing, anchor, err
}
