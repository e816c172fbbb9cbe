-- teiki's database, version 2 (PRAGMA user_version). Times are microseconds since the Unix epoch, UTC.
-- A later version is a numbered step in store_upgrade.go; this file always shows the newest form, and a test compares the two.

-- Facts about the database itself: 'id' (random, part of every run_id), and of each used time zone ('zone:Asia/Tokyo')
-- the fingerprint of its data and its changes of offset around now: a start with other data plans anew (store_zones.go).
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- One row per job, written when a person changes it. A deleted job stays, marked, as long as it has runs: the ledger needs its plan.
CREATE TABLE jobs (
  id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, so that a new job with an old name does not inherit its runs
  job_id       TEXT    NOT NULL,                  -- the name that users see
  version      INTEGER NOT NULL,                  -- from 1, +1 with each change of the definition
  schedule     TEXT    NOT NULL,                  -- the schedule part of it alone: a million jobs are planned without parsing the rest
  policy       TEXT    NOT NULL,                  -- overlap, catch-up and pause rules alone, for the same reason (Policy in job.go)
  host         TEXT    NOT NULL,                  -- host:port of the target: the key of the per-host limit
  zone_data    TEXT    NOT NULL DEFAULT '',       -- fingerprint of the time zone data that this version is planned with, '' = not known
  anchor_at    INTEGER NOT NULL,                  -- where an interval without start_date starts counting
  effective_at INTEGER NOT NULL,                  -- this version plans the firings later than this
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  deleted_at   INTEGER,                           -- this version plans the firings up to and including this; NULL = alive
  definition   TEXT    NOT NULL,                  -- canonical JSON (Definition in job.go); late, so that reading the rest never walks a long body
  owner        TEXT    NOT NULL DEFAULT '',       -- who sees and changes it besides admins; '' = made without access control
  rate         REAL    NOT NULL DEFAULT 0         -- planned runs per second at most, for the quota of its owner; 0 = no quota when it was stored
);
CREATE UNIQUE INDEX jobs_job_id ON jobs (job_id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_owner ON jobs (owner, id, rate) WHERE deleted_at IS NULL AND owner <> '';

-- What the timer loop and the counters write, apart from jobs because it is written with every firing: small rows, few pages.
CREATE TABLE timers (
  job              INTEGER PRIMARY KEY,          -- jobs.id
  version          INTEGER NOT NULL,             -- jobs.version: a claim made under an older definition must not succeed
  next_at          INTEGER,                      -- first firing without a row; NULL = paused, over or deleted. A claim changes it by compare and set.
  cursor_at        INTEGER NOT NULL,             -- every planned firing up to and including this has its row
  succeeded        INTEGER NOT NULL DEFAULT 0,   -- counters of firings by how they ended; they survive retention
  failed           INTEGER NOT NULL DEFAULT 0,
  interrupted      INTEGER NOT NULL DEFAULT 0,
  canceled         INTEGER NOT NULL DEFAULT 0,
  missed           INTEGER NOT NULL DEFAULT 0,
  skipped          INTEGER NOT NULL DEFAULT 0,
  coalesced        INTEGER NOT NULL DEFAULT 0,
  failures_in_row  INTEGER NOT NULL DEFAULT 0,   -- failed or interrupted runs since the last success, for pause_after_failures
  last_run         INTEGER,                      -- runs.id of the run that ended last, and its status
  last_status      TEXT,
  pruned_at        INTEGER NOT NULL DEFAULT 0    -- retention may have deleted rows of firings up to this: the ledger starts after it
);
CREATE INDEX timers_next ON timers (next_at); -- for the list by next run

-- Former definitions. The present one is in jobs; version n planned the firings in (effective_at, until_at].
CREATE TABLE versions (
  job          INTEGER NOT NULL,
  version      INTEGER NOT NULL,
  definition   TEXT    NOT NULL,
  schedule     TEXT    NOT NULL,
  zone_data    TEXT    NOT NULL DEFAULT '',
  anchor_at    INTEGER NOT NULL,
  effective_at INTEGER NOT NULL,
  until_at     INTEGER NOT NULL,
  PRIMARY KEY (job, version)
) WITHOUT ROWID;

-- No firing is planned in (paused_at, resumed_at]. An open pause has resumed_at NULL, and until_at when it ends by itself.
CREATE TABLE pauses (
  job        INTEGER NOT NULL,
  paused_at  INTEGER NOT NULL,
  resumed_at INTEGER,
  until_at   INTEGER,
  reason     TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job, paused_at)
) WITHOUT ROWID;
CREATE INDEX pauses_open ON pauses (job) WHERE resumed_at IS NULL;

