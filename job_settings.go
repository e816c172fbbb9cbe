package main

import (
	"time"

	"teiki/internal/door"
)

// Settings is the server's configuration; main_settings.go holds the table of flags, environment names and help that fills it.
type Settings struct {
	Listen       string
	DB           string
	Timezone     string // default zone of new jobs
	LogFormat    string // auto | text | json
	LogLevel     string
	DrainTimeout time.Duration

	MaxConcurrent int // calls out at one time
	MaxPerHost    int // calls out at one time to one host:port
	// MaxRatePerHost is the most calls per second to one host:port, 0 = no limit. The scheduler keeps to it: a call that has
	// to wait waits in the heap.
	MaxRatePerHost float64

	Timeout        time.Duration // defaults of jobs that do not say
	ConnectTimeout time.Duration
	MaxRetries     int
	RetryBackoff   time.Duration
	RetryMaxDelay  time.Duration // cap of every retry delay, Retry-After included
	ExcerptBytes   int           // of a response that are kept
	MaxBodyBytes   int64         // of a response that are read

	EgressAllow []string // what calls may reach, see internal/egress; none = everything that is not refused
	EgressDeny  []string // what they may not
	SecretsDir  string   // one file per {{secret.NAME}}
	CAFile      string   // PEM certificates that are trusted besides the system's
	ClientCert  string   // PEM certificate and key that calls show to a server that asks; read anew when the file changes
	ClientKey   string

	Policy Policy // defaults: max_instances, overlap, coalesce, misfire_grace_time, catchup_limit

	KeepRuns   int           // retention per job by count, 0 = no limit
	KeepPeriod time.Duration // retention by age, 0 = no limit
	KeepAudit  time.Duration // of the audit log, 0 = no limit

	Auth           string    // auto | required | none
	AllowIP        door.Nets // that may use the API, empty = all
	TrustedProxies door.Nets // whose X-Forwarded-For is believed
	AllowHosts     []string  // names that the Host header may have
	OpenDocs       bool      // the page and the documentation need no key
	JWTKey         string    // file, "" = no tokens are taken
	JWTIssuer      string
	JWTAudience    string
	JWTLeeway      time.Duration
	JWTOwnerClaim  string
	JWTScopeClaim  string
	QuotaJobs      int           // per owner, 0 = no limit
	QuotaRuns      float64       // per owner and second, 0 = no limit
	SweepEvery     time.Duration // between two goes at deleting old history, 0 = the store's own; measuring alone sets it
}
