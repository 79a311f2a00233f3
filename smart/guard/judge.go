package guard

import (
	"context"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/extent"
	"github.com/portico-fhir/portico/smart/policy"
)

// shows reports whether a resource is within the view.
func (r *Repository) shows(v *view, res fhir.Resource) (bool, error) {
	for _, b := range v.branches {
		in, err := r.belongs(v.actor, res, b.of)
		if err != nil {
			return false, err
		}
		if in && b.where != nil {
			if in, err = r.matcher().Match(res.Type, res.Body, b.where); err != nil {
				return false, err
			}
		}
		if in {
			return true, nil
		}
	}
	return false, nil
}

// belongs reports whether a resource is part of the record of one of the patients.
func (r *Repository) belongs(ctx context.Context, res fhir.Resource, of *patients) (bool, error) {
	switch {
	case of == nil:
		return true, nil
	case r.Policy.Class(res.Type) == policy.AsAttached:
		return r.attached(ctx, res.Key, of)
	}
	rule := r.Policy.Record[res.Type]
	switch {
	case rule == nil:
		return false, nil
	case rule.Self:
		return of.has(res.ID), nil
	case rule.Through:
		return r.through(ctx, res, rule, of)
	}
	s := subjects{base: r.Base, of: of, versions: rule.Versions}
	s.look(res.Body, rule.Path())
	switch {
	case s.found:
		return true, nil
	case s.any:
		return false, nil
	case rule.Unassigned:
		return true, nil
	}
	for _, path := range rule.ElsePaths() {
		s.look(res.Body, path)
	}
	return s.found, nil
}

// subjects looks for references to patients.
type subjects struct {
	base     string
	of       *patients
	versions bool // references that name a version count
	any      bool // there is an element, wherever it leads
	found    bool // there is a reference to one of the patients
}

// look follows the path from a resource.
func (s *subjects) look(body []byte, path []string) {
	follow(body, path, func(reference []byte) bool {
		s.any = true
		id, ok := patientOf(reference, s.base, s.versions)
		s.found = s.found || ok && s.of.has(id)
		return !s.found
	})
}

// patientOf gives the patient to whom a Reference is; ok is false for all other
// References, and unless versions for those that name a version.
func patientOf(reference []byte, base string, versions bool) (id string, ok bool) {
	url := text(member(reference, "reference"))
	if id, ok = strings.CutPrefix(url, "Patient/"); ok && fhir.ValidID(id) {
		return id, true
	}
	ref := fhir.ParseReference(url, base)
	ok = ref.Kind == fhir.RefLocal && ref.Key.Type == "Patient" && (versions || ref.Version == "") && ref.Fragment == ""
	return ref.Key.ID, ok
}

// follow calls visit with the objects at a path below an object, through all values
// of arrays, until it returns false.
func follow(src []byte, path []string, visit func([]byte) bool) (more bool) {
	at := extent.Space(src, 0)
	switch {
	case at == len(src):
		return true
	case src[at] == '[':
		m, _ := inside(src)
		for m.next() {
			if !follow(m.value, path, visit) {
				return false
			}
		}
		return true
	case src[at] != '{':
		return true
	case len(path) == 0:
		return visit(src)
	}
	return follow(member(src, path[0]), path[1:], visit)
}

// attached reports whether a resource is an attachment of one that is part of the
// record of one of the patients.
func (r *Repository) attached(ctx context.Context, key fhir.Key, of *patients) (bool, error) {
	rule := r.Policy.Attached[key.Type]
	var any fhir.Or
	for _, name := range rule.Params {
		if p := r.param(rule.By, name); p != nil {
			for _, url := range []string{key.String(), r.Base + "/" + key.String()} {
				any = append(any, fhir.Term{Param: p, Value: fhir.URIValue(url)})
			}
		}
	}
	member, ok := r.member(rule.By, of, nil)
	if !ok || len(any) == 0 {
		return false, nil
	}
	page, err := r.Inner.Search(ctx, &fhir.Query{Type: rule.By, Where: flat(member, any), Count: 1})
	return len(page.Resources) > 0, err
}
