package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var troubleLock = flag.Duration("trouble.lock", 7*time.Second, "how long TestServerLockedOut keeps the database locked; the long form is 30s")

// steadyJob is a job that fires each second.
func steadyJob(id, url string) string {
	return fmt.Sprintf(`{"job_id":%q,"schedule_type":"interval","interval":{"seconds":1},"target_url":%q,"method":"POST"}`, id, url)
}

// refusedWrite sends a change that the database can't take: 503 within 6 s, with the time to wait.
func refusedWrite(t *testing.T, p *serverProcess, body string) {
	t.Helper()
	began := time.Now()
	got := p.api.do("POST", "/jobs", body)
	if took := time.Since(began); got.status != 503 || got.object["code"] != "unavailable" || got.header.Get("Retry-After") == "" || took > 6*time.Second {
		t.Errorf("a change that cannot be stored: %d after %s: %s", got.status, took, got.text)
	}
}

// quietLog wants each change told once, and no panic.
func quietLog(t *testing.T, log string, changes int) {
	t.Helper()
	if strings.Contains(log, "panic") || strings.Count(log, "cannot be written") != changes || strings.Count(log, "can be written again") != changes {
		t.Errorf("the log must tell %d changes for the worse and for the better, and no panic:\n%.4000s", changes, log)
	}
}

// TestServerLockedOut: another process holds the database's write lock. Reads go on, changes are refused in time, nothing is
// called without a row; when the lock is gone all resumes within a second.
func TestServerLockedOut(t *testing.T) {
	t.Parallel()
	bin, db := buildBinary(t), filepath.Join(t.TempDir(), "jobs.db")
	target := newCallTarget(t, nil)
	p := startBinary(t, bin, db)
	p.api.want(201, "POST", "/jobs", steadyJob("steady", target.URL))
	eventually(t, "it fires", func() bool { return len(target.of("")) >= 2 })
	release := lockDB(t, db)
	locked := time.Now()
	<-time.After(200 * time.Millisecond) // a commit that was under way
	before := len(target.of(""))
	for time.Since(locked) < *troubleLock {
		refusedWrite(t, p, steadyJob("refused", target.URL))
		p.api.want(200, "GET", "/jobs/steady", "")
	}
	if got := p.api.do("GET", "/readyz", ""); got.status != 503 {
		t.Errorf("ready while locked: %s", got.text)
	}
	if n := len(target.of("")); n != before {
		t.Errorf("%d calls left without a row", n-before)
	}
	release()
	released := time.Now()
	p.api.want(201, "POST", "/jobs", steadyJob("after", target.URL))
	eventually(t, "it fires again", func() bool { return len(target.of("")) > before })
	if took := time.Since(released); took > 2*time.Second { // a second, and what a busy machine adds
		t.Errorf("resumed after %s", took)
	} else {
		t.Logf("resumed after %s", took.Round(time.Millisecond))
	}
	stopServer(t, p)
	quietLog(t, p.lines(), 1)
	soundAfter(t, bin, db, target.of(""))
	t.Logf("locked for %s", released.Sub(locked).Round(time.Millisecond))
}

