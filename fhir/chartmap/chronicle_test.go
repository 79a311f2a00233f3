package chartmap_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
)

// archived is a chart map of an EHR that keeps old versions of all its people and vitals.
const archived = `
chartmap: 1
source: { database: clinic }
maps:
- name: person
  resource: Patient
  from: people
  id: _id
  version: rev
  updated: upd
  history: { from: people_old, key: of }
  elements: { birthDate: { $from: dob, $as: date } }
- name: vital
  resource: Observation
  from: vitals
  where: { kind: vital }
  id: nr
  version: rev
  updated: upd
  history: { from: vitals_old, key: nr }
  fanout:
  - { suffix: hr, has: [hr], elements: { code: { $const: { text: pulse } }, valueInteger: { $from: hr, $as: int } } }
  - { suffix: wt, has: [wt], elements: { code: { $const: { text: weight } }, valueInteger: { $from: wt, $as: int } } }
  elements: { status: { $const: final } }
- name: lab
  resource: Observation
  from: vitals
  where: { kind: lab }
  id: nr
  version: rev
  updated: upd
  history: { from: vitals_old, key: nr }
  elements: { status: { $const: final }, code: { text: test } }
- { name: place, resource: Location, from: places, id: _id, version: rev, updated: upd, elements: { name: name } }
`

// pastOps makes documents with what they were: each version some time after the one before, sometimes the same; the current
// one sometimes among the old ones, too.
func pastOps(t failer, r *rand.Rand) []store.Op {
	t.Helper()
	var ops []store.Op
	add := func(collection string, d bson.D) {
		ops = append(ops, store.Op{Kind: store.Insert, Collection: collection, Doc: marshaled(t, d)})
	}
	n := 0
	for i := range 12 {
		person := i%2 == 0
		at := time.Date(2026, 1, 1+r.IntN(4), 0, 0, 0, 0, time.UTC)
		last := 1 + r.IntN(4)
		kind, has := []string{"vital", "vital", "lab"}[r.IntN(3)], 1+r.IntN(3)
		for rev := 1; rev <= last; rev++ {
			d := bson.D{{Key: "rev", Value: rev}, {Key: "upd", Value: at}, {Key: "own", Value: r.IntN(9)}}
			at = at.Add(time.Duration(1+r.IntN(30)) * time.Hour)
			name := "people"
			if person {
				d = append(d, bson.E{Key: "dob", Value: fmt.Sprint(1950 + r.IntN(9))})
			} else {
				name = "vitals"
				d = append(d, bson.E{Key: "nr", Value: i}, bson.E{Key: "kind", Value: kind})
				for j, field := range []string{"hr", "wt"} {
					if has&(1<<j) != 0 {
						d = append(d, bson.E{Key: field, Value: 50 + r.IntN(40)})
					}
				}
			}
			if rev < last || r.IntN(3) == 0 {
				n++
				add(name+"_old", append(bson.D{{Key: "_id", Value: n}, {Key: "of", Value: i}}, d...))
			}
			if rev == last {
				add(name, append(bson.D{{Key: "_id", Value: i}}, d...))
			}
		}
	}
	add("vitals", bson.D{{Key: "_id", Value: 99}, {Key: "nr", Value: 99}, {Key: "kind", Value: "lab"}, {Key: "rev", Value: 1}}) // of no time
	return ops
}

// versionName tells versions apart.
func versionName(res fhir.Resource) string {
	return res.Key.String() + " " + res.Version + " " + res.Updated.Format(time.RFC3339) + " " + string(res.Body)
}

// TestTheHistoryOfATypeIsThatOfItsResources compares the history of types with those of all resources that there are.
func TestTheHistoryOfATypeIsThatOfItsResources(t *testing.T) {
	t.Parallel()
	rounds := map[string]int{"memory": 6, "sqlite": 2, "mongo": 1}
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			rnd := rand.New(rand.NewPCG(seed, 0))
			for range rounds[name] {
				m, err := chartmap.Load([]byte(archived), "c.yaml")
				if err != nil {
					t.Fatal(err)
				}
				r := repositoryWith(t, open, m, pastOps(t, rnd))
				put(t, r, fhir.Key{Type: "Patient", ID: presentOf(t, r)}, []byte(`{"resourceType":"Patient","language":"nb"}`))
				day := fmt.Sprintf("2026-01-%02d", 1+rnd.IntN(8))
				at, err := fhir.ParseDate(day)
				if err != nil {
					t.Fatal(err)
				}
				since, err := time.Parse(time.DateOnly, day)
				if err != nil {
					t.Fatal(err)
				}
				for claim, q := range map[string]fhir.HistoryQuery{
					"of Patient":         {Key: fhir.Key{Type: "Patient"}},
					"of Observation":     {Key: fhir.Key{Type: "Observation"}},
					"the oldest first":   {Key: fhir.Key{Type: "Observation"}, Oldest: true},
					"of both":            {Types: []fhir.Type{"Patient", "Observation"}},
					"both, oldest first": {Types: []fhir.Type{"Patient", "Observation"}, Oldest: true},
					"since":              {Types: []fhir.Type{"Patient", "Observation"}, Since: since},
					"at":                 {Types: []fhir.Type{"Patient", "Observation"}, At: &at},
					"at, oldest first":   {Key: fhir.Key{Type: "Observation"}, At: &at, Oldest: true},
				} {
					want := historyOf(t, r, q)
					for _, count := range []int{1, 3, 100} {
						q.Count = count
						got := pagesOf(t, r, q)
						for i := 1; i < len(got); i++ {
							a, b := got[i-1].Updated, got[i].Updated
							if a.Before(b) && !q.Oldest || b.Before(a) && q.Oldest {
								t.Errorf("%s: %v before %v", claim, a, b)
							}
						}
						names := make([]string, len(got))
						for i, res := range got {
							names[i] = versionName(res)
						}
						slices.Sort(names)
						if diff := gocmp.Diff(want, names); diff != "" {
							t.Errorf("%s, by %d (%s): %s", claim, count, day, diff)
						}
					}
				}
			}
		})
	}
}

