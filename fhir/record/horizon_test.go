package record_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
)

// slow is a store that takes its time before it writes, as one under load does.
type slow struct{ store.Store }

// Apply implements store.Store.
func (s slow) Apply(ctx context.Context, ops []store.Op) error {
	time.Sleep(rand.N(4 * time.Millisecond))
	return s.Store.Apply(ctx, ops)
}

// TestG1_5_APollMissesNothing polls the history of a type while others write, each time since
// the latest version that it has seen, or since the moment that the page names.
func TestG1_5_APollMissesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		r.Store, r.Now = slow{r.Store}, nil
		commit(t, r, put("first", "1"))
		var done atomic.Bool
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				for n := range 25 {
					commit(t, r, put(fmt.Sprintf("w%d", w), fmt.Sprint(n)))
				}
			})
		}
		var pollers sync.WaitGroup
		for name, since := range map[string]func(fhir.Page, time.Time) time.Time{
			"since the latest version": func(page fhir.Page, last time.Time) time.Time {
				for _, res := range page.Resources {
					if res.Updated.After(last) {
						last = res.Updated
					}
				}
				return last
			},
			"since the moment that the page names": func(page fhir.Page, _ time.Time) time.Time { return page.Until },
		} {
			pollers.Go(func() {
				seen := map[string]bool{}
				var last time.Time
				for end := false; !end; {
					end = done.Load()
					page, err := r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Basic"}, Count: 1000, Since: last})
					if err != nil {
						t.Error(err)
						return
					}
					for _, res := range page.Resources {
						seen[res.ID+"/"+res.Version] = true
					}
					last = since(page, last)
				}
				if len(seen) != 1+8*25 {
					t.Errorf("%s: %d versions seen of %d", name, len(seen), 1+8*25)
				}
			})
		}
		writers.Wait()
		done.Store(true)
		pollers.Wait()
	})
}

func TestG1_4_WhatWasWrittenIsInTheHistoryAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		ahead := new(clock)
		ahead.advance(time.Hour)
		r.Now = ahead.now
		for n := range 3 { // within one tick of the clock
			commit(t, r, put("a", fmt.Sprint(n)))
			for _, key := range []fhir.Key{{Type: "Basic"}, basic("a")} {
				page, err := r.History(t.Context(), fhir.HistoryQuery{Key: key, Count: 10})
				if err != nil || len(page.Resources) != n+1 {
					t.Fatalf("%d versions of %d, %v", len(page.Resources), n+1, err)
				}
			}
		}
		// The clock has gone back since the last process wrote.
		later := &record.Repository{Store: r.Store, Now: new(clock).now}
		page, err := later.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Basic"}, Count: 10})
		if err != nil || len(page.Resources) != 3 {
			t.Errorf("%d versions, %v", len(page.Resources), err)
		}
		// Where other processes write, a page promises nothing about what is young.
		later.Settle = time.Minute
		page, err = later.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Basic"}, Count: 10})
		if err != nil || len(page.Resources) != 3 || page.Until.After(page.Resources[0].Updated.Add(-time.Minute)) {
			t.Errorf("%d versions until %s, %v", len(page.Resources), page.Until, err)
		}
	})
}

// TestG1_5_AHistoryDoesNotWaitForLong has a commit that does not end.
func TestG1_5_AHistoryDoesNotWaitForLong(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		r.Now = nil
		commit(t, r, put("a", "1"))
		if _, err := r.History(t.Context(), fhir.HistoryQuery{Key: basic("a"), Count: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		st := &stuck{Store: r.Store, entered: make(chan struct{}), release: make(chan struct{})}
		r.Store = st // all indexes are declared by now
		var writer sync.WaitGroup
		writer.Go(func() { commit(t, r, put("b", "1")) })
		<-st.entered
		r.Patience = 1 << 62 // who waits does not come back
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, other := range []fhir.Key{basic("a"), {Type: "Flag"}} {
			if _, err := r.History(ctx, fhir.HistoryQuery{Key: other, Count: 10}); err != nil {
				t.Errorf("the history of %s waits for what does not concern it: %v", other, err)
			}
		}
		r.Patience = 100 * time.Millisecond
		page, err := r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Basic"}, Count: 10})
		if err != nil || names(page.Resources) != "Basic/a/1" {
			t.Errorf("%s, %v", names(page.Resources), err)
		}
		close(st.release)
		writer.Wait()
		next, err := r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Basic"}, Count: 10, Since: page.Until})
		if err != nil || names(next.Resources) != "Basic/b/1" {
			t.Errorf("since then: %s, %v", names(next.Resources), err)
		}
	})
}

// stuck writes when it is released.
type stuck struct {
	store.Store
	entered, release chan struct{}
}

// Apply implements store.Store.
func (s *stuck) Apply(ctx context.Context, ops []store.Op) error {
	close(s.entered)
	<-s.release
	return s.Store.Apply(ctx, ops)
}
