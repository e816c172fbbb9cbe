package main

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// AuditEntry is one thing that somebody did, or failed to.
type AuditEntry struct {
	ID      int64
	At      instant
	Actor   string
	Owner   string
	Address string
	Action  string
	JobID   string
	Detail  string
	Before  json.RawMessage // redacted; nil = did not exist, or was not changed
	After   json.RawMessage
}

// audit writes one trace of the running change.
func (t *tx) audit(c trace) error {
	e := AuditEntry{At: t.now, Actor: t.by.Actor, Owner: t.by.Owner, Address: t.by.Address, Action: t.by.Action, Detail: c.detail}
	var before, after driver.Value
	if c.before != nil {
		e.JobID, e.Owner = c.before.JobID, c.before.Owner
	}
	if c.after != nil {
		e.JobID, e.Owner = c.after.JobID, c.after.Owner
	}
	if c.before != nil && (c.after == nil || c.before.definition != c.after.definition) {
		text, err := redactedText(c.before)
		if err != nil {
			return err
		}
		before = text
	}
	if c.after != nil && (c.before == nil || c.before.definition != c.after.definition) {
		text, err := redactedText(c.after)
		if err != nil {
			return err
		}
		after = text
	}
	return t.insertAudit(e, before, after)
}

func (t *tx) insertAudit(e AuditEntry, before, after driver.Value) error {
	_, err := t.insert("INSERT INTO audit (at, actor, owner, address, action, job_id, detail, before, after) VALUES (?,?,?,?,?,?,?,?,?)",
		int64(e.At), e.Actor, e.Owner, e.Address, e.Action, e.JobID, e.Detail, before, after)
	return err
}

// redactedText is j's definition without its literal credentials.
func redactedText(j *Job) (string, error) {
	if j.shown != "" {
		return j.shown, nil
	}
	if j.Definition == nil {
		if err := j.parse(); err != nil {
			return "", err
		}
	}
	return shownText(j.Definition, j.definition)
}

// shownText is d, whose text is given, without its literal credentials.
func shownText(d *Definition, text string) (string, error) {
	r := redact(*d)
	if reflect.DeepEqual(r, *d) {
		return text, nil // nothing was redacted
	}
	b, err := json.Marshal(r)
	return string(b), err
}

// RecordLogin queues an entry on a failed login and does not wait for it. The caller bounds how many there are.
func (s *Store) RecordLogin(actor, address, detail string) {
	s.later(func(t *tx) error {
		return t.insertAudit(AuditEntry{At: t.now, Actor: actor, Address: address, Action: "login", Detail: detail}, nil, nil)
	})
}

// later queues a change that nobody waits for.
func (s *Store) later(apply func(t *tx) error) {
	_ = s.submit(&changeOp{apply: apply, done: make(chan struct{})}) // a closing store takes nothing more, and nobody waits
}

// AuditFilter says which entries are wanted. Zero fields want all.
type AuditFilter struct {
	JobID    string
	Actor    string
	Action   string
	From, To instant // both inclusive
	After    int64   // ID of the last entry of the page before
	Limit    int
}

// Audit gives one page of entries, newest first; next is the After of the following page, 0 when there is none. An asker that is
// limited to an owner sees that owner's alone.
func (r *Reader) Audit(ctx context.Context, f AuditFilter) (page []AuditEntry, next int64, err error) {
	where, args := []string{"1"}, []any{}
	add := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	if owner, ok := askerOf(ctx).limited(); ok {
		add("owner = ?", owner)
	}
	if f.JobID != "" {
		add("job_id = ?", f.JobID)
	}
	if f.Actor != "" {
		add("actor = ?", f.Actor)
	}
	if f.Action != "" {
		add("action = ?", f.Action)
	}
	if f.From != 0 {
		add("at >= ?", int64(f.From))
	}
	if f.To != 0 {
		add("at <= ?", int64(f.To))
	}
	if f.After != 0 {
		add("id < ?", f.After)
	}
	rows, err := r.read.QueryContext(ctx, "SELECT id, at, actor, owner, address, action, job_id, detail, coalesce(before, ''), coalesce(after, '') FROM audit WHERE "+
		strings.Join(where, " AND ")+" ORDER BY id DESC LIMIT ?", append(args, f.Limit+1)...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var e AuditEntry
		var before, after string
		if err := rows.Scan(&e.ID, &e.At, &e.Actor, &e.Owner, &e.Address, &e.Action, &e.JobID, &e.Detail, &before, &after); err != nil {
			return nil, 0, err
		}
		if len(page) == f.Limit {
			return page, page[f.Limit-1].ID, nil
		}
		if before != "" {
			e.Before = json.RawMessage(before)
		}
		if after != "" {
			e.After = json.RawMessage(after)
		}
		page = append(page, e)
	}
	return page, 0, rows.Err()
}

// receiptPeriod is how long a receipt keeps a repeated request from doing its work again.
const receiptPeriod = 24 * time.Hour

// sweepRecords deletes old receipts and audit entries, a step at a time.
func (s *Store) sweepRecords(ctx context.Context, now instant) error {
	queries := map[string]instant{"DELETE FROM receipts WHERE (actor, key) IN (SELECT actor, key FROM receipts WHERE at < ? LIMIT 100)": now.Add(-receiptPeriod)}
	if s.keepAudit > 0 {
		queries["DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY id LIMIT 100)"] = now.Add(-s.keepAudit)
	}
	for query, before := range queries {
		for n := int64(1); n > 0; {
			began := time.Now()
			err := s.change(ctx, func(t *tx) (err error) { n, err = t.exec(query, int64(before)); return err })
			if err != nil {
				return fmt.Errorf("old records: %w", err)
			}
			if err := rest(ctx, sweepShare*time.Since(began)); err != nil {
				return err
			}
		}
	}
	return nil
}
