//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenRefusesReadOnlyPlaces runs itself as a user without rights: root may write anywhere.
func TestOpenRefusesReadOnlyPlaces(t *testing.T) {
	if dir := os.Getenv("TEIKI_TEST_READONLY"); dir != "" {
		for _, c := range []struct{ path, why string }{
			{filepath.Join(dir, "dir", "jobs.db"), "permission denied"},
			{filepath.Join(dir, "file", "jobs.db"), "permission denied"},
		} {
			refused(t, c.path, c.why)
		}
		return
	}
	top, err := os.MkdirTemp("/tmp", "teiki-readonly") // t.TempDir's parents are closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(top, "dir"), 0o700); os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(closedDatabase(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for dir, mode := range map[string][2]os.FileMode{"dir": {0o555, 0o444}, "file": {0o777, 0o444}} {
		dir = filepath.Join(top, dir)
		path := filepath.Join(dir, "jobs.db")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, mode[1]); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode[0]); err != nil {
			t.Fatal(err)
		}
	}
	self := filepath.Join(top, "self.test")
	binary, err := os.ReadFile(testBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := testChild(t, self, "TestOpenRefusesReadOnlyPlaces", "TEIKI_TEST_READONLY="+top)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
		t.Fatalf("%v\n%s", err, out)
	}
}
