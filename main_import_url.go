package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"teiki/internal/apscheduler"
)

// oldService reads the jobs of the old service, whose list shows job_id, next_run_time and trigger, and of some installations
// more. What a job calls is mostly not among it: -target-url says it, or -output leaves a place for it.
func (im *importing) oldService(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	target, err := url.JoinPath(base, "jobs")
	if err != nil || !strings.HasPrefix(base, "http") {
		return usage("%q is no URL such as http://old-host:8000", base)
	}
	text, status, err := im.call(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	var list struct {
		Jobs []map[string]json.RawMessage `json:"jobs"`
	}
	if status != http.StatusOK || json.Unmarshal(text, &list) != nil || list.Jobs == nil {
		return fmt.Errorf(`GET %s answered %d, and not with {"jobs": [...]}`, target, status)
	}
	for i, old := range list.Jobs {
		if err := im.oldJob(i, old); err != nil {
			return err
		}
	}
	return nil
}

// carried are the members of a job that mean the same in the old service.
var carried = func() map[string]bool {
	names := map[string]bool{}
	for f := range reflect.TypeFor[Definition]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}()

// shownOnly are members that say how a job stands, not what it is.
var shownOnly = map[string]bool{"job_id": true, "next_run_time": true, "trigger": true, "state": true, "status": true, "auto_tags": true, "paused": true, "last_run": true, "owner": true, "id": true}

func (im *importing) oldJob(i int, old map[string]json.RawMessage) error {
	text := func(name string) (s string) {
		_ = json.Unmarshal(old[name], &s) // absent, null or something else: ""
		return s
	}
	id := text("job_id")
	if id == "" {
		id = text("id")
	}
	where := fmt.Sprintf("job %d (%.60s)", i+1, id)
	if id == "" {
		im.skip(where, "it has no job_id")
		return nil
	}
	line := map[string]json.RawMessage{}
	for name, value := range old {
		switch {
		case string(value) == "null":
		case carried[name]:
			line[name] = value
		case !shownOnly[name]:
			im.report("%s: note: its member %.40q has no place in teiki", where, name)
		}
	}
	next := text("next_run_time")
	plan, err := apscheduler.Parse(text("trigger"), next)
	if err != nil {
		im.skip(where, err.Error())
		return nil
	}
	if plan.RunAt != "" {
		if at, err := time.Parse(time.RFC3339Nano, plan.RunAt); err == nil && at.Before(time.Now()) {
			im.skip(where, "its one time, "+plan.RunAt+", has gone by")
			return nil
		}
	}
	for name, value := range plan.JSON() {
		line[name] = value
	}
	if line["target_url"] == nil {
		target := strings.ReplaceAll(im.target, "{job_id}", url.PathEscape(id))
		if target == "" && im.output == "" {
			im.skip(where, "the old service does not show what it calls: give -target-url URL, or write the jobs with -output FILE, complete them, and import that with teiki import jsonl FILE")
			return nil
		}
		b, err := json.Marshal(target)
		if err != nil {
			return err
		}
		line["target_url"] = b
	}
	if line["method"] == nil {
		b, err := json.Marshal(im.method)
		if err != nil {
			return err
		}
		line["method"] = b
	}
	more := map[string]any{"job_id": id}
	if next == "" { // APScheduler's sign of a paused job
		more["paused"], more["pause_reason"] = true, "paused in the old service"
	}
	im.report("%s: %s", where, text("trigger"))
	return im.add(where, line, more)
}
