package main

import (
	"encoding/json"
	"time"
)

// instant is a point in time in microseconds since the Unix epoch: the resolution of the schedule dialect, the form of
// every time in the database. Zero means "none".
type instant int64

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixMicro())
}

// Time gives the instant in UTC; the zero instant gives the zero time.
func (i instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(i)).UTC()
}

// Sub is the time from j to i.
func (i instant) Sub(j instant) time.Duration { return time.Duration(i-j) * time.Microsecond }

// Add gives the instant d later.
func (i instant) Add(d time.Duration) instant { return i + instant(d/time.Microsecond) }

// Definition is what the author of a job wrote, in canonical form: flat JSON with the old service's names. Absent fields
// (nil, "") follow the server's settings when the run is made; Timezone is always filled in at creation, because a changed
// default zone must not move the jobs that exist.
type Definition struct {
	ScheduleType string          `json:"schedule_type"`
	Cron         json.RawMessage `json:"cron,omitempty"`     // object or crontab(5) string
	Interval     json.RawMessage `json:"interval,omitempty"` // object
	RunAt        json.RawMessage `json:"run_at,omitempty"`   // string
	Timezone     string          `json:"timezone,omitempty"` // IANA name

	TargetURL  string            `json:"target_url"`
	Method     string            `json:"method"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       json.RawMessage   `json:"body,omitempty"`        // sent as application/json
	BodyText   *string           `json:"body_text,omitempty"`   // sent as text/plain
	BodyForm   map[string]string `json:"body_form,omitempty"`   // sent as application/x-www-form-urlencoded
	BodyBase64 *string           `json:"body_base64,omitempty"` // sent as application/octet-stream

	TimeoutSec          *float64 `json:"timeout_sec,omitempty"`            // whole attempt
	ConnectTimeoutSec   *float64 `json:"connect_timeout_sec,omitempty"`    // DNS, TCP and TLS
	FirstByteTimeoutSec *float64 `json:"first_byte_timeout_sec,omitempty"` // from request sent to response headers

	MaxRetries         *int     `json:"max_retries,omitempty"`
	RetryBackoffSec    *float64 `json:"retry_backoff_sec,omitempty"`
	RetryMultiplier    *float64 `json:"retry_multiplier,omitempty"`
	RetryMaxBackoffSec *float64 `json:"retry_max_backoff_sec,omitempty"`
	RetryJitter        *float64 `json:"retry_jitter,omitempty"`     // 0…1, the share of the delay that is random
	RetryBudgetSec     *float64 `json:"retry_budget_sec,omitempty"` // no retry starts later than this after the first attempt
	RetryOn            []string `json:"retry_on,omitempty"`         // connect, dns, tls, timeout, 5xx, interrupted, "429", …

	Success   *Success   `json:"success,omitempty"`
	Redirects *Redirects `json:"redirects,omitempty"`
	Auth      *Auth      `json:"auth,omitempty"`

	// SigningSecret signs as Standard Webhooks says; two secrets while rotating.
	SigningSecret Strings `json:"signing_secret,omitempty"`

	MaxInstances       *int     `json:"max_instances,omitempty"`
	Overlap            string   `json:"overlap,omitempty"` // skip | queue | replace
	Coalesce           *bool    `json:"coalesce,omitempty"`
	MisfireGraceTime   Grace    `json:"misfire_grace_time,omitzero"` // seconds; null = no limit
	CatchupLimit       *int     `json:"catchup_limit,omitempty"`     // most firings made up for with coalesce false
	PauseAfterFailures *int     `json:"pause_after_failures,omitempty"`
	KeepRuns           *int     `json:"keep_runs,omitempty"`     // retention by count
	KeepRunsSec        *float64 `json:"keep_runs_sec,omitempty"` // retention by age

	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// Grace is misfire_grace_time: a number of seconds, or null for no limit, which differs from an absent field (the zero Grace).
type Grace struct {
	Given   bool
	NoLimit bool
	Sec     float64
}

// MarshalJSON writes the number, or null for no limit.
func (g Grace) MarshalJSON() ([]byte, error) {
	if g.NoLimit {
		return []byte("null"), nil
	}
	return json.Marshal(g.Sec)
}

// UnmarshalJSON reads a number or null.
func (g *Grace) UnmarshalJSON(b []byte) error {
	*g = Grace{Given: true, NoLimit: string(b) == "null"}
	if g.NoLimit {
		return nil
	}
	return json.Unmarshal(b, &g.Sec)
}

// Strings is a list that may be written as one string.
type Strings []string

// UnmarshalJSON takes a string or a list of strings.
func (s *Strings) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = Strings{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// MarshalJSON writes a single string as a string.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return json.Marshal(s[0])
	}
	return json.Marshal([]string(s))
}

// Success says what counts as a successful answer. Every condition given must hold.
type Success struct {
	Status        []string    `json:"status,omitempty"` // "200", "2xx", "200-204"
	BodyContains  string      `json:"body_contains,omitempty"`
	BodyMatches   string      `json:"body_matches,omitempty"` // RE2
	JSON          []JSONCheck `json:"json,omitempty"`
	MaxDurationMS *float64    `json:"max_duration_ms,omitempty"`
}

// JSONCheck compares the value at an RFC 6901 pointer of the response body.
type JSONCheck struct {
	Pointer string          `json:"pointer"`
	Equals  json.RawMessage `json:"equals"`
}

// Redirects says how many redirects an attempt follows; none without it.
type Redirects struct {
	Follow int `json:"follow"`
}

// Auth is how a call identifies itself: exactly one of the three.
type Auth struct {
	Basic  *BasicAuth  `json:"basic,omitempty"`
	Bearer string      `json:"bearer,omitempty"`
	OAuth2 *OAuth2Auth `json:"oauth2,omitempty"`
}

// BasicAuth is RFC 7617.
type BasicAuth struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// OAuth2Auth is the client credentials grant of RFC 6749, section 4.4.
type OAuth2Auth struct {
	TokenURL     string   `json:"token_url"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Scopes       []string `json:"scopes,omitempty"`
	Audience     string   `json:"audience,omitempty"`
}

