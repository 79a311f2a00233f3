package live_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/live"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

const chart = `
chartmap: 1
source: { database: clinic }
maps:
- { name: patient, resource: Patient, from: patients, id: _id, version: rev, updated: upd, elements: { birthDate: { $from: dob, $as: date } } }
- { name: place, resource: Location, from: places, id: _id, elements: { name: name } }
- name: vital
  resource: Observation
  from: vitals
  id: _id
  updated: upd
  fanout:
  - { suffix: hr, has: [hr], elements: { code: { $const: { text: pulse } }, valueInteger: { $from: hr, $as: int } } }
  - { suffix: wt, has: [wt], elements: { code: { $const: { text: weight } }, valueInteger: { $from: wt, $as: int } } }
  elements: { status: { $const: final } }
`

// listener collects what it is told.
type listener struct {
	mu   sync.Mutex
	told map[string]int
	fail error
}

func (l *listener) tell(_ context.Context, changes []live.Change) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	for _, c := range changes {
		name := c.Key.String()
		if c.Deleted {
			name = "-" + name
		}
		l.told[name]++
	}
	return nil
}

func (l *listener) names() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(l.told)), " ")
}

// await waits until the listener was told of what is wanted, and allows what else it may be
// told of: what it has heard before, when the feed was stopped before it could note that.
func (l *listener) await(t *testing.T, want string, again ...string) {
	t.Helper()
	told := func(name string) bool { return slices.Contains(strings.Fields(l.names()), name) }
	if !patience.Until(func() bool {
		return !slices.ContainsFunc(strings.Fields(want), func(name string) bool { return !told(name) })
	}) {
		t.Fatalf("told of %q, want %q", l.names(), want)
	}
	for _, name := range strings.Fields(l.names()) {
		if !slices.Contains(append(strings.Fields(want), again...), name) {
			t.Errorf("told of %q, want %q", l.names(), want)
		}
	}
}

func feed(t *testing.T, st store.Store) *live.Feed {
	t.Helper()
	m, err := chartmap.Load([]byte(chart), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &live.Feed{Store: st, Map: m, Name: "test", Every: 20 * time.Millisecond}
}

// run runs a feed until the function that it returns is called, which gives what Run gave.
func run(t *testing.T, f *live.Feed, l *listener) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, l.tell) }()
	return func() error {
		cancel()
		return <-done
	}
}

func put(t *testing.T, st store.Store, name string, d bson.D) {
	t.Helper()
	d = append(d, bson.E{Key: "upd", Value: time.Now()})
	doc, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	op := store.Op{Kind: store.Replace, Collection: "clinic." + name, ID: store.ID(doc), Doc: doc}
	err = st.Apply(t.Context(), []store.Op{op})
	if errors.Is(err, store.ErrConflict) {
		op.Kind, op.ID = store.Insert, store.Value{}
		err = st.Apply(t.Context(), []store.Op{op})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// begun waits until a feed has a place: what is written from now on is told of.
func begun(t *testing.T, st store.Store) {
	t.Helper()
	if !patience.Until(func() bool {
		place, err := store.Get(t.Context(), st, "portico_feeds", "test")
		if err != nil {
			t.Fatal(err)
		}
		_, polls := place.Lookup("polls", "vital").DocumentOK()
		_, token, _ := place.Lookup("token").BinaryOK()
		return polls || len(token) > 0
	}) {
		t.Fatal("the feed does not begin")
	}
}

func patient(id string, rev int) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "rev", Value: rev}}
}

func TestWhatTheEHRWritesIsToldOf(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			if _, watches := st.(store.Watcher); name == "mongo" && !watches {
				t.Skip("this server cannot watch")
			}
			f, l := feed(t, st), &listener{told: map[string]int{}}
			put(t, st, "patients", patient("old", 1))
			stop := run(t, f, l)
			begun(t, st)
			put(t, st, "patients", patient("p1", 1))
			put(t, st, "vitals", bson.D{{Key: "_id", Value: "v1"}, {Key: "hr", Value: 60}})
			const first = "Observation/v1-hr Observation/v1-wt Patient/p1"
			l.await(t, first)
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("Run gives %v", err)
			}

			// While nobody listens, and after a restart.
			put(t, st, "patients", patient("p2", 1))
			put(t, st, "patients", patient("p1", 2))
			l2 := &listener{told: map[string]int{}}
			stop = run(t, feed(t, st), l2)
			l2.await(t, "Patient/p1 Patient/p2", strings.Fields(first)...)
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("Run gives %v", err)
			}
		})
	}
}

