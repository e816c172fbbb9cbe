package main

import (
	"net/http"
	"strconv"
)

// healthz is GET /healthz: the process is up and answers.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": version})
}

// readyz is GET /readyz: the database takes writes and the timer loop turns.
func (a *api) readyz(w http.ResponseWriter, r *http.Request) error {
	for _, check := range []struct {
		name string
		err  error
	}{{"database", a.store.Health()}, {"scheduler", a.alive()}} {
		if check.err != nil {
			p := newProblem(http.StatusServiceUnavailable, "not_ready", check.name+" is not ready; the log says why")
			p.header = map[string]string{"Retry-After": strconv.Itoa(retryAfterSec)}
			return p
		}
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

const indexPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>teiki</title>
<h1>teiki</h1>
<p>This server calls HTTP APIs on a schedule. Its README describes the API.</p>
<ul><li><a href="/jobs">/jobs</a><li><a href="/runs">/runs</a><li><a href="/metrics">/metrics</a><li><a href="/docs">/docs</a></ul>
</html>
`

// index is GET /.
func (a *api) index(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	_, _ = w.Write([]byte(indexPage))
	return nil
}
