package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var drainStops = flag.Int("drain.stops", 5, "how often TestDrainUnderLoad stops a server; the long form is 50")

// maxPerHostPreset is the preset of -max-per-host.
const maxPerHostPreset = 128

// TestDrainUnderLoad sends SIGTERM at random instants to a server that makes some hundred calls a second, quick and slow ones.
// Each time it ends by itself, in time and with exit code 0; nothing is claimed after the signal; a call that was out has ended,
// or is marked as cut off or to be tried again; the next start goes on without a gap.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	const drain = time.Second
	bin, db := buildBinary(t), filepath.Join(t.TempDir(), "jobs.db")
	target := newCallTarget(t, func(_ seenAttempt, _ http.ResponseWriter, r *http.Request) {
		wait := map[string]time.Duration{"/quick": 5 * time.Millisecond, "/slow": 600 * time.Millisecond, "/hang": time.Minute}[r.URL.Path]
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
	})
	var slowest, latest time.Duration
	for stop := range *drainStops {
		p := startBinary(t, bin, db, "-drain-timeout", drain.String())
		read := make(chan struct{})
		go func() {
			defer close(read)
			for range p.log { // a full pipe would hold the server
			}
		}()
		if stop == 0 {
			for i := range 200 {
				path, retries := "/quick", i%3
				switch i % 40 {
				case 1:
					path = "/hang"
				case 2, 3:
					path = "/slow"
				}
				p.api.want(201, "POST", "/jobs", fmt.Sprintf(`{"job_id":"j%d","schedule_type":"interval","interval":{"seconds":1},"target_url":"%s%s","method":"POST","max_retries":%d,"retry_backoff_sec":0.2}`,
					i, target.URL, path, retries))
			}
		}
		<-time.After(1200*time.Millisecond + time.Duration(rand.IntN(1500))*time.Millisecond)
		signal := time.Now()
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.stopped(t); err != nil {
			t.Fatalf("stop %d: %v", stop, err)
		}
		took := time.Since(signal)
		slowest = max(slowest, took)
		if took > drain+2*time.Second {
			t.Errorf("stop %d took %s", stop, took)
		}
		<-read
		calls := target.of("")
		latest = max(latest, calls[len(calls)-1].at.Sub(signal))
		var left, claimed int
		if err := openDB(t, db).QueryRow("SELECT coalesce(sum(status = 'running'), 0), coalesce(sum(started_at > ?1 AND attempt = 1), 0) FROM runs",
			signal.Add(100*time.Millisecond).UnixMicro()).Scan(&left, &claimed); err != nil {
			t.Fatal(err)
		}
		// What was on its way to the disk at the signal still goes out: at most a slot's worth for the host, however slow the machine is.
		if left > 0 || claimed > maxPerHostPreset {
			t.Errorf("stop %d: %d runs are left running, %d began more than 100 ms after the signal", stop, left, claimed)
		}
	}
	if latest > 2*time.Second { // the claims that were on their way to the disk, on a machine that is busy
		t.Errorf("a call arrived %s after the signal", latest)
	}
	soundAfter(t, bin, db, target.of(""))
	t.Logf("%d stops, %d calls; the slowest stop took %s, the latest call arrived %s after the signal", *drainStops, len(target.of("")),
		slowest.Round(time.Millisecond), latest.Round(time.Millisecond))
}
