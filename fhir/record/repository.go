package record

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Repository keeps resources of all types in a store. Set Store before the first
// call and nothing afterwards. It is safe for concurrent use, also by several
// processes on one store.
type Repository struct {
	Store    store.Store
	Now      func() time.Time // nil: time.Now
	NewID    func() string    // nil: NewID; must be unguessable and never repeat
	Location *time.Location   // of dates without a zone; nil: UTC
	Base     string           // FHIR base URL: references below it are to here
	// NoText leaves out the index of words: _text and _content cannot be searched
	// by then, nor later until all records have been indexed again.
	NoText bool

	// Settle is how long after its stamp a version of another process may come to light;
	// 0: no other process writes to the store.
	Settle time.Duration
	// Patience is how long a history waits for commits under way; 0: 2 s. After that it
	// leaves out all that is not certain to be complete.
	Patience time.Duration

	sortMost     int // how many matches are sorted; 0: maxSorted
	horizon      horizon
	indexed      sync.Map // fhir.Type: its indexes are declared
	reservations commit.Reservations

	parameters atomic.Pointer[parameters]
	noticing   sync.Mutex
	revision   atomic.Uint64
	stirred    chan struct{} // made by waker
	waking     sync.Once
}

var (
	_ fhir.Repository = (*Repository)(nil)
	_ commit.Planner  = (*Repository)(nil)
)

// Describe says that every type can be kept, and found by R4's parameters.
func (r *Repository) Describe(t fhir.Type) fhir.Capability {
	if !t.Valid() {
		return fhir.Capability{}
	}
	c := fhir.Capability{
		Read: true, VRead: true, HistoryInstance: true, HistoryType: true,
		Create: true, Update: true, UpdateCreate: true, Delete: true, Search: true,
		Versioning: "versioned",
		Source:     "Kept by Portico as sent, with all versions.",
		Sortable:   []string{paramID, paramUpdated},
	}
	c.Params, c.Pending = r.params(t)
	typ := r.known().index.Of(t)
	for _, p := range c.Params {
		if typ.Stretches(p) != nil {
			c.Sortable = append(c.Sortable, p.Name)
		}
	}
	return c
}

func (r *Repository) now() time.Time { return store.Now(r.Now) }

func (r *Repository) newID() string {
	if r.NewID == nil {
		return NewID()
	}
	return r.NewID()
}

func (r *Repository) location() *time.Location {
	if r.Location == nil {
		return time.UTC
	}
	return r.Location
}
