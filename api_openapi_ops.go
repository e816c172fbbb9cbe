package main

// operations is every route, described. A test compares it with the routes.
func operations() []operation {
	return []operation{
		{pattern: "POST /jobs", summary: "Create a job", body: jobRequest{}, example: exampleCron,
			about:   "With `replace_existing: true` a job with this `job_id` becomes the new one; without, a taken name is 409. A `completed` job's name is free.",
			answers: []described{{201, "The job is on disk and will fire.", jobAnswer{}, ""}, dryRunJob}},
		{pattern: "GET /jobs", summary: "List jobs", params: []string{"state", "tag", "q", "owner", "sort", "fields", "limit", "cursor"},
			about:   "Without `limit` all jobs stream. A page may have fewer jobs than `limit` and still be followed by another: go on until `next_cursor` is null.",
			answers: []described{{200, "The jobs.", "JobList", ""}}},
		{pattern: "GET /jobs/{job_id}", summary: "Show a job", params: []string{"next", "If-None-Match", "Accept-Language"},
			answers: []described{{200, "The whole job, credentials masked, with its next times. `ETag` names this answer.", jobView{}, ""}, {304, "The answer is the one that `If-None-Match` names.", nil, ""}}},
		{pattern: "PUT /jobs/{job_id}", summary: "Replace or create a job", body: jobRequest{}, example: exampleInterval,
			answers: []described{{200, "The job as it is now.", jobView{}, ""}, {201, "The job is new.", jobView{}, ""}}},
		{pattern: "PATCH /jobs/{job_id}", summary: "Change a job", body: "JobPatch", media: "application/merge-patch+json", example: `{"timeout_sec": 10, "description": null}`,
			about:   "A JSON Merge Patch (RFC 7396): members given replace, null takes a member away, objects are merged.",
			answers: []described{{200, "The job as it is now.", jobView{}, ""}}},
		{pattern: "DELETE /jobs/{job_id}", summary: "Delete a job", about: "A call that is out may finish; runs that wait end as canceled.",
			answers: []described{{200, "The job is gone.", "JobStatusOrTrial", ""}}},
		{pattern: "POST /jobs/{job_id}/pause", summary: "Pause a job", body: "PauseRequest", maybe: true, example: `{"reason": "maintenance"}`,
			answers: []described{{200, "Nothing fires until the job is resumed.", "JobStatusOrTrial", ""}}},
		{pattern: "POST /jobs/{job_id}/resume", summary: "Resume a job", answers: []described{{200, "The plan goes on from now.", "JobStatusOrTrial", ""}}},
		{pattern: "POST /jobs/{job_id}/run", summary: "Run a job now", about: "Whatever the schedule says, also while it is paused.", errors: []int{404},
			answers: []described{{202, "The run will start at once.", runAnswer{}, ""}, dryRunJob}},
		{pattern: "POST /jobs/{job_id}/test", summary: "Try a job's call now", about: "Whatever its schedule and pause say, and without retries. It leaves a manual run.", errors: []int{404, 429},
			answers: []described{{200, "The call as it went out, and what came back; in a dry run the job.", "TryOrTrial", ""}}},
		{pattern: "POST /jobs/test", summary: "Try the call of a job that is not saved", body: jobRequest{}, example: exampleInterval, about: "It leaves no run.", errors: []int{429},
			answers: []described{{200, "The call as it went out, and what came back.", tryView{}, ""}}},
		{pattern: "POST /jobs/{job_id}/backfill", summary: "Make up for firings of the past", body: "BackfillRequest", example: `{"from": "2026-01-01T00:00:00+09:00", "to": "2026-01-31T23:59:59+09:00", "dry_run": true}`,
			answers: []described{{202, "The runs wait for their turn.", "Backfill", ""}, {200, "What would be made, or what a dry run of the request would leave.", "BackfillOrTrial", ""}}},
		{pattern: "POST /jobs/bulk", summary: "Do one thing to many jobs", body: bulkRequest{}, example: `{"selector": {"tags": ["host:old.example.com"]}, "action": "pause", "dry_run": true}`,
			about:   "Each job is changed by itself: one that fails is reported and hinders no other. Needs the scope of the action too: `run`, or `write`.",
			answers: []described{{200, "What became of each.", "BulkAnswer", ""}}},
		{pattern: "GET /jobs/{job_id}/runs", summary: "List a job's runs", params: runParams, answers: []described{{200, "The runs, newest first.", "RunList", ""}}},
		{pattern: "GET /jobs/{job_id}/versions", summary: "List a job's versions", answers: []described{{200, "The versions, the present one first.", "VersionList", ""}}},
		{pattern: "POST /jobs/{job_id}/versions/{version}/restore", summary: "Restore a former version", answers: []described{{200, "The job as it is now.", jobView{}, ""}}},
		{pattern: "GET /runs", summary: "List runs", params: append([]string{"job_id"}, runParams...), answers: []described{{200, "The runs, newest first.", "RunList", ""}}, errors: []int{404}},
		{pattern: "GET /runs/{run_id}", summary: "Show a run", answers: []described{{200, "The run with its attempts.", "RunWithAttempts", ""}}},
		{pattern: "POST /runs/{run_id}/rerun", summary: "Make a new run for the same firing", answers: []described{{202, "The run will start at once.", runAnswer{}, ""}, dryRunJob}},
		{pattern: "POST /runs/{run_id}/cancel", summary: "Cancel a run",
			answers: []described{{200, "The run has ended, or this was a dry run.", "RunStatusOrTrial", ""}, {202, "The end of its call is on its way.", runAnswer{}, ""}}},
		{pattern: "POST /schedules/preview", summary: "Show when a schedule fires", body: previewRequest{}, example: `{"schedule_type": "cron", "cron": {"day": "last fri", "hour": "18"}, "timezone": "Asia/Tokyo", "count": 3}`, params: []string{"Accept-Language"},
			answers: []described{{200, "Its next times.", "Preview", ""}}},
		{pattern: "GET /events", summary: "Follow what happens", params: []string{"job_id", "type", "last_event_id", "Last-Event-ID"},
			about:   "Server-sent events: `run` (a run began, failed an attempt, ended), `job` (a job was made, changed, paused, deleted) and `reset` (the reader has missed something and should read the lists anew). The data of `run` is a RunEvent, of `job` a JobEvent.",
			answers: []described{{200, "The stream; it ends with the connection.", "EventStream", "text/event-stream"}}},
		{pattern: "GET /export", summary: "Export jobs", params: []string{"state", "tag", "q", "owner"}, about: "JSON Lines: each line is an ExportLine, which POST /import takes. Literal credentials are masked.",
			answers: []described{{200, "One job per line.", "JSONLines", "application/jsonl"}}},
		{pattern: "POST /import", summary: "Import jobs", body: "JSONLines", media: "application/jsonl", example: `{"job_id": "report", "schedule_type": "cron", "cron": {"hour": "10"}, "target_url": "https://example.com/report", "method": "POST"}`,
			about:   "All lines, or nothing. Each line is the body of a POST /jobs, or what GET /export writes. Faults name their line.",
			answers: []described{{200, "What became of each line.", "ImportResult", ""}}},
		{pattern: "GET /keys", summary: "List API keys", answers: []described{{200, "The keys, without what makes them work.", "KeyList", ""}}},
		{pattern: "POST /keys", summary: "Make an API key", body: keyRequest{}, example: `{"name": "deploy pipeline", "owner": "billing", "scopes": ["read", "write"], "allow_ip": ["10.0.0.0/8"]}`,
			answers: []described{{201, "The key: it is in this answer and cannot be read again.", newKeyView{}, ""}, {200, "A dry run.", "DryRun", ""}}},
		{pattern: "DELETE /keys/{prefix}", summary: "Revoke an API key", answers: []described{{200, "The key opens nothing any more.", "KeyStatusOrTrial", ""}}},
		{pattern: "GET /audit", summary: "Read the audit log", params: []string{"job_id", "actor", "action", "from", "to", "limit", "cursor"},
			about: "Who changed what, newest first; also failed logins (`action=login`).", answers: []described{{200, "The entries.", "AuditList", ""}}},
		{pattern: "GET /ledger", summary: "Compare the plan with the rows", params: []string{"job_id", "from", "to"}, errors: []int{404}, about: "The same as `teiki verify -json`: what was planned, what became of it, and every difference.",
			answers: []described{{200, "The comparison.", tally{}, ""}}},
		{pattern: "GET /metrics", summary: "Read metrics", answers: []described{{200, "Prometheus' text format, or the one that Accept asks for.", "Text", "text/plain"}}},
		{pattern: "GET /healthz", summary: "Is the process up?", answers: []described{{200, "It answers.", "Health", ""}}},
		{pattern: "GET /readyz", summary: "Do the database and the timer loop work?", answers: []described{{200, "They do.", "Ready", ""}}},
		{pattern: "GET /openapi.json", summary: "This document", answers: []described{{200, "OpenAPI 3.1.", "AnyObject", ""}}},
		{pattern: "GET /docs", summary: "This document as a page", answers: []described{{200, "Swagger UI.", "Text", "text/html"}}},
		{pattern: "GET /docs/{file}", summary: "A file of that page", answers: []described{{200, "The file.", "Text", "text/javascript text/css image/png"}}},
		{pattern: "GET /{$}", summary: "The page", answers: []described{{200, "A page for people.", "Text", "text/html"}}},
	}
}

