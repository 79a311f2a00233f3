package index

import "github.com/portico-fhir/portico/fhir"

// pair is a code and a quantity that clinicians ask for together: glucose above
// 100. Their composite parameter has entries of its own, the number behind the code.
type pair struct{ code, quantity, composite *param }

// paired finds the pair of a type.
func (it *Type) paired() *pair {
	p := pair{it.byName["code"], it.byName["value-quantity"], it.byName["code-value-quantity"]}
	if p.code == nil || p.quantity == nil || p.composite == nil {
		return nil
	}
	return &p
}

func (p *pair) key(code string) string { return p.composite.code + short(code) + end }

// codedValues are the parts of a resource's pairs.
type codedValues struct{ codes, numbers []string }

// note takes a value that is part of a pair.
func (c *codedValues) note(it *Type, p *param, v *value) {
	switch {
	case it.pair == nil:
	case p == it.pair.code && v.code != "":
		c.codes = append(c.codes, v.code)
	case p == it.pair.quantity:
		c.numbers = append(c.numbers, v.ends()...)
	}
}

func (c *codedValues) keys(out []string, it *Type) []string {
	for _, code := range c.codes {
		for _, n := range c.numbers {
			out = append(out, it.pair.key(code)+n)
		}
	}
	return out
}

// paired gives the plan for a code and a quantity together; ok is false for anything
// else.
func (c *compiler) paired(code, quantity fhir.Term) (plan Plan, ok bool) {
	p := c.typ.pair
	if p == nil || code.Param != p.code.SearchParam || quantity.Param != p.quantity.SearchParam || code.Modifier != "" || quantity.Modifier != "" {
		return Plan{}, false
	}
	token, ok := code.Value.(fhir.TokenValue)
	number, ok2 := quantity.Value.(fhir.QuantityValue)
	if !ok || !ok2 || token.AnyCode {
		return Plan{}, false
	}
	return c.number(p.key(token.Code), quantity.Prefix, number.NumberValue), true
}

// couple is a pair among the parts of a conjunction.
type couple struct {
	Plan
	code, quantity int // which parts they are
}

// coupleOf finds a code and a quantity among conditions; nil when there are none.
func (c *compiler) coupleOf(e fhir.And) *couple {
	for i, quantity := range e {
		for j, code := range e {
			a, ok := code.(fhir.Term)
			b, ok2 := quantity.(fhir.Term)
			if !ok || !ok2 {
				continue
			}
			if plan, ok := c.paired(a, b); ok {
				return &couple{plan, j, i}
			}
		}
	}
	return nil
}

// has reports whether part i is the code or the quantity.
func (c *couple) has(i int) bool { return c != nil && (i == c.code || i == c.quantity) }
