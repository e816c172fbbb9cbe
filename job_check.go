package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"teiki/internal/suggest"
)

// Fault is one thing wrong with a request: the field, what is wrong with it and what would be right.
type Fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Bounds of what a job may say, in the units of its fields.
const (
	maxJobID        = 200 // characters, like the next three
	maxName         = 200
	maxDescription  = 10_000
	maxTag          = 100
	maxTags         = 50
	maxMaxInstances = 1000
	maxCatchupLimit = 10_000
	maxFailures     = 1_000_000
	maxKeepRuns     = 1_000_000_000
	maxSeconds      = 100 * 366 * 86400.0 // of grace and retention
)

var (
	overlaps = []string{"skip", "queue", "replace"}
)

// checkJobID holds the rules for a job_id: it is part of URLs as it is, so it has no character that would need care there.
func checkJobID(id string) []Fault {
	fault := func(format string, args ...any) []Fault { return []Fault{{"job_id", fmt.Sprintf(format, args...)}} }
	switch n := utf8.RuneCountInString(id); {
	case n == 0:
		return fault("must not be empty; leave it out to have one made")
	case n > maxJobID:
		return fault("has %d characters; at most %d are allowed", n, maxJobID)
	case strings.Trim(id, ".") == "":
		return fault("must not be dots alone: URLs with it would mean another path")
	}
	for _, r := range id {
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune("-._~!$&'()*+,;=:@", r) || r == utf8.RuneError {
			return fault("must not contain %q; letters, digits and -._~!$&'()*+,;=:@ are allowed", r)
		}
	}
	return nil
}

// checkMethod fills in GET and capital letters. A call with a body must say its method: a GET with a body is rarely meant.
func checkMethod(d *Definition) []Fault {
	if d.Method == "" {
		if d.Body != nil || d.BodyText != nil || d.BodyForm != nil || d.BodyBase64 != nil {
			return []Fault{{"method", `is required with a body, for example "POST"`}}
		}
		d.Method = "GET"
	}
	m := strings.ToUpper(d.Method)
	for _, known := range methods {
		if m == known {
			d.Method = m
			return nil
		}
	}
	return []Fault{{"method", fmt.Sprintf("must be one of %s, not %.40q%s", strings.Join(methods, ", "), d.Method, suggest.DidYouMean(m, methods))}}
}

// checkPolicy holds the rules for overlap, catch-up, automatic pause and retention.
func checkPolicy(d *Definition) []Fault {
	var faults []Fault
	whole := func(field string, n *int, least, most int) {
		if n != nil && (*n < least || *n > most) {
			faults = append(faults, Fault{field, fmt.Sprintf("must be a whole number from %d to %d, not %d", least, most, *n)})
		}
	}
	whole("max_instances", d.MaxInstances, 1, maxMaxInstances)
	whole("catchup_limit", d.CatchupLimit, 1, maxCatchupLimit)
	whole("pause_after_failures", d.PauseAfterFailures, 0, maxFailures)
	whole("keep_runs", d.KeepRuns, 0, maxKeepRuns)
	if g := d.MisfireGraceTime; g.Given && (g.Sec < 0 || g.Sec > maxSeconds) {
		faults = append(faults, Fault{"misfire_grace_time", fmt.Sprintf("must be from 0 to %.0f seconds, or null for no limit, not %v", maxSeconds, g.Sec)})
	}
	if k := d.KeepRunsSec; k != nil && (*k < 0 || *k > maxSeconds) {
		faults = append(faults, Fault{"keep_runs_sec", fmt.Sprintf("must be from 0 (for ever) to %.0f seconds, not %v", maxSeconds, *k)})
	}
	if d.Overlap != "" && !slices.Contains(overlaps, d.Overlap) {
		faults = append(faults, Fault{"overlap", fmt.Sprintf("must be one of %s, not %.40q%s", strings.Join(overlaps, ", "), d.Overlap, suggest.DidYouMean(d.Overlap, overlaps))})
	}
	return faults
}

// checkLabels holds the rules for name, description and tags.
func checkLabels(d *Definition) []Fault {
	faults := checkText("name", d.Name, maxName, "")
	faults = append(faults, checkText("description", d.Description, maxDescription, "\n\r\t")...)
	if len(d.Tags) > maxTags {
		faults = append(faults, Fault{"tags", fmt.Sprintf("has %d tags; at most %d are allowed", len(d.Tags), maxTags)})
		return faults
	}
	seen := map[string]bool{}
	for i, tag := range d.Tags {
		field := fmt.Sprintf("tags[%d]", i)
		if strings.TrimSpace(tag) == "" || strings.Contains(tag, ",") {
			faults = append(faults, Fault{field, "must be a word without commas, not empty"})
		}
		if seen[tag] {
			faults = append(faults, Fault{field, fmt.Sprintf("repeats the tag %.100q", tag)})
		}
		seen[tag] = true
		faults = append(faults, checkText(field, tag, maxTag, "")...)
	}
	return faults
}

// checkText bounds a text in characters and refuses control characters but those allowed.
func checkText(field, s string, most int, allowed string) []Fault {
	if n := utf8.RuneCountInString(s); n > most {
		return []Fault{{field, fmt.Sprintf("has %d characters; at most %d are allowed", n, most)}}
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return []Fault{{field, fmt.Sprintf("must not contain the control character %q", r)}}
		}
	}
	return nil
}
