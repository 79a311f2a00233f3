package record_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/portico-fhir/portico/bench/records"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	params "github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// filled is a Repository on the embedded store with made-up records, and the ids
// of its patients.
func filled(b *testing.B, count int) (r *record.Repository, patients []string) {
	b.Helper()
	r = repository(b, backends.All()["sqlite"])
	var out bytes.Buffer
	g := records.Generator{Count: count, Seed: 1}
	if err := g.Write(b.Context(), &out); err != nil {
		b.Fatal(err)
	}
	var changes []fhir.Change
	for line := range bytes.Lines(out.Bytes()) {
		var it struct {
			ResourceType fhir.Type
			ID           string
		}
		if err := json.Unmarshal(line, &it); err != nil {
			b.Fatal(err)
		}
		if it.ResourceType == "Patient" {
			patients = append(patients, it.ID)
		}
		changes = append(changes, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: it.ResourceType, ID: it.ID}, Body: line})
		if len(changes) == 250 {
			commit(b, r, changes...)
			changes = nil
		}
	}
	commit(b, r, changes...)
	return r, patients
}

func BenchmarkSearch(b *testing.B) {
	r, patients := filled(b, 10_000)
	patient, _ := params.Lookup("Observation", "patient")
	code, _ := params.Lookup("Observation", "code")
	date, _ := params.Lookup("Observation", "date")
	of := func(i int) fhir.Term {
		return fhir.Term{Param: patient, Value: fhir.ReferenceValue{Type: "Patient", ID: patients[i%len(patients)]}}
	}
	pressure := fhir.Term{Param: code, Value: fhir.TokenValue{System: "http://loinc.org", Code: "85354-9"}}
	for _, bb := range []struct {
		name  string
		query func(i int) *fhir.Query
	}{
		{"patient", func(i int) *fhir.Query { return &fhir.Query{Type: "Observation", Where: of(i), Count: 20} }},
		{"patient+code sorted", func(i int) *fhir.Query {
			return &fhir.Query{Type: "Observation", Where: fhir.And{of(i), pressure}, Sort: []fhir.SortKey{{Param: date, Desc: true}}, Count: 10}
		}},
		{"code", func(int) *fhir.Query { return &fhir.Query{Type: "Observation", Where: pressure, Count: 20} }},
		{"count of code", func(int) *fhir.Query { return &fhir.Query{Type: "Observation", Where: pressure} }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			found := 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				page, err := r.Search(b.Context(), bb.query(i))
				if err != nil {
					b.Fatal(err)
				}
				found += len(page.Resources)
			}
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
		})
	}
}
