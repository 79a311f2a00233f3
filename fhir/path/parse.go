package path

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Bounds on an expression. The longest of R4 has about 2,000 bytes.
const (
	maxLength = 16 << 10
	maxDepth  = 100
)

// Parse reads an expression. The error is a *SyntaxError.
func Parse(s string) (*Expr, error) {
	p := &parser{lexer: lexer{src: s}}
	if len(s) > maxLength {
		return nil, p.fail(0, "the expression is longer than %d bytes", maxLength)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	root, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.fail(p.tok.at, "unexpected %q", p.tok.text)
	}
	return newExpr(root, s), nil
}

// MustParse is Parse for expressions that are constants of the program; it
// panics on an error.
func MustParse(s string) *Expr {
	e, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return e
}

// levels are the binary operators from the loosest to the tightest (FHIRPath
// 2.0, 6.8). Those of types stand apart: their right side is a type.
var levels = [][]string{
	{"implies"},
	{"or", "xor"},
	{"and"},
	{"in", "contains"},
	{"=", "~", "!=", "!~"},
	{"<=", "<", ">", ">="},
	{"|"},
	{"is", "as"},
	{"+", "-", "&"},
	{"*", "/", "div", "mod"},
}

// parser is a recursive descent with one token of look-ahead.
type parser struct {
	lexer
	tok   token
	depth int
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

// is reports whether the token is the operator or keyword s.
func (p *parser) is(s string) bool {
	return (p.tok.kind == tokOp || p.tok.kind == tokName) && p.tok.text == s
}

func (p *parser) expect(s string) error {
	if !p.is(s) {
		return p.fail(p.tok.at, "expected %q, found %q", s, p.tok.text)
	}
	return p.advance()
}

func (p *parser) binary(level int) (Node, error) {
	if level == len(levels) {
		return p.unary()
	}
	if level == 0 {
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail(p.tok.at, "nested deeper than %d", maxDepth)
		}
		defer func() { p.depth-- }()
	}
	left, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for slices.ContainsFunc(levels[level], p.is) {
		op := p.tok.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		if op == "is" || op == "as" {
			t, err := p.typeSpecifier()
			if err != nil {
				return nil, err
			}
			left = &TypeOp{Op: op, Input: left, Type: t}
			continue
		}
		right, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		left = &Binary{Op: op, Left: left, Right: right}
	}
	return left, nil
}

func (p *parser) typeSpecifier() (string, error) {
	name, err := p.identifier()
	if err != nil {
		return "", err
	}
	for p.is(".") {
		if err := p.advance(); err != nil {
			return "", err
		}
		part, err := p.identifier()
		if err != nil {
			return "", err
		}
		name += "." + part
	}
	return name, nil
}

func (p *parser) identifier() (string, error) {
	if p.tok.kind != tokName && p.tok.kind != tokQuoted {
		return "", p.fail(p.tok.at, "expected a name, found %q", p.tok.text)
	}
	name := p.tok.text
	return name, p.advance()
}

func (p *parser) unary() (Node, error) {
	if !p.is("-") && !p.is("+") || p.tok.kind != tokOp {
		return p.postfix()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.tok.at, "nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	op := p.tok.text
	if err := p.advance(); err != nil {
		return nil, err
	}
	operand, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &Unary{Op: op, Operand: operand}, nil
}

// postfix reads a term and the members, calls and indexes behind it.
func (p *parser) postfix() (Node, error) {
	n, err := p.term()
	for err == nil {
		switch {
		case p.is("."):
			if err = p.advance(); err == nil {
				n, err = p.invocation(n)
			}
		case p.is("["):
			var at Node
			if err = p.advance(); err != nil {
				return nil, err
			}
			if at, err = p.binary(0); err != nil {
				return nil, err
			}
			n, err = &Index{Input: n, At: at}, p.expect("]")
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) invocation(input Node) (Node, error) {
	if p.tok.kind == tokSpecial {
		return p.special()
	}
	quoted := p.tok.kind == tokQuoted
	name, err := p.identifier()
	if err != nil {
		return nil, err
	}
	if quoted || !p.is("(") {
		return &Member{Input: input, Name: name}, nil
	}
	return p.call(input, name)
}

func (p *parser) call(input Node, name string) (Node, error) {
	c := &Call{Input: input, Name: name}
	at := p.tok.at
	if err := p.advance(); err != nil {
		return nil, err
	}
	for !p.is(")") {
		if len(c.Args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, arg)
	}
	f, ok := functions[name]
	switch {
	case !ok:
		return nil, p.fail(at, "there is no function %q", name)
	case len(c.Args) < f.min || len(c.Args) > f.max:
		return nil, p.fail(at, "%s takes %d to %d arguments, not %d", name, f.min, f.max, len(c.Args))
	}
	return c, p.advance()
}

func (p *parser) special() (Node, error) {
	name := p.tok.text
	if name != "this" && name != "index" && name != "total" {
		return nil, p.fail(p.tok.at, "unknown variable $%s", name)
	}
	return &Special{Name: name}, p.advance()
}

func (p *parser) term() (Node, error) {
	t := p.tok
	switch t.kind {
	case tokString:
		return p.literal(Item{kind: String, text: t.text})
	case tokNumber:
		return p.number()
	case tokTime:
		when, err := parseTemporal(t.text)
		if err != nil {
			return nil, p.fail(t.at, "not a date or time: @%s", t.text)
		}
		return p.literal(Item{kind: when.kind, when: when})
	case tokConstant:
		return &Constant{Name: t.text}, p.advance()
	case tokSpecial:
		return p.special()
	case tokName:
		if t.text == "true" || t.text == "false" {
			return p.literal(Bool(t.text == "true"))
		}
		return p.invocation(nil)
	case tokQuoted:
		return p.invocation(nil)
	}
	switch {
	case p.is("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case p.is("{"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		return &Literal{}, p.expect("}")
	case t.kind == tokEnd:
		return nil, p.fail(t.at, "the expression ends too early")
	}
	return nil, p.fail(t.at, "unexpected %q", t.text)
}

func (p *parser) literal(it Item) (Node, error) {
	return newLiteral(it), p.advance()
}

// number reads an integer, a decimal, or a quantity when a unit follows.
func (p *parser) number() (Node, error) {
	text, at := p.tok.text, p.tok.at
	if err := p.advance(); err != nil {
		return nil, err
	}
	value, ok := ParseDecimal(text)
	if !ok {
		return nil, p.fail(at, "the number has too many digits")
	}
	if p.tok.kind == tokString {
		return p.literal(quantity(value, p.tok.text))
	}
	if p.tok.kind == tokName && calendarUnits[p.tok.text] != "" {
		return p.literal(quantity(value, calendarUnits[p.tok.text]))
	}
	it := Item{kind: Decimal, num: value}
	if !strings.Contains(text, ".") {
		if !value.Num().IsInt64() {
			return nil, p.fail(at, "the integer is too large")
		}
		it = Int(value.Num().Int64())
	}
	return newLiteral(it), nil
}

// ParseDecimal reads a decimal of bounded size, exponents included: exact
// arithmetic on numbers with huge ones would cost memory without bound.
func ParseDecimal(s string) (*big.Rat, bool) {
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
	}
	if len(mantissa) > 100 || strings.ContainsAny(s, "/_xXpP") {
		return nil, false
	}
	if exponent != "" {
		if e, err := strconv.Atoi(exponent); err != nil || e < -100 || e > 100 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}
