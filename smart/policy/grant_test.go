package policy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim, birth, zone, now string
		want                    policy.Band
	}{
		{"AGE-1 the second before a twelfth birthday in the clinic's zone", "2012-06-15", "Europe/Oslo", "2024-06-14T21:59:59Z", policy.Child},
		{"AGE-1 a twelfth birthday in the clinic's zone, which is not yet one in UTC", "2012-06-15", "Europe/Oslo", "2024-06-14T22:00:00Z", policy.Teen},
		{"AGE-1 the same moment in a zone further west", "2012-06-15", "America/Chicago", "2024-06-14T22:00:00Z", policy.Child},
		{"AGE-1 the second before an eighteenth birthday", "2006-01-01", "America/Chicago", "2024-01-01T05:59:59Z", policy.Teen},
		{"AGE-1 an eighteenth birthday", "2006-01-01", "America/Chicago", "2024-01-01T06:00:00Z", policy.Adult},
		{"AGE-1 a birthday whose midnight the clocks skip", "2006-09-08", "America/Santiago", "2024-09-08T04:00:00Z", policy.Adult},
		{"AGE-1 the second before that", "2006-09-08", "America/Santiago", "2024-09-08T03:59:59Z", policy.Teen},
		{"AGE-2 a year counts from its first day", "2006", "UTC", "2024-01-01T00:00:00Z", policy.Adult},
		{"AGE-2 the second before", "2006", "UTC", "2023-12-31T23:59:59Z", policy.Teen},
		{"AGE-2 a month counts from its first day", "2012-07", "UTC", "2024-07-01T00:00:00Z", policy.Teen},
		{"AGE-3 29 February is 28 February in a common year", "2012-02-29", "UTC", "2030-02-28T00:00:00Z", policy.Adult},
		{"AGE-3 the second before", "2012-02-29", "UTC", "2030-02-27T23:59:59Z", policy.Teen},
		{"AGE-3 and itself in a leap year", "2012-02-29", "UTC", "2024-02-28T23:59:59Z", policy.Child},
		{"AGE-3 from its first second", "2012-02-29", "UTC", "2024-02-29T00:00:00Z", policy.Teen},
	} {
		t.Run("E11 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			ages, ok := policy.Pack{Teen: 12, Adult: 18}.Ages(tt.birth, zone(t, tt.zone))
			if got := ages.Band(at(t, tt.now)); !ok || got != tt.want {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
	for _, birth := range []string{"", "?", "2012-13", "12-06-15", "2012-06-15T00:00:00Z"} {
		if _, ok := (policy.Pack{Teen: 12, Adult: 18}).Ages(birth, time.UTC); ok {
			t.Errorf("E11 AGE-4 %q is taken for a date of birth", birth)
		}
	}
}

// grant is one in force from 2020 to 2040.
func grant(basis string) policy.Grant {
	return policy.Grant{
		ID: "g", Proxy: fhir.Key{Type: "RelatedPerson", ID: "r"}, Patient: "p", Basis: basis, Active: true,
		NotBefore: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// births in the middle of 2024: of somebody in each band.
var births = map[string]string{"child": "2018-03-03", "teen": "2010-03-03", "adult": "1980-03-03", "undated": ""}

func TestColumns(t *testing.T) {
	t.Parallel()
	p := standard(t)
	want := map[string]map[string]string{
		"parental":            {"child": "child", "teen": "limited"},
		"guardian-court":      {"child": "child", "teen": "limited", "undated": "limited"},
		"teen-assented":       {"teen": "assented"},
		"diminished-capacity": {"child": "child", "teen": "child"},
		"adult-delegated":     {"adult": "adult", "undated": "adult"},
		"poa-incapacity":      {"adult": "adult", "undated": "adult"},
		"temporary":           {"child": "child", "teen": "limited", "adult": "adult", "undated": "limited"},
		"friendship":          {},
	}
	for basis, columns := range want {
		for band, birth := range births {
			t.Run("E11 "+basis+" of a "+band, func(t *testing.T) {
				t.Parallel()
				now := at(t, "2024-01-20T12:00:00Z")
				e, ok := p.Effective(grant(basis), policy.Subject{Birth: birth}, now, time.UTC)
				if ok != (columns[band] != "") || e.Column != columns[band] {
					t.Errorf("got %q, %v, want %q", e.Column, ok, columns[band])
				}
			})
		}
	}
}

func TestWhatEndsAGrant(t *testing.T) {
	t.Parallel()
	p := standard(t)
	child := policy.Subject{Birth: births["child"]}
	for _, tt := range []struct {
		claim  string
		change func(*policy.Grant, *policy.Subject)
		now    string
		want   string // the column; empty: no effect
	}{
		{"in force", nil, "2024-06-01T00:00:00Z", "child"},
		{"not active", func(g *policy.Grant, _ *policy.Subject) { g.Active = false }, "2024-06-01T00:00:00Z", ""},
		{"the second before it starts", nil, "2023-12-31T23:59:59Z", ""},
		{"when it starts", nil, "2024-01-01T00:00:00Z", "child"},
		{"the second before it ends", func(g *policy.Grant, _ *policy.Subject) { g.NotAfter = at(t, "2024-06-01T00:00:00Z") }, "2024-05-31T23:59:59Z", "child"},
		{"when it ends", func(g *policy.Grant, _ *policy.Subject) { g.NotAfter = at(t, "2024-06-01T00:00:00Z") }, "2024-06-01T00:00:00Z", ""},
		{"of somebody who died: AGE-10", func(_ *policy.Grant, s *policy.Subject) { s.Deceased = true }, "2024-06-01T00:00:00Z", ""},
		{"without a date of birth: AGE-4", func(_ *policy.Grant, s *policy.Subject) { s.Birth = "" }, "2024-06-01T00:00:00Z", ""},
		{"of an emancipated minor: AGE-8", func(_ *policy.Grant, s *policy.Subject) { s.Emancipated = true }, "2024-06-01T00:00:00Z", ""},
		{"of a teenager whose date of birth is corrected to a child's: AGE-9", func(g *policy.Grant, _ *policy.Subject) { g.Crossed = policy.Teen }, "2024-06-01T00:00:00Z", "limited"},
		{"of an adult when the clock goes back: AGE-7", func(g *policy.Grant, _ *policy.Subject) { g.Crossed = policy.Adult }, "2024-06-01T00:00:00Z", ""},
		{"temporary, after 30 days", func(g *policy.Grant, _ *policy.Subject) { g.Basis = "temporary" }, "2024-01-31T00:00:00Z", ""},
		{"temporary, the second before", func(g *policy.Grant, _ *policy.Subject) { g.Basis = "temporary" }, "2024-01-30T23:59:59Z", "child"},
		{"a court's order over an adult", func(g *policy.Grant, s *policy.Subject) {
			g.Basis, g.Ordered, s.Birth = "guardian-court", true, births["adult"]
		}, "2024-06-01T00:00:00Z", "child"},
		{"a court's order over an adult without an end", func(g *policy.Grant, s *policy.Subject) {
			g.Basis, g.Ordered, s.Birth, g.NotAfter = "guardian-court", true, births["adult"], time.Time{}
		}, "2024-06-01T00:00:00Z", ""},
		{"a court's order in full over a teenager", func(g *policy.Grant, s *policy.Subject) {
			g.Basis, g.Ordered, s.Birth = "guardian-court", true, births["teen"]
		}, "2024-06-01T00:00:00Z", "child"},
	} {
		t.Run("E11 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			g, s := grant("parental"), child
			if tt.change != nil {
				tt.change(&g, &s)
			}
			e, ok := p.Effective(g, s, at(t, tt.now), time.UTC)
			if e.Column != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", e.Column, ok, tt.want)
			}
		})
	}
}

func TestAGrantKnowsWhenItWillBeLess(t *testing.T) {
	t.Parallel()
	p := standard(t)
	oslo := zone(t, "Europe/Oslo")
	g, s := grant("parental"), policy.Subject{Birth: "2012-06-15"}
	for _, tt := range []struct{ now, want string }{
		{"2024-06-01T00:00:00Z", "2024-06-14T22:00:00Z"}, // twelve
		{"2024-06-14T22:00:00Z", "2030-06-14T22:00:00Z"}, // eighteen
	} {
		if e, ok := p.Effective(g, s, at(t, tt.now), oslo); !ok || !e.Until.Equal(at(t, tt.want)) {
			t.Errorf("E11 AGE-6 at %s: until %v, %v", tt.now, e.Until, ok)
		}
	}
	g.NotAfter = at(t, "2024-06-10T00:00:00Z")
	if e, ok := p.Effective(g, s, at(t, "2024-06-01T00:00:00Z"), oslo); !ok || !e.Until.Equal(g.NotAfter) {
		t.Errorf("E11 AGE-6 the end of the grant comes first: until %v, %v", e.Until, ok)
	}
}

func TestTheUKPackRestsUntilReview(t *testing.T) {
	t.Parallel()
	p := standard(t)
	p.Pack = "uk"
	g, s := grant("parental"), policy.Subject{Birth: "2011-06-15"}
	for _, tt := range []struct {
		now, reviewed string
		want          bool
	}{
		{"2024-06-14T23:59:59Z", "", true},
		{"2024-06-15T00:00:00Z", "", false},
		{"2024-07-15T00:00:00Z", "2024-06-14T00:00:00Z", false},
		{"2024-07-15T00:00:00Z", "2024-06-20T00:00:00Z", true},
	} {
		if tt.reviewed != "" {
			g.Reviewed = at(t, tt.reviewed)
		}
		if _, ok := p.Effective(g, s, at(t, tt.now), time.UTC); ok != tt.want {
			t.Errorf("E11 at %s, reviewed %s: %v", tt.now, tt.reviewed, ok)
		}
	}
}

// TestMatrix has what a proxy may do of all types, by column: who adds to the data
// adds here.
func TestMatrix(t *testing.T) {
	t.Parallel()
	p := standard(t)
	everyday := "AllergyIntolerance Consent* Immunization ImmunizationEvaluation ImmunizationRecommendation Patient RelatedPerson* AuditEvent*"
	clinical := " Claim ClaimResponse Composition Condition Coverage CoverageEligibilityRequest CoverageEligibilityResponse DiagnosticReport DocumentReference Binary Encounter ExplanationOfBenefit ImagingStudy Media" +
		" MedicationAdministration MedicationDispense MedicationRequest MedicationStatement Observation?category=imaging Observation?category=laboratory Observation?category=survey Observation?category=vital-signs" +
		" Procedure QuestionnaireResponse Specimen Appointment AppointmentResponse Communication"
	want := map[string]map[policy.Action]string{
		"child": {
			policy.See: everyday + clinical, policy.Request: "Appointment AppointmentResponse", policy.Cancel: "Appointment AppointmentResponse",
			policy.Send: "Communication", policy.Refill: "MedicationRequest MedicationDispense MedicationStatement MedicationAdministration",
			policy.Answer: "Observation?category=vital-signs Observation?category=survey QuestionnaireResponse",
		},
		"limited": {policy.See: everyday + " Communication*", policy.Request: "Appointment AppointmentResponse", policy.Send: "Communication*"},
		"assented": {
			policy.See: everyday + " Communication* Appointment AppointmentResponse", policy.Request: "Appointment AppointmentResponse",
			policy.Cancel: "Appointment AppointmentResponse", policy.Send: "Communication*",
		},
	}
	of := map[string]policy.Grant{"child": grant("parental"), "limited": grant("parental"), "assented": grant("teen-assented"), "adult": grant("adult-delegated")}
	birth := map[string]string{"child": births["child"], "limited": births["teen"], "assented": births["teen"], "adult": births["adult"]}
	want["adult"] = want["child"]
	for column, columns := range want {
		g := of[column]
		if column == "adult" {
			g.Categories = slices.Collect(maps.Keys(p.Categories)) // all of them named
		}
		e, ok := p.Effective(g, policy.Subject{Birth: birth[column]}, at(t, "2024-01-20T00:00:00Z"), time.UTC)
		if !ok || e.Column != column {
			t.Fatalf("got %q, %v, want %q", e.Column, ok, column)
		}
		for _, action := range []policy.Action{policy.See, policy.Request, policy.Cancel, policy.Send, policy.Refill, policy.Answer, policy.Change} {
			t.Run("E11 "+column+" "+string(action), func(t *testing.T) {
				t.Parallel()
				if got, want := opened(p, &e, action), sorted(strings.Fields(columns[action])); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		}
	}
}

func opened(p *policy.Policy, e *policy.Effective, a policy.Action) string {
	var all []string
	for _, t := range fhir.Types() {
		for _, part := range p.Opens(e, t, a) {
			name := string(t)
			if part.Filter != "" {
				name += "?" + part.Filter
			}
			if part.Own {
				name += "*"
			}
			all = append(all, name)
		}
	}
	return sorted(all)
}

func sorted(all []string) string {
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestAGrantOpensOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	p := standard(t)
	adult := policy.Subject{Birth: births["adult"]}
	now := at(t, "2024-01-20T00:00:00Z")
	open := func(g policy.Grant, s policy.Subject) string {
		e, _ := p.Effective(g, s, now, time.UTC)
		return sorted(slices.Collect(maps.Keys(e.Cells)))
	}
	g := grant("adult-delegated")
	if got := open(g, adult); got != "audit consents relations" {
		t.Errorf("E11 an adult's grant that names nothing opens %s", got)
	}
	g.Categories = []string{"allergies", "labs"}
	if got := open(g, adult); got != "allergies audit consents labs relations" {
		t.Errorf("E11 an adult's grant that names two opens %s", got)
	}
	g.Actions = []policy.Action{policy.Send}
	if got := open(g, adult); got != "" {
		t.Errorf("E11 without reading it opens %s", got)
	}
	g = grant("parental")
	g.Categories = []string{"allergies", "labs"}
	if got := open(g, policy.Subject{Birth: births["teen"]}); got != "allergies" {
		t.Errorf("E11 a parent's grant opens %s of a teenager", got)
	}
	if e := (policy.Effective{}); opened(p, &e, policy.See) != "" {
		t.Error("E11 the zero Effective permits something")
	}
}
