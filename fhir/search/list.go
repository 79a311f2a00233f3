package search

import (
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// list reads _list (R4 3.1.1.4.16): what is an item of a List on this server,
// as _has:List:item:_id would say. The functional lists ($current-problems …) are
// not kept here.
func (r *reader) list(p Pair) fhir.Expr {
	item, id := r.param("List", "item", p), r.param("List", "_id", p)
	if item == nil || id == nil {
		return nil
	}
	var or fhir.Or
	for name := range strings.SplitSeq(p.Value, ",") {
		name = strings.TrimPrefix(name, "List/")
		switch {
		case strings.HasPrefix(name, "$"):
			r.refuse(p.Name, "The list %s is not kept here.", name)
			return nil
		case !fhir.ValidID(name):
			r.fail(fhir.CodeInvalid, p.Name, "A list is named by its id, or as List/[id].")
			return nil
		}
		or = append(or, fhir.Term{Param: id, Value: fhir.TokenValue{Code: name, AnySystem: true}})
	}
	if r.values += len(or); r.values > maxValues {
		r.fail(fhir.CodeTooCostly, p.Name, "The search has more than %d values.", maxValues)
		return nil
	}
	var where fhir.Expr = or
	if len(or) == 1 {
		where = or[0]
	}
	return fhir.Has{Source: "List", Param: item, Where: where}
}
