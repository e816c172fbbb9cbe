package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The terms of a change are what its headers and parameters say about how to make it: only if the job is still as it was seen
// (If-Match), only once (Idempotency-Key), only on trial (dry_run). They hold for every operation that changes something, so
// that no handler has to know them: the store judges them in the transaction of the change.

// terms puts h under the terms of a change. Operations that change nothing have none.
func (a *api) terms(pattern string, h handler) handler {
	method, _, _ := strings.Cut(pattern, " ")
	if method == http.MethodGet || pattern == "POST /schedules/preview" {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		by := askerOf(r.Context())
		if err := readDryRun(r, by); err != nil {
			return err
		}
		if err := readConditions(r, by); err != nil {
			return err
		}
		run := h
		if keys := r.Header.Values("Idempotency-Key"); method == http.MethodPost && len(keys) > 0 && !by.DryRun {
			run = a.once(h, keys)
		}
		err := run(w, r)
		if errors.Is(err, errDryRun) {
			return a.showDryRun(w, r, by)
		}
		return err
	}
}

// readDryRun takes the parameter dry_run out of the query.
func readDryRun(r *http.Request, by *asker) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	given, ok := values["dry_run"]
	if err != nil || !ok {
		return nil // a broken query is the handler's to refuse
	}
	if len(given) != 1 || given[0] != "true" && given[0] != "false" {
		return invalid{{"dry_run", "must be true or false, once"}}
	}
	by.DryRun = given[0] == "true"
	values.Del("dry_run")
	u := *r.URL
	u.RawQuery = values.Encode()
	r.URL = &u
	return nil
}

// showDryRun answers what the job would have become. Nothing was stored.
func (a *api) showDryRun(w http.ResponseWriter, r *http.Request, by *asker) error {
	if len(by.Dry) != 1 {
		return writeJSON(w, http.StatusOK, struct {
			DryRun bool `json:"dry_run"`
			Jobs   int  `json:"jobs"`
		}{true, len(by.Dry)})
	}
	return writeJSON(w, http.StatusOK, a.view(by.Dry[0], 5, languageOf(r)))
}

// A job's ETag has two parts: what people decided about it (version and pause), and a hash of the whole answer. If-None-Match
// compares both. If-Match compares the first: a run that ends between reading and writing is no conflict.
func jobTag(j *Job, body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + decidedTag(j) + "-" + hex.EncodeToString(sum[:8]) + `"`
}

func decidedTag(j *Job) string {
	return strconv.FormatInt(j.ID, 36) + "." + strconv.Itoa(j.Version) + "." + strconv.FormatInt(int64(j.PausedAt), 36)
}

// writeJob answers with one job, or with 304 when the client has that answer.
func (a *api) writeJob(w http.ResponseWriter, r *http.Request, status int, j *Job, count int) error {
	b, err := marshal(a.view(j, count, languageOf(r)))
	if err != nil {
		return err
	}
	tag := jobTag(j, b)
	w.Header().Set("ETag", tag)
	w.Header().Set("Vary", "Accept-Language")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if tags, any := tagList(r.Header.Values("If-None-Match")); any || slices.Contains(tags, tag) || slices.Contains(tags, "W/"+tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // an error means that the client has gone
	return nil
}

// tagList splits If-Match or If-None-Match; any is true for *.
func tagList(lines []string) (tags []string, any bool) {
	for _, s := range strings.Split(strings.Join(lines, ","), ",") {
		s = strings.TrimSpace(s)
		if s == "*" {
			return nil, true
		}
		if s != "" {
			tags = append(tags, s)
		}
	}
	return tags, false
}

// readConditions turns the conditional headers of a change into a check on the job as the transaction finds it.
func readConditions(r *http.Request, by *asker) error {
	match, noneMatch := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	if len(match) == 0 && len(noneMatch) == 0 {
		return nil
	}
	if !strings.HasPrefix(r.Pattern, "PUT ") && !strings.Contains(r.Pattern, "{job_id}") {
		return newProblem(http.StatusBadRequest, "bad_request", "If-Match and If-None-Match are for one job: this operation has none in its path")
	}
	tags, any := tagList(match)
	without, none := tagList(noneMatch)
	by.MustExist = len(match) > 0
	by.Check = func(j *Job) error {
		is := func(tag string) bool {
			decided, _, ok := strings.Cut(strings.Trim(tag, `"`), "-")
			return ok && strings.HasPrefix(tag, `"`) && decided == decidedTag(j)
		}
		if len(match) > 0 && !any && !slices.ContainsFunc(tags, is) || none || slices.ContainsFunc(without, is) {
			return errPrecondition
		}
		return nil
	}
	return nil
}

// inFlight remembers the keys of requests that are being worked on.
type inFlight struct {
	mu   sync.Mutex
	keys map[[2]string]bool
}

// enter takes a key; false when somebody has it.
func (f *inFlight) enter(key [2]string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys[key] {
		return false
	}
	if f.keys == nil {
		f.keys = map[[2]string]bool{}
	}
	f.keys[key] = true
	return true
}

func (f *inFlight) leave(key [2]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
}

const maxIdempotencyKey = 255

// readIdempotencyKey reads the header as the IETF draft writes it, a quoted string, and as most clients send it, bare.
func readIdempotencyKey(lines []string) (string, error) {
	key := strings.TrimSpace(lines[0])
	if quoted, ok := strings.CutPrefix(key, `"`); ok {
		if quoted, ok = strings.CutSuffix(quoted, `"`); !ok {
			key = ""
		} else {
			key = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted)
		}
	}
	if len(lines) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", newProblem(http.StatusBadRequest, "idempotency_key_invalid",
			fmt.Sprintf(`the Idempotency-Key must be given once, with 1 to %d visible ASCII characters, for example "8e03978e-40d5-43e8-bc93-6894a57f9324"`, maxIdempotencyKey))
	}
	return key, nil
}

