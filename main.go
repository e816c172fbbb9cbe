// Command teiki calls HTTP APIs on a schedule. README.md says how to use it, docs/architecture.md how it is built.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"teiki/internal/suggest"

	_ "time/tzdata" // zone data inside the binary: an empty root file system has none
)

// Exit codes of every subcommand.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks for an orderly end; the second is for those who will not wait for it.
	go func() {
		cancel(fmt.Errorf("signal %v", <-signals))
		<-signals
		os.Exit(exitFailed)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// environment is what a command gets from outside; tests give their own.
type environment struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// command is a subcommand: `teiki NAME …`. One without help is for another command's use, and not listed. Its error is printed by run; a usageError makes the exit code 2.
type command struct {
	name, args, help string
	run              func(ctx context.Context, args []string, env environment) error
}

// commands lists the subcommands in the order of the help text. Without one, teiki serves.
func commands() []command {
	return []command{
		{"bench", "[-quick] [-only CASES] [-json]", "measure this machine against what is promised; -h says more", measure},
		{"bench-server", "", "", runBenchServer},
		{"bench-target", "", "", runBenchTarget},
		{"egress", "URL", "explain whether calls may reach a URL, and by which rule", explain},
		{"import", "crontab FILE | url URL | jsonl FILE", "make jobs of a crontab, of the old service, or of an export; -h says more", importCommand},
		{"key", "create | list | revoke", "make, show and revoke API keys; -h says more", keyCommand},
		{"version", "", "print the version and exit", printVersion},
		{"verify", "[-db FILE] [-from TIME] [-to TIME] [-json]", "compare the plan of every job with its rows; exit code 1 on a difference", verify},
	}
}

// usageError is a fault of the command line or the environment, as opposed to one of the work.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errDone ends a command whose whole answer is printed already, with exit code 1: what was looked for is wrong, not the looking.
var errDone = errors.New("done")

// run is the whole program: it returns the exit code. It ends when the work is done or, for the server, when ctx is.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	env := environment{getenv, stdout, stderr}
	err := dispatch(ctx, args, env)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errDone):
		return exitFailed
	}
	fmt.Fprintln(stderr, "teiki:", strings.ReplaceAll(err.Error(), "\n", "\nteiki: "))
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func dispatch(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return serve(ctx, args, env)
	}
	var names []string
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], env)
		}
		if c.help != "" {
			names = append(names, c.name)
		}
	}
	if args[0] == "help" {
		return serve(ctx, []string{"-h"}, env)
	}
	return usage("there is no command %q%s (without a command teiki serves; -h lists all)", args[0], suggest.DidYouMean(args[0], names))
}

// explain is `teiki egress [flags] URL`.
func explain(_ context.Context, args []string, env environment) error {
	if len(args) == 0 {
		return usage("egress needs a URL, for example: teiki egress -egress-deny 10.0.0.0/8 https://example.com/")
	}
	last := len(args) - 1
	s, err := readSettings(args[:last], env.getenv)
	if err != nil {
		return err
	}
	err = explainEgress(env.stdout, s, args[last])
	if errors.Is(err, errEgressDenied) {
		return errDone // the explanation is the answer
	}
	return err
}
