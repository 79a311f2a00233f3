// Package backends opens the stores that tests of what stands on a store are run
// on. The tests of the stores themselves are in package storetest, which no
// backend's package could use if it imported them.
package backends

import (
	"testing"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/store/sqlite"
)

// All gives, for each backend by its name, how a test opens an empty store.
func All() map[string]func(testing.TB) store.Store {
	return map[string]func(testing.TB) store.Store{
		"memory": func(testing.TB) store.Store { return memory.New() },
		"sqlite": func(t testing.TB) store.Store {
			s, err := sqlite.Open(t.TempDir(), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"mongo": func(t testing.TB) store.Store {
			s, err := mongo.Open(t.Context(), mongotest.URI(t), mongo.Options{Timeout: patience.Limit})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
}

// Each runs a test on an empty store of each backend, in parallel, and closes them.
func Each(t *testing.T, test func(t *testing.T, name string, st store.Store)) {
	t.Helper()
	for name, open := range All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			t.Cleanup(func() {
				if err := st.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, name, st)
		})
	}
}
