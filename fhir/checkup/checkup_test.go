package checkup_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/checkup"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// demo serves the demo clinic through a chart map, its own unless another is given.
func demo(t *testing.T, st store.Store, chart string) *chartmap.Repository {
	t.Helper()
	t.Cleanup(func() { _ = st.Close() })
	var ops []store.Op
	for doc, err := range clinic.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "clinic." + doc.Collection, Doc: doc.Body})
	}
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	text := clinic.ChartMap()
	if chart != "" {
		text = []byte(chart)
	}
	m, err := chartmap.Load(text, "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &chartmap.Repository{Store: st, Map: m, Base: "http://localhost/fhir", Now: func() time.Time { return clinic.Today() }}
}

func TestTheDemoClinicsMapKeepsItsLaws(t *testing.T) {
	t.Parallel()
	v, err := checkup.Laws(t.Context(), demo(t, memory.New(), ""), 100)
	if err != nil {
		t.Fatal(err)
	}
	searches := 0
	for _, tv := range v.Types {
		searches += tv.Searches
		for _, b := range tv.Breaches {
			t.Errorf("%s: %+v", tv.Type, b)
		}
		if tv.Resources == 0 {
			t.Errorf("%s: nothing was looked at", tv.Type)
		}
	}
	if searches < 100 {
		t.Errorf("only %d searches", searches)
	}
}

func TestABrokenMapIsCaught(t *testing.T) {
	t.Parallel()
	// A map over a store that answers searches wrongly: what a fault in pushing down would
	// look like.
	repo := demo(t, memory.New(), "")
	repo.Store = forgetful{repo.Store}
	v, err := checkup.Laws(t.Context(), repo, 40)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Broken() {
		t.Error("searches that find too little were not noticed")
	}
}

// forgetful is a store that does not find every document that it is asked for by a value.
type forgetful struct{ store.Store }

