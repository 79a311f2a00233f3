package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/portico-fhir/portico/store"
)

// open opens a store that is closed with the test.
func open(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dirOf(s store.Store) string { return filepath.Dir(s.(*Store).path) }
