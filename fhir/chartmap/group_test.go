package chartmap_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
)

// row is one result of an order.
func row(id, order any, more ...bson.E) bson.D {
	d := bson.D{
		{Key: "_id", Value: id},
		{Key: "order", Value: order},
		{Key: "rev", Value: int32(1)},
		{Key: "upd", Value: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		{Key: "pid", Value: "p1"},
		{Key: "st", Value: "F"},
		{Key: "test", Value: "K"},
		{Key: "panel", Value: bson.D{{Key: "name", Value: "Blood"}}},
		{Key: "released", Value: true},
	}
	for _, e := range more {
		if i := slices.IndexFunc(d, func(o bson.E) bool { return o.Key == e.Key }); i >= 0 {
			d[i].Value = e.Value
		} else {
			d = append(d, e)
		}
	}
	return d
}

func TestAGroupIsWhatItsDocumentsHaveInCommon(t *testing.T) {
	t.Parallel()
	at := func(h int) bson.E {
		return bson.E{Key: "at", Value: time.Date(2026, 3, 1, h, 0, 0, 0, time.UTC)}
	}
	signed := func(h int, by string) bson.E {
		return bson.E{Key: "signed", Value: bson.D{{Key: "at", Value: time.Date(2026, 3, 2, h, 0, 0, 0, time.UTC)}, {Key: "by", Value: by}}}
	}
	r := viewOf(t, map[string][]bson.D{"rows": {
		row("a", int32(7), at(9), signed(10, "dr"), bson.E{Key: "seq", Value: 2}),
		row("b", int64(7), at(8), signed(12, "dr"), bson.E{Key: "seq", Value: 1}, bson.E{Key: "test", Value: "NA"}),
		row("c", 7.0, bson.E{Key: "seq", Value: 3}, bson.E{Key: "test", Value: "?"}, signed(11, "dr")),
		row("d", int32(7), bson.E{Key: "deleted", Value: true}, bson.E{Key: "pid", Value: "p2"}),
		row("e", int32(8), bson.E{Key: "st", Value: "P"}), row("f", int32(8)),
	}})
	res, err := r.Read(t.Context(), fhir.Key{Type: "DiagnosticReport", ID: "7"})
	if err != nil {
		t.Fatal(err)
	}
	got := tree(t, res.Body)
	delete(got, "meta")
	want := tree(t, []byte(`{"resourceType":"DiagnosticReport","id":"7","status":"final","code":{"text":"Blood"},"subject":{"reference":"Patient/p1"},
		"effectiveDateTime":"2026-03-01T09:00:00+01:00","issued":"2026-03-02T13:00:00+01:00","performer":[{"reference":"Practitioner/dr"}],
		"result":[{"reference":"Observation/b"},{"reference":"Observation/a"},{"reference":"Observation/c"}],
		"conclusionCode":[{"coding":[{"system":"http://loinc.org","code":"2951-2"}]},{"coding":[{"system":"http://loinc.org","code":"2823-3"}]},{"coding":[{"system":"urn:test","code":"?"}]}]}`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	res, err = r.Read(t.Context(), fhir.Key{Type: "DiagnosticReport", ID: "8"})
	if err != nil || !strings.Contains(string(res.Body), `"_status":{"extension"`) {
		t.Errorf("two states are told as one: %s, %v", res.Body, err)
	}
	for query, want := range map[string]string{
		"DiagnosticReport":                                   "7 8",
		"DiagnosticReport?_sort=-_id":                        "8 7",
		"DiagnosticReport?status=final":                      "7",
		"DiagnosticReport?status=preliminary":                "",
		"DiagnosticReport?status:missing=true":               "8",
		"DiagnosticReport?patient=p1&result=c":               "7",
		"DiagnosticReport?result=d":                          "",
		"DiagnosticReport?conclusion=2951-2":                 "7",
		"DiagnosticReport?date=2026-03-01T09:00%2B01:00":     "7",
		"DiagnosticReport?issued=lt2026-03-02T12:30%2B01:00": "",
		"DiagnosticReport?issued=ge2026-03-02T12:30%2B01:00": "7",
		"DiagnosticReport?_id=7,9":                           "7",
	} {
		for _, count := range []int{1, 50} {
			got := idsOf(everything(t.Context(), t, r, asked(t, r, strings.ReplaceAll(query, "%2B", "+"), count)))
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", query, count, diff)
			}
		}
	}
}

// TestAGroupHasAnotherVersionWhenOneOfItsDocumentsChanges lets the EHR write.
func TestAGroupHasAnotherVersionWhenOneOfItsDocumentsChanges(t *testing.T) {
	t.Parallel()
	key := fhir.Key{Type: "DiagnosticReport", ID: "7"}
	for _, tt := range []struct {
		claim   string
		write   func(*testing.T, store.Store)
		changes bool
	}{
		{"nothing", func(*testing.T, store.Store) {}, false},
		{"a member changes", func(t *testing.T, st store.Store) { ehrWrites(t, st, "rows", store.String("b"), "rev", int32(2)) }, true},
		{"the versions of two members are exchanged", func(t *testing.T, st store.Store) {
			ehrWrites(t, st, "rows", store.String("a"), "rev", int32(5))
			ehrWrites(t, st, "rows", store.String("b"), "rev", int32(1))
		}, true},
		{"another group changes", func(t *testing.T, st store.Store) { ehrWrites(t, st, "rows", store.String("z"), "rev", int32(2)) }, false},
		{"a member comes", func(t *testing.T, st store.Store) { insertInto(t, st, "rows", row("c", int32(7))) }, true},
		{"a member goes", func(t *testing.T, st store.Store) { ehrWrites(t, st, "rows", store.String("b"), "deleted", true) }, true},
		{"a document that is no member comes", func(t *testing.T, st store.Store) {
			insertInto(t, st, "rows", row("c", int32(7), bson.E{Key: "deleted", Value: true}))
		}, false},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := viewOf(t, map[string][]bson.D{"rows": {row("a", int32(7), bson.E{Key: "rev", Value: int32(1)}), row("b", int32(7), bson.E{Key: "rev", Value: int32(5)}), row("z", int32(8))}})
			before := must(r.Read(t.Context(), key))
			tt.write(t, r.Store)
			after := must(r.Read(t.Context(), key))
			if (before.Version != after.Version) != tt.changes {
				t.Errorf("version %s, then %s", before.Version, after.Version)
			}
			page, err := r.Search(t.Context(), &fhir.Query{Type: "DiagnosticReport", Count: 1})
			if err != nil || page.Resources[0].Version != after.Version {
				t.Errorf("a search finds version %v, %v", page.Resources, err)
			}
		})
	}
}

