package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
)

// callers are those of whom nobody sees what is Patient/q's.
func callers(t *testing.T, f *fixture, scopes string) map[string]context.Context {
	t.Helper()
	f.proxy(t, "p", "child")
	all := map[string]context.Context{
		"a patient":   as(t, access.Patient, "Patient/p", "p", strings.ReplaceAll(scopes, "*/", "patient/")),
		"a proxy":     as(t, access.Proxy, "RelatedPerson/r", "p", strings.ReplaceAll(scopes, "*/", "patient/")),
		"a clinician": as(t, access.Clinician, "Practitioner/d", "", strings.ReplaceAll(scopes, "*/", "user/")),
	}
	return all
}

// told is what a caller learns: the results or the error, with the id taken out.
func told(key fhir.Key, results []fhir.Result, err error) string {
	var e *fhir.Error
	text := fmt.Sprint(results)
	if errors.As(err, &e) {
		text = fmt.Sprintf("%+v", e.Issues)
	} else if err != nil {
		text = err.Error()
	}
	return strings.ReplaceAll(text, key.ID, "ID")
}

func TestWritesRevealNothing(t *testing.T) {
	t.Parallel()
	treats := `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`
	hidden := []string{
		`{"resourceType":"Observation","id":"hidden","status":"final","category":[{"coding":[{"code":"survey"}]}],"subject":{"reference":"Patient/q"}}`,
		`{"resourceType":"Appointment","id":"hidden","status":"proposed","participant":[{"actor":{"reference":"Patient/q"}}]}`,
		`{"resourceType":"Patient","id":"hidden"}`,
		`{"resourceType":"Task","id":"hidden","for":{"reference":"Patient/p"}}`,
		`{"resourceType":"Binary","id":"hidden"}`,
	}
	f := newFixture(t, append(hidden, treats)...)
	gone := fhir.Key{Type: "Observation", ID: "gone"}
	f.put(t, `{"resourceType":"Observation","id":"gone","subject":{"reference":"Patient/q"}}`)
	if _, err := f.records.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: gone}}); err != nil {
		t.Fatal(err)
	}
	keys := []fhir.Key{gone}
	for _, body := range hidden {
		keys = append(keys, keyOf(body))
	}
	changes := map[string]fhir.Change{
		"put":                  {Method: fhir.Put},
		"put if version 1":     {Method: fhir.Put, IfMatch: "1"},
		"put if version 7":     {Method: fhir.Put, IfMatch: "7"},
		"put if there is none": {Method: fhir.Put, IfNoneMatch: true},
		"patch":                {Method: fhir.Patch, IfMatch: "1"},
		"delete":               {Method: fhir.Delete},
		"delete if version 1":  {Method: fhir.Delete, IfMatch: "1"},
		"delete if version 7":  {Method: fhir.Delete, IfMatch: "7"},
	}
	for name, ctx := range callers(t, f, "*/*.cruds") {
		for _, key := range keys {
			for what, change := range changes {
				ask := func(key fhir.Key) string {
					c := change
					c.Key = key
					if c.Method != fhir.Delete {
						c.Body = fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"status":"proposed","subject":{"reference":"Patient/p"},"participant":[{"actor":{"reference":"Patient/p"}}]}`, key.Type, key.ID)
					}
					results, err := f.Commit(ctx, []fhir.Change{c})
					return told(key, results, err)
				}
				seen := ask(key)
				if diff := cmp.Diff(ask(fhir.Key{Type: key.Type, ID: "never"}), seen); diff != "" {
					t.Errorf("E9 %s of %s by %s is told apart from what never was:\n%s", what, key, name, diff)
				}
				res, err := f.records.Read(t.Context(), key)
				if key != gone && (err != nil || res.Version != "1") || key == gone && res.Version != "2" {
					t.Errorf("E9 %s of %s by %s changed it: %v, %v", what, key, name, res.Version, err)
				}
			}
		}
	}
}

func TestConditionalCreatesDoNotSeeWhatIsHidden(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"Observation","id":"q1","status":"final","identifier":[{"value":"x"}],"category":[{"coding":[{"code":"survey"}]}],"subject":{"reference":"Patient/q"}}`)
	createFor := func(ctx context.Context, patient, value string) ([]fhir.Result, error) {
		p, _ := searchParam("Observation", "identifier")
		q := &fhir.Query{Type: "Observation", Count: 1, Where: fhir.Term{Param: p, Value: fhir.TokenValue{Code: value, AnySystem: true}}}
		body := fmt.Sprintf(`{"resourceType":"Observation","status":"final","identifier":[{"value":%q}],"category":[{"coding":[{"code":"survey"}]}],"subject":{"reference":"Patient/%s"}}`, value, patient)
		return f.Commit(ctx, []fhir.Change{{
			Method: fhir.Create, Key: fhir.Key{Type: "Observation"}, Body: []byte(body),
			IfNoneExist: &fhir.Condition{Name: "Observation?identifier=" + value, Query: q},
		}})
	}
	create := func(ctx context.Context, value string) ([]fhir.Result, error) { return createFor(ctx, "p", value) }
	patient := as(t, access.Patient, "Patient/p", "p", "patient/*.cruds")
	if res, err := create(patient, "x"); err != nil || res[0].Status != fhir.Created {
		t.Errorf("E9 what another patient has stops a creation: %v, %v", res, err)
	}
	if _, err := create(patient, "x"); code(err) != fhir.CodeDuplicate {
		t.Errorf("E9 one's own does not: %v", err)
	}
	// Nor does what somebody else has just created on the same condition.
	if _, err := create(as(t, access.System, "", "", "system/*.cruds"), "y"); err != nil {
		t.Fatal(err)
	}
	if res, err := createFor(patient, "q", "y"); code(err) != fhir.CodeForbidden {
		t.Errorf("E10 about another patient: %v, %v", res, err)
	}
	if res, err := createFor(as(t, access.Patient, "Patient/q", "q", "patient/*.cruds"), "q", "y"); err != nil || res[0].Status != fhir.Created {
		t.Errorf("E9 %v, %v", res, err)
	}
	other := as(t, access.Patient, "Patient/p", "p", "patient/Observation.c patient/Observation.s?category=laboratory")
	if res, err := create(other, "z"); err != nil || res[0].Status != fhir.Created {
		t.Errorf("E3 creating on a condition needs c alone: %v, %v", res, err)
	}
}

// racing changes a resource behind the back of whoever commits.
type racing struct {
	fhir.Repository
	race func()
}

func (r *racing) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	if race := r.race; race != nil {
		r.race = nil
		race()
	}
	return r.Repository.Commit(ctx, changes)
}

func TestWhatWasJudgedIsWhatIsChanged(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType":"Appointment","id":"a","status":"%s","participant":[{"actor":{"reference":"Patient/%s"}}]}`
	for _, tt := range []struct {
		claim   string
		between string // what another writer makes of it after it was judged
		want    fhir.IssueCode
	}{
		{"nothing comes between", "", ""},
		{"it becomes another patient's", fmt.Sprintf(body, "proposed", "q"), fhir.CodeNotFound},
		{"it goes on to a status that cannot be left", fmt.Sprintf(body, "fulfilled", "p"), fhir.CodeBusinessRule},
		{"it changes and may still be canceled", fmt.Sprintf(body, "pending", "p"), ""},
	} {
		t.Run("E10 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fmt.Sprintf(body, "proposed", "p"))
			r := &racing{Repository: f.records}
			if tt.between != "" {
				r.race = func() { f.put(t, tt.between) }
			}
			g := &guard.Repository{Inner: r, Policy: f.Policy, Base: base, NewID: f.NewID, Now: f.Now}
			ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.cruds")
			change := fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Appointment", ID: "a"}, Body: fmt.Appendf(nil, body, "cancelled", "p")}
			if _, err := g.Commit(ctx, []fhir.Change{change}); code(err) != tt.want {
				t.Errorf("got %v", err)
			}
			res, err := f.records.Read(t.Context(), change.Key)
			if canceled := strings.Contains(string(res.Body), "cancelled"); err != nil || canceled != (tt.want == "") {
				t.Errorf("it is now %s, %v", res.Body, err)
			}
		})
	}
	t.Run("E10 the client's own precondition is answered as ever", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, fmt.Sprintf(body, "proposed", "p"))
		ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.cruds")
		change := fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Appointment", ID: "a"}, IfMatch: "7", Body: fmt.Appendf(nil, body, "cancelled", "p")}
		if _, err := f.Commit(ctx, []fhir.Change{change}); code(err) != fhir.CodeConflict {
			t.Errorf("got %v", err)
		}
	})
}

func TestTransactionsAreAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ward...)
	ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.cruds")
	good := fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "Appointment", ID: "new"}, Body: []byte(`{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/p"}}]}`)}
	bad := fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "Condition"}, Body: []byte(`{"resourceType":"Condition","subject":{"reference":"Patient/p"}}`)}
	if _, err := f.Commit(ctx, []fhir.Change{good, bad}); code(err) != fhir.CodeForbidden {
		t.Errorf("E8 got %v", err)
	}
	if _, err := f.records.Read(t.Context(), good.Key); code(err) != fhir.CodeNotFound {
		t.Errorf("E8 the rest was written: %v", err)
	}
}
