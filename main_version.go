package main

import (
	"context"
	"fmt"
	"runtime"
)

// version is the release; packages set it with -ldflags "-X main.version=…". It is part of the User-Agent of every call.
var version = "0.1.0-dev"

func printVersion(_ context.Context, args []string, env environment) error {
	if len(args) > 0 {
		return usage("version takes no arguments, got %q", args[0])
	}
	_, err := fmt.Fprintf(env.stdout, "teiki %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
