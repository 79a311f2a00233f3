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
	order []store.Key // complete
	last  bool        // holds what has no value for the first sort key
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

// plan compiles a query into streams, in the order of their branches. Streams with
// the same last are merged; those with last come after all others.
func (q *query) plan(fq *fhir.Query) ([]*stream, error) {
	a, err := q.read(fq.Where)
	if err != nil {
		return nil, err
	}
	for _, k := range fq.Sort {
		if k.Param == nil || !slices.Contains(q.sortable, k.Param.Name) {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query._sort", "%s cannot be sorted by this parameter.", q.typ)
		}
	}
	var plan []*stream
	for _, m := range q.maps {
		c, parts := q.parts(m, &a)
		groups := [][]part{parts}
		if slices.ContainsFunc(fq.Sort, func(k fhir.SortKey) bool { return k.Param.Name != "_id" && !m.common[k.Param] }) {
			groups = slices.Collect(slices.Chunk(parts, 1))
		}
		for _, g := range groups {
			if len(g) == 0 {
				continue
			}
			streams, err := q.sorted(m, c, g, fq.Sort)
			if err != nil {
				return nil, err
			}
			plan = append(plan, streams...)
		}
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

// sorted splits branches by whether they have the first sort key, which is the
// same for all of them.
func (q *query) sorted(m *Mapping, c cond, parts []part, sort []fhir.SortKey) ([]*stream, error) {
	first := &stream{Mapping: m, where: c, parts: parts}
	without := &stream{Mapping: m, where: never, parts: parts, last: true}
	add := func(k store.Key) {
		first.order = append(first.order, k)
		if len(first.order) > 1 {
			without.order = append(without.order, k)
		}
	}
	for i, k := range sort {
		if k.Param.Name == "_id" {
			if m.group != nil {
				add(store.Key{Path: m.id.path, Desc: k.Desc})
				break
			}
			add(store.Key{Path: "_id", Desc: k.Desc})
			break
		}
		key := q.keys[k.Param][parts[0].number]
		path := noField
		if key.moment != nil {
			path = key.path
			if i > 0 && key.text {
				return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query._sort", "%s can only be the first sort key.", k.Param.Name)
			}
		}
		add(store.Key{Path: path, Desc: k.Desc})
		if i == 0 {
			first.where, without.where = every(c, key.present), every(c, not(key.present))
		}
	}
	var out []*stream
	for _, s := range []*stream{first, without} {
		if !isNever(s.where) {
			switch {
			case m.group == nil:
				s.order = store.CompleteOrder(s.order)
			case s.order == nil:
				s.order = []store.Key{{Path: m.id.path}}
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// noField is the sort path of branches that do not have a key: no document has it.
const noField = "-"

// total counts the matches of a plan.
func (r *Repository) total(ctx context.Context, plan []*stream) (int64, error) {
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

// countBatch is how many documents are read at once when they are counted.
const countBatch = 500

// countEach counts what a stream makes by looking at all of it: no store counts elements
// or groups.
func (r *Repository) countEach(ctx context.Context, s *stream) (n int64, err error) {
	c := r.cursor(r.encoder(), s, nil, countBatch)
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
	doubt := conjunction([]store.Filter{c.upper(), negation(c.lower())})
	for doc, err := range r.Store.Find(ctx, store.Query{Collection: m.Collection, Where: doubt, Fields: m.fields}) {
		if err != nil {
			return 0, err
		}
		if c.match(doc) {
			n++
		}
	}
	return n, nil
}
