package main

// Stand-ins for the families on other branches; removed when those are merged.

import (
	"context"
	"log/slog"

	"teiki/internal/schedule"
)

type callEnv struct{}

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

func (*Executor) env() callEnv                           { return callEnv{} }
func validateCall(*Definition, callEnv) []schedule.Fault { return nil }

func (*Store) RunID(int64) string                                                { return "" }
func (*Store) ParseRunID(string) (int64, error)                                  { return 0, errNotFound }
func (*Store) Jobs(context.Context, JobFilter) ([]*Job, error)                   { return nil, nil }
func (*Store) Runs(context.Context, RunFilter) ([]RunView, string, error)        { return nil, "", nil }
func (*Store) Backfill(context.Context, string, BackfillRequest) ([]*Run, error) { return nil, nil }

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
