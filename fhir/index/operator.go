package index

import (
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// What _filter asks for and no other parameter does (R4 3.1.3.2).

// plain is where the entries of a parameter begin that hold whole texts and codes: in front
// are those that begin with a byte that structures them.
const plain = "\x05"

// compared narrows to the texts that compare so with s. Entries tell it exactly, unless s is
// as long as what they are cut to.
func (c *compiler) compared(p *param, s string, m fhir.Modifier) Plan {
	head, _ := folded(s)
	key := p.code + head
	if head == "" || utf8.RuneCountInString(head) == maxString {
		return c.maybe(p.code)
	}
	first, behind, last := p.code+plain, key+end, following(p.code)
	switch m {
	case fhir.ModEqual:
		return c.is(key)
	case fhir.ModUnequal:
		return exact(c.outside(p, first, key, behind))
	case fhir.ModGreater:
		return exact(c.between(behind, last))
	case fhir.ModGreaterEqual:
		return exact(c.between(key, last))
	case fhir.ModLess:
		return exact(c.between(first, key))
	}
	return exact(c.between(first, behind))
}

// otherToken finds codes that are not the token. Those of another system with the same code
// stand between the entries of the code.
func (c *compiler) otherToken(p *param, v fhir.TokenValue) Plan {
	if v.AnyCode {
		return c.maybe(p.code)
	}
	first := p.code + plain
	key := p.code + short(v.Code)
	switch {
	case v.AnySystem || p.fixed && v.System == p.system:
		return exact(c.outside(p, first, key, key+special))
	case p.fixed:
		return exact(c.between(first, following(p.code)))
	}
	same := key + end + systemKey(v.System)
	return exact(store.Or{
		c.outside(p, first, key, key+special), c.between(key+end, same), c.between(same+end, key+special),
	})
}

// outside finds the entries of a parameter from first on that are not in [low, high).
func (c *compiler) outside(p *param, first, low, high string) store.Filter {
	return store.Or{c.between(first, low), c.between(high, following(p.code))}
}

// following is what comes behind all that begins with a code.
func following(code string) string {
	b := []byte(code)
	b[len(b)-1]++
	return string(b)
}
