package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// ward is a small world: patients p1 (Shaw), p2 (Berg) and p3 (Lind, of whom
// little is known), with everything that refers to them in some way.
var ward = []string{
	`{"resourceType":"Patient","id":"p1","gender":"female","name":[{"family":"Shaw"}],"generalPractitioner":[{"reference":"Practitioner/d1"}],"link":[{"other":{"reference":"Patient/p2"},"type":"seealso"}],"managingOrganization":{"reference":"Organization/o1"}}`,
	`{"resourceType":"Patient","id":"p2","gender":"male","name":[{"family":"Berg"}],"generalPractitioner":[{"reference":"Practitioner/d2"},{"reference":"https://clinic.example/fhir/Practitioner/d1"}]}`,
	`{"resourceType":"Patient","id":"p3","name":[{"family":"Lind"}],"managingOrganization":{"reference":"Organization/o2"}}`,
	`{"resourceType":"Practitioner","id":"d1","name":[{"family":"Okafor"}]}`,
	`{"resourceType":"Practitioner","id":"d2","name":[{"family":"Lindt"}]}`,
	`{"resourceType":"Organization","id":"o1","name":"Clinic","partOf":{"reference":"Organization/o2"}}`,
	`{"resourceType":"Organization","id":"o2","name":"Region","partOf":{"reference":"Organization/o3"}}`,
	`{"resourceType":"Organization","id":"o3","name":"State","partOf":{"reference":"Organization/o1"}}`,
	`{"resourceType":"Encounter","id":"e1","status":"finished","subject":{"reference":"Patient/p1"},"serviceProvider":{"reference":"Organization/o1"}}`,
	`{"resourceType":"Encounter","id":"e2","status":"planned","subject":{"reference":"Patient/p2"},"serviceProvider":{"reference":"Organization/o3"}}`,
	// Of p1, of p2 by another way to say it, of somebody contained, of a patient
	// elsewhere, of p1 with itself as a part, of a device, of nobody.
	`{"resourceType":"Observation","id":"b1","code":{"coding":[{"code":"c1"}]},"subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"performer":[{"reference":"Practitioner/d1"},{"reference":"Organization/o1"}]}`,
	`{"resourceType":"Observation","id":"b2","code":{"coding":[{"code":"c1"}]},"subject":{"reference":"https://clinic.example/fhir/Patient/p2/_history/3"},"hasMember":[{"reference":"Observation/b1"}]}`,
	`{"resourceType":"Observation","id":"b3","contained":[{"resourceType":"Patient","id":"p1","name":[{"family":"Shaw"}]}],"code":{"coding":[{"code":"c3"}]},"subject":{"reference":"#p1"}}`,
	`{"resourceType":"Observation","id":"b4","code":{"coding":[{"code":"c3"}]},"subject":{"reference":"https://other.example/fhir/Patient/p1"}}`,
	`{"resourceType":"Observation","id":"b5","code":{"coding":[{"code":"c2"}]},"subject":{"reference":"Patient/p1"},"hasMember":[{"reference":"Observation/b5"},{"reference":"Observation/b2"}],"device":{"reference":"Device/gone"}}`,
	`{"resourceType":"Observation","id":"b6","code":{"coding":[{"code":"c1"}]},"subject":{"reference":"Device/v1"}}`,
	`{"resourceType":"Observation","id":"b7","code":{"coding":[{"code":"c3"}]},"subject":{"identifier":{"value":"p1"}}}`,
	`{"resourceType":"Device","id":"v1","patient":{"reference":"Patient/p3"}}`,
	`{"resourceType":"Provenance","id":"r1","target":[{"reference":"Observation/b1"},{"reference":"Observation/b2/_history/1"}],"agent":[{"who":{"reference":"Practitioner/d2"}}]}`,
	`{"resourceType":"Questionnaire","id":"q1","url":"http://q.example/phq","version":"1","title":"Mood"}`,
	`{"resourceType":"Questionnaire","id":"q2","url":"http://q.example/phq","version":"2","title":"Mood 2"}`,
	`{"resourceType":"Questionnaire","id":"q3","url":"http://q.example/pain","title":"Pain"}`,
	`{"resourceType":"QuestionnaireResponse","id":"s1","questionnaire":"http://q.example/phq|1","subject":{"reference":"Patient/p1"}}`,
	`{"resourceType":"QuestionnaireResponse","id":"s2","questionnaire":"http://q.example/phq"}`,
	`{"resourceType":"QuestionnaireResponse","id":"s3","questionnaire":"http://q.example/pain|9"}`,
	`{"resourceType":"QuestionnaireResponse","id":"s4","questionnaire":"Questionnaire/q3"}`,
	`{"resourceType":"Provenance","id":"r2","target":[{"reference":"Patient/p3"}],"agent":[{"who":{"reference":"Practitioner/d1"}}]}`,
}

