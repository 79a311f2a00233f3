package guard

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
)

// narrow gives the condition of a search that asks for where, among what the view
// permits. never says that nothing can satisfy it.
func (r *Repository) narrow(v *view, where fhir.Expr) (narrowed fhir.Expr, never bool, err error) {
	if slices.ContainsFunc(v.branches, func(b branch) bool { return b.of == nil && b.where == nil }) {
		return where, false, nil
	}
	var any fhir.Or
	for _, b := range v.branches {
		member, ok := r.member(v.typ, b.of, where)
		if rule := r.Policy.Record[v.typ]; ok && b.of != nil && rule.Through {
			if member, err = r.about(v.actor, v.typ, rule, b.of, where, member); err != nil {
				return nil, false, err
			}
		}
		if !ok {
			continue
		}
		e := flat(member, b.where)
		if e == nil {
			return where, false, nil // where says it already
		}
		any = append(any, e)
	}
	switch len(any) {
	case 0:
		return nil, true, nil
	case 1:
		return flat(any[0], where), false, nil
	}
	return flat(any, where), false, nil
}

// flat conjoins two conditions in one And, so that an index sees all that it could
// use.
func flat(parts ...fhir.Expr) fhir.Expr {
	var all fhir.And
	for _, e := range parts {
		switch e := e.(type) {
		case nil:
		case fhir.And:
			all = append(all, e...)
		default:
			all = append(all, e)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// member gives the condition that a resource is part of the record of one of the
// patients: nil when that holds for all, or for what satisfies where. ok is false
// when it cannot be asked here, so that nothing is known to be.
func (r *Repository) member(t fhir.Type, of *patients, where fhir.Expr) (e fhir.Expr, ok bool) {
	if of == nil {
		return nil, true
	}
	rule := r.Policy.Record[t]
	if rule == nil || of.none() {
		return nil, false
	}
	var p *fhir.SearchParam
	for _, name := range rule.Params {
		offered := r.param(t, name)
		if offered != nil && implied(offered, of, where) {
			return nil, true
		}
		if p == nil {
			p = offered
		}
	}
	if p == nil {
		return nil, false
	}
	any := terms(p, of)
	if rule.Unassigned {
		any = append(any, fhir.Term{Param: p, Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)})
	}
	if rule.Else != nil {
		if other := r.otherwise(t, rule, of); other != nil {
			any = append(any, other)
		}
	}
	if len(any) == 1 {
		return any[0], true
	}
	return any, true
}

// terms hold for what p leads to one of the patients.
func terms(p *fhir.SearchParam, of *patients) fhir.Or {
	ids := of.all()
	any := make(fhir.Or, len(ids))
	for i, id := range ids {
		if p.Type == fhir.ParamToken {
			any[i] = fhir.Term{Param: p, Value: fhir.TokenValue{Code: id, AnySystem: true}}
		} else {
			any[i] = fhir.Term{Param: p, Value: fhir.ReferenceValue{Type: "Patient", ID: id}}
		}
	}
	return any
}

// otherwise holds for what has no Element and refers to one of the patients by what
// counts then; nil when that cannot be asked here.
func (r *Repository) otherwise(t fhir.Type, rule *policy.Rule, of *patients) fhir.Expr {
	element := r.param(t, rule.Element) // the parameter for whatever it refers to
	if element == nil || strings.Contains(element.Expression, "resolve()") {
		return nil
	}
	var any fhir.Or
	for _, name := range rule.Else.Params {
		if p := r.param(t, name); p != nil {
			any = append(any, terms(p, of)...)
		}
	}
	if len(any) == 0 {
		return nil
	}
	return fhir.And{fhir.Term{Param: element, Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)}, any}
}

// implied reports whether all that satisfies where is part of the record of one of
// the patients, since where asks for that by the parameter.
func implied(p *fhir.SearchParam, of *patients, where fhir.Expr) bool {
	switch e := where.(type) {
	case fhir.And:
		return slices.ContainsFunc(e, func(part fhir.Expr) bool { return implied(p, of, part) })
	case fhir.Or:
		return len(e) > 0 && !slices.ContainsFunc(e, func(part fhir.Expr) bool { return !implied(p, of, part) })
	case fhir.Term:
		if e.Param != p || e.Modifier != "" {
			return false
		}
		switch v := e.Value.(type) {
		case fhir.ReferenceValue:
			return v.Type == "Patient" && v.URL == "" && of.has(v.ID)
		case fhir.TokenValue:
			return p.Name == "_id" && v.AnySystem && !v.AnyCode && of.has(v.Code)
		}
	}
	return false
}
