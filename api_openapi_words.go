package main

// errorCodes are all values of a problem's code. They are stable: programs may rely on them.
var errorCodes = []errorCode{
	{400, "not_json", "the body is not JSON"},
	{400, "bad_request", "the request does not fit the operation, or its body did not arrive whole"},
	{400, "idempotency_key_invalid", "the Idempotency-Key is empty, too long, or given twice"},
	{401, "no_credentials", "a key or token is needed"},
	{401, "bad_credentials", "the key or token is not valid"},
	{403, "address_denied", "the client's address may not use the API"},
	{403, "cross_origin", "a web page of another origin sent the request"},
	{403, "scope_missing", "the key or token lacks a scope"},
	{404, "not_found", "nothing is at this path"},
	{404, "job_not_found", "there is no such job, or it is another owner's"},
	{404, "run_not_found", "there is no such run, or it is another owner's"},
	{404, "version_not_found", "the job has no such version any more"},
	{404, "key_not_found", "there is no such valid key"},
	{405, "method_not_allowed", "the path exists, but not with this method; Allow lists those that do"},
	{408, "request_timeout", "the request did not arrive in time"},
	{409, "job_exists", "a job has this job_id"},
	{409, "conflict", "the object has changed, or is not in a state for this"},
	{409, "idempotency_in_flight", "the first request with this Idempotency-Key is still being worked on"},
	{409, "idempotency_outcome_unknown", "the first request with this Idempotency-Key took effect, but its answer was lost in a crash"},
	{412, "precondition_failed", "If-Match or If-None-Match does not hold"},
	{413, "too_large", "the body is too large"},
	{415, "unsupported_media_type", "the Content-Type is not the operation's"},
	{421, "unknown_host", "the Host header is not this server's name"},
	{422, "invalid", "the request has faults; errors lists them all"},
	{422, "too_many", "that is too much for one request"},
	{422, "idempotency_key_reused", "the Idempotency-Key was used for another request"},
	{429, "quota", "the owner's quota of jobs or runs is used up"},
	{429, "too_many_tests", "as many calls of /test are out as may be"},
	{429, "too_many_failures", "too many failed logins from this address"},
	{500, "internal", "the server failed to answer; its log says why"},
	{503, "busy", "another comparison of the ledger is under way"},
	{503, "unavailable", "the database cannot be written at the moment"},
	{503, "shutting_down", "the server is shutting down"},
	{503, "not_ready", "the database or the timer loop does not work"},
	{503, "too_many_streams", "as many event streams are open as may be"},
}

// words are what a parameter means and takes.
type words struct {
	means  string
	schema object
}

var (
	plainText = object{"type": "string"}
	someTexts = object{"type": "array", "items": object{"type": "string"}}
	aTime     = object{"type": "string", "format": "date-time"}
)

// paramWords are the parameters of all operations, by name.
var paramWords = map[string]words{
	"job_id":          {"Name of the job.", plainText},
	"run_id":          {"Name of the run.", plainText},
	"version":         {"Number of the version.", object{"type": "integer", "minimum": 1}},
	"prefix":          {"First part of the key, which names it.", plainText},
	"file":            {"Name of the file.", plainText},
	"state":           {"Jobs in this state.", object{"type": "string", "enum": []string{"scheduled", "paused", "completed"}}},
	"tag":             {"Jobs with all of these tags, automatic ones (`host:…`, `method:…`, `type:…`, `every:…`, `owner:…`) included.", someTexts},
	"q":               {"A part of the text: of a job its names, description and URL, of a run its reason and attempts.", plainText},
	"owner":           {"Jobs of this owner.", plainText},
	"sort":            {"The order; with - the other way round. Without it, that of creation.", object{"type": "string", "enum": jobSorts}},
	"fields":          {"Members of each job that are wanted; without it, all.", object{"type": "array", "items": object{"type": "string", "enum": rowFields}}},
	"limit":           {"Length of a page.", object{"type": "integer", "minimum": 1, "maximum": maxLimit}},
	"cursor":          {"The `next_cursor` of the page before.", plainText},
	"next":            {"How many next times to show.", object{"type": "integer", "minimum": 0, "maximum": maxNext, "default": 5}},
	"status":          {"Runs with one of these statuses.", object{"type": "array", "items": object{"type": "string", "enum": statuses}}},
	"trigger":         {"Runs made for this reason.", object{"type": "string", "enum": triggers}},
	"from":            {"Not earlier than this, inclusive.", aTime},
	"to":              {"Not later than this, inclusive.", aTime},
	"http_status":     {"Runs whose last answer had this status.", object{"type": "integer", "minimum": 100, "maximum": 599}},
	"type":            {"Events of this kind alone.", object{"type": "string", "enum": []string{"run", "job"}}},
	"actor":           {"Entries of this actor: `key:PREFIX`, `jwt:OWNER`, `local` or `teiki`.", plainText},
	"action":          {"Entries of this operation, such as `DELETE /jobs/{job_id}`, or `login`.", plainText},
	"last_event_id":   {"Like the header Last-Event-ID, which counts before it.", plainText},
	"dry_run":         {"Do everything but keep it: the answer is 200 and shows what would be.", object{"type": "boolean", "default": false}},
	"Last-Event-ID":   {"Go on after this event.", plainText},
	"If-None-Match":   {"Answer 304 when this is still the ETag; with PUT, `*` creates only.", plainText},
	"If-Match":        {"Change the job only if it is still as the answer with this ETag showed it; runs that came since do not matter.", plainText},
	"Idempotency-Key": {"Makes the request once, however often it is sent within a day (draft-ietf-httpapi-idempotency-key-header).", object{"type": "string", "minLength": 1, "maxLength": maxIdempotencyKey}},
	"Accept-Language": {"`ja` or `en`, the language of schedule_description.", plainText},
}