// Find implements store.Store.
func (f forgetful) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		n := 0
		for doc, err := range f.Store.Find(ctx, q) {
			if n++; narrow(q.Where) && n%2 == 0 && strings.HasSuffix(q.Collection, "patients") {
				continue
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}

// narrow reports whether a filter asks for more than the map's own condition.
func narrow(f store.Filter) bool {
	and, ok := f.(store.And)
	return ok && len(and) > 1
}

func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := checkup.Examine(t.Context(), demo(t, st, ""), 0)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]bool{}
	for _, f := range h.Faults {
		faults[f.Element] = true
		if f.Count < 1 || len(f.Examples) == 0 || f.Line == 0 {
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{
		"Patient.birthDate", "Patient.gender", "Observation.effectiveDateTime", "Observation.status", "Observation.valueQuantity", "Appointment.status", "Communication.sender",
		"MedicationRequest.dispenseRequest.numberOfRepeatsAllowed",
	} {
		if !faults[want] {
			t.Errorf("no fault at %s", want)
		}
	}
	if i := slices.IndexFunc(h.Types, func(th checkup.TypeHealth) bool { return th.Type == "RelatedPerson" }); h.Types[i].Withheld != 1 {
		t.Errorf("%+v", h.Types[i])
	}
	for _, r := range h.Records {
		if r.Map == "vital" && r.NoPatient != 1 || r.Map == "patient" && (r.NoVersion != 1 || r.NoUpdated != 1) {
			t.Errorf("%+v", r)
		}
	}
	// The clinic's indexes are not there: each search for a patient's documents is a scan.
	if len(h.Indexes) < 5 || h.Indexes[0].CreateIndex() != `db.getCollection("relatives").createIndex({"pid": 1})` {
		t.Errorf("%+v", h.Indexes)
	}
	if err := st.Ensure(t.Context(), []store.Index{{Collection: "clinic.relatives", Name: "patient", Keys: []store.Key{{Path: "pid"}}}}); err != nil {
		t.Fatal(err)
	}
	if h, err = checkup.Examine(t.Context(), demo2(t, st), 10); err != nil || slices.ContainsFunc(h.Indexes, func(s checkup.Suggestion) bool { return s.Map == "relative" }) {
		t.Errorf("%v: an index that is there is proposed: %+v", err, h.Indexes)
	}
}

// demo2 serves the clinic from a store that holds it already.
func demo2(t *testing.T, st store.Store) *chartmap.Repository {
	t.Helper()
	m, err := chartmap.Load(clinic.ChartMap(), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &chartmap.Repository{Store: st, Map: m}
}

const cases = `
- name: a patient as the clinic keeps one
  given:
    patients:
    - { _id: p1, name: { last: Ek, first: Åse }, sex: F, dob: "1984-03-17", rev: { $numberInt: "3" }, mobile: "+47 1" }
  expect:
    Patient/p1:
      active: true
      name: [ { use: official, family: Ek, given: [Åse] } ]
      telecom: [ { system: phone, use: mobile, value: "+47 1" } ]
      gender: female
      birthDate: "1984-03-17"
    Patient/p2: null
- name: another telephone number
  given:
    patients:
    - { _id: p1, name: { last: Ek, first: Åse }, sex: F, rev: { $numberInt: "3" }, mobile: "+47 1" }
  request:
    put: Patient/p1
    body:
      active: true
      name: [ { use: official, family: Ek, given: [Åse] } ]
      telecom: [ { system: phone, use: mobile, value: "+47 2" } ]
      gender: female
  set:
    patients/p1: { mobile: "+47 2" }
- name: who may act for whom is decided in the clinic
  given: { relatives: [ { _id: r1, pid: p1, rev: { $numberInt: "1" } } ] }
  request: { delete: RelatedPerson/r1 }
  refused: not-supported
`

func TestCases(t *testing.T) {
	t.Parallel()
	m := demo2(t, memory.New()).Map
	all, err := checkup.ReadCases([]byte(cases))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		diffs, err := c.Run(t.Context(), m, "http://localhost/fhir")
		if err != nil {
			t.Fatal(err)
		}
		if len(diffs) > 0 {
			t.Errorf("%s: %s", c.Name, strings.Join(diffs, "; "))
		}
	}
	for old, wrong := range map[string]string{
		"gender: female\n      birthDate": "gender: male\n      birthDate", "Patient/p2: null": "Patient/p2: { active: true }", `value: "+47 2"`: `value: "+47 3"`, "refused: not-supported": "refused: value",
	} {
		text := strings.Replace(cases, old, wrong, 1)
		if text == cases {
			t.Fatalf("%q is not there", old)
		}
		all, err := checkup.ReadCases([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		failed := false
		for _, c := range all {
			diffs, err := c.Run(t.Context(), m, "http://localhost/fhir")
			if err != nil {
				t.Fatal(err)
			}
			failed = failed || len(diffs) > 0
		}
		if !failed {
			t.Errorf("%q is not noticed", wrong)
		}
	}
	if _, err := checkup.ReadCases([]byte("- { nam: x }")); err == nil {
		t.Error("an unknown key is taken")
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	c, err := checkup.Cover(demo2(t, memory.New()).Map, []byte(`{"resourceType":"StructureDefinition","url":"http://example.org/p","type":"Observation","differential":{"element":[
		{"path":"Observation"},{"path":"Observation.status","min":1},{"path":"Observation.value[x]","mustSupport":true},{"path":"Observation.category","mustSupport":true},
		{"path":"Observation.bodySite","mustSupport":true},{"path":"Observation.device"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range c.Elements {
		got[e.Path] = e.State
	}
	want := map[string]string{"Observation.status": "mapped", "Observation.value[x]": "mapped", "Observation.category": "constant", "Observation.bodySite": "missing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := checkup.Cover(demo2(t, memory.New()).Map, []byte(`{"resourceType":"Patient"}`)); err == nil {
		t.Error("a patient is taken for a profile")
	}
}