func TestAGroupIsUpdatedWhenTheLastOfItsDocumentsIs(t *testing.T) {
	t.Parallel()
	late := time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC)
	r := viewOf(t, map[string][]bson.D{"rows": {row("a", int32(7), bson.E{Key: "upd", Value: late}), row("b", int32(7))}})
	if res := must(r.Read(t.Context(), fhir.Key{Type: "DiagnosticReport", ID: "7"})); !res.Updated.Equal(late) {
		t.Errorf("updated %v", res.Updated)
	}
	for query, want := range map[string]int{"DiagnosticReport?_lastUpdated=ge2026-04-01": 1, "DiagnosticReport?_lastUpdated=lt2026-04-01": 0} {
		if got := everything(t.Context(), t, r, asked(t, r, query, 5)); len(got) != want {
			t.Errorf("%s finds %d", query, len(got))
		}
	}
}

// TestGroupsThatBelongToNobodyAreWithheld counts what doctor shows.
func TestGroupsThatBelongToNobodyAreWithheld(t *testing.T) {
	t.Parallel()
	docs := []bson.D{
		row("a", int32(1)), row("b", int32(1), bson.E{Key: "pid", Value: "p2"}),
		row("c", int32(2)), row("d", int32(2), bson.E{Key: "pid", Value: nil}),
		row("e", nil), row("f", bson.A{int32(3)}), row("g", ""), row("h", int32(9)),
	}
	for i := range 1001 {
		docs = append(docs, row(fmt.Sprint("many", i), int32(4)))
	}
	r := viewOf(t, map[string][]bson.D{"rows": docs})
	var mu sync.Mutex
	faults := map[string]bool{}
	r.Report = func(f chartmap.Fault) {
		mu.Lock()
		defer mu.Unlock()
		if f.Map == "report" && f.Path == "DiagnosticReport" && f.Line > 0 {
			faults[f.Key.ID] = true
		}
	}
	q := asked(t, r, "DiagnosticReport", 10)
	q.Total = true
	page, err := r.Search(t.Context(), &q)
	if err != nil || !slices.Equal(idsOf(page.Resources), []string{"9"}) || *page.Total != 1 {
		t.Errorf("%v of %v, %v", idsOf(page.Resources), page.Total, err)
	}
	if diff := cmp.Diff(map[string]bool{"1": true, "2": true, "4": true}, faults); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	for _, query := range []string{"DiagnosticReport?patient=p2", "DiagnosticReport?result=b"} {
		if got := everything(t.Context(), t, r, asked(t, r, query, 5)); len(got) > 0 {
			t.Errorf("%s finds %v", query, idsOf(got))
		}
	}
	if _, err := r.Read(t.Context(), fhir.Key{Type: "DiagnosticReport", ID: "1"}); err == nil {
		t.Error("a report of two patients is read")
	}
}

