package rest

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// failing is a store of which one operation fails; -1 for none.
type failing struct {
	store.Store
	left  atomic.Int64
	after bool // an Apply fails when it is done: its answer is lost
}

func (f *failing) fails() bool { return f.left.Add(-1) == 0 }

// Find implements store.Store.
func (f *failing) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	if f.fails() {
		return func(yield func(store.Doc, error) bool) { yield(nil, store.ErrUnavailable) }
	}
	return f.Store.Find(ctx, q)
}

// Apply implements store.Store.
func (f *failing) Apply(ctx context.Context, ops []store.Op) error {
	if !f.fails() {
		return f.Store.Apply(ctx, ops)
	}
	if f.after {
		if err := f.Store.Apply(ctx, ops); err != nil {
			return err
		}
	}
	return store.ErrUnavailable
}

// TestG2_11_WhicheverStoreOperationFails fails the 1st, 2nd, 3rd … operation of the store under a request, and sends
// it again.
func TestG2_11_WhicheverStoreOperationFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim, path, body string
		versions          string
	}{
		{"a create", "/fhir/Patient", patient, "1"},
		{"a transaction", "/fhir", creates, "2"},
		{"a batch", "/fhir", strings.Replace(creates, "transaction", "batch", 1), "2"},
	} {
		for _, after := range []bool{false, true} {
			name := "G2.11 " + tt.claim
			if after {
				name += " whose acknowledgment is lost"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for n := int64(1); ; n++ {
					st := &failing{Store: memory.New(), after: after}
					e := node(t, st, nil)
					st.left.Store(n)
					first := e.do(t, "POST", tt.path, tt.body, "Idempotency-Key", "k")
					reached := st.left.Load() <= 0
					st.left.Store(-1)
					second := e.do(t, "POST", tt.path, tt.body, "Idempotency-Key", "k")
					if second.Code >= 300 || strings.Contains(second.Body.String(), "OperationOutcome") {
						t.Fatalf("operation %d: sent again it gives %d: %s (first %d)", n, second.Code, second.Body, first.Code)
					}
					if v := history(t, e); v != tt.versions {
						t.Fatalf("operation %d: there are %s versions, want %s (first %d: %s)", n, v, tt.versions, first.Code, first.Body)
					}
					if !reached {
						if n < 4 {
							t.Fatalf("only %d operations were tried", n)
						}
						return
					}
				}
			})
		}
	}
}
