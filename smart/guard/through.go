package guard

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
)

// Bounds on what is part of a record through what it refers to.
const (
	maxThrough = 1000 // references of one resource
	maxAbout   = 1000 // resources that a search, or what is shown, names
)

// through reports whether a resource refers to patients and parts of their records,
// and to nothing else of this server.
func (r *Repository) through(ctx context.Context, res fhir.Resource, rule *policy.Rule, of *patients) (bool, error) {
	keys := make(map[fhir.Key]bool)
	follow(res.Body, rule.Path(), func(reference []byte) bool {
		if ref := fhir.ParseReference(text(member(reference, "reference")), r.Base); ref.Kind == fhir.RefLocal {
			keys[ref.Key] = true
		}
		return len(keys) <= maxThrough
	})
	if len(keys) == 0 || len(keys) > maxThrough {
		return false, nil
	}
	for key := range keys {
		in, err := r.partOf(ctx, key, of)
		if err != nil || !in {
			return false, err
		}
	}
	return true, nil
}

// partOf reports whether the resource with a key is part of the record of one of the
// patients, or is about to be.
func (r *Repository) partOf(ctx context.Context, key fhir.Key, of *patients) (bool, error) {
	if key.Type == "Patient" {
		return of.has(key.ID), nil
	}
	if body, ok := besides(ctx, key); ok {
		return r.direct(ctx, fhir.Resource{Key: key, Body: body}, of)
	}
	res, err := r.Inner.Read(ctx, key)
	if fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return r.direct(ctx, res, of)
}

// direct is belongs, without going through yet another resource.
func (r *Repository) direct(ctx context.Context, res fhir.Resource, of *patients) (bool, error) {
	if rule := r.Policy.Record[res.Type]; rule == nil || rule.Through {
		return false, nil
	}
	return r.belongs(ctx, res, of)
}

// besideKey is that of the changes of a commit in its context.
type besideKey struct{}

// alongside gives a context that knows the resources that are written together.
func alongside(ctx context.Context, changes []fhir.Change) context.Context {
	bodies := make(map[fhir.Key][]byte, len(changes))
	for _, c := range changes {
		if c.Key.ID != "" && c.Method != fhir.Delete {
			bodies[c.Key] = c.Body
		}
	}
	return context.WithValue(ctx, besideKey{}, bodies)
}

// besides gives the body of what is written together with what is looked at.
func besides(ctx context.Context, key fhir.Key) ([]byte, bool) {
	bodies, _ := ctx.Value(besideKey{}).(map[fhir.Key][]byte)
	body, ok := bodies[key]
	return body, ok
}

// about gives the condition of a search for what is part of a record through what it
// refers to: to which of the resources that where names, as far as they are part of it.
// Where it names none, it is member: to a patient.
func (r *Repository) about(ctx context.Context, t fhir.Type, rule *policy.Rule, of *patients, where, member fhir.Expr) (fhir.Expr, error) {
	p := r.param(t, rule.Params[len(rule.Params)-1])
	if p == nil {
		return member, nil
	}
	keys := targets(p, where)
	if len(keys) == 0 {
		return member, nil
	}
	if len(keys) > maxAbout {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "http.query", "The search names more than %d resources by %s.", maxAbout, p.Name)
	}
	any := fhir.Or{}
	for _, key := range keys {
		in, err := r.partOf(ctx, key, of)
		if err != nil {
			return nil, err
		}
		if in {
			any = append(any, fhir.Term{Param: p, Value: fhir.ReferenceValue{Type: key.Type, ID: key.ID}})
		}
	}
	return any, nil
}

// targets gives the resources to one of which what satisfies where refers by p: none
// when where does not say.
func targets(p *fhir.SearchParam, where fhir.Expr) []fhir.Key {
	switch e := where.(type) {
	case fhir.And:
		for _, part := range e {
			if keys := targets(p, part); keys != nil {
				return keys
			}
		}
	case fhir.Or:
		var all []fhir.Key
		for _, part := range e {
			keys := targets(p, part)
			if keys == nil {
				return nil
			}
			all = append(all, keys...)
		}
		return all
	case fhir.Term:
		ref, ok := e.Value.(fhir.ReferenceValue)
		if ok && e.Param == p && e.Modifier == "" {
			if ref.Type == "" || ref.URL != "" {
				return []fhir.Key{} // of which nothing is part of a record
			}
			return []fhir.Key{{Type: ref.Type, ID: ref.ID}}
		}
	}
	return nil
}
