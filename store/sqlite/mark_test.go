package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portico-fhir/portico/store"
)

// TestWhatWasReadHoldsAsLongAsTheMark has readers keep what they read, as callers of
// store.Marker do, while a writer changes it: after a write was acknowledged nobody may
// still go by what they kept.
func TestWhatWasReadHoldsAsLongAsTheMark(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	if _, ok := s.Mark(); !ok {
		t.Skip("others can write here")
	}
	if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "c", Doc: marshal(t, "d", "n", int64(0))}}); err != nil {
		t.Fatal(err)
	}
	var acknowledged atomic.Int64
	const writes = 300
	var wg sync.WaitGroup
	failed := make(chan error, 8)
	for range 4 {
		wg.Go(func() {
			var kept store.Doc
			var keptAt int64 = -1
			for {
				least := acknowledged.Load()
				mark, _ := s.Mark()
				if mark != keptAt {
					doc, err := store.Get(t.Context(), s, "c", "d")
					if err != nil {
						failed <- err
						return
					}
					kept, keptAt = bytes.Clone(doc), mark
				}
				n := store.Lookup(kept, "n").Int64()
				if n < least {
					failed <- fmt.Errorf("%d was kept after %d was acknowledged", n, least)
					return
				}
				if least == writes {
					return
				}
			}
		})
	}
	for n := int64(1); n <= writes; n++ {
		before, _ := s.Mark()
		if err := s.Apply(t.Context(), []store.Op{{Kind: store.Replace, Collection: "c", ID: store.String("d"), Doc: marshal(t, "d", "n", n)}}); err != nil {
			t.Fatal(err)
		}
		if after, _ := s.Mark(); after == before {
			t.Fatal("a write leaves the mark as it is")
		}
		acknowledged.Store(n)
	}
	wg.Wait()
	close(failed)
	var all []error
	for err := range failed {
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		t.Error(err)
	}
	before, _ := s.Mark()
	if _, err := store.Get(t.Context(), s, "c", "d"); err != nil {
		t.Fatal(err)
	}
	if after, _ := s.Mark(); after != before {
		t.Error("reading changes the mark")
	}
}
