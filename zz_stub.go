package main

// Stand-ins for the families on other branches; removed when those are merged.

import (
	"context"
	"log/slog"
	"time"
)

func validateCall(d *Definition) []Fault { return nil }

type Store struct {
	jobStore
	ledger
}

func (*Store) Close(context.Context) error { return nil }
func (*Store) RunID(int64) string          { return "" }

type storeOptions struct {
	Log        *slog.Logger
	Policy     Policy
	Changed    func(int64)
	KeepRuns   int
	KeepPeriod time.Duration
}

func openStore(context.Context, string, storeOptions) (*Store, error) { return &Store{}, nil }

type Executor struct{ caller }

func (*Executor) Drain(context.Context) {}
func (*Executor) Out() int              { return 0 }

type runObserver interface{ observeAttempt(Dispatch, Finish) }
type executorConfig struct {
	Settings *Settings
	Ledger   any
	Log      *slog.Logger
	Version  string
	RunID    func(int64) string
	Observer runObserver
	Ended    func(Dispatch)
	Finished func(Dispatch, Finish, bool)
}

func newExecutor(executorConfig) (*Executor, error) { return &Executor{}, nil }

func (*Store) Timers(context.Context, func(Timer) error) error { return nil }
func (*Store) Health() error                                   { return nil }
func (*Store) Job(context.Context, string) (*JobRecord, error) { return nil, errNotFound }
