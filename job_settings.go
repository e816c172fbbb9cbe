package main

import "time"

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
	SweepEvery time.Duration // between two goes at deleting old history, 0 = the store's own; measuring alone sets it
}