var dryRunJob = described{200, "A dry run: the job as it would be. Nothing was stored.", jobView{}, ""}

var runParams = []string{"status", "trigger", "from", "to", "http_status", "q", "limit", "cursor"}

// Examples of the old service's README.
const (
	exampleCron     = `{"schedule_type": "cron", "cron": {"hour": "10", "minute": "30"}, "target_url": "https://example.com/api/run-report", "method": "POST", "headers": {"Authorization": "Bearer XXX"}, "body": {"report": "daily", "projectId": 123}, "max_retries": 2, "retry_backoff_sec": 2.0}`
	exampleInterval = `{"schedule_type": "interval", "interval": {"minutes": 10}, "target_url": "https://example.com/health/check", "method": "GET"}`
)

func members(required []string, properties object) func(*schemas) object {
	return func(*schemas) object {
		return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	}
}

func text(words string) object { return object{"type": "string", "description": words} }

func flagged(words string) object { return object{"type": "boolean", "description": words} }

func wholeNumber(words string) object { return object{"type": "integer", "description": words} }

var cursorMember = object{"type": []string{"string", "null"}, "description": "The cursor of the next page; null or absent at the end."}

// listed is a list in an object.
func listed(name string, of any, paged bool) func(*schemas) object {
	return func(s *schemas) object {
		properties := object{name: object{"type": "array", "items": s.body(of), "description": "In the order asked for."}}
		if paged {
			properties["next_cursor"] = cursorMember
		}
		return object{"type": "object", "properties": properties, "required": []string{name}, "additionalProperties": false}
	}
}

