package main

import (
	"context"
	"log/slog"
)

// logEnd writes the one line of a run's end: what happened, never a URL, a header or a body.
func (e *Executor) logEnd(d Dispatch, jobID string, f Finish) {
	level := slog.LevelInfo
	if f.Status == Failed || f.Status == Interrupted {
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !e.cfg.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("run_id", e.runID(d.Run)),
		slog.String("job_id", jobID),
		slog.String("status", string(f.Status)),
		slog.String("reason", f.Reason),
		slog.Int("http_status", f.Attempt.HTTPStatus),
		slog.Int("attempt", f.Attempt.Attempt),
		slog.Float64("duration_ms", ms(f.FinishedAt.Sub(f.StartedAt))),
		slog.Float64("lag_ms", ms(f.StartedAt.Sub(d.ScheduledAt))),
	}
	if f.Attempt.Detail != "" {
		attrs = append(attrs, slog.String("detail", f.Attempt.Detail))
	}
	e.cfg.Log.LogAttrs(ctx, level, "run ended", attrs...)
}
