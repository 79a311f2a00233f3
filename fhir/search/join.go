package search

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// chain reads what stands behind a reference parameter (R4 3.1.1.4.13): a
// condition on the resource referred to. Without a type it may be any that the
// parameter refers to and that has the next parameter.
func (r *reader) chain(param *fhir.SearchParam, target fhir.Type, rest string, p Pair, depth int) fhir.Expr {
	if param.Type != fhir.ParamReference {
		r.fail(fhir.CodeInvalid, p.Name, "%q is a %s, not a reference: nothing can be chained to it.", param.Name, param.Type)
		return nil
	}
	targets := []fhir.Type{target}
	switch {
	case target != "" && !target.Valid():
		r.fail(fhir.CodeInvalid, p.Name, "%q is no resource type.", string(target))
		return nil
	case target != "" && !allows(param, target):
		r.fail(fhir.CodeInvalid, p.Name, "%q never refers to a %s.", param.Name, target)
		return nil
	case target == "":
		targets = r.chainTargets(param, rest)
	}
	if len(targets) == 0 {
		r.refuse(p.Name, "None of the types that %q refers to can be searched by %q here.", param.Name, rest)
		return nil
	}
	return r.through(param, targets, func(t fhir.Type) fhir.Expr { return r.criterion(t, rest, p, depth+1) })
}

// through gives the condition that what param refers to satisfies where, which reads it for a
// type and gives nil after noting a problem. Of several types those count that can say it.
func (r *reader) through(param *fhir.SearchParam, targets []fhir.Type, where func(fhir.Type) fhir.Expr) fhir.Expr {
	var or fhir.Or
	var refused []fhir.Issue
	for _, t := range targets {
		before := len(r.issues)
		if e := where(t); e != nil {
			or = append(or, fhir.Chain{Param: param, Target: t, Where: e})
			continue
		}
		refused = slices.Clone(r.issues[before:])
		if len(targets) == 1 || !slices.ContainsFunc(refused, notSupported) {
			return nil
		}
		r.issues = r.issues[:before] // another type may have what this one lacks further on
	}
	switch len(or) {
	case 0:
		r.issues = append(r.issues, refused...)
		return nil
	case 1:
		return or[0]
	}
	return or
}

func notSupported(is fhir.Issue) bool { return is.Code == fhir.CodeNotSupported }

// chainTargets are the types for which the next link exists.
func (r *reader) chainTargets(param *fhir.SearchParam, rest string) []fhir.Type {
	candidates := param.Targets
	if only := onlyTarget(param); only != "" {
		candidates = []fhir.Type{only}
	}
	next, _, _ := strings.Cut(rest, ".")
	next, _, _ = strings.Cut(next, ":")
	var targets []fhir.Type
	for _, t := range candidates {
		has := func(c *fhir.SearchParam) bool { return c.Name == next }
		if next == "_has" || next == "_list" || next == Filter || slices.ContainsFunc(r.capability(t).Params, has) {
			targets = append(targets, t)
		}
	}
	return targets
}

// has reads Type:reference:condition, what stands behind _has: (R4
// 3.1.1.4.14).
func (r *reader) has(t fhir.Type, rest string, p Pair, depth int) fhir.Expr {
	parts := strings.SplitN(rest, ":", 3)
	if len(parts) < 3 || parts[2] == "" {
		r.fail(fhir.CodeInvalid, p.Name, "_has is written _has:Type:reference:parameter.")
		return nil
	}
	source := fhir.Type(parts[0])
	if !source.Valid() {
		r.fail(fhir.CodeInvalid, p.Name, "%q is no resource type.", parts[0])
		return nil
	}
	param := r.param(source, parts[1], p)
	switch {
	case param == nil:
		return nil
	case param.Type != fhir.ParamReference || !allows(param, t):
		r.fail(fhir.CodeInvalid, p.Name, "%s.%s never refers to a %s.", source, param.Name, t)
		return nil
	}
	where := r.criterion(source, parts[2], p, depth+1)
	if where == nil {
		return nil
	}
	return fhir.Has{Source: source, Param: param, Where: where}
}

// include reads _include and _revinclude (R4 3.1.1.5.6): Type:reference,
// Type:reference:Target, Type:* or *.
func (r *reader) include(p Pair) {
	name, modifier, _ := strings.Cut(p.Name, ":")
	in := fhir.Include{Reverse: name == "_revinclude", Iterate: modifier != ""}
	parts := strings.Split(p.Value, ":")
	switch {
	case p.Value == "*" && !in.Reverse:
	case p.Value == "*":
		r.fail(fhir.CodeTooCostly, p.Name, "_revinclude=* would look through everything. Name a type: Type:reference.")
		return
	case strings.Contains(p.Value, ","):
		r.fail(fhir.CodeInvalid, p.Name, "%s names one reference. Give it once for each.", name)
		return
	case len(parts) < 2 || len(parts) > 3 || !fhir.Type(parts[0]).Valid():
		r.fail(fhir.CodeInvalid, p.Name, "An include is written Type:reference, Type:reference:Target, Type:* or *.")
		return
	default:
		in.Source = fhir.Type(parts[0])
		if !r.includeTarget(&in, parts, p) {
			return
		}
	}
	r.query.Include = append(r.query.Include, in)
	r.used = append(r.used, p)
}

// includeTarget reads the reference and the type of what it refers to.
func (r *reader) includeTarget(in *fhir.Include, parts []string, p Pair) bool {
	if len(parts) == 3 {
		in.Target = fhir.Type(parts[2])
		if !in.Target.Valid() {
			r.fail(fhir.CodeInvalid, p.Name, "%q is no resource type.", parts[2])
			return false
		}
	}
	switch parts[1] {
	case "*":
		return true
	case "":
		r.fail(fhir.CodeInvalid, p.Name, "An include is written Type:reference, Type:reference:Target, Type:* or *.")
		return false
	}
	if in.Param = r.param(in.Source, parts[1], p); in.Param == nil {
		return false
	}
	switch {
	case in.Param.Type != fhir.ParamReference:
		r.fail(fhir.CodeInvalid, p.Name, "%s.%s is a %s, not a reference: nothing can be included by it.", in.Source, in.Param.Name, in.Param.Type)
	case in.Target != "" && !allows(in.Param, in.Target):
		r.fail(fhir.CodeInvalid, p.Name, "%s.%s never refers to a %s.", in.Source, in.Param.Name, in.Target)
	default:
		return true
	}
	return false
}
