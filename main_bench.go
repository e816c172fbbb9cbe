package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"teiki/internal/suggest"
)

// bench is one measuring of this machine: a server and a target as processes of their own, made from this very binary, on a
// database on the disk under dir. Nothing else may use the machine meanwhile.
type bench struct {
	scale   benchScale
	quick   bool   // small numbers: that it works counts, not how fast
	dir     string // made for this measuring, on the disk that is measured
	profile string // CPU profile of the server, "" = none; each server of a run overwrites it
	flags   []string
	sweep   string // not "" = servers begin to delete old history soon after their start
	target  *benchTarget
	display *benchDisplay
	rows    []benchRow

	bare []float64 // requests/s of the bare client, each time it was measured
}

// benchRow is one line of the table.
type benchRow struct {
	Case     string `json:"case"`
	What     string `json:"what"`
	Measured figure `json:"measured"`
	Unit     string `json:"unit,omitempty"`
	Limit    string `json:"limit,omitempty"` // ">= 10000" or "<= 1.2"; "" = shown only
	OK       bool   `json:"ok"`
	Note     string `json:"note,omitempty"`
}

// figure is a measured number; NaN says that it could not be measured here, null in JSON.
type figure float64

func (f figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// benchCase is a part of the measuring that can be asked for by name.
type benchCase struct {
	name, help string
	extra      bool // not part of a run without -only
	run        func(*bench, context.Context) error
}

func benchCases() []benchCase {
	return []benchCase{
		{"steady", "10,000 one-second jobs for a minute; 1,000 likewise", false, (*bench).steady},
		{"limit", "a backlog of 50,000 calls against a bare HTTP client", false, (*bench).limit},
		{"herd", "10,000 jobs due in one second", false, (*bench).herd},
		{"create", "POST /jobs from 64 connections and from one", false, (*bench).create},
		{"million", "a million jobs: memory, start, idle CPU", false, (*bench).million},
		{"reading", "pages of jobs and of 10 million runs, under 2,000 runs/s", false, (*bench).reading},
		{"growth", "CPU per run at 1,000, 100,000 and a million jobs", false, (*bench).growth},
		{"retention", "deleting a million old runs under 2,000 runs/s", false, (*bench).retention},
		{"idle", "100 jobs, nothing due: memory and wake-ups", false, (*bench).idle},
		{"soak", "half load for -duration: memory, goroutines and file size stay flat", true, (*bench).soak},
	}
}

// benchScale are the sizes of the cases.
type benchScale struct {
	steadyJobs, steadySmall int
	steadyFor               time.Duration
	backlog, herd           int
	bareFor, createFor      time.Duration
	jobs, runs, oldRuns     int // of the large database
	growth                  []int
	background              int // runs/s beside what is measured
	watch                   time.Duration
	soakFor                 time.Duration
	soakJobs                int
}

func fullScale() benchScale {
	return benchScale{steadyJobs: 10_000, steadySmall: 1000, steadyFor: time.Minute, backlog: 50_000, herd: 10_000,
		bareFor: 5 * time.Second, createFor: 8 * time.Second, jobs: 1_000_000, runs: 10_000_000, oldRuns: 1_000_000,
		growth: []int{1000, 100_000, 1_000_000}, background: 2000, watch: 20 * time.Second, soakFor: 10 * time.Minute, soakJobs: 5000}
}

// quickScale is for seconds: that every case still works.
func quickScale() benchScale {
	return benchScale{steadyJobs: 200, steadySmall: 100, steadyFor: 2 * time.Second, backlog: 1000, herd: 300,
		bareFor: 300 * time.Millisecond, createFor: 300 * time.Millisecond, jobs: 3000, runs: 20_000, oldRuns: 2000,
		growth: []int{100, 1000}, background: 100, watch: time.Second, soakFor: 3 * time.Second, soakJobs: 100}
}

// measure is `teiki bench`.
func measure(ctx context.Context, args []string, env environment) error {
	b := &bench{scale: fullScale(), display: newBenchDisplay(env.stderr)}
	var only, dir string
	var asJSON bool
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&only, "only", "", "")
	f.StringVar(&dir, "dir", ".", "")
	f.BoolVar(&b.quick, "quick", false, "")
	f.BoolVar(&asJSON, "json", false, "")
	f.StringVar(&b.profile, "cpuprofile", "", "")
	jobs := f.Int("jobs", 0, "")
	duration := f.Duration("duration", 0, "")
	serverFlags := f.String("server-flags", "", "")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		benchHelp(env.stdout)
		return nil
	} else if err != nil {
		return usage("bench: %w; teiki bench -h lists the flags", err)
	}
	if f.NArg() > 0 {
		return usage("bench: unexpected argument %q; choose cases with -only", f.Arg(0))
	}
	if b.quick {
		b.scale = quickScale()
	}
	if *jobs > 0 {
		b.scale.steadyJobs, b.scale.soakJobs, b.scale.herd, b.scale.jobs = *jobs, *jobs, *jobs, *jobs
	}
	if *duration > 0 {
		b.scale.steadyFor, b.scale.soakFor, b.scale.watch = *duration, *duration, *duration
	}
	b.flags = strings.Fields(*serverFlags)
	cases, err := chooseCases(only)
	if err != nil {
		return err
	}
	if b.profile != "" {
		if b.profile, err = filepath.Abs(b.profile); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp(dir, "teiki-bench-"); err != nil {
		return usage("bench: -dir: %w", err)
	}
	defer os.RemoveAll(b.dir)
	if err := b.runCases(ctx, cases); err != nil {
		return err
	}
	return b.report(env.stdout, asJSON)
}

