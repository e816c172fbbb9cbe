package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"teiki/internal/door"
)

// Key is an API key as it is stored: enough to know it again, not enough to use it.
type Key struct {
	Prefix    string
	Hash      []byte
	Name      string
	Owner     string
	Scopes    door.Scopes
	AllowIP   door.Nets // empty = from anywhere
	CreatedAt instant
	ExpiresAt instant // 0 = never
	RevokedAt instant // 0 = valid
	UsedAt    instant // to the minute, 0 = never
}

// Valid tells whether the key opens at the instant now.
func (k *Key) Valid(now instant) bool {
	return k.RevokedAt == 0 && (k.ExpiresAt == 0 || now < k.ExpiresAt)
}

const keyColumns = "prefix, hash, name, owner, scopes, allow_ip, created_at, coalesce(expires_at, 0), coalesce(revoked_at, 0), coalesce(used_at, 0)"

func keyScan(scan func(...any) error) (*Key, error) {
	k := new(Key)
	var scopes, nets string
	err := scan(&k.Prefix, &k.Hash, &k.Name, &k.Owner, &scopes, &nets, &k.CreatedAt, &k.ExpiresAt, &k.RevokedAt, &k.UsedAt)
	if err != nil {
		return nil, err
	}
	if k.Scopes, err = door.ParseScopes(strings.FieldsFunc(scopes, func(r rune) bool { return r == ',' })); err != nil {
		return nil, fmt.Errorf("key %s: scopes %w", k.Prefix, err)
	}
	if k.AllowIP, err = door.ParseNets(nets); err != nil {
		return nil, fmt.Errorf("key %s: allow_ip %w", k.Prefix, err)
	}
	return k, nil
}

// Key reads the key that a prefix names, valid or not; errNotFound.
func (r *Reader) Key(ctx context.Context, prefix string) (*Key, error) {
	k, err := keyScan(r.read.QueryRowContext(ctx, "SELECT "+keyColumns+" FROM keys WHERE prefix = ?", prefix).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotFound
	}
	return k, err
}

// Keys reads all keys, the oldest first, also revoked ones.
func (r *Reader) Keys(ctx context.Context) (list []*Key, err error) {
	rows, err := r.read.QueryContext(ctx, "SELECT "+keyColumns+" FROM keys ORDER BY created_at, prefix")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		k, err := keyScan(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, rows.Err()
}

// CreateKey stores a key.
func (s *Store) CreateKey(ctx context.Context, k *Key) error {
	return s.change(ctx, func(t *tx) error { return t.createKey(k) })
}

func (t *tx) createKey(k *Key) error {
	k.CreatedAt = t.now
	if _, err := t.exec("INSERT INTO keys (prefix, hash, name, owner, scopes, allow_ip, created_at, expires_at) VALUES (?,?,?,?,?,?,?,?)",
		k.Prefix, k.Hash, k.Name, k.Owner, k.Scopes.String(), k.AllowIP.String(), int64(k.CreatedAt), orNull(k.ExpiresAt)); err != nil {
		return fmt.Errorf("new key: %w", err)
	}
	t.note(nil, nil, "key %s of %s: %s", k.Prefix, k.Owner, k.Scopes)
	return nil
}

// RevokeKey ends a key for ever; errNotFound also for one that was revoked before.
func (s *Store) RevokeKey(ctx context.Context, prefix string) error {
	return s.change(ctx, func(t *tx) error { return t.revokeKey(prefix) })
}

func (t *tx) revokeKey(prefix string) error {
	n, err := t.exec("UPDATE keys SET revoked_at = ? WHERE prefix = ? AND revoked_at IS NULL", int64(t.now), prefix)
	if err == nil && n == 0 {
		err = errNotFound
	}
	t.note(nil, nil, "key %s", prefix)
	return err
}

// UsedKey queues the time of a key's use, and does not wait for it.
func (s *Store) UsedKey(prefix string, at instant) {
	s.later(func(t *tx) error {
		_, err := t.exec("UPDATE keys SET used_at = ?1 WHERE prefix = ?2 AND coalesce(used_at, 0) < ?1 - ?3", int64(at), prefix, int64(time.Minute/time.Microsecond))
		return err
	})
}
