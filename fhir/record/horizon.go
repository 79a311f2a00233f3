package record

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// horizon is up to when the history is complete. A version bears the time when it was
// planned, and is there for readers a little later: whoever polls a history by _since would
// never see one that was stamped before the poll and committed after. So a history shows what
// was stamped up to a moment, once every commit of this process that was stamped up to then, and changes
// what the history is about, has ended; later commits are stamped later.
type horizon struct {
	mu      sync.Mutex
	known   bool // issued takes account of what was written before this process began
	issued  time.Time
	floor   time.Time // what is stamped from now on is not before
	pending map[*attempt]bool
}

// attempt is one plan of a commit on its way.
type attempt struct {
	at      time.Time // the earliest that it stamps
	changes []fhir.Change
	ended   chan struct{}
}

// concerns reports whether the attempt may add to a history.
func (a *attempt) concerns(q fhir.HistoryQuery) bool {
	return slices.ContainsFunc(a.changes, func(c fhir.Change) bool {
		switch {
		case q.Key.ID != "":
			return c.Key == q.Key
		case q.Key.Type != "":
			return c.Key.Type == q.Key.Type
		}
		return q.Types == nil || slices.Contains(q.Types, c.Key.Type)
	})
}

// underWay is one commit.
type underWay struct {
	horizon *horizon
	changes []fhir.Change
	attempt *attempt // nil before the first plan
}

// stamp gives the time for a new attempt; the one before has come to nothing.
func (u *underWay) stamp(now time.Time) time.Time {
	u.end()
	h := u.horizon
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Before(h.floor) {
		now = h.floor
	}
	u.attempt = &attempt{at: now, changes: u.changes, ended: make(chan struct{})}
	if h.pending == nil {
		h.pending = make(map[*attempt]bool)
	}
	h.pending[u.attempt] = true
	return now
}

// raise takes note of the stamps that were given: they are later than the clock
// where that stood still or went back.
func (u *underWay) raise(results []fhir.Result) {
	h := u.horizon
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, res := range results {
		if res.Resource.Updated.After(h.issued) {
			h.issued = res.Resource.Updated
		}
	}
}

// end is called when the commit has ended, whatever came of it.
func (u *underWay) end() {
	if u.attempt == nil {
		return
	}
	u.horizon.mu.Lock()
	defer u.horizon.mu.Unlock()
	delete(u.horizon.pending, u.attempt)
	close(u.attempt.ended)
	u.attempt = nil
}

// horizonNow gives the time of the latest version that a history that begins now shows,
// zero for any, and the moment before which nothing can be missing from it.
func (r *Repository) horizonNow(ctx context.Context, q fhir.HistoryQuery) (latest, until time.Time, err error) {
	settled, err := r.settled(ctx, q)
	if r.Settle > 0 {
		return time.Time{}, settled.Add(-r.Settle), err
	}
	return settled, settled, err
}

// settled gives the moment up to which, it included, the history is complete as far as this
// process writes it.
func (r *Repository) settled(ctx context.Context, q fhir.HistoryQuery) (time.Time, error) {
	if err := r.lookBack(ctx); err != nil {
		return time.Time{}, err
	}
	h := &r.horizon
	h.mu.Lock()
	until := r.now()
	if h.issued.After(until) {
		until = h.issued
	}
	if next := until.Add(time.Millisecond); next.After(h.floor) {
		h.floor = next
	}
	var waits []*attempt
	for a := range h.pending {
		if !a.at.After(until) && a.concerns(q) {
			waits = append(waits, a)
		}
	}
	h.mu.Unlock()
	if len(waits) == 0 {
		return until, nil
	}
	timer := time.NewTimer(cmp.Or(r.Patience, 2*time.Second))
	defer timer.Stop()
	for i, a := range waits {
		select {
		case <-a.ended:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-timer.C:
			for _, left := range waits[i:] {
				if !left.at.After(until) {
					until = left.at.Add(-time.Millisecond)
				}
			}
			return until, nil
		}
	}
	return until, nil
}

// lookBack finds the latest stamp in the store, once: the clock may have gone back
// since then.
func (r *Repository) lookBack(ctx context.Context) error {
	h := &r.horizon
	h.mu.Lock()
	known := h.known
	h.mu.Unlock()
	if known {
		return nil
	}
	types, err := r.kept(ctx)
	if err != nil {
		return err
	}
	var latest time.Time
	for _, t := range types {
		q := store.Query{Collection: collection(t), Order: []store.Key{{Path: fieldUpdated, Desc: true}, {Path: fieldID, Desc: true}}, Limit: 1, Fields: []string{fieldUpdated}}
		for doc, err := range r.Store.Find(ctx, q) {
			if err != nil {
				return fault("history", err)
			}
			if ms, ok := doc.Lookup(fieldUpdated).DateTimeOK(); ok && time.UnixMilli(ms).After(latest) {
				latest = time.UnixMilli(ms).UTC()
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known = true
	if latest.After(h.issued) {
		h.issued = latest
	}
	return nil
}
