package chartmap_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// viewOf serves documents, by collection, through the chart map of views.
func viewOf(t testing.TB, docs map[string][]bson.D) *chartmap.Repository {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	for name, all := range docs {
		for _, d := range all {
			insertInto(t, st, name, d)
		}
	}
	return &chartmap.Repository{Store: st, Map: views(t), Now: clinic.Today}
}

func insertInto(t testing.TB, st store.Store, collection string, d bson.D) {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "clinic." + collection, Doc: raw}}); err != nil {
		t.Fatal(err)
	}
}

func problem(nr any, icd string) bson.D {
	return bson.D{{Key: "nr", Value: nr}, {Key: "icd", Value: icd}, {Key: "st", Value: "A"}, {Key: "own", Value: "private " + icd}}
}

// sick has the elements as problems.
func sick(id any, problems ...any) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "rev", Value: int32(1)}, {Key: "chart", Value: bson.D{{Key: "problems", Value: bson.A(problems)}}}}
}

// asked parses a search.
func asked(t testing.TB, r *chartmap.Repository, query string, count int) fhir.Query {
	t.Helper()
	typ, params, _ := strings.Cut(query, "?")
	p := &search.Parser{Describe: r.Describe, DefaultCount: count, MaxCount: count}
	var pairs []search.Pair
	for part := range strings.SplitSeq(params, "&") {
		if name, value, ok := strings.Cut(part, "="); ok {
			pairs = append(pairs, search.Pair{Name: name, Value: value})
		}
	}
	req, err := p.Parse(fhir.Type(typ), pairs, false, "")
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return *req.Query
}

func idsOf(all []fhir.Resource) []string {
	out := []string{}
	for _, res := range all {
		out = append(out, res.ID)
	}
	return out
}

func TestElementsAreFoundAndRead(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"people": {
		sick("amy", problem(int32(2), "I10"), problem(int32(1), "E11.9"), problem("x-1", "J06.9")),
		sick("ben", problem(int32(1), "I10"), append(problem(int32(2), "F10"), bson.E{Key: "hidden", Value: true})),
		sick("cat"), sick("dan", "text", nil, bson.A{}),
	}})
	for query, want := range map[string]string{
		"Condition":                              "amy-dx-1 amy-dx-2 amy-dx-.sx.2d1 ben-dx-1",
		"Condition?patient=amy":                  "amy-dx-1 amy-dx-2 amy-dx-.sx.2d1",
		"Condition?code=urn:icd|I10":             "amy-dx-2 ben-dx-1",
		"Condition?patient=amy&code=urn:icd|I10": "amy-dx-2",
		"Condition?_id=amy-dx-2,ben-dx-1":        "amy-dx-2 ben-dx-1",
		"Condition?_id=amy,ben-dx-2,amy-dx-9":    "",
		"Condition?code=urn:icd|F10":             "",
		"Condition?clinical-status=resolved":     "",
		"Condition?_sort=-_id":                   "ben-dx-1 amy-dx-1 amy-dx-2 amy-dx-.sx.2d1",
	} {
		for _, count := range []int{1, 2, 50} {
			got := idsOf(everything(t.Context(), t, r, asked(t, r, query, count)))
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", query, count, diff)
			}
		}
	}
	for id, want := range map[string]bool{"amy-dx-.sx.2d1": true, "amy-dx-3": false, "amy": false, "ben-dx-2": false, "amy-dx-1-hr": false, "dan-dx-0": false, "amy-dx-": false} {
		res, err := r.Read(t.Context(), fhir.Key{Type: "Condition", ID: id})
		if (err == nil) != want || want && res.ID != id {
			t.Errorf("reading %s: %s, %v", id, res.ID, err)
		}
	}
}

// TestElementsThatCannotBeResourcesAreReported counts what doctor shows.
func TestElementsThatCannotBeResourcesAreReported(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"people": {
		sick("amy", problem(int32(1), "I10"), problem(int32(1), "I11"), problem(nil, "I12"), "text", problem("a", "I13"), problem(strings.Repeat("a", 60), "I14")),
	}})
	var mu sync.Mutex
	faults := map[string]int{}
	r.Report = func(f chartmap.Fault) {
		mu.Lock()
		defer mu.Unlock()
		if f.Map == "problem" && f.Path == "Condition" && f.Line > 0 {
			faults[f.Key.ID]++
		}
	}
	got := idsOf(everything(t.Context(), t, r, fhir.Query{Type: "Condition", Count: 10}))
	if diff := cmp.Diff([]string{"amy-dx-1", "amy-dx-a"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"amy": 4}, faults); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPagesGoOnWhileElementsComeAndGo lets the EHR write between two pages.