// Status is where a run stands.
type Status string

// The statuses of a run. The first three are open; the others are ends, and final.
const (
	Pending     Status = "pending"  // has a row, waits for its turn
	Running     Status = "running"  // claimed: its call is leaving, or has left
	Retrying    Status = "retrying" // an attempt failed, the next one is due at due_at
	Succeeded   Status = "succeeded"
	Failed      Status = "failed"
	Interrupted Status = "interrupted" // the outcome of its last call is unknown: crash, or the end of the drain
	Canceled    Status = "canceled"
	Missed      Status = "missed"    // later than misfire_grace_time: not called
	Skipped     Status = "skipped"   // overlap: not called
	Coalesced   Status = "coalesced" // made up for by one later firing: not called
)

// Open tells whether a run may still change.
func (s Status) Open() bool { return s == Pending || s == Running || s == Retrying }

// Trigger is why a run was made.
type Trigger string

// The triggers of a run. Only scheduled runs are firings of the plan.
const (
	BySchedule Trigger = "schedule"
	ByHand     Trigger = "manual"
	ByRerun    Trigger = "rerun"
	ByBackfill Trigger = "backfill"
)

// The reasons of a run's status: stable codes, listed in docs/runs.md.
const (
	ReasonMisfire    = "misfire_grace_time" // missed: found later than the grace allows
	ReasonCatchup    = "catchup_limit"      // missed: more than the bound on made-up firings
	ReasonOverlap    = "max_instances"      // skipped, or pending: the limit was reached
	ReasonQueueFull  = "queue_full"         // skipped: overlap "queue" holds as many as it may
	ReasonCoalesced  = "coalesced"          // a later firing stands for this one
	ReasonReplaced   = "replaced"           // canceled by a newer firing, overlap "replace"
	ReasonDeleted    = "job_deleted"        // canceled: its job was deleted before its next attempt
	ReasonByUser     = "canceled_by_user"
	ReasonCrash      = "crash"    // interrupted: the process ended while the call was out
	ReasonShutdown   = "shutdown" // interrupted: the drain ended before the call
	ReasonPaused     = "paused"   // held back by a pause
	ReasonRetryLate  = "retry_expired"
	ReasonHTTPStatus = "http_status" // failed: the status is not a success
)

