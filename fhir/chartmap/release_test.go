package chartmap_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
)

func TestPatientsAndProxiesSeeWhatWasReleased(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	all, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Count: 10_000, Total: true})
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, role := range []string{"patient", "proxy", "clinician", "system"} {
		ctx := commit.As(t.Context(), commit.Actor{Role: role})
		page, err := r.Search(ctx, &fhir.Query{Type: "Observation", Count: 10_000, Total: true})
		if err != nil {
			t.Fatal(err)
		}
		shown := make(map[string]bool)
		for _, res := range page.Resources {
			shown[res.ID] = true
		}
		if int(*page.Total) != len(shown) {
			t.Errorf("%s: a total of %d, and %d Observations", role, *page.Total, len(shown))
		}
		for i, res := range all.Resources {
			// A result that is out has the moment at which it was released.
			lab := strings.Contains(string(res.Body), `"laboratory"`)
			out := !lab || strings.Contains(string(res.Body), `"issued"`)
			want := out || role == "clinician" || role == "system"
			if !out {
				held++
			}
			if shown[res.ID] != want {
				t.Errorf("%s finds %s: %v", role, res.ID, !want)
			}
			if out && i%100 > 0 {
				continue // reading some of these will do
			}
			_, err := r.Read(ctx, res.Key)
			var told *fhir.Error
			if (err == nil) != want || err != nil && (!errors.As(err, &told) || told.Code() != fhir.CodeNotFound) {
				t.Errorf("%s reads %s: %v", role, res.ID, err)
			}
		}
	}
	if held == 0 {
		t.Error("the clinic holds nothing back")
	}
}
