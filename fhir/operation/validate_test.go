package operation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/search"
)

// readOnly is a repository that nothing can be written to.
type readOnly struct{ fhir.Repository }

func (r readOnly) Describe(t fhir.Type) fhir.Capability {
	c := r.Repository.Describe(t)
	c.Create, c.Update, c.UpdateCreate, c.Delete = false, false, false, false
	return c
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const (
		narrated = `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}`
		good     = `{"resourceType":"Patient","gender":"male",` + narrated + `}`
		bare     = `{"resourceType":"Patient","gender":"male"}`
		named    = `{"resourceType":"Patient","id":"1",` + narrated + `}`
		fresh    = `{"resourceType":"Patient","id":"fresh",` + narrated + `}`
		wrong    = `{"resourceType":"Patient","gender":"nobody","birthDate":"yesterday"}`
		broken   = `{"resourceType":"Patient","contact":[{"gender":"male"}]}` // pat-1
	)
	wrap := func(resource string, more ...string) string {
		return `{"resourceType":"Parameters","parameter":[` + strings.Join(append(more, `{"name":"resource","resource":`+resource+`}`), ",") + `]}`
	}
	mode := func(m string) string { return fmt.Sprintf(`{"name":"mode","valueCode":%q}`, m) }
	const base = "http://hl7.org/fhir/StructureDefinition/Patient"
	tests := []struct {
		claim, key, params, body string
		closed                   bool   // nothing can be written
		want                     string // severities and codes of the outcome
		code                     fhir.IssueCode
		says                     string
	}{
		{claim: "G8.2 what is valid is fine", key: "Patient/", body: good, want: "information informational"},
		{claim: "G8.2 best practice is a warning", key: "Patient/", body: bare, want: "warning invariant,information informational", says: "dom-6"},
		{claim: "G8.2 all that is wrong is told", key: "Patient/", body: wrong, want: "error code-invalid,error value"},
		{claim: "G8.2 invariants are told beside warnings", key: "Patient/", body: broken, want: "warning invariant,error invariant", says: "pat-1"},
		{claim: "G8.2 another type is an error", key: "Observation/", body: good, want: "error structure"},
		{claim: "G8.2 no JSON is an error", key: "Patient/", body: `{"resourceType":`, want: "error structure"},
		{claim: "G8.2 the resource may be in Parameters", key: "Patient/", body: wrap(good), want: "information informational"},
		{claim: "G8.2 what is wrong in Parameters is told", key: "Patient/", body: wrap(wrong), want: "error code-invalid,error value"},
		{claim: "G8.2 a name that is there twice is an error of the resource", key: "Patient/", body: wrap(`{"resourceType":"Patient","gender":"male","gender":"male"}`), want: "error structure"},
		{claim: "G8.2 Parameters can be validated themselves", key: "Parameters/", body: `{"resourceType":"Parameters","parameter":[{"name":"a","valueString":"b"}]}`, want: "information informational"},
		{claim: "G8.2 Parameters can be validated in Parameters", key: "Parameters/", body: wrap(`{"resourceType":"Parameters","parameter":[{"valueString":"x"}]}`), want: "error required"},
		{claim: "G8.2 mode=create", key: "Patient/", body: wrap(good, mode("create")), want: "information informational"},
		{claim: "G8.2 mode in the URL", key: "Patient/", params: "mode=create", body: good, want: "information informational"},
		{claim: "G8.2 mode=create where nothing can be created", key: "Patient/", body: wrap(good, mode("create")), closed: true, want: "error not-supported"},
		{claim: "G8.2 mode=update", key: "Patient/1", body: wrap(named, mode("update")), want: "information informational"},
		{claim: "G8.2 mode=update on the type", key: "Patient/", body: wrap(named, mode("update")), want: "information informational"},
		{claim: "G8.2 mode=update without an id", key: "Patient/", body: wrap(good, mode("update")), want: "error required"},
		{claim: "G8.2 mode=update with another id", key: "Patient/1", body: wrap(fresh, mode("update")), want: "error value"},
		{claim: "G8.2 mode=update of what is new", key: "Patient/fresh", body: wrap(fresh, mode("update")), want: "information informational"},
		{claim: "G8.2 mode=update where nothing can be updated", key: "Patient/1", body: wrap(named, mode("update")), closed: true, want: "error not-supported"},
		{claim: "G8.2 mode=delete", key: "Patient/1", params: "mode=delete", want: "information informational"},
		{claim: "G8.2 mode=delete where nothing can be deleted", key: "Patient/1", params: "mode=delete", closed: true, want: "error not-supported"},
		{claim: "G8.2 mode=delete of nothing", key: "Patient/nobody", params: "mode=delete", code: fhir.CodeNotFound},
		{claim: "G8.2 a resource that is there", key: "Patient/1", want: "warning invariant,information informational"},
		{claim: "G8.2 a resource that is not there", key: "Patient/nobody", code: fhir.CodeNotFound},
		{claim: "G8.2 R4's own profile", key: "Patient/", body: wrap(good, `{"name":"profile","valueUri":"`+base+`|4.0.1"}`), want: "information informational"},
		{claim: "G8.2 an unknown profile is refused", key: "Patient/", body: wrap(good, `{"name":"profile","valueUri":"http://example.org/p"}`), code: fhir.CodeNotSupported, says: "http://example.org/p"},
		{claim: "G8.2 another version of R4's profile is refused", key: "Patient/", params: "profile=" + base + "|5.0.0", body: good, code: fhir.CodeNotSupported},
		{claim: "G8.2 mode=profile is refused", key: "Patient/", params: "mode=profile", body: good, code: fhir.CodeNotSupported},
		{claim: "G8.2 an unknown mode is refused", key: "Patient/", params: "mode=erase", body: good, code: fhir.CodeInvalid},
		{claim: "G8.2 two modes are refused", key: "Patient/", params: "mode=create&mode=create", body: good, code: fhir.CodeInvalid},
		{claim: "G8.2 mode=create of an instance is refused", key: "Patient/1", params: "mode=create", body: good, code: fhir.CodeInvalid},
		{claim: "G8.2 mode=delete of a type is refused", key: "Patient/", params: "mode=delete", code: fhir.CodeInvalid},
		{claim: "G8.2 mode=delete with a resource is refused", key: "Patient/1", params: "mode=delete", body: named, code: fhir.CodeInvalid},
		{claim: "G8.2 mode=update without a resource is refused", key: "Patient/1", params: "mode=update", code: fhir.CodeInvalid},
		{claim: "G8.2 nothing to validate is refused", key: "Patient/", code: fhir.CodeInvalid},
		{claim: "G8.2 Parameters without a resource are refused", key: "Patient/", body: `{"resourceType":"Parameters","parameter":[` + mode("create") + `]}`, code: fhir.CodeInvalid},
		{claim: "G8.2 two resources are refused", key: "Patient/", body: wrap(good, `{"name":"resource","resource":`+good+`}`), code: fhir.CodeInvalid},
		{claim: "G8.2 an unknown parameter is refused", key: "Patient/", params: "usage=x", body: good, code: fhir.CodeNotSupported},
		{claim: "G8.2 a parameter without a value is refused", key: "Patient/", body: wrap(good, `{"name":"mode"}`), code: fhir.CodeInvalid},
		{claim: "G8.2 a parameter of another type is refused", key: "Patient/", body: wrap(good, `{"name":"mode","valueInteger":1}`), code: fhir.CodeInvalid},
		{claim: "G8.2 a resource that is a value is refused", key: "Patient/", body: `{"resourceType":"Parameters","parameter":[{"name":"resource","valueString":"x"}]}`, code: fhir.CodeNotSupported},
	}
	open := fill(t, chart)
	closed := *open
	closed.Repository = readOnly{open.Repository}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			typ, id, _ := strings.Cut(tt.key, "/")
			c := operation.Call{Key: fhir.Key{Type: fhir.Type(typ), ID: id}, Body: []byte(tt.body)}
			for part := range strings.SplitSeq(tt.params, "&") {
				if name, value, ok := strings.Cut(part, "="); ok {
					c.Params = append(c.Params, search.Pair{Name: name, Value: value})
				}
			}
			o := open
			if tt.closed {
				o = &closed
			}
			d, err := o.Find(c.Key.Type, o.Repository.Describe(c.Key.Type), "validate", id != "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.Run(t.Context(), d, c)
			if tt.code != "" {
				wantRefusal(t, err, tt.code, tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var issues, details []string
			for _, is := range got.Outcome {
				severity := is.Severity
				if severity == "" {
					severity = fhir.SeverityError
				}
				issues = append(issues, string(severity)+" "+string(is.Code))
				details = append(details, is.Detail)
			}
			if strings.Join(issues, ",") != tt.want || !strings.Contains(strings.Join(details, "\n"), tt.says) {
				t.Errorf("got %q, want %s\n%q", issues, tt.want, details)
			}
		})
	}
}

func wantRefusal(t *testing.T, err error, code fhir.IssueCode, says string) {
	t.Helper()
	if codeOf(err) != code || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %s with %q", err, code, says)
	}
}
