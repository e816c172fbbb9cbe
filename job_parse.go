package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"teiki/internal/schedule"
	"teiki/internal/strictjson"
)

// jobRequest is the body of POST /jobs and PUT /jobs/{job_id}: a definition and how to store it.
type jobRequest struct {
	Definition
	JobID           *string `json:"job_id"`
	ReplaceExisting bool    `json:"replace_existing"`

	plan *schedule.Schedule // of the definition
}

// Want says what Grace takes.
func (Grace) Want() string { return "a number of seconds, or null for no limit" }

// Want says what Strings takes.
func (Strings) Want() string { return "a string or a list of strings" }

// invalid is a request that is JSON but not what it should be: all its faults.
type invalid []Fault

func (e invalid) Error() string {
	var b strings.Builder
	for i, f := range e {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + " " + f.Detail)
	}
	return b.String()
}

// parseJob reads a job as its author wrote it and gives it canonical form, or all of its faults as an error of type invalid;
// of type *strictjson.SyntaxError when it is not JSON. now is the instant of creation; s gives the default time zone.
func parseJob(data []byte, now time.Time, s *Settings, env callEnv) (*jobRequest, error) {
	r := &jobRequest{}
	faults, err := decodeBody(data, r)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 && faults[0].Field == "" { // not an object: its fields are not missing, there are none
		return nil, invalid(faults)
	}
	if r.JobID != nil {
		faults = append(faults, checkJobID(*r.JobID)...)
	}
	plan, wrong := completeDefinition(&r.Definition, nil, now, s.Timezone, env)
	faults, r.plan = append(faults, wrong...), plan
	if faults = firstPerField(faults); len(faults) > 0 {
		return nil, invalid(faults)
	}
	return r, nil
}

// decodeBody is strictjson.Decode with this program's faults.
func decodeBody(data []byte, into any) ([]Fault, error) {
	found, err := strictjson.Decode(data, into)
	var faults []Fault
	for _, f := range found {
		faults = append(faults, Fault(f))
	}
	return faults, err
}

// completeDefinition checks all that can be checked of d without the database, and fills in what must not change later with
// the server's settings: method and time zone. old is the definition that d takes the place of, nil for a new job: a schedule
// that stays as it was is not judged anew, so that a job whose schedule is over can still be renamed. plan is the schedule, with
// now as the anchor of an interval that names no start.
func completeDefinition(d, old *Definition, now time.Time, zone string, env callEnv) (plan *schedule.Schedule, faults []Fault) {
	for _, raw := range []*json.RawMessage{&d.Cron, &d.Interval, &d.RunAt, &d.Body} {
		if bytes.Equal(*raw, []byte("null")) {
			*raw = nil
		}
	}
	faults = checkMethod(d)
	plan, wrong := schedule.Parse(d.source(instantOf(now)), zone)
	for _, f := range wrong {
		faults = append(faults, Fault(f))
	}
	if len(wrong) == 0 {
		d.Timezone = plan.Zone()
		if f := plan.Check(now); f != nil && (old == nil || old.scheduleText() != d.scheduleText()) {
			faults = append(faults, Fault(*f))
		}
	}
	faults = append(faults, checkPolicy(d)...)
	faults = append(faults, checkLabels(d)...)
	for _, f := range validateCall(d, env) {
		faults = append(faults, Fault(f))
	}
	return plan, faults
}

// mergeJob applies a JSON Merge Patch (RFC 7396) to the canonical form of old, and reads the outcome like a new job.
func mergeJob(old *Definition, patch []byte, now time.Time, env callEnv) (*Definition, error) {
	var members jobRequest
	if faults, err := decodeBody(patch, &members); err != nil {
		return nil, err
	} else if len(faults) > 0 {
		return nil, invalid(faults)
	}
	if members.JobID != nil || members.ReplaceExisting {
		return nil, invalid{{"job_id", "cannot be changed: create another job and delete this one"}}
	}
	text, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	d := &Definition{}
	faults, err := decodeBody(mergePatch(text, patch), d)
	if err != nil {
		return nil, err
	}
	_, wrong := completeDefinition(d, old, now, old.Timezone, env)
	faults = append(faults, wrong...)
	if faults = firstPerField(faults); len(faults) > 0 {
		return nil, invalid(faults)
	}
	return d, nil
}

// mergePatch is RFC 7396 for two valid JSON texts.
func mergePatch(target, patch json.RawMessage) json.RawMessage {
	var changes map[string]json.RawMessage
	if json.Unmarshal(patch, &changes) != nil || changes == nil {
		return patch // not an object: it replaces the target
	}
	members := map[string]json.RawMessage{}
	if json.Unmarshal(target, &members) != nil || members == nil {
		members = map[string]json.RawMessage{}
	}
	for name, change := range changes {
		if string(bytes.TrimSpace(change)) == "null" {
			delete(members, name)
			continue
		}
		members[name] = mergePatch(members[name], change)
	}
	merged, err := json.Marshal(members)
	if err != nil {
		panic(err) // parts that were parsed before: cannot fail
	}
	return merged
}

// firstPerField keeps of each field the first fault: a wrong type would otherwise also be reported as a missing field.
func firstPerField(faults []Fault) []Fault {
	seen := map[string]bool{}
	kept := faults[:0]
	for _, f := range faults {
		if !seen[f.Field] {
			seen[f.Field] = true
			kept = append(kept, f)
		}
	}
	return kept
}
