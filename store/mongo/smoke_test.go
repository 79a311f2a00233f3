package mongo

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

func doc(kv ...any) store.Doc {
	var d bson.D
	for i := 0; i < len(kv); i += 2 {
		d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

func TestSmoke(t *testing.T) {
	start := time.Now()
	s, err := Open(t.Context(), mongotest.URI(t), Options{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Log("open", time.Since(start), s.atomic, s.dialect.exact)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = s.Apply(ctx, []store.Op{
		{Kind: store.Insert, Collection: "c", Doc: doc("_id", "a", "n", 1, "name", "Äbc")},
		{Kind: store.Insert, Collection: "c", Doc: doc("_id", "b", "n", 2)},
		{Kind: store.Update, Collection: "c", ID: store.V("b"), Set: []store.Field{{Path: "x.y", Value: store.V(5)}}},
		{Kind: store.Replace, Collection: "c", ID: store.V("a"), Doc: doc("_id", "a", "n", 1, "name", "Ästraße")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: "c", Doc: doc("_id", "a")}}))
	t.Log(s.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: "c", Doc: doc("_id", "z")}, {Kind: store.Insert, Collection: "c", Doc: doc("_id", "a")}}))
	t.Log(s.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: "c", Doc: doc("_id", "z")}, {Kind: store.Delete, Collection: "c", ID: store.V("q")}}))
	for d, err := range s.Find(ctx, store.Query{Collection: "c"}) {
		t.Log(d, err)
	}
	for d, err := range s.Find(ctx, store.Query{Collection: "c", Where: store.Contains{Path: "name", Value: "STRASS", Fold: true}}) {
		t.Log(d, err)
	}
	t.Log(s.Count(ctx, store.Query{Collection: "c"}))
	t.Log(s.Ensure(ctx, []store.Index{{Collection: "c", Name: "n", Keys: []store.Key{{Path: "n"}}}}))
	t.Log(s.Ensure(ctx, []store.Index{{Collection: "c", Name: "n", Keys: []store.Key{{Path: "n"}}}}))
	t.Log(s.Ensure(ctx, []store.Index{{Collection: "c", Name: "n", Keys: []store.Key{{Path: "n", Desc: true}}}}))
	t.Log(s.Ensure(ctx, []store.Index{{Collection: "ehr.c", Name: "n", Keys: []store.Key{{Path: "n", Desc: true}}}}))
	t.Log(s.Explain(ctx, store.Query{Collection: "c", Where: store.Eq{Path: "n", Value: store.V(1)}}))
	t.Log(s.Explain(ctx, store.Query{Collection: "c", Where: store.Eq{Path: "_id", Value: store.V("a")}}))
	go func() {
		time.Sleep(500 * time.Millisecond)
		t.Log(s.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: "c", Doc: doc("_id", "w")}}))
		time.Sleep(500 * time.Millisecond)
		cancel()
	}()
	for e, err := range s.Watch(ctx, []string{"c"}, nil) {
		t.Log(e, err)
	}
}