// once runs h at most once for the Idempotency-Key of the caller, and gives its answer again to whoever repeats the request.
// That a change was made is written in its own transaction, so that not even a crash makes it twice.
func (a *api) once(h handler, lines []string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		key, err := readIdempotencyKey(lines)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxImport))
		if err != nil {
			if p, known := problemOf(err); known {
				return p
			}
			return newProblem(http.StatusBadRequest, "bad_request", "the body could not be read to its end")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		by := askerOf(r.Context())
		sum := sha256.New()
		fmt.Fprintf(sum, "%s %s\n%s\n%s\n", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("If-Match"))
		sum.Write(body)
		mine := &receipt{Key: key, Fingerprint: sum.Sum(nil)}
		slot := [2]string{by.Actor, key}
		if !a.inFlight.enter(slot) {
			p := newProblem(http.StatusConflict, "idempotency_in_flight", "the first request with this Idempotency-Key is still being worked on; send it again in a moment")
			p.header = map[string]string{"Retry-After": "1"}
			return p
		}
		defer a.inFlight.leave(slot)
		had, err := a.records.Receipt(r.Context(), by.Actor, key, instantOf(a.now()))
		if err == nil {
			return replay(w, had, mine)
		}
		if !errors.Is(err, errNotFound) {
			return err
		}
		by.Receipt = mine
		out := &recorder{header: http.Header{}}
		if err := h(out, r); err != nil {
			return err
		}
		mine.Status, mine.Body = out.status, out.body.Bytes()
		kept, err := json.Marshal(out.header)
		if err != nil {
			return err
		}
		mine.Header = string(kept)
		// Not under the request's context: the change is made, and the next one with this key is to learn of it.
		if err := a.records.AnswerReceipt(context.WithoutCancel(withAsker(r.Context(), nil)), by.Actor, mine); err != nil {
			a.log.Error("an answer could not be kept for its Idempotency-Key", "error", err)
		}
		out.sendTo(w)
		return nil
	}
}

// replay answers a repeated request.
func replay(w http.ResponseWriter, had, now *receipt) error {
	if !bytes.Equal(had.Fingerprint, now.Fingerprint) {
		return errReused
	}
	if had.Status == 0 {
		return newProblem(http.StatusConflict, "idempotency_outcome_unknown",
			"the first request with this Idempotency-Key took effect, but the server ended before its answer was ready; look at the job before you send it under another key")
	}
	out := &recorder{header: http.Header{}, status: had.Status}
	if err := json.Unmarshal([]byte(had.Header), &out.header); err != nil {
		return err
	}
	out.header.Set("Idempotency-Replayed", "true")
	out.body.Write(had.Body)
	out.sendTo(w)
	return nil
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (o *recorder) Header() http.Header { return o.header }

func (o *recorder) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
}

func (o *recorder) Write(b []byte) (int, error) {
	o.WriteHeader(http.StatusOK)
	return o.body.Write(b)
}

func (o *recorder) sendTo(w http.ResponseWriter) {
	for k, v := range o.header {
		w.Header()[k] = v
	}
	w.WriteHeader(o.status)
	_, _ = w.Write(o.body.Bytes()) // an error means that the client has gone
}
