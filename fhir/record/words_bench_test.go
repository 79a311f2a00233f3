package record_test

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
	params "github.com/portico-fhir/portico/fhir/search"
)

func BenchmarkWords(b *testing.B) {
	r, _ := filled(b, 10_000)
	term := func(name string, m fhir.Modifier, v fhir.Value) fhir.Expr {
		p, ok := params.Lookup("Observation", name)
		if !ok {
			b.Fatalf("no parameter %s", name)
		}
		return fhir.Term{Param: p, Modifier: m, Value: v}
	}
	for _, bb := range []struct {
		name  string
		query *fhir.Query
	}{
		{"_content, frequent", &fhir.Query{Type: "Observation", Where: term("_content", "", fhir.WordsValue{Text: "final"}), Count: 20}},
		{"_content, two words", &fhir.Query{Type: "Observation", Where: fhir.And{
			term("_content", "", fhir.WordsValue{Text: "blood"}), term("_content", "", fhir.WordsValue{Text: "pressure"}),
		}, Count: 20}},
		{"_content, count", &fhir.Query{Type: "Observation", Where: term("_content", "", fhir.WordsValue{Text: "pressure"})}},
		{"code:text", &fhir.Query{Type: "Observation", Where: term("code", fhir.ModText, fhir.StringValue("blood press")), Count: 20}},
		{"code:text, nothing", &fhir.Query{Type: "Observation", Where: term("code", fhir.ModText, fhir.StringValue("nothing such")), Count: 20}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				page, err := r.Search(b.Context(), bb.query)
				if err != nil {
					b.Fatal(err)
				}
				found += len(page.Resources)
				if page.Total != nil {
					found += int(*page.Total)
				}
			}
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
		})
	}
}
