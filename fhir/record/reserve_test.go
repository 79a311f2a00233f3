package record_test

import (
	"sync"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	fhirsearch "github.com/portico-fhir/portico/fhir/search"
)

// unlessIdentified makes a Basic if there is none with this identifier.
func unlessIdentified(t testing.TB, value string) fhir.Change {
	t.Helper()
	param, ok := fhirsearch.Lookup("Basic", "identifier")
	if !ok {
		t.Fatal("Basic has no parameter identifier")
	}
	return fhir.Change{
		Method: fhir.Create, Key: basic(""),
		Body: []byte(`{"resourceType":"Basic","identifier":[{"system":"urn:s","value":"` + value + `"}],"code":{"text":"x"}}`),
		IfNoneExist: &fhir.Condition{
			Name:  "Basic?identifier=urn:s|" + value,
			Query: &fhir.Query{Type: "Basic", Where: fhir.Term{Param: param, Value: fhir.TokenValue{System: "urn:s", Code: value}}},
		},
	}
}

func TestConditionalCreatesAtTheSameTime(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		change := unlessIdentified(t, "1")
		var wg sync.WaitGroup
		codes := make([]fhir.IssueCode, 64)
		for i := range codes {
			wg.Go(func() {
				_, err := r.Commit(t.Context(), []fhir.Change{change})
				codes[i] = codeOf(err)
			})
		}
		wg.Wait()
		count := map[fhir.IssueCode]int{}
		for _, c := range codes {
			count[c]++
		}
		if count[""] != 1 || count[fhir.CodeDuplicate] != len(codes)-1 {
			t.Errorf("G2.11: outcomes %v, want one creation", count)
		}
		page, err := r.Search(t.Context(), &fhir.Query{Type: "Basic", Where: change.IfNoneExist.Query.Where, Count: 10})
		if err != nil || len(page.Resources) != 1 {
			t.Errorf("G2.11: %d resources, %v", len(page.Resources), err)
		}
	})
}

func TestAReservationDoesNotOutliveItsResource(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		change := unlessIdentified(t, "1")
		first := commit(t, r, change)[0].Resource
		_, err := r.Commit(t.Context(), []fhir.Change{change})
		wantCode(t, "while it is there", err, fhir.CodeDuplicate)
		commit(t, r, remove(first.ID))

		var wg sync.WaitGroup
		codes := make([]fhir.IssueCode, 16)
		for i := range codes {
			wg.Go(func() {
				_, err := r.Commit(t.Context(), []fhir.Change{change})
				codes[i] = codeOf(err)
			})
		}
		wg.Wait()
		created := 0
		for _, c := range codes {
			if c == "" {
				created++
			}
		}
		if created != 1 {
			t.Errorf("after it was deleted %d were created: %v", created, codes)
		}
	})
}

func TestConditionsOfOneCommit(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		_, err := r.Commit(t.Context(), []fhir.Change{unlessIdentified(t, "1"), unlessIdentified(t, "1")})
		wantCode(t, "the same condition twice", err, fhir.CodeInvalid)
		commit(t, r, unlessIdentified(t, "1"), unlessIdentified(t, "2"), put("x", "y"))
		// One that does not hold undoes all.
		_, err = r.Commit(t.Context(), []fhir.Change{put("z", "y"), unlessIdentified(t, "2")})
		wantCode(t, "a condition that does not hold", err, fhir.CodeDuplicate)
		_, err = r.Read(t.Context(), basic("z"))
		wantCode(t, "what came with it", err, fhir.CodeNotFound)
		chosen := unlessIdentified(t, "3")
		chosen.Method, chosen.Key.ID, chosen.IfNoneMatch = fhir.Put, "chosen", true
		if got := commit(t, r, chosen)[0]; got.Status != fhir.Created || got.Resource.ID != "chosen" {
			t.Errorf("got %+v", got)
		}
	})
}
