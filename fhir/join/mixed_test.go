package join

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// allergies are records of Portico about patients of the EHR.
var allergies = []string{
	`{"resourceType":"AllergyIntolerance","id":"a1","code":{"coding":[{"code":"nuts"}]},"patient":{"reference":"Patient/amy-shaw"},"recorder":{"reference":"Practitioner/dr-okafor"}}`,
	`{"resourceType":"AllergyIntolerance","id":"a2","code":{"coding":[{"code":"nuts"}]},"patient":{"reference":"https://clinic.example/fhir/Patient/lena-shaw"}}`,
	`{"resourceType":"AllergyIntolerance","id":"a3","code":{"coding":[{"code":"eggs"}]},"patient":{"reference":"Patient/max-shaw"},"recorder":{"reference":"Patient/tom-shaw"}}`,
	`{"resourceType":"AllergyIntolerance","id":"a4","code":{"coding":[{"code":"nuts"}]},"patient":{"reference":"Patient/nobody"}}`,
}

// demo is the demo clinic with the allergies beside it.
func demo(t testing.TB) *Repository {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	var ops []store.Op
	for doc, err := range clinic.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: clinic.Database + "." + doc.Collection, Doc: doc.Body})
	}
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	m, err := chartmap.Load(clinic.ChartMap(), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	records := &record.Repository{Store: st, Base: base, Now: clinic.Today}
	put(t, records, allergies...)
	return &Repository{Base: base, Inner: &router.Router{
		Mapped:  &chartmap.Repository{Store: st, Map: m, Base: base, Now: clinic.Today},
		Records: records,
	}}
}