func TestChains(t *testing.T) {
	t.Parallel()
	tests := []struct{ search, want string }{
		{"Observation?patient.name=shaw", "b1 b5"},
		{"Observation?subject:Patient.name=berg", "b2"},
		{"Observation?subject.name=berg", "b2"},
		{"Observation?patient.name=shaw,berg", "b1 b2 b5"},
		{"Observation?patient.name=nobody", ""},
		{"Observation?patient.name:exact=shaw", ""},
		{"Observation?patient._id=p1", "b1 b5"},
		{"Observation?patient.gender:not=male", "b1 b5"},
		{"Observation?patient.gender:missing=true", ""},
		{"Patient?general-practitioner:Practitioner.name=okafor", "p1 p2"},
		{"Observation?subject:Device.patient.name=lind", "b6"},
		{"Observation?patient.organization.name=clinic", "b1 b5"},
		{"Observation?patient.organization.partof.name=region", "b1 b5"},
		{"Observation?patient.organization.partof.partof.name=state", "b1 b5"},
		{"Observation?patient.name=shaw&code=c2", "b5"},
		{"Observation?patient.name=shaw&patient.gender=male", ""},
		{"Observation?patient.name=shaw&encounter.status=finished", "b1"},
		{"Observation?performer:Practitioner.name=okafor&performer:Organization.name=clinic", "b1"},
		{"Observation?has-member.code=c1", "b2 b5"},
		{"Observation?has-member.has-member.patient.name=shaw", "b5"},
		{"Organization?partof.partof.partof.name=clinic", "o1"},
		{"QuestionnaireResponse?questionnaire.title=mood", "s1 s2"},
		{"QuestionnaireResponse?questionnaire.title:exact=Mood 2", "s2"},
		{"QuestionnaireResponse?questionnaire.title=pain", "s4"},
	}
	testSearches(t, tests)
}

func TestReverseChains(t *testing.T) {
	t.Parallel()
	tests := []struct{ search, want string }{
		{"Patient?_has:Observation:patient:code=c1", "p1 p2"},
		{"Patient?_has:Observation:patient:code=c2", "p1"},
		{"Patient?_has:Observation:patient:code=c3", ""},
		{"Patient?_has:Observation:subject:code=c1,c2", "p1 p2"},
		{"Device?_has:Observation:subject:code=c1", "v1"},
		{"Patient?_has:Observation:patient:code=c1&gender=male", "p2"},
		{"Patient?_has:Observation:patient:code=c1&_has:Observation:patient:code=c2", "p1"},
		{"Patient?_has:Observation:patient:code=c1&_has:Encounter:patient:status=planned", "p2"},
		{"Patient?_has:Observation:patient:_id=b5", "p1"},
		{"Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/d2", "p1 p2"},
		{"Patient?_has:Encounter:patient:service-provider.name=state", "p2"},
		{"Observation?patient._has:Encounter:patient:status=finished", "b1 b5"},
		{"Practitioner?_has:Patient:general-practitioner:_has:Encounter:patient:status=planned", "d1 d2"},
		{"Observation?_has:Observation:has-member:code=c2", "b2 b5"},
		{"Observation?subject._has:Observation:subject:code=c1", "b1 b2 b5 b6"},
		{"Observation?_has:Provenance:target:agent=Practitioner/d2", "b1 b2"},
		{"Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=s1", "q1"},
		{"Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=s2", "q1 q2"},
		{"Questionnaire?_has:QuestionnaireResponse:questionnaire:patient.name=shaw", "q1"},
		{"Patient?_has:QuestionnaireResponse:patient:questionnaire.title=mood", "p1"},
		{"Patient?_id=p3&_has:Provenance:target:agent=Practitioner/d1", "p3"},
	}
	testSearches(t, tests)
}