-- One row per run, or per range of firings that were not called (count > 1, scheduled_at … scheduled_until).
CREATE TABLE runs (
  id              INTEGER PRIMARY KEY,           -- ordered by creation: Unix milliseconds << 20 | counter. The API shows it as a UUIDv7.
  job             INTEGER NOT NULL,              -- jobs.id
  version         INTEGER NOT NULL,              -- the definition that all its attempts use
  trigger         TEXT    NOT NULL,              -- schedule, manual, rerun, backfill
  serial          INTEGER NOT NULL,              -- 0 for a firing of the plan, else the run's id: makes (job, scheduled_at) unique for the plan alone
  scheduled_at    INTEGER NOT NULL,
  scheduled_until INTEGER,                       -- last firing of a range
  count           INTEGER NOT NULL DEFAULT 1,
  status          TEXT    NOT NULL,              -- see docs/runs.md
  reason          TEXT    NOT NULL DEFAULT '',
  due_at          INTEGER,                       -- while open: when the next attempt may leave
  attempt         INTEGER NOT NULL DEFAULT 0,    -- number of the current or last attempt; results are accepted for it alone
  started_at      INTEGER,                       -- first attempt
  finished_at     INTEGER,                       -- NULL = open: pending, running or retrying
  http_status     INTEGER,                       -- of the last attempt
  attempts        TEXT                           -- JSON list of the attempts that ended (names in store_attempts.go)
);
CREATE UNIQUE INDEX runs_firing ON runs (job, scheduled_at, serial);
CREATE INDEX runs_range ON runs (job, scheduled_until) WHERE scheduled_until IS NOT NULL;
CREATE INDEX runs_time ON runs (scheduled_at);
-- The conditions of the partial indexes are tested with every write: a list of statuses there would cost several times as much.
CREATE INDEX runs_open ON runs (job) WHERE finished_at IS NULL;
CREATE INDEX runs_ended ON runs (status, scheduled_at) WHERE status <> 'succeeded' AND finished_at IS NOT NULL;

-- API keys. A key itself is nowhere: 256 random bits, of which the SHA-256 is enough to know them again.
CREATE TABLE keys (
  prefix     TEXT    PRIMARY KEY,      -- names the key: its first part, which may be shown
  hash       BLOB    NOT NULL,         -- SHA-256 of the whole key
  name       TEXT    NOT NULL,
  owner      TEXT    NOT NULL,         -- whose jobs it sees
  scopes     TEXT    NOT NULL,         -- read,run,write,admin
  allow_ip   TEXT    NOT NULL,         -- networks it may come from; '' = all
  created_at INTEGER NOT NULL,
  expires_at INTEGER,                  -- NULL = never
  revoked_at INTEGER,
  used_at    INTEGER                   -- last use, to the minute
) WITHOUT ROWID;

-- What was done for a request with an Idempotency-Key, written in the transaction that did it; the answer follows.
CREATE TABLE receipts (
  actor       TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL,        -- SHA-256 of method, path, query and body
  at          INTEGER NOT NULL,        -- forgotten a day later
  status      INTEGER NOT NULL,        -- of the answer; 0 = the process ended before the answer was ready
  header      TEXT    NOT NULL,        -- JSON
  body        BLOB    NOT NULL,
  PRIMARY KEY (actor, key)
) WITHOUT ROWID;
CREATE INDEX receipts_at ON receipts (at);

-- Who changed what, written in the transaction of the change; also failed logins.
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT    NOT NULL,            -- key:PREFIX, jwt:OWNER, local (no access control), teiki (a command beside the server)
  owner   TEXT    NOT NULL,            -- of what was changed
  address TEXT    NOT NULL,            -- of the client; '' = this machine's command line
  action  TEXT    NOT NULL,            -- method and path of the operation, or login
  job_id  TEXT    NOT NULL,            -- '' = none
  detail  TEXT    NOT NULL,
  before  TEXT,                        -- redacted definition; NULL = did not exist, or was not changed
  after   TEXT
);
CREATE INDEX audit_job ON audit (job_id, id);
