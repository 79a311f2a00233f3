package explain

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"text/tabwriter"

	"github.com/portico-fhir/portico/store"
)

// maxSteps bounds what is noted of one request: each step is taken twice.
const maxSteps = 200

// Trace is what was noted, in the order in which it ended. Safe for concurrent use.
type Trace struct {
	mu    sync.Mutex
	steps []Step
	more  int // steps that were not noted
}

// Step is one call of the store.
type Step struct {
	What, Collection string // find or count
	Where            store.Filter
	Order            []store.Key
	Read             int64       // documents that the caller took, or the count
	Plan             *store.Plan // nil where the store does not say
}

// traceKey is that of the Trace in a context.
type traceKey struct{}

// With gives a context under which a [Store] notes what it does.
func With(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func from(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Steps are those that were noted.
func (t *Trace) Steps() []Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.steps[:len(t.steps):len(t.steps)]
}

// Finds counts the searches.
func (t *Trace) Finds() (n int) {
	for _, s := range t.Steps() {
		if s.What == "find" {
			n++
		}
	}
	return n
}

// full reports whether no more is to be noted, and counts what is not.
func (t *Trace) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.steps) < maxSteps {
		return false
	}
	t.more++
	return true
}

func (t *Trace) note(s Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, s)
}

// Write writes a table with a line for each step.
func (t *Trace) Write(out io.Writer) error {
	steps := t.Steps()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tCOLLECTION\tINDEX\tKEYS\tDOCUMENTS\tRESULT\tORDER")
	for _, s := range steps {
		index, keys, docs, order := "-", "-", "-", "-"
		if p := s.Plan; p != nil {
			index, keys, docs, order = p.Index, fmt.Sprint(p.Keys), fmt.Sprint(p.Docs), "index"
			if p.Sorted {
				order = "sorted"
			}
			if index == "" {
				index = "none: a scan"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", s.What, s.Collection, index, keys, docs, s.Read, order)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more > 0 {
		_, err := fmt.Fprintf(out, "… and %d more\n", t.more)
		return err
	}
	return nil
}

// Store notes in the Trace of the context how each search was answered; it asks the store
// beneath again for that. Without a Trace it costs nothing.
type Store struct{ store.Store }

var (
	_ store.Store         = (*Store)(nil)
	_ store.PartialSorter = (*Store)(nil)
)

// SortsWithin implements [store.PartialSorter].
func (s *Store) SortsWithin() bool { return store.SortsWithin(s.Store) }

// Find implements [store.Store].
func (s *Store) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	found := s.Store.Find(ctx, q)
	t := from(ctx)
	if t == nil || t.full() {
		return found
	}
	return func(yield func(store.Doc, error) bool) {
		n, whole := 0, true
		for doc, err := range found {
			if err == nil {
				n++
			}
			if whole = yield(doc, err); !whole {
				break
			}
		}
		if !whole {
			q.Limit = n // the caller wanted no more
		}
		step := Step{What: "find", Collection: q.Collection, Where: q.Where, Order: q.Order, Read: int64(n)}
		if e, ok := s.Store.(store.Explainer); ok {
			if plan, err := e.Explain(ctx, q); err == nil {
				step.Plan = &plan
			}
		}
		t.note(step)
	}
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, q store.Query) (int64, error) {
	n, err := s.Store.Count(ctx, q)
	if t := from(ctx); t != nil && err == nil && !t.full() {
		t.note(Step{What: "count", Collection: q.Collection, Read: n})
	}
	return n, err
}
