package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// TestABackupWhileTheServerRuns copies the store that a server has open, and reads the copy.
func TestABackupWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	st, _, portico := atDesk(t)
	if _, err := portico("correct horse battery", "user", "add", "amy.shaw", "--role", "proxy"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, sqlite.FileName)
	if said, err := portico("", "backup", file); err != nil || !strings.HasPrefix(said, file+": ") {
		t.Fatalf("%q, %v", said, err)
	}
	if _, err := portico("", "backup", file); err == nil || !strings.Contains(err.Error(), "overwrites nothing") {
		t.Errorf("a second time: %v", err)
	}
	if n, err := st.Count(t.Context(), store.Query{Collection: "portico_accounts"}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if said, err := commandLine("sqlite:"+dir)("", "user", "list"); err != nil || !strings.Contains(said, "amy.shaw") {
		t.Errorf("the copy has %q, %v", said, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	err := run(ended, []string{"backup", filepath.Join(dir, "late.db"), "--store", "sqlite:" + dir}, func(string) string { return "" }, streams{strings.NewReader(""), io.Discard, io.Discard})
	if err == nil {
		t.Error("a backup that was broken off says that it is done")
	}
}