func TestPagesGoOnWhileElementsComeAndGo(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"people": {sick("amy", problem(int32(3), "I10"), problem(int32(5), "I11"), problem(int32(7), "I12")), sick("ben", problem(int32(1), "I13"))}})
	q := fhir.Query{Type: "Condition", Count: 2}
	page, err := r.Search(t.Context(), &q)
	if err != nil || !slices.Equal(idsOf(page.Resources), []string{"amy-dx-3", "amy-dx-5"}) {
		t.Fatalf("%v, %v", idsOf(page.Resources), err)
	}
	now := bson.A{problem(int32(7), "I12"), problem(int32(1), "I14"), problem(int32(3), "I10"), problem(int32(6), "I15")} // 5 is gone
	ehrWrites(t, r.Store, "people", store.String("amy"), "chart.problems", now)
	q.Cursor = page.Next
	if got := idsOf(everything(t.Context(), t, r, q)); !slices.Equal(got, []string{"amy-dx-6", "amy-dx-7", "ben-dx-1"}) {
		t.Errorf("behind amy-dx-5 come %v", got)
	}
	res, err := r.Read(t.Context(), fhir.Key{Type: "Condition", ID: "amy-dx-7"})
	if err != nil || !strings.Contains(string(res.Body), "I12") {
		t.Errorf("amy-dx-7 is another now: %s, %v", res.Body, err)
	}
}

// tally counts the documents that a store gives.
type tally struct {
	store.Store
	n atomic.Int64
}

func (s *tally) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		for doc, err := range s.Store.Find(ctx, q) {
			s.n.Add(1)
			if !yield(doc, err) {
				return
			}
		}
	}
}

// TestAPageReadsFewDocuments holds that a page of elements needs no more documents than
// resources, and a page of groups no more than twice those of its groups and the next.
func TestAPageReadsFewDocuments(t *testing.T) {
	t.Parallel()
	docs := map[string][]bson.D{}
	const rows = 4
	for i := range int32(400) {
		docs["people"] = append(docs["people"], append(sick(i, problem(int32(1), "I10"), problem(int32(2), "I11")),
			bson.E{Key: "allergies", Value: bson.A{"x"}}))
		docs["rows"] = append(docs["rows"], bson.D{
			{Key: "_id", Value: i},
			{Key: "order", Value: i / rows},
			{Key: "pid", Value: "p"},
			{Key: "panel", Value: bson.D{{Key: "name", Value: "Blood"}}},
			{Key: "st", Value: "F"},
		})
	}
	r := viewOf(t, docs)
	counted := &tally{Store: r.Store}
	r.Store = counted
	for query, most := range map[string]int64{
		"AllergyIntolerance":             21,
		"Condition":                      21,
		"Condition?code=urn:icd|I11":     21,
		"Condition?patient=17":           1,
		"Condition?_id=17-dx-2":          1,
		"Condition?_sort=-recorded-date": 21,
		"DiagnosticReport":               2*rows*21 + 21,
		"DiagnosticReport?patient=p":     2*rows*21 + 21,
		"DiagnosticReport?_id=3":         2*rows + rows,
		"DiagnosticReport?result=9":      2 * rows,
	} {
		q := asked(t, r, query, 20)
		counted.n.Store(0)
		page, err := r.Search(t.Context(), &q)
		if err != nil || len(page.Resources) == 0 {
			t.Fatalf("%s: %d, %v", query, len(page.Resources), err)
		}
		if n := counted.n.Load(); n > most {
			t.Errorf("%s read %d documents for %d resources, not %d", query, n, len(page.Resources), most)
		}
		if page.Next == "" {
			continue
		}
		counted.n.Store(0)
		q.Cursor = page.Next
		if _, err := r.Search(t.Context(), &q); err != nil || counted.n.Load() > most+1 {
			t.Errorf("%s read %d documents for its second page, not %d; %v", query, counted.n.Load(), most+1, err)
		}
	}
}

