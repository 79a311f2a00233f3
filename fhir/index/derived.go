package index

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// derived says which entries of a parameter follow from others and are left out.
type derived struct {
	// aside: the store has a field for it.
	aside bool
	// union: other parameters have the values, such as code and component-code
	// those of combo-code.
	union []*param
	// within: this one refers to the same element; references to a Patient are
	// found by its entries.
	within *param
	// fixed: its values are codes, whose system is always the same.
	fixed  bool
	system string
	// shown: what is printed with its codes has entries.
	shown bool
}

// paramCode is what resources are about, and what people ask for by what it is called.
const paramCode = "code"

// asides are the parameters that stores have fields for.
var asides = []string{"_id", "_lastUpdated"}

func (it *Type) derive(p *param) derived {
	d := derived{aside: slices.Contains(asides, p.Name)}
	switch p.Type {
	case fhir.ParamReference:
		d.within = it.whole(p)
	case fhir.ParamComposite:
	default:
		d.union = it.parts(p)
	}
	if p.Type == fhir.ParamToken {
		d.system, d.fixed = it.fixedSystem(p)
		d.shown = p.Name == paramCode && !d.fixed && d.union == nil
	}
	return d
}

// operands are the parts of a parameter's expression that are about this type.
func (it *Type) operands(p *param) []string { return operands(it.name, p.Expression) }

// operands are the parts of an expression that are about a type.
func operands(t fhir.Type, expression string) []string {
	var out []string
	for part := range strings.SplitSeq(expression, "|") {
		part = strings.TrimSpace(part)
		for strings.HasPrefix(part, "(") && strings.HasSuffix(part, ")") {
			part = part[1 : len(part)-1]
		}
		if strings.HasPrefix(part, string(t)+".") {
			out = append(out, part)
		}
	}
	return out
}

// parts finds other parameters that together have all operands of p, and no
// others.
func (it *Type) parts(p *param) []*param {
	left := it.operands(p)
	if len(left) != len(p.exprs) {
		return nil
	}
	var union []*param
	for _, q := range it.params {
		own := it.operands(q)
		if q.Type != p.Type || len(own) != len(q.exprs) || len(own) == 0 || len(own) >= len(p.exprs) {
			continue
		}
		if missing := slices.ContainsFunc(own, func(o string) bool { return !slices.Contains(left, o) }); missing {
			continue
		}
		union = append(union, q)
		left = slices.DeleteFunc(left, func(o string) bool { return slices.Contains(own, o) })
	}
	if len(left) > 0 {
		return nil
	}
	return union
}

// whole finds the reference of which p takes those to a Patient.
func (it *Type) whole(p *param) *param {
	operands := it.operands(p)
	if len(operands) != 1 || len(p.exprs) != 1 {
		return nil
	}
	element, narrowed := strings.CutSuffix(operands[0], ".where(resolve() is Patient)")
	for _, q := range it.params {
		if narrowed && q.Type == p.Type && len(q.exprs) == 1 && slices.Equal(it.operands(q), []string{element}) {
			return q
		}
	}
	return nil
}

// fixedSystem gives the system of a parameter whose values are all of the type
// code, which the binding of the element tells.
func (it *Type) fixedSystem(p *param) (system string, ok bool) {
	var m schema.Model
	for i, e := range p.exprs {
		names := e.Path()
		if len(names) < 2 {
			return "", false
		}
		at := path.Place{Type: m.Resource(string(it.name))}
		for _, name := range names[1:] {
			_, typ, found := m.Member(at.Type, name)
			if !found {
				return "", false
			}
			at = path.Place{Parent: at.Type, Name: name, Type: typ}
		}
		own := systems[m.ValueSet(at)]
		if m.Name(at.Type) != "code" || i > 0 && own != system {
			return "", false
		}
		system = own
	}
	return system, len(p.exprs) > 0
}
