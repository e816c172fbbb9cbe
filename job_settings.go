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

	Timeout        time.Duration // defaults of jobs that do not say
	ConnectTimeout time.Duration
	MaxRetries     int
	RetryBackoff   time.Duration
	RetryMaxDelay  time.Duration // cap of every retry delay, Retry-After included
	ExcerptBytes   int           // of a response that are kept
	MaxBodyBytes   int64         // of a response that are read

	Policy Policy // defaults: max_instances, overlap, coalesce, misfire_grace_time, catchup_limit

	KeepRuns   int           // retention per job by count, 0 = no limit
	KeepPeriod time.Duration // retention by age, 0 = no limit
}