// applied keeps the ops of a store.
type applied struct {
	store.Store
	ops []store.Op
}

func (a *applied) Apply(ctx context.Context, ops []store.Op) error {
	a.ops = append(a.ops, ops...)
	return a.Store.Apply(ctx, ops)
}

func TestAnElementIsWrittenAtItsPlace(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"people": {sick("amy", problem(int32(2), "I10"), problem(int32(1), "E11.9"))}})
	key := fhir.Key{Type: "Condition", ID: "amy-dx-1"}
	body := edited(t, r, key, func(m object) {
		one(m["clinicalStatus"].(object), "coding")["code"] = "resolved"
		m["onsetDateTime"] = "2020"
	})
	st := &applied{Store: r.Store}
	r.Store = st
	res := put(t, r, key, body)
	if res.Status != fhir.Updated || !strings.Contains(string(res.Resource.Body), `"onsetDateTime":"2020"`) {
		t.Errorf("%v %s", res.Status, res.Resource.Body)
	}
	if len(st.ops) != 1 || len(st.ops[0].Unset) > 0 {
		t.Fatalf("%+v", st.ops)
	}
	var paths, on []string
	for _, f := range st.ops[0].Set {
		paths = append(paths, f.Path)
	}
	store.EachPath(st.ops[0].If, func(path string) { on = append(on, path) })
	slices.Sort(paths)
	slices.Sort(on)
	if diff := cmp.Diff([]string{"chart.problems.1.since", "chart.problems.1.st", "chart.problems.1.upd", "rev"}, paths); diff != "" {
		t.Errorf("sets:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"chart.problems.1.nr", "rev"}, on); diff != "" {
		t.Errorf("depends on:\n%s", diff)
	}
	again, err := r.Read(t.Context(), key)
	if err != nil || string(again.Body) != string(res.Resource.Body) {
		t.Errorf("read %s, %v; answered %s", again.Body, err, res.Resource.Body)
	}
}

// TestAnElementThatMovedMeanwhileIsNotOverwritten lets the EHR write at the same moment, without
// raising the version.
func TestAnElementThatMovedMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"people": {sick("amy", problem(int32(2), "I10"), problem(int32(1), "E11.9"))}})
	key := fhir.Key{Type: "Condition", ID: "amy-dx-1"}
	body := edited(t, r, key, func(m object) { m["onsetDateTime"] = "2020" })
	r.Store = &rival{Store: r.Store, write: func(st store.Store) {
		ehrWrites(t, st, "people", store.String("amy"), "chart.problems", bson.A{problem(int32(1), "E11.9"), problem(int32(2), "I10")})
	}}
	if _, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}}); refused(err) != "conflict " {
		t.Errorf("%v", err)
	}
	for _, id := range []string{"amy-dx-1", "amy-dx-2"} {
		if res, err := r.Read(t.Context(), fhir.Key{Type: "Condition", ID: id}); err != nil || strings.Contains(string(res.Body), "2020") {
			t.Errorf("%s, %v", res.Body, err)
		}
	}
}

func TestWhatAnElementDoesNotTake(t *testing.T) {
	t.Parallel()
	r := viewOf(t, map[string][]bson.D{"people": {append(sick("amy", problem(int32(1), "I10")), bson.E{Key: "said", Value: bson.A{bson.D{{Key: "what", Value: "tired"}}}})}})
	key := fhir.Key{Type: "Condition", ID: "amy-dx-1"}
	whose := edited(t, r, key, func(m object) { m["subject"].(object)["reference"] = "Patient/ben" })
	said := fhir.Key{Type: "Condition", ID: "amy-said-0"}
	other := edited(t, r, said, func(m object) { m["code"].(object)["text"] = "ill" })
	for claim, c := range map[string]fhir.Change{
		"business-rule Condition.subject": {Method: fhir.Put, Key: key, Body: whose},
		"business-rule ":                  {Method: fhir.Put, Key: said, Body: other},
		"not-supported ":                  {Method: fhir.Delete, Key: key},
		"not-supported":                   {Method: fhir.Create, Key: fhir.Key{Type: "Condition"}, Body: whose},
	} {
		_, err := r.Commit(t.Context(), []fhir.Change{c})
		if got := refused(err); !strings.HasPrefix(got, strings.TrimSpace(claim)) {
			t.Errorf("want %s, got %s: %v", claim, got, err)
		}
	}
	if can := r.Describe("Condition"); can.Create || can.Delete || !can.Update {
		t.Errorf("advertised: %+v", can)
	}
	_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: said, Body: other}})
	if !errors.Is(err, chartmap.ErrReadOnly) {
		t.Errorf("an element without a key: %v", err)
	}
}