// TestPatientsSeeAGroupWhenAllOfItIsReleased holds back what has one row that is not.
func TestPatientsSeeAGroupWhenAllOfItIsReleased(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"rows": {row("a", int32(1)), row("b", int32(1), bson.E{Key: "released", Value: false}), row("c", int32(2))}})
	heldBack(t, r, "DiagnosticReport?patient=p1", fhir.Key{Type: "DiagnosticReport", ID: "1"}, map[string][]string{"patient": {"2"}, "clinician": {"1", "2"}})
}

func TestGroupsAreReadOnly(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"rows": {row("a", int32(7))}})
	key := fhir.Key{Type: "DiagnosticReport", ID: "7"}
	res := must(r.Read(t.Context(), key))
	if can := r.Describe(key.Type); can.Create || can.Update || can.Delete || !can.Read || !can.Search {
		t.Errorf("advertised: %+v", can)
	}
	for _, c := range []fhir.Change{{Method: fhir.Put, Key: key, Body: res.Body}, {Method: fhir.Delete, Key: key}, {Method: fhir.Create, Key: fhir.Key{Type: key.Type}, Body: res.Body}} {
		if _, err := r.Commit(t.Context(), []fhir.Change{c}); !strings.HasPrefix(refused(err), "not-supported") {
			t.Errorf("%v", err)
		}
	}
}

// TestTheCurrentVersionOfAGroupAndOfAnElementIsAllThatIsKept reads versions and histories.
func TestTheCurrentVersionOfAGroupAndOfAnElementIsAllThatIsKept(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"rows": {row("a", int32(7)), row("b", int32(7))}, "people": {sick("amy", problem(int32(1), "I10"))}})
	for _, key := range []fhir.Key{{Type: "DiagnosticReport", ID: "7"}, {Type: "Condition", ID: "amy-dx-1"}} {
		now := must(r.Read(t.Context(), key))
		got, err := r.Version(t.Context(), key, now.Version)
		if err != nil || string(got.Body) != string(now.Body) {
			t.Errorf("%s: %s, %v", key, got.Body, err)
		}
		_, err = r.Version(t.Context(), key, "0")
		wantCode(t, err, fhir.CodeNotFound)
		page, err := r.History(t.Context(), fhir.HistoryQuery{Key: key, Count: 10})
		if err != nil || len(page.Resources) != 1 || page.Resources[0].Version != now.Version {
			t.Errorf("the history of %s: %v, %v", key, page.Resources, err)
		}
	}
}
