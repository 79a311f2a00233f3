package chartmap_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// households is a chart map of arrays, in arrays, of documents with much that no rule reads.
// Its EHR does not count all of its own changes in rev.
const households = `
chartmap: 1
source: { database: clinic }
maps:
- name: household
  resource: Patient
  from: households
  id: _id
  version: rev
  elements:
    address: { $each: addr, $item: { city: city, postalCode: geo.zip } }
    contact: { $each: kin, $item: { name: { text: who }, telecom: { $each: tel, $item: { system: { $const: phone }, value: nr } } } }
    name: { $list1: { given: { $each: called, $item: . } } }
`

var homes = fhir.Key{Type: "Patient", ID: "h1"}

func household() bson.D {
	return bson.D{
		{Key: "_id", Value: "h1"},
		{Key: "rev", Value: int32(1)},
		{Key: "called", Value: bson.A{"Åse", "Eva"}},
		{Key: "addr", Value: bson.A{
			bson.D{{Key: "city", Value: "Oslo"}, {Key: "geo", Value: bson.D{{Key: "zip", Value: "0150"}, {Key: "lat", Value: 59.9}}}, {Key: "checked", Value: "by mail"}},
			"no address at all",
			bson.D{{Key: "city", Value: "Moss"}, {Key: "checked", Value: "never"}},
		}},
		{Key: "kin", Value: bson.A{
			bson.D{{Key: "who", Value: "Per"}, {Key: "key", Value: 17}, {Key: "tel", Value: bson.A{
				bson.D{{Key: "nr", Value: "22"}, {Key: "seen", Value: true}}, bson.D{{Key: "nr", Value: "23"}, {Key: "seen", Value: false}},
			}}},
		}},
	}
}

// spy keeps what is applied.
type spy struct {
	store.Store
	mu  sync.Mutex
	ops []store.Op
}

func (s *spy) Apply(ctx context.Context, ops []store.Op) error {
	s.mu.Lock()
	s.ops = ops
	s.mu.Unlock()
	return s.Store.Apply(ctx, ops)
}

