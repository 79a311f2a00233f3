package guard_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/policy"
)

// TestBirthdays has a proxy look at a result the night before and after a birthday.
func TestBirthdays(t *testing.T) {
	t.Parallel()
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	data, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		claim, birth, now string
		seen              string // of the patient, an immunization and a result
	}{
		{"the second before a twelfth birthday", "2014-06-15", "2026-06-14T21:59:59Z", "Patient Immunization Observation"},
		{"on the twelfth birthday", "2014-06-15", "2026-06-14T22:00:00Z", "Patient Immunization"},
		{"the second before an eighteenth birthday", "2008-06-15", "2026-06-14T21:59:59Z", "Patient Immunization"},
		{"on the eighteenth birthday", "2008-06-15", "2026-06-14T22:00:00Z", ""},
		{"the second before the twelfth birthday of one born on 29 February", "2016-02-29", "2028-02-28T22:59:59Z", "Patient Immunization Observation"},
		{"on the twelfth birthday of one born on 29 February", "2016-02-29", "2028-02-28T23:00:00Z", "Patient Immunization"},
		{"on the eighteenth birthday of one born on 29 February, in a common year", "2008-02-29", "2026-02-27T23:00:00Z", ""},
		{"when only the year of birth is known", "2014", "2025-12-31T23:00:00Z", "Patient Immunization"},
		{"the second before", "2014", "2025-12-31T22:59:59Z", "Patient Immunization Observation"},
		{"when no date of birth is known", "", "2026-01-01T00:00:00Z", ""},
	} {
		t.Run("E11 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			f := newFixture(
				t, `{"resourceType":"Patient","id":"p"}`, `{"resourceType":"Immunization","id":"i","patient":{"reference":"Patient/p"}}`,
				`{"resourceType":"Observation","id":"o","category":[{"coding":[{"code":"laboratory"}]}],"subject":{"reference":"Patient/p"}}`,
			)
			at, err := time.Parse(time.RFC3339, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			g := policy.Grant{ID: "g", Proxy: fhir.Key{Type: "RelatedPerson", ID: "r"}, Patient: "p", Basis: "parental", Active: true}
			f.grants["g"], _ = data.Effective(g, policy.Subject{Birth: tt.birth}, at, oslo)
			if f.grants["g"].Column == "" {
				delete(f.grants, "g")
			}
			ctx := as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.rs")
			var seen []string
			for _, key := range []fhir.Key{{Type: "Patient", ID: "p"}, {Type: "Immunization", ID: "i"}, {Type: "Observation", ID: "o"}} {
				_, err := f.Read(ctx, key)
				page, failed := f.find(ctx, t, key.Type)
				if failed != nil || (err == nil) != (len(page.Resources) == 1) {
					t.Errorf("%s is read: %v; found are %v, %v", key, err, page.Resources, failed)
				}
				if err == nil {
					seen = append(seen, string(key.Type))
				} else if code(err) != fhir.CodeNotFound {
					t.Errorf("%s: %v", key, err)
				}
			}
			if got := strings.Join(seen, " "); got != tt.seen {
				t.Errorf("seen is %q, want %q", got, tt.seen)
			}
		})
	}
}

func TestARevokedGrantEndsWithTheNextRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ward...)
	f.proxy(t, "p", "child")
	ctx := as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.cruds")
	key := fhir.Key{Type: "Condition", ID: "c"}
	if _, err := f.Read(ctx, key); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"revoked":                        func() { delete(f.grants, "g") },
		"now for another patient":        func() { e := f.grants["g"]; e.Patient = "q"; f.grants["g"] = e },
		"now for another proxy":          func() { e := f.grants["g"]; e.Proxy.ID = "s"; f.grants["g"] = e },
		"without anything that it opens": func() { e := f.grants["g"]; e.Cells = nil; f.grants["g"] = e },
	} {
		f.proxy(t, "p", "child")
		change()
		_, err := f.Read(ctx, key)
		page, failed := f.find(ctx, t, "Condition")
		if code(err) != fhir.CodeNotFound || failed != nil || len(page.Resources) > 0 {
			t.Errorf("E11 a grant that is %s: %v; %v, %v", name, err, page.Resources, failed)
		}
		_, err = f.Commit(ctx, []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Appointment"}, Body: []byte(`{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/p"}}]}`)}})
		if code(err) != fhir.CodeForbidden {
			t.Errorf("E11 a grant that is %s writes: %v", name, err)
		}
	}
}

func TestWhomAClinicianTreats(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim, tie string
		want       bool
	}{
		{"nothing ties them", `{"resourceType":"Flag","id":"x"}`, false},
		{"their general practitioner", `{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"Practitioner/d"}]}`, true},
		{"that of another", `{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"Practitioner/e"}]}`, false},
		{"by a role", `{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"PractitionerRole/dr"}]}`, true},
		{"an encounter today", `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/p"},"period":{"start":"2026-05-01T08:00:00Z"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`, true},
		{"an encounter that ended 29 days ago", `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/p"},"period":{"start":"2026-04-02T08:00:00Z","end":"2026-04-02T11:00:00Z"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`, true},
		{"an encounter that ended 31 days ago", `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/p"},"period":{"start":"2026-03-31T08:00:00Z","end":"2026-03-31T09:00:00Z"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`, false},
		{"a stay that has not ended", `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/p"},"period":{"start":"2025-01-31T08:00:00Z"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`, true},
		{"an encounter about nobody", `{"resourceType":"Encounter","id":"e","period":{"start":"2026-05-01T08:00:00Z"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`, false},
		{"an appointment in 29 days", `{"resourceType":"Appointment","id":"a","status":"booked","start":"2026-05-30T08:00:00Z","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Practitioner/d"}}]}`, true},
		{"an appointment in 31 days", `{"resourceType":"Appointment","id":"a","status":"booked","start":"2026-06-01T10:00:01Z","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Practitioner/d"}}]}`, false},
		{"an appointment that was asked for", `{"resourceType":"Appointment","id":"a","status":"proposed","start":"2026-05-30T08:00:00Z","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Practitioner/d"}}]}`, false},
		{"one that is pending", `{"resourceType":"Appointment","id":"a","status":"pending","start":"2026-05-30T08:00:00Z","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Practitioner/d"}}]}`, false},
		{"one that was canceled", `{"resourceType":"Appointment","id":"a","status":"cancelled","start":"2026-05-30T08:00:00Z","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Practitioner/d"}}]}`, false},
		{"a care team", `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`, true},
		{"a care team that is no more", `{"resourceType":"CareTeam","id":"t","status":"inactive","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`, false},
		{"an open order", `{"resourceType":"ServiceRequest","id":"s","status":"active","subject":{"reference":"Patient/p"},"requester":{"reference":"Practitioner/d"}}`, true},
		{"an order that was carried out", `{"resourceType":"ServiceRequest","id":"s","status":"completed","subject":{"reference":"Patient/p"},"requester":{"reference":"Practitioner/d"}}`, false},
		{"a result that they signed", `{"resourceType":"Observation","id":"s","subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"}]}`, false},
	} {
		t.Run("E10 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			f := newFixture(
				t, `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"}}`, `{"resourceType":"Condition","id":"z","subject":{"reference":"Patient/q"}}`,
				`{"resourceType":"PractitionerRole","id":"dr","practitioner":{"reference":"Practitioner/d"}}`, tt.tie,
			)
			ctx := as(t, access.Clinician, "Practitioner/d", "", "user/*.rs")
			_, err := f.Read(ctx, fhir.Key{Type: "Condition", ID: "c"})
			page, failed := f.find(ctx, t, "Condition")
			if (err == nil) != tt.want || failed != nil || (len(page.Resources) == 1) != tt.want {
				t.Errorf("read: %v; found %d, %v", err, len(page.Resources), failed)
			}
		})
	}
}

func TestARelationshipIsRememberedForALittleWhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"}}`)
	at := now
	f.Repository = &guard.Repository{Inner: f.records, Policy: f.Policy, Base: base, NewID: f.NewID, Now: func() time.Time { return at }}
	ctx := as(t, access.Clinician, "Practitioner/d", "", "user/*.rs")
	reads := func() bool {
		_, err := f.Read(ctx, fhir.Key{Type: "Condition", ID: "c"})
		return err == nil
	}
	if reads() {
		t.Error("E10 nothing ties them")
	}
	f.put(t, `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)
	at = at.Add(5 * time.Second)
	if !reads() {
		t.Error("E10 after five seconds the care team counts")
	}
	f.put(t, `{"resourceType":"CareTeam","id":"t","status":"inactive","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)
	at = at.Add(5 * time.Second)
	if reads() {
		t.Error("E10 after five seconds it counts no more")
	}
	at = now.Add(-time.Hour)
	f.put(t, `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)
	if !reads() {
		t.Error("E10 a clock that went back lets it be remembered for ever")
	}
}

// counted counts how often it was asked.
type counted struct {
	fakeGrants
	asked int
}

func (c *counted) Live(ctx context.Context, id string) (policy.Effective, bool, error) {
	c.asked++
	return c.fakeGrants.Live(ctx, id)
}

// TestAGrantIsAskedForOnce says that what the token's grant permits is not asked for again
// while a request lasts, unless that goes on.
func TestAGrantIsAskedForOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"Patient","id":"p"}`)
	f.proxy(t, "p", "child")
	grants := &counted{fakeGrants: f.grants}
	at := now
	g := &guard.Repository{Inner: f.records, Policy: f.Policy, Grants: grants, Base: base, Now: func() time.Time { return at }}
	opened := f.grants["g"]
	a := access.From(as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.rs")).Under(&opened, now)
	read := func() error {
		_, err := g.Read(access.With(t.Context(), a), fhir.Key{Type: "Patient", ID: "p"})
		return err
	}
	if err := read(); err != nil || grants.asked != 0 {
		t.Errorf("E11 right after the token was looked at: asked %d times, %v", grants.asked, err)
	}
	delete(f.grants, "g") // revoked meanwhile
	for _, later := range []time.Duration{2 * time.Second, -time.Second} {
		at = now.Add(later)
		if err := read(); code(err) != fhir.CodeNotFound {
			t.Errorf("E11 %v later: %v", later, err)
		}
	}
	a.Opened, at = &policy.Effective{Grant: "another", Patient: "p", Proxy: opened.Proxy, Cells: opened.Cells}, now
	if err := read(); code(err) != fhir.CodeNotFound || grants.asked != 3 {
		t.Errorf("E11 what another grant permits: asked %d times, %v", grants.asked, err)
	}
}
