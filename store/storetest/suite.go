package storetest

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/store"
)

// Suite holds a backend to the contract of package store.
type Suite struct {
	// Open gives an empty store of its own to each call. The suite closes it.
	Open func(t *testing.T) store.Store

	// Reopen closes s and opens what it kept again. nil for a store that
	// keeps nothing; then the claims on durability are skipped.
	Reopen func(t *testing.T, s store.Store) store.Store

	// Sweep makes s remove what has expired by now. nil when the backend
	// cannot be told the time; then the claims on expiry are skipped.
	Sweep func(t *testing.T, s store.Store, now time.Time)

	// Skip names claims that this backend cannot hold, with the reason. A
	// name is a group ("plans"), or a group and a claim as Run prints them
	// ("filters/Eq on a Decimal128 …"). A name that is no claim fails the run.
	Skip map[string]string

	// Random says what random documents and filters leave out.
	Random Random

	// Docs is how many documents the claims on index use are tried on, a
	// multiple of 1,000 from 2,000 up; 0 means 5,000.
	Docs int

	mu   sync.Mutex
	used map[string]bool
}

// Run is Suite.Run with nothing skipped.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	s := &Suite{Open: open}
	s.Run(t)
}

// Run runs every claim as a subtest "group/claim".
func (s *Suite) Run(t *testing.T) {
	t.Helper()
	s.used = map[string]bool{}
	groups := []struct {
		name string
		run  func(*group)
	}{
		{"filters", filters},
		{"orders", orders},
		{"paging", paging},
		{"queries", queries},
		{"apply", apply},
		{"update", update},
		{"unique", unique},
		{"indexes", indexes},
		{"concurrent", concurrent},
		{"context", contexts},
		{"hostile", hostile},
		{"durable", durable},
		{"watch", watch},
		{"plans", plans},
		{"powers", powers},
		{"random", random},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			s.skip(t, g.name)
			g.run(&group{Suite: s, T: t, name: g.name, store: s.open(t)})
		})
	}
	t.Cleanup(func() { s.checkSkips(t) })
}

// open opens a store that is closed when the test ends.
func (s *Suite) open(t *testing.T) store.Store {
	t.Helper()
	st := s.Open(t)
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return st
}

// skip skips the test if its name is in s.Skip.
func (s *Suite) skip(t *testing.T, name string) {
	t.Helper()
	reason, ok := s.Skip[name]
	if !ok {
		return
	}
	s.mu.Lock()
	s.used[name] = true
	s.mu.Unlock()
	t.Skip(reason)
}

// checkSkips fails for names in s.Skip that no test has.
func (s *Suite) checkSkips(t *testing.T) {
	if f := flag.Lookup("test.run"); f != nil && f.Value.String() != "" {
		return // not all were run
	}
	for name := range s.Skip {
		whole, _, _ := strings.Cut(name, "/")
		if !s.used[name] && !s.used[whole] {
			t.Errorf("Skip names %q, which is no claim", name)
		}
	}
}

// group is the claims of one kind, tried on one store.
type group struct {
	*Suite
	T     *testing.T
	name  string
	store store.Store
	count atomic.Int64
}

// claim runs one claim in a collection of its own.
func (g *group) claim(name string, run func(t *testing.T, s store.Store, collection string)) {
	g.T.Run(name, func(t *testing.T) {
		g.skip(t, g.name+"/"+name)
		run(t, g.store, g.collection())
	})
}

// collection gives a name that was not used before.
func (g *group) collection() string {
	return fmt.Sprintf("%s%d", g.name, g.count.Add(1))
}
