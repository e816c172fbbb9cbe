package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"teiki/internal/crontab"
)

const importUsage = `teiki import crontab FILE [-user-column]     curl and wget lines become jobs; the rest is reported
teiki import url http://old-host:8000        reads the old service's GET /jobs
teiki import jsonl FILE                      what GET /export or -output wrote

Each sends the jobs to a running server, all or none: -server URL (default http://127.0.0.1:8000), -key KEY (or TEIKI_KEY).
  -dry-run       say what would be made, and store nothing
  -replace       jobs that exist become the imported ones
  -output FILE   write the jobs as JSON Lines instead of sending them, to complete them by hand
  -timezone ZONE of crontab lines without CRON_TZ (default: the server's)
  -target-url T  of jobs of the old service, which does not show it; {job_id} stands for the name
  -method M      of the same jobs (default GET)
FILE may be - for the standard input.`

// importing is one run of `teiki import`: what it has found, and where it goes.
type importing struct {
	env                                 environment
	server, key, output, target, method string
	timezone                            string
	dry, replace, userColumn            bool

	lines   []map[string]json.RawMessage // jobs, as POST /import takes them
	from    []string                     // where each came from, for the report
	skipped int
}

// importCommand is `teiki import`.
func importCommand(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprintln(env.stdout, importUsage)
		return nil
	}
	im := &importing{env: env}
	kind, rest := args[0], args[1:]
	var source string
	if len(rest) > 0 && (rest[0] == "-" || !strings.HasPrefix(rest[0], "-")) {
		source, rest = rest[0], rest[1:]
	}
	flags := flag.NewFlagSet("import "+kind, flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.StringVar(&im.server, "server", orElse(env.getenv("TEIKI_SERVER"), "http://127.0.0.1:8000"), "`URL` of the server")
	flags.StringVar(&im.key, "key", env.getenv("TEIKI_KEY"), "API `key` with the scope write")
	flags.BoolVar(&im.dry, "dry-run", false, "store nothing")
	flags.BoolVar(&im.replace, "replace", false, "jobs that exist become the imported ones")
	flags.StringVar(&im.output, "output", "", "write JSON Lines to this `file` instead of sending them")
	flags.BoolVar(&im.userColumn, "user-column", false, "a user's name stands before the command, as in /etc/crontab")
	flags.StringVar(&im.timezone, "timezone", "", "`zone` of crontab lines without CRON_TZ")
	flags.StringVar(&im.target, "target-url", "", "target of the old service's jobs; {job_id} stands for the name")
	flags.StringVar(&im.method, "method", "GET", "method of the old service's jobs")
	switch err := flags.Parse(rest); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return usageError{err}
	}
	if source == "" {
		source = flags.Arg(0)
	}
	if source == "" || flags.NArg() > 1 {
		return usage("import %s needs one FILE or URL\n%s", kind, importUsage)
	}
	read, ok := map[string]func(context.Context, string) error{"crontab": im.crontab, "url": im.oldService, "jsonl": im.jsonLines}[kind]
	if !ok {
		return usage("there is no import %q; there are crontab, url and jsonl", kind)
	}
	if err := read(ctx, source); err != nil {
		return err
	}
	return im.deliver(ctx)
}

func (im *importing) report(format string, args ...any) {
	fmt.Fprintf(im.env.stdout, format+"\n", args...)
}

// skip reports what is not carried over.
func (im *importing) skip(where, reason string) {
	im.skipped++
	im.report("%s: not carried over: %s", where, reason)
}

// open opens a file, or the standard input for "-".
func (im *importing) open(file string) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(file)
}

// add takes a job. Its members are those of POST /jobs.
func (im *importing) add(where string, job any, more map[string]any) error {
	b, err := json.Marshal(job)
	if err != nil {
		return err
	}
	line := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &line); err != nil {
		return err
	}
	if im.replace {
		line["replace_existing"] = json.RawMessage("true")
	}
	for k, v := range more {
		if line[k], err = json.Marshal(v); err != nil {
			return err
		}
	}
	im.lines, im.from = append(im.lines, line), append(im.from, where)
	return nil
}