// TestWhatNoStoreHasInOrderIsSorted sorts elements by their own dates, and groups, and says when that
// is too many.
func TestWhatNoStoreHasInOrderIsSorted(t *testing.T) {
	t.Parallel()
	since := func(nr int32, date any) bson.D {
		return append(problem(nr, "I10"), bson.E{Key: "since", Value: date})
	}
	made := func(day int) bson.E { return bson.E{Key: "at", Value: time.Date(2026, 3, day, 8, 0, 0, 0, time.UTC)} }
	docs := map[string][]bson.D{
		"people": {sick("amy", since(3, "2019"), since(1, "2021-05"), since(2, nil)), sick("ben", since(1, "2020"), since(2, "2019"))},
		"rows":   {row("a", 1, made(3)), row("b", 1, made(9)), row("c", 2, made(2)), row("d", 3), row("e", 4, made(5))},
	}
	r := viewOf(t, docs)
	for query, want := range map[string]string{
		"Condition?_sort=onset-date":                     "amy-dx-3 ben-dx-2 ben-dx-1 amy-dx-1 amy-dx-2",
		"Condition?_sort=-onset-date":                    "amy-dx-1 ben-dx-1 ben-dx-2 amy-dx-3 amy-dx-2",
		"Condition?_sort=-onset-date&patient=amy":        "amy-dx-1 amy-dx-3 amy-dx-2",
		"DiagnosticReport?_sort=date":                    "2 1 4 3",
		"DiagnosticReport?_sort=-date&patient=p1":        "4 1 2 3",
		"DiagnosticReport?_sort=status,-date&patient=p1": "4 1 2 3",
	} {
		for _, count := range []int{1, 2, 50} {
			got := idsOf(everything(t.Context(), t, r, asked(t, r, query, count)))
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", query, count, diff)
			}
		}
	}
	for i := range 1001 {
		docs["rows"] = append(docs["rows"], row(i, i+10, made(1), bson.E{Key: "pid", Value: "p2"}))
	}
	r = viewOf(t, docs)
	for query, refuses := range map[string]bool{"DiagnosticReport?_sort=date": true, "DiagnosticReport?_sort=date&patient=p1": false, "DiagnosticReport?_sort=_id": false} {
		q := asked(t, r, query, 5)
		_, err := r.Search(t.Context(), &q)
		if want := map[bool]string{true: "too-costly http.query._sort", false: "no fhir.Error"}[refuses]; refused(err) != want {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestPatientsSeeTheElementsThatAreReleased holds one of two back.
func TestPatientsSeeTheElementsThatAreReleased(t *testing.T) {
	t.Parallel()
	secret := append(problem(int32(2), "F10"), bson.E{Key: "secret", Value: true})
	r := viewOf(t, map[string][]bson.D{"people": {sick("amy", problem(int32(1), "I10"), secret)}})
	heldBack(t, r, "Condition?patient=amy", fhir.Key{Type: "Condition", ID: "amy-dx-2"}, map[string][]string{"patient": {"amy-dx-1"}, "clinician": {"amy-dx-1", "amy-dx-2"}})
}

// heldBack compares what a patient and a clinician find, and makes sure that only the clinician reads
// the resource that is not released.
func heldBack(t *testing.T, r *chartmap.Repository, query string, key fhir.Key, found map[string][]string) {
	t.Helper()
	for role, want := range found {
		ctx := commit.As(t.Context(), commit.Actor{Role: role})
		q := asked(t, r, query, 5)
		q.Total = true
		page, err := r.Search(ctx, &q)
		if err != nil || !slices.Equal(idsOf(page.Resources), want) || int(*page.Total) != len(want) {
			t.Errorf("%s finds %v of %v, %v", role, idsOf(page.Resources), page.Total, err)
		}
		if _, err := r.Read(ctx, key); (err == nil) != (role == "clinician") {
			t.Errorf("%s reads: %v", role, err)
		}
	}
}
