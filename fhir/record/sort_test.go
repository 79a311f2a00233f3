package record_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// people makes Patients of whom some lack what others have several of.
func people(t testing.TB, r *record.Repository) {
	t.Helper()
	for id, body := range map[string]string{
		"amy":  `"birthDate": "1980-05-02", "gender": "female", "name": [{"family": "Shaw", "given": ["Amy"]}, {"family": "Young"}], "managingOrganization": {"reference": "Organization/b"}`,
		"bea":  `"birthDate": "1980-05", "gender": "female", "name": [{"family": "Ärmel", "given": ["Bea", "Zoe"]}]`,
		"cem":  `"birthDate": "2001", "gender": "male", "name": [{"family": "shaw", "given": ["Cem"]}], "managingOrganization": {"reference": "Organization/a"}`,
		"dora": `"gender": "female", "name": [{"text": "Dora"}]`,
		"eli":  `"birthDate": "1979-12-31", "name": [{"family": "Bo"}]`,
	} {
		commit(t, r, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: id}, Body: fmt.Appendf(nil, `{"resourceType": "Patient", %s}`, body)})
	}
	commit(t, r, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: "gone"}, Body: []byte(`{"resourceType": "Patient", "birthDate": "1900-01-01"}`)})
	commit(t, r, fhir.Change{Method: fhir.Delete, Key: fhir.Key{Type: "Patient", ID: "gone"}})
}

// sortKeys reads a _sort.
func sortKeys(t testing.TB, typ fhir.Type, text string) (keys []fhir.SortKey) {
	t.Helper()
	for name := range strings.SplitSeq(text, ",") {
		name, desc := strings.CutPrefix(name, "-")
		keys = append(keys, fhir.SortKey{Param: paramOf(t, typ, name), Desc: desc})
	}
	return keys
}

func TestG7_13_SortsByAnyParameter(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		people(t, r)
		for _, tt := range []struct{ sort, want string }{
			{"birthdate", "eli bea amy cem dora"},
			{"-birthdate", "cem amy bea eli dora"},
			{"family", "bea eli amy cem dora"}, // by the first of two
			{"-family,_id", "amy cem eli bea dora"},
			{"-given,_id", "bea cem amy dora eli"},
			{"gender,-birthdate", "amy bea dora cem eli"},
			{"gender,birthdate", "bea amy dora cem eli"},
			{"organization,_id", "cem amy bea dora eli"},
			{"organization,-_id", "cem amy eli dora bea"},
			{"gender,family,given,_id", "bea amy dora cem eli"},
			{"birthdate,birthdate,-birthdate", "eli bea amy cem dora"},
		} {
			for _, count := range []int{1, 2, 3, 5, 9} {
				got := strings.Join(search(t, r, fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", tt.sort), Count: count}), " ")
				if got != tt.want {
					t.Errorf("_sort=%s, pages of %d: found %q, want %q", tt.sort, count, got, tt.want)
				}
			}
		}
		female := fhir.Term{Param: paramOf(t, "Patient", "gender"), Value: fhir.TokenValue{Code: "female", AnySystem: true}}
		if got := strings.Join(search(t, r, fhir.Query{Type: "Patient", Where: female, Sort: sortKeys(t, "Patient", "-birthdate"), Count: 1}), " "); got != "amy bea dora" {
			t.Errorf("among some: %q", got)
		}
	})
}

func TestG7_13_WhatCannotBeSortedByIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		people(t, r)
		_, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Count: 1, Sort: sortKeys(t, "Observation", "code-value-quantity")})
		var refused *fhir.Error
		if !errors.As(err, &refused) || refused.Code() != fhir.CodeNotSupported {
			t.Errorf("a composite: %v", err)
		}
	})
}

// Where more matches than are sorted, they come in runs of one value of the first key, or in slices of
// several, in the same order and the same pages.
func TestG7_13_MoreThanCanBeSortedComesInRunsOrSlices(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		var changes []fhir.Change
		for i := range 60 {
			name := fmt.Sprintf(`{"family": "F%d", "given": ["G%d"]}`, i%9, (i*7)%5)
			if i%4 == 0 {
				name += fmt.Sprintf(`, {"family": "F%d"}`, (i*5)%11)
			}
			if i%7 == 0 {
				name = `{"text": "nobody"}`
			}
			changes = append(changes, fhir.Change{
				Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: fmt.Sprintf("p%02d", i)},
				Body: fmt.Appendf(nil, `{"resourceType": "Patient", "gender": %q, "birthDate": "19%02d-01-01", "name": [%s]}`, []string{"male", "female"}[i%2], i%13, name),
			})
		}
		commit(t, r, changes...)
		limited := &record.Repository{Store: r.Store}
		limited.SortAtMost(20) // as many as the longest run, and those without a name
		female := fhir.Term{Param: paramOf(t, "Patient", "gender"), Value: fhir.TokenValue{Code: "female", AnySystem: true}}
		contains := fhir.Term{Param: paramOf(t, "Patient", "family"), Modifier: fhir.ModContains, Value: fhir.StringValue("f")}
		for _, where := range []fhir.Expr{nil, female, contains, fhir.Not{Expr: female}} {
			for _, sort := range []string{"family,given", "-family,given", "family,-given,_id", "-family,-_lastUpdated,-_id", "birthdate,family,-given", "-birthdate,_id"} {
				want := search(t, r, fhir.Query{Type: "Patient", Where: where, Sort: sortKeys(t, "Patient", sort), Count: 100})
				counts := []int{1, 3, 7, 100}
				if strings.HasSuffix(t.Name(), "/mongo") {
					counts = []int{9} // the test server is slow
				}
				for _, count := range counts {
					got := search(t, limited, fhir.Query{Type: "Patient", Where: where, Sort: sortKeys(t, "Patient", sort), Count: count})
					if !slices.Equal(got, want) {
						t.Errorf("_sort=%s of %v in pages of %d:\n got %v\nwant %v", sort, where, count, got, want)
					}
				}
			}
		}
		limited.SortAtMost(3)
		_, err := limited.Search(t.Context(), &fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", "gender,family"), Count: 5})
		var refused *fhir.Error
		if !errors.As(err, &refused) || refused.Code() != fhir.CodeTooCostly {
			t.Errorf("a run that is too long: %v", err)
		}
	})
}

