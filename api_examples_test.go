package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExamples creates every job of examples/, as a reader would.
func TestExamples(t *testing.T) {
	a := newTestAPI(t)
	files, err := filepath.Glob("examples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		a.want(201, "POST", "/jobs", string(body))
	}
}
