package join

import (
	"context"
	"reflect"

	"github.com/portico-fhir/portico/fhir"
)

// lookup is a search on the way to the answer to a chain or _has.
type lookup struct {
	asked fhir.Type // on which the chain or _has stands
	known fhir.And
	expr  fhir.Expr // the chain or _has

	typ   fhir.Type // what is searched
	where fhir.Expr
	name  string // for messages

	// take gives the addresses that a hit leads to.
	take func(fhir.Resource) ([]address, error)
	// narrow gives a condition on hits that matter when these are all
	// the candidates.
	narrow func([]fhir.Resource) (fhir.Expr, error)
	// result makes the condition of the addresses.
	result func([]address) (fhir.Expr, error)
}

// answer is a chain or _has that was resolved; known is nil when it holds
// without.
type answer struct {
	asked  fhir.Type
	expr   fhir.Expr
	known  fhir.And
	result fhir.Expr
}

// candidates are the resources that known leaves; all is false when there were
// too many.
type candidates struct {
	asked     fhir.Type
	known     fhir.And
	resources []fhir.Resource
	all       bool
}

// answer resolves a chain or _has, each but once.
func (r *request) answer(ctx context.Context, l lookup) (fhir.Expr, error) {
	for _, a := range r.memo {
		if a.asked == l.asked && reflect.DeepEqual(a.expr, l.expr) && (a.known == nil || reflect.DeepEqual(a.known, l.known)) {
			return a.result, nil
		}
	}
	to, known, err := r.lookup(ctx, l)
	if err != nil {
		return nil, err
	}
	result, err := l.result(to)
	if err != nil {
		return nil, err
	}
	r.memo = append(r.memo, answer{l.asked, l.expr, known, result})
	return result, nil
}

// lookup finds the addresses. When the condition by itself leads to more than a
// few and the rest of the search leaves but few resources, it looks only at
// what those refer to or are referred to by; the answer is then right for what is
// known.
func (r *request) lookup(ctx context.Context, l lookup) (to []address, known fhir.And, err error) {
	where, err := r.resolve(ctx, l.typ, l.where, nil)
	if err == nil {
		var few bool
		if to, few, err = r.collect(ctx, l, where, r.glance); few {
			return to, nil, nil
		}
	}
	if err != nil && !costly(err) {
		return nil, nil, err
	}
	near, ok, failed := r.narrowed(ctx, l)
	switch {
	case failed != nil:
		return nil, nil, failed
	case ok:
		where, known = near, l.known
	case err != nil:
		return nil, nil, err
	}
	to, _, err = r.collect(ctx, l, where, 0)
	return to, known, err
}

// narrowed gives the resolved condition on those hits that can matter; ok is
// false when that is not known.
func (r *request) narrowed(ctx context.Context, l lookup) (where fhir.Expr, ok bool, err error) {
	c, err := r.candidates(ctx, l.asked, l.known)
	if err != nil || !c.all {
		return nil, false, err
	}
	near, err := l.narrow(c.resources)
	if err != nil || never(near) {
		return near, err == nil, err
	}
	where, err = r.resolve(ctx, l.typ, fhir.And{near, l.where}, nil)
	return where, err == nil, err
}

// collect gathers the addresses that all hits lead to. With a limit on the hits
// it gives up behind them: all is then false.
func (r *request) collect(ctx context.Context, l lookup, where fhir.Expr, limit int) (to []address, all bool, err error) {
	if never(where) {
		return nil, true, nil
	}
	count := pageSize
	if limit > 0 {
		count = limit + 1
	}
	seen := make(map[address]bool)
	hits := 0
	for res, err := range r.find(ctx, l.typ, where, count) {
		if err != nil {
			return nil, false, err
		}
		if hits++; limit > 0 && hits > limit {
			return nil, false, nil
		}
		more, err := l.take(res)
		if err != nil {
			return nil, false, err
		}
		for _, a := range more {
			seen[a] = true
		}
		if len(seen) > r.limits.IDs {
			return nil, false, fhir.Errorf(fhir.CodeTooCostly, "http.query",
				"%s leads to more than %d resources. Add conditions that narrow it, or search in two steps.", l.name, r.limits.IDs)
		}
	}
	return sorted(seen), true, nil
}

// candidates reads the resources for which known holds, if they are few.
func (r *request) candidates(ctx context.Context, t fhir.Type, known fhir.And) (candidates, error) {
	if len(known) == 0 {
		return candidates{}, nil
	}
	for _, c := range r.seen {
		if c.asked == t && reflect.DeepEqual(c.known, known) {
			return c, nil
		}
	}
	c := candidates{asked: t, known: known, all: true}
	size := 0
	for res, err := range r.find(ctx, t, known, r.most+1) {
		if err != nil {
			return c, err
		}
		if size += len(res.Body); len(c.resources) == r.most || size > maxCandidates {
			c.resources, c.all = nil, false
			break
		}
		c.resources = append(c.resources, res)
	}
	r.seen = append(r.seen, c)
	return c, nil
}

// costly reports whether a search failed for what it would have needed.
func costly(err error) bool { return fhir.Is(err, fhir.CodeTooCostly) }
