package index

import (
	"math/big"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// value is one thing that a resource is found by. Which fields count depends on
// the type of the parameter.
type value struct {
	system, code string  // token; of a quantity: its unit
	text         string  // string and uri; of a token: what is printed; of a number: as written
	types        []value // of an identifier: its type
	ref          fhir.Reference
	identifier   *value // of a reference
	span         span
	low, high    *big.Rat // number and quantity; nil is open
	unit         string   // of a quantity: as printed
	at           *point   // of a position
}

// reader takes values out of resources.
type reader struct {
	base string         // of the server, for absolute references
	loc  *time.Location // of dates without a zone

	found path.Collection // memory of values
	read  []value         // the same
}

// values evaluates the parameter, as far as it needs only what is present in the
// resource. What has no value that its type knows is passed over. The result is valid until
// the next call.
func (r *reader) values(p *param, resource path.Item, present elements) []value {
	r.read = r.read[:0]
	for _, e := range p.exprs {
		if !present.has(e.needs) {
			continue
		}
		found, err := e.Append(r.found[:0], nil, resource)
		if err != nil {
			continue // the expression does not fit this resource
		}
		for _, it := range found {
			r.read = r.take(r.read, p.Type, it)
		}
		r.found = found
	}
	return r.read
}

// take appends the values of one item.
func (r *reader) take(out []value, t fhir.ParamType, it path.Item) []value {
	switch t {
	case fhir.ParamToken:
		return r.tokens(out, it)
	case fhir.ParamString:
		return stringsOf(out, it)
	case fhir.ParamReference:
		return r.references(out, it)
	case fhir.ParamDate:
		if s, ok := r.span(it); ok {
			out = append(out, value{span: s})
		}
	case fhir.ParamNumber, fhir.ParamQuantity:
		return quantities(out, it)
	case fhir.ParamSpecial:
		if at, ok := position(it); ok {
			out = append(out, value{at: &at})
		}
	case fhir.ParamURI:
		if text := it.String(); text != "" {
			out = append(out, value{text: text})
		}
	}
	return out
}

// tokens reads a coded value (R4 3.1.1.4.10).
func (r *reader) tokens(out []value, it path.Item) []value {
	switch it.Type() {
	case "Coding":
		return append(out, value{system: it.Child("system"), code: it.Child("code"), text: it.Child("display")})
	case "CodeableConcept":
		for c := range it.Children("coding") {
			out = r.tokens(out, c)
		}
		if text := it.Child("text"); text != "" {
			out = append(out, value{text: text})
		}
		return out
	case "Identifier":
		v := value{system: it.Child("system"), code: it.Child("value")}
		for c := range it.Children("type") {
			v.types = r.tokens(v.types, c)
			v.text = c.Child("text")
		}
		return append(out, v)
	case "ContactPoint":
		return append(out, value{code: it.Child("value")})
	case "code":
		return append(out, value{system: systems[schema.Model{}.ValueSet(it.Place())], code: it.String()})
	default:
		if text := it.String(); text != "" {
			out = append(out, value{code: text})
		}
		return out
	}
}

// stringsOf reads text: of names and addresses all parts (R4 3.1.1.4.9).
func stringsOf(out []value, it path.Item) []value {
	switch it.Type() {
	case "HumanName", "Address":
		for c := range it.Children("") {
			switch c.Name() {
			case "use", "type", "period", "id", "extension":
			default:
				out = append(out, value{text: c.String()})
			}
		}
		return out
	case "CodeableConcept":
		for c := range it.Children("coding") {
			out = append(out, value{text: c.Child("display")})
		}
		return append(out, value{text: it.Child("text")})
	default:
		return append(out, value{text: it.String()})
	}
}

// references reads a Reference, a canonical or a URI (R4 3.1.1.4.12).
func (r *reader) references(out []value, it path.Item) []value {
	text := it.String()
	var v value
	if it.Type() == "Reference" {
		text = it.Child("reference")
		for c := range it.Children("identifier") {
			ids := r.tokens(nil, c)
			v.identifier = &ids[0]
		}
	}
	v.ref = fhir.ParseReference(text, r.base)
	if v.ref.Kind == fhir.RefInvalid && v.identifier == nil {
		return out
	}
	return append(out, v)
}

// quantities reads a number with or without a unit (R4 3.1.1.4.6 and
// 3.1.1.4.11).
func quantities(out []value, it path.Item) []value {
	switch it.Type() {
	case "Money":
		v := value{system: "urn:iso:std:iso:4217", code: it.Child("currency"), unit: it.Child("currency")}
		return appendNumber(out, v, number(it, "value"), "")
	case "Range":
		var v value
		for _, end := range []string{"low", "high"} {
			for c := range it.Children(end) {
				v.system, v.code, v.unit = c.Child("system"), c.Child("code"), c.Child("unit")
				if end == "low" {
					v.low = number(c, "value")
				} else {
					v.high = number(c, "value")
				}
			}
		}
		if v.low == nil && v.high == nil {
			return out
		}
		return append(out, v)
	case "integer", "decimal", "positiveInt", "unsignedInt", "Integer", "Decimal":
		text := it.String()
		return appendNumber(out, value{text: text}, rat(text), "")
	}
	v := value{system: it.Child("system"), code: it.Child("code"), unit: it.Child("unit")}
	return appendNumber(out, v, number(it, "value"), it.Child("comparator"))
}

// appendNumber adds a value at n, or on one side of it by a comparator.
func appendNumber(out []value, v value, n *big.Rat, comparator string) []value {
	if n == nil {
		return out
	}
	switch comparator {
	case "<", "<=":
		v.high = n
	case ">", ">=":
		v.low = n
	default:
		v.low, v.high = n, n
	}
	return append(out, v)
}

func number(it path.Item, name string) *big.Rat { return rat(it.Child(name)) }

// rat reads a decimal of a size that can be computed with; nil for others.
func rat(s string) *big.Rat {
	if len(s) == 0 || len(s) > 100 {
		return nil
	}
	r, ok := path.ParseDecimal(s)
	if !ok {
		return nil
	}
	return r
}
