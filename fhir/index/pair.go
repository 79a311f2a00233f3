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

// parts are what the entries of two parameters are made of.
type parts struct{ codes, numbers, families, givens []string }

// note takes a value that is such a part.
func (c *parts) note(it *Type, p *param, v *value) {
	if it.pair != nil {
		switch {
		case p == it.pair.code && v.code != "":
			c.codes = append(c.codes, v.code)
		case p == it.pair.quantity:
			c.numbers = append(c.numbers, v.ends()...)
		}
	}
	if it.names != nil {
		switch text := normal(v.text); {
		case text == "":
		case p == it.names.family:
			c.families = append(c.families, text)
		case p == it.names.given:
			c.givens = append(c.givens, text)
		}
	}
}

// keys adds the entries of the parts together.
func (c *parts) keys(out *keyList, it *Type) {
	if it.names != nil {
		it.names.keys(out, c.families, c.givens)
	}
	for _, code := range c.codes {
		for _, n := range c.numbers {
			out.add(it.pair.key(code), n)
		}
	}
}

func (c *parts) reset() {
	for _, list := range []*[]string{&c.codes, &c.numbers, &c.families, &c.givens} {
		clear(*list)
		*list = (*list)[:0]
	}
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

// couple are two parts of a conjunction that have common entries.
type couple struct {
	Plan
	first, second int // which parts they are
}

// coupleOf finds a code and a quantity, or two names, among conditions; nil when there are
// none.
func (c *compiler) coupleOf(e fhir.And) *couple {
	for i, second := range e {
		for j, first := range e {
			a, ok := first.(fhir.Term)
			b, ok2 := second.(fhir.Term)
			if !ok || !ok2 {
				continue
			}
			if plan, ok := c.paired(a, b); ok {
				return &couple{plan, j, i}
			}
			if plan, ok := c.called(a, b); ok {
				return &couple{plan, j, i}
			}
		}
	}
	return nil
}

// has reports whether part i is one of the two.
func (c *couple) has(i int) bool { return c != nil && (i == c.first || i == c.second) }
