package chartmap_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// chartOrders are searches of one patient's chart, in which most documents become
// several resources.
func chartOrders(t *testing.T) map[string]fhir.Query {
	t.Helper()
	param := func(name string) *fhir.SearchParam {
		p, ok := search.Lookup("Observation", name)
		if !ok {
			t.Fatal(name)
		}
		return p
	}
	q := fhir.Query{Type: "Observation", Where: fhir.Term{Param: param("patient"), Value: fhir.ReferenceValue{Type: "Patient", ID: "amy-shaw"}}}
	out := map[string]fhir.Query{"": q}
	for _, name := range []string{"_id", "date", "_lastUpdated"} {
		for _, desc := range []bool{false, true} {
			q.Sort = []fhir.SortKey{{Param: param(name), Desc: desc}}
			if desc {
				name = "-" + name
			}
			out[name] = q
		}
	}
	q.Sort = []fhir.SortKey{{Param: param("date")}, {Param: param("_id"), Desc: true}}
	out["date,-_id"] = q
	return out
}

func TestPagesOfAnySizeAreOneSequence(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	for name, q := range chartOrders(t) {
		t.Run("sorted by "+name, func(t *testing.T) {
			t.Parallel()
			keys := func(count int) (out []string) {
				q := q
				q.Count = count
				for _, res := range everything(t.Context(), t, r, q) {
					out = append(out, res.ID)
				}
				return out
			}
			want := keys(10_000)
			if len(want) < 100 {
				t.Fatalf("there are only %d", len(want))
			}
			for _, count := range []int{1, 2, 5, 20, len(want) - 1, len(want)} {
				if diff := gocmp.Diff(want, keys(count)); diff != "" {
					t.Errorf("in pages of %d (-one page +pages):\n%s", count, diff)
				}
			}
		})
	}
}

// TestResourcesOfADocumentKeepTheOrderOfTheirBranches holds what positions rely
// on: sort key, then key of the document in the direction of the last sort key,
// then branch.
func TestResourcesOfADocumentKeepTheOrderOfTheirBranches(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	branches := []string{"bp", "hr", "wt", "ht", "temp", "spo2", ""}
	place := func(res fhir.Resource) (key string, branch int) {
		key, suffix, _ := strings.Cut(res.ID, "-")
		return key, slices.Index(branches, suffix)
	}
	for name, q := range chartOrders(t) {
		if strings.Contains(name, "_lastUpdated") || strings.Contains(name, "date") {
			continue // by values: see TestPushedDownSearchIsBruteForce
		}
		q.Count = 7
		all := everything(t.Context(), t, r, q)
		several := 0
		for i := 1; i < len(all); i++ {
			key, branch := place(all[i])
			before, b := place(all[i-1])
			c := cmp.Compare(before, key)
			if strings.HasPrefix(name, "-") {
				c = -c
			}
			if c > 0 || c == 0 && b >= branch {
				t.Errorf("sorted by %q: %s comes before %s", name, all[i-1].ID, all[i].ID)
			}
			if c == 0 {
				several++
			}
		}
		if several < 30 {
			t.Errorf("only %d resources share a document", several)
		}
	}
}
