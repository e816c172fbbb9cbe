package main

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// refused opens path, wants a refusal that says why, and the file's bytes as they were.
func refused(t *testing.T, path, why string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStore(t.Context(), path, storeOptions{})
	if err == nil {
		closeTest(t, s)
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), path) {
		t.Errorf("the refusal says %q, want the path and %q", err, why)
	}
	after, err := os.ReadFile(path)
	if err != nil || sha256.Sum256(before) != sha256.Sum256(after) {
		t.Errorf("the file has changed (%v)", err)
	}
}

// closedDatabase makes a database with some jobs and closes it.
func closedDatabase(t *testing.T, jobs int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := openStore(t.Context(), path, storeOptions{Policy: testPolicy})
	if err != nil {
		t.Fatal(err)
	}
	createMany(t, s, jobs)
	closeTest(t, s)
	return path
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	for name, content := range map[string]string{"text": "hello", "longer than a header": strings.Repeat("0123456789", 1000)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, path, "not a database")
		})
	}
	t.Run("a directory", func(t *testing.T) {
		path := t.TempDir()
		if _, err := openStore(t.Context(), path, storeOptions{}); err == nil || !strings.Contains(err.Error(), "directory") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		if _, err := openStore(t.Context(), filepath.Join(t.TempDir(), "none", "jobs.db"), storeOptions{}); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("got %v", err)
		}
	})
}

func TestOpenEmptyFileAndOddNames(t *testing.T) {
	for _, name := range []string{"empty.db", "with space.db", "a?b#c%20d.db", "定期.db"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openTestAt(t, path, storeOptions{})
		mustCreate(t, s, "a", everySeconds(1), 0)
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: the database is somewhere else (%v)", name, err)
		}
	}
}

func TestOpenRefusesForeignDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE mine (x)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	refused(t, path, "another program")
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	path := closedDatabase(t, 1)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	refused(t, path, "version 99")
}

// TestOpenRefusesDamage damages a sound database in several ways.
func TestOpenRefusesDamage(t *testing.T) {
	sound := closedDatabase(t, 300)
	content, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"truncated":          func(b []byte) []byte { return b[:len(b)/2] },
		"cut inside a page":  func(b []byte) []byte { return b[:len(b)/2+100] },
		"only the header":    func(b []byte) []byte { return b[:100] },
		"half a header":      func(b []byte) []byte { return b[:50] },
		"zeros in the pages": func(b []byte) []byte { clear(b[8192 : len(b)/2]); return b },
		"noise":              func(b []byte) []byte { copy(b[4096:], bytes.Repeat([]byte("noise!"), 3000)); return b },
		"no schema":          func(b []byte) []byte { clear(b[100:4096]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.db")
			if err := os.WriteFile(path, damage(bytes.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, path, "database")
		})
	}
}

func TestOpenRefusesSecondOpener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := openTestAt(t, path, storeOptions{})
	link := filepath.Join(t.TempDir(), "other.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		_, err := openStore(t.Context(), name, storeOptions{})
		if err == nil || !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())) {
			t.Fatalf("%s: got %v", name, err)
		}
	}
	mustCreate(t, s, "still works", everySeconds(1), 0)
	r, err := openReader(t.Context(), path) // verify may
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if j, err := r.Job(t.Context(), "still works"); err != nil || j.Version != 1 {
		t.Fatal(j, err)
	}
	if _, err := r.read.Exec("DELETE FROM jobs"); err == nil {
		t.Fatal("a reader can write")
	}
}

func TestOpenReaderWithoutServer(t *testing.T) {
	path := closedDatabase(t, 3)
	r, err := openReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Job(t.Context(), "j2"); err != nil {
		t.Fatal(err)
	}
	if _, err := openReader(t.Context(), path+".none"); err == nil {
		t.Fatal("a database that does not exist was opened")
	}
}

func TestOpenPragmas(t *testing.T) {
	s := openTest(t)
	for _, c := range []struct {
		row  func(query string) *sql.Row
		name string
		want string
	}{
		{s.writerRow(t), "journal_mode", "wal"}, {s.writerRow(t), "synchronous", "2"}, {s.writerRow(t), "busy_timeout", fmt.Sprint(busyTimeout)},
		{func(q string) *sql.Row { return s.read.QueryRow(q) }, "query_only", "1"},
	} {
		var got string
		if err := c.row("PRAGMA " + c.name).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s is %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
	if older("3.51.3", minSQLite) || !older("3.51.2", minSQLite) || !older("3.9.9", minSQLite) || older("3.100.0", minSQLite) {
		t.Error("versions compare wrongly")
	}
}

// writerRow reads on the writer's connection, which nothing else uses in a quiet test.
func (s *Store) writerRow(t *testing.T) func(string) *sql.Row {
	return func(q string) *sql.Row { return s.conn.QueryRowContext(t.Context(), q) }
}

// TestUpgrade takes a database of each former version to the newest one and compares it with schema.sql; and it does the same
// with steps of its own, so that the way is proven before the first real step exists.
func TestUpgrade(t *testing.T) {
	first, err := os.ReadFile("testdata/schema_v1.sql")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := schemaOf(t, string(first), 1, upgradeSteps), schemaOf(t, schemaSQL, schemaVersion, upgradeSteps); got != want {
		t.Errorf("version 1 with all steps:\n%s\nschema.sql:\n%s", got, want)
	}
	steps := []string{"ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT ''", "CREATE INDEX jobs_by_owner ON jobs (owner); CREATE TABLE more (x)"}
	got := schemaOf(t, string(first), 1, steps)
	if !strings.Contains(got, "owner TEXT") || !strings.Contains(got, "jobs_by_owner") || !strings.Contains(got, "more") || !strings.Contains(got, "version 3") {
		t.Errorf("two steps gave\n%s", got)
	}
	t.Run("a failing step leaves the former version", func(t *testing.T) {
		bad := []string{steps[0], "CREATE TABLE half (x); CREATE TABLE jobs (x)"}
		got := schemaOf(t, string(first), 1, bad)
		if !strings.Contains(got, "version 2") || strings.Contains(got, "half") || !strings.Contains(got, "owner TEXT") {
			t.Errorf("got\n%s", got)
		}
	})
}

// plainSQL is a statement without comments and with single spaces: an upgraded table keeps the text it was made with.
func plainSQL(text string) string {
	text = regexp.MustCompile(`--[^\n]*`).ReplaceAllString(text, "")
	text = strings.NewReplacer("(", " ( ", ")", " ) ", ",", " , ").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

// schemaOf makes a database with script at version, applies steps, and describes it.
func schemaOf(t *testing.T, script string, version int, steps []string) string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := inTransaction(t.Context(), conn, version, script); err != nil {
		t.Fatal(err)
	}
	failure := upgrade(t.Context(), conn, steps)
	var b strings.Builder
	rows, err := conn.QueryContext(t.Context(), "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, kind, name, plainSQL(text))
	}
	if err := conn.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, "version", version)
	if failure != nil && !strings.Contains(failure.Error(), "upgrade from version") {
		t.Errorf("the failure says %v", failure)
	}
	return b.String()
}
