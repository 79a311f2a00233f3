package mongo_test

import (
	"testing"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	suite := &storetest.Suite{
		Open:   func(t *testing.T) store.Store { return open(t, mongo.Options{}) },
		Skip:   mongotest.Skip(),
		Random: random(),
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

// open opens a store on a database of the test's own.
func open(t *testing.T, opts mongo.Options) *mongo.Store {
	t.Helper()
	s, err := mongo.Open(t.Context(), mongotest.URI(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
