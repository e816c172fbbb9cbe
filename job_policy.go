package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// Policy is what the planner follows of a job: overlap, catch-up and automatic pause.
type Policy struct {
	MaxInstances       int
	Overlap            string        // skip | queue | replace
	Coalesce           bool          // one run stands for all that was missed
	Grace              time.Duration // misfire_grace_time; negative = no limit
	CatchupLimit       int           // most firings made up for, when Coalesce is false; also most runs that wait with overlap "queue"
	PauseAfterFailures int           // 0 = never
}

// policyFields are the definition's fields that make its policy, alone.
type policyFields struct {
	MaxInstances       *int   `json:"max_instances,omitempty"`
	Overlap            string `json:"overlap,omitempty"`
	Coalesce           *bool  `json:"coalesce,omitempty"`
	MisfireGraceTime   Grace  `json:"misfire_grace_time,omitzero"`
	CatchupLimit       *int   `json:"catchup_limit,omitempty"`
	PauseAfterFailures *int   `json:"pause_after_failures,omitempty"`
}

// policyText is the policy part of a definition as the database keeps it: only what the job's author gave, so that the
// server's settings go on to rule the rest.
func (d *Definition) policyText() string {
	p := policyFields{d.MaxInstances, d.Overlap, d.Coalesce, d.MisfireGraceTime, d.CatchupLimit, d.PauseAfterFailures}
	if p == (policyFields{}) {
		return "{}" // most jobs
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain numbers and strings: cannot fail
	}
	return string(b)
}

// parsePolicy reads what policyText wrote, over the server's defaults.
func parsePolicy(text string, p Policy) (Policy, error) {
	var f policyFields
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return p, fmt.Errorf("policy %q: %w", text, err)
	}
	if f.MaxInstances != nil {
		p.MaxInstances = *f.MaxInstances
	}
	if f.Overlap != "" {
		p.Overlap = f.Overlap
	}
	if f.Coalesce != nil {
		p.Coalesce = *f.Coalesce
	}
	if f.MisfireGraceTime.NoLimit {
		p.Grace = -1
	} else if f.MisfireGraceTime.Given {
		p.Grace = time.Duration(f.MisfireGraceTime.Sec * float64(time.Second))
	}
	if f.CatchupLimit != nil {
		p.CatchupLimit = *f.CatchupLimit
	}
	if f.PauseAfterFailures != nil {
		p.PauseAfterFailures = *f.PauseAfterFailures
	}
	return p, nil
}

// leastLateness is what never counts as late: timers, the commit of a claim and a full second of other jobs take their time,
// and a job that allows no lateness is still to be called.
const leastLateness = time.Second

// late tells whether an attempt that was due at due is beyond misfire_grace_time at the instant now.
func (p *Policy) late(now, due instant) bool {
	return p.Grace >= 0 && now.Sub(due) >= leastLateness && now.Sub(due) > p.Grace
}
