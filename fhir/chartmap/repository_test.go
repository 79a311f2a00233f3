package chartmap_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/testdata/clinic"
)

func wantCode(t *testing.T, err error, want fhir.IssueCode) {
	t.Helper()
	var fe *fhir.Error
	if !errors.As(err, &fe) || fe.Code() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOnlyTheCurrentVersionIsKept(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	key := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	now, err := r.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Version(t.Context(), key, now.Version)
	if err != nil || string(got.Body) != string(now.Body) {
		t.Errorf("the current version: %s, %v", got.Body, err)
	}
	_, err = r.Version(t.Context(), key, now.Version+"0")
	wantCode(t, err, fhir.CodeNotFound)
	page, err := r.History(t.Context(), fhir.HistoryQuery{Key: key, Count: 10})
	if err != nil || len(page.Resources) != 1 || page.Next != "" || *page.Total != 1 {
		t.Errorf("history: %+v, %v", page, err)
	}
	page, err = r.History(t.Context(), fhir.HistoryQuery{Key: key, Count: 10, Since: now.Updated.AddDate(0, 0, 1)})
	if err != nil || len(page.Resources) != 0 {
		t.Errorf("history since later: %+v, %v", page, err)
	}
	for moment, known := range map[time.Time]bool{now.Updated: true, now.Updated.AddDate(0, 0, 1): true, now.Updated.AddDate(0, 0, -1): false} {
		at, err := fhir.ParseDate(fhir.FormatInstant(moment))
		if err != nil {
			t.Fatal(err)
		}
		page, err := r.History(t.Context(), fhir.HistoryQuery{Key: key, Count: 10, At: &at})
		if known && (err != nil || len(page.Resources) != 1) {
			t.Errorf("at %v: %+v, %v", moment, page, err)
		}
		if !known {
			wantCode(t, err, fhir.CodeNotSupported)
		}
	}
	for _, typ := range []fhir.Type{"Patient", ""} {
		_, err = r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: typ}, Count: 10})
		wantCode(t, err, fhir.CodeNotSupported)
	}
	_, err = r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Patient", ID: "nobody"}, Count: 10})
	wantCode(t, err, fhir.CodeNotFound)
}

func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: fhir.Key{Type: "Patient", ID: "amy-shaw"}}})
	wantCode(t, err, fhir.CodeNotSupported)
	if _, err := r.Read(t.Context(), fhir.Key{Type: "Patient", ID: "amy-shaw"}); err != nil {
		t.Error(err)
	}
}

func TestTypesThatAreNotMappedAreNotServed(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	if c := r.Describe("Consent"); !c.None() {
		t.Errorf("Consent can %+v", c)
	}
	_, err := r.Read(t.Context(), fhir.Key{Type: "Consent", ID: "x"})
	wantCode(t, err, fhir.CodeNotFound)
	_, err = r.Search(t.Context(), &fhir.Query{Type: "Consent", Count: 1})
	wantCode(t, err, fhir.CodeNotSupported)
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	for _, cursor := range []string{"x", "AAAA", "AA", strings.Repeat("A", 9000), "____", "AgEC"} {
		_, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 1, Cursor: cursor})
		wantCode(t, err, fhir.CodeInvalid)
	}
}

// TestWhatCannotBeReadIsReportedWithoutItsValue looks at the demo's malformed
// documents.
func TestWhatCannotBeReadIsReportedWithoutItsValue(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	var mu sync.Mutex
	found := map[chartmap.Fault]bool{}
	r.Report = func(f chartmap.Fault) {
		mu.Lock()
		defer mu.Unlock()
		found[f] = true
	}
	for _, typ := range r.Map.Types() {
		everything(t.Context(), t, r, fhir.Query{Type: typ, Count: 500})
	}
	paths := map[string]bool{}
	for f := range found {
		paths[f.Path] = true
		if f.Line == 0 || f.Map == "" || f.Key.ID == "" {
			t.Errorf("a fault without its place: %+v", f)
		}
		if !strings.Contains(f.Key.ID, "bad") {
			t.Errorf("a fault in a good document: %+v", f)
		}
	}
	for _, want := range []string{"Observation.effectiveDateTime", "Observation.status", "Patient.identifier.value", "Patient.birthDate", "Appointment.status"} {
		if !paths[want] {
			t.Errorf("no fault of %s in %v", want, paths)
		}
	}
}

