package fhir

import (
	"math/big"
	"slices"
)

// Query is a parsed search on one type (R4 3.1.1). fhir/search makes it from a
// request; repositories compile it to their own fields, and the guard conjoins
// its conditions to Where before they do.
type Query struct {
	Type   Type
	Where  Expr      // nil matches every resource of Type
	Sort   []SortKey // empty: as the repository likes
	Count  int       // page size; 0 asks for the total only
	Cursor string    // Page.Next of the page before; empty for the first
	Total  bool      // the exact number of matches is wanted
	// Include are resources to add to each page. They are neither counted nor
	// paged.
	Include []Include
	// Implied says that nobody asked for this type by its name, but for several at
	// once: it is left out of them for callers who may not search it.
	Implied bool
}

// Include asks for the resources that those on the page refer to, or, with
// Reverse, for those that refer to them (R4 3.1.1.5.6).
type Include struct {
	Source  Type         // of the resource that holds the reference; "" for any ("*")
	Param   *SearchParam // the reference; nil for all reference parameters of Source
	Target  Type         // of what is referred to; "" for any
	Reverse bool
	Iterate bool // also from what was included
}

// SortKey is one key of _sort.
type SortKey struct {
	Param *SearchParam
	Desc  bool
}

// ParamType is a code of http://hl7.org/fhir/search-param-type.
type ParamType string

// The search parameter types (R4 3.1.1.4).
const (
	ParamNumber    ParamType = "number"
	ParamDate      ParamType = "date"
	ParamString    ParamType = "string"
	ParamToken     ParamType = "token"
	ParamReference ParamType = "reference"
	ParamComposite ParamType = "composite"
	ParamQuantity  ParamType = "quantity"
	ParamURI       ParamType = "uri"
	ParamSpecial   ParamType = "special"
)

// SearchParam is the definition of a search parameter. Definitions are shared
// and read-only; two are the same parameter when the pointers are equal.
type SearchParam struct {
	Name       string // code, as it stands in the URL
	URL        string // canonical
	Type       ParamType
	Base       []Type           // types it is defined on; "Resource" and "DomainResource" for all
	Expression string           // FHIRPath; empty for the special ones (_text …)
	Targets    []Type           // of a reference parameter
	Components []ParamComponent // of a composite parameter
}

// On are the types that the parameter is on: its bases, and what those stand for.
func (p *SearchParam) On() []Type {
	var types []Type
	for _, base := range p.Base {
		switch base {
		case "Resource", "DomainResource":
			for _, t := range Types() {
				if base == "Resource" || t.DomainResource() {
					types = append(types, t)
				}
			}
		default:
			types = append(types, base)
		}
	}
	return types
}

// ParamComponent is one part of a composite parameter.
type ParamComponent struct {
	Definition string // canonical of the part's SearchParameter
	Expression string // FHIRPath, relative to what the composite's own yields
	// Param is what Definition names. nil in R4's own parameters, whose parts are R4's.
	Param *SearchParam
}

// Expr is a condition on a resource: And, Or, Not, Term, Chain or Has. A nil Expr
// holds for every resource.
type Expr interface{ expr() }

type (
	// And holds where all parts hold.
	And []Expr
	// Or holds where one part holds; an empty Or never does.
	Or []Expr
	// Not holds where its part does not.
	Not struct{ Expr Expr }
	// Term compares one search parameter with one value. It holds where any
	// of the values that the parameter's expression yields satisfies it.
	Term struct {
		Param    *SearchParam
		Modifier Modifier
		Prefix   Prefix // "" means eq; only for ordered values
		Value    Value
	}
)

type (
	// Chain holds where Param refers to a resource of type Target that satisfies
	// Where (R4 3.1.1.4.13).
	Chain struct {
		Param  *SearchParam
		Target Type
		Where  Expr
	}
	// Has holds where a resource of type Source satisfies Where and refers to this
	// one by Param (R4 3.1.1.4.14).
	Has struct {
		Source Type
		Param  *SearchParam
		Where  Expr
	}
)

func (Chain) expr() {}
func (Has) expr()   {}
func (And) expr()   {}
func (Or) expr()    {}
func (Not) expr()   {}
func (Term) expr()  {}

// Some reports whether a condition or any that is a part of it, behind chains and _has
// included, passes a test.
func Some(e Expr, test func(Expr) bool) bool {
	if e == nil || test(e) {
		return e != nil
	}
	part := func(e Expr) bool { return Some(e, test) }
	switch e := e.(type) {
	case And:
		return slices.ContainsFunc(e, part)
	case Or:
		return slices.ContainsFunc(e, part)
	case Not:
		return part(e.Expr)
	case Chain:
		return part(e.Where)
	case Has:
		return part(e.Where)
	}
	return false
}

// Modifier is the part behind the colon of a parameter name (R4 3.1.1.4.1).
type Modifier string

