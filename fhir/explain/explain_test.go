package explain_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir/explain"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

func TestWhatIsAskedUnderATraceIsNoted(t *testing.T) {
	t.Parallel()
	st := &explain.Store{Store: memory.New()}
	for i := range 3 {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "name", Value: "secret"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "c", Doc: doc}}); err != nil {
			t.Fatal(err)
		}
	}
	var trace explain.Trace
	ctx := explain.With(t.Context(), &trace)
	q := store.Query{Collection: "c", Where: store.Eq{Path: "name", Value: store.String("secret")}}
	for _, err := range st.Find(t.Context(), q) { // not under the trace
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range st.Find(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		break // wants no more than one
	}
	if n, err := st.Count(ctx, q); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
	steps := trace.Steps()
	if len(steps) != 2 || trace.Finds() != 1 || steps[0].Read != 1 || steps[0].Plan == nil || steps[1].What != "count" || steps[1].Read != 3 {
		t.Errorf("noted: %+v", steps)
	}
	for range 300 {
		if _, err := st.Count(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	var text strings.Builder
	if err := trace.Write(&text); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); strings.Contains(got, "secret") || !strings.Contains(got, "… and 102 more") || strings.Count(got, "\n") != 202 {
		t.Errorf("the text is\n%s", got)
	}
}