// A store that has no order by entries reads the slice that a page is in, and a sample for each time that
// the rest is divided, however much matches.
func TestG7_13_SlicesAreFewOfMany(t *testing.T) {
	t.Parallel()
	r := repository(t, backends.All()["memory"])
	var changes []fhir.Change
	for i := range 4000 {
		changes = append(changes, fhir.Change{
			Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: fmt.Sprintf("p%04d", i)},
			Body: fmt.Appendf(nil, `{"resourceType": "Patient", "birthDate": "%d-%02d-01", "name": [{"family": "F%d"}]}`, 1700+i*7%333, 1+i%12, i%50),
		})
	}
	commit(t, r, changes...)
	want := search(t, r, fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", "birthdate,family"), Count: 4000})
	seen := &counted{Store: r.Store}
	limited := &record.Repository{Store: seen}
	limited.SortAtMost(100)
	q := &fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", "birthdate,family"), Count: 10}
	for i := range 5 {
		page, err := limited.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for j, res := range page.Resources {
			if res.ID != want[10*i+j] {
				t.Errorf("page %d: %s, want %s", i, res.ID, want[10*i+j])
			}
		}
		if seen.docs > 1000 || seen.docs < 10 {
			t.Errorf("page %d takes %d documents", i, seen.docs)
		}
		q.Cursor, seen.docs = page.Next, 0
	}
}

// counted counts the documents that it gives.
type counted struct {
	store.Store
	docs int
}

func (c *counted) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		for doc, err := range c.Store.Find(ctx, q) {
			if c.docs++; !yield(doc, err) {
				return
			}
		}
	}
}

// The order of one parameter is that of its entries: whatever the page, no more is
// looked at than is on it.
func TestG7_13_ASortByOneParameterWalksTheIndex(t *testing.T) {
	t.Parallel()
	r := repository(t, backends.All()["sqlite"])
	var changes []fhir.Change
	for i := range 300 {
		changes = append(changes, fhir.Change{
			Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: fmt.Sprintf("p%03d", i)},
			Body: fmt.Appendf(nil, `{"resourceType": "Patient", "birthDate": "%d-01-%02d"}`, 1940+i%60, 1+i%28),
		})
	}
	commit(t, r, changes...)
	seen := &explained{Store: r.Store}
	r.Store = seen
	first, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", "-birthdate"), Count: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Search(t.Context(), &fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", "-birthdate"), Count: 10, Cursor: first.Next}); err != nil {
		t.Fatal(err)
	}
	if len(seen.plans) != 4 {
		t.Fatalf("%d searches for two pages", len(seen.plans))
	}
	for page := range 2 {
		if plan := seen.plans[2*page]; plan.Index != "keys" || plan.Sorted || plan.Docs > 25 {
			t.Errorf("page %d: %+v", page+1, plan)
		}
		// The entries of the last one, for the position of the next page.
		if plan := seen.plans[2*page+1]; plan.Index != "_id" || plan.Docs != 1 {
			t.Errorf("after page %d: %+v", page+1, plan)
		}
	}
}

// The position behind a page is where its last resource stood when the page was read,
// even where it changes before its entries are read.
func TestG7_13_TheNextPageBeginsWhereThisOneEnded(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		born := func(i, year int) fhir.Change {
			return fhir.Change{
				Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: fmt.Sprintf("p%d", i)},
				Body: fmt.Appendf(nil, `{"resourceType": "Patient", "birthDate": "%d"}`, year),
			}
		}
		for i := range 6 {
			commit(t, r, born(i, 1950+i))
		}
		inner := r.Store
		r.Store = &meanwhile{Store: inner, do: func() {
			commit(t, &record.Repository{Store: inner}, born(1, 1999)) // the last of the first page
		}}
		q := &fhir.Query{Type: "Patient", Sort: sortKeys(t, "Patient", "birthdate"), Count: 2}
		var got []string
		for {
			page, err := r.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, res := range page.Resources {
				got = append(got, res.ID)
			}
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		if want := []string{"p0", "p2", "p3", "p4", "p5", "p1"}; !slices.Equal(got, want) {
			t.Errorf("pages of %v, want %v", got, want)
		}
	})
}

// meanwhile writes before the first read by id.
type meanwhile struct {
	store.Store
	do func()
}

func (m *meanwhile) SortsWithin() bool { return store.SortsWithin(m.Store) }

func (m *meanwhile) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	if eq, ok := q.Where.(store.Eq); ok && eq.Path == "_id" && m.do != nil {
		do := m.do
		m.do = nil
		do()
	}
	return m.Store.Find(ctx, q)
}

// explained notes how searches among Patients are answered.
type explained struct {
	store.Store
	plans []store.Plan
}

func (e *explained) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	if q.Collection == "Patient" {
		plan, err := e.Store.(store.Explainer).Explain(ctx, q)
		if err != nil {
			return func(yield func(store.Doc, error) bool) { yield(nil, err) }
		}
		e.plans = append(e.plans, plan)
	}
	return e.Store.Find(ctx, q)
}
