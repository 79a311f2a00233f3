package schema

import "github.com/portico-fhir/portico/fhir"

// pair is an array of primitives, or of their companions, in an object that is
// still open (R4 2.6.2.3, JSON representation of primitive elements).
type pair struct {
	field       uint16 // index in fields
	companion   bool
	count       int
	first, last int // in run.gaps: positions without a value, or without an extension
}

// companion reads "_name": the id and extensions of a primitive, or an array
// of those.
func (r *run) companion(f *frame, fd *field, i int) {
	k := r.peek()
	if !fd.many {
		if k != '{' {
			r.issue(fhir.CodeStructure, "_%s takes an object with id or extension, not %s", fd.name, kindName(k))
			r.skip()
			return
		}
		if !r.object(kindElement, 0) {
			f.bare |= 1 << fd.slot
		}
		return
	}
	if k != '[' {
		r.issue(fhir.CodeStructure, "_%s takes an array, like %s", fd.name, fd.name)
		r.skip()
		return
	}
	if !r.open() {
		return
	}
	f.uneven = true
	first, n := len(r.gaps), 0
	for k := r.peek(); k != ']' && k != 0; k = r.peek() {
		r.at(n)
		mark := len(r.gaps)
		switch {
		case k == 'n':
			r.gaps = append(r.gaps, int32(n))
			r.skip()
		case k != '{':
			r.issue(fhir.CodeStructure, "_%s takes objects with id or extension, or null, not %s", fd.name, kindName(k))
			r.skip()
		case !r.object(kindElement, 0):
			r.gaps = append(r.gaps[:mark], int32(n))
		}
		n++
	}
	r.at(-1)
	if !r.close() {
		return
	}
	if n == 0 {
		r.issue(fhir.CodeStructure, "the array is empty; leave _%s out instead", fd.name)
	}
	r.pairs = append(r.pairs, pair{field: uint16(i), companion: true, count: n, first: first, last: len(r.gaps)})
}

// reconcile holds the arrays of an object against those of their companions:
// they have the same length, and where one has null the other has content.
func (r *run) reconcile(f *frame) {
	open := r.pairs[f.pairs:]
	for i, p := range open {
		other, found := pair{}, false
		for j, q := range open {
			if j != i && q.field == p.field {
				other, found = q, true
			}
		}
		if found && p.companion {
			continue // seen from the values' side
		}
		r.reconcilePair(p, other, found)
	}
}

// reconcilePair compares p with the other half of its pair.
func (r *run) reconcilePair(p, other pair, found bool) {
	fd := &fields[p.field]
	r.push(fd.element())
	defer r.pop()
	if found && p.count != other.count {
		r.issue(fhir.CodeStructure, "%s has %d entries and _%s has %d; the arrays must match, null where one has nothing", fd.name, p.count, fd.name, other.count)
		return
	}
	rest := r.gaps[other.first:other.last]
	for _, at := range r.gaps[p.first:p.last] {
		for len(rest) > 0 && rest[0] < at {
			rest = rest[1:]
		}
		if found && (len(rest) == 0 || rest[0] != at) {
			continue
		}
		r.at(int(at))
		r.issue(fhir.CodeStructure, "the element has neither value nor extension; null needs its counterpart in %s", counterpart(fd, p))
	}
}

func counterpart(fd *field, p pair) string { return prefixed(fd.name, !p.companion) }

// truncatePairs forgets the pairs of an object that was closed.
func (r *run) truncatePairs(n int) {
	if len(r.pairs) > n {
		r.gaps = r.gaps[:r.pairs[n].first]
		r.pairs = r.pairs[:n]
	}
}