// crontab reads a crontab file. A job's name is made of its line's text, so that the same line is the same job again.
func (im *importing) crontab(_ context.Context, file string) error {
	f, err := im.open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	jobs, skipped, err := crontab.Read(f, crontab.Options{UserColumn: im.userColumn})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	used := map[string]int{}
	for _, j := range jobs {
		if j.Timezone == "" {
			j.Timezone = im.timezone
		}
		sum := sha256.Sum256([]byte(j.Timezone + "\n" + j.Description))
		id := "crontab-" + hex.EncodeToString(sum[:6])
		if used[id]++; used[id] > 1 {
			id += fmt.Sprintf("-%d", used[id])
		}
		where := fmt.Sprintf("line %d", j.Line)
		im.report("%s: %s: %s %s %s", where, id, j.Cron, j.Method, redactURL(j.TargetURL))
		for _, note := range j.Notes {
			im.report("  note: %s", note)
		}
		if err := im.add(where, j, map[string]any{"job_id": id}); err != nil {
			return err
		}
	}
	for _, s := range skipped {
		im.skip(fmt.Sprintf("line %d", s.Line), s.Reason+"\n    "+s.Text)
	}
	return nil
}

func (im *importing) jsonLines(_ context.Context, file string) error {
	f, err := im.open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxImport+1))
	if err != nil {
		return err
	}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !json.Valid(line) {
			return fmt.Errorf("%s: line %d is not JSON", file, i+1)
		}
		if err := im.add(fmt.Sprintf("line %d", i+1), json.RawMessage(line), nil); err != nil {
			return fmt.Errorf("%s: line %d: %w", file, i+1, err)
		}
	}
	return nil
}

// deliver writes the jobs to the output file or sends them to the server.
func (im *importing) deliver(ctx context.Context) error {
	var body bytes.Buffer
	for _, line := range im.lines {
		b, err := json.Marshal(line)
		if err != nil {
			return err
		}
		body.Write(append(b, '\n'))
	}
	if im.output != "" {
		if err := os.WriteFile(im.output, body.Bytes(), 0o600); err != nil { // it may hold credentials
			return err
		}
		im.report("%d jobs written to %s, %d not carried over", len(im.lines), im.output, im.skipped)
		return nil
	}
	if len(im.lines) == 0 {
		im.report("nothing to import, %d not carried over", im.skipped)
		return nil
	}
	target, err := url.JoinPath(im.server, "import")
	if err != nil {
		return usage("-server %q is no URL", im.server)
	}
	if im.dry {
		target += "?dry_run=true"
	}
	answer, status, err := im.call(ctx, http.MethodPost, target, &body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return im.refused(answer, status)
	}
	var done struct{ Created, Replaced int }
	if err := json.Unmarshal(answer, &done); err != nil {
		return fmt.Errorf("the answer of %s is not one of teiki: %w", im.server, err)
	}
	verb := "imported"
	if im.dry {
		verb = "would be imported"
	}
	im.report("%d jobs %s (%d new, %d replaced), %d not carried over", done.Created+done.Replaced, verb, done.Created, done.Replaced, im.skipped)
	return nil
}

// refused reports the faults that the server found, each with the place that its job came from.
func (im *importing) refused(answer []byte, status int) error {
	var p problem
	if json.Unmarshal(answer, &p) != nil || p.Detail == "" {
		return fmt.Errorf("%s answered %d", im.server, status)
	}
	for _, f := range p.Errors {
		field := f.Field
		var n int
		if _, err := fmt.Sscanf(field, "line %d", &n); err == nil && n >= 1 && n <= len(im.from) {
			_, rest, _ := strings.Cut(field, ":")
			field = im.from[n-1] + ":" + rest
		}
		im.report("%s %s", field, f.Detail)
	}
	return fmt.Errorf("nothing was imported: %s", p.Detail)
}

// call makes a request and reads its answer.
func (im *importing) call(ctx context.Context, method, target string, body io.Reader) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, 0, usageError{err}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/jsonl")
	}
	if im.key != "" && strings.HasPrefix(target, im.server) {
		r.Header.Set("Authorization", "Bearer "+im.key)
	}
	client := &http.Client{Timeout: importTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4*maxImport))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", target, err)
	}
	return text, res.StatusCode, nil
}

// shortly is how long the old service may take to list its jobs.
const shortly = 30 * time.Second
