package record_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	fhirsearch "github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

// observation is a change to one of the Observations that reindexing is tried on.
func observation(i int, code string) fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Observation", ID: fmt.Sprintf("o%04d", i)}, Body: fmt.Appendf(nil,
		`{"resourceType":"Observation","status":"final","code":{"coding":[{"code":%q}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-01-01"}`, code)}
}

// observations writes n of them.
func observations(t testing.TB, r *record.Repository, n int) {
	t.Helper()
	for from := 0; from < n; from += 100 {
		var changes []fhir.Change
		for i := from; i < min(n, from+100); i++ {
			changes = append(changes, observation(i, "old"))
		}
		commit(t, r, changes...)
	}
}

// forget takes the entries off all Observations, as an older layout has none, or
// leaves wrong ones.
func forget(t testing.TB, st store.Store, wrong bool) {
	t.Helper()
	var ops []store.Op
	for doc, err := range st.Find(t.Context(), store.Query{Collection: "Observation"}) {
		if err != nil {
			t.Fatal(err)
		}
		op := store.Op{Kind: store.Update, Collection: "Observation", ID: store.ID(doc), Unset: []string{"k", "rank"}}
		if wrong {
			op.Unset, op.Set = []string{"rank"}, []store.Field{{Path: "k", Value: store.V([]string{"wrong"})}}
		}
		ops = append(ops, op)
	}
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
}

// coded counts the Observations with a code.
func coded(t testing.TB, r *record.Repository, code string) int64 {
	t.Helper()
	p, _ := fhirsearch.Lookup("Observation", "code")
	page, err := r.Search(t.Context(), &fhir.Query{
		Type: "Observation", Total: true,
		Where: fhir.Term{Param: p, Value: fhir.TokenValue{Code: code, AnySystem: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *page.Total
}

// layout writes the number of the layout.
func layout(t testing.TB, st store.Store, n int64) {
	t.Helper()
	if err := record.CheckFormat(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	op := store.Op{Kind: store.Update, Collection: "portico_formats", ID: store.String("records"), Set: []store.Field{{Path: "format", Value: store.V(n)}}}
	if err := st.Apply(t.Context(), []store.Op{op}); err != nil {
		t.Fatal(err)
	}
}

func reindex(t testing.TB, r *record.Repository, types ...fhir.Type) record.Reindexed {
	t.Helper()
	done, err := r.Reindex(t.Context(), types, nil)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestReindexMakesTheEntriesAgain(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		observations(t, r, 5)
		commit(t, r, fhir.Change{Method: fhir.Delete, Key: observation(4, "").Key}, put("b", "text"))
		before, err := r.Read(t.Context(), observation(0, "").Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []bool{false, true} {
			forget(t, r.Store, wrong)
			if n := coded(t, r, "old"); n != 0 {
				t.Fatalf("%d are found without entries", n)
			}
			if done := reindex(t, r, "Patient"); done.Records != 0 {
				t.Errorf("another type: %+v", done)
			}
			if done := reindex(t, r); done.Records != 6 || done.Changed < 4 {
				t.Errorf("done %+v", done)
			}
			if n := coded(t, r, "old"); n != 4 {
				t.Errorf("%d are found, want 4", n)
			}
			if done := reindex(t, r); done.Changed != 0 {
				t.Errorf("again: %+v", done)
			}
		}
		after, err := r.Read(t.Context(), before.Key)
		if err != nil || after.Version != before.Version || !after.Updated.Equal(before.Updated) {
			t.Errorf("%v: version %s of %v became %s of %v", err, before.Version, before.Updated, after.Version, after.Updated)
		}
	})
}

func TestReindexRaisesTheLayout(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		observations(t, r, 3)
		forget(t, r.Store, false)
		layout(t, r.Store, 1)
		if err := record.CheckFormat(t.Context(), r.Store); err == nil || !strings.Contains(err.Error(), "portico reindex") {
			t.Fatalf("an old layout is used: %v", err)
		}
		if _, err := r.Reindex(t.Context(), []fhir.Type{"Observation"}, nil); err == nil {
			t.Error("one type alone raises the layout")
		}
		reindex(t, r)
		if err := record.CheckFormat(t.Context(), r.Store); err != nil {
			t.Error(err)
		}
		if n := coded(t, r, "old"); n != 3 {
			t.Errorf("%d are found, want 3", n)
		}
		layout(t, r.Store, 99)
		if _, err := r.Reindex(t.Context(), nil, nil); err == nil {
			t.Error("a newer layout is touched")
		}
	})
}

func TestReindexGoesOnWhereItWasBrokenOff(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		const n = 450
		observations(t, r, n)
		forget(t, r.Store, false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stopped := 0
		first, err := r.Reindex(ctx, []fhir.Type{"Observation"}, func(record.Reindexed) {
			if stopped++; stopped == 2 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || first.Records == 0 || first.Records == n {
			t.Fatalf("broken off: %v, %+v", err, first)
		}
		if done := reindex(t, r, "Observation"); done.Records >= n || done.Records+first.Records < n {
			t.Errorf("first %+v, then %+v", first, done)
		}
		if found := coded(t, r, "old"); found != n {
			t.Errorf("%d are found, want %d", found, n)
		}
		if done := reindex(t, r, "Observation"); done.Records != n || done.Changed != 0 {
			t.Errorf("from the start: %+v", done)
		}
	})
}

func TestReindexLetsOthersWrite(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		const n = 60
		observations(t, r, n)
		forget(t, r.Store, true)
		failed := make(chan error)
		go func() {
			for i := range n {
				if _, err := r.Commit(context.WithoutCancel(t.Context()), []fhir.Change{observation(n-1-i, "new")}); err != nil {
					failed <- err
					return
				}
			}
			close(failed)
		}()
		reindex(t, r)
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		if found := coded(t, r, "new"); found != n {
			t.Errorf("%d of what was written meanwhile is found, want %d", found, n)
		}
		if found := coded(t, r, "old"); found != 0 {
			t.Errorf("%d are found by what they were", found)
		}
		if done := reindex(t, r); done.Changed != 0 {
			t.Errorf("afterwards %+v", done)
		}
	})
}
