package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"teiki/internal/suggest"
)

// requestBody reads the body of a request, which must be of one of the media types; none given means JSON. With no body at all it
// returns nothing when optional is true.
func requestBody(w http.ResponseWriter, r *http.Request, optional bool, types ...string) ([]byte, error) {
	if len(types) == 0 {
		types = []string{"application/json"}
	}
	if r.ContentLength > maxRequestBody {
		w.Header().Set("Connection", "close") // the rest is not worth reading
		return nil, problemTooLarge()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		var tooBig *http.MaxBytesError
		if problem, known := problemOf(err); known || errors.As(err, &tooBig) {
			return nil, problem
		}
		return nil, newProblem(http.StatusBadRequest, "bad_request", "the body could not be read to its end")
	}
	if len(body) == 0 && optional {
		return nil, nil
	}
	given := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(given)
	if err != nil || !slices.Contains(types, media) {
		hint := ""
		if given == "" || media == "application/x-www-form-urlencoded" {
			hint = fmt.Sprintf("; with curl, add -H 'Content-Type: %s'", types[0])
		}
		return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
			fmt.Sprintf("the Content-Type must be %s, not %.100q%s", strings.Join(types, " or "), given, hint))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", fmt.Sprintf("the charset must be utf-8, not %.100q", charset))
	}
	return body, nil
}

// readJSON reads the body into a struct; an optional body that is absent leaves it as it is.
func readJSON(w http.ResponseWriter, r *http.Request, optional bool, into any) error {
	body, err := requestBody(w, r, optional)
	if err != nil || len(body) == 0 && optional {
		return err
	}
	faults, err := decodeBody(body, into)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return invalid(faults)
	}
	return nil
}

// query reads the parameters of a request; all their faults are told at once, by done.
type query struct {
	values url.Values
	known  []string
	faults invalid
}

func readQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.fault("query", "is not a valid query string: "+err.Error())
	}
	return q
}

func (q *query) fault(name, detail string) { q.faults = append(q.faults, Fault{name, detail}) }

// text is the value of a parameter that may be given once.
func (q *query) text(name string) string {
	q.known = append(q.known, name)
	all := q.values[name]
	if len(all) > 1 {
		q.fault(name, "is given twice; which one is meant?")
	}
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// list is the values of a parameter that may be given several times, or once with commas.
func (q *query) list(name string) []string {
	q.known = append(q.known, name)
	var list []string
	for _, v := range q.values[name] {
		for _, s := range strings.Split(v, ",") {
			if s != "" {
				list = append(list, s)
			}
		}
	}
	return list
}

// whole is a number from least to most, or preset.
func (q *query) whole(name string, preset, least, most int) int {
	s := q.text(name)
	if s == "" {
		return preset
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		q.fault(name, fmt.Sprintf("must be a whole number from %d to %d, not %.40q", least, most, s))
		return preset
	}
	return n
}

// choice is one of a few words, or "".
func (q *query) choice(name string, choices ...string) string {
	s := q.text(name)
	if s != "" && !slices.Contains(choices, s) {
		q.fault(name, fmt.Sprintf("must be one of %s, not %.40q%s", strings.Join(choices, ", "), s, suggest.DidYouMean(s, choices)))
		return ""
	}
	return s
}

// time is an instant in RFC 3339, or 0.
func (q *query) time(name string) instant {
	s := q.text(name)
	if s == "" {
		return 0
	}
	t, detail := parseInstant(s)
	if detail != "" {
		if strings.Contains(s, " ") {
			detail += "; in a URL a + is written %2B"
		}
		q.fault(name, detail)
	}
	return t
}

// done reports the faults, unknown parameters included.
func (q *query) done() error {
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			detail := fmt.Sprintf("is not a known parameter%s", suggest.DidYouMean(name, q.known))
			if len(q.known) > 0 {
				detail += "; known are " + strings.Join(q.known, ", ")
			}
			q.fault(fmt.Sprintf("%.100s", strings.ToValidUTF8(name, "")), detail)
		}
	}
	if len(q.faults) > 0 {
		slices.SortStableFunc(q.faults, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
		return q.faults
	}
	return nil
}

// parseInstant reads an instant that says its offset; detail tells what is wrong with it.
func parseInstant(s string) (i instant, detail string) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return 0, fmt.Sprintf("must be a time from 1970 to 9999 in RFC 3339, for example 2026-01-31T15:00:00+09:00, not %.40q", s)
	}
	return instantOf(t), ""
}

// writeJSON answers with a value that marshals without fail.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // an error means that the client has gone
	return nil
}

// marshal is json.Marshal without the escapes that HTML would need: URLs stay readable.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
