package search

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

func TestLists(t *testing.T) {
	t.Parallel()
	p := testParser(t, "_id", "item", "subject")
	id := func(code string) fhir.Term {
		return fhir.Term{Param: lookup(t, "List", "_id"), Value: fhir.TokenValue{Code: code, AnySystem: true}}
	}
	item := lookup(t, "List", "item")
	for _, tt := range []struct {
		claim string
		pair  Pair
		want  fhir.Expr
	}{
		{"G7.16 a list by id", Pair{"_list", "a"}, fhir.Has{Source: "List", Param: item, Where: id("a")}},
		{"G7.16 one of several lists", Pair{"_list", "a,List/b"}, fhir.Has{Source: "List", Param: item, Where: fhir.Or{id("a"), id("b")}}},
		{
			"G7.16 a list in a chain",
			Pair{"subject:Patient._list", "a"},
			fhir.Chain{Param: lookup(t, "Observation", "subject"), Target: "Patient", Where: fhir.Has{Source: "List", Param: item, Where: id("a")}},
		},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			req, err := p.Parse("Observation", []Pair{tt.pair}, false, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, req.Query.Where); diff != "" {
				t.Error(diff)
			}
		})
	}
	for claim, value := range map[string]string{
		"G7.16 a functional list is refused": "$current-problems",
		"G7.16 a malformed list is refused":  "a b",
		"G7.16 no list is refused":           "",
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			if _, err := p.Parse("Observation", []Pair{{"_list", value}}, false, ""); err == nil {
				t.Error("accepted")
			}
		})
	}
}
