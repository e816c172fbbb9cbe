package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"teiki/internal/suggest"
)

// Sizes of pages, in rows.
const (
	maxLimit   = 1000
	streamPage = 500
)

// jobLister reads pages of jobs in another order than that of their creation.
type jobLister interface {
	JobsSorted(ctx context.Context, f JobFilter, by JobOrder) (page []*Job, next *JobOrder, err error)
	Jobname(ctx context.Context, job int64) (Jobname, error)
}

// jobPages gives the pages of a list of jobs, one after the other; more is false when there is none left.
type jobPages struct {
	a      *api
	filter JobFilter
	order  JobOrder // Field "" = order of creation
}

func (p *jobPages) next(ctx context.Context) (page []*Job, more bool, err error) {
	if p.order.Field == "" {
		page, p.filter.After, err = p.a.store.Jobs(ctx, p.filter)
		return page, p.filter.After != 0, err
	}
	page, next, err := p.a.lister.JobsSorted(ctx, p.filter, p.order)
	if err != nil || next == nil {
		return page, false, err
	}
	p.order = *next
	return page, true, nil
}

// cursor hides where the next page begins: clients are not to build on it.
func (p *jobPages) cursor() string {
	text := "j" + strconv.FormatInt(p.filter.After, 10)
	if p.order.Field != "" {
		b, _ := json.Marshal(p.order) // numbers and strings: cannot fail
		text = "s" + string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// seek goes to where a cursor points; false when it is none of this list.
func (p *jobPages) seek(cursor string) bool {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) == 0 {
		return cursor == ""
	}
	if p.order.Field == "" {
		p.filter.After, err = strconv.ParseInt(string(b[1:]), 10, 64)
		return b[0] == 'j' && err == nil && p.filter.After >= 0
	}
	var at JobOrder
	if b[0] != 's' || json.Unmarshal(b[1:], &at) != nil || at.Field != p.order.Field || at.Desc != p.order.Desc {
		return false
	}
	p.order = at
	return true
}

// listJobs is GET /jobs. With limit it answers one page; without, all jobs, read and written in small parts, so that neither a
// million jobs nor a slow client holds memory or a snapshot of the database.
func (a *api) listJobs(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	p := &jobPages{a: a, filter: JobFilter{Limit: q.whole("limit", 0, 1, maxLimit), State: q.choice("state", "scheduled", "paused", "completed"),
		Tags: q.list("tag"), Q: q.text("q"), Owner: q.text("owner")}}
	sort := q.choice("sort", jobSorts...)
	p.order.Field, p.order.Desc = strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-")
	show := a.readFields(q)
	if !p.seek(q.text("cursor")) {
		q.fault("cursor", "must be a next_cursor of an earlier answer to the same question")
	}
	if err := q.done(); err != nil {
		return err
	}
	if p.filter.Limit > 0 {
		return a.listPage(w, r, p, show)
	}
	p.filter.Limit = streamPage
	for began, first := false, true; ; {
		page, more, err := p.next(r.Context())
		if err != nil {
			return err
		}
		var rows []byte
		if !began {
			w.Header().Set("Content-Type", "application/json")
			rows, began = []byte(`{"jobs":[`), true
		}
		for _, j := range page {
			b, err := show(j)
			if err != nil {
				return err
			}
			if !first {
				rows = append(rows, ",\n"...)
			}
			rows, first = append(rows, b...), false
		}
		if !more {
			rows = append(rows, "]}\n"...)
		}
		if _, err := w.Write(rows); err != nil || !more {
			return nil // done, or the client has gone
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	}
}

func (a *api) listPage(w http.ResponseWriter, r *http.Request, p *jobPages, show func(*Job) ([]byte, error)) error {
	page, more, err := p.next(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Jobs []json.RawMessage `json:"jobs"`
		Next *string           `json:"next_cursor"`
	}{Jobs: make([]json.RawMessage, len(page))}
	for i, j := range page {
		if out.Jobs[i], err = show(j); err != nil {
			return err
		}
	}
	if more {
		cursor := p.cursor()
		out.Next = &cursor
	}
	return writeJSON(w, http.StatusOK, out)
}

// rowFields are the names of the members of a job in lists.
var rowFields = func() (names []string) {
	for f := range reflect.TypeFor[jobRow]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// readFields reads the parameter fields and gives what shows a row with those members alone.
func (a *api) readFields(q *query) func(*Job) ([]byte, error) {
	fields := q.list("fields")
	for _, f := range fields {
		if !slices.Contains(rowFields, f) {
			q.fault("fields", fmt.Sprintf("%.40q is not a member of a job in lists%s; there are %s", f, suggest.DidYouMean(f, rowFields), strings.Join(rowFields, ", ")))
		}
	}
	if len(fields) == 0 {
		return func(j *Job) ([]byte, error) { return marshal(a.showRow(j)) }
	}
	return func(j *Job) ([]byte, error) {
		b, err := marshal(a.showRow(j))
		if err != nil {
			return nil, err
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(b, &all); err != nil {
			return nil, err
		}
		out := []byte{'{'}
		for _, f := range rowFields {
			if v, ok := all[f]; ok && slices.Contains(fields, f) {
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = append(append(append(out, '"'), f...), `":`...)
				out = append(out, v...)
			}
		}
		return append(out, '}'), nil
	}
}
