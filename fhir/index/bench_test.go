package index

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/portico-fhir/portico/bench/records"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// made is a made-up record.
type made struct {
	typ  fhir.Type
	body []byte
}

func madeUp(b *testing.B, n int) []made {
	b.Helper()
	var out bytes.Buffer
	g := records.Generator{Count: n, Seed: 1}
	if err := g.Write(b.Context(), &out); err != nil {
		b.Fatal(err)
	}
	list := make([]made, 0, n)
	for line := range bytes.Lines(out.Bytes()) {
		var r struct{ ResourceType fhir.Type }
		if err := json.Unmarshal(line, &r); err != nil {
			b.Fatal(err)
		}
		list = append(list, made{r.ResourceType, line})
	}
	return list
}

func BenchmarkIndex(b *testing.B) {
	list := madeUp(b, 2000)
	x := &Indexer{}
	keys, size := 0, 0
	for _, r := range list { // compiles the types, too
		e, err := x.Index(r.typ, r.body)
		if err != nil {
			b.Fatal(err)
		}
		keys += len(e.Keys)
		for _, k := range e.Keys {
			size += len(k)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := list[i%len(list)]
		if _, err := x.Index(r.typ, r.body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(keys)/float64(len(list)), "entries/resource")
	b.ReportMetric(float64(size)/float64(len(list)), "B/resource")
}

// labQuery asks for one patient's results of one kind.
func labQuery(b *testing.B) fhir.Expr {
	b.Helper()
	patient, ok := search.Lookup("Observation", "patient")
	code, ok2 := search.Lookup("Observation", "code")
	if !ok || !ok2 {
		b.Fatal("the parameters are missing")
	}
	return fhir.And{
		fhir.Term{Param: patient, Value: fhir.ReferenceValue{Type: "Patient", ID: "p"}},
		fhir.Term{Param: code, Value: fhir.TokenValue{System: "http://loinc.org", Code: "2339-0"}},
	}
}

func BenchmarkCompile(b *testing.B) {
	c, e := &Compiler{Field: "k", Now: now}, labQuery(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Compile("Observation", e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	var list []made
	for _, r := range madeUp(b, 2000) {
		if r.typ == "Observation" {
			list = append(list, r)
		}
	}
	m, e := &Matcher{Now: now}, labQuery(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.Match("Observation", list[i%len(list)].body, e); err != nil {
			b.Fatal(err)
		}
	}
}