// The modifiers that a Term carries. The parser resolves :not and :not-in to Not,
// and :[type] to ReferenceValue.Type. Those that need code systems are resolved to a
// TokenSet before a query is compiled.
const (
	ModMissing  Modifier = "missing"
	ModExact    Modifier = "exact"
	ModContains Modifier = "contains"
	// ModIdentifier compares the identifier of a reference with a TokenValue.
	ModIdentifier Modifier = "identifier"
	// ModOfType compares an identifier with an OfTypeValue.
	ModOfType Modifier = "of-type"
	// ModText compares the text or display of a coded value with a StringValue.
	ModText Modifier = "text"
	// ModAbove and ModBelow compare URIs by their path segments, and a token with
	// the codes above or below a TokenValue in the hierarchy of its system.
	ModAbove Modifier = "above"
	ModBelow Modifier = "below"
	// ModIn compares a token with the value set that a URIValue names.
	ModIn Modifier = "in"
)

// The modifiers that only a _filter gives (R4 3.1.3.2): no name of a parameter ends in them.
// All but ModUnequal compare a StringValue, case and accents aside.
const (
	ModEqual Modifier = "eq" // the whole text
	// ModUnequal holds where a value is another one than the StringValue, TokenValue or
	// URIValue. A token that has no code is none.
	ModUnequal Modifier = "ne"
	ModEnds    Modifier = "ew"
	// ModGreater to ModLessEqual compare code points.
	ModGreater      Modifier = "gt"
	ModLess         Modifier = "lt"
	ModGreaterEqual Modifier = "ge"
	ModLessEqual    Modifier = "le"
)

// Compares reports whether a modifier compares a text as a whole, by the order of code
// points.
func (m Modifier) Compares() bool {
	switch m {
	case ModEqual, ModUnequal, ModGreater, ModLess, ModGreaterEqual, ModLessEqual:
		return true
	}
	return false
}

// Holds reports whether a value satisfies a modifier that compares, when strings.Compare of it
// and of what is asked for gives order.
func (m Modifier) Holds(order int) bool {
	switch m {
	case ModEqual:
		return order == 0
	case ModUnequal:
		return order != 0
	case ModGreater:
		return order > 0
	case ModLess:
		return order < 0
	case ModGreaterEqual:
		return order >= 0
	}
	return m == ModLessEqual && order <= 0
}

// Prefix is a comparator before an ordered value (R4 3.1.1.4.3).
type Prefix string

// The prefixes.
const (
	EQ Prefix = "eq"
	NE Prefix = "ne"
	GT Prefix = "gt"
	LT Prefix = "lt"
	GE Prefix = "ge"
	LE Prefix = "le"
	SA Prefix = "sa"
	EB Prefix = "eb"
	AP Prefix = "ap"
	// Contains and Overlaps are operators of _filter; no value begins with them. On a DateValue
	// the value's span contains that of the date, or has a part of it in common; on a
	// NumberValue the span that the value's own precision implies contains the number.
	Contains Prefix = "co"
	Overlaps Prefix = "po"
)

// Value is a search value: one of the types below, by the type of the parameter. With
// ModMissing it is always a BoolValue.
type Value interface{ value() }

type (
	// StringValue is unescaped text.
	StringValue string

	// TokenValue is [system|]code (R4 3.1.1.4.10).
	TokenValue struct {
		System    string
		Code      string
		AnySystem bool // "code": the system does not matter
		AnyCode   bool // "system|": every code of the system
		// Neither, with System "": "|code", a code without a system.
	}

	// ReferenceValue names a target. Type is empty for a bare id; URL is set
	// for an absolute reference that is not on this server, then the others are empty.
	// With Version it is only what refers to that version.
	ReferenceValue struct {
		Type    Type
		ID      string
		Version string
		URL     string
	}

	// DateValue is a date, dateTime or instant with its precision.
	DateValue struct{ Date }

	// NumberValue is a decimal with the span [Low, High) that its precision implies
	// (R4 3.1.1.4.6).
	NumberValue struct {
		Value, Low, High *big.Rat
	}

	// QuantityValue is a number with a unit: a coded one of System, a code or
	// unit of whatever system when System is empty, or any when Code is empty too
	// (R4 3.1.1.4.11).
	QuantityValue struct {
		NumberValue
		System, Code string
	}

	// CompositeValue has a Term for each component of a composite parameter; one
	// element must satisfy them all (R4 3.1.1.4.15).
	CompositeValue []Term

	// OfTypeValue is a type of identifier and its value (R4 3.1.1.4.10).
	OfTypeValue struct {
		System, Code, Value string
	}

	// URIValue is an exact URI.
	URIValue string

	// WordsValue are words that stand one after the other in some text of the
	// resource, case and accents aside; with Prefix the last may be the beginning
	// of a word. What separates words there need not be the same.
	WordsValue struct {
		Text   string
		Prefix bool
	}

	// NearValue is a place, in degrees of WGS84, and how far from it is near.
	NearValue struct {
		Latitude, Longitude float64
		Meters              float64
	}

	// BoolValue is the value of :missing.
	BoolValue bool
)

func (StringValue) value()    {}
func (TokenValue) value()     {}
func (ReferenceValue) value() {}
func (DateValue) value()      {}
func (URIValue) value()       {}
func (NumberValue) value()    {}
func (CompositeValue) value() {}
func (OfTypeValue) value()    {}
func (BoolValue) value()      {}
func (TokenSet) value()       {}
func (WordsValue) value()     {}
func (NearValue) value()      {}
