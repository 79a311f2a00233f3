package join

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// joins reports whether there is a chain or _has in a condition.
func joins(e fhir.Expr) bool {
	return fhir.Some(e, func(e fhir.Expr) bool {
		switch e.(type) {
		case fhir.Chain, fhir.Has:
			return true
		}
		return false
	})
}

// never reports whether nothing satisfies a resolved condition.
func never(e fhir.Expr) bool {
	or, ok := e.(fhir.Or)
	return ok && len(or) == 0
}

// resolve gives a condition without chains and _has that holds for the same
// resources of type t, among those for which known holds: the rest does not
// matter, since the caller asks for both. It is nil where all of them satisfy it,
// and an empty Or where none does.
func (r *request) resolve(ctx context.Context, t fhir.Type, e fhir.Expr, known fhir.And) (fhir.Expr, error) {
	if !joins(e) {
		return e, nil
	}
	switch e := e.(type) {
	case fhir.And:
		return r.and(ctx, t, e, known)
	case fhir.Or:
		return r.or(ctx, t, e, known)
	case fhir.Not:
		part, err := r.resolve(ctx, t, e.Expr, known)
		switch {
		case err != nil:
			return nil, err
		case never(part):
			return nil, nil
		case part == nil:
			return fhir.Or{}, nil
		}
		return fhir.Not{Expr: part}, nil
	case fhir.Chain:
		return r.chain(ctx, t, e, known)
	case fhir.Has:
		return r.has(ctx, t, e, known)
	}
	return e, nil
}

// and resolves the parts of a conjunction, each with the help of what the
// others say. The parts stay in their order.
func (r *request) and(ctx context.Context, t fhir.Type, e, known fhir.And) (fhir.Expr, error) {
	known = append(fhir.And{}, known...)
	for _, part := range e {
		if !joins(part) {
			known = append(known, part)
		}
	}
	out := fhir.And{}
	for _, part := range e {
		if !joins(part) {
			out = append(out, part)
			continue
		}
		resolved, err := r.resolve(ctx, t, part, known)
		switch {
		case err != nil || never(resolved):
			return resolved, err
		case resolved == nil:
			continue
		}
		out = append(out, resolved)
		known = append(known, resolved)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// or resolves the parts of a disjunction into one.
func (r *request) or(ctx context.Context, t fhir.Type, e fhir.Or, known fhir.And) (fhir.Expr, error) {
	out := fhir.Or{}
	for _, part := range e {
		part, err := r.resolve(ctx, t, part, known)
		if err != nil || part == nil {
			return part, err
		}
		if or, ok := part.(fhir.Or); ok {
			out = append(out, or...)
		} else {
			out = append(out, part)
		}
	}
	return out, nil
}

// chain turns a condition on what is referred to into one on the reference.
func (r *request) chain(ctx context.Context, t fhir.Type, c fhir.Chain, known fhir.And) (fhir.Expr, error) {
	if err := r.of(t).can(c.Param); err != nil {
		return nil, err
	}
	return r.answer(ctx, lookup{
		asked: t, known: known, expr: c,
		typ: c.Target, where: c.Where,
		name: c.Param.Name + "." + string(c.Target),
		take: r.addresses,
		narrow: func(matches []fhir.Resource) (fhir.Expr, error) {
			refs, err := gather(matches, func(res fhir.Resource) ([]address, error) { return r.follow(res, c.Param, c.Target) })
			if err != nil {
				return nil, err
			}
			return r.of(c.Target).at(refs)
		},
		result: func(to []address) (fhir.Expr, error) { return referring(c.Param, to), nil },
	})
}

// has turns a condition on what refers to a resource into one on its id.
func (r *request) has(ctx context.Context, t fhir.Type, h fhir.Has, known fhir.And) (fhir.Expr, error) {
	if err := r.of(h.Source).can(h.Param); err != nil {
		return nil, err
	}
	return r.answer(ctx, lookup{
		asked: t, known: known, expr: h,
		typ: h.Source, where: h.Where,
		name: "_has:" + string(h.Source) + ":" + h.Param.Name,
		take: func(res fhir.Resource) ([]address, error) { return r.follow(res, h.Param, t) },
		narrow: func(matches []fhir.Resource) (fhir.Expr, error) {
			own, err := gather(matches, r.addresses)
			if err != nil {
				return nil, err
			}
			return referring(h.Param, own), nil
		},
		result: r.of(t).at,
	})
}

// follow gives what a resource refers to by p that may be of type t.
func (r *request) follow(res fhir.Resource, p *fhir.SearchParam, t fhir.Type) ([]address, error) {
	doc, err := parse(res)
	if err != nil {
		return nil, err
	}
	refs, err := r.references(doc, res.Type, p)
	return slices.DeleteFunc(refs, func(a address) bool { return !r.of(t).leadsTo(a) }), err
}

// gather collects what resources give, each address once.
func gather(resources []fhir.Resource, from func(fhir.Resource) ([]address, error)) ([]address, error) {
	seen := make(map[address]bool)
	for _, res := range resources {
		all, err := from(res)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			seen[a] = true
		}
	}
	return sorted(seen), nil
}
