package mongo

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

func BenchmarkCompileFold(b *testing.B) {
	d := pcre()
	d.foldPattern("x", true) // makes the table
	for b.Loop() {
		d.foldPattern("O'Brien-Müller", false)
	}
}

func BenchmarkCompilePage(b *testing.B) {
	s := &Store{dialect: pcre()}
	q := store.Query{
		Collection: "Observation",
		Where:      store.And{store.Eq{Path: "k", Value: store.V("entry")}, store.Not{Filter: store.Eq{Path: "v", Value: store.V(0)}}},
		Order:      []store.Key{{Path: "dt", Desc: true}},
		After:      store.Cursor{store.V(bson.DateTime(0)), store.V("id")},
		Limit:      10,
	}
	for b.Loop() {
		s.plan(q)
	}
}

// BenchmarkApply measures a record's update, two collections in a transaction,
// and a load of a thousand documents, on whatever server the tests have.
func BenchmarkApply(b *testing.B) {
	s, err := Open(b.Context(), mongotest.URI(b), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	doc := func(id string) store.Doc {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "body", Value: make([]byte, 1700)}})
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	apply := func(ops ...store.Op) {
		if err := s.Apply(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
	apply(store.Op{Kind: store.Insert, Collection: "current", Doc: doc("a")})
	b.Run("record", func(b *testing.B) {
		for b.Loop() {
			apply(
				store.Op{Kind: store.Insert, Collection: "history", Doc: doc(bson.NewObjectID().Hex())},
				store.Op{Kind: store.Replace, Collection: "current", ID: store.V("a"), Doc: doc("a")},
			)
		}
	})
	b.Run("load1000", func(b *testing.B) {
		for b.Loop() {
			var ops []store.Op
			for i := range 1000 {
				ops = append(ops, store.Op{Kind: store.Insert, Collection: "load", Doc: doc(fmt.Sprint(bson.NewObjectID().Hex(), i))})
			}
			apply(ops...)
		}
	})
}
