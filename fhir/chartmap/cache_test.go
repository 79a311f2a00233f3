package chartmap_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// reading is a store that counts searches, and those of what is beside the EHR.
type reading struct {
	store.Store
	finds, beside atomic.Int64
}

func (s *reading) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	s.finds.Add(1)
	if q.Collection == chartmap.Overflow {
		s.beside.Add(1)
	}
	return s.Store.Find(ctx, q)
}

// nodes are several repositories on one store.
const nodes = 2

// cachedChart has maps with all, some and none of what lets a node keep resources.
const cachedChart = `
chartmap: 1
source: { database: clinic }
maps:
- { name: a, resource: Patient, from: people, id: _id, version: rev, updated: upd, writable: [create, update, delete], elements: { birthDate: { $from: dob, $as: date } } }
- { name: b, resource: Location, from: places, id: _id, version: rev, writable: [create, update, delete], elements: { name: name } }
- { name: c, resource: Practitioner, from: staff, id: _id, writable: [create, update, delete], elements: { name: { $list1: { text: name } } } }
- { name: d, resource: Device, from: devices, id: _id, unmapped: reject, elements: { lotNumber: name } }
`

// TestSeveralNodesNeverServeWhatIsNoMore lets two nodes and the EHR write and read in random order: each
// read, and each search, gives what a node gives that was just started.
func TestSeveralNodesNeverServeWhatIsNoMore(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(cachedChart), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		st := memory.New()
		defer st.Close()
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		clock := func() time.Time { now = now.Add(time.Millisecond); return now }
		fresh := func() *chartmap.Repository { return &chartmap.Repository{Store: st, Map: m, Now: clock} }
		var all [nodes]*chartmap.Repository
		for i := range all {
			all[i] = fresh()
		}
		types := map[fhir.Type]string{"Patient": "people", "Location": "places", "Practitioner": "staff", "Device": "devices"}
		names := []fhir.Type{"Patient", "Location", "Practitioner", "Device"}
		keys := func(typ fhir.Type) fhir.Key {
			return fhir.Key{Type: typ, ID: rapid.SampledFrom([]string{"x1", "x2"}).Draw(rt, "id")}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			typ := rapid.SampledFrom(names).Draw(rt, "type")
			key, node := keys(typ), all[rapid.IntRange(0, nodes-1).Draw(rt, "node")]
			value := rapid.SampledFrom([]string{"1999-01-01", "2001-02-03"}).Draw(rt, "value")
			body := map[fhir.Type]string{"Patient": `,"birthDate":"%s"`, "Location": `,"name":"%s"`, "Practitioner": `,"name":[{"text":"%s"}]`, "Device": `,"lotNumber":"%s"`}[typ]
			text := fmt.Sprintf(`{"resourceType":"`+string(typ)+`"`+body, value)
			if typ != "Device" && rapid.Bool().Draw(rt, "more") {
				text += `,"language":"` + rapid.SampledFrom([]string{"nb", "de"}).Draw(rt, "language") + `"`
			}
			text += "}"
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				_, _ = node.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: []byte(text)}})
			case 1: // may be refused: that there is one, or that deletion is not allowed
				_, _ = node.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: key}})
			case 2: // under the id of one that was there
				c := &fhir.Condition{Name: fmt.Sprint(rt, now), Query: &fhir.Query{Type: typ, Count: 1, Where: fhir.Or{}}}
				_, _ = node.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: []byte(text), IfNoneExist: c}})
			case 3: // the EHR, which does not count all that it changes
				set := []store.Field{{Path: map[fhir.Type]string{"Patient": "dob", "Location": "name", "Practitioner": "name", "Device": "name"}[typ], Value: store.String(value)}}
				if rapid.Bool().Draw(rt, "counted") {
					set = append(set, store.Field{Path: "rev", Value: store.V(int32(clock().UnixMilli()))}, store.Field{Path: "upd", Value: store.V(clock())})
				}
				if st.Apply(t.Context(), []store.Op{{Kind: store.Update, Collection: "clinic." + types[typ], ID: store.String(key.ID), Set: set}}) != nil {
					doc := marshaled(rt, bson.D{{Key: "_id", Value: key.ID}, {Key: "rev", Value: int32(1)}, {Key: "upd", Value: clock()}})
					if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "clinic." + types[typ], Doc: doc}}); err != nil {
						rt.Fatal(err)
					}
				}
			}
			if rapid.IntRange(0, 9).Draw(rt, "the EHR deletes") == 0 {
				_ = st.Apply(t.Context(), []store.Op{{Kind: store.Delete, Collection: "clinic." + types[typ], ID: store.String(key.ID)}})
			}
			for _, typ := range names {
				q := &fhir.Query{Type: typ, Count: 10}
				want, err := fresh().Search(t.Context(), q)
				if err != nil {
					rt.Fatal(err)
				}
				for i, node := range all {
					for _, res := range want.Resources {
						if got, err := node.Read(t.Context(), res.Key); err != nil || string(got.Body) != string(res.Body) || got.Version != res.Version {
							rt.Fatalf("node %d reads %s, %v, and not %s", i, got.Body, err, res.Body)
						}
					}
					got, err := node.Search(t.Context(), q)
					if err != nil || len(got.Resources) != len(want.Resources) {
						rt.Fatalf("node %d finds %d of %d, %v", i, len(got.Resources), len(want.Resources), err)
					}
					for j, res := range want.Resources {
						if string(got.Resources[j].Body) != string(res.Body) {
							rt.Fatalf("node %d finds %s, and not %s", i, got.Resources[j].Body, res.Body)
						}
					}
				}
			}
		}
	})
}

