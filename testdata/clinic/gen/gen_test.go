package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCollectionsAreUpToDate(t *testing.T) {
	t.Parallel()
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "collections", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what gen makes: run go generate ./testdata/clinic", name)
		}
	}
	entries, err := os.ReadDir(filepath.Join("..", "collections"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()] == nil {
			t.Errorf("%s is not made by gen: delete it", e.Name())
		}
	}
}

func TestGenerationIsDeterministic(t *testing.T) {
	t.Parallel()
	first, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	second, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestIdentityNumbersAreOfTheSyntheticSeries(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.patients()
	seen := map[string]bool{}
	for _, d := range w.cols["patients"] {
		for _, e := range d.body {
			id, ok := e.Value.(string)
			if e.Key != "nin" || !ok {
				continue
			}
			if len(id) != 11 || id[2] != '8' && id[2] != '9' {
				t.Errorf("%s: want 11 digits and a month above 80", id)
			}
			if seen[id] {
				t.Errorf("%s twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d patients have a number", len(seen))
	}
}
