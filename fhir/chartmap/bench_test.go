package chartmap

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// largest gives the largest document of a collection that branch maps.
func largest(tb testing.TB, b *branch) store.Doc {
	tb.Helper()
	var best bson.Raw
	for doc, err := range clinic.Documents() {
		if err != nil {
			tb.Fatal(err)
		}
		if clinic.Database+"."+doc.Collection == b.Collection && len(doc.Body) > len(best) && b.base.match(doc.Body) {
			best = doc.Body
		}
	}
	return best
}

func demoMap(tb testing.TB) *Map {
	tb.Helper()
	m, err := Load(clinic.ChartMap(), "chart.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// BenchmarkGet maps the largest document of each kind: budget 20 µs and 30
// allocations for 20 fields.
func BenchmarkGet(b *testing.B) {
	m := demoMap(b)
	r := &Repository{Map: m}
	for _, mp := range m.Maps {
		br := mp.branches[0]
		doc := largest(b, br)
		b.Run(mp.Name, func(b *testing.B) {
			b.ReportAllocs()
			var n int
			for b.Loop() {
				res, ok := r.encoder().encode(br, doc)
				if !ok {
					b.Fatal("no id")
				}
				n = len(res.Body)
			}
			b.ReportMetric(float64(n), "bytes/resource")
		})
	}
}

func TestMappingStaysWithinItsAllocations(t *testing.T) {
	m := demoMap(t)
	r := &Repository{Map: m}
	for _, mp := range m.Maps {
		br := mp.branches[0]
		doc := largest(t, br)
		if n := testing.AllocsPerRun(100, func() { r.encoder().encode(br, doc) }); n > 30 {
			t.Errorf("%s: %v allocations for one resource", mp.Name, n)
		}
	}
}

// terms makes a conjunction of token and reference conditions.
func terms(tb testing.TB, t fhir.Type, values map[string]fhir.Value) fhir.And {
	tb.Helper()
	var out fhir.And
	for name, v := range values {
		p, ok := search.Lookup(t, name)
		if !ok {
			tb.Fatal(name)
		}
		out = append(out, fhir.Term{Param: p, Value: v})
	}
	return out
}

func plan(tb testing.TB, m *Map, q *fhir.Query) []*stream {
	tb.Helper()
	s := m.types[q.Type]
	streams, err := (&query{served: s, now: clinic.Today(), loc: m.Location}).plan(q)
	if err != nil {
		tb.Fatal(err)
	}
	return streams
}

// BenchmarkCompile compiles a patient's newest results of one kind.
func BenchmarkCompile(b *testing.B) {
	m := demoMap(b)
	date, ok := search.Lookup("Observation", "date")
	if !ok {
		b.Fatal("no date")
	}
	q := &fhir.Query{Type: "Observation", Sort: []fhir.SortKey{{Param: date, Desc: true}}, Where: terms(b, "Observation", map[string]fhir.Value{
		"patient": fhir.ReferenceValue{Type: "Patient", ID: "amy-shaw"}, "code": fhir.TokenValue{AnySystem: true, Code: "4548-4"},
	})}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range plan(b, m, q) {
			s.upper()
		}
	}
}

func TestConstantsPruneBranches(t *testing.T) {
	t.Parallel()
	m := demoMap(t)
	code := func(s string) fhir.Value { return fhir.TokenValue{AnySystem: true, Code: s} }
	loinc := func(s string) fhir.Value { return fhir.TokenValue{System: "http://loinc.org", Code: s} }
	tests := []struct {
		typ    fhir.Type
		values map[string]fhir.Value
		want   []string // map and suffix of what is left
	}{
		{"Observation", map[string]fhir.Value{"code": loinc("8867-4")}, []string{"vital-hr"}},
		{"Observation", map[string]fhir.Value{"code": loinc("4548-4")}, []string{"lab-"}},
		// A code without a system may be a local one that is in no table.
		{"Observation", map[string]fhir.Value{"code": code("8867-4")}, []string{"vital-hr", "lab-"}},
		{"Observation", map[string]fhir.Value{"component-code": code("8480-6")}, []string{"vital-bp"}},
		{"Observation", map[string]fhir.Value{"category": code("laboratory")}, []string{"lab-"}},
		{"Observation", map[string]fhir.Value{"category": code("laboratory"), "code": loinc("8867-4")}, nil},
		{"Observation", map[string]fhir.Value{"_id": code("6a01a8a0c11e1c0007000054-wt")}, []string{"vital-wt"}},
		{"MedicationRequest", map[string]fhir.Value{"intent": code("proposal")}, []string{"refill-request-"}},
		{"MedicationRequest", map[string]fhir.Value{"intent": code("plan")}, nil},
		{"Communication", map[string]fhir.Value{"sender": fhir.ReferenceValue{Type: "Organization", ID: "x"}}, nil},
		{"Patient", map[string]fhir.Value{"gender": code("nonsense")}, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, s := range plan(t, m, &fhir.Query{Type: tt.typ, Where: terms(t, tt.typ, tt.values)}) {
			for _, p := range s.parts {
				got = append(got, s.Name+"-"+p.suffix)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s %v: %v, want %v", tt.typ, tt.values, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s %v: %v, want %v", tt.typ, tt.values, got, tt.want)
			}
		}
	}
}
