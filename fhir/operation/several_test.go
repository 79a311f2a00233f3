package operation_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
)

// including answers each search on a type with one resource of it, and includes
// a Patient and the other type's resource.
type including struct{ fhir.Repository }

func (including) Search(_ context.Context, q *fhir.Query) (fhir.Page, error) {
	one := int64(1)
	page := fhir.Page{Total: &one}
	if q.Count > 0 {
		page.Resources = []fhir.Resource{{Key: fhir.Key{Type: q.Type, ID: "1"}}}
		page.Included = []fhir.Resource{{Key: fhir.Key{Type: "Patient", ID: "p"}}, {Key: fhir.Key{Type: "Encounter", ID: "1"}}}
	}
	return page, nil
}

func TestSeveral(t *testing.T) {
	t.Parallel()
	queries := []*fhir.Query{{Type: "Encounter", Total: true}, {Type: "Observation", Total: true}}
	t.Run("G7.12 what is included comes once, and not when it was found", func(t *testing.T) {
		t.Parallel()
		page, err := operation.Several(t.Context(), including{}, queries, 5, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("Encounter/1 Observation/1", keys(page.Resources)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff("Patient/p", keys(page.Included)); diff != "" {
			t.Error(diff)
		}
		if *page.Total != 2 || page.Next != "" {
			t.Errorf("total %d, next %q", *page.Total, page.Next)
		}
	})
	t.Run("G7.14 a full page has a next one only when there is more", func(t *testing.T) {
		t.Parallel()
		page, err := operation.Several(t.Context(), including{}, queries, 1, "")
		if err != nil || keys(page.Resources) != "Encounter/1" || page.Next != "Observation:" {
			t.Fatalf("%v: %v, next %q", err, keys(page.Resources), page.Next)
		}
		page, err = operation.Several(t.Context(), including{}, queries, 1, page.Next)
		if err != nil || keys(page.Resources) != "Observation/1" || page.Next != "" {
			t.Errorf("%v: %v, next %q", err, keys(page.Resources), page.Next)
		}
	})
	t.Run("G7.14 count 0 is the total alone", func(t *testing.T) {
		t.Parallel()
		page, err := operation.Several(t.Context(), including{}, queries, 0, "")
		if err != nil || *page.Total != 2 || page.Resources != nil {
			t.Errorf("%v: %+v", err, page)
		}
	})
	for _, position := range []string{"Patient:", "Encounter", "x"} {
		t.Run("G7.2 another search's position is refused: "+position, func(t *testing.T) {
			t.Parallel()
			if _, err := operation.Several(t.Context(), including{}, queries, 1, position); codeOf(err) != fhir.CodeInvalid {
				t.Errorf("got %v", err)
			}
		})
	}
}
