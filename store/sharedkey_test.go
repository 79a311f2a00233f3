package store_test

import (
	"bytes"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

func TestNodesShareAKey(t *testing.T) {
	t.Parallel()
	st := memory.New()
	type answer struct {
		key []byte
		err error
	}
	answers := make(chan answer)
	for range 8 {
		go func() {
			key, err := store.SharedKey(t.Context(), st, "a")
			answers <- answer{key, err}
		}()
	}
	first := <-answers
	for range 7 {
		if next := <-answers; next.err != nil || !bytes.Equal(next.key, first.key) || len(next.key) != 32 {
			t.Errorf("got %x, %v and %x, %v", first.key, first.err, next.key, next.err)
		}
	}
	if other, err := store.SharedKey(t.Context(), st, "b"); err != nil || bytes.Equal(other, first.key) {
		t.Errorf("another name: %x, %v", other, err)
	}
}

func TestADamagedKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	st := memory.New()
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "a"}, {Key: "key", Value: []byte("short")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "portico_keys", Doc: doc}}); err != nil {
		t.Fatal(err)
	}
	if key, err := store.SharedKey(t.Context(), st, "a"); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %x, %v", key, err)
	}
}