// Run is one planned or manual firing of a job, or, for what was planned but not called, a range of Count firings.
type Run struct {
	ID      int64 // database key, ordered by creation; the API shows its UUIDv7 form
	Job     int64 // database key of the job
	JobID   string
	Version int // version of the definition it was made under: all its attempts use that one
	Trigger Trigger
	Status  Status
	Reason  string

	ScheduledAt    instant
	ScheduledUntil instant // last firing of a range, else 0
	Count          int     // firings that this row stands for
	DueAt          instant // when the (next) attempt may leave: scheduled_at + jitter, or the retry's time
	StartedAt      instant // first attempt
	FinishedAt     instant
	HTTPStatus     int // of the last attempt, 0 = none
	Attempt        int // number of the current or last attempt, 0 = none yet
	Attempts       []Attempt
}

// Attempt is one HTTP call of a run, as it is stored and shown.
type Attempt struct {
	Attempt    int       `json:"attempt"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS float64   `json:"duration_ms"`

	HTTPStatus int    `json:"http_status,omitempty"`
	Error      string `json:"error,omitempty"` // class: connect, dns, tls, timeout, interrupted, egress_denied, …; "" = an answer came
	Reason     string `json:"reason,omitempty"`
	Detail     string `json:"detail,omitempty"` // one line for people, masked

	Response *Response `json:"response,omitempty"`
	Timings  *Timings  `json:"timings,omitempty"`
	Remote   *Remote   `json:"remote,omitempty"`

	// RetryAfter is the target's wish (Retry-After, both forms) as an instant; it only steers the retry.
	RetryAfter time.Time `json:"-"`
	// OK: the answer meets the job's success conditions.
	OK bool `json:"ok"`
}

// Response is what is kept of an answer: never more than the excerpt.
type Response struct {
	ContentType string `json:"content_type,omitempty"`
	Length      int64  `json:"length"` // bytes read
	Truncated   bool   `json:"truncated,omitempty"`
	Binary      bool   `json:"binary,omitempty"`
	SHA256      string `json:"sha256,omitempty"` // of the bytes read
	Excerpt     string `json:"excerpt,omitempty"`
	Location    string `json:"location,omitempty"` // where a refused redirect pointed
}

// Timings of one attempt, in milliseconds; absent where the phase did not happen (a reused connection).
type Timings struct {
	DNS       float64 `json:"dns_ms,omitempty"`
	Connect   float64 `json:"connect_ms,omitempty"`
	TLS       float64 `json:"tls_ms,omitempty"`
	FirstByte float64 `json:"first_byte_ms,omitempty"`
	Total     float64 `json:"total_ms"`
}

// Remote is the other end of an attempt's connection.
type Remote struct {
	Address         string `json:"address,omitempty"`
	Protocol        string `json:"protocol,omitempty"`
	TLSVersion      string `json:"tls_version,omitempty"`
	CertExpiresDays *int   `json:"cert_expires_days,omitempty"`
	Reused          bool   `json:"reused,omitempty"`
}

// Call is one attempt to be made: everything that the executor needs, and nothing that it may change.
type Call struct {
	Run         int64
	RunID       string // UUIDv7; also the Idempotency-Key of every attempt
	Job         int64
	JobID       string
	Definition  *Definition // of the run's version, shared: read only
	ScheduledAt instant
	Attempt     int // from 1
	Zone        *time.Location
}
