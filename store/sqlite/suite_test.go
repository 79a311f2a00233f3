package sqlite

import (
	"testing"
	"time"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	suite(Options{}).Run(t)
}

// With little memory and one connection to keep, a store does the same.
func TestStoreWithLittle(t *testing.T) {
	t.Parallel()
	s := suite(Options{Readers: 1, Sort: 4000, Map: 1, Recent: 400})
	s.Skip = map[string]string{"plans": "a sort goes through the documents several times"}
	s.Run(t)
}

// A store that is being loaded finds what it was given, and is one as any other from then on.
func TestStoreBeingLoaded(t *testing.T) {
	t.Parallel()
	suite(Options{Loading: true}).Run(t)
	suite(Options{Loading: true, Recent: 400}).Run(t)
}

func suite(opts Options) *storetest.Suite {
	return &storetest.Suite{
		Open: func(t *testing.T) store.Store { return open(t, t.TempDir(), opts) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dirOf(s), opts)
		},
		Sweep: func(t *testing.T, s store.Store, now time.Time) {
			if err := s.(*Store).sweep(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		},
	}
}
