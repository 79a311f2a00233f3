package memory_test

import (
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := &storetest.Suite{
		Open:  func(*testing.T) store.Store { return memory.New() },
		Sweep: func(_ *testing.T, s store.Store, now time.Time) { s.(*memory.Store).Sweep(now) },
		Skip:  map[string]string{"plans": "memory uses no index"},
	}
	s.Run(t)
}

func TestWatchLosesWhatIsBeyondTheHistory(t *testing.T) {
	t.Parallel()
	s := &memory.Store{History: 4}
	insert := func(from, to int) {
		for i := from; i < to; i++ {
			d, err := bson.Marshal(bson.D{{Key: "_id", Value: i}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "c", Doc: d}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	token := func(after store.Token) (store.Token, error) {
		for e, err := range s.Watch(t.Context(), []string{"c"}, after) {
			return e.Token, err
		}
		return nil, errors.New("nothing")
	}
	start := store.Token{0, 0, 0, 0, 0, 0, 0, 0}
	insert(0, 4)
	first, err := token(start)
	if err != nil {
		t.Fatal(err)
	}
	insert(4, 5)
	if _, err := token(first); err != nil {
		t.Errorf("four changes later: %v", err)
	}
	insert(5, 20)
	if _, err := token(first); !errors.Is(err, store.ErrTokenLost) {
		t.Errorf("long after: %v, want %v", err, store.ErrTokenLost)
	}
}