// paths are what the last Apply changed in the EHR.
func (s *spy) paths() string {
	var out []string
	for _, op := range s.ops {
		for _, f := range op.Set {
			out = append(out, f.Path)
		}
		for _, path := range op.Unset {
			out = append(out, "-"+path)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// within gives a part of a resource: member names and places by turns.
func within(m object, path ...any) object {
	at := any(m)
	for _, p := range path {
		switch p := p.(type) {
		case string:
			at = at.(object)[p]
		case int:
			at = at.([]any)[p]
		}
	}
	return at.(object)
}

func TestOnlyTheChangedMembersOfAnElementAreSet(t *testing.T) {
	t.Parallel()
	swap := []store.Field{{Path: "addr", Value: store.V(bson.A{
		bson.D{{Key: "city", Value: "Moss"}}, "x", bson.D{{Key: "city", Value: "Oslo"}},
	})}}
	private := []store.Field{{Path: "addr.0.checked", Value: store.String("in person")}, {Path: "kin.0.tel.1.seen", Value: store.V(true)}}
	tests := []struct {
		claim string
		edit  func(m object)
		ehr   []store.Field // what the EHR writes meanwhile, without counting it
		want  string        // the paths that are changed, or the refusal
	}{
		{claim: "a member", edit: func(m object) { within(m, "address", 0)["city"] = "Bergen" }, want: "addr.0.city rev"},
		{claim: "the EHR writes beside it", edit: func(m object) { within(m, "address", 0)["city"] = "Bergen" }, ehr: private, want: "addr.0.city rev"},
		{claim: "a member of a member", edit: func(m object) { within(m, "address", 0)["postalCode"] = "5003" }, ehr: private, want: "addr.0.geo.zip rev"},
		{claim: "behind what is no address", edit: func(m object) { within(m, "address", 1)["postalCode"] = "1501" }, ehr: private, want: "addr.2.geo rev"},
		{claim: "a member goes", edit: func(m object) { delete(within(m, "address", 0), "postalCode") }, ehr: private, want: "-addr.0.geo.zip rev"},
		{claim: "in an array in an array", edit: func(m object) { within(m, "contact", 0, "telecom", 1)["value"] = "24" }, want: "kin.0.tel.1.nr rev"},
		{claim: "plain elements", edit: func(m object) { within(m, "name", 0)["given"].([]any)[1] = "Ida" }, want: "called.1 rev"},
		{claim: "the EHR moves the elements", edit: func(m object) { within(m, "address", 0)["city"] = "Bergen" }, ehr: swap, want: "conflict "},
		{claim: "the EHR changes the same", edit: func(m object) { within(m, "address", 0)["city"] = "Bergen" }, ehr: []store.Field{{Path: "addr.0.city", Value: store.String("Bodø")}}, want: "conflict "},
		{claim: "an array in an array changed", edit: func(m object) { within(m, "contact", 0, "telecom", 1)["value"] = "24" }, ehr: private, want: "conflict "},
		{claim: "an element more", edit: func(m object) { m["address"] = append(m["address"].([]any), object{"city": "Bodø"}) }, want: "addr rev"},
		{claim: "an element more, and the EHR writes", edit: func(m object) { m["address"] = append(m["address"].([]any), object{"city": "Bodø"}) }, ehr: private, want: "conflict "},
		{claim: "an element less, and the EHR moves", edit: func(m object) { m["address"] = m["address"].([]any)[1:] }, ehr: swap, want: "conflict "},
		{claim: "the other way round", edit: func(m object) { slices.Reverse(m["address"].([]any)) }, want: "addr rev"},
	}
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := chartmap.Load([]byte(households), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			r := repositoryWith(t, open, m, nil)
			under, collection := r.Store, m.Maps[0].Collection
			for _, tt := range tests {
				doc := marshaled(t, household())
				if err := under.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: collection, Doc: doc}}); err != nil {
					t.Fatal(err)
				}
				applied := &spy{Store: under}
				r.Store = &rival{Store: applied, write: func(store.Store) {
					if err := under.Apply(t.Context(), []store.Op{{Kind: store.Update, Collection: collection, ID: store.String("h1"), Set: tt.ehr}}); tt.ehr != nil && err != nil {
						t.Error(err)
					}
				}}
				body := edited(t, r, homes, tt.edit)
				_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: homes, Body: body}})
				got := refused(err)
				if err == nil {
					got = applied.paths()
					res := must(r.Read(t.Context(), homes))
					if diff := cmp.Diff(content(t, body), content(t, res.Body)); diff != "" {
						t.Errorf("%s: %s", tt.claim, diff)
					}
				}
				if got != tt.want {
					t.Errorf("%s: %q, want %q (%v)", tt.claim, got, tt.want, err)
				}
				for _, f := range tt.ehr {
					for now, err := range under.Find(t.Context(), store.Query{Collection: collection, Where: store.Eq(f)}) {
						if err != nil || now == nil {
							t.Error(err)
						}
						f.Path = ""
					}
					if f.Path != "" {
						t.Errorf("%s: what the EHR wrote to %s is gone", tt.claim, f.Path)
					}
				}
				if err := under.Apply(t.Context(), []store.Op{{Kind: store.Delete, Collection: collection, ID: store.String("h1")}}); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func marshaled(t failer, d bson.D) store.Doc {
	t.Helper()
	doc, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestWhatNoRuleReadsInElementsStays changes random elements of random arrays, which no rule reads
// whole: what has a number of its own in each element is there afterwards, and in no other element.
func TestWhatNoRuleReadsInElementsStays(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(households), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		st := memory.New()
		defer st.Close()
		text := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		addr := bson.A{}
		for i := range rapid.IntRange(1, 5).Draw(rt, "addresses") {
			e := bson.D{{Key: "own", Value: i}, {Key: "city", Value: text.Draw(rt, "city")}}
			if rapid.Bool().Draw(rt, "zip") {
				e = append(e, bson.E{Key: "geo", Value: bson.D{{Key: "lat", Value: i}, {Key: "zip", Value: text.Draw(rt, "zip")}}})
			}
			addr = append(addr, e)
		}
		doc := marshaled(rt, bson.D{{Key: "_id", Value: "h1"}, {Key: "rev", Value: 1}, {Key: "addr", Value: addr}})
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "clinic.households", Doc: doc}}); err != nil {
			rt.Fatal(err)
		}
		r := &chartmap.Repository{Store: st, Map: m}
		res, err := r.Read(t.Context(), homes)
		if err != nil {
			rt.Fatal(err)
		}
		body := tree(rt, res.Body)
		want := map[string]string{}
		for i, a := range body["address"].([]any) {
			a := a.(object)
			switch rapid.IntRange(0, 4).Draw(rt, "edit") {
			case 0:
				a["city"] = text.Draw(rt, "new city")
			case 1:
				a["postalCode"] = text.Draw(rt, "new zip")
			case 2:
				delete(a, "postalCode")
			}
			want[fmt.Sprint(i)] = fmt.Sprint(a["city"], a["postalCode"])
		}
		if _, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: homes, Body: encoded(rt, body)}}); err != nil {
			rt.Fatal(err)
		}
		var now struct {
			Addr []struct {
				Own  int
				City string
				Geo  *struct {
					Lat *int
					Zip string
				}
			}
		}
		for doc, err := range st.Find(t.Context(), store.Query{Collection: "clinic.households"}) {
			if err != nil || bson.Unmarshal(doc, &now) != nil {
				rt.Fatal(err)
			}
		}
		owned := map[int]bool{}
		for i, e := range now.Addr {
			zip := any(nil)
			if e.Geo != nil && e.Geo.Zip != "" {
				zip = e.Geo.Zip
			}
			if got := fmt.Sprint(e.City, zip); got != want[fmt.Sprint(i)] {
				rt.Errorf("address %d is %s, want %s", i, got, want[fmt.Sprint(i)])
			}
			if e.Geo != nil && e.Geo.Lat != nil && *e.Geo.Lat != e.Own {
				rt.Errorf("address %d has the latitude of %d", e.Own, *e.Geo.Lat)
			}
			owned[e.Own] = true
		}
		if len(owned) != len(addr) {
			rt.Errorf("of %d elements %d have what was theirs", len(addr), len(owned))
		}
	})
}

