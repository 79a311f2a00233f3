package chartmap

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// stream is the part of a search that branches of one map answer by one search of
// the store. A document becomes a resource for each part whose condition holds,
// too, in the order of the branches.
type stream struct {
	*Mapping
	where cond
	parts []part
	keys  []streamKey // of _sort
	order []store.Key // that of the store, complete but for groups
	loose bool        // all is read and sorted, since the store has no such order
}

// part is a branch of a stream, and what is asked of it alone.
type part struct {
	*branch
	own cond
}

// upper is a filter that every document of the stream satisfies.
func (s *stream) upper() store.Filter {
	own := make([]store.Filter, len(s.parts))
	for i, p := range s.parts {
		own[i] = p.own.upper()
	}
	f := s.lift(conjunction([]store.Filter{s.where.upper(), disjunction(own)}))
	if and, ok := f.(store.And); ok {
		slices.SortStableFunc(and, func(a, b store.Filter) int { return cmp.Compare(rank(a), rank(b)) })
	}
	return f
}

// rank tells conditions that most documents do not satisfy, and which are best
// looked at first, from guards and the like.
func rank(f store.Filter) int {
	switch f.(type) {
	case store.Eq, store.In, store.Prefix, store.Contains, store.Elem:
		return 0
	case store.Range, store.And:
		return 1
	case store.Or:
		return 2
	}
	return 3
}

// lastBranch is the number of the last branch.
func (s *stream) lastBranch() int { return s.parts[len(s.parts)-1].number }

// plan compiles a query into streams, in the order of their branches. They are merged.
func (q *query) plan(fq *fhir.Query) ([]*stream, error) {
	a, err := q.read(fq.Where)
	if err != nil {
		return nil, err
	}
	for _, k := range fq.Sort {
		if k.Param == nil || q.keys[k.Param] == nil {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query._sort", "%s cannot be sorted by this parameter.", q.typ)
		}
	}
	sort := deciding(fq.Sort)
	for i, k := range sort {
		if i > 0 && q.roughly(k.Param) {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query._sort", "%s can only be the first sort key: the EHR does not keep it as dates.", k.Param.Name)
		}
	}
	var plan []*stream
	for _, m := range q.maps {
		c, parts := q.parts(m, &a)
		groups := [][]part{parts}
		if slices.ContainsFunc(sort, func(k fhir.SortKey) bool { return k.Param.Name != "_id" && !m.common[k.Param] }) {
			groups = slices.Collect(slices.Chunk(parts, 1))
		}
		for _, g := range groups {
			if len(g) > 0 {
				plan = append(plan, q.sorted(m, c, g, sort)...)
			}
		}
	}
	if len(plan) > maxStreams && len(sort) > 1 {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "http.query._sort", "Sorting %s by all of these at once divides the EHR's documents into too many parts. Sort by fewer.", q.typ)
	}
	return plan, nil
}

// parts compiles an expression for the branches of a map: what is asked of all of
// them, and the branches that can match. Conditions on elements that all branches
// share are compiled once.
func (q *query) parts(m *Mapping, a *ask) (cond, []part) {
	common, own := []cond{m.shared}, []*ask(nil)
	if q.lay {
		common = append(common, m.visible())
	}
	conjuncts := []ask{*a}
	if a.op == opAnd {
		conjuncts = a.parts
	}
	for i := range conjuncts {
		if e := &conjuncts[i]; m.shares(e) {
			common = append(common, q.cond(m.branches[0], e))
		} else {
			own = append(own, e)
		}
	}
	c := every(common...)
	if isNever(c) {
		return never, nil
	}
	parts := make([]part, 0, len(m.branches))
	for _, b := range m.branches {
		mine := b.own
		for _, e := range own {
			if mine = every(mine, q.cond(b, e)); isNever(mine) {
				break
			}
		}
		if !isNever(mine) {
			parts = append(parts, part{b, mine})
		}
	}
	return c, parts
}

// shares reports whether an expression means the same in all branches.
func (m *Mapping) shares(a *ask) bool {
	if a.op == opTerm {
		return m.common[a.param]
	}
	for i := range a.parts {
		if !m.shares(&a.parts[i]) {
			return false
		}
	}
	return true
}

// total counts the matches of a query, in whatever order.
func (r *Repository) total(ctx context.Context, q *query, fq *fhir.Query) (int64, error) {
	plan, err := q.plan(&fhir.Query{Type: fq.Type, Where: fq.Where})
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, s := range plan {
		if s.viewed() {
			n, err := r.countEach(ctx, s)
			if err != nil {
				return 0, err
			}
			sum += n
			continue
		}
		for _, p := range s.parts {
			n, err := r.count(ctx, s.Mapping, every(s.where, p.own))
			if err != nil {
				return 0, fmt.Errorf("counting in %s: %w", s.Collection, err)
			}
			sum += n
		}
	}
	return sum, nil
}

// readBatch is how many documents are read at once when all are looked at.
const readBatch = 100

// countEach counts what a stream makes by looking at all of it: no store counts elements
// or groups.
func (r *Repository) countEach(ctx context.Context, s *stream) (n int64, err error) {
	c := r.cursor(r.encoder(), s, readBatch)
	for err = c.settle(ctx); err == nil && len(c.items) > 0; err = c.next(ctx) {
		n++
	}
	return n, err
}

// count counts the documents of a map that satisfy c.
func (r *Repository) count(ctx context.Context, m *Mapping, c cond) (n int64, err error) {
	if f := c.lower(); !none(f) {
		if n, err = r.Store.Count(ctx, store.Query{Collection: m.Collection, Where: f}); err != nil {
			return 0, err
		}
	}
	if c.exact() {
		return n, nil
	}
	doubt, vain := conjunction([]store.Filter{c.upper(), negation(c.lower())}), 0
	for doc, err := range r.Store.Find(ctx, store.Query{Collection: m.Collection, Where: doubt, Fields: m.fields}) {
		if err != nil {
			return 0, err
		}
		if c.match(doc) {
			n++
			continue
		}
		if vain++; vain > maxVain {
			return 0, tooMuch(m.Resource)
		}
	}
	return n, nil
}
