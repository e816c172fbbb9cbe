package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// verify is `teiki verify`: it recomputes the plan of each job from the history of its definitions and pauses, compares it
// with the rows, and prints what it found. It only reads, also while the server runs. A difference makes the exit code 1.
func verify(ctx context.Context, args []string, env environment) error {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	db := flags.String("db", orElse(env.getenv("TEIKI_DB"), "jobs.db"), "database `file`")
	from := flags.String("from", "", "compare firings after this `time` (RFC 3339); default: the beginning")
	to := flags.String("to", "", "compare firings up to this `time` (RFC 3339); default: now")
	asJSON := flags.Bool("json", false, "print JSON")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return usageError{err}
	case flags.NArg() > 0:
		return usage("verify takes no arguments, got %q; its options: -db FILE -from TIME -to TIME -json", flags.Arg(0))
	}
	now := instantOf(time.Now())
	window := ledgerWindow{To: now}
	for _, b := range []struct {
		name, text string
		at         *instant
	}{{"-from", *from, &window.From}, {"-to", *to, &window.To}} {
		if b.text == "" {
			continue
		}
		at, fault := parseInstant(b.text)
		if fault != "" {
			return usage("%s %q: %s", b.name, b.text, fault)
		}
		*b.at = at
	}
	if window.From > window.To {
		return usage("-from must not be later than -to")
	}
	if _, err := os.Stat(*db); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	r, err := openReader(ctx, *db)
	if err != nil {
		return err
	}
	defer r.Close()
	t, err := compareLedger(ctx, r, window, now)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(env.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(t); err != nil {
			return err
		}
	} else {
		t.print(env.stdout)
	}
	if t.gap() > 0 {
		return errDone
	}
	return nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// print writes the tally for people.
func (t *tally) print(w io.Writer) {
	fmt.Fprintf(w, "%d jobs, %d planned firings that must have a row\n", t.Jobs, t.Planned)
	for _, s := range []Status{Succeeded, Failed, Interrupted, Canceled, Missed, Skipped, Coalesced, Pending, Running, Retrying} {
		if n := t.Statuses[s]; n > 0 {
			fmt.Fprintf(w, "%12d %s\n", n, s)
		}
	}
	if t.Due > 0 {
		fmt.Fprintf(w, "%12d due, not yet claimed (the server settles them)\n", t.Due)
	}
	if t.Former > 0 {
		fmt.Fprintf(w, "%12d differ from the plan in times planned with other time zone data than this program has: they prove nothing\n", t.Former)
	}
	for _, d := range t.Differences {
		fmt.Fprintf(w, "DIFFERENCE %s %s %s: %s\n", d.Kind, d.JobID, d.At, d.Detail)
	}
	if t.More > 0 {
		fmt.Fprintf(w, "… and %d more differences\n", t.More)
	}
	fmt.Fprintf(w, "difference: %d\n", t.gap())
}
