package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// random compares a store with store/memory.
func random(g *group) {
	g.claim("random searches find what memory finds", func(t *testing.T, s store.Store, _ string) {
		rapid.Check(t, func(t *rapid.T) { g.searches(t, s, memory.New()) })
	})
	g.claim("random writes do what memory does", func(t *testing.T, s store.Store, _ string) {
		rapid.Check(t, func(t *rapid.T) { g.writes(t, s, memory.New()) })
	})
}

// searches fills both stores alike and puts the same queries to both.
func (g *group) searches(t *rapid.T, s, model store.Store) {
	ctx := context.Background()
	c := g.collection()
	var ops []store.Op
	for i := range rapid.IntRange(1, 8).Draw(t, "documents") {
		ops = append(ops, insert(c, g.Random.Doc(i).Draw(t, "doc")))
	}
	indexes := g.Random.Indexes(c).Draw(t, "indexes")
	early := rapid.Bool().Draw(t, "indexes first")
	for _, st := range []store.Store{s, model} {
		if early {
			check(t, st.Ensure(ctx, indexes))
		}
		check(t, st.Apply(ctx, ops))
		if !early {
			check(t, st.Ensure(ctx, indexes))
		}
	}
	for range 6 {
		q := store.Query{
			Collection: c,
			Where:      g.Random.Filter(3).Draw(t, "where"),
			Order:      g.Random.Within().Draw(t, "order"),
			Fields:     rapid.SampledFrom([][]string{nil, nil, {}, {"a", "n"}}).Draw(t, "fields"),
		}
		sameAnswers(t, s, model, q, rapid.IntRange(1, 3).Draw(t, "page"))
	}
}

// sameAnswers compares q as a whole, counted, and in pages.
func sameAnswers(t *rapid.T, s, model store.Store, q store.Query, page int) {
	ctx := context.Background()
	want, err := all(ctx, model, q)
	check(t, err)
	got, err := all(ctx, s, q)
	if err != nil {
		t.Fatalf("Find(%+v): %v", q, err)
	}
	same(t, fmt.Sprintf("%+v", q), got, want)
	required := len(q.Order) > 0 && q.Order[0].Within != nil && q.Order[0].Within.Required
	n, err := s.Count(ctx, store.Query{Collection: q.Collection, Where: q.Where})
	if err != nil || n != int64(len(want)) && !required {
		t.Errorf("Count(%#v) = %d, %v, want %d", q.Where, n, err, len(want))
	}
	// The position of a document needs all of its fields.
	whole := q
	whole.Fields = nil
	want, err = all(ctx, model, whole)
	check(t, err)
	var paged []store.Doc
	for whole.Limit = page; len(paged) <= len(want); {
		got, err := all(ctx, s, whole)
		check(t, err)
		if len(got) == 0 {
			break
		}
		paged = append(paged, got...)
		whole.After = store.Position(q.Order, got[len(got)-1])
	}
	same(t, fmt.Sprintf("in pages of %d: %+v", page, q), paged, want)
}

// writes applies the same ops to both stores and compares errors and contents.
func (g *group) writes(t *rapid.T, s, model store.Store) {
	ctx := context.Background()
	name := g.collection()
	names := []string{name, "clinic." + name}
	if !g.Random.NoUnique && rapid.Bool().Draw(t, "unique") {
		u := []store.Index{{Collection: names[0], Name: "u", Keys: asc("n"), Unique: true, Sparse: rapid.Bool().Draw(t, "sparse")}}
		check(t, s.Ensure(ctx, u))
		check(t, model.Ensure(ctx, u))
	}
	for range rapid.IntRange(1, 5).Draw(t, "batches") {
		ops := rapid.SliceOfN(g.Random.Op(names), 1, 4).Draw(t, "ops")
		want := model.Apply(ctx, ops)
		got := s.Apply(ctx, ops)
		if diff := cmp.Diff(verdict(want), verdict(got)); diff != "" {
			t.Fatalf("Apply(%s): (-want +got):\n%s\nmemory says %v, the store %v", showOps(ops), diff, want, got)
		}
		for _, c := range names {
			q := store.Query{Collection: c}
			want, err := all(ctx, model, q)
			check(t, err)
			got, err := all(ctx, s, q)
			check(t, err)
			same(t, fmt.Sprintf("%s after %s", c, showOps(ops)), got, want)
		}
	}
}

// verdict is what callers can tell of an error.
func verdict(err error) string {
	if err == nil {
		return "done"
	}
	var op *store.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	for _, kind := range []error{store.ErrConflict, store.ErrExists, store.ErrTooLarge, store.ErrInvalid} {
		if errors.Is(err, kind) {
			return fmt.Sprintf("op %d: index %q: %v", op.Index, op.Name, kind)
		}
	}
	return err.Error()
}

func showOps(ops []store.Op) string {
	s := ""
	for _, op := range ops {
		s += fmt.Sprintf("\n  kind %d %s %s doc %s unset %q if %#v set", op.Kind, op.Collection, show(op.ID), op.Doc, op.Unset, op.If)
		for _, f := range op.Set {
			s += fmt.Sprintf(" %s=%s", f.Path, f.Value)
		}
	}
	return s
}

func all(ctx context.Context, s store.Store, q store.Query) ([]store.Doc, error) {
	var docs []store.Doc
	for d, err := range s.Find(ctx, q) {
		if err != nil {
			return docs, err
		}
		docs = append(docs, d)
	}
	return docs, nil
}

func check(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}
