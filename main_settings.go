package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"teiki/internal/schedule"
	"teiki/internal/suggest"
)

// setting is one row of the configuration: the flag -name, the environment variable TEIKI_NAME, a line of -h and a row of the
// README's table are all made from it. Flags win over the environment, the environment over the default.
type setting struct {
	name   string
	value  string // the form of its value, as help shows it
	preset string // default, in the form that the flag takes
	help   string
	set    func(s *Settings, text string) error // an error says what is wrong and what would be right
}

// env is the setting's environment variable.
func (o setting) env() string {
	return "TEIKI_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// settingsTable is the whole configuration of the server.
func settingsTable() []setting {
	return append([]setting{
		{"listen", "HOST:PORT", "127.0.0.1:8000", "address of the API; port 0 takes a free one and logs it",
			func(s *Settings, v string) error { return setAddress(&s.Listen, v) }},
		{"db", "FILE", "jobs.db", "database file; made when it does not exist",
			func(s *Settings, v string) error { return setText(&s.DB, v, "a file name such as jobs.db") }},
		{"timezone", "ZONE", defaultZone, "time zone of jobs that name none (the environment's TZ comes before this default)",
			func(s *Settings, v string) error { return setZone(&s.Timezone, v) }},
		{"log-format", "FORMAT", "auto", "text, json, or auto: text on a terminal, json otherwise",
			func(s *Settings, v string) error { return setChoice(&s.LogFormat, v, "auto", "text", "json") }},
		{"log-level", "LEVEL", "info", "least level that is logged: debug, info, warn or error",
			func(s *Settings, v string) error { return setChoice(&s.LogLevel, v, "debug", "info", "warn", "error") }},
		{"drain-timeout", "DURATION", "30s", "how long running calls may go on after SIGTERM, before they end as interrupted",
			func(s *Settings, v string) error { return setDuration(&s.DrainTimeout, v, 0, time.Hour) }},
		{"max-concurrent", "N", "512", "calls out at one time",
			func(s *Settings, v string) error { return setInt(&s.MaxConcurrent, v, 1, 65536) }},
		{"max-per-host", "N", "128", "calls out at one time to one host and port",
			func(s *Settings, v string) error { return setInt(&s.MaxPerHost, v, 1, 65536) }},
		{"max-rate-per-host", "N", "0", "calls per second to one host and port; 0 = no limit",
			func(s *Settings, v string) error { return setRate(&s.MaxRatePerHost, v) }},

		{"timeout", "DURATION", "30s", "timeout_sec of jobs that give none: one whole attempt",
			func(s *Settings, v string) error { return setDuration(&s.Timeout, v, time.Millisecond, 24*time.Hour) }},
		{"connect-timeout", "DURATION", "10s", "connect_timeout_sec of jobs that give none: DNS, TCP and TLS",
			func(s *Settings, v string) error {
				return setDuration(&s.ConnectTimeout, v, time.Millisecond, 24*time.Hour)
			}},
		{"max-retries", "N", "0", "max_retries of jobs that give none",
			func(s *Settings, v string) error { return setInt(&s.MaxRetries, v, 0, 1000) }},
		{"retry-backoff", "DURATION", "2s", "retry_backoff_sec of jobs that give none",
			func(s *Settings, v string) error { return setDuration(&s.RetryBackoff, v, 0, 24*time.Hour) }},
		{"retry-max-delay", "DURATION", "1h", "longest wait before a retry, whatever a job or a Retry-After says",
			func(s *Settings, v string) error { return setDuration(&s.RetryMaxDelay, v, 0, 30*24*time.Hour) }},
		{"excerpt-bytes", "N", "1024", "bytes of each response that are kept in the history",
			func(s *Settings, v string) error { return setInt(&s.ExcerptBytes, v, 0, 1<<20) }},
		{"max-body-bytes", "N", "1048576", "bytes of each response that are read before the rest is left unread",
			func(s *Settings, v string) error { return setInt(&s.MaxBodyBytes, v, 1024, 1<<30) }},

		{"egress-allow", "LIST", "", "targets that calls may reach: CIDRs, hosts, ports, with commas; empty = all that are not refused",
			func(s *Settings, v string) error { return setList(&s.EgressAllow, v) }},
		{"egress-deny", "LIST", "", "targets that calls may not reach, besides link-local, metadata and multicast addresses",
			func(s *Settings, v string) error { return setList(&s.EgressDeny, v) }},
		{"secrets-dir", "DIR", "", "directory with one file for each {{secret.NAME}}; read anew at each use",
			func(s *Settings, v string) error { s.SecretsDir = v; return nil }},
		{"ca-file", "FILE", "", "PEM certificates that are trusted besides the system's",
			func(s *Settings, v string) error { s.CAFile = v; return nil }},
		{"client-cert", "FILE", "", "PEM certificate that calls show to a server that asks for one",
			func(s *Settings, v string) error { s.ClientCert = v; return nil }},
		{"client-key", "FILE", "", "PEM key of -client-cert",
			func(s *Settings, v string) error { s.ClientKey = v; return nil }},

		{"misfire-grace-time", "DURATION", "300s", "misfire_grace_time of jobs that give none; none = no limit",
			func(s *Settings, v string) error { return setGrace(&s.Policy.Grace, v) }},
		{"coalesce", "BOOL", "true", "coalesce of jobs that give none: one run for all firings that were missed",
			func(s *Settings, v string) error { return setBool(&s.Policy.Coalesce, v) }},
		{"max-instances", "N", "1", "max_instances of jobs that give none: runs of one job at one time",
			func(s *Settings, v string) error { return setInt(&s.Policy.MaxInstances, v, 1, maxMaxInstances) }},
		{"overlap", "RULE", "skip", "overlap of jobs that give none: skip, queue or replace",
			func(s *Settings, v string) error { return setChoice(&s.Policy.Overlap, v, overlaps...) }},
		{"catchup-limit", "N", "100", "catchup_limit of jobs that give none: most firings made up for, and most runs that wait with overlap queue",
			func(s *Settings, v string) error { return setInt(&s.Policy.CatchupLimit, v, 1, maxCatchupLimit) }},

		{"keep-runs", "N", "0", "runs kept of each job; 0 = no limit",
			func(s *Settings, v string) error { return setInt(&s.KeepRuns, v, 0, 1<<30) }},
		{"keep-period", "DURATION", "30d", "how long ended runs are kept; 0 = for ever",
			func(s *Settings, v string) error { return setDuration(&s.KeepPeriod, v, 0, 100*366*24*time.Hour) }},
	}, doorSettings()...)
}

const defaultZone = "Asia/Tokyo"

// errHelp says that -h was given: the caller prints the help and ends well.
var errHelp = flag.ErrHelp

// readSettings makes the configuration from the table: defaults, then the environment, then args. All faults are told at once.
func readSettings(args []string, getenv func(string) string) (*Settings, error) {
	s, table := &Settings{}, settingsTable()
	var faults []error
	given, err := readFlags(args, table)
	if err != nil {
		return nil, err
	}
	for _, o := range table {
		text, source := o.preset, "default"
		if tz := zoneOfTZ(getenv("TZ")); o.name == "timezone" && tz != "" {
			text, source = tz, "environment variable TZ"
		}
		if v := getenv(o.env()); v != "" {
			text, source = v, "environment variable "+o.env()
		}
		if v, ok := given[o.name]; ok {
			text, source = v, "flag -"+o.name
		}
		if err := o.set(s, text); err != nil {
			faults = append(faults, usage("%s: %q %w", source, text, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

// readFlags reads -name value, -name=value and their forms with two dashes; -name alone is true for a BOOL.
func readFlags(args []string, table []setting) (map[string]string, error) {
	given := map[string]string{}
	var names []string
	for _, o := range table {
		names = append(names, o.name)
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") || arg == "-" || arg == "--" {
			return nil, usage("%q is no flag; flags look like -listen 127.0.0.1:8000, -h lists them", arg)
		}
		name, value, joined := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if name == "h" || name == "help" {
			return nil, errHelp
		}
		option, ok := find(table, name)
		switch {
		case !ok:
			return nil, usage("there is no flag -%s%s; -h lists all", name, suggest.DidYouMean(name, names))
		case joined:
		case option.value == "BOOL" && (len(args) == 0 || strings.HasPrefix(args[0], "-")):
			value = "true"
		case len(args) == 0:
			return nil, usage("flag -%s needs a value: -%s %s", name, name, option.value)
		default:
			value, args = args[0], args[1:]
		}
		given[name] = value
	}
	return given, nil
}

func find(table []setting, name string) (setting, bool) {
	for _, o := range table {
		if o.name == name {
			return o, true
		}
	}
	return setting{}, false
}

// zoneOfTZ is the zone name in the POSIX variable TZ, which may be written :Asia/Tokyo or as a file of the zone database.
func zoneOfTZ(tz string) string {
	tz = strings.TrimPrefix(tz, ":")
	return strings.TrimPrefix(tz, "/usr/share/zoneinfo/")
}

func setText(p *string, v, right string) error {
	if v == "" || strings.ContainsRune(v, 0) {
		return fmt.Errorf("is empty or not printable: use %s", right)
	}
	*p = v
	return nil
}

func setAddress(p *string, v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("is no address: use HOST:PORT, for example 127.0.0.1:8000, [::1]:8000 or :8000 for all addresses")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("has no port from 0 to 65535: use for example 127.0.0.1:8000")
	}
	*p = v
	return nil
}

func setZone(p *string, v string) error {
	if _, fault := schedule.LoadZone(v); fault != nil {
		return errors.New(fault.Detail)
	}
	*p = v
	return nil
}

func setChoice(p *string, v string, choices ...string) error {
	for _, c := range choices {
		if v == c {
			*p = v
			return nil
		}
	}
	return fmt.Errorf("is not one of %s%s", strings.Join(choices, ", "), suggest.DidYouMean(v, choices))
}

func setInt[T int | int64](p *T, v string, least, most int64) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		return fmt.Errorf("is not a whole number from %d to %d", least, most)
	}
	*p = T(n)
	return nil
}

func setRate(p *float64, v string) error {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n == 0 || n >= 0.001 && n <= 1e6) {
		return errors.New("is not a number of calls per second: 0, or from 0.001 to 1000000")
	}
	*p = n
	return nil
}

func setList(p *[]string, v string) error {
	*p = nil
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*p = append(*p, item)
		}
	}
	return nil
}

func setBool(p *bool, v string) error {
	switch v {
	case "true", "1":
		*p = true
	case "false", "0":
		*p = false
	default:
		return errors.New("is neither true nor false")
	}
	return nil
}

func setGrace(p *time.Duration, v string) error {
	if v == "none" {
		*p = -1
		return nil
	}
	if setDuration(p, v, 0, 100*366*24*time.Hour) != nil {
		return errors.New("is no duration such as 300s, 5m or 1h, and not none (no limit)")
	}
	return nil
}

// setDuration takes Go's form (1h30m, 250ms), days (30d) and bare seconds (300).
func setDuration(p *time.Duration, v string, least, most time.Duration) error {
	d, err := time.ParseDuration(v)
	if n, plain := strconv.ParseFloat(v, 64); plain == nil && n >= 0 && n <= most.Seconds() {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, bad := strconv.ParseUint(days, 10, 16)
		d, err = time.Duration(n)*24*time.Hour, bad
	}
	if err != nil {
		return errors.New("is no duration: use for example 30s, 5m, 1h30m, 30d, or a number of seconds")
	}
	if d < least || d > most {
		return fmt.Errorf("is not from %s to %s", least, most)
	}
	*p = d
	return nil
}
