package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// The tables of the document are complete, and have nothing too much: routes, parameters, members, codes.
func TestDocumentIsComplete(t *testing.T) {
	a := newTestAPI(t)
	h := newAPI(a.engine, &Settings{}, nil)
	var routes, described []string
	for _, rt := range append(h.routes(), h.moreRoutes()...) {
		routes = append(routes, rt.pattern)
	}
	for _, op := range operations() {
		described = append(described, op.pattern)
	}
	compare(t, "operations", described, routes)

	used := map[string]bool{"dry_run": true, "Idempotency-Key": true, "If-Match": true, "If-None-Match": true}
	a.want(201, "POST", "/jobs", job("x"))
	for _, op := range operations() {
		var inQuery []string
		for _, p := range op.params {
			used[p] = true
			if p == strings.ToLower(p) {
				inQuery = append(inQuery, p)
			}
		}
		method, path, _ := strings.Cut(op.pattern, " ")
		for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
			used[m[1]] = true
		}
		if method != "GET" || strings.HasPrefix(path, "/docs") || strings.HasSuffix(path, "z") || path == "/{$}" || path == "/metrics" {
			continue
		}
		// The handlers say themselves which parameters they know.
		got := a.want(422, method, strings.NewReplacer("{job_id}", "x", "{run_id}", "x").Replace(path)+"?zz=1", "")
		_, list, _ := strings.Cut(got.text, "known are ")
		list, _, _ = strings.Cut(list, `"`)
		var known []string
		for _, k := range strings.Split(list, ", ") {
			if k != "" {
				known = append(known, k)
			}
		}
		compare(t, "parameters of "+op.pattern, inQuery, known)
	}
	compare(t, "described parameters", keysOf(paramWords), keysOf(used))
	compare(t, "codes", codesOf(t), codesInSource(t))
}

func compare(t *testing.T, what string, described, real []string) {
	t.Helper()
	for _, d := range described {
		if !slices.Contains(real, d) {
			t.Errorf("%s: %s is described but does not exist", what, d)
		}
	}
	for _, r := range real {
		if !slices.Contains(described, r) {
			t.Errorf("%s: %s exists but is not described", what, r)
		}
	}
}

func keysOf[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func codesOf(t *testing.T) (codes []string) {
	for _, c := range errorCodes {
		if slices.Contains(codes, c.code) {
			t.Errorf("the code %s is described twice", c.code)
		}
		codes = append(codes, c.code)
	}
	return codes
}

// codesInSource finds the codes that the API's source can answer: arguments of newProblem, unauthorized and about, and the
// rows of errorTable.
func codesInSource(t *testing.T) (codes []string) {
	files, _ := filepath.Glob("api*.go")
	add := func(e ast.Expr, suffix string) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && !slices.Contains(codes, s+suffix) {
				codes = append(codes, s+suffix)
			}
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch fun := n.Fun.(type) {
				case *ast.Ident:
					name = fun.Name
				case *ast.SelectorExpr:
					name = fun.Sel.Name
				}
				switch name {
				case "newProblem", "unauthorized":
					add(n.Args[1], "")
				case "about":
					add(n.Args[0], "_not_found")
				}
			case *ast.ValueSpec:
				if len(n.Names) == 1 && n.Names[0].Name == "errorTable" {
					for _, row := range n.Values[0].(*ast.CompositeLit).Elts {
						if cells := row.(*ast.CompositeLit).Elts; len(cells) == 4 {
							add(cells[2], "")
						}
					}
				}
			}
			return true
		})
	}
	codes = slices.DeleteFunc(codes, func(c string) bool { return c == "dry_run" }) // never leaves the server
	return codes
}

// Every member of every schema is described, and every description is of a member.
func TestMembersAreDescribed(t *testing.T) {
	schemas := openapiDocument()["components"].(object)["schemas"].(object)
	used := map[string]bool{}
	for name, s := range schemas {
		properties, _ := s.(object)["properties"].(object)
		for member, p := range properties {
			if p.(object)["description"] == nil || p.(object)["description"] == "" {
				t.Errorf("%s.%s is not described", name, member)
			}
			used[member], used[name+"."+member] = true, true
		}
	}
	for _, table := range [][]string{keysOf(memberWords), keysOf(memberSchemas)} {
		for _, key := range table {
			if !used[key] {
				t.Errorf("%s is described but is no member", key)
			}
		}
	}
	for _, name := range append(keysOf(schemaWords), keysOf(requiredMembers)...) {
		if schemas[name] == nil && name != "Definition" {
			t.Errorf("%s is no schema", name)
		}
	}
}