func TestWhatAListenerCouldNotTakeIsToldAgain(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		if name == "mongo" {
			continue // the other test starts it; this one is about the feed
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			broken := &listener{told: map[string]int{}, fail: errors.New("full")}
			ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- feed(t, st).Run(ctx, broken.tell) }()
			begun(t, st)
			put(t, st, "patients", patient("p1", 1))
			if err := <-done; !errors.Is(err, broken.fail) {
				t.Fatalf("Run gives %v", err)
			}
			l := &listener{told: map[string]int{}}
			stop := run(t, feed(t, st), l)
			l.await(t, "Patient/p1")
			_ = stop()
		})
	}
}

func TestADeletionIsToldOfWhereTheStoreWatches(t *testing.T) {
	t.Parallel()
	st := backends.All()["memory"](t)
	put(t, st, "patients", patient("p1", 1))
	l := &listener{told: map[string]int{}}
	stop := run(t, feed(t, st), l)
	begun(t, st)
	if err := st.Apply(t.Context(), []store.Op{{Kind: store.Delete, Collection: "clinic.patients", ID: store.String("p1")}}); err != nil {
		t.Fatal(err)
	}
	l.await(t, "-Patient/p1")
	_ = stop()
}

func TestWhatIsNotSeenIsSaid(t *testing.T) {
	t.Parallel()
	all := backends.All()
	if got := feed(t, all["memory"](t)).Unseen(); got != nil {
		t.Errorf("memory: %v", got)
	}
	f := feed(t, all["sqlite"](t))
	m, err := chartmap.Load([]byte(strings.Replace(chart, "  updated: upd\n  fanout", "  fanout", 1)), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if f.Map = m; !slices.Equal(f.Unseen(), []string{"place", "vital"}) {
		t.Errorf("sqlite: %v", f.Unseen())
	}
}

// A change of what the EHR has no place for is one of the resource, also of a document that
// stays the same since it has neither version nor time.
func TestWhatChangesBesideTheEHRIsToldOf(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			_, watches := st.(store.Watcher)
			if name == "mongo" && !watches {
				t.Skip("this server cannot watch")
			}
			insert := func(name string, d bson.D) {
				t.Helper()
				doc, err := bson.Marshal(d)
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "houses." + name, Doc: doc}}); err != nil {
					t.Fatal(err)
				}
			}
			m, err := chartmap.Load([]byte(strings.Replace(chart, "clinic", "houses", 1)), "chart.yaml")
			if err != nil {
				t.Fatal(err)
			}
			listen := func() *live.Feed { return &live.Feed{Store: st, Map: m, Name: "test", Every: 20 * time.Millisecond} }
			insert("patients", append(patient("p1", 1), bson.E{Key: "upd", Value: time.Now()}))
			insert("places", bson.D{{Key: "_id", Value: "d1"}, {Key: "name", Value: "Oslo"}})
			l := &listener{told: map[string]int{}}
			stop := run(t, listen(), l)
			begun(t, st)
			repo := &chartmap.Repository{Store: st, Map: m}
			beside := func(body string, keys ...fhir.Key) {
				t.Helper()
				for _, key := range keys {
					body := `{"resourceType":"` + string(key.Type) + `","id":"` + key.ID + `"` + body + `}`
					results, err := repo.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: []byte(body)}})
					if err != nil || results[0].Status != fhir.Updated {
						t.Fatalf("%s: %v, %v", body, results, err)
					}
				}
			}
			p1, d1 := fhir.Key{Type: "Patient", ID: "p1"}, fhir.Key{Type: "Location", ID: "d1"}
			beside(`,"language":"nb"`, p1)
			beside(`,"name":"Oslo","language":"nb"`, d1)
			want := "Patient/p1"
			if watches {
				want = "Location/d1 Patient/p1"
			}
			l.await(t, want)
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("Run gives %v", err)
			}

			// While nobody listens: the place outlives the restart.
			beside("", p1)
			beside(`,"name":"Oslo"`, d1)
			l = &listener{told: map[string]int{}}
			stop = run(t, listen(), l)
			l.await(t, want)
			_ = stop()
		})
	}
}
