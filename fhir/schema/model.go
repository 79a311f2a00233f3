package schema

import (
	"strings"

	"github.com/portico-fhir/portico/fhir/path"
)

// Model tells fhir/path the types of R4. The zero value is ready; it is
// immutable.
type Model struct{}

var _ path.Model = Model{}

// A path.TypeID is a kind plus 1.

// Resource gives the type of a resource, or 0.
func (Model) Resource(name string) path.TypeID {
	if k := resourceKind([]byte(name)); k != 0 {
		return path.TypeID(k) + 1
	}
	return 0
}

// Member gives the element and its type behind a JSON member. The type of a nested
// resource is 0: its resourceType says it.
func (Model) Member(parent path.TypeID, name string) (element string, typ path.TypeID, ok bool) {
	// A primitive has no members but those of its companion.
	d := defOf("Element")
	if k := kind(parent - 1); parent != 0 && k >= kindComplex {
		d = k.def()
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

// Name gives the name of a type; backbone elements have none of their own.
func (Model) Name(t path.TypeID) string {
	switch k := kind(t - 1); {
	case t == 0:
		return "Resource"
	case k == kindReferenceString:
		return "string"
	default:
		name := k.String()
		if strings.Contains(name, ".") {
			return "BackboneElement"
		}
		return name
	}
}

// supertypes are the types that others derive from, but for Element and those
// of resources (R4 2.24.0).
var supertypes = map[string]string{
	"code": "string", "id": "string", "markdown": "string",
	"url": "uri", "canonical": "uri", "oid": "uri", "uuid": "uri",
	"positiveInt": "integer", "unsignedInt": "integer",
	"Age": "Quantity", "Count": "Quantity", "Distance": "Quantity", "Duration": "Quantity",
	"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity",
	"Timing": "BackboneElement", "Dosage": "BackboneElement", "ElementDefinition": "BackboneElement",
}

// IsA reports whether t is the type named or derives from it.
func (m Model) IsA(t path.TypeID, name string) bool {
	own := m.Name(t)
	if own == name || supertypes[own] == name {
		return true
	}
	resource := t == 0 || m.Resource(own) == t
	switch name {
	case "Element":
		return !resource
	case "Resource":
		return resource
	case "DomainResource":
		return resource && own != "Bundle" && own != "Binary" && own != "Parameters"
	}
	return false
}
