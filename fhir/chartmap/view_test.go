package chartmap_test

import (
	"bytes"
	"context"
	"iter"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// views is the chart map with elements of arrays, and groups, as resources.
func views(t testing.TB) *chartmap.Map {
	t.Helper()
	data, err := os.ReadFile("testdata/views/chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := chartmap.Load(data, "testdata/views/chart.yaml")
	if err != nil {
		t.Fatalf("\n%v", err)
	}
	return m
}

// viewOps makes n documents of each of its collections, spoilt at the given odds. Some three
// rows have an order and a day in common, and mostly a patient.
func viewOps(t testing.TB, r *rand.Rand, n, odds int) []store.Op {
	t.Helper()
	data, err := os.ReadFile("testdata/views/documents.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string][]bson.D{}
	for line := range bytes.Lines(data) {
		var d bson.D
		if err := bson.UnmarshalExtJSON(line, false, &d); err != nil {
			t.Fatal(err)
		}
		name := d[0].Value.(string)
		samples[name] = append(samples[name], d[1:])
	}
	var ops []store.Op
	for _, name := range []string{"people", "rows"} {
		for i := range n {
			d := spoil(r, samples[name][r.IntN(len(samples[name]))], odds)
			if name == "rows" && r.IntN(8) > 0 {
				together := int32(i / 3)
				var kept bson.D
				for _, e := range d {
					switch e.Key {
					case "order":
						e.Value = together
					case "day":
						e.Value = []any{int64(together), float64(together), together}[r.IntN(3)]
					case "pid":
						e.Value = []any{"p1-a", "p2-a"}[together%2]
					case "panel", "ward", "lab":
						continue // below
					}
					kept = append(kept, e)
				}
				d = append(kept, bson.E{Key: "panel", Value: bson.D{{Key: "name", Value: "Blood"}}})
				if together%3 > 0 {
					d = append(d, bson.E{Key: "ward", Value: "W"})
				}
				if together%3 < 2 {
					d = append(d, bson.E{Key: "lab", Value: "L1"})
				}
			}
			var id any = int32(i)
			switch r.IntN(3) {
			case 0:
				id = bson.ObjectID{2, byte(i)}
			case 1:
				id = "p" + string(rune('0'+i%10)) + "-" + string(rune('a'+i/10))
			}
			raw, err := bson.Marshal(append(bson.D{{Key: "_id", Value: id}}, d...))
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, store.Op{Kind: store.Insert, Collection: name, Doc: raw})
		}
	}
	return ops
}

// forgiving is a store that looks at documents itself where the test server does not know what it is
// asked of elements (see mongotest.Skip).
type forgiving struct{ store.Store }

func (f forgiving) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		for doc, err := range f.Store.Find(ctx, q) {
			if err != nil && strings.Contains(err.Error(), "BadValue") {
				f.look(ctx, q, yield)
				return
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}

func (f forgiving) look(ctx context.Context, q store.Query, yield func(store.Doc, error) bool) {
	all := q
	all.Where, all.Limit, all.Fields = nil, 0, nil
	n := 0
	for doc, err := range f.Store.Find(ctx, all) {
		if err == nil && !store.Match(q.Where, doc) {
			continue
		}
		if n++; !yield(doc, err) || n == q.Limit {
			return
		}
	}
}

// TestPushedDownSearchIsBruteForceOnElementsAndGroups holds the law on documents of which some are as
// no application would write them.
func TestPushedDownSearchIsBruteForceOnElementsAndGroups(t *testing.T) {
	t.Parallel()
	rounds := map[string]int{"memory": 6, "sqlite": 2, "mongo": 1}
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			r := rand.New(rand.NewPCG(seed, 0))
			for round := range rounds[name] {
				repo := repositoryWith(t, open, views(t), viewOps(t, r, 30, []int{8, 40}[round%2]))
				if name == "mongo" && !mongotest.Real() {
					repo.Store = forgiving{repo.Store}
				}
				lawOn(t, repo)
			}
		})
	}
}

// TestLensLawsOnElements holds the laws of writing on elements of arrays.
func TestLensLawsOnElements(t *testing.T) {
	t.Parallel()
	sizes := map[string]int{"memory": 30, "sqlite": 20, "mongo": 16}
	for name, open := range backends() {
		for _, unmapped := range []string{"overflow", "reject"} {
			t.Run(name+"/"+unmapped, func(t *testing.T) {
				t.Parallel()
				seed := seedOf(t)
				rnd := rand.New(rand.NewPCG(seed, 0))
				m := views(t)
				for _, mp := range m.Maps {
					mp.Unmapped = unmapped
				}
				r := repositoryWith(t, open, m, viewOps(t, rnd, sizes[name], 12))
				r.Now = clinic.Today
				l := &laws{T: t, r: r, rnd: rnd, counted: &counting{Store: r.Store}}
				l.derived, l.arrays = []string{"subject", "recordedDate"}, []string{"chart.problems", "visits"}
				r.Store = l.counted
				l.check()
			})
		}
	}
}
