package guard_test

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
)

// practice is where Practitioner/d treats p, and knows nothing of q.
var practice = []string{
	`{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"Practitioner/d"}]}`,
	`{"resourceType":"Patient","id":"q"}`,
	`{"resourceType":"Appointment","id":"visit","status":"booked","start":"2026-05-01T10:00:00Z","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"},{"actor":{"reference":"Practitioner/d"},"status":"accepted"}]}`,
	`{"resourceType":"Binary","id":"letter","contentType":"text/plain","data":"eA=="}`,
	`{"resourceType":"Binary","id":"secret","contentType":"text/plain","data":"eA=="}`,
	`{"resourceType":"DocumentReference","id":"own","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/letter"}}]}`,
	`{"resourceType":"DocumentReference","id":"others","status":"current","subject":{"reference":"Patient/q"},"content":[{"attachment":{"url":"Binary/secret"}}]}`,
	`{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"}}`,
	`{"resourceType":"AuditEvent","id":"seen","entity":[{"what":{"reference":"Patient/p"}}]}`,
	`{"resourceType":"Provenance","id":"origin","target":[{"reference":"Condition/c"}]}`,
	`{"resourceType":"Consent","id":"granted","status":"active","category":[{"coding":[{"system":"` + policy.BasisSystem + `","code":"parental"}]}],"patient":{"reference":"Patient/p"}}`,
}

// stored gives a resource of practice.
func stored(t *testing.T, id string) string {
	t.Helper()
	for _, body := range practice {
		if keyOf(body).ID == id {
			return body
		}
	}
	t.Fatal(id)
	return ""
}

// doctor is Practitioner/d with all scopes.
func doctor(t *testing.T, f *fixture) func(fhir.Method, string) error {
	t.Helper()
	ctx := as(t, access.Clinician, "Practitioner/d", "", "user/*.cruds")
	return func(m fhir.Method, body string) error {
		change := fhir.Change{Method: m, Key: keyOf(body), Body: []byte(body)}
		if change.Key.ID == "" {
			change.Key.ID = f.NewID()
		}
		_, err := f.Commit(ctx, []fhir.Change{change})
		return err
	}
}

// Nobody comes to treat a stranger by what they write themselves.
func TestNoRelationshipByWriting(t *testing.T) {
	t.Parallel()
	const (
		both  = `"participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"},{"actor":{"reference":"Patient/q"},"status":"accepted"},{"actor":{"reference":"Practitioner/d"},"status":"accepted"}]}`
		visit = `{"resourceType":"Appointment","id":"visit","status":"booked","start":"2026-05-01T10:00:00Z",`
	)
	f := newFixture(t, practice...)
	do := doctor(t, f)
	for claim, body := range map[string]string{
		"an appointment with both":    `{"resourceType":"Appointment","status":"booked","start":"2026-05-01T10:00:00Z",` + both,
		"an encounter":                `{"resourceType":"Encounter","status":"finished","subject":{"reference":"Patient/q"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`,
		"a care team":                 `{"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/q"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`,
		"an order":                    `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/q"},"requester":{"reference":"Practitioner/d"}}`,
		"a role":                      `{"resourceType":"PractitionerRole","practitioner":{"reference":"Practitioner/d"}}`,
		"a patient":                   `{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/d"}]}`,
		"a document with what is not": `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/secret"}}]}`,
		"the same with a fragment":    `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/secret#x"}}]}`,
		"the same of a version":       `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/secret/_history/1"}}]}`,
		"the same by its URL":         `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"` + base + `/Binary/secret"}}]}`,
	} {
		if err := do(fhir.Create, body); err == nil {
			t.Errorf("a clinician creates %s", claim)
		}
	}
	if err := do(fhir.Put, visit+both); err == nil {
		t.Error("a clinician adds a stranger to an appointment")
	}
	if err := do(fhir.Delete, visit+both); err != nil {
		t.Fatal(err)
	}
	if err := do(fhir.Put, visit+both); err == nil {
		t.Error("a clinician brings an appointment back, with a stranger")
	}
	ctx := as(t, access.Clinician, "Practitioner/d", "", "user/*.cruds")
	for _, key := range []fhir.Key{{Type: "Patient", ID: "q"}, {Type: "Binary", ID: "secret"}, {Type: "DocumentReference", ID: "others"}} {
		if _, err := f.Read(ctx, key); code(err) != fhir.CodeNotFound {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := f.Read(ctx, fhir.Key{Type: "Binary", ID: "letter"}); err != nil {
		t.Errorf("what is theirs to see: %v", err)
	}
	if err := do(fhir.Create, `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/letter"}}]}`); err != nil {
		t.Errorf("a document with what they see: %v", err)
	}
}

// What tells who did what, and what was granted, is not rewritten.
func TestWhatTellsStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, practice...)
	do := doctor(t, f)
	for _, tt := range []struct {
		claim  string
		method fhir.Method
		body   string
		want   fhir.IssueCode
	}{
		{"makes up an entry of the trail", fhir.Create, `{"resourceType":"AuditEvent","entity":[{"what":{"reference":"Patient/p"}}]}`, fhir.CodeForbidden},
		{"changes an entry of the trail", fhir.Put, stored(t, "seen"), fhir.CodeForbidden},
		{"deletes an entry of the trail", fhir.Delete, stored(t, "seen"), fhir.CodeForbidden},
		{"changes where something comes from", fhir.Put, stored(t, "origin"), fhir.CodeForbidden},
		{"deletes where something comes from", fhir.Delete, stored(t, "origin"), fhir.CodeForbidden},
		{"says where something comes from", fhir.Create, `{"resourceType":"Provenance","target":[{"reference":"Condition/c"}]}`, ""},
		{"lets a grant look revoked", fhir.Put, strings.Replace(stored(t, "granted"), "active", "inactive", 1), fhir.CodeBusinessRule},
		{"writes what looks like a grant", fhir.Create, strings.Replace(stored(t, "granted"), `"id":"granted",`, "", 1), fhir.CodeBusinessRule},
		{"deletes what says that there is a grant", fhir.Delete, stored(t, "granted"), fhir.CodeBusinessRule},
	} {
		if err := do(tt.method, tt.body); code(err) != tt.want {
			t.Errorf("a clinician %s: %v", tt.claim, err)
		}
	}
	system := as(t, access.System, "", "", "system/*.cruds")
	for _, m := range []fhir.Method{fhir.Create, fhir.Put, fhir.Delete} {
		change := fhir.Change{Method: m, Key: fhir.Key{Type: "Consent", ID: map[fhir.Method]string{fhir.Create: "new"}[m] + "granted"}, Body: []byte(stored(t, "granted"))}
		if _, err := f.Commit(system, []fhir.Change{change}); code(err) != fhir.CodeBusinessRule {
			t.Errorf("a backend writes the Consent of a grant: %v", err)
		}
	}
}