// TestWhatIsKeptCostsOneReadOfTheStore counts what reads and pages ask of the store, and what they allocate.
func TestWhatIsKeptCostsOneReadOfTheStore(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(cachedChart), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	st := &reading{Store: memory.New()}
	t.Cleanup(func() { st.Close() })
	var ops []store.Op
	for i := range 40 {
		for _, name := range []string{"people", "places", "devices"} {
			d := bson.D{{Key: "_id", Value: fmt.Sprintf("x%02d", i)}, {Key: "name", Value: "n"}, {Key: "dob", Value: "1999-01-01"}, {Key: "rev", Value: 1}, {Key: "upd", Value: time.Now()}}
			ops = append(ops, store.Op{Kind: store.Insert, Collection: "clinic." + name, Doc: marshaled(t, d)})
		}
	}
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	r := &chartmap.Repository{Store: st, Map: m}
	cost := func(f func()) [2]int64 {
		finds, beside := st.finds.Load(), st.beside.Load()
		f()
		return [2]int64{st.finds.Load() - finds, st.beside.Load() - beside}
	}
	for _, tt := range []struct {
		typ         fhir.Type
		first, then [2]int64
	}{
		{"Patient", [2]int64{2, 1}, [2]int64{1, 0}},
		{"Location", [2]int64{2, 1}, [2]int64{2, 1}}, // has no time
		{"Device", [2]int64{1, 0}, [2]int64{1, 0}},   // has nothing beside it
	} {
		read := func() { must(r.Read(t.Context(), fhir.Key{Type: tt.typ, ID: "x00"})) }
		if got := cost(read); got != tt.first {
			t.Errorf("reading a %s first costs %v, want %v", tt.typ, got, tt.first)
		}
		if got := cost(read); got != tt.then {
			t.Errorf("reading a %s again costs %v, want %v", tt.typ, got, tt.then)
		}
		page := func() {
			if p, err := r.Search(t.Context(), &fhir.Query{Type: tt.typ, Count: 30}); err != nil || len(p.Resources) != 30 {
				t.Error(len(p.Resources), err)
			}
		}
		if got := cost(page); got != tt.first {
			t.Errorf("a first page of %s costs %v, want %v", tt.typ, got, tt.first)
		}
		if got := cost(page); got != tt.then {
			t.Errorf("the page of %s again costs %v, want %v", tt.typ, got, tt.then)
		}
	}
}

// TestWhatCannotBeReadIsReportedEachTime holds for resources that are kept, too.
func TestWhatCannotBeReadIsReportedEachTime(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(cachedChart), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	doc := marshaled(t, bson.D{{Key: "_id", Value: "x"}, {Key: "dob", Value: 7}, {Key: "rev", Value: 1}, {Key: "upd", Value: time.Now()}})
	if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "clinic.people", Doc: doc}}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var paths []string
	r := &chartmap.Repository{Store: st, Map: m, Report: func(f chartmap.Fault) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, f.Path)
	}}
	for range 2 {
		must(r.Read(t.Context(), fhir.Key{Type: "Patient", ID: "x"}))
		if _, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 10}); err != nil {
			t.Fatal(err)
		}
	}
	if want := slices.Repeat([]string{"Patient.birthDate"}, 4); !slices.Equal(paths, want) {
		t.Errorf("reported %v", paths)
	}
}
