package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// receipt is what is known of a request with an Idempotency-Key.
type receipt struct {
	Key         string
	Fingerprint []byte // of the request; another request under the same key is a mistake
	Status      int    // of the answer; 0 = not known
	Header      string // JSON
	Body        []byte
}

// Receipt reads the asker's receipt for a key; errNotFound when nothing was done under it, or it is forgotten.
func (r *Reader) Receipt(ctx context.Context, actor, key string, now instant) (*receipt, error) {
	c := &receipt{Key: key}
	var at instant
	err := r.read.QueryRowContext(ctx, "SELECT fingerprint, at, status, header, body FROM receipts WHERE actor = ? AND key = ?", actor, key).
		Scan(&c.Fingerprint, &at, &c.Status, &c.Header, &c.Body)
	if errors.Is(err, sql.ErrNoRows) || err == nil && now.Sub(at) > receiptPeriod {
		return nil, errNotFound
	}
	return c, err
}

// writeReceipt stores the receipt of the running change, in its transaction: whoever finds it knows that the change was made,
// and whoever does not knows that it was not. A change in several transactions writes it with the first.
func (t *tx) writeReceipt(by *asker) error {
	c := by.Receipt
	var had []byte
	var at instant
	err := t.get([]any{&had, &at}, "SELECT fingerprint, at FROM receipts WHERE actor = ? AND key = ?", by.Actor, c.Key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case t.now.Sub(at) > receiptPeriod:
	case !bytes.Equal(had, c.Fingerprint):
		return errReused
	default:
		return nil
	}
	_, err = t.exec(`INSERT OR REPLACE INTO receipts (actor, key, fingerprint, at, status, header, body) VALUES (?,?,?,?,0,'','')`,
		by.Actor, c.Key, c.Fingerprint, int64(t.now))
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	return nil
}

// AnswerReceipt adds the answer to a receipt, if there is one: a request that changed nothing left none.
func (s *Store) AnswerReceipt(ctx context.Context, actor string, c *receipt) error {
	return s.change(ctx, func(t *tx) error {
		_, err := t.exec("UPDATE receipts SET status = ?, header = ?, body = ? WHERE actor = ? AND key = ?", c.Status, c.Header, c.Body, actor, c.Key)
		return err
	})
}
