package guard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
)

func TestProvenanceIsSeenWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	provenance := func(id string, targets ...string) string {
		for i := range targets {
			targets[i] = fmt.Sprintf(`{"reference":%q}`, targets[i])
		}
		return fmt.Sprintf(`{"resourceType":"Provenance","id":%q,"target":[%s]}`, id, strings.Join(targets, ","))
	}
	f := newFixture(
		t, `{"resourceType":"Patient","id":"p"}`,
		`{"resourceType":"Observation","id":"own","subject":{"reference":"Patient/p"}}`, `{"resourceType":"Condition","id":"own","subject":{"reference":"Patient/p"}}`,
		`{"resourceType":"Observation","id":"others","subject":{"reference":"Patient/q"}}`, `{"resourceType":"Practitioner","id":"d"}`,
		provenance("a", "Observation/own"), provenance("b", "Observation/own/_history/1", "Condition/own"), provenance("c", "Observation/own", "Observation/others"),
		provenance("d", "Observation/others"), provenance("e", "Patient/p"), provenance("f", "Patient/p", "Patient/q"), provenance("g", "Observation/own", "Practitioner/d"),
		provenance("h", "Observation/own", "Observation/none"), provenance("i", "Provenance/a"), provenance("j", "Observation/own", "https://elsewhere.example/fhir/Observation/x"),
		provenance("k", "Observation/own", "Provenance/a"), provenance("l", "Provenance/l"),
	)
	ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
	seen := "a b e j"
	for id := range strings.FieldsSeq("a b c d e f g h i j k l") {
		_, err := f.Read(ctx, fhir.Key{Type: "Provenance", ID: id})
		if want := slices.Contains(strings.Fields(seen), id); want != (err == nil) {
			t.Errorf("E5 reading %s: %v", id, err)
		}
	}
	joined := &join.Repository{Inner: f.Repository, Base: base}
	find := func(query string) (matches, included []string, total *int64) {
		typ, rest, _ := strings.Cut(query, "?")
		p := search.Parser{Base: base, Describe: joined.Describe, DefaultCount: 100, MaxCount: 100}
		var pairs []search.Pair
		for one := range strings.SplitSeq(rest, "&") {
			name, value, _ := strings.Cut(one, "=")
			pairs = append(pairs, search.Pair{Name: name, Value: value})
		}
		req, err := p.Parse(fhir.Type(typ), pairs, false, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err := joined.Search(ctx, req.Query)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range page.Resources {
			matches = append(matches, res.ID)
		}
		for _, res := range page.Included {
			included = append(included, res.ID)
		}
		slices.Sort(matches)
		return matches, included, page.Total
	}
	for query, want := range map[string]string{
		"Provenance?_total=accurate":                                                     "e",
		"Provenance?patient=Patient/p&_total=accurate":                                   "e",
		"Provenance?target=Observation/own&_total=accurate":                              "a b j",
		"Provenance?target=Observation/own,Observation/others&_total=accurate":           "a b j",
		"Provenance?target=Observation/others&_total=accurate":                           "",
		"Provenance?target=https://elsewhere.example/fhir/Observation/x&_total=accurate": "",
		"Provenance?target:Observation.subject=Patient/p&_total=accurate":                "a b j",
		"Provenance?_id=a,b,c,d,e,f,g&target=Observation/own&_total=accurate":            "a b",
	} {
		got, _, total := find(query)
		if strings.Join(got, " ") != want || total == nil || int(*total) != len(got) {
			t.Errorf("E9 %s finds %v of %v, want %s", query, got, total, want)
		}
	}
	if _, included, _ := find("Observation?_id=own,others&_revinclude=Provenance:target"); strings.Join(included, " ") != "a b j" {
		t.Errorf("E6 included are %v", included)
	}
}

func TestProvenanceComesWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)
	ctx := as(t, access.Clinician, "Practitioner/d", "", "user/*.cruds")
	for _, patient := range []string{"p", "q"} {
		changes := []fhir.Change{
			{Method: fhir.Create, Key: fhir.Key{Type: "Condition", ID: "new-" + patient}, Body: []byte(`{"resourceType":"Condition","subject":{"reference":"Patient/` + patient + `"}}`)},
			{Method: fhir.Create, Key: fhir.Key{Type: "Provenance"}, Body: []byte(`{"resourceType":"Provenance","target":[{"reference":"Condition/new-` + patient + `"}]}`)},
		}
		want := map[string]fhir.IssueCode{"p": "", "q": fhir.CodeForbidden}[patient]
		for _, some := range [][]fhir.Change{changes, changes[1:]} {
			if want != "" || len(some) == 2 {
				if _, err := f.Commit(ctx, some); code(err) != want {
					t.Errorf("E10 about %s: %v", patient, err)
				}
			}
		}
	}
	if _, err := f.records.Read(context.Background(), fhir.Key{Type: "Condition", ID: "new-q"}); err == nil {
		t.Error("E8 the rest was written")
	}
}