// schemaWords say what a schema is.
var schemaWords = map[string]string{
	"Problem":    "What went wrong (RFC 9457).",
	"Definition": "A job as its author wrote it.",
	"JobRequest": "A job, and how to store it.",
	"Job":        "A whole job: its definition with the server's settings where it says nothing, and how it stands.",
	"JobRow":     "A job in lists; `fields` leaves members out.",
	"Run":        "One planned or manual firing of a job, or a range of firings that were not called.",
	"Attempt":    "One HTTP call of a run.",
	"ExportLine": "A line of an export.",
	"RunEvent":   "Data of the event `run`.",
	"JobEvent":   "Data of the event `job`.",
}

// requiredMembers are those of schemas that are read; of those that are written, all that are always there.
var requiredMembers = map[string][]string{
	"JobRequest": {"schedule_type", "target_url"}, "PreviewRequest": {"schedule_type"}, "BulkRequest": {"selector", "action"}, "BulkSelector": {}, "KeyRequest": {"name", "owner", "scopes"}, "JobRow": {},
	"Success": {}, "JSONCheck": {"pointer", "equals"}, "OAuth2Auth": {"token_url", "client_id", "client_secret"}, "Problem": {"type", "title", "status", "detail", "code"},
}

// memberSchemas are those of members whose Go type says too little.
var memberSchemas = map[string]func(*schemas) object{
	"schedule_type": func(*schemas) object { return object{"type": "string", "enum": []string{"cron", "interval", "date"}} },
	"cron": func(*schemas) object {
		part := object{"type": []string{"string", "integer", "null"}}
		return object{"oneOf": []object{{"type": "string"}, {"type": "null"}, {"type": "object", "additionalProperties": false, "properties": object{"year": part, "month": part, "day": part, "week": part, "day_of_week": part, "hour": part,
			"minute": part, "second": part, "start_date": plainText, "end_date": plainText, "timezone": plainText, "jitter": object{"type": "number", "minimum": 0}}}}}
	},
	"interval": func(*schemas) object {
		part := object{"type": "number", "minimum": 0}
		return object{"oneOf": []object{{"type": "null"}, {"type": "object", "additionalProperties": false, "properties": object{"weeks": part, "days": part, "hours": part, "minutes": part, "seconds": part,
			"start_date": plainText, "end_date": plainText, "timezone": plainText, "jitter": part}}}}
	},
	"run_at":     func(*schemas) object { return object{"type": []string{"string", "null"}} },
	"method":     func(*schemas) object { return object{"type": "string"} },
	"overlap":    func(*schemas) object { return object{"type": "string", "enum": overlaps} },
	"from":       func(*schemas) object { return object{"type": []string{"string", "null"}, "format": "date-time"} },
	"expires_at": func(*schemas) object { return object{"type": []string{"string", "null"}, "format": "date-time"} },
	"before":     func(*schemas) object { return object{"type": []string{"object", "null"}} },
	"after":      func(*schemas) object { return object{"type": []string{"object", "null"}} },
	"scopes": func(*schemas) object {
		return object{"type": "array", "items": object{"type": "string", "enum": []string{"read", "run", "write", "admin"}}}
	},
	"OAuth2Auth.scopes":  func(*schemas) object { return someTexts },
	"Run.lag_ms":         func(*schemas) object { return object{"type": []string{"number", "null"}} },
	"Run.duration_ms":    func(*schemas) object { return object{"type": []string{"number", "null"}} },
	"Run.attempts":       func(*schemas) object { return object{"type": "integer", "minimum": 0} },
	"BulkRequest.action": func(*schemas) object { return object{"type": "string", "enum": bulkActions} },
	"state": func(*schemas) object {
		return object{"type": "string", "enum": []string{"scheduled", "paused", "completed", "deleted"}}
	},
	"counts": func(*schemas) object {
		return object{"type": "object", "additionalProperties": object{"type": "integer", "minimum": 0}}
	},
}
