package terminology

import (
	"context"
	"errors"
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// asks reports whether there is something to resolve in a condition.
func asks(e fhir.Expr) bool {
	return fhir.Some(e, func(e fhir.Expr) bool {
		t, ok := e.(fhir.Term)
		return ok && ours(t)
	})
}

// ours reports whether a term needs a value set or a code system.
func ours(t fhir.Term) bool {
	switch t.Modifier {
	case fhir.ModIn:
		return true
	case fhir.ModAbove, fhir.ModBelow:
		_, token := t.Value.(fhir.TokenValue)
		return token
	}
	return false
}

// resolve gives the same condition with sets of tokens.
func (r *request) resolve(ctx context.Context, e fhir.Expr) (fhir.Expr, error) {
	if !asks(e) {
		return e, nil
	}
	switch e := e.(type) {
	case fhir.And:
		parts, err := r.all(ctx, e)
		return fhir.And(parts), err
	case fhir.Or:
		parts, err := r.all(ctx, e)
		return fhir.Or(parts), err
	case fhir.Not:
		part, err := r.resolve(ctx, e.Expr)
		return fhir.Not{Expr: part}, err
	case fhir.Chain:
		where, err := r.resolve(ctx, e.Where)
		return fhir.Chain{Param: e.Param, Target: e.Target, Where: where}, err
	case fhir.Has:
		where, err := r.resolve(ctx, e.Where)
		return fhir.Has{Source: e.Source, Param: e.Param, Where: where}, err
	case fhir.Term:
		return r.term(ctx, e)
	}
	return e, nil
}

func (r *request) all(ctx context.Context, es []fhir.Expr) ([]fhir.Expr, error) {
	out := make([]fhir.Expr, len(es))
	for i, e := range es {
		var err error
		if out[i], err = r.resolve(ctx, e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// term replaces what is asked by the tokens that it stands for.
func (r *request) term(ctx context.Context, t fhir.Term) (fhir.Expr, error) {
	found, err := r.members(ctx, t)
	if err != nil {
		return nil, at(err, t.Param)
	}
	if n := len(found.codings); n > maxCodes {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "http."+t.Param.Name, "The value of %s:%s stands for %d codes; at most %d can be searched for.", t.Param.Name, t.Modifier, n, maxCodes)
	}
	return fhir.Term{Param: t.Param, Value: found.tokens()}, nil
}

func (r *request) members(ctx context.Context, t fhir.Term) (set, error) {
	switch v := t.Value.(type) {
	case fhir.URIValue:
		return r.valueSet(ctx, string(v))
	case fhir.TokenValue:
		return r.related(ctx, v, t.Modifier)
	}
	return set{}, fhir.Errorf(fhir.CodeInvalid, "", "%s:%s has no such value.", t.Param.Name, t.Modifier)
}

// related gives a code and those above or below it.
func (r *request) related(ctx context.Context, v fhir.TokenValue, m fhir.Modifier) (set, error) {
	sys, err := r.codeSystem(ctx, v.System, "")
	if err != nil {
		return set{}, err
	}
	if sys == nil {
		return set{}, unknownSystem(v.System, "")
	}
	next := sys.children
	if m == fhir.ModAbove {
		next = sys.parents
	}
	codes, err := sys.around(v.Code, next)
	if err != nil {
		return set{}, err
	}
	out := newSet()
	for code := range codes {
		out.codings[coding{v.System, code}] = true
	}
	return out, nil
}

// at says which parameter an error is about.
func at(err error, p *fhir.SearchParam) error {
	var e *fhir.Error
	if !errors.As(err, &e) {
		return err
	}
	issues := slices.Clone(e.Issues)
	for i := range issues {
		if issues[i].Path == "" {
			issues[i].Path = "http." + p.Name
		}
	}
	return &fhir.Error{Issues: issues, Err: e.Err}
}
