package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// serve is the server: `teiki` without a command. It returns nil after an orderly end.
func serve(ctx context.Context, args []string, env environment) error {
	s, err := readSettings(args, env.getenv)
	if errors.Is(err, errHelp) {
		printHelp(env.stdout)
		return nil
	}
	if err != nil {
		return err
	}
	return serveWith(ctx, s, env)
}

// serveWith is serve after its settings are read.
func serveWith(ctx context.Context, s *Settings, env environment) error {
	log, err := newLogger(env.stderr, s)
	if err != nil {
		return err
	}
	ln, err := listen(ctx, s.Listen) // before the database: of two servers started by mistake the second one touches nothing
	if err != nil {
		return err
	}
	defer ln.Close()
	var g *gate
	e, err := startEngine(ctx, s, log, func(store *Store) (err error) { g, err = openGate(ctx, s, store, log, ln.Addr()); return err })
	if err != nil {
		return err
	}
	h := newAPI(e, s, log)
	h.gate = g
	web := newServer(h, log)
	web.RegisterOnShutdown(e.events.end) // streams would never end by themselves
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(netutil.LimitListener(ln, maxConnections)) }()
	address := ln.Addr().String()
	log.Info("listening", "address", address, "url", "http://"+address, "version", version, "db", s.DB, "timezone", s.Timezone)
	if g.open && !isLoopback(ln.Addr()) {
		log.Warn("everyone who can reach this address can use the API: put it behind a firewall or a proxy with access control", "address", address)
	}

	select {
	case <-ctx.Done():
		log.Info("shutting down", "cause", context.Cause(ctx), "drain_timeout", s.DrainTimeout.String())
	case err = <-failed:
		err = fmt.Errorf("the API ended: %w", err)
		log.Error("shutting down", "cause", err)
	}
	return errors.Join(err, shutdown(web, e, s.DrainTimeout, log))
}

// newServer is the HTTP server around the API, with its bounds.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            requestTimeout,
		ReadTimeout:                  requestTimeout,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               maxRequestHeader,
		DisableGeneralOptionsHandler: true,                                              // OPTIONS * is answered like any other unknown path
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong
	}
}

// maxConnections bounds the open connections; who comes beyond waits until one ends.
const maxConnections = 4096

// Time limits of the server itself.
const (
	requestTimeout = 5 * time.Second // for a whole request to arrive: slow clients do not pile up
	answersTimeout = 5 * time.Second // for answers under way when the server shuts down
	storeTimeout   = 10 * time.Second
)

// listen opens the address of the API.
func listen(ctx context.Context, address string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: the address is in use, perhaps by another teiki; choose another with -listen", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: not permitted; ports below 1024 often need rights, choose another with -listen", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return ln, nil
}

// shutdown ends everything in order, each step even if an earlier one failed: the API takes nothing more and the loop claims
// nothing more; calls that are out get the drain timeout; then the store writes what is left and closes.
func shutdown(web *http.Server, e *engine, drain time.Duration, log *slog.Logger) error {
	deadline, cancel := context.WithTimeoutCause(context.Background(), drain, errShutdown)
	defer cancel()
	e.stopLoop(errShutdown)
	answers, cancelAnswers := context.WithTimeout(context.Background(), answersTimeout)
	defer cancelAnswers()
	if err := web.Shutdown(answers); err != nil {
		_ = web.Close() // cuts answers off; what they acknowledged is on disk
	}
	<-e.loopDone
	drained := make(chan struct{})
	go func() { e.executor.Drain(deadline); close(drained) }()
	select {
	case <-drained:
	case <-time.After(drain + storeTimeout): // the disk takes no outcomes: the next start finds these runs cut off
		log.Error("the outcome of running calls could not be written; the next start treats them as cut off by a crash")
	}
	last, cancelLast := context.WithTimeout(context.Background(), storeTimeout)
	defer cancelLast()
	if err := e.store.Close(last); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	log.Info("stopped")
	return nil
}
