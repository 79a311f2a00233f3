package chartmap_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

const countedChart = `
chartmap: 1
source: { database: clinic }
defaults: { timezone: Europe/Oslo }
maps:
- name: person
  resource: Practitioner
  from: staff
  id: no
  elements: { birthDate: { $from: dob, $as: date } }
- name: order
  resource: ServiceRequest
  from: orders
  where: { kind: order }
  id: _id
  version: rev
  newId: { $counter: { from: counters, id: orders, field: seq.next } }
  onCreate:
    st: RQ
    label: { $counter: { from: counters, id: orders, field: label, prefix: R-, digits: 5 } }
    made: { $now: date }
    said: { $now: text }
    day: { $now: day }
    unix: { $now: seconds }
    ms: { $now: millis }
    by: { $actor: id, $of: Practitioner, $absent: portal }
    role: { $actor: role }
    who: { $actor: reference }
    type: { $actor: type, $absent: nobody }
    guid: { $new: uuid }
    oid: { $new: objectId }
    meta.src: portico
  elements:
    status: { $const: active }
    intent: { $const: order }
    subject: { $ref: Patient, $from: pid }
    patientInstruction: patient_note
- name: plan
  resource: ServiceRequest
  from: orders
  where: { kind: plan }
  id: _id
  version: rev
  newId: { $counter: { from: counters, id: orders, field: seq.next } }
  elements:
    status: { $const: active }
    intent: { $const: plan }
    subject: { $ref: Patient, $from: pid }
    occurrenceDateTime: { $from: at, $as: dateTime, $stored: date }
`

// counters is the EHR's own document of numbers.
func counters(t failer, next any) store.Doc {
	t.Helper()
	return marshaled(t, bson.D{{Key: "_id", Value: "orders"}, {Key: "seq", Value: bson.D{{Key: "next", Value: next}}}, {Key: "label", Value: int64(41)}, {Key: "own", Value: "stays"}})
}

func countedMap(t testing.TB, open backend, next any) (*chartmap.Repository, string) {
	t.Helper()
	st, database := open(t)
	t.Cleanup(func() { st.Close() })
	m, err := chartmap.Load([]byte(strings.ReplaceAll(countedChart, "database: clinic", "database: "+database)), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if next != nil {
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: database + ".counters", Doc: counters(t, next)}}); err != nil {
			t.Fatal(err)
		}
	}
	return &chartmap.Repository{Store: st, Map: m}, database
}

func orderBy(intent string) fhir.Change {
	return fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "ServiceRequest"}, Body: []byte(`{"resourceType":"ServiceRequest","status":"active","intent":"` + intent + `","subject":{"reference":"Patient/p1"}}`)}
}

func only(t testing.TB, st store.Store, collection string) bson.M {
	t.Helper()
	var out []bson.M
	for doc, err := range st.Find(t.Context(), store.Query{Collection: collection}) {
		var m bson.M
		if err != nil || bson.Unmarshal(doc, &m) != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	if len(out) != 1 {
		t.Fatalf("%d documents in %s", len(out), collection)
	}
	return out[0]
}

func TestANewDocumentGetsWhatTheEHRWouldGiveIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 23, 30, 0, 5e6, time.UTC)
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, database := countedMap(t, open, int32(17))
			r.Now = func() time.Time { return now }
			who := commit.Actor{Role: "clinician", Self: []fhir.Key{{Type: "Person", ID: "x"}, {Type: "Practitioner", ID: "7"}}}
			results, err := r.Commit(commit.As(t.Context(), who), []fhir.Change{orderBy("order")})
			if err != nil {
				t.Fatal(err)
			}
			if results[0].Resource.ID != "18" {
				t.Errorf("the id is %s", results[0].Resource.ID)
			}
			doc := only(t, r.Store, database+".orders")
			for field, want := range map[string]any{
				"_id": int32(18), "label": "R-00042", "st": "RQ", "made": bson.NewDateTimeFromTime(now), "said": "2026-02-01T00:30:00.005+01:00", "day": "2026-02-01",
				"unix": now.Unix(), "ms": now.UnixMilli(), "by": int32(7), "role": "clinician", "who": "Person/x", "type": "Person", "meta": bson.D{{Key: "src", Value: "portico"}}, "kind": "order",
			} {
				if fmt.Sprintf("%T %v", doc[field], doc[field]) != fmt.Sprintf("%T %v", want, want) {
					t.Errorf("%s is %T %v, want %T %v", field, doc[field], doc[field], want, want)
				}
			}
			if guid, _ := doc["guid"].(string); len(guid) != 36 {
				t.Errorf("guid is %v", doc["guid"])
			}
			if _, ok := doc["oid"].(bson.ObjectID); !ok {
				t.Errorf("oid is %v", doc["oid"])
			}
			count := only(t, r.Store, database+".counters")
			want := bson.M{"_id": "orders", "seq": bson.D{{Key: "next", Value: int32(18)}}, "label": int64(42), "own": "stays"}
			if diff := cmp.Diff(want, count); diff != "" {
				t.Errorf("the counters: %s", diff)
			}
		})
	}
}

