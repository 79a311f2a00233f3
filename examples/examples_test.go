// Package examples_test holds that the example chart maps load, and say what they are meant to.
package examples_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// open serves the practice from its exported collections.
func open(t *testing.T) *chartmap.Repository {
	t.Helper()
	path := filepath.Join("praxis", "chart.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	chart, err := chartmap.Load(text, path)
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	files, err := filepath.Glob(filepath.Join("praxis", "collections", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no collections: %v", err)
	}
	for _, file := range files {
		fill(t, st, file)
	}
	return &chartmap.Repository{Store: st, Map: chart}
}

func fill(t *testing.T, st store.Store, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	collection := "praxis." + strings.TrimSuffix(filepath.Base(file), ".jsonl")
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var doc bson.Raw
		if err := bson.UnmarshalExtJSON(lines.Bytes(), false, &doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: collection, Doc: doc}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePracticeIsServed(t *testing.T) {
	t.Parallel()
	repo := open(t)
	for key, want := range map[string][]string{
		"Patient/10023": {
			`"value":"A000500015"`, `"prefix":["Dr."]`, `"use":"maiden","family":"Yıldız"`, `"system":"phone","value":"+49 000 1234567","use":"mobile"`, `"system":"email"`,
			`"line":["Lindenallee 12a","Hinterhaus"]`, `"country":"DE"`, `"gender":"female"`, `"birthDate":"1979-11-30"`, `{"reference":"Practitioner/7"}`,
		},
		"Patient/10024":                 {`"birthDate":"1952"`, `"country":"BE"`, `"use":"temp"`},
		"Patient/10025":                 {`"gender":"other"`, `"deceasedDateTime":"2025-12-24"`},
		"Condition/501":                 {`"code":"E11.90"`, `"code":"active"`, `"code":"confirmed"`, `"onsetDateTime":"2019-05"`, `"recordedDate":"2019-05-14T09:12:00+02:00"`},
		"Observation/9001":              {`"code":"4548-4"`, `"value":7.4`, `"code":"H"`, `"low":{"value":4`, `"text":"HbA1c"`},
		"Observation/9003":              {`"system":"urn:praxis:analyse","code":"XENO"`, `"valueString":"nicht nachweisbar"`},
		"Observation/1-rr":              {`"code":"8480-6"`, `"value":148`, `"code":"mm[Hg]"`},
		"Observation/3-gew":             {`"value":71200`, `"code":"g"`},
		"Appointment/77002":             {`"status":"noshow"`, `"end":"2026-02-03T`, `{"reference":"Practitioner/8"}`},
		"AllergyIntolerance/10023-al-1": {`"text":"Penicillin"`, `"code":"J01C"`, `"criticality":"high"`, `{"reference":"Patient/10023"}`, `"onsetDateTime":"1998"`, `"versionId":"4"`},
		"AllergyIntolerance/10023-al-3": {`"text":"Birkenpollen"`, `"criticality":"low"`},
		"DiagnosticReport/L26-0117":     {`"_status":{`, `"effectiveDateTime":"2026-02-27T07:55:00+01:00"`, `"result":[{"reference":"Observation/9001"},{"reference":"Observation/9002"}]`},
		"DiagnosticReport/L25-0940":     {`"status":"final"`, `{"reference":"Patient/10024"}`, `{"reference":"Practitioner/8"}`},
		"MedicationRequest/3001":        {`"code":"00000015"`, `"code":"A10BA02"`, `"text":"1-0-1"`},
	} {
		typ, id, _ := strings.Cut(key, "/")
		res, err := repo.Read(t.Context(), fhir.Key{Type: fhir.Type(typ), ID: id})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if _, err := (&schema.Validator{}).Validate(res.Body, fhir.Type(typ)); err != nil {
			t.Errorf("%s is not valid: %v in %s", key, err, res.Body)
		}
		for _, part := range want {
			if !strings.Contains(string(res.Body), part) {
				t.Errorf("%s lacks %s: %s", key, part, indent(res.Body))
			}
		}
		if strings.Contains(string(res.Body), "kasse_intern") {
			t.Errorf("%s shows what no rule names", key)
		}
	}
	if _, err := repo.Read(t.Context(), fhir.Key{Type: "Patient", ID: "10026"}); err == nil {
		t.Error("a patient from the paper basket is served")
	}
}

func indent(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, body, "", " ") != nil {
		return string(body)
	}
	return b.String()
}

func TestThePracticeIsSearched(t *testing.T) {
	t.Parallel()
	repo := open(t)
	for query, want := range map[string]string{
		"Patient?family=oezdemir":                                                          "",
		"Patient?family=ozdemir":                                                           "10023",
		"Patient?address-city=köln&gender=female":                                          "10023",
		"Patient?identifier=http://fhir.de/sid/gkv/kvid-10|B000500024":                     "10024",
		"Patient?email=elif@example.org":                                                   "10023",
		"Patient?general-practitioner=Practitioner/7":                                      "10023 10024",
		"Condition?patient=10023&clinical-status=active":                                   "501",
		"Condition?code=http://fhir.de/CodeSystem/bfarm/icd-10-gm|I10.90":                  "503",
		"Observation?patient=10024&category=vital-signs":                                   "1-gew 1-rr 2-rr",
		"Observation?code=4548-4&value-quantity=gt7||%25":                                  "9001",
		"AllergyIntolerance?patient=10023":                                                 "10023-al-1 10023-al-3",
		"AllergyIntolerance?code=http://fhir.de/CodeSystem/bfarm/atc|J01C":                 "10023-al-1 10024-al-1",
		"AllergyIntolerance?patient=10023&criticality=low":                                 "10023-al-3",
		"DiagnosticReport?patient=10024&status=final":                                      "L25-0940",
		"DiagnosticReport?result=Observation/9002":                                         "L26-0117",
		"DiagnosticReport?date=ge2026":                                                     "L26-0117",
		"Observation?patient=10024&component-code=8480-6":                                  "1-rr 2-rr",
		"Appointment?patient=10023&status=booked":                                          "77001",
		"MedicationRequest?patient=10023&code=http://fhir.de/CodeSystem/bfarm/atc|A10BA02": "3001",
	} {
		typ, params, _ := strings.Cut(query, "?")
		parser := &search.Parser{Describe: repo.Describe, DefaultCount: 50, MaxCount: 50}
		var pairs []search.Pair
		for part := range strings.SplitSeq(params, "&") {
			name, value, _ := strings.Cut(part, "=")
			pairs = append(pairs, search.Pair{Name: name, Value: strings.ReplaceAll(value, "%25", "%")})
		}
		req, err := parser.Parse(fhir.Type(typ), pairs, false, "")
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		page, err := repo.Search(t.Context(), req.Query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var ids []string
		for _, r := range page.Resources {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
}

// TestAnAllergyOfThePracticeIsWritten changes one element of a patient's list.
func TestAnAllergyOfThePracticeIsWritten(t *testing.T) {
	t.Parallel()
	repo := open(t)
	key := fhir.Key{Type: "AllergyIntolerance", ID: "10023-al-1"}
	res, err := repo.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Replace(res.Body, []byte(`"criticality":"high"`), []byte(`"criticality":"low"`), 1)
	if _, err := repo.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body, IfMatch: res.Version}}); err != nil {
		t.Fatal(err)
	}
	for doc, err := range repo.Store.Find(t.Context(), store.Query{Collection: "praxis.patienten", Where: store.Eq{Path: "_id", Value: store.V(10023)}}) {
		if err != nil {
			t.Fatal(err)
		}
		text := doc.String()
		for _, part := range []string{`"schwere": "l","seit": "1998","vermerkt": {"$numberInt":"7"},"intern": "Akte 12"`, `"stoff": "Birkenpollen"`, `"version": {"$numberInt":"5"}`} {
			if !strings.Contains(text, part) {
				t.Errorf("the document lacks %s: %s", part, text)
			}
		}
	}
	again, err := repo.Read(t.Context(), fhir.Key{Type: "Patient", ID: "10023"})
	if err != nil || again.Version != "5" {
		t.Errorf("the patient has version %s, %v", again.Version, err)
	}
}
