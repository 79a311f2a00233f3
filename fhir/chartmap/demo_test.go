package chartmap_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// demo loads the demo clinic's chart map.
func demo(t testing.TB) *chartmap.Map {
	t.Helper()
	m, err := chartmap.Load(clinic.ChartMap(), "chart.yaml")
	if err != nil {
		t.Fatalf("the demo's chart map:\n%v", err)
	}
	return m
}

// fill puts the demo clinic into a store.
func fill(t testing.TB, st store.Store) {
	t.Helper()
	ops := clinicOps(t)
	for i := range ops {
		ops[i].Collection = clinic.Database + "." + ops[i].Collection
	}
	for chunk := range slices.Chunk(ops, 500) {
		if err := st.Apply(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
	}
}

func demoRepository(t testing.TB) *chartmap.Repository {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	fill(t, st)
	return &chartmap.Repository{Store: st, Map: demo(t), Base: "https://clinic.example/fhir", Now: clinic.Today}
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// everything pages through a search. The total, where it is wanted, comes with the
// first page.
func everything(ctx context.Context, t failer, r fhir.Repository, q fhir.Query) []fhir.Resource {
	t.Helper()
	var out []fhir.Resource
	for {
		page, err := r.Search(ctx, &q)
		if err != nil {
			t.Fatalf("search: %v", err)
		}
		out = append(out, page.Resources...)
		if page.Next == "" {
			return out
		}
		if len(page.Resources) == 0 || page.Next == q.Cursor {
			t.Fatal("a page without progress")
		}
		q.Cursor, q.Total = page.Next, false
	}
}

func TestDemoResourcesAreValidAndReadBack(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	v := &schema.Validator{}
	for _, typ := range r.Map.Types() {
		t.Run(string(typ), func(t *testing.T) {
			all := everything(t.Context(), t, r, fhir.Query{Type: typ, Count: 200, Total: true})
			if len(all) == 0 {
				t.Fatal("there are none")
			}
			seen := map[string]bool{}
			for i, res := range all {
				if seen[res.ID] {
					t.Errorf("%s is there twice", res.Key)
				}
				seen[res.ID] = true
				info, err := v.Validate(res.Body, typ)
				if err != nil || info.ID != res.ID {
					t.Errorf("%s: %v\n%s", res.Key, err, res.Body)
				}
				if i%10 > 0 {
					continue // the memory store reads all documents for one
				}
				got, err := r.Read(t.Context(), res.Key)
				if err != nil || string(got.Body) != string(res.Body) || got.Version != res.Version {
					t.Errorf("reading %s: %v\n got %s\nwant %s", res.Key, err, got.Body, res.Body)
				}
			}
			_, err := r.Read(t.Context(), fhir.Key{Type: typ, ID: "nobody"})
			var fe *fhir.Error
			if !errors.As(err, &fe) || fe.Code() != fhir.CodeNotFound {
				t.Errorf("reading what is not there: %v", err)
			}
		})
	}
}

// TestMain keeps the number of random cases moderate, unless one is asked for.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "25"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