func chooseCases(only string) (chosen []benchCase, err error) {
	var names []string
	for _, c := range benchCases() {
		names = append(names, c.name)
		if only == "" && !c.extra || slices.Contains(strings.Split(only, ","), c.name) {
			chosen = append(chosen, c)
		}
	}
	for name := range strings.SplitSeq(only, ",") {
		if only != "" && !slices.Contains(names, name) {
			return nil, usage("bench: there is no case %q%s Cases: %s", name, suggest.DidYouMean(name, names), strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

func (b *bench) runCases(ctx context.Context, cases []benchCase) (err error) {
	defer b.display.end()
	if b.target, err = b.startTarget(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.target.stop()) }()
	for i, c := range cases {
		b.display.phase(fmt.Sprintf("[%d/%d] %s", i+1, len(cases), c.name))
		if err := c.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// atLeast, atMost and show add a row. What could not be measured here (NaN) is not judged. With -quick only rows of what must be right at any speed are judged.
func (b *bench) atLeast(c, what string, measured float64, unit string, least float64) {
	b.add(benchRow{Case: c, What: what, Measured: figure(measured), Unit: unit, Limit: ">= " + number(least), OK: !(measured < least)})
}

func (b *bench) atMost(c, what string, measured float64, unit string, most float64) {
	b.add(benchRow{Case: c, What: what, Measured: figure(measured), Unit: unit, Limit: "<= " + number(most), OK: !(measured > most)})
}

func (b *bench) show(c, what string, measured float64, unit string) {
	b.add(benchRow{Case: c, What: what, Measured: figure(measured), Unit: unit, OK: true})
}

// none adds a row of something that must not happen, however small the scale.
func (b *bench) none(c, what string, measured int) {
	b.rows = append(b.rows, benchRow{Case: c, What: what, Measured: figure(measured), Limit: "= 0", OK: measured == 0})
}

func (b *bench) add(r benchRow) {
	if b.quick && r.Limit != "" {
		r.OK, r.Limit, r.Note = true, "", "too small a scale to judge"
	}
	b.rows = append(b.rows, r)
}

// report prints the table, or the JSON, and fails when a row does.
func (b *bench) report(w io.Writer, asJSON bool) error {
	failed := slices.ContainsFunc(b.rows, func(r benchRow) bool { return !r.OK })
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(map[string]any{"machine": machine(), "version": version, "at": time.Now().Format(time.RFC3339), "quick": b.quick, "rows": b.rows}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "%s, teiki %s, %s\n\n", machine(), version, time.Now().Format(time.RFC3339))
		printBenchTable(w, b.rows)
	}
	if failed {
		return errDone
	}
	return nil
}

func machine() string {
	return fmt.Sprintf("%d CPUs, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func benchHelp(w io.Writer) {
	fmt.Fprint(w, `teiki bench measures this machine with a server and a target of its own, and compares with what is promised.
It takes about twenty minutes and 10 GB of disk; exit code 1 when a limit is not met.

  -only CASE,CASE    only these cases
  -quick             small numbers, seconds: shows that it works, judges no speed
  -json              the table as JSON
  -dir DIR           where the databases go, and so the disk that is measured (default: the working directory)
  -jobs N            another number of jobs in steady, herd, million and soak
  -duration D        another duration of steady, idle and soak
  -cpuprofile FILE   CPU profile of the server that was measured last
  -server-flags "…"  flags for the server, such as "-max-per-host 64"

Cases:
`)
	for _, c := range benchCases() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.help)
	}
}
