package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
)

// The statements of a new job go past database/sql, like those of store_hot.go: its locks and conversions cost as much as
// SQLite does for one row, and whoever makes jobs one at a time waits for each microsecond.

// fast runs use with the driver's statement for query, kept for the life of the connection: queries are constants.
func (t *tx) fast(query string, args []driver.Value, use func(st driver.Stmt, args []driver.NamedValue) error) error {
	return t.s.conn.Raw(func(c any) error {
		st, ok := t.s.fast[query]
		if !ok {
			var err error
			if st, err = c.(driver.ConnPrepareContext).PrepareContext(context.Background(), query); err != nil {
				return err
			}
			t.s.fast[query] = st
		}
		named := make([]driver.NamedValue, len(args))
		for i, v := range args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
		}
		return use(st, named)
	})
}

// insert runs query, which adds one row, and gives its key.
func (t *tx) insert(query string, args ...driver.Value) (id int64, err error) {
	err = t.fast(query, args, func(st driver.Stmt, args []driver.NamedValue) error {
		res, err := st.(driver.StmtExecContext).ExecContext(context.Background(), args)
		if err == nil {
			id, err = res.LastInsertId()
		}
		return err
	})
	return id, err
}

// has tells whether query, which selects one column, finds a row.
func (t *tx) has(query string, args ...driver.Value) (found bool, err error) {
	err = t.fast(query, args, func(st driver.Stmt, args []driver.NamedValue) error {
		rows, err := st.(driver.StmtQueryContext).QueryContext(context.Background(), args)
		if err != nil {
			return err
		}
		err = rows.Next(make([]driver.Value, 1))
		if found = err == nil; errors.Is(err, io.EOF) {
			err = nil
		}
		return errors.Join(err, rows.Close())
	})
	return found, err
}

// closeStatements frees what prepared and fast have kept.
func (s *Store) closeStatements() {
	for _, st := range s.stmt {
		st.Close()
	}
	_ = s.conn.Raw(func(any) error {
		for _, st := range s.fast {
			st.Close()
		}
		return nil
	})
}
