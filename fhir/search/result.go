package search

import (
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// resultParams are the parameters that shape the result (R4 3.1.1.5), those
// that are refused for now included.
var resultParams = map[string]bool{
	"_count": true, "_sort": true, "_total": true, "_cursor": true,
	"_summary": true, "_elements": true, "_contained": true, "_containedType": true,
	"_include": true, "_revinclude": true, "_include:iterate": true, "_revinclude:iterate": true,
	"_include:recurse": true, "_revinclude:recurse": true,
}

// result reads one of them. Each may be given once, but for includes.
func (r *reader) result(p Pair) {
	if strings.HasPrefix(p.Name, "_include") || strings.HasPrefix(p.Name, "_revinclude") {
		r.include(p)
		return
	}
	if r.seen[p.Name] {
		r.fail(fhir.CodeInvalid, p.Name, "%s is given twice.", p.Name)
		return
	}
	r.seen[p.Name] = true
	switch p.Name {
	case "_count":
		r.count(p)
	case "_sort":
		r.sort(p)
	case "_total":
		r.total(p)
	case "_summary":
		r.summary(p)
	case "_elements":
		r.elements(p)
	case "_cursor":
		r.cursor = p.Value
		if p.Value == "" {
			r.fail(fhir.CodeInvalid, p.Name, "The cursor is empty. Use the next link as the server gave it.")
		}
	case "_contained":
		if p.Value != "false" { // contained resources are not looked for, which is the default
			r.refuse(p.Name, "_contained is not supported, but for false.")
			return
		}
		r.used = append(r.used, p)
	default:
		r.refuse(p.Name, "%s is not supported.", p.Name)
	}
}

// count caps what is asked for at the server's maximum (R4 3.1.1.5.4); the self
// link says so.
func (r *reader) count(p Pair) {
	n, err := strconv.Atoi(p.Value)
	if err != nil || n < 0 || p.Value[0] == '+' {
		r.fail(fhir.CodeInvalid, p.Name, "_count must be a whole number, 0 or more.")
		return
	}
	n = min(n, r.parser.MaxCount)
	r.query.Count = n
	if n == 0 {
		r.query.Total = true
	}
	r.used = append(r.used, Pair{p.Name, strconv.Itoa(n)})
}

// total takes estimate for accurate: it may be exact (R4 3.1.1.5.5).
func (r *reader) total(p Pair) {
	switch p.Value {
	case "none":
	case "estimate", "accurate":
		r.query.Total = true
	default:
		r.fail(fhir.CodeInvalid, p.Name, "_total must be none, estimate or accurate.")
		return
	}
	r.used = append(r.used, p)
}

// sort reads a list of parameter names, each with "-" in front for descending
// (R4 3.1.1.5.2).
func (r *reader) sort(p Pair) {
	var keys []fhir.SortKey
	for name := range strings.SplitSeq(p.Value, ",") {
		name, desc := strings.CutPrefix(name, "-")
		if name == "" {
			r.fail(fhir.CodeInvalid, p.Name, "_sort lists parameters, as in _sort=-date,_id. One of them has no name.")
			return
		}
		param := r.param(r.query.Type, name, p)
		sortable := r.capability(r.query.Type).Sortable
		switch {
		case param == nil:
			return
		case !slices.Contains(sortable, name):
			r.refuse(p.Name, "%s cannot be sorted by %q here. Sortable: %s.", r.query.Type, name, strings.Join(sortable, ", "))
			return
		case slices.ContainsFunc(keys, func(k fhir.SortKey) bool { return k.Param == param }):
			r.fail(fhir.CodeInvalid, p.Name, "_sort names %q twice.", name)
			return
		}
		keys = append(keys, fhir.SortKey{Param: param, Desc: desc})
	}
	r.query.Sort = keys
	r.used = append(r.used, p)
}