// TestServerDiskFull fills the disk under a server that fires: a tmpfs of 16 MB where one may be mounted, else a limit on the size
// of the server's files.
func TestServerDiskFull(t *testing.T) {
	t.Run("tmpfs", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
			t.Logf("no tmpfs may be mounted here (%v): the limit on files shows it", err)
			return
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		ballast := filepath.Join(dir, "ballast")
		serverDiskFull(t, dir, func(*serverProcess) {
			f, err := os.Create(ballast)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for block := make([]byte, 4096); err == nil; {
				_, err = f.Write(block)
			}
			if size, err := f.Seek(0, 1); err != nil || f.Truncate(size-300<<10) != nil { // some changes still fit
				t.Fatal(err)
			}
		}, func(*serverProcess) {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("limit on files", func(t *testing.T) {
		t.Parallel()
		var was unix.Rlimit
		dir := t.TempDir()
		serverDiskFull(t, dir, func(p *serverProcess) {
			if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &was); err != nil {
				t.Fatal(err)
			}
			log, err := os.Stat(filepath.Join(dir, "jobs.db-wal"))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(log.Size()) + 300<<10, Max: was.Max}, nil); err != nil {
				t.Fatal(err)
			}
		}, func(p *serverProcess) {
			if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &was, nil); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func serverDiskFull(t *testing.T, dir string, fill, free func(p *serverProcess)) {
	bin, db := buildBinary(t), filepath.Join(dir, "jobs.db")
	target := newCallTarget(t, nil)
	p := startBinary(t, bin, db)
	for i := range 10 {
		p.api.want(201, "POST", "/jobs", steadyJob(fmt.Sprint("steady", i), target.URL))
	}
	eventually(t, "they fire", func() bool { return len(target.of("")) >= 10 })
	fill(p)
	big := strings.Replace(steadyJob("big", target.URL), "{", fmt.Sprintf(`{"description":%q,`, strings.Repeat("x", 9000)), 1)
	acknowledged := 0
	for status := 201; status == 201; acknowledged++ {
		got := p.api.do("POST", "/jobs", strings.Replace(big, `"big"`, fmt.Sprintf(`"big%d"`, acknowledged), 1))
		if status = got.status; status != 201 && status != 503 {
			t.Fatalf("a full disk: %d %s", got.status, got.text)
		}
		if acknowledged > 2000 {
			t.Fatal("the disk never gets full")
		}
	}
	acknowledged--
	// What is small may still find room in the log; then that is full, too.
	eventually(t, "no call leaves", func() bool {
		before := len(target.of(""))
		<-time.After(1500 * time.Millisecond)
		return len(target.of("")) == before
	})
	for range 3 {
		refusedWrite(t, p, strings.Replace(big, `"big"`, `"refused"`, 1))
	}
	p.api.want(200, "GET", "/jobs/steady0", "")
	before := len(target.of(""))
	free(p)
	freed := time.Now()
	eventually(t, "calls leave again", func() bool { return len(target.of("")) > before })
	eventually(t, "changes are taken again", func() bool { return p.api.do("POST", "/jobs", steadyJob("after", target.URL)).status == 201 })
	took := time.Since(freed)
	if took > 5*time.Second {
		t.Errorf("resumed after %s", took)
	}
	for i := range acknowledged {
		p.api.want(200, "GET", fmt.Sprint("/jobs/big", i), "")
	}
	p.api.want(404, "GET", "/jobs/refused", "")
	stopServer(t, p)
	if log := p.lines(); strings.Contains(log, "panic") || !strings.Contains(log, "cannot be written") || !strings.Contains(log, "can be written again") || strings.Count(log, "cannot be written") > 6 {
		t.Errorf("the log: %.4000s", log)
	}
	soundAfter(t, bin, db, target.of(""))
	t.Logf("%d jobs fit, resumed after %s", acknowledged, took.Round(time.Millisecond))
}

// TestServerRefuses: a file that the server must not touch is refused with the reason, and keeps its bytes.
func TestServerRefuses(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	content, err := os.ReadFile(closedDatabase(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, why string
		change    func(b []byte) []byte
		mode      os.FileMode
	}{
		{"no database", "not a database", func([]byte) []byte { return []byte(strings.Repeat("a text file. ", 100)) }, 0o600},
		{"corrupt", "damaged", func(b []byte) []byte { clear(b[8192 : len(b)/2]); return b }, 0o600},
		{"truncated", "damaged", func(b []byte) []byte { return b[:len(b)/2] }, 0o600},
		{"newer schema", "newer than this program's", func(b []byte) []byte { b[63] = 99; return b }, 0o600}, // user_version
		{"another program's", "another program", func(b []byte) []byte { b[71]++; return b }, 0o600},         // application_id
		{"read-only", "permission denied", func(b []byte) []byte { return b }, 0o444},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("/tmp", "teiki-refuses") // others may enter it, unlike t.TempDir
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700); os.RemoveAll(dir) })
			path, self := filepath.Join(dir, "jobs.db"), filepath.Join(dir, "teiki")
			program, err := os.ReadFile(bin)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(self, program, 0o755); err != nil {
				t.Fatal(err)
			}
			before := c.change(slices.Clone(content))
			if err := os.WriteFile(path, before, c.mode); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self, "-listen", "127.0.0.1:0", "-db", path)
			if c.mode == 0o444 {
				if err := os.Chmod(dir, 0o555); err != nil {
					t.Fatal(err)
				}
				if os.Getuid() == 0 { // root may write anywhere
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
				}
			}
			began := time.Now()
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.why) || !strings.Contains(string(out), path) || time.Since(began) > 5*time.Second {
				t.Errorf("%v after %s: %s, want %q and the path", err, time.Since(began), out, c.why)
			}
			after, err := os.ReadFile(path)
			if err != nil || sha256.Sum256(after) != sha256.Sum256(before) {
				t.Errorf("the file has changed: %v", err)
			}
		})
	}
}
