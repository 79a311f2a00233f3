package mongo_test

import (
	"sync"
	"testing"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	var uris sync.Map // of the stores that were opened
	openAt := func(t *testing.T, uri string) store.Store {
		s, err := mongo.Open(t.Context(), uri, mongo.Options{Timeout: patience.Limit})
		if err != nil {
			t.Fatal(err)
		}
		uris.Store(s, uri)
		return s
	}
	suite := &storetest.Suite{
		Open: func(t *testing.T) store.Store { return openAt(t, mongotest.URI(t)) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			uri, _ := uris.Load(s)
			return openAt(t, uri.(string))
		},
		Skip:   mongotest.Skip(),
		Random: random(),
		Docs:   docs(),
	}
	suite.Run(t)
}

// random leaves out of random cases what mongotest.Skip says of the test server.
func random() storetest.Random {
	if mongotest.Real() {
		return storetest.Random{}
	}
	return storetest.Random{
		NoElem:         true,
		NoDecimals:     true,
		NoPositions:    true,
		NoBinary:       true,
		NoUnique:       true, // it checks the indexes before the _id
		NoDottedOrders: true,
		NoIndexes:      true,
	}
}

// docs is how many documents the claims on index use need at least, since the
// test server keeps indexes slowly.
func docs() int {
	if mongotest.Real() {
		return 0
	}
	return 1500
}

// open opens a store on a database of the test's own.
func open(t *testing.T, opts mongo.Options) *mongo.Store {
	t.Helper()
	opts.Timeout = patience.Limit
	s, err := mongo.Open(t.Context(), mongotest.URI(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
