package token_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// asked counts what a store is asked; it is still one that nobody else writes to.
type asked struct {
	*sqlite.Store
	n atomic.Int64
}

func (a *asked) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	a.n.Add(1)
	return a.Store.Find(ctx, q)
}

// TestATokenIsKnownUntilSomethingIsWritten says that a token is not looked up again where
// nothing can have changed, and that what was ended works no more with the next request,
// whoever ended it.
func TestATokenIsKnownUntilSomethingIsWritten(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if _, ok := st.Mark(); !ok {
		t.Skip("others may write here")
	}
	a := &asked{Store: st}
	s, other := newServer(t, a), newServer(t, st)
	c := app(t, "app", client.Public)
	one, two := s.exchange(c, amys(t, wide)), s.exchange(c, amys(t, wide))
	s.works(t, one.AccessToken, true)
	before := a.n.Load()
	for range 3 {
		s.works(t, one.AccessToken, true)
	}
	if n := a.n.Load() - before; n != 0 || before == 0 {
		t.Errorf("C10 it was looked up %d times, and %d times more", before, n)
	}
	s.works(t, two.AccessToken, true)
	if err := other.Revoke(t.Context(), c, one.AccessToken); err != nil {
		t.Fatal(err)
	}
	s.works(t, one.AccessToken, false)
	s.works(t, two.AccessToken, true)
	if err := other.EndClient(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	s.works(t, two.AccessToken, false)
	three := s.exchange(c, amys(t, wide))
	s.works(t, three.AccessToken, true)
	s.pass(2 * time.Hour)
	s.works(t, three.AccessToken, false) // it has expired, though nothing was written
}
