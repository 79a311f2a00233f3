package sqlite

import (
	"testing"
	"time"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	suite := &storetest.Suite{
		Open: func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{}) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dirOf(s), Options{})
		},
		Sweep: func(t *testing.T, s store.Store, now time.Time) {
			if err := s.(*Store).sweep(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		},
	}
	suite.Run(t)
}
