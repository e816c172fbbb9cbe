package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// families are the prefixes of the files in the root: `ls` shows the architecture.
var families = []string{"main", "api", "scheduler", "store", "executor", "job", "errors"}

// importRules say which families may import a package, by the beginning of its path; "" stands for files under internal/.
var importRules = []struct {
	path     string
	families []string
	leaf     string // the one package under internal/ that may
}{
	{"database/sql", []string{"store"}, ""},
	{"modernc.org/sqlite", []string{"store"}, ""},
	{"net/http", []string{"api", "executor", "main"}, ""},
	{"github.com/prometheus/", []string{"api"}, ""},
	{"github.com/adhocore/gronx", nil, "schedule"},
}

// maxLines is the soft limit of a file: what is longer has more than one topic.
const maxLines = 400

func TestLayout(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		family, leaf := "", ""
		if dir := filepath.ToSlash(filepath.Dir(path)); dir == "." {
			family, _, _ = strings.Cut(strings.TrimSuffix(path, ".go"), "_")
			if !slices.Contains(families, family) {
				t.Errorf("%s belongs to no family: file names begin with one of %v", path, families)
			}
		} else if rest, ok := strings.CutPrefix(dir, "internal/"); ok {
			leaf, _, _ = strings.Cut(rest, "/")
		} else {
			t.Errorf("%s: Go files are in the root or under internal/", path)
		}
		checkFile(t, path, family, leaf)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, path, family, leaf string) {
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	isTest := strings.HasSuffix(path, "_test.go")
	if lines := strings.Count(string(src), "\n"); lines > maxLines && !isTest {
		t.Errorf("%s has %d lines, more than %d: split it by topic", path, lines, maxLines)
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range f.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		if leaf != "" && imported == "teiki" {
			t.Errorf("%s imports the root: a package under internal/ knows no Job, Run or Store", path)
		}
		if isTest {
			continue // a test may look at its family from outside, through a socket or a database
		}
		for _, rule := range importRules {
			if imported != strings.TrimSuffix(rule.path, "/") && !strings.HasPrefix(imported, strings.TrimSuffix(rule.path, "/")+"/") {
				continue
			}
			if family != "" && !slices.Contains(rule.families, family) || leaf != "" && rule.path == "database/sql" || leaf != "" && rule.leaf != "" && leaf != rule.leaf {
				t.Errorf("%s imports %s, which is for %v %s alone", path, imported, rule.families, rule.leaf)
			}
		}
	}
}

// Every test that the README names exists, and every guarantee names one.
func TestGuaranteesAreTested(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := filepath.Glob("internal/*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range append(files, leaves...) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(src)
	}
	for _, readme := range []string{"README.md", "README.ja.md"} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(text), -1)
		if len(named) < 12 {
			t.Errorf("%s names %d tests, fewer than it has guarantees", readme, len(named))
		}
		for _, m := range named {
			if !strings.Contains(tests.String(), "func "+m[1]+"(t *testing.T)") {
				t.Errorf("%s names %s, which does not exist", readme, m[1])
			}
		}
	}
}

// Every direct dependency has its reason in docs/architecture.md.
func TestDependenciesHaveReasons(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(mod), "\n") {
		if module, _, ok := strings.Cut(strings.TrimSpace(line), " v"); ok && !strings.Contains(line, "// indirect") && !strings.Contains(string(docs), "| `"+module+"` | ") {
			t.Errorf("docs/architecture.md gives no reason for %s", module)
		}
	}
}
