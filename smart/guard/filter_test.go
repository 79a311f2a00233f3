package guard_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
)

// filter asks by expressions that, by themselves, hold for everybody's resources: found is
// what is visible.
func (o *oracle) filter(t testing.TB, k *token, typ fhir.Type) {
	t.Helper()
	id, other := o.any(typ), o.any(typ)
	expressions := []struct {
		text string
		more func(fhir.Key) bool
	}{
		{"_id pr true", nil},
		{"not(_id eq never-was)", nil},
		{fmt.Sprintf("_id eq %s or not(_id eq %[1]s)", id), nil},
		{fmt.Sprintf("_id eq never-was and _id eq %s or (_lastUpdated pr true)", id), nil},
		{fmt.Sprintf("_id eq %s or _id eq %s", id, other), func(key fhir.Key) bool { return key.ID == id || key.ID == other }},
		{fmt.Sprintf("not(_id ne %s) or _id eq %s", id, other), func(key fhir.Key) bool { return key.ID == id || key.ID == other }},
		{fmt.Sprintf("not(_id eq %s)", id), func(key fhir.Key) bool { return key.ID != id }},
	}
	e := pick(o.rnd, expressions)
	o.exactly(t, k, string(typ)+"?_total=accurate&_count="+fmt.Sprint(max(1+o.rnd.IntN(60), len(o.ids[typ])/50))+"&_filter="+url.QueryEscape(e.text), typ, e.more)
}

// wide is an expression that a parameter and much else satisfies.
func (o *oracle) wide(typ fhir.Type, p *fhir.SearchParam) string {
	there := p.Name + " pr " + pick(o.rnd, []string{"true", "false"})
	return fmt.Sprintf(pick(o.rnd, []string{"%s or _id eq %s", "not(%s) or _id ne %s", "not(%s and _id eq %s)"}), there, o.any(typ))
}

// TestFilterWidensNothing asks by _filter for more than a patient may see.
func TestFilterWidensNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, append(
		slices.Clone(severals),
		`{"resourceType":"Patient","id":"p","name":[{"family":"Mine"}]}`,
		`{"resourceType":"Patient","id":"other","name":[{"family":"Theirs"}]}`,
		`{"resourceType":"Condition","id":"mine","subject":{"reference":"Patient/p"},"code":{"text":"zebra"}}`,
		`{"resourceType":"Condition","id":"theirs","subject":{"reference":"Patient/other"},"code":{"text":"zebra"}}`,
	)...)
	patient := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
	joins := &join.Repository{Inner: f.Repository, Base: base}
	parser := search.Parser{Base: base, Describe: joins.Describe, DefaultCount: 100, MaxCount: 100}
	for _, tt := range []struct {
		typ    fhir.Type
		filter string
		want   []string
	}{
		{"Condition", "_id pr true", []string{"mine"}},
		{"Condition", "subject re Patient/other", nil},
		{"Condition", "subject re Patient/p or subject re Patient/other", []string{"mine"}},
		{"Condition", "not(subject re Patient/p)", nil},
		{"Condition", "_id eq mine or _id eq theirs", []string{"mine"}},
		{"Condition", "not(_id eq mine) or not(_id eq theirs)", []string{"mine"}},
		{"Condition", "patient.family eq theirs", nil},
		{"Condition", "not(patient.family eq theirs)", []string{"mine"}},
		{"Condition", "patient[family eq mine or family eq theirs]._id pr true", []string{"mine"}},
		{"Patient", "_id ne p", nil},
		{"Patient", "family ge a", []string{"p"}},
	} {
		req, err := parser.Parse(tt.typ, []search.Pair{{Name: "_filter", Value: tt.filter}, {Name: "_total", Value: "accurate"}}, false, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err := joins.Search(patient, req.Query)
		var got []string
		for _, r := range page.Resources {
			got = append(got, r.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) || page.Total == nil || int(*page.Total) != len(tt.want) {
			t.Errorf("E4 %s?_filter=%s: found %v, %v, want %v", tt.typ, tt.filter, got, err, tt.want)
		}
	}
	// Scopes are narrowed by parameters, not by expressions, which may have chains.
	narrowed := as(t, access.Patient, "Patient/p", "p", "patient/Condition.rs?_filter=_id%20pr%20true")
	if page, err := f.find(narrowed, t, "Condition"); err == nil && len(page.Resources) > 0 {
		t.Errorf("E4 a scope with a filter gives %d", len(page.Resources))
	}
	f.proxy(t, "p", "limited")
	proxy := as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.rs")
	if _, err := f.find(proxy, t, "Patient", "_filter=_id pr true or phone pr true"); code(err) != fhir.CodeForbidden {
		t.Errorf("E9 a filter by what the column hides: %v", err)
	}
}
