package index

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

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

// paired gives the filter that a code and a quantity imply together; nil for
// anything else.
func (c *compiler) paired(code, quantity fhir.Term) store.Filter {
	p := c.typ.pair
	if p == nil || code.Param != p.code.SearchParam || quantity.Param != p.quantity.SearchParam || code.Modifier != "" || quantity.Modifier != "" {
		return nil
	}
	token, ok := code.Value.(fhir.TokenValue)
	number, ok2 := quantity.Value.(fhir.QuantityValue)
	if !ok || !ok2 || token.AnyCode {
		return nil
	}
	return c.number(p.key(token.Code), quantity.Prefix, number.NumberValue).Where
}

// pairOf finds a code and a quantity among conditions, and which of them is the
// quantity.
func (c *compiler) pairOf(e fhir.And) (where store.Filter, at int) {
	for i, quantity := range e {
		for _, code := range e {
			a, ok := code.(fhir.Term)
			b, ok2 := quantity.(fhir.Term)
			if !ok || !ok2 {
				continue
			}
			if where := c.paired(a, b); where != nil {
				return where, i
			}
		}
	}
	return nil, -1
}
