package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// keyring changes the keys of a database from outside the server, also while one runs on it: one short transaction under
// SQLite's own lock. Whoever may write the file may do this; the server finds the change with its next request.
type keyring struct {
	*Reader
	path string
}

// openKeyring opens the database at path, makes it when there is none, and upgrades it when no server uses it.
func openKeyring(ctx context.Context, path string) (*keyring, error) {
	r, err := openReader(ctx, path)
	if err != nil {
		s, failed := openStore(ctx, path, storeOptions{})
		if failed != nil {
			return nil, errors.Join(failed, err)
		}
		if err := s.Close(ctx); err != nil {
			return nil, err
		}
		if r, err = openReader(ctx, path); err != nil {
			return nil, err
		}
	}
	if path, err = realPath(path); err != nil {
		r.Close()
		return nil, err
	}
	return &keyring{r, path}, nil
}

// Create stores a key.
func (k *keyring) Create(ctx context.Context, key *Key) error {
	return k.change(ctx, "teiki key create", func(t *tx) error { return t.createKey(key) })
}

// Revoke ends a key; errNotFound also for one that was revoked before.
func (k *keyring) Revoke(ctx context.Context, prefix string) error {
	return k.change(ctx, "teiki key revoke", func(t *tx) error { return t.revokeKey(prefix) })
}

func (k *keyring) change(ctx context.Context, action string, apply func(t *tx) error) (err error) {
	pool, err := sql.Open("sqlite", writerDSN(k.path))
	if err != nil {
		return err
	}
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("database %s: %w", k.path, err)
	}
	defer conn.Close()
	s := &Store{conn: conn, stmt: map[string]*sql.Stmt{}, fast: map[string]driver.Stmt{}}
	defer s.closeStatements()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("database %s: %w", k.path, err)
	}
	t := &tx{s: s, now: instantOf(time.Now()), by: &asker{Actor: "teiki", All: true, Action: action}}
	if err = apply(t); err == nil {
		err = t.conclude()
	}
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	_, err = conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	return err
}