// presentOf gives the id of a Patient that is there.
func presentOf(t *testing.T, r *chartmap.Repository) string {
	t.Helper()
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 1})
	if err != nil || len(page.Resources) == 0 {
		t.Fatal(err)
	}
	return page.Resources[0].ID
}

func pagesOf(t *testing.T, r fhir.Repository, q fhir.HistoryQuery) []fhir.Resource {
	t.Helper()
	var out []fhir.Resource
	for {
		page, err := r.History(t.Context(), q)
		if err != nil || len(page.Resources) > q.Count {
			t.Fatalf("%d on a page, %v", len(page.Resources), err)
		}
		out = append(out, page.Resources...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return out
		}
	}
}

// historyOf gives the versions by way of the history of each resource.
func historyOf(t *testing.T, r *chartmap.Repository, q fhir.HistoryQuery) []string {
	t.Helper()
	types := q.Types
	if q.Key.Type != "" {
		types = []fhir.Type{q.Key.Type}
	}
	out := []string{}
	for _, typ := range types {
		for _, res := range everything(t.Context(), t, r, fhir.Query{Type: typ, Count: 100}) {
			var ended time.Time
			for _, v := range pagesOf(t, r, fhir.HistoryQuery{Key: res.Key, Count: 100}) {
				within := !v.Updated.IsZero() && !v.Updated.Before(q.Since)
				if q.At != nil {
					low, high := q.At.Range(time.UTC)
					within = within && v.Updated.Before(high) && (ended.IsZero() || ended.After(low))
				}
				if ended = v.Updated; within {
					out = append(out, versionName(v))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestWhatWasDeletedIsToldOfAsFarAsTheEHRKeepsIt has a document that is only among the old ones, and checks what is
// advertised.
func TestWhatWasDeletedIsToldOfAsFarAsTheEHRKeepsIt(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(archived), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	old := func(rev int) store.Op {
		d := bson.D{{Key: "_id", Value: rev}, {Key: "of", Value: "p"}, {Key: "rev", Value: rev}, {Key: "upd", Value: time.Date(2026, 1, rev, 0, 0, 0, 0, time.UTC)}}
		return store.Op{Kind: store.Insert, Collection: "people_old", Doc: marshaled(t, d)}
	}
	r := repositoryWith(t, backends()["memory"], m, []store.Op{old(1), old(2)})
	var got []string
	for _, res := range pagesOf(t, r, fhir.HistoryQuery{Key: fhir.Key{Type: "Patient"}, Count: 1}) {
		got = append(got, res.Key.String()+" "+res.Version)
	}
	if diff := gocmp.Diff([]string{"Patient/p 2", "Patient/p 1"}, got); diff != "" {
		t.Error(diff)
	}
	for typ, want := range map[fhir.Type]bool{"Patient": true, "Observation": true, "Location": false, "Basic": false} {
		if can := r.Describe(typ); can.HistoryType != want {
			t.Errorf("%s: HistoryType is %v", typ, can.HistoryType)
		}
		if _, err := r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: typ}, Count: 1}); (err == nil) != want {
			t.Errorf("%s: %v", typ, err)
		}
	}
	_, err = r.History(t.Context(), fhir.HistoryQuery{Types: []fhir.Type{"Patient", "Location"}, Count: 1})
	wantCode(t, err, fhir.CodeNotSupported)
	for _, cursor := range []string{"x", "AAAA", "////", "AAAF"} {
		_, err = r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Patient"}, Count: 1, Cursor: cursor})
		wantCode(t, err, fhir.CodeInvalid)
	}
}