// orTrial is an answer that a dry run gives as the job, or as a count.
func orTrial(of any) func(*schemas) object {
	return func(s *schemas) object {
		return object{"oneOf": []object{s.body(of), s.of(typeOf(jobView{})), s.body("DryRun")}}
	}
}

// extraSchemas are bodies that are no type of their own in the source.
func extraSchemas() map[string]func(*schemas) object {
	return map[string]func(*schemas) object{
		"JobList":     listed("jobs", jobRow{}, true),
		"RunList":     listed("runs", runView{}, true),
		"VersionList": listed("versions", versionView{}, false),
		"KeyList":     listed("keys", keyView{}, false),
		"AuditList":   listed("entries", auditView{}, true),
		"JobPatch": func(s *schemas) object {
			whole := s.structure(typeOf(Definition{}), "Definition")
			properties := object{}
			for name, schema := range whole["properties"].(object) {
				properties[name] = object{"description": schema.(object)["description"]} // of its own type, or null, or an object with parts
			}
			return object{"type": "object", "properties": properties, "additionalProperties": false, "description": "Members of a job; null takes one away."}
		},
		"RunWithAttempts": func(s *schemas) object {
			run := s.structure(typeOf(runView{}), "Run")
			run["properties"].(object)["attempts"] = object{"type": "array", "items": s.of(typeOf(Attempt{})), "description": "Every call of the run."}
			return run
		},
		"PauseRequest": members(nil, object{"reason": text("Why, for people."), "until": object{"type": []string{"string", "null"}, "format": "date-time", "description": "When the pause ends by itself."}}),
		"BackfillRequest": members([]string{"from", "to"}, object{"from": object{"type": "string", "format": "date-time", "description": "First firing, inclusive."}, "to": object{"type": "string", "format": "date-time", "description": "Last firing, inclusive; not in the future."},
			"only": object{"type": "string", "enum": []string{"missed", "all"}, "description": "missed: firings without a call. all: every firing, also those that were called."}, "dry_run": flagged("Only say what would be made.")}),
		"Backfill": func(s *schemas) object {
			return members([]string{"job_id", "dry_run", "count", "runs"}, object{"job_id": text("The job."), "dry_run": flagged("Nothing was made."), "count": wholeNumber("Of runs."), "runs": object{"type": "array", "items": s.of(typeOf(backfillView{})), "description": "One per firing."}})(s)
		},
		"BackfillOrTrial":  orTrial("Backfill"),
		"JobStatusOrTrial": orTrial(jobAnswer{}),
		"RunStatusOrTrial": orTrial(runAnswer{}),
		"KeyStatusOrTrial": orTrial("KeyStatus"),
		"TryOrTrial":       orTrial(tryView{}),
		"KeyStatus":        members([]string{"prefix", "status"}, object{"prefix": text("Names the key."), "status": text("revoked")}),
		"DryRun":           members([]string{"dry_run", "jobs"}, object{"dry_run": object{"const": true, "description": "Nothing was changed."}, "jobs": wholeNumber("Jobs that there would be of the change.")}),
		"BulkAnswer": func(s *schemas) object {
			return members([]string{"action", "dry_run", "matched", "failed", "jobs"}, object{"action": text("What was asked for."), "dry_run": flagged("Nothing was changed."), "matched": wholeNumber("Jobs that the selector means."),
				"failed": wholeNumber("Jobs that were not changed."), "jobs": object{"type": "array", "items": s.of(typeOf(bulkResult{})), "description": "What became of each."}})(s)
		},
		"ImportResult": func(s *schemas) object {
			s.of(typeOf(exportLine{}))
			return members([]string{"dry_run", "created", "replaced", "jobs"}, object{"dry_run": flagged("Nothing was stored."), "created": wholeNumber("New jobs."), "replaced": wholeNumber("Jobs that were there before."),
				"jobs": object{"type": "array", "items": s.of(typeOf(importView{})), "description": "What became of each line."}})(s)
		},
		"Preview": members([]string{"trigger", "timezone", "next_run_times"}, object{"trigger": text("The schedule in canonical form."), "timezone": text("The zone that it is meant in."), "description": text("The schedule in words."),
			"next_run_times": object{"type": "array", "items": object{"type": "string", "format": "date-time"}, "description": "Fewer than asked for when the schedule ends."}}),
		"Health":    members([]string{"status", "version"}, object{"status": object{"const": "ok", "description": "Always ok."}, "version": text("Of the server.")}),
		"Ready":     members([]string{"status"}, object{"status": object{"const": "ready", "description": "Always ready."}}),
		"Text":      func(*schemas) object { return object{"type": "string"} },
		"JSONLines": func(*schemas) object { return object{"type": "string", "description": "One JSON object per line."} },
		"AnyObject": func(*schemas) object { return object{"type": "object"} },
		"EventStream": func(s *schemas) object {
			s.of(typeOf(runEvent{}))
			s.of(typeOf(jobEvent{}))
			return object{"type": "string", "description": "Lines id, event and data, as the HTML standard says."}
		},
	}
}