func TestWhatIsNotKnownOrWasSentIsNotGiven(t *testing.T) {
	t.Parallel()
	r, database := countedMap(t, backends()["memory"], int64(1))
	c := orderBy("order")
	c.Body = []byte(strings.Replace(string(c.Body), `"intent"`, `"patientInstruction":"fasting","intent"`, 1))
	if _, err := r.Commit(t.Context(), []fhir.Change{c}); err != nil {
		t.Fatal(err)
	}
	doc := only(t, r.Store, database+".orders")
	if doc["patient_note"] != "fasting" || doc["by"] != "portal" || doc["type"] != "nobody" || doc["role"] != nil || doc["who"] != nil {
		t.Errorf("%v", doc)
	}
}

// TestNumbersOfTheEHRAreUsedOnce lets two nodes and the EHR count at the same time: no number is given twice,
// none is left out, and of a refused creation nothing is counted.
func TestNumbersOfTheEHRAreUsedOnce(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 6
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, database := countedMap(t, open, float64(0))
			other := &chartmap.Repository{Store: r.Store, Map: r.Map}
			var mu sync.Mutex
			var ids []int
			note := func(id string) {
				n, err := strconv.Atoi(id)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids = append(ids, n)
			}
			var wg sync.WaitGroup
			for w := range writers {
				node := []*chartmap.Repository{r, other}[w%2]
				wg.Go(func() {
					for i := range each {
						results, err := node.Commit(t.Context(), []fhir.Change{orderBy([]string{"order", "plan"}[i%2]), orderBy("plan")})
						if err != nil {
							t.Error(err)
							return
						}
						for _, res := range results {
							note(res.Resource.ID)
						}
						refused := orderBy("plan")
						refused.Body = []byte(strings.Replace(string(refused.Body), `"status"`, `"occurrenceDateTime":"2026","status"`, 1))
						if _, err := node.Commit(t.Context(), []fhir.Change{refused}); err == nil {
							t.Error("a year was taken for a moment")
						}
					}
				})
			}
			wg.Go(func() { // the EHR's own $inc, which sees what it changes
				for range each {
					for done := false; !done; {
						for doc, err := range r.Store.Find(t.Context(), store.Query{Collection: database + ".counters"}) {
							if err != nil {
								t.Error(err)
								return
							}
							was := store.Lookup(doc, "seq.next")
							n, _ := was.DoubleOK()
							op := store.Op{Kind: store.Update, Collection: database + ".counters", ID: store.String("orders"), If: store.Eq{Path: "seq.next", Value: was}, Set: []store.Field{{Path: "seq.next", Value: store.V(n + 1)}}}
							if done = r.Store.Apply(t.Context(), []store.Op{op}) == nil; done {
								note(fmt.Sprint(int(n + 1)))
							}
						}
					}
				}
			})
			wg.Wait()
			slices.Sort(ids)
			for i, n := range ids {
				if n != i+1 {
					t.Fatalf("the numbers are %v", ids)
				}
			}
			if want := (2*writers + 1) * each; len(ids) != want {
				t.Errorf("%d numbers, want %d", len(ids), want)
			}
		})
	}
}

func TestCountersThatAreNotThereAndIDsOfClients(t *testing.T) {
	t.Parallel()
	for claim, next := range map[string]any{"none": nil, "text": "17", "negative": int32(-1)} {
		r, database := countedMap(t, backends()["memory"], next)
		_, err := r.Commit(t.Context(), []fhir.Change{orderBy("order")})
		if err == nil || !strings.Contains(err.Error(), "counter") || refused(err) != "no fhir.Error" {
			t.Errorf("%s: %v", claim, err)
		}
		if n, err := r.Store.Count(t.Context(), store.Query{Collection: database + ".orders"}); err != nil || n != 0 {
			t.Errorf("%s: %d documents, %v", claim, n, err)
		}
	}
	r, _ := countedMap(t, backends()["memory"], int32(1))
	c := orderBy("order")
	c.Key.ID = "77"
	_, err := r.Commit(t.Context(), []fhir.Change{c})
	wantCode(t, err, fhir.CodeNotSupported)
	if r.Describe("ServiceRequest").NewID != nil || r.Describe("Practitioner").NewID == nil {
		t.Error("who makes ids for a transaction is not said")
	}
}
