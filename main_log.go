package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
)

// newLogger writes structured lines to w: text for people when w is a terminal, JSON for machines otherwise, unless the
// settings say which. The caller keeps secrets out of what it logs.
func newLogger(w io.Writer, s *Settings) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", s.LogLevel, err)
	}
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "text" || s.LogFormat == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return slog.New(slog.NewJSONHandler(w, options)), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
