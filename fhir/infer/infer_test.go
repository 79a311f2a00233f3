package infer_test

import (
	"bytes"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/infer"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// fill keeps documents in a store of their own.
func fill(t *testing.T, ops []store.Op) store.Store {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	return st
}

// draft looks at whole collections and gives the draft.
func draft(t *testing.T, st store.Store, database string, collections ...string) string {
	t.Helper()
	for i := range collections {
		collections[i] = database + "." + collections[i]
	}
	samples, err := infer.Look(t.Context(), st, collections, 5000)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := infer.Draft(&b, database, samples); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func demo(t *testing.T) store.Store {
	t.Helper()
	var ops []store.Op
	for doc, err := range clinic.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "clinic." + doc.Collection, Doc: doc.Body})
	}
	return fill(t, ops)
}

func TestTheDraftOfTheDemoClinicServesIt(t *testing.T) {
	t.Parallel()
	st := demo(t)
	text := draft(t, st, "clinic", clinic.Collections()...)
	chart, err := chartmap.Load([]byte(text), "draft.yaml")
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	repo := &chartmap.Repository{Store: st, Map: chart}
	amy, err := repo.Read(t.Context(), fhir.Key{Type: "Patient", ID: "amy-shaw"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"family":"Shaw"`, `"given":["Amy","Róisín"]`, `"gender":"female"`, `"birthDate":"1991-05-12"`, `"city":"Oslo"`, `"value":"amy.shaw@example.org"`,
		`{"reference":"Practitioner/dr-okafor"}`,
	} {
		if !strings.Contains(string(amy.Body), want) {
			t.Errorf("%s lacks %s", amy.Body, want)
		}
	}
	for _, want := range []string{
		"name: relatives\n  resource: RelatedPerson", "name: vitals_labs\n  resource: Observation", "name: messages\n  resource: Communication",
		"subject: { $ref: Patient, $from: pid }", "end: { $from: [start, mins], $as: plusMinutes }", "{ actor: { $ref: Practitioner, $from: prov }, status",
		"# what do these mean? RA RD RQ", "clinic.counters (2 documents looked at) is like nothing",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the draft lacks %q", want)
		}
	}
}

func TestNoValueIsPrinted(t *testing.T) {
	t.Parallel()
	text := strings.ToLower(draft(t, demo(t), "clinic", clinic.Collections()...))
	for doc, err := range clinic.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		if doc.Collection != "patients" {
			continue
		}
		for _, path := range [][]string{{"name", "last"}, {"name", "first"}, {"nin"}, {"mrn"}, {"dob"}, {"mobile"}, {"email"}, {"addr", "0", "l1"}, {"addr", "0", "zip"}} {
			v, ok := doc.Body.Lookup(path...).StringValueOK()
			if ok && len(v) > 2 && strings.Contains(text, strings.ToLower(v)) {
				t.Errorf("the draft holds the %s %q of a patient", strings.Join(path, "."), v)
			}
		}
	}
}

func TestWhatTheStaffKeepsToItselfIsInNoRule(t *testing.T) {
	t.Parallel()
	for line := range strings.SplitSeq(draft(t, demo(t), "clinic", clinic.Collections()...), "\n") {
		if strings.Contains(line, "_int") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			t.Errorf("a rule shows an internal field: %s", line)
		}
	}
}

func TestAnotherEHR(t *testing.T) {
	t.Parallel()
	var ops []store.Op
	insert := func(collection string, d bson.D) {
		body, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "praxis." + collection, Doc: body})
	}
	for i := range int32(30) {
		insert("patienten", bson.D{
			{Key: "_id", Value: 1000 + i},
			{Key: "nachname", Value: "Müller"},
			{Key: "vorname", Value: "Jörg"},
			{Key: "geburtsdatum", Value: "1970-01-02"},
			{Key: "geschlecht", Value: []string{"m", "w", "d"}[i%3]},
			{Key: "kvnr", Value: "A123456789"},
			{Key: "anschriften", Value: bson.A{bson.D{{Key: "strasse", Value: "Ring 1"}, {Key: "plz", Value: "10115"}, {Key: "ort", Value: "Berlin"}}}},
			{Key: "no", Value: "x y"},
			{Key: "version", Value: i},
			{Key: "allergien", Value: bson.A{bson.D{{Key: "nr", Value: int32(1)}, {Key: "allergen", Value: "Penicillin"}, {Key: "datum", Value: "2019-05-06"}}}},
			{Key: "probleme", Value: bson.A{bson.D{{Key: "icd", Value: "E11.90"}, {Key: "datum", Value: "2018"}}, bson.D{{Key: "icd", Value: "I10.90"}}}},
			{Key: "besuche", Value: bson.A{bson.D{{Key: "raum", Value: "1"}}}},
		})
		insert("diagnosen", bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "patient", Value: 1000 + i}, {Key: "icd10", Value: "I10.90"}, {Key: "datum", Value: "2024-05-06"}})
	}
	st := fill(t, ops)
	text := draft(t, st, "praxis", "patienten", "diagnosen", "leer")
	chart, err := chartmap.Load([]byte(text), "draft.yaml")
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	p, err := (&chartmap.Repository{Store: st, Map: chart}).Read(t.Context(), fhir.Key{Type: "Patient", ID: "1001"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"name: patienten.allergien\n", "each: { array: allergien, key: allergien.nr, suffix: allergien }\n  version: version\n", "code: { text: allergien.allergen }",
		"patient: { $ref: Patient, $from: _id }", "each: { array: probleme, suffix: probleme }   # what tells", "code: probleme.icd }",
		"# not used: besuche[].raum (100 %)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the draft lacks %s:\n%s", want, text)
		}
	}
	allergy, err := (&chartmap.Repository{Store: st, Map: chart}).Read(t.Context(), fhir.Key{Type: "AllergyIntolerance", ID: "1001-allergien-1"})
	if err != nil || !strings.Contains(string(allergy.Body), `"text":"Penicillin"`) {
		t.Errorf("the allergy: %s, %v", allergy.Body, err)
	}
	for _, want := range []string{`"family":"Müller"`, `"gender":"female"`, `"postalCode":"10115"`, `"line":["Ring 1"]`} {
		if !strings.Contains(string(p.Body), want) {
			t.Errorf("%s lacks %s", p.Body, want)
		}
	}
	if !strings.Contains(text, "resource: Condition") || !strings.Contains(text, "subject: { $ref: Patient, $from: patient }") {
		t.Errorf("the diagnoses were not understood:\n%s", text)
	}
	if strings.Contains(text, "Mueller") || strings.Contains(text, "A123456789") {
		t.Error("a value was printed")
	}
}

func TestNothingIsKnown(t *testing.T) {
	t.Parallel()
	text := draft(t, fill(t, nil), "empty", "nothing")
	if !strings.Contains(text, "maps: []") || !strings.Contains(text, "empty.nothing (0 documents looked at)") {
		t.Errorf("got\n%s", text)
	}
}
