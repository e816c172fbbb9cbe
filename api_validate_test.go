package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// documented judges requests and answers by the OpenAPI document, with a library that knows nothing of this program.
type documented struct {
	mu    sync.Mutex
	judge validator.Validator
	seen  map[string]int
}

var theDocument = sync.OnceValue(func() *documented {
	b, err := document()
	if err != nil {
		panic(err)
	}
	doc, err := libopenapi.NewDocument(b)
	if err != nil {
		panic(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		panic(errs)
	}
	return &documented{judge: v, seen: map[string]int{}}
})

// each kind of exchange is judged so many times: the thousandth of a kind says nothing new.
const judgedOften = 12

// check judges one exchange of the API's tests. A request that the server accepted must be one that the document describes,
// and every answer must be too.
func (d *documented) check(t testing.TB, r *http.Request, body string, res *http.Response, answer []byte) {
	t.Helper()
	if _, measuring := t.(*testing.B); measuring || res.StatusCode == http.StatusMethodNotAllowed || strings.Contains(string(answer), `"code":"not_found"`) || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return // no operation
	}
	if strings.Contains(r.Header.Get("Content-Type")+res.Header.Get("Content-Type"), "/jsonl") {
		return // a line is JSON, the body is not: the library takes one for the other
	}
	path := strings.Split(r.URL.Path, "/")
	kind := fmt.Sprint(r.Method, " ", path[1], " ", len(path), path[len(path)-1], " ", res.StatusCode, len(body) > 0)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[kind]++; d.seen[kind] > judgedOften {
		return
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(strings.NewReader(body))
	again.ContentLength = int64(len(body))
	if body == "" {
		again.Body = http.NoBody
	}
	got := *res
	got.Body = io.NopCloser(bytes.NewReader(answer))
	if ok, errs := d.judge.ValidateHttpResponse(again, &got); !ok {
		for _, e := range errs {
			if res.StatusCode == http.StatusUnauthorized && strings.Contains(e.Message, "not found") {
				continue // strangers learn nothing of what exists
			}
			t.Errorf("%s %s: the answer %d is not as documented: %s: %s %v\n%.600s", r.Method, r.URL, res.StatusCode, e.Message, e.Reason, e.SchemaValidationErrors, answer)
		}
	}
	if res.StatusCode >= 400 {
		return
	}
	again.Body = io.NopCloser(strings.NewReader(body))
	if body == "" {
		again.Body = http.NoBody
	}
	if ok, errs := d.judge.ValidateHttpRequest(again); !ok {
		for _, e := range errs {
			if strings.Contains(r.Header.Get("Content-Type"), "json") || body == "" {
				t.Errorf("%s %s %.300s: the request was accepted but is not as documented: %s: %s %v", r.Method, r.URL, body, e.Message, e.Reason, e.SchemaValidationErrors)
			}
		}
	}
}

// The document is valid OpenAPI 3.1, and each example in it is a request that works.
func TestDocumentIsValid(t *testing.T) {
	if ok, errs := theDocument().judge.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
	a := newTestAPI(t)
	a.want(201, "POST", "/jobs", job("x"))
	for _, op := range operations() {
		method, path, _ := strings.Cut(op.pattern, " ")
		if op.pattern == "POST /jobs/test" {
			continue // makes the call
		}
		if op.example == "" {
			if op.body != nil {
				t.Errorf("%s has no example", op.pattern)
			}
			continue
		}
		if op.hasTerms() {
			path += "?dry_run=true"
		}
		media := op.media
		if media == "" {
			media = "application/json"
		}
		a.want(200, method, strings.ReplaceAll(path, "{job_id}", "x"), op.example, "Content-Type", media)
	}
	got := a.want(200, "GET", "/openapi.json", "")
	if got.object["openapi"] != "3.1.0" || len(got.text) < 20000 {
		t.Errorf("%.200s", got.text)
	}
}
