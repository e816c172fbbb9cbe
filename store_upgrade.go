package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
)

//go:embed schema.sql
var schemaSQL string

// upgradeSteps holds, at index i, the SQL that takes a database from version i+1 to i+2. A step that has been released never
// changes. schema.sql must show what the last step leaves.
var upgradeSteps = []string{toVersion2}

// schemaVersion is the newest version: what schema.sql says.
var schemaVersion = 1 + len(upgradeSteps)

// upgrade brings the database on conn to the newest version, each step in a transaction of its own, so that a crash leaves a
// whole older version behind. An empty database gets schema.sql at once.
func upgrade(ctx context.Context, conn *sql.Conn, steps []string) error {
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == 0 {
		script := fmt.Sprintf("PRAGMA application_id = %d;\nINSERT INTO meta (key, value) VALUES ('id', '%s');", applicationID, newDatabaseID())
		return inTransaction(ctx, conn, 1+len(steps), schemaSQL+script)
	}
	for ; version < 1+len(steps); version++ {
		if err := inTransaction(ctx, conn, version+1, steps[version-1]); err != nil {
			return fmt.Errorf("upgrade from version %d: %w", version, err)
		}
	}
	return nil
}

// inTransaction runs script and stamps the version, or changes nothing.
func inTransaction(ctx context.Context, conn *sql.Conn, version int, script string) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}

// toVersion2: owners, keys, receipts, audit; partial indexes by finished_at.
const toVersion2 = `ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN rate REAL NOT NULL DEFAULT 0;
CREATE INDEX jobs_owner ON jobs (owner, id, rate) WHERE deleted_at IS NULL AND owner <> '';
CREATE TABLE keys (
  prefix     TEXT    PRIMARY KEY,
  hash       BLOB    NOT NULL,
  name       TEXT    NOT NULL,
  owner      TEXT    NOT NULL,
  scopes     TEXT    NOT NULL,
  allow_ip   TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  used_at    INTEGER
) WITHOUT ROWID;
CREATE TABLE receipts (
  actor       TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL,
  at          INTEGER NOT NULL,
  status      INTEGER NOT NULL,
  header      TEXT    NOT NULL,
  body        BLOB    NOT NULL,
  PRIMARY KEY (actor, key)
) WITHOUT ROWID;
CREATE INDEX receipts_at ON receipts (at);
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT    NOT NULL,
  owner   TEXT    NOT NULL,
  address TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  job_id  TEXT    NOT NULL,
  detail  TEXT    NOT NULL,
  before  TEXT,
  after   TEXT
);
CREATE INDEX audit_job ON audit (job_id, id);
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (job) WHERE finished_at IS NULL;
DROP INDEX runs_ended;
CREATE INDEX runs_ended ON runs (status, scheduled_at) WHERE status <> 'succeeded' AND finished_at IS NOT NULL;
CREATE INDEX timers_next ON timers (next_at);
`
