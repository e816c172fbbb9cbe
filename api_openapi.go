package main

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"sort"
	"strings"
)

// The OpenAPI document is made of three tables: the operations (here and in api_openapi_ops.go), the words about each member
// (api_openapi_words.go), and the error codes. The schemas come from the very types that are read and written. Tests hold the
// tables against the routes, the parameters that the handlers know and the codes in the source, and every request and answer of
// the API's tests against the document.

// object is a JSON object of the document.
type object = map[string]any

// operation describes one route.
type operation struct {
	pattern string
	summary string
	about   string
	params  []string // names in paramWords
	body    any      // a value of the type that is read; nil = none
	media   string   // of the body, "" = application/json
	maybe   bool     // the body may be left out
	example string   // of the body, JSON
	answers []described
	errors  []int // statuses besides those that every operation may answer
}

// described is an answer with a status of success.
type described struct {
	status int
	what   string
	body   any    // a value of the type that is written; nil = none; a string = the name of a schema
	media  string // several with spaces, "" = application/json
}

// errorCode is what the member code of a problem may say.
type errorCode struct {
	status int
	code   string
	means  string
}

// openapiDocument makes the whole document.
func openapiDocument() object {
	s := &schemas{made: object{}}
	paths := object{}
	for _, op := range operations() {
		method, path, _ := strings.Cut(op.pattern, " ")
		path = strings.TrimSuffix(path, "{$}")
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(method)] = op.describe(s, method, path)
	}
	s.of(reflect.TypeFor[problem]())
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "teiki", "version": version, "license": object{"name": "MIT", "identifier": "MIT"},
			"description": "teiki calls HTTP APIs on a schedule. Times are RFC 3339, durations are seconds (`…_sec`) or milliseconds (`…_ms`). Every answer that is not a success is `application/problem+json` with a stable `code`. Unknown members and parameters are refused.",
		},
		"servers": []object{{"url": "/"}},
		"tags":    tagList3(),
		"paths":   paths,
		"components": object{
			"schemas":   s.made,
			"responses": errorResponses(),
			"securitySchemes": object{
				"key":   object{"type": "http", "scheme": "bearer", "description": "An API key (teiki_…) or a JSON Web Token."},
				"basic": object{"type": "http", "scheme": "basic", "description": "An API key as the password, with any user name: what a browser asks for."},
			},
		},
		"security": []object{{"key": []string{}}, {"basic": []string{}}, {}},
	}
}

// tagList3 are the groups that the page shows.
func tagList3() (tags []object) {
	for _, t := range [][2]string{{"jobs", "What is called, and when."}, {"runs", "Each planned or manual firing of a job, and its attempts."}, {"schedules", "What a schedule means."},
		{"events", "What happens, as it happens."}, {"access", "Keys, and who changed what."}, {"server", "How the server is."}} {
		tags = append(tags, object{"name": t[0], "description": t[1]})
	}
	return tags
}

func tagOf(path string) string {
	switch first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); first {
	case "jobs", "export", "import":
		return "jobs"
	case "runs", "schedules", "events":
		return first
	case "keys", "audit":
		return "access"
	}
	return "server"
}

var pathParam = regexp.MustCompile(`\{([a-z_]+)\}`)

func (op operation) describe(s *schemas, method, path string) object {
	out := object{"operationId": operationID(op.pattern), "summary": op.summary, "tags": []string{tagOf(path)}}
	about := op.about
	if need := routeScopes[op.pattern]; need != 0 {
		about = strings.TrimSpace(about + "\n\nNeeds the scope `" + need.String() + "`.")
	} else {
		if isOpenRoute(op.pattern, false) {
			out["security"] = []object{}
		}
	}
	if about != "" {
		out["description"] = about
	}
	var params []object
	for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "description": paramWords[m[1]].means, "schema": paramWords[m[1]].schema})
	}
	names := op.params
	if op.hasTerms() {
		names = append(append([]string{}, names...), "dry_run")
		if method == http.MethodPost {
			names = append(names, "Idempotency-Key")
		}
		if strings.Contains(path, "{job_id}") {
			names = append(names, "If-Match", "If-None-Match")
		}
	}
	for _, name := range names {
		w, in := paramWords[name], "query"
		if name != strings.ToLower(name) {
			in = "header"
		}
		p := object{"name": name, "in": in, "description": w.means, "schema": w.schema}
		if in == "query" {
			p["allowReserved"] = true // tag=host:example.com needs no escapes
		}
		if w.schema["type"] == "array" {
			p["style"], p["explode"] = "form", true
		}
		params = append(params, p)
	}
	if params != nil {
		out["parameters"] = params
	}
	if op.body != nil {
		media := op.media
		if media == "" {
			media = "application/json"
		}
		content := object{"schema": s.body(op.body)}
		if op.example != "" {
			content["example"] = rawExample(op.example)
		}
		types := object{media: content}
		if media == "application/merge-patch+json" {
			types["application/json"] = content
		}
		out["requestBody"] = object{"required": !op.maybe, "content": types}
	}
	out["responses"] = op.responses(s)
	return out
}

