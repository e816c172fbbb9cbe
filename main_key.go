package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

const keyUsage = `teiki key create -name NAME -scopes LIST [-owner OWNER] [-allow-ip LIST] [-expires TIME|DURATION] [-db FILE]
teiki key list [-db FILE]
teiki key revoke PREFIX [-db FILE]

Keys are made in the database itself, also while the server runs. Scopes: read, run, write, admin, with commas.`

// keyCommand is `teiki key`: API keys from the command line of the machine that has the database.
func keyCommand(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprintln(env.stdout, keyUsage)
		return nil
	}
	action, args := args[0], args[1:]
	flags := flag.NewFlagSet("key "+action, flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	db := flags.String("db", orElse(env.getenv("TEIKI_DB"), "jobs.db"), "database `file`")
	var req keyRequest
	var scopes, nets, expires string
	if action == "create" {
		flags.StringVar(&req.Name, "name", "", "who or what uses the key")
		flags.StringVar(&req.Owner, "owner", "default", "whose jobs the key sees")
		flags.StringVar(&scopes, "scopes", "", "read, run, write, admin, with commas")
		flags.StringVar(&nets, "allow-ip", "", "networks that the key may come from, with commas")
		flags.StringVar(&expires, "expires", "", "when the key ends: a time (RFC 3339) or a duration such as 90d")
	}
	prefix := ""
	if action == "revoke" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		prefix, args = args[0], args[1:]
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return usageError{err}
	}
	if action == "revoke" && prefix == "" {
		prefix = flags.Arg(0)
	} else if flags.NArg() > 0 {
		return usage("key %s takes no argument %q", action, flags.Arg(0))
	}
	var act func(ring *keyring) error // what is wrong with the command line is told before any file is touched
	switch action {
	case "create":
		req.Scopes, req.AllowIP = splitList(scopes), splitList(nets)
		var err error
		if req.ExpiresAt, err = expiry(expires, time.Now()); err != nil {
			return err
		}
		k, text, faults := newKey(req, time.Now())
		if len(faults) > 0 {
			lines := make([]string, len(faults))
			for i, f := range faults {
				lines[i] = "-" + strings.ReplaceAll(f.Field, "_", "-") + ": " + f.Detail
			}
			return usage("%s", strings.Join(lines, "\n"))
		}
		act = func(ring *keyring) error { return createKey(ctx, ring, k, text, env) }
	case "revoke":
		if prefix == "" {
			return usage("key revoke needs the prefix of a key; teiki key list shows them")
		}
		act = func(ring *keyring) error { return revokeKey(ctx, ring, prefix, env) }
	case "list":
		act = func(ring *keyring) error { return printKeys(ctx, ring, env) }
	default:
		return usage("there is no key %q; there are create, list and revoke", action)
	}
	ring, err := openKeyring(ctx, *db)
	if err != nil {
		return err
	}
	defer ring.Close()
	return act(ring)
}

func createKey(ctx context.Context, ring *keyring, k *Key, text string, env environment) error {
	if err := ring.Create(ctx, k); err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "key %s of %s (%s): it is shown this once and cannot be read again\n", k.Prefix, k.Owner, k.Scopes)
	fmt.Fprintln(env.stdout, text) // alone, so that a script can take it
	return nil
}

func revokeKey(ctx context.Context, ring *keyring, prefix string, env environment) error {
	if err := ring.Revoke(ctx, strings.TrimPrefix(prefix, "teiki_")); errors.Is(err, errNotFound) {
		return fmt.Errorf("there is no valid key %q; teiki key list shows them", prefix)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "key %s is revoked\n", prefix)
	return nil
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// expiry reads a time or a duration from now.
func expiry(text string, now time.Time) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	var d time.Duration
	if setDuration(&d, text, time.Second, 100*366*24*time.Hour) == nil {
		text = now.Add(d).Format(time.RFC3339)
	} else if _, fault := parseInstant(text); fault != "" {
		return nil, usage("-expires %q is neither a time such as 2027-01-31T00:00:00+09:00 nor a duration such as 90d", text)
	}
	return json.Marshal(text)
}

func printKeys(ctx context.Context, ring *keyring, env environment) error {
	keys, err := ring.Keys(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "PREFIX\tNAME\tOWNER\tSCOPES\tFROM\tCREATED\tEXPIRES\tLAST USED\tSTATE")
	at := func(i instant, none string) string {
		if i == 0 {
			return none
		}
		return i.Time().Local().Format("2006-01-02 15:04")
	}
	for _, k := range keys {
		state := "valid"
		if k.RevokedAt != 0 {
			state = "revoked " + at(k.RevokedAt, "")
		} else if !k.Valid(instantOf(time.Now())) {
			state = "expired"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Prefix, k.Name, k.Owner, k.Scopes, orElse(k.AllowIP.String(), "anywhere"), at(k.CreatedAt, ""), at(k.ExpiresAt, "never"), at(k.UsedAt, "never"), state)
	}
	return tab.Flush()
}
