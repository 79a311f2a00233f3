package fhir

// Query is a parsed search on one type (R4 3.1.1). fhir/search makes it from a
// request; repositories compile it to their own fields, and the guard conjoins
// its conditions to Where before they do.
type Query struct {
	Type   Type
	Where  Expr      // nil matches every resource of Type
	Sort   []SortKey // empty: by id
	Count  int       // page size; 0 asks for the total only
	Cursor string    // Page.Next of the page before; empty for the first
	Total  bool      // the exact number of matches is wanted
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

// ParamComponent is one part of a composite parameter.
type ParamComponent struct {
	Definition string // canonical of the part's SearchParameter
	Expression string // FHIRPath, relative to what the composite's own yields
}

// Expr is a condition on a resource: And, Or, Not or Term. A nil Expr holds for every
// resource.
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

func (And) expr()  {}
func (Or) expr()   {}
func (Not) expr()  {}
func (Term) expr() {}

// Modifier is the part behind the colon of a parameter name (R4 3.1.1.4.1).
type Modifier string

// The modifiers that a Term carries. The parser resolves :not to Not and
// :[type] to ReferenceValue.Type.
const (
	ModMissing  Modifier = "missing"
	ModExact    Modifier = "exact"
	ModContains Modifier = "contains"
)

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
	ReferenceValue struct {
		Type Type
		ID   string
		URL  string
	}

	// DateValue is a date, dateTime or instant with its precision.
	DateValue struct{ Date }

	// URIValue is an exact URI.
	URIValue string

	// BoolValue is the value of :missing.
	BoolValue bool
)

func (StringValue) value()    {}
func (TokenValue) value()     {}
func (ReferenceValue) value() {}
func (DateValue) value()      {}
func (URIValue) value()       {}
func (BoolValue) value()      {}
