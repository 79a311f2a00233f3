package index

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Two beginnings of names are found by one entry, whichever is longer and however many
// names there are.
func TestG7_17_NamesTogether(t *testing.T) {
	t.Parallel()
	x := &Indexer{}
	m, c := &Matcher{Indexer: *x}, &Compiler{Indexer: *x, Field: "k"}
	of := Of("Patient").byName
	name := rapid.StringMatching(`[aAäb日 ]{0,8}`)
	rapid.Check(t, func(rt *rapid.T) {
		type human struct {
			Family string   `json:"family,omitempty"`
			Given  []string `json:"given,omitempty"`
		}
		most := rapid.SampledFrom([]int{2, 2, 2, 9}).Draw(rt, "most")
		people := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) human {
			return human{name.Draw(t, "family"), rapid.SliceOfN(name, 0, most).Draw(t, "given")}
		}), 0, most).Draw(rt, "names")
		body, err := json.Marshal(map[string]any{"resourceType": "Patient", "name": people})
		if err != nil {
			rt.Fatal(err)
		}
		e, err := x.Index("Patient", body)
		if err != nil {
			rt.Fatal(err)
		}
		if len(e.Keys) > 400 {
			rt.Errorf("%d entries", len(e.Keys))
		}
		view := store.View{Field: "k"}
		for _, k := range e.Keys {
			view.Strings = append(view.Strings, []byte(k))
		}
		asked := fhir.And{
			fhir.Term{Param: of["family"].SearchParam, Value: fhir.StringValue(name.Draw(rt, "family asked"))},
			fhir.Term{Param: of["given"].SearchParam, Value: fhir.StringValue(name.Draw(rt, "given asked"))},
		}
		if rapid.Bool().Draw(rt, "turned around") {
			asked[0], asked[1] = asked[1], asked[0]
		}
		plan, err := c.Compile("Patient", asked)
		if err != nil {
			rt.Fatal(err)
		}
		want, err := m.Match("Patient", body, asked)
		if err != nil {
			rt.Fatal(err)
		}
		if got := view.Match(plan.Where); want && !got || got && !want && plan.Exact {
			rt.Errorf("%s: %v matches %v, index %v", body, asked, want, got)
		}
		w := plan.Walk
		if w == nil {
			return
		}
		met := view.Match(w.Others) && (walked(w, &view) || w.Rest != nil && view.Match(w.Rest))
		if want && !met || met && !want && plan.Exact {
			rt.Errorf("%s: %v matches %v, walk %v", body, asked, want, met)
		}
	})
}

// walked reports whether a document has an entry on the way.
func walked(w *Walk, v *store.View) bool {
	order := []store.Key{{Path: v.Field, Within: &store.Within{Stretches: w.Stretches, Required: true}}}
	return !store.Lacks(order, v.Position(order))
}