// testSearches runs each with and without narrowing.
func testSearches(t *testing.T, tests []struct{ search, want string }) {
	t.Helper()
	for _, tt := range tests {
		for _, few := range []int{0, 1, 2, 7} {
			t.Run(fmt.Sprintf("%s/few=%d", tt.search, few), func(t *testing.T) {
				t.Parallel()
				r := &Repository{Inner: newFake(t, ward...), Base: base, few: few}
				page, err := r.Search(t.Context(), parseSearch(t, r.Describe, tt.search))
				if err != nil {
					t.Fatal(err)
				}
				got := strings.Fields(ids(page.Resources))
				slices.Sort(got) // no order was asked for
				if got := strings.Join(got, " "); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestNegatedReverseChain(t *testing.T) {
	t.Parallel()
	for _, few := range []int{0, 1} {
		r := &Repository{Inner: newFake(t, ward...), Base: base, few: few}
		q := parseSearch(t, r.Describe, "Patient?_has:Observation:patient:code=c1&name=shaw,berg,lind")
		and := q.Where.(fhir.And)
		and[0] = fhir.Not{Expr: and[0]}
		page, err := r.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(page.Resources); got != "p3" {
			t.Errorf("few=%d: got %q, want p3", few, got)
		}
	}
}

// The same _has beside different conditions may be narrowed differently.
func TestNarrowedAnswersAreNotMixedUp(t *testing.T) {
	t.Parallel()
	r := &Repository{Inner: newFake(t, ward...), Base: base, few: 1}
	first := parseSearch(t, r.Describe, "Patient?_has:Observation:patient:code=c1&_id=p1").Where
	second := parseSearch(t, r.Describe, "Patient?_has:Observation:patient:code=c1&_id=p2").Where
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 10, Where: fhir.Or{first, second}})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(page.Resources); got != "p1 p2" {
		t.Errorf("got %q, want both", got)
	}
}

func TestIncludes(t *testing.T) {
	t.Parallel()
	tests := []struct{ claim, search, want string }{
		{"of a reference", "Observation?code=c2&_include=Observation:patient", "p1"},
		{"of a versioned one the resource", "Observation?_id=b2&_include=Observation:patient", "p2"},
		{"of several", "Observation?_id=b1&_include=Observation:performer", "o1 d1"},
		{"of one target type", "Observation?_id=b1&_include=Observation:performer:Organization", "o1"},
		{"of another type than the matches", "Observation?_id=b1&_include=Encounter:patient", ""},
		{"of all references of the type", "Observation?_id=b1&_include=Observation:*", "e1 o1 p1 d1"},
		{"of all references", "Observation?_id=b1&_include=*", "e1 o1 p1 d1"},
		{"not of contained resources", "Observation?_id=b3&_include=*", ""},
		{"not of other servers", "Observation?_id=b4&_include=*", ""},
		{"not of logical references", "Observation?_id=b7&_include=*", ""},
		{"not of what is not there, nor of matches", "Observation?_id=b5,b2&_include=Observation:device&_include=Observation:has-member", "b1"},
		{"a resource once", "Observation?code=c1,c2&_include=Observation:patient&_include=Observation:subject", "v1 p1 p2"},
		{"of matches only", "Observation?_id=b1&_include=Observation:encounter&_include=Encounter:service-provider", "e1"},
		{"of what was included", "Observation?_id=b1&_include=Observation:encounter&_include:iterate=Encounter:service-provider", "e1 o1"},
		{"of what was included, in any order", "Observation?_id=b1&_include:iterate=Encounter:service-provider&_include=Observation:encounter", "e1 o1"},
		{"round in circles, but once", "Organization?_id=o1&_include:iterate=Organization:partof", "o2 o3"},
		{"under the old name", "Organization?_id=o1&_include:recurse=Organization:partof", "o2 o3"},
		{"one step without", "Organization?_id=o1&_include=Organization:partof", "o2"},
		{"of what refers to the matches", "Patient?_id=p1&_revinclude=Observation:patient", "b1 b5"},
		{"of what refers with a version", "Patient?_id=p2&_revinclude=Observation:subject", "b2"},
		{"by all references of a type", "Patient?_id=p2&_revinclude=Patient:*", "p1"},
		{"of what refers to a type", "Observation?_id=b1,b2&_revinclude=Provenance:target:Observation", "r1"},
		{"of what refers to another type", "Observation?_id=b1&_revinclude=Provenance:target:Patient", ""},
		{"of what refers to included ones", "Patient?_id=p1&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target", "b1 b5 r1"},
		{"not of what refers to included ones", "Patient?_id=p1&_revinclude=Observation:patient&_revinclude=Provenance:target", "b1 b5"},
		{"forth and back", "Observation?_id=b5&_include=Observation:patient&_revinclude:iterate=Encounter:patient", "e1 p1"},
		{"of a canonical with a version", "QuestionnaireResponse?_id=s1&_include=QuestionnaireResponse:questionnaire", "q1"},
		{"of a canonical without one", "QuestionnaireResponse?_id=s2&_include=QuestionnaireResponse:*", "q1 q2"},
		{"not of a version that is not here", "QuestionnaireResponse?_id=s3&_include=QuestionnaireResponse:*", ""},
		{"of what refers by a canonical", "Questionnaire?_id=q2&_revinclude=QuestionnaireResponse:questionnaire", "s2"},
		{"beside a chain", "Observation?patient.name=berg&_include=Observation:patient", "p2"},
		{"of no matches", "Observation?code=nothing&_include=*", ""},
		{"not when only the number is asked for", "Observation?code=c1&_count=0&_include=*", ""},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := &Repository{Inner: newFake(t, ward...), Base: base}
			page, err := r.Search(t.Context(), parseSearch(t, r.Describe, tt.search))
			if err != nil {
				t.Fatal(err)
			}
			if got := ids(page.Included); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIncludesBelongToThePage(t *testing.T) {
	t.Parallel()
	r := &Repository{Inner: newFake(t, ward...), Base: base}
	q := parseSearch(t, r.Describe, "Observation?code=c1,c2&_count=2&_total=accurate&_include=Observation:patient")
	var got []string
	for {
		page, err := r.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s of %d with %s", ids(page.Resources), *page.Total, ids(page.Included)))
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if got, want := strings.Join(got, "; "), "b1 b2 of 4 with p1 p2; b5 b6 of 4 with p1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		claim, search string
		limits        Limits
		few           int
		want          fhir.IssueCode // "" works
	}{
		{"a chain that leads to as many as allowed", "Observation?patient.name=shaw,berg", Limits{IDs: 2}, 0, ""},
		{"a chain that leads to more, with a total", "Observation?patient.name=shaw,berg&_total=accurate", Limits{IDs: 1}, 0, fhir.CodeTooCostly},
		{"a chain that leads to more, without", "Observation?patient.name=shaw,berg", Limits{IDs: 1}, 1, ""},
		{"_has that leads to more", "Patient?_has:Observation:patient:code=c1", Limits{IDs: 1}, 0, fhir.CodeTooCostly},
		{"a chain that would look at too much, with a total", "Observation?patient.name=shaw,berg&_total=accurate", Limits{Reads: 1}, 0, fhir.CodeTooCostly},
		{"a chain that would look at too much, without", "Observation?patient.name=shaw,berg&code=c3", Limits{Reads: 1}, 1, fhir.CodeTooCostly},
		{"a chain that the rest narrows", "Observation?_id=b2&patient.gender=male,female", Limits{IDs: 1}, 1, ""},
		{"_has that the rest narrows", "Patient?_id=p1&_has:Observation:patient:code=c1,c2", Limits{IDs: 1}, 1, ""},
		{"a chain behind a chain that the rest narrows", "Observation?_id=b1&patient.organization.name=clinic,region,state", Limits{IDs: 1}, 1, ""},
		{"as many includes as allowed", "Observation?code=c1,c2&_include=Observation:patient", Limits{Included: 2}, 0, ""},
		{"more includes", "Observation?code=c1,c2&_include=Observation:patient", Limits{Included: 1}, 0, fhir.CodeTooCostly},
		{"larger includes", "Observation?code=c1,c2&_include=Observation:patient", Limits{Bytes: 300}, 0, fhir.CodeTooCostly},
		{"as many rounds as allowed", "Organization?_id=o1&_include:iterate=Organization:partof", Limits{Rounds: 2}, 0, ""},
		{"more rounds", "Organization?_id=o1&_include:iterate=Organization:partof", Limits{Rounds: 1}, 0, fhir.CodeTooCostly},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := &Repository{Inner: newFake(t, ward...), Base: base, Limits: tt.limits, few: tt.few}
			_, err := r.Search(t.Context(), parseSearch(t, r.Describe, tt.search))
			if code(err) != tt.want || (err != nil) != (tt.want != "") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWhatInnerCannotDoIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ search, without string }{
		{"Observation?patient.name=nobody", "patient"},
		{"Patient?_has:Observation:patient:code=nothing", "patient"},
		{"Patient?_has:Observation:patient:code=nothing", "_id"},
		{"Observation?_include=Observation:patient", "patient"},
		{"Patient?_revinclude=Observation:patient", "patient"},
	} {
		all := newFake(t, ward...)
		q := parseSearch(t, all.Describe, tt.search)
		all.without = tt.without
		r := &Repository{Inner: all, Base: base}
		_, err := r.Search(t.Context(), q)
		if code(err) != fhir.CodeNotSupported || !strings.Contains(err.Error(), tt.without) {
			t.Errorf("%s without %s: %v", tt.search, tt.without, err)
		}
	}
	p, _ := search.Lookup("Observation", "patient")
	r := &Repository{Inner: newFake(t, ward...), Base: base}
	_, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 1, Include: []fhir.Include{{Param: p, Reverse: true}}})
	if code(err) != fhir.CodeTooCostly {
		t.Errorf("_revinclude=*: %v", err)
	}
}

func TestIdenticalPartsAreResolvedOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t, ward...)
	r := &Repository{Inner: f, Base: base}
	one := parseSearch(t, r.Describe, "Observation?patient.organization.name=clinic").Where
	_, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Count: 10, Where: fhir.Or{one, fhir.Not{Expr: one}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(f.queries); got != 3 { // Organization, Patient, Observation
		t.Errorf("%d searches, want 3", got)
	}
}

func TestASearchWithoutJoinsIsPassedOn(t *testing.T) {
	t.Parallel()
	f := newFake(t, ward...)
	r := &Repository{Inner: f, Base: base}
	q := parseSearch(t, r.Describe, "Observation?code=c1")
	if _, err := r.Search(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if len(f.queries) != 1 || f.queries[0] != q {
		t.Errorf("inner was asked %v", f.queries)
	}
}

func TestACancelledSearchEnds(t *testing.T) {
	t.Parallel()
	r := &Repository{Inner: newFake(t, ward...), Base: base}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range []string{"Observation?patient.name=shaw", "Patient?_has:Observation:patient:code=c1", "Observation?_include=*"} {
		if _, err := r.Search(ctx, parseSearch(t, r.Describe, s)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestDescribeListsTheIncludes(t *testing.T) {
	t.Parallel()
	r := &Repository{Inner: newFake(t)}
	c := r.Describe("Encounter")
	for name, list := range map[string][]string{
		"Encounter:service-provider": c.Include, "Observation:encounter": c.RevInclude, "Provenance:target": c.RevInclude,
	} {
		if !strings.Contains(" "+strings.Join(list, " ")+" ", " "+name+" ") {
			t.Errorf("%s is not in %v", name, list)
		}
	}
	if strings.Contains(strings.Join(c.Include, " "), "Encounter:date") {
		t.Error("a date is listed as an include")
	}
}