// hasTerms tells whether the operation changes something: then it can be tried, made once, made on a condition.
func (op operation) hasTerms() bool {
	return !strings.HasPrefix(op.pattern, "GET ") && op.pattern != "POST /schedules/preview" && op.pattern != "POST /jobs/test"
}

// everyError are the statuses that any operation may answer.
var everyError = []int{400, 401, 403, 421, 429, 500, 503}

func (op operation) responses(s *schemas) object {
	out := object{}
	for _, d := range op.answers {
		r := object{"description": d.what}
		if d.body != nil {
			content := object{}
			for _, media := range strings.Fields(cmp.Or(d.media, "application/json")) {
				content[media] = object{"schema": s.body(d.body)}
			}
			r["content"] = content
		}
		if d.status == http.StatusCreated || d.status == http.StatusAccepted {
			r["headers"] = object{"Location": object{"description": "Path of what was made.", "schema": object{"type": "string"}}}
		}
		out[fmt.Sprint(d.status)] = r
	}
	errors := append(append([]int{}, everyError...), op.errors...)
	if op.body != nil {
		errors = append(errors, 408, 413, 415)
	}
	if op.hasTerms() {
		errors = append(errors, 409, 412, 422)
	}
	if len(op.params) > 0 || op.body != nil || !op.hasTerms() {
		errors = append(errors, 422)
	}
	if strings.Contains(op.pattern, "{") && !strings.HasSuffix(op.pattern, "{$}") {
		errors = append(errors, 404)
	}
	for _, status := range errors {
		out[fmt.Sprint(status)] = object{"$ref": "#/components/responses/" + problemName(status)}
	}
	return out
}

func problemName(status int) string {
	return strings.ReplaceAll(strings.ReplaceAll(http.StatusText(status), " ", ""), "-", "")
}

// operationID is a name for generated clients: getJobsByJobIdRuns.
func operationID(pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	id := strings.ToLower(method)
	for _, part := range strings.FieldsFunc(strings.TrimSuffix(path, "{$}"), func(r rune) bool { return r == '/' || r == '.' }) {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			part = "by_" + strings.TrimSuffix(name, "}")
		}
		for _, word := range strings.Split(part, "_") {
			id += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return id
}

// errorResponses are the answers to what goes wrong, one per status, with the codes that it may carry.
func errorResponses() object {
	byStatus := map[int][]errorCode{}
	for _, c := range errorCodes {
		byStatus[c.status] = append(byStatus[c.status], c)
	}
	out := object{}
	for status, codes := range byStatus {
		sort.Slice(codes, func(i, j int) bool { return codes[i].code < codes[j].code })
		var lines []string
		examples := object{}
		for _, c := range codes {
			lines = append(lines, "- `"+c.code+"`: "+c.means)
			p := newProblem(c.status, c.code, c.means)
			if c.code == "invalid" {
				p.Errors = []Fault{{"timezone", `is "Asia/Tokio"; did you mean Asia/Tokyo?`}}
			}
			examples[c.code] = object{"value": p}
		}
		out[problemName(status)] = object{
			"description": http.StatusText(status) + ". Codes:\n" + strings.Join(lines, "\n"),
			"content":     object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}, "examples": examples}},
		}
	}
	return out
}
