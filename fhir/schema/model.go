package schema

import (
	"strings"
	"sync"

	"github.com/portico-fhir/portico/fhir/path"
)

// Model tells fhir/path the types of R4. The zero value is ready; it is
// immutable.
type Model struct{}

var _ path.Model = Model{}

// A path.TypeID is a kind plus 1.

// trait is what is asked of a type again and again.
type trait struct {
	name string
	kind path.Kind
}

// traits are those of all types, by their TypeID.
var traits = sync.OnceValue(func() []trait {
	all := make([]trait, 1+int(kindComplex)+len(defs))
	all[0].name = "Resource"
	for i := range all[1:] {
		k := kind(i)
		t := trait{name: k.String()}
		switch {
		case k == kindReferenceString:
			t.name = "string"
		case strings.IndexByte(t.name, '.') >= 0:
			t.name = "BackboneElement"
		}
		switch t.name {
		case "date":
			t.kind = path.Date
		case "dateTime", "instant":
			t.kind = path.DateTime
		case "time":
			t.kind = path.Time
		case "decimal":
			t.kind = path.Decimal
		case "Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity":
			t.kind = path.Quantity
		}
		all[1+i] = t
	}
	return all
})

// Resource gives the type of a resource, or 0.
func (Model) Resource(name string) path.TypeID {
	if k := resourceKind([]byte(name)); k != 0 {
		return path.TypeID(k) + 1
	}
	return 0
}

// Type gives the type of a resource or data type, or 0.
func (Model) Type(name string) path.TypeID {
	for i := range defs {
		if defs[i].name == name {
			return path.TypeID(kindComplex) + path.TypeID(i) + 1
		}
	}
	return 0
}

// Member gives the element and its type behind a JSON member. The type of a nested
// resource is 0: its resourceType says it.
func (Model) Member(parent path.TypeID, name string) (element string, typ path.TypeID, ok bool) {
	var d *def
	if k := kind(parent - 1); parent != 0 && k >= kindComplex {
		d = k.def()
	} else {
		d = defOf("Element") // a primitive has no members but those of its companion
	}
	i := d.find([]byte(name))
	if i < 0 {
		return "", 0, false
	}
	f := &fields[i]
	if f.kind == kindResource || f.kind == kindContained {
		return f.element(), 0, true
	}
	return f.element(), path.TypeID(f.kind) + 1, true
}

// ValueSet gives the canonical URL of the value set that the codes of an element
// must come from, "" when there is none.
func (Model) ValueSet(at path.Place) string {
	k := kind(at.Parent - 1)
	if at.Parent == 0 || k < kindComplex {
		return ""
	}
	all := k.def().fields()
	for i := range all {
		if f := &all[i]; f.element() == at.Name && path.TypeID(f.kind)+1 == at.Type && f.kind == kindCode && f.arg != 0 {
			return valueSets[f.arg-1].url
		}
	}
	return ""
}

// Name gives the name of a type; backbone elements have none of their own.
func (Model) Name(t path.TypeID) string { return traits()[t].name }

// Kind gives the kind that values of a type have.
func (Model) Kind(t path.TypeID) path.Kind { return traits()[t].kind }

// IsA reports whether t is the type named or derives from it (R4 2.24.0).
func (m Model) IsA(t path.TypeID, name string) bool {
	own := m.Name(t)
	if own == name {
		return true
	}
	switch name {
	case "string":
		return own == "code" || own == "id" || own == "markdown"
	case "uri":
		return own == "url" || own == "canonical" || own == "oid" || own == "uuid"
	case "integer":
		return own == "positiveInt" || own == "unsignedInt"
	case "Quantity":
		return m.Kind(t) == path.Quantity
	case "BackboneElement":
		return own == "Timing" || own == "Dosage" || own == "ElementDefinition"
	case "Element":
		return !m.resource(t)
	case "Resource":
		return m.resource(t)
	case "DomainResource":
		return m.resource(t) && own != "Bundle" && own != "Binary" && own != "Parameters"
	}
	return false
}

// resource reports whether t is a resource type; they stand first in defs.
func (Model) resource(t path.TypeID) bool {
	return t == 0 || (kind(t-1) >= kindComplex && int(kind(t-1)-kindComplex) < resourceCount)
}
