package chartmap_test

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// changedChart loads the demo's chart map after replacements.
func changedChart(t testing.TB, oldNew ...string) *chartmap.Map {
	t.Helper()
	text := strings.NewReplacer(oldNew...).Replace(string(clinic.ChartMap()))
	m, err := chartmap.Load([]byte(text), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ehrWrites(t testing.TB, st store.Store, collection string, id store.Value, field string, v any) {
	t.Helper()
	op := store.Op{Kind: store.Update, Collection: "clinic." + collection, ID: id, Set: []store.Field{{Path: field, Value: store.V(v)}}}
	if err := st.Apply(t.Context(), []store.Op{op}); err != nil {
		t.Fatal(err)
	}
}

// TestAVersionWithoutACounterChangesWithTheResource takes the demo without its version
// field.
func TestAVersionWithoutACounterChangesWithTheResource(t *testing.T) {
	t.Parallel()
	unversioned := []string{"  version: rev", "  # version: rev"}
	amy := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	for _, tt := range []struct {
		claim   string
		change  func(t *testing.T, r *chartmap.Repository)
		changes bool
	}{
		{"nothing", func(*testing.T, *chartmap.Repository) {}, false},
		{"the EHR writes a field that no rule reads", func(t *testing.T, r *chartmap.Repository) {
			ehrWrites(t, r.Store, "patients", store.String("amy-shaw"), "balance", 12.5)
		}, false},
		{"the EHR writes a field that a rule reads", func(t *testing.T, r *chartmap.Repository) {
			ehrWrites(t, r.Store, "patients", store.String("amy-shaw"), "email", "amy@example.org")
		}, true},
		{"the EHR writes what means the same", func(t *testing.T, r *chartmap.Repository) {
			ehrWrites(t, r.Store, "patients", store.String("amy-shaw"), "inactive", false)
		}, false},
		{"the code table changes", func(t *testing.T, r *chartmap.Repository) {
			r.Map = changedChart(t, append(unversioned, "F: female, O: other", "O: female, F: other")...)
		}, true},
		{"what stands beside the EHR changes", func(t *testing.T, r *chartmap.Repository) {
			put(t, r, amy, edited(t, r, amy, func(m object) { m["language"] = "nb" }))
		}, true},
		{"and changes back", func(t *testing.T, r *chartmap.Repository) {
			put(t, r, amy, edited(t, r, amy, func(m object) { m["language"] = "nb" }))
			put(t, r, amy, edited(t, r, amy, func(m object) { delete(m, "language") }))
		}, false},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := clinicOf(t)
			r.Map = changedChart(t, unversioned...)
			before := must(r.Read(t.Context(), amy))
			tt.change(t, r)
			after := must(r.Read(t.Context(), amy))
			if (before.Version != after.Version) != tt.changes {
				t.Errorf("version %s, then %s", before.Version, after.Version)
			}
		})
	}
}

func TestConcurrencyDocumentSeesEveryChange(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	r.Map = changedChart(t, "  compartment: { Patient: _id }", "  compartment: { Patient: _id }\n  concurrency: document")
	amy := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	body := edited(t, r, amy, func(m object) { m["language"] = "nb" })
	r.Store = &rival{Store: r.Store, write: func(st store.Store) {
		ehrWrites(t, st, "patients", store.String("amy-shaw"), "balance", 99.0)
	}}
	if _, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: amy, Body: body}}); refused(err) != "conflict " {
		t.Errorf("a change of a field that no rule reads: %v", err)
	}
}

// TestTheNextVersionIsOneThatTheEHRWouldGive lets versions be of every type.
func TestTheNextVersionIsOneThatTheEHRWouldGive(t *testing.T) {
	t.Parallel()
	amy := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	for _, tt := range []struct {
		now  any
		want func(before, after store.Value) bool
	}{
		{int32(3), func(_, v store.Value) bool { n, ok := v.Int32OK(); return ok && n == 4 }},
		{int64(1) << 40, func(_, v store.Value) bool { n, ok := v.Int64OK(); return ok && n == 1<<40+1 }},
		{3.0, func(_, v store.Value) bool { n, ok := v.DoubleOK(); return ok && n == 4 }},
		{"7", func(_, v store.Value) bool { s, ok := v.StringValueOK(); return ok && s == "8" }},
		{"abc", func(_, v store.Value) bool { s, ok := v.StringValueOK(); return ok && s != "abc" && s != "" }},
		{clinic.Today(), func(b, v store.Value) bool { return v.Type == b.Type && store.Compare(v, b) > 0 }},
		{oid(booked), func(b, v store.Value) bool { return v.Type == b.Type && store.Compare(v, b) != 0 }},
		{nil, func(_, v store.Value) bool { n, ok := v.Int32OK(); return ok && n == 1 }},
	} {
		r := clinicOf(t)
		ehrWrites(t, r.Store, "patients", store.String(amy.ID), "rev", tt.now)
		version := func() store.Value {
			for doc, err := range r.Store.Find(t.Context(), store.Query{Collection: "clinic.patients", Where: store.Eq{Path: "_id", Value: store.String(amy.ID)}}) {
				if err != nil {
					t.Fatal(err)
				}
				return store.Lookup(doc, "rev")
			}
			return store.Value{}
		}
		before, old := version(), must(r.Read(t.Context(), amy)).Version
		res := put(t, r, amy, edited(t, r, amy, func(m object) { m["language"] = "nb" }))
		if after := version(); !tt.want(before, after) {
			t.Errorf("behind %v came %v", tt.now, after)
		}
		if res.Resource.Version == old {
			t.Errorf("behind %v the version is still %s", tt.now, old)
		}
	}
}