// Of elements that are the same to FHIR each keeps its place, and what has nothing to be kept in the EHR becomes no element.
func TestElementsThatAreTheSameOrNothingStayAsTheyAre(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("version: rev", "version: rev\n  unmapped: overflow", "postalCode: geo.zip", "country: { $from: cc, $absent: NO }").Replace(households)
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := chartmap.Load([]byte(text), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				claim string
				addr  bson.A
				edit  func(m object)
			}{
				{
					"an extension of the first of two",
					bson.A{bson.D{{Key: "city", Value: "Oslo"}, {Key: "n", Value: int32(1)}}, bson.D{{Key: "city", Value: "Oslo"}, {Key: "n", Value: int32(2)}}},
					func(m object) {
						within(m, "address", 0)["extension"] = []any{object{"url": "urn:y", "valueInteger": 1}}
					},
				},
				{"only what is there without saying so", bson.A{bson.D{{Key: "city", Value: ""}}}, func(m object) { m["address"] = []any{object{"country": "NO"}} }},
			} {
				r := repositoryWith(t, open, m, nil)
				doc := marshaled(t, bson.D{{Key: "_id", Value: "h1"}, {Key: "rev", Value: int32(1)}, {Key: "addr", Value: tt.addr}})
				if err := r.Store.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: m.Maps[0].Collection, Doc: doc}}); err != nil {
					t.Fatal(err)
				}
				body := edited(t, r, homes, tt.edit)
				for range 2 { // the second time with something else
					if _, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: homes, Body: body}}); err != nil {
						t.Fatalf("%s: %v", tt.claim, err)
					}
					if diff := cmp.Diff(content(t, body), content(t, must(r.Read(t.Context(), homes)).Body)); diff != "" {
						t.Errorf("%s: %s", tt.claim, diff)
					}
					now, err := store.Get(t.Context(), r.Store, m.Maps[0].Collection, "h1")
					if err != nil || !bytes.Equal(store.Lookup(now, "addr").Value, store.Lookup(doc, "addr").Value) {
						t.Errorf("%s: %v became %v (%v)", tt.claim, store.Lookup(doc, "addr"), store.Lookup(now, "addr"), err)
					}
					body = edited(t, r, homes, func(m object) { m["birthDate"] = "1980-05-01" })
				}
			}
		})
	}
}
