package mongo

import (
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/store/storetest"
)

// TestPhasesHaveWhatIsBehindTheCursor asks the server for the documents of each
// phase, whatever it makes of the order: every document behind the cursor is
// in the phase that it belongs to, and in no other.
func TestPhasesHaveWhatIsBehindTheCursor(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), mongotest.URI(t), Options{Timeout: patience.Limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	all := storetest.Random{NoDecimals: !mongotest.Real(), NoBinary: !mongotest.Real()}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		c := s.collection(fmt.Sprint("c", n))
		var docs []store.Doc
		for i := range 6 {
			docs = append(docs, all.Doc(i).Draw(t, "doc"))
		}
		if _, err := c.InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		order := all.Order().Draw(t, "order")
		cursor := store.Position(order, docs[0])
		found := map[string]int{}
		for _, part := range phases(order, cursor) {
			query := part.query
			if query == nil {
				query = bson.D{}
			}
			reply, err := c.Find(t.Context(), query, options.Find().SetBatchSize(10))
			if err != nil {
				t.Fatal(err)
			}
			for reply.Next(t.Context()) {
				d := slices.Clone(store.Doc(reply.Current))
				if part.has(order, store.Position(order, d), cursor) {
					found[store.ID(d).String()]++
				}
			}
		}
		for _, d := range docs {
			want := 0
			if store.ComparePositions(order, store.Position(order, d), cursor) > 0 {
				want = 1
			}
			if got := found[store.ID(d).String()]; got != want {
				t.Fatalf("%v is in %d phases, want %d, behind %v in the order %v", d, got, want, cursor, order)
			}
		}
	})
}