func put(t testing.TB, r fhir.Repository, bodies ...string) {
	t.Helper()
	var changes []fhir.Change
	for _, res := range newFake(t, bodies...).all() {
		changes = append(changes, fhir.Change{Method: fhir.Put, Key: res.Key, Body: res.Body})
	}
	if _, err := r.Commit(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

// run makes a search to its end and gives what was found and included.
func run(t *testing.T, r *Repository, s string) (found, included []string) {
	t.Helper()
	q := parseSearch(t, r.Describe, s)
	for {
		page, err := r.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		for _, res := range page.Resources {
			found = append(found, res.String())
		}
		for _, res := range page.Included {
			included = append(included, res.String())
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	slices.Sort(found)
	slices.Sort(included)
	return found, slices.Compact(included)
}

func TestAcrossTheEHRAndRecords(t *testing.T) {
	t.Parallel()
	r := demo(t)
	tests := []struct {
		search          string
		found, included string
	}{
		{"AllergyIntolerance?patient.name=shaw", "a1 a2 a3", ""},
		{"AllergyIntolerance?patient.name=shaw&code=nuts", "a1 a2", ""},
		{"AllergyIntolerance?patient.name=nobody", "", ""},
		{"AllergyIntolerance?recorder:Practitioner.name=okafor", "a1", ""},
		{"AllergyIntolerance?patient.general-practitioner:Practitioner.name=okafor&code=eggs", "a3", ""},
		{"Patient?_has:AllergyIntolerance:patient:code=nuts", "amy-shaw lena-shaw", ""},
		{"Patient?_has:AllergyIntolerance:patient:code=nuts&gender=female&birthdate=lt2000", "amy-shaw", ""},
		{"Patient?_has:AllergyIntolerance:patient:recorder:Patient.name=shaw", "max-shaw", ""},
		{"AllergyIntolerance?_include=AllergyIntolerance:patient", "a1 a2 a3 a4", "amy-shaw lena-shaw max-shaw"},
		{"AllergyIntolerance?_id=a1&_include=*", "a1", "amy-shaw dr-okafor"},
		{"AllergyIntolerance?_id=a1&_include=AllergyIntolerance:patient&_include:iterate=Patient:general-practitioner", "a1", "amy-shaw dr-okafor"},
		{"Patient?name=shaw&_revinclude=AllergyIntolerance:patient", "amy-shaw lena-shaw max-shaw tom-shaw", "a1 a2 a3"},
		{"Patient?_id=lena-shaw&_revinclude=RelatedPerson:patient&_revinclude=AllergyIntolerance:patient", "lena-shaw", "a2 tom-shaw-for-lena"},
	}
	for _, tt := range tests {
		found, included := run(t, r, tt.search)
		if got := short(found) + "; " + short(included); got != tt.found+"; "+tt.included {
			t.Errorf("%s: got %s, want %s; %s", tt.search, got, tt.found, tt.included)
		}
	}
}

// short drops the types.
func short(keys []string) string {
	var out []string
	for _, k := range keys {
		_, id, _ := strings.Cut(k, "/")
		out = append(out, id)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// tree is a resource as encoding/json reads it.
type tree map[string]any

// texts are the strings at a path through objects and arrays.
func texts(v any, path ...string) []string {
	if list, ok := v.([]any); ok {
		var out []string
		for _, e := range list {
			out = append(out, texts(e, path...)...)
		}
		return out
	}
	if len(path) == 0 {
		if s, ok := v.(string); ok {
			return []string{s}
		}
		return nil
	}
	switch m := v.(type) {
	case tree:
		return texts(m[path[0]], path[1:]...)
	case map[string]any:
		return texts(m[path[0]], path[1:]...)
	}
	return nil
}

// everything reads all resources of a type.
func everything(t *testing.T, r fhir.Repository, typ fhir.Type) map[string]tree {
	t.Helper()
	all := make(map[string]tree)
	q := fhir.Query{Type: typ, Count: 500}
	for {
		page, err := r.Search(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range page.Resources {
			var x tree
			if err := json.Unmarshal(res.Body, &x); err != nil {
				t.Fatal(err)
			}
			all[res.String()] = x
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

func TestTheDemoClinicByItsOwnJSON(t *testing.T) {
	t.Parallel()
	r := demo(t)
	patients, staff := everything(t, r, "Patient"), everything(t, r, "Practitioner")
	observations, orders := everything(t, r, "Observation"), everything(t, r, "MedicationRequest")
	appointments, slots := everything(t, r, "Appointment"), everything(t, r, "Slot")
	named := func(key, family string) bool {
		return slices.ContainsFunc(texts(patients[key], "name", "family"), func(s string) bool { return strings.HasPrefix(s, family) })
	}
	pick := func(all map[string]tree, keep func(key string, x tree) bool) []string {
		var keys []string
		for key, x := range all {
			if keep(key, x) {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		return keys
	}
	t.Run("chain", func(t *testing.T) {
		want := pick(appointments, func(_ string, x tree) bool {
			return slices.ContainsFunc(texts(x, "participant", "actor", "reference"), func(ref string) bool { return named(ref, "Shaw") })
		})
		compare(t, r, "Appointment?patient.family=shaw", want, nil)
	})
	t.Run("chain of two", func(t *testing.T) {
		want := pick(appointments, func(_ string, x tree) bool {
			return slices.ContainsFunc(texts(x, "slot", "reference"), func(ref string) bool {
				return slices.Contains(texts(slots[ref], "schedule", "reference"), "Schedule/dr-okafor")
			})
		})
		compare(t, r, "Appointment?slot.schedule.actor=Practitioner/dr-okafor", want, nil)
	})
	t.Run("_has", func(t *testing.T) {
		tested := make(map[string]bool)
		for _, x := range observations {
			if slices.Contains(texts(x, "code", "coding", "code"), "4548-4") {
				for _, ref := range texts(x, "subject", "reference") {
					tested[ref] = true
				}
			}
		}
		want := pick(patients, func(key string, _ tree) bool { return tested[key] })
		compare(t, r, "Patient?_has:Observation:patient:code=4548-4&_count=7", want, nil)
	})
	t.Run("_include", func(t *testing.T) {
		asked := make(map[string]bool)
		for _, x := range orders {
			for _, ref := range texts(x, "requester", "reference") {
				asked[ref] = true
			}
		}
		want := pick(staff, func(key string, _ tree) bool { return asked[key] })
		compare(t, r, "MedicationRequest?_include=MedicationRequest:requester:Practitioner", pick(orders, func(string, tree) bool { return true }), want)
	})
	t.Run("_revinclude", func(t *testing.T) {
		want := pick(orders, func(_ string, x tree) bool {
			return slices.ContainsFunc(texts(x, "subject", "reference"), func(ref string) bool { return named(ref, "Shaw") })
		})
		compare(t, r, "Patient?family=shaw&_revinclude=MedicationRequest:patient", pick(patients, func(key string, _ tree) bool { return named(key, "Shaw") }), want)
	})
}

func compare(t *testing.T, r *Repository, search string, found, included []string) {
	t.Helper()
	gotFound, gotIncluded := run(t, r, search)
	if diff := cmp.Diff(found, gotFound); diff != "" {
		t.Errorf("%s: found (-want +got)\n%s", search, diff)
	}
	if diff := cmp.Diff(included, gotIncluded); diff != "" {
		t.Errorf("%s: included (-want +got)\n%s", search, diff)
	}
	if len(found)+len(included) == 0 {
		t.Errorf("%s finds nothing: it shows nothing", search)
	}
}

func TestAConditionalCreationCanBeChained(t *testing.T) {
	t.Parallel()
	r := demo(t)
	body := []byte(`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/amy-shaw"}}`)
	for _, tt := range []struct {
		search string
		want   fhir.IssueCode
	}{
		{"AllergyIntolerance?patient.name=shaw&code=nuts", fhir.CodeDuplicate},
		{"AllergyIntolerance?patient.name=shaw&code=cats", ""},
		{"AllergyIntolerance?patient.name=nobody", ""},
	} {
		plain := fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "AllergyIntolerance"}, Body: body}
		c := plain
		c.IfNoneExist = &fhir.Condition{Name: tt.search, Query: parseSearch(t, r.Describe, tt.search)}
		changes := []fhir.Change{plain, c}
		_, err := r.Commit(t.Context(), changes)
		if code(err) != tt.want || (err != nil) != (tt.want != "") {
			t.Errorf("%s: got %v, want %q", tt.search, err, tt.want)
		}
		if !joins(changes[1].IfNoneExist.Query.Where) {
			t.Errorf("%s: the caller's change was changed", tt.search)
		}
	}
}

// The random worlds once more, kept as records.
func TestRecordsMeanWhatANaiveEvaluatorSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		d := newDice(seed)
		w, f := genWorld(d)
		records := recorded(t, f)
		r := &Repository{Inner: records, Base: base, few: d.between(1, 3)}
		for i := range 20 {
			q := genQuery(d)
			if _, _, err := w.compare(t.Context(), inOrder{r}, q); err != nil {
				t.Fatalf("seed %d, query %d: %v\n%#v\n%+v", seed, i, err, q.Where, q.Include)
			}
		}
	}
}

// inOrder asks for resources by id.
type inOrder struct{ fhir.Repository }

func (r inOrder) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	id, _ := search.Lookup(q.Type, "_id")
	q.Sort = []fhir.SortKey{{Param: id}}
	return r.Repository.Search(ctx, q)
}
