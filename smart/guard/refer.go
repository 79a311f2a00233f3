package guard

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
)

// refersToSeen lets what is written refer only to those parts of patients' records that
// the caller sees: whether others exist would show where references must lead
// somewhere. An attachment would open what it leads to. What old refers to may stay.
func (r *Repository) refersToSeen(ctx context.Context, a *access.Access, old, changed fhir.Resource) error {
	had := make(map[fhir.Key]bool)
	for _, key := range r.referred(old.Body) {
		had[key] = true
	}
	for _, key := range r.referred(changed.Body) {
		if had[key] || key == a.Actor || key == changed.Key || r.open(a, key.Type) {
			continue
		}
		had[key] = true
		if _, ok := besides(ctx, key); ok {
			continue // it is judged by itself
		}
		seen, err := r.sees(ctx, a, key)
		if err != nil {
			return err
		}
		if !seen {
			return fhir.Errorf(fhir.CodeBusinessRule, string(changed.Type), "The resource refers to a %s that is not there for this token.", key.Type)
		}
	}
	return nil
}

// open reports whether somebody may refer to all resources of a type: those that are about
// no patient. Clinicians may also name those that only backend services see.
func (r *Repository) open(a *access.Access, t fhir.Type) bool {
	class := r.Policy.Class(t)
	return class == policy.Shared || class == policy.Closed && a.Kind == access.Clinician
}

// sees reports whether the policy lets a caller see a resource, whatever the scopes say.
func (r *Repository) sees(ctx context.Context, a *access.Access, key fhir.Key) (bool, error) {
	v := &view{typ: key.Type, actor: behind(ctx, a), self: a.Actor}
	for _, c := range contexts[a.Kind] {
		bases, err := r.bases(ctx, a, c, key.Type, policy.See, v)
		if err != nil {
			return false, err
		}
		v.branches = append(v.branches, bases...)
	}
	if rule := r.Policy.Record[key.Type]; rule != nil && rule.Self { // no matter whether it is kept here
		return slices.ContainsFunc(v.branches, func(b branch) bool { return b.of.has(key.ID) }), nil
	}
	res, err := r.Inner.Read(v.actor, key)
	_, err = r.handOut(v, res, err, notFound(key))
	if fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) {
		return false, nil
	}
	return err == nil, err
}

// referred gives the resources of this server that a resource refers to, or has the URL
// of, as an attachment.
func (r *Repository) referred(body []byte) []fhir.Key {
	var all []fhir.Key
	var look func(any)
	look = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, one := range v {
				look(one)
			}
		case map[string]any:
			for _, name := range []string{"reference", "url"} {
				text, _ := v[name].(string)
				if ref := fhir.ParseReference(text, r.Base); ref.Kind == fhir.RefLocal {
					all = append(all, ref.Key)
				}
			}
			for _, one := range v {
				look(one)
			}
		}
	}
	var value any
	if json.Unmarshal(body, &value) == nil {
		look(value)
	}
	return all
}
