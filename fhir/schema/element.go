package schema

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// Element is the definition of one JSON member of a type. The variants of a
// choice (value[x]) are elements of their own.
type Element struct {
	Member   string      // name in JSON: "valueQuantity"
	Name     string      // name in FHIRPath: "value"
	Type     string      // "string", "Quantity", "Reference", "Patient.Contact" …
	Position int         // place among the elements of the type; shared by the variants of a choice
	Choice   bool        // a variant of a choice
	Many     bool        // an array in JSON
	Required bool        // at least one; of a choice: one of its variants
	Targets  []fhir.Type // of a Reference: what it may point to; nil for everything
	ValueSet string      // of a code with a required binding: its canonical URL
	Codes    []string    // the codes of ValueSet, sorted; read-only, as is Targets
}

// Lookup finds the element for a JSON member of a type, which is a resource type, a
// data type or the Type of another Element.
func Lookup(typ, member string) (Element, bool) {
	d := defOf(typ)
	if d == nil {
		return Element{}, false
	}
	i := d.find([]byte(member))
	if i < 0 {
		return Element{}, false
	}
	return d.describe(&fields[i]), true
}

// Elements lists the elements of a type in the order of its definition. It is
// nil for primitives and unknown types.
func Elements(typ string) []Element {
	d := defOf(typ)
	if d == nil {
		return nil
	}
	var out []Element
	for i := range d.fields() {
		out = append(out, d.describe(&d.fields()[i]))
	}
	slices.SortStableFunc(out, func(a, b Element) int { return a.Position - b.Position })
	return out
}

func (d *def) describe(f *field) Element {
	e := Element{
		Member: f.name, Name: f.element(), Type: f.kind.String(), Position: int(f.slot), Choice: f.choice != 0,
		Many: f.many, Required: d.required&(1<<f.slot) != 0,
	}
	switch {
	case e.Type == "Reference":
		e.Targets = targets(f.arg)
	case f.kind == kindCode && f.arg != 0:
		set := &valueSets[f.arg-1]
		e.ValueSet, e.Codes = set.url, set.codes
	}
	return e
}

// defOf finds a def by name: resource types stand first, then all others; both
// are sorted.
func defOf(name string) *def {
	if k := resourceKind([]byte(name)); k != 0 {
		return k.def()
	}
	rest := defs[resourceCount:]
	i, ok := slices.BinarySearchFunc(rest, name, func(d def, name string) int {
		switch {
		case d.name < name:
			return -1
		case d.name > name:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &rest[i]
}