// TestEveryAdvertisedParameterWorks tries each of them, and finds with each
// something where there is something to find.
func TestEveryAdvertisedParameterWorks(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	for _, typ := range r.Map.Types() {
		all := everything(t.Context(), t, r, fhir.Query{Type: typ, Count: 10_000})
		o := newOracle(t, r, all)
		for _, p := range r.Describe(typ).Params {
			hits, some := 0, slices.ContainsFunc(o.values(p), func(vs []found) bool { return len(vs) > 0 })
			terms := rapid.Custom(func(rt *rapid.T) fhir.Term { return o.term(rt, p) })
			for seed := range 12 {
				term := terms.Example(seed)
				var ids []string
				for _, res := range everything(t.Context(), t, r, fhir.Query{Type: typ, Where: term, Count: 10_000}) {
					ids = append(ids, res.ID)
				}
				slices.Sort(ids)
				if diff := cmp.Diff(o.search(term), ids, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s where %s: -resources say +store finds\n%s", typ, show(term), diff)
				}
				if term.Modifier != fhir.ModMissing {
					hits += len(ids)
				}
			}
			if some && hits == 0 {
				t.Errorf("%s: nothing was ever found by %s", typ, p.Name)
			}
		}
	}
}

func TestTheTaskOfTheClinicIsSearchable(t *testing.T) {
	t.Parallel()
	m := demo(t)
	r := &chartmap.Repository{Map: m}
	for typ, want := range map[fhir.Type]string{
		"Patient":           "_id _lastUpdated active address birthdate email family gender given identifier name phone telecom",
		"Observation":       "_id _lastUpdated category code combo-code component-code date patient status subject",
		"MedicationRequest": "_id _lastUpdated authoredon code intent patient requester status subject",
		"Appointment":       "_id _lastUpdated actor date location patient practitioner status",
		"Communication":     "_id _lastUpdated part-of patient received recipient sender sent status subject",
	} {
		var names []string
		for _, p := range r.Describe(typ).Params {
			names = append(names, p.Name)
		}
		for _, name := range strings.Fields(want) {
			if !slices.Contains(names, name) {
				t.Errorf("%s cannot be searched by %s", typ, name)
			}
		}
		for _, name := range []string{"phonetic", "code-value-quantity", "deceased", "_tag"} {
			if slices.Contains(names, name) {
				t.Errorf("%s advertises %s, which cannot be exact", typ, name)
			}
		}
	}
}

func TestResourcesWithoutARequiredReferenceAreWithheldAndNotCounted(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	documents := 0
	for _, op := range clinicOps(t) {
		if op.Collection == "relatives" {
			documents++
		}
	}
	all := everything(t.Context(), t, r, fhir.Query{Type: "RelatedPerson", Count: 7})
	page, err := r.Search(t.Context(), &fhir.Query{Type: "RelatedPerson"})
	if err != nil {
		t.Fatal(err)
	}
	// One of the relatives belongs to two patients, which none can.
	if len(all) != documents-1 || *page.Total != int64(documents-1) {
		t.Errorf("%d documents: %d resources, total %d", documents, len(all), *page.Total)
	}
	for _, res := range all {
		if !strings.Contains(string(res.Body), `"patient":{"reference":`) {
			t.Errorf("%s is of no patient", res.Key)
		}
	}
}

func TestWhatIsWithheldIsReported(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	var faults []string
	r.Report = func(f chartmap.Fault) { faults = append(faults, f.Map+" "+f.Path+" "+f.Key.String()) }
	for _, op := range clinicOps(t) {
		if op.Collection != "relatives" {
			continue
		}
		key := r.Map.Keys(clinic.Database+".relatives", op.Doc)[0]
		_, err := r.Read(t.Context(), key)
		told := slices.Contains(faults, "relative RelatedPerson.patient "+key.String())
		if (err != nil) != told {
			t.Errorf("%s: %v, reported %v", key, err, told)
		}
	}
	if len(faults) == 0 {
		t.Error("nothing is withheld: the test shows nothing")
	}
}

func TestFurtherSortKeysDecideBetweenEqualOnes(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	c := r.Describe("Observation")
	param := func(name string) *fhir.SearchParam {
		return c.Params[slices.IndexFunc(c.Params, func(p *fhir.SearchParam) bool { return p.Name == name })]
	}
	q := fhir.Query{Type: "Observation", Count: 700, Sort: []fhir.SortKey{{Param: param("date"), Desc: true}, {Param: param("_lastUpdated")}, {Param: param("_id"), Desc: true}}}
	all := everything(t.Context(), t, r, q)
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Observation"})
	if err != nil || len(all) != int(*page.Total) {
		t.Fatalf("%d of %d, %v", len(all), *page.Total, err)
	}
	o := newOracle(t, r, all)
	dates := o.values(param("date"))
	for i := 1; i < len(all); i++ {
		if len(dates[i]) == 0 || len(dates[i-1]) == 0 || dates[i][0].json != dates[i-1][0].json {
			continue
		}
		if all[i].Updated.Before(all[i-1].Updated) {
			t.Fatalf("%s comes after %s", all[i].Key, all[i-1].Key)
		}
	}
}
