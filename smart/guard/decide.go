package guard

import (
	"context"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// view is what of a type is permitted: what is in one of its branches. A view
// without branches is of nothing.
type view struct {
	typ      fhir.Type
	branches []branch
	hide     policy.Hidden
	actor    context.Context // for Inner
	self     fhir.Key        // who asks

	apart []string          // path of what is shown apart (policy.Policy.Apart); nil for nothing
	of    []*patients       // whose records the caller may know of there
	known map[fhir.Key]bool // whether the caller may, of what was looked at
}

// branch is a condition on resources: they are part of the record of one of the
// patients and, if there is a where, satisfy that.
type branch struct {
	of    *patients // nil: of anybody's, or nobody's
	where fhir.Expr // nil: no more is asked
}

// whole reports whether all there is of the type is permitted, and shown as it is.
func (v *view) whole() bool {
	return len(v.hide.Elements) == 0 && v.apart == nil && slices.ContainsFunc(v.branches, func(b branch) bool { return b.of == nil && b.where == nil })
}

// decide says what of a type the caller may do what letters and action stand for.
// The order is normative. What fails later never adds to what failed before: each
// step only takes away.
//
//  1. The token is live: whoever put the Access into the context has seen to that.
//     Without one it is CodeLogin.
//  2. Whose record: the patient of the token, or those that a clinician treats.
//  3. A proxy's grant has effect now; else the patient is as if there were none.
//  4. (Safeguarding blocks of a person towards a patient: not kept yet.)
//  5. The category and the action are permitted by the matrix and the grant.
//  6. The scopes permit the type and the letter; else CodeForbidden.
//  7. (The label is within the ceiling: resources are not labeled yet. What the matrix
//     permits only below a label is not permitted.)
//  8. Rules for writing: lay.go.
//  9. (Audit, then the answer: the trail is not kept yet.)
func (r *Repository) decide(ctx context.Context, t fhir.Type, letters scope.Letters, action policy.Action) (*view, error) {
	a := access.From(ctx)
	scopes, err := scopesOf(a, t, letters) // steps 1 and 6: these refusals depend on nothing else
	if err != nil {
		return nil, err
	}
	v := &view{typ: t, actor: behind(ctx, a), self: a.Actor}
	for _, s := range scopes {
		bases, err := r.bases(ctx, a, s.context, t, action, v)
		if err != nil {
			return nil, err
		}
		for _, b := range bases {
			v.branches = append(v.branches, r.filtered(t, b, s)...)
		}
	}
	return v, r.setApart(ctx, a, v)
}

// setApart says of a view what is shown apart, and whose records the caller may know of
// there: those that the view is of, and for what is about no patient those of all
// patients whom the caller may see.
func (r *Repository) setApart(ctx context.Context, a *access.Access, v *view) error {
	if a.Kind == access.System || len(v.branches) == 0 {
		return nil
	}
	if v.apart = r.Policy.ApartPath(v.typ); v.apart == nil {
		return nil
	}
	for _, b := range v.branches {
		if b.of != nil {
			v.of = append(v.of, b.of)
		}
	}
	if r.Policy.Class(v.typ) != policy.Shared {
		return nil
	}
	for _, c := range contexts[a.Kind] {
		bases, err := r.bases(ctx, a, c, "Patient", policy.See, &view{})
		if err != nil {
			return err
		}
		for _, b := range bases {
			v.of = append(v.of, b.of)
		}
	}
	return nil
}

// permission is what the scopes of one context permit.
type permission struct {
	context scope.Context
	filters []string // nil: without restriction
}

// scopesOf gives what the scopes permit, by context. A context that is not for the
// kind of caller permits nothing. CodeForbidden when nothing is permitted, CodeLogin
// without an Access.
func scopesOf(a *access.Access, t fhir.Type, letters scope.Letters) ([]permission, error) {
	if a == nil || a.Kind == 0 {
		return nil, fhir.Errorf(fhir.CodeLogin, "", "This needs an access token.")
	}
	var all []permission
	for _, c := range contexts[a.Kind] {
		if granted, filters := a.Scopes.Allows(c, t, letters); granted {
			all = append(all, permission{c, filters})
		}
	}
	if all == nil {
		return nil, fhir.Errorf(fhir.CodeForbidden, "", "The token has no scope for this on %s.", t)
	}
	return all, nil
}

var contexts = map[access.Kind][]scope.Context{
	access.Patient:   {scope.Patient, scope.User},
	access.Proxy:     {scope.Patient, scope.User},
	access.Clinician: {scope.Patient, scope.User},
	access.System:    {scope.System},
}

// bases gives what the policy permits the caller, the scopes aside.
func (r *Repository) bases(ctx context.Context, a *access.Access, c scope.Context, t fhir.Type, action policy.Action, v *view) ([]branch, error) {
	if a.Kind == access.System {
		return []branch{{}}, nil
	}
	class := r.Policy.Class(t)
	switch {
	case class == policy.Shared && action == policy.See:
		return []branch{{}}, nil
	case class != policy.Record && (class != policy.AsAttached || action != policy.See):
		return nil, nil
	}
	switch a.Kind {
	case access.Patient:
		own := a.Actor.Type == "Patient" && a.Actor.ID != "" && (a.Patient == a.Actor.ID || a.Patient == "" && c == scope.User)
		if !own {
			return nil, nil
		}
		return []branch{{of: one(a.Actor.ID)}}, nil
	case access.Proxy:
		return r.delegated(ctx, a, t, action, v)
	case access.Clinician:
		treated, err := r.treats(ctx, a.Actor)
		if err != nil {
			return nil, err
		}
		if c == scope.Patient {
			treated = treated.only(a.Patient)
		}
		if treated.none() {
			return nil, nil
		}
		return []branch{{of: treated}}, nil
	}
	return nil, nil
}

// delegated gives what a proxy's grant permits now.
func (r *Repository) delegated(ctx context.Context, a *access.Access, t fhir.Type, action policy.Action, v *view) ([]branch, error) {
	e, err := r.opened(ctx, a)
	if err != nil || e == nil || e.Patient != a.Patient || e.Proxy != a.Actor {
		return nil, err
	}
	v.hide = e.Hide[t]
	var all []branch
	for _, part := range r.Policy.Opens(e, t, action) {
		b := branch{of: one(a.Patient)}
		if part.Own {
			if b.where = r.partyTo(t, a.Actor); b.where == nil {
				continue
			}
		}
		if part.Filter != "" {
			where, ok := r.filter(t, part.Filter)
			if !ok {
				continue
			}
			b.where = flat(b.where, where)
		}
		all = append(all, b)
	}
	return all, nil
}

// asksAgain is how long what a grant permitted when the token was looked at holds: a
// request asks once, unless it goes on for longer.
const asksAgain = time.Second

// opened gives what a proxy's grant permits now; nil when it has no effect.
func (r *Repository) opened(ctx context.Context, a *access.Access) (*policy.Effective, error) {
	if a.Grant == "" || a.Patient == "" {
		return nil, nil
	}
	if age := r.now().Sub(a.Asked); a.Opened != nil && a.Opened.Grant == a.Grant && age >= 0 && age < asksAgain {
		return a.Opened, nil
	}
	if r.Grants == nil {
		return nil, nil
	}
	e, ok, err := r.Grants.Live(ctx, a.Grant)
	if err != nil || !ok {
		return nil, err
	}
	return &e, nil
}

// partyTo holds for what a proxy is a party of; nil when that cannot be told.
func (r *Repository) partyTo(t fhir.Type, actor fhir.Key) fhir.Expr {
	if t == actor.Type {
		if id := r.param(t, "_id"); id != nil {
			return fhir.Term{Param: id, Value: fhir.TokenValue{Code: actor.ID, AnySystem: true}}
		}
		return nil
	}
	var any fhir.Or
	for _, name := range parties[t] {
		if p := r.param(t, name); p != nil {
			any = append(any, fhir.Term{Param: p, Value: fhir.ReferenceValue{Type: actor.Type, ID: actor.ID}})
		}
	}
	if len(any) == 0 {
		return nil
	}
	return any
}

// parties are the parameters that name those who take part.
var parties = map[fhir.Type][]string{"Communication": {"sender", "recipient"}, "Consent": {"actor"}, "AuditEvent": {"agent"}}

// filtered narrows a branch by the filters of granular scopes. One that cannot be
// asked here permits nothing.
func (r *Repository) filtered(t fhir.Type, b branch, s permission) []branch {
	if s.filters == nil {
		return []branch{b}
	}
	var any fhir.Or
	for _, f := range s.filters {
		if where, ok := r.filter(t, f); ok {
			any = append(any, where)
		}
	}
	switch len(any) {
	case 0:
		return nil
	case 1:
		return []branch{{b.of, flat(b.where, any[0])}}
	}
	return []branch{{b.of, flat(b.where, any)}}
}
