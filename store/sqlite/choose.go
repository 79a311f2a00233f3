package sqlite

import (
	"math"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// choose gives the access that has to look at the fewest documents. It reads
// entries to find out only where that is not plain.
func (p *planner) choose(c *conn, q store.Query, counting bool) (access, error) {
	if !counting {
		p.prune()
	}
	bound := 0
	for i := range p.found {
		a := &p.found[i]
		if a.bound {
			bound++
		}
		if a.single() || !counting && a.ordered && a.whole() && q.Limit > 0 && q.Limit <= 256 {
			return *a, nil
		}
	}
	switch {
	case len(p.found) == 0:
		return access{}, nil
	case len(p.found) == 1 && (bound == 1 || !counting):
		return p.found[0], nil
	case bound == 0:
		return p.walk(counting), nil
	}
	return p.cheapest(c, q, counting)
}

// prune drops an access where another is narrowed by the same conditions or more
// and, unlike it, gives the order that is asked for: it looks at no more entries.
func (p *planner) prune() {
	if len(p.found) < 2 {
		return
	}
	better := func(a, b *access) bool {
		return a.ordered && a.bound && (!b.ordered || len(b.by) < len(a.by)) &&
			!slices.ContainsFunc(b.by, func(j int) bool { return !slices.Contains(a.by, j) })
	}
	kept := make([]access, 0, len(p.found))
	for i := range p.found {
		b := &p.found[i]
		if !slices.ContainsFunc(p.found, func(a access) bool { return better(&a, b) }) {
			kept = append(kept, *b)
		}
	}
	p.found = kept
}

// single reports whether there is one entry at most.
func (a *access) single() bool {
	if !a.ix.def.Unique || len(a.lanes) != 1 || len(a.pins) < len(a.ix.def.Keys) {
		return false
	}
	for _, pin := range a.pins {
		if pin == nil {
			return false
		}
	}
	return true
}

// walk is for a query whose conditions no index knows: in the order asked for,
// so that a limit ends it early, or else through the table.
func (p *planner) walk(counting bool) access {
	if !counting {
		for _, a := range p.found {
			if a.ordered {
				return a
			}
		}
	}
	return access{}
}

// steps are how far entries are counted: as long as all accesses have more,
// farther.
var steps = [...]int64{32, 512, 8192}

func (p *planner) cheapest(c *conn, q store.Query, counting bool) (access, error) {
	if err := c.snapshot(); err != nil {
		return access{}, err
	}
	size, err := c.number(p.coll.last)
	if err != nil {
		return access{}, err
	}
	limit := q.Limit
	if limit == 0 {
		limit = q.Expect
	}
	if counting {
		limit = 0
	}
	counts := make([]float64, len(p.found))
	fewest := math.Inf(1)
	for _, step := range steps {
		for i := range p.found {
			a := &p.found[i]
			if !a.bound {
				continue
			}
			n, err := a.count(c, size, step)
			if err != nil {
				return access{}, err
			}
			counts[i] = n
			fewest = min(fewest, n)
		}
		if fewest < float64(step) {
			break
		}
		fewest = math.Inf(1)
	}
	if math.IsInf(fewest, 1) {
		fewest = float64(steps[len(steps)-1])
	}
	best, bestCost := 0, math.Inf(1)
	for i := range p.found {
		a := &p.found[i]
		if counting && !a.bound {
			continue
		}
		cost := a.cost(counts[i], fewest, float64(size), limit)
		if counting && a.whole() {
			cost /= 8 // no document is read
		}
		if cost < bestCost || cost == bestCost && len(a.pins) > len(p.found[best].pins) {
			best, bestCost = i, cost
		}
	}
	return p.found[best], nil
}

// count gives how many entries a has, up to limit in each of its first spans, or more;
// further spans are assumed to be alike. size is the collection's.
func (a *access) count(c *conn, size, limit int64) (float64, error) {
	const looked = 8
	total, spans, n := int64(0), 0, 0
	for _, l := range a.lanes {
		spans += len(l.spans)
		for _, s := range l.spans {
			if n == looked || total >= limit {
				continue
			}
			k, err := c.estimates.number(c, a.ix, s, size, limit)
			if err != nil {
				return 0, err
			}
			total += k
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	return float64(total) * float64(spans) / float64(n), nil
}
