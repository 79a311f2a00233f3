package storetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
)

func watch(g *group) {
	claim := func(name string, run func(t *testing.T, s store.Store, w store.Watcher, c string)) {
		g.claim(name, func(t *testing.T, s store.Store, c string) {
			w, ok := s.(store.Watcher)
			if !ok {
				t.Skip("the backend does not report changes")
			}
			run(t, s, w, c)
		})
	}
	claim("changes are reported in order, of the watched collections only", func(t *testing.T, s store.Store, w store.Watcher, c string) {
		start := token(t, s, w, c)
		must(t, s, insert(c, doc(t, `{"_id":1,"a":1}`)), insert(c+"x", doc(t, `{"_id":1}`)), insert(c, doc(t, `{"_id":2}`)))
		must(t, s, set(c, 1, "a", 2))
		must(t, s, replace(c, doc(t, `{"_id":2,"b":1}`)))
		must(t, s, remove(c, 1))
		got := events(t, w, []string{c}, start, 5)
		want := []string{"1 1", "1 2", "3 1", "2 2", "4 1"}
		if diff := cmp.Diff(want, brief(got)); diff != "" {
			t.Errorf("kind and _id of the events (-want +got):\n%s", diff)
		}
		for _, e := range got {
			if e.Collection != c {
				t.Errorf("an event of %s", e.Collection)
			}
			if e.Kind == store.Delete && e.Doc != nil {
				t.Errorf("a deletion with a document")
			}
		}
		if d := got[0].Doc; d != nil {
			same(t, "inserted", []store.Doc{d}, []store.Doc{doc(t, `{"_id":1,"a":1}`)})
		}
	})
	claim("watching goes on after a token", func(t *testing.T, s store.Store, w store.Watcher, c string) {
		start := token(t, s, w, c)
		must(t, s, inserts(c, numbered(t, `{}`, `{}`, `{}`, `{}`)...)...)
		first := events(t, w, []string{c}, start, 2)
		rest := events(t, w, []string{c}, first[1].Token, 2)
		if diff := cmp.Diff([]string{"1 3", "1 4"}, brief(rest)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	claim("a change that failed is not reported", func(t *testing.T, s store.Store, w store.Watcher, c string) {
		start := token(t, s, w, c)
		err := s.Apply(t.Context(), []store.Op{insert(c, doc(t, `{"_id":1}`)), remove(c, 99)})
		wantOpError(t, err, 1, store.ErrConflict)
		must(t, s, insert(c, doc(t, `{"_id":2}`)))
		if diff := cmp.Diff([]string{"1 2"}, brief(events(t, w, []string{c}, start, 1))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	claim("a token that is none is ErrTokenLost", func(t *testing.T, s store.Store, w store.Watcher, c string) {
		for e, err := range w.Watch(t.Context(), []string{c}, store.Token("not a token")) {
			if !errors.Is(err, store.ErrTokenLost) {
				t.Fatalf("Watch yields %+v, %v", e, err)
			}
		}
	})
	claim("watching nothing is invalid", func(t *testing.T, _ store.Store, w store.Watcher, _ string) {
		for e, err := range w.Watch(t.Context(), nil, nil) {
			if !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("Watch yields %+v, %v", e, err)
			}
		}
	})
	claim("closing the store ends watching", func(t *testing.T, _ store.Store, _ store.Watcher, c string) {
		s := g.Open(t)
		w, ok := s.(store.Watcher)
		if !ok {
			t.Fatal("this time the store cannot watch")
		}
		ended := make(chan error, 1)
		go func() {
			var last error
			for _, err := range w.Watch(t.Context(), []string{c}, nil) {
				last = err
			}
			ended <- last
		}()
		time.Sleep(50 * time.Millisecond) // either way the answer is the same
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("it ended with %v, want %v", err, store.ErrClosed)
			}
		case <-time.After(patience.Limit):
			t.Error("it goes on")
		}
	})
	claim("watching ends with the error of its context", func(t *testing.T, s store.Store, w store.Watcher, c string) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var last error
		for _, err := range w.Watch(ctx, []string{c}, nil) {
			last = err
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", last)
		}
	})
}

// token gives a place in the stream of changes that lies before what comes
// next. A watcher without a token starts at a time of its own, so it is given
// changes until it reports one.
func token(t *testing.T, s store.Store, w store.Watcher, c string) store.Token {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	found := make(chan store.Token, 1)
	go func() {
		defer close(found)
		for e, err := range w.Watch(ctx, []string{c}, nil) {
			if err != nil {
				t.Errorf("Watch: %v", err)
				return
			}
			found <- e.Token
			return
		}
	}()
	start := store.Token(nil)
	for i := 0; start == nil; i++ {
		must(t, s, insert(c, doc(t, fmt.Sprintf(`{"_id":"start%d"}`, i))))
		select {
		case tok, ok := <-found:
			if !ok {
				t.FailNow()
			}
			start = tok
		case <-time.After(20 * time.Millisecond):
		}
	}
	// Pass over the starts that were reported late, up to a last one.
	must(t, s, insert(c, doc(t, `{"_id":"end"}`)))
	for e, err := range w.Watch(ctx, []string{c}, start) {
		if err != nil {
			t.Fatalf("Watch: %v", err)
		}
		start = e.Token
		if e.ID.StringValue() == "end" {
			break
		}
	}
	must(t, s, deleteAll(t, s, c)...)
	return drain(t, w, c, start)
}

// drain gives the token after the deletions that token made.
func drain(t *testing.T, w store.Watcher, c string, after store.Token) store.Token {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	for e, err := range w.Watch(ctx, []string{c}, after) {
		if err != nil {
			t.Fatalf("Watch: %v", err)
		}
		after = e.Token
		if id, _ := e.ID.StringValueOK(); e.Kind == store.Delete && id == "start0" {
			break
		}
	}
	return after
}

// deleteAll deletes everything, "start0" last.
func deleteAll(t *testing.T, s store.Store, c string) []store.Op {
	t.Helper()
	var ops []store.Op
	for _, d := range find(t, s, store.Query{Collection: c, Order: desc("_id")}) {
		ops = append(ops, store.Op{Kind: store.Delete, Collection: c, ID: store.ID(d)})
	}
	// Descending: start9 … start1, start0, end.
	ops[len(ops)-1], ops[len(ops)-2] = ops[len(ops)-2], ops[len(ops)-1]
	return ops
}

// events gives the next n events after a token.
func events(t *testing.T, w store.Watcher, collections []string, after store.Token, n int) []store.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	var got []store.Event
	for e, err := range w.Watch(ctx, collections, after) {
		if err != nil {
			t.Fatalf("Watch after %d events: %v", len(got), err)
		}
		got = append(got, e)
		if len(got) == n {
			break
		}
	}
	return got
}

func brief(events []store.Event) []string {
	var s []string
	for _, e := range events {
		s = append(s, fmt.Sprint(e.Kind, " ", show(e.ID)))
	}
	return s
}

func powers(g *group) {
	g.claim("Ping is fine while the store is open", func(t *testing.T, s store.Store, _ string) {
		p, ok := s.(store.Pinger)
		if !ok {
			t.Skip("the backend has no Ping")
		}
		if err := p.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Ping(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Ping under an ended context: %v", err)
		}
	})
	g.claim("Backup writes a new file and leaves an old one alone", func(t *testing.T, s store.Store, c string) {
		b, ok := s.(store.Backuper)
		if !ok {
			t.Skip("the backend has no Backup")
		}
		mustInsert(t, s, c, `{"a":1}`)
		path := filepath.Join(t.TempDir(), "copy")
		if err := b.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if err := b.Backup(t.Context(), path); err == nil {
			t.Error("a second backup overwrote the first")
		}
	})
	g.claim("Explain counts what a search finds", func(t *testing.T, s store.Store, c string) {
		e, ok := s.(store.Explainer)
		if !ok {
			t.Skip("the backend has no Explain")
		}
		mustInsert(t, s, c, `{"a":1}`, `{"a":1}`, `{"a":2}`)
		p, err := e.Explain(t.Context(), store.Query{Collection: c, Where: eq("a", 1)})
		if err != nil || p.Returned != 2 || p.Docs < 2 || p.Index != "" && p.Index != "_id" {
			t.Errorf("Explain = %+v, %v", p, err)
		}
	})
}
