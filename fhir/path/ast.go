package path

import "strings"

// Node is a part of a parsed expression: one of the types below.
type Node interface{ node() }

type (
	// Literal is a constant; a nil Item is the empty collection {}.
	Literal struct {
		Item *Item
		all  Collection // the same
	}

	// Member is Input.Name. A nil Input stands for the context: Name is then an
	// element of it, or its type.
	Member struct {
		Input Node
		Name  string
	}

	// Call is Input.Name(Args). A nil Input stands for the context.
	Call struct {
		Input Node
		Name  string
		Args  []Node
	}

	// Index is Input[At].
	Index struct{ Input, At Node }

	// Binary is Left Op Right. Op is the operator as written.
	Binary struct {
		Op          string
		Left, Right Node
	}

	// Unary is -Operand or +Operand.
	Unary struct {
		Op      string
		Operand Node
	}

	// TypeOp is "Input is Type" or "Input as Type".
	TypeOp struct {
		Op    string
		Input Node
		Type  string
	}

	// Special is $this, $index or $total, without the $.
	Special struct{ Name string }

	// Constant is %name, without the %.
	Constant struct{ Name string }
)

func (*Literal) node()  {}
func (*Member) node()   {}
func (*Call) node()     {}
func (*Index) node()    {}
func (*Binary) node()   {}
func (*Unary) node()    {}
func (*TypeOp) node()   {}
func (*Special) node()  {}
func (*Constant) node() {}

// Expr is a parsed expression. It is immutable and safe for concurrent use.
type Expr struct {
	Root Node
	text string
	lead []string // element names that must lead somewhere for a result; see leadOf

	straight *straight // the same; nil where it takes an evaluator
}

func newExpr(root Node, text string) *Expr {
	return &Expr{Root: root, text: text, lead: leadOf(root), straight: straightOf(root)}
}

func newLiteral(it Item) *Literal {
	all := Collection{it}
	return &Literal{Item: &all[0], all: all}
}

// leadOf gives the names that an expression begins with, if without what they
// lead to it has no result: nothing comes from nothing (FHIRPath 2.0, 4.5), but
// for functions like exists() and operators like |.
func leadOf(n Node) []string {
	switch n := n.(type) {
	case *Member:
		names, base := n.chain(nil)
		if base != nil {
			return leadOf(base)
		}
		return names
	case *TypeOp:
		return leadOf(n.Input)
	case *Call:
		switch n.Name {
		case "where", "ofType", "as", "select", "extension", "resolve", "first", "last":
			if n.Input != nil {
				return leadOf(n.Input)
			}
		}
	}
	return nil
}

// chain appends the names of the path that ends in n, the first one first, and
// gives what it starts from; nil is the context.
func (n *Member) chain(names []string) ([]string, Node) {
	base := n.Input
	if m, ok := base.(*Member); ok {
		names, base = m.chain(names)
	}
	return append(names, n.Name), base
}

// String gives the expression as it was parsed, for an alternative the whole it is
// a part of.
func (e *Expr) String() string { return e.text }

// Alternatives gives the operands of the unions at the top of the expression,
// the whole expression if there is none. Many of R4's search parameters are
// unions with a part for each type they are defined on.
func (e *Expr) Alternatives() []*Expr {
	var parts []*Expr
	var collect func(Node)
	collect = func(n Node) {
		if b, ok := n.(*Binary); ok && b.Op == "|" {
			collect(b.Left)
			collect(b.Right)
			return
		}
		parts = append(parts, newExpr(n, e.text))
	}
	collect(e.Root)
	return parts
}

// Path gives the names of an expression that is a plain path, Patient.name.family;
// nil for any other.
func (e *Expr) Path() []string {
	if m, ok := e.Root.(*Member); ok {
		if names, base := m.chain(nil); base == nil {
			return names
		}
	}
	return nil
}

// Needs gives the element at the top of a resource without which the expression has no
// result there; "" where no single one can be told.
func (e *Expr) Needs() string {
	names := e.lead
	if len(names) > 0 && names[0][0] <= 'Z' { // a type
		names = names[1:]
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// Start gives the name at which the path of the expression begins, in most of
// R4's that of a type; "" when it does not begin with a name.
func (e *Expr) Start() string {
	for n := e.Root; ; {
		switch m := n.(type) {
		case *Member:
			if m.Input == nil {
				return m.Name
			}
			n = m.Input
		case *Call:
			n = m.Input
		case *Index:
			n = m.Input
		case *TypeOp:
			n = m.Input
		case *Binary:
			n = m.Left
		default:
			return ""
		}
	}
}

// typeName drops the namespace of a type: System.String and FHIR.string are
// told apart by their first letter already.
func typeName(qualified string) string {
	if _, name, ok := strings.Cut(qualified, "."); ok {
		return name
	}
	return qualified
}
