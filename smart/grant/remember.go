package grant

import (
	"sync"
	"time"

	"github.com/portico-fhir/portico/smart/policy"
)

// memory is what a grant permitted from a moment on, as long as nothing was written to
// the store.
type memory struct {
	mark        int64 // of the store, before it was looked at
	from, until time.Time
	effective   policy.Effective
}

// remembered are the grants that were looked at last.
type remembered struct {
	mu  sync.RWMutex
	all map[string]memory
}

// maxRemembered bounds them.
const maxRemembered = 10_000

// get gives what a grant permits now, if that is known.
func (r *remembered) get(id string, mark int64, now time.Time) (policy.Effective, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, ok := r.all[id]
	return m.effective, ok && m.mark == mark && !now.Before(m.from) && now.Before(m.until)
}

func (r *remembered) put(id string, m memory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil || len(r.all) >= maxRemembered {
		r.all = make(map[string]memory)
	}
	r.all[id] = m
}
