package operation_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store/memory"
)

// chart is a small record of Patient/1 beside what is not part of it. Each is
// written a minute after the one before.
var chart = []string{
	`{"resourceType":"Organization","id":"clinic","partOf":{"reference":"Organization/group"}}`,
	`{"resourceType":"Organization","id":"group"}`,
	`{"resourceType":"Organization","id":"other"}`,
	`{"resourceType":"Practitioner","id":"dr"}`,
	`{"resourceType":"PractitionerRole","id":"role","practitioner":{"reference":"Practitioner/dr"},"organization":{"reference":"Organization/clinic"}}`,
	`{"resourceType":"Medication","id":"pill","code":{"text":"pill"}}`,
	`{"resourceType":"Patient","id":"1","meta":{"tag":[{"code":"vip"}],"profile":["http://example.org/p"]},"managingOrganization":{"reference":"Organization/clinic"},"link":[{"other":{"reference":"Patient/2"},"type":"replaced-by"}]}`,
	`{"resourceType":"Patient","id":"2"}`,
	`{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/1"},"period":{"start":"2019-12-30","end":"2020-01-02"},"participant":[{"individual":{"reference":"PractitionerRole/role"}}]}`,
	`{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/1"},"period":{"start":"2021-05-01","end":"2021-05-01"}}`,
	`{"resourceType":"Encounter","id":"e3","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/2"}}`,
	`{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2020-01-01"}`,
	`{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"},"performer":[{"reference":"Practitioner/dr"},{"reference":"Practitioner/gone"}]}`,
	`{"resourceType":"Observation","id":"o3","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/2"},"performer":[{"reference":"Patient/1"}]}`,
	`{"resourceType":"Observation","id":"o4","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/2"}}`,
	`{"resourceType":"MedicationRequest","id":"m1","status":"active","intent":"order","medicationReference":{"reference":"Medication/pill"},"subject":{"reference":"Patient/1"},"authoredOn":"2021-06-01"}`,
	`{"resourceType":"AllergyIntolerance","id":"a1","patient":{"reference":"Patient/1"},"recordedDate":"1999-01-01"}`,
	`{"resourceType":"RelatedPerson","id":"r1","patient":{"reference":"Patient/1"}}`,
}

var base = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fill makes operations over a repository that holds the resources.
func fill(t testing.TB, bodies []string) *operation.Operations {
	t.Helper()
	now := base
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	repo := &record.Repository{Store: st, Now: func() time.Time { return now }}
	v := &schema.Validator{}
	for _, body := range bodies {
		info, err := v.Validate([]byte(body), "")
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if _, err := repo.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: fhir.Key{Type: info.Type, ID: info.ID}, Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	cursors, err := search.NewCursors(make([]byte, 32), func() time.Time { return base })
	if err != nil {
		t.Fatal(err)
	}
	return &operation.Operations{Repository: repo, Search: &search.Parser{Describe: repo.Describe, DefaultCount: 10, MaxCount: 100, Cursors: cursors}}
}

// run invokes an operation; the parameters are written as in a URL.
func run(t testing.TB, o *operation.Operations, key fhir.Key, code, params string) (operation.Result, error) {
	t.Helper()
	d, err := o.Find(key.Type, o.Search.Describe(key.Type), code, key.ID != "")
	if err != nil {
		t.Fatal(err)
	}
	c := operation.Call{Key: key}
	for part := range strings.SplitSeq(params, "&") {
		if name, value, ok := strings.Cut(part, "="); ok {
			c.Params = append(c.Params, search.Pair{Name: name, Value: value})
		}
	}
	return o.Run(t.Context(), d, c)
}

// keys gives them sorted: what order a type's resources come in is not promised.
func keys(resources []fhir.Resource) string {
	var all []string
	for _, r := range resources {
		all = append(all, r.Key.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestG8_1_EverythingOfAllPatients(t *testing.T) {
	t.Parallel()
	o := fill(t, chart)
	all, err := run(t, o, fhir.Key{Type: "Patient"}, "everything", "")
	if err != nil {
		t.Fatal(err)
	}
	const want = "AllergyIntolerance/a1 Encounter/e1 Encounter/e2 Encounter/e3 MedicationRequest/m1 Observation/o1 Observation/o2 Observation/o3 Observation/o4 Patient/1 Patient/2 RelatedPerson/r1"
	if got := keys(all.Page.Resources); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := keys(all.Page.Included); !strings.Contains(got, "Medication/pill") || !strings.Contains(got, "Practitioner/dr") || strings.Contains(got, "Organization/other") {
		t.Errorf("beside them %s", got)
	}
	var paged []fhir.Resource
	params := "_count=3"
	for range 20 {
		page, err := run(t, o, fhir.Key{Type: "Patient"}, "everything", params)
		if err != nil {
			t.Fatal(err)
		}
		paged = append(paged, page.Page.Resources...)
		if page.Next == nil {
			break
		}
		params = page.Next[0].Name + "=" + page.Next[0].Value + "&" + page.Next[1].Name + "=" + page.Next[1].Value
	}
	if got := keys(paged); got != want {
		t.Errorf("in pages %s", got)
	}
	some, err := run(t, o, fhir.Key{Type: "Patient"}, "everything", "_type=Encounter&start=2021-01-01")
	if err != nil || keys(some.Page.Resources) != "Encounter/e2 Encounter/e3" {
		t.Errorf("%v: since 2021 %s", err, keys(some.Page.Resources))
	}
}

func codeOf(err error) fhir.IssueCode {
	var refusal *fhir.Error
	if errors.As(err, &refusal) {
		return refusal.Code()
	}
	return ""
}

var patient1 = fhir.Key{Type: "Patient", ID: "1"}

func TestEverything(t *testing.T) {
	t.Parallel()
	o := fill(t, chart)
	for _, tt := range []struct {
		claim, params   string
		key             fhir.Key
		found, included string
	}{
		{
			"G8.1 the patient, the compartment, and what it refers to", "", patient1,
			"AllergyIntolerance/a1 Encounter/e1 Encounter/e2 MedicationRequest/m1 Observation/o1 Observation/o2 Observation/o3 Patient/1 RelatedPerson/r1",
			"Medication/pill Organization/clinic Organization/group Practitioner/dr PractitionerRole/role",
		},
		{
			"G8.1 start and end are dates of care; what has none is in scope", "start=2020-01-01&end=2020-12-31", patient1,
			"AllergyIntolerance/a1 Encounter/e1 Observation/o1 Observation/o2 Observation/o3 Patient/1 RelatedPerson/r1", "Organization/clinic Organization/group Practitioner/dr PractitionerRole/role",
		},
		{"G8.1 start alone", "start=2021&_type=Encounter,MedicationRequest", patient1, "Encounter/e2 MedicationRequest/m1", ""},
		{"G8.1 end alone", "end=2020-01-01&_type=Encounter", patient1, "Encounter/e1", ""},
		{"G8.1 _since is the time of the record", "_since=2026-01-01T00:15:00Z", patient1, "AllergyIntolerance/a1 MedicationRequest/m1 RelatedPerson/r1", "Medication/pill"},
		{"G8.1 _type restricts both", "_type=Encounter&_type=PractitionerRole,Practitioner", patient1, "Encounter/e1 Encounter/e2", "Practitioner/dr PractitionerRole/role"},
		{"G8.1 an encounter with its patient", "", fhir.Key{Type: "Encounter", ID: "e1"}, "Encounter/e1 Observation/o1", "Organization/clinic Organization/group Patient/1 Practitioner/dr PractitionerRole/role"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, o, tt.key, "everything", tt.params)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.found, keys(got.Page.Resources)); diff != "" {
				t.Errorf("found %s", diff)
			}
			if diff := cmp.Diff(tt.included, keys(got.Page.Included)); diff != "" {
				t.Errorf("included %s", diff)
			}
			if got.Next != nil {
				t.Errorf("there is a next page: %v", got.Next)
			}
		})
	}
	t.Run("E12 a record that was replaced says by which", func(t *testing.T) {
		t.Parallel()
		got, err := run(t, o, patient1, "everything", "")
		if err != nil || len(got.Notes) != 1 || !strings.Contains(got.Notes[0].Detail, "replaced by Patient/2") || got.Notes[0].Severity != fhir.SeverityWarning {
			t.Errorf("%v: %+v", err, got.Notes)
		}
	})
	for count := 1; count <= 9; count++ {
		t.Run(fmt.Sprintf("G8.1 the pages by %d are everything, once", count), func(t *testing.T) {
			t.Parallel()
			var all []fhir.Resource
			for params := fmt.Sprintf("_count=%d", count); params != ""; {
				got, err := run(t, o, patient1, "everything", params)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Page.Resources) == 0 || len(got.Page.Resources) > count {
					t.Fatalf("a page of %d", len(got.Page.Resources))
				}
				all = append(all, got.Page.Resources...)
				var next []string
				for _, p := range got.Next {
					next = append(next, p.Name+"="+p.Value)
				}
				params = strings.Join(next, "&")
			}
			want := "AllergyIntolerance/a1 Encounter/e1 Encounter/e2 MedicationRequest/m1 Observation/o1 Observation/o2 Observation/o3 Patient/1 RelatedPerson/r1"
			if diff := cmp.Diff(want, keys(all)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("G8.1 a cursor belongs to one record and its parameters", func(t *testing.T) {
		t.Parallel()
		got, err := run(t, o, patient1, "everything", "_count=1")
		if err != nil {
			t.Fatal(err)
		}
		cursor := "_cursor=" + got.Next[len(got.Next)-1].Value
		if _, err := run(t, o, patient1, "everything", cursor); err != nil {
			t.Errorf("another page size: %v", err)
		}
		if _, err := run(t, o, fhir.Key{Type: "Patient", ID: "2"}, "everything", cursor); codeOf(err) != fhir.CodeInvalid {
			t.Errorf("another patient: %v", err)
		}
		if _, err := run(t, o, patient1, "everything", "_type=Encounter&"+cursor); codeOf(err) != fhir.CodeInvalid {
			t.Errorf("other types: %v", err)
		}
	})
	for _, tt := range []struct {
		claim, id, params string
		code              fhir.IssueCode
	}{
		{"G8.1 an unknown patient is not found", "nobody", "", fhir.CodeNotFound},
		{"G8.1 a malformed date", "1", "start=soon", fhir.CodeInvalid},
		{"G8.1 a time for a date", "1", "end=2020-01-01T00:00:00Z", fhir.CodeInvalid},
		{"G8.1 a date for an instant", "1", "_since=2020-01-01", fhir.CodeInvalid},
		{"G8.1 a bad _count", "1", "_count=0", fhir.CodeInvalid},
		{"G8.1 an unknown type", "1", "_type=Patientt", fhir.CodeInvalid},
		{"G8.1 only supporting types", "1", "_type=Practitioner", fhir.CodeNotSupported},
		{"G8.1 an unknown parameter", "1", "code=x", fhir.CodeNotSupported},
		{"G8.1 twice", "1", "start=2020&start=2021", fhir.CodeInvalid},
		{"G8.1 an unknown element", "1", "_elements=namme", fhir.CodeInvalid},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			if _, err := run(t, o, fhir.Key{Type: "Patient", ID: tt.id}, "everything", tt.params); codeOf(err) != tt.code {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
}

func TestCareDatesAreSearchParameters(t *testing.T) {
	t.Parallel()
	for typ, name := range operation.CareDates() {
		if p, ok := search.Lookup(typ, name); !ok || p.Type != fhir.ParamDate {
			t.Errorf("%s has no date %s", typ, name)
		}
	}
}

func TestMeta(t *testing.T) {
	t.Parallel()
	o := fill(t, chart[:7])
	got, err := run(t, o, patient1, "meta", "")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got.Parameters), `"profile":["http://example.org/p"],"tag":[{"code":"vip"}]}}]}`) {
		t.Errorf("got %s", got.Parameters)
	}
	if _, err := (&schema.Validator{}).Validate(got.Parameters, "Parameters"); err != nil {
		t.Errorf("%v in %s", err, got.Parameters)
	}
	if _, err := run(t, o, fhir.Key{Type: "Patient", ID: "nobody"}, "meta", ""); codeOf(err) != fhir.CodeNotFound {
		t.Error(err)
	}
	if _, err := run(t, o, patient1, "meta", "x=1"); codeOf(err) != fhir.CodeInvalid {
		t.Error(err)
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	o := fill(t, nil)
	for _, tt := range []struct {
		typ      fhir.Type
		code     string
		instance bool
		detail   string
	}{
		{"Encounter", "everything", false, "on one: [base]/Encounter/[id]/$everything"},
		{"Observation", "lastn", true, "on the type"},
		{"Patient", "everythin", true, "Did you mean $everything?"},
		{"Patient", "translate", true, "no operation $translate"},
		{"Basic", "everything", true, "no operation"},
	} {
		_, err := o.Find(tt.typ, o.Search.Describe(tt.typ), tt.code, tt.instance)
		if codeOf(err) != fhir.CodeNotSupported || !strings.Contains(err.Error(), tt.detail) {
			t.Errorf("%s $%s: %v", tt.typ, tt.code, err)
		}
	}
}

func TestReadParameters(t *testing.T) {
	t.Parallel()
	got, err := operation.ReadParameters([]byte(`{"resourceType":"Parameters","parameter":[{"name":"max","valuePositiveInt":3},{"valueString":"a,b","name":"code"},{"name":"x","valueBoolean":true}]}`))
	if diff := cmp.Diff([]search.Pair{{Name: "max", Value: "3"}, {Name: "code", Value: "a,b"}, {Name: "x", Value: "true"}}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, body := range []string{
		`{"parameter":[{"name":"x"}]}`, `{"parameter":[{"name":"x","resource":{}}]}`,
		`{"parameter":[{"name":"x","valueCoding":{"code":"a"}}]}`, `{"parameter":[{"name":"x","part":[]}]}`, `[]`,
	} {
		if _, err := operation.ReadParameters([]byte(body)); codeOf(err) == "" {
			t.Errorf("%s: %v", body, err)
		}
	}
}
