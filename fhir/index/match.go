package index

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

// Matcher decides whether a resource satisfies a condition, by its JSON alone.
// It is what a search means; an index is only a faster way there. Safe for
// concurrent use.
type Matcher struct {
	Indexer
	Now time.Time // for the prefix ap
}

// Match reports whether the resource satisfies e. It is an error when that cannot be
// told by the resource alone, since chains, _has and value sets must have been
// resolved, or when there is no such parameter.
func (m *Matcher) Match(t fhir.Type, body []byte, e fhir.Expr) (bool, error) {
	typ := m.Parameters.Of(t)
	if !typ.alone(e) {
		return false, errors.New("index: the condition is not about one resource alone")
	}
	doc, err := path.NewDoc(body, schema.Model{})
	if err != nil {
		return false, err
	}
	c := candidate{Matcher: m, typ: typ, read: m.reader(), doc: doc, root: doc.Root()}
	return c.match(e), nil
}

// candidate is a resource that is looked at.
type candidate struct {
	*Matcher
	typ  *Type
	read *reader
	doc  *path.Doc
	root path.Item

	// The texts of the resource, once texted.
	texted          bool
	narrative, rest [][]string
}

func (c *candidate) match(e fhir.Expr) bool {
	switch e := e.(type) {
	case nil:
		return true
	case fhir.And:
		for _, part := range e {
			if !c.match(part) {
				return false
			}
		}
		return true
	case fhir.Or:
		for _, part := range e {
			if c.match(part) {
				return true
			}
		}
		return false
	case fhir.Not:
		return !c.match(e.Expr)
	case fhir.Term:
		return c.term(e)
	}
	return false
}

func (c *candidate) term(t fhir.Term) bool {
	p := c.typ.byName[t.Param.Name]
	if p == nil {
		return false
	}
	if t.Param.Type == fhir.ParamComposite {
		return c.composite(p, t)
	}
	if p.words {
		v, ok := t.Value.(fhir.WordsValue)
		return ok && c.says(p, v)
	}
	values := c.read.values(p, c.root, anything)
	if t.Modifier == fhir.ModMissing {
		return bool(t.Value.(fhir.BoolValue)) == !present(p, values)
	}
	for i := range values {
		if c.satisfies(&values[i], t) {
			return true
		}
	}
	return false
}

// present reports whether some value has an entry, be it one that follows from
// others: that is what :missing asks.
func present(p *param, values []value) bool {
	own := *p
	own.derived = derived{}
	var entries keyList
	for i := range values {
		values[i].keys(&entries, &own)
	}
	return len(entries.keys) > 0
}

// satisfies compares one value with one term.
func (c *candidate) satisfies(v *value, t fhir.Term) bool {
	switch want := t.Value.(type) {
	case fhir.TokenValue:
		switch t.Modifier {
		case fhir.ModIdentifier:
			return v.identifier != nil && v.identifier.is(want)
		case fhir.ModUnequal:
			return v.code != "" && !v.is(want)
		}
		return v.is(want)
	case fhir.TokenSet:
		return want.Has(v.system, v.code)
	case fhir.OfTypeValue:
		return v.ofType(want)
	case fhir.StringValue:
		return v.reads(string(want), t.Modifier)
	case fhir.NearValue:
		return v.near(want)
	case fhir.ReferenceValue:
		return v.refersTo(want, t.Param.Targets)
	case fhir.URIValue:
		return uriMatches(v.text, string(want), t.Modifier)
	case fhir.DateValue:
		low, high := want.Range(c.read.loc)
		return v.span.compare(t.Prefix, low, high, c.Now)
	case fhir.NumberValue:
		return v.compare(t.Prefix, want)
	case fhir.QuantityValue:
		return v.hasUnit(want) && v.compare(t.Prefix, want.NumberValue)
	}
	return false
}

func (v *value) is(want fhir.TokenValue) bool {
	if v.code == "" && !want.AnyCode {
		return false
	}
	return (want.AnySystem || v.system == want.System) && (want.AnyCode || v.code == want.Code)
}

// ofType is the modifier :of-type: the type's coding and the exact value.
func (v *value) ofType(want fhir.OfTypeValue) bool {
	for _, typ := range v.types {
		if typ.system == want.System && typ.code == want.Code && v.code == want.Value {
			return true
		}
	}
	return false
}

// reads compares text (R4 3.1.1.4.9): without a modifier what starts with it,
// case and accents aside. The text of a token is compared so too.
func (v *value) reads(want string, m fhir.Modifier) bool {
	if m == fhir.ModExact {
		return v.text == want
	}
	have, wanted := normal(v.text), normal(want)
	switch m {
	case fhir.ModContains:
		return strings.Contains(have, wanted)
	case fhir.ModEnds:
		return have != "" && strings.HasSuffix(have, wanted)
	}
	if m.Compares() {
		return have != "" && m.Holds(strings.Compare(have, wanted))
	}
	return have != "" && strings.HasPrefix(have, wanted)
}

// normal is the form in which text is compared: without case, accents and
// superfluous white space.
func normal(s string) string { return strings.Join(strings.Fields(store.Fold(s)), " ") }

// refersTo compares references; an id alone stands for each type that the
// parameter can refer to.
func (v *value) refersTo(want fhir.ReferenceValue, targets []fhir.Type) bool {
	if want.URL != "" {
		url, version, versioned := strings.Cut(want.URL, "|")
		return v.ref.URL == url && (!versioned || v.ref.Version == version)
	}
	if v.ref.Kind != fhir.RefLocal || v.ref.Key.ID != want.ID || (want.Version != "" && v.ref.Version != want.Version) {
		return false
	}
	if want.Type == "" {
		return slices.Contains(targets, v.ref.Key.Type)
	}
	return v.ref.Key.Type == want.Type
}

// uriMatches compares whole URIs, or with :above and :below by their path
// segments (R4 3.1.1.4.13, uri).
func uriMatches(have, want string, m fhir.Modifier) bool {
	switch m {
	case fhir.ModBelow:
		return have == want || strings.HasPrefix(have, strings.TrimSuffix(want, "/")+"/")
	case fhir.ModAbove:
		return have == want || strings.HasPrefix(want, strings.TrimSuffix(have, "/")+"/")
	case fhir.ModUnequal:
		return have != want
	}
	return have == want
}

// hasUnit compares units without converting.
func (v *value) hasUnit(want fhir.QuantityValue) bool {
	switch {
	case want.Code == "":
		return true
	case want.System == "":
		return v.code == want.Code || v.unit == want.Code
	}
	return v.code == want.Code && v.system == want.System
}

// compare tells whether a number satisfies a prefix (R4 3.1.1.4.6): only eq and
// ne look at the precision of what is wanted.
func (v *value) compare(prefix fhir.Prefix, want fhir.NumberValue) bool {
	above := func(n *big.Rat) bool { return v.high == nil || v.high.Cmp(n) > 0 }
	below := func(n *big.Rat) bool { return v.low == nil || v.low.Cmp(n) < 0 }
	switch prefix {
	case "", fhir.EQ:
		return within(v, want.Low, want.High)
	case fhir.NE:
		return !within(v, want.Low, want.High)
	case fhir.GT:
		return above(want.Value)
	case fhir.LT:
		return below(want.Value)
	case fhir.GE:
		return above(want.Value) || v.high.Cmp(want.Value) == 0
	case fhir.LE:
		return below(want.Value) || v.low.Cmp(want.Value) == 0
	case fhir.SA:
		return v.low != nil && v.low.Cmp(want.Value) > 0
	case fhir.EB:
		return v.high != nil && v.high.Cmp(want.Value) < 0
	case fhir.Contains:
		return v.implies(want.Value)
	case fhir.AP:
		slack := new(big.Rat).Abs(want.Value)
		slack.Quo(slack, big.NewRat(10, 1))
		low := new(big.Rat).Sub(want.Value, slack)
		high := new(big.Rat).Add(want.Value, slack)
		return (v.high == nil || v.high.Cmp(low) >= 0) && (v.low == nil || v.low.Cmp(high) <= 0)
	}
	return false
}

// implies reports whether the number's span contains n: that of its precision, or that
// of a Range.
func (v *value) implies(n *big.Rat) bool {
	if own, ok := search.Number(v.text); ok {
		return own.Low.Cmp(n) <= 0 && n.Cmp(own.High) < 0
	}
	return (v.low == nil || v.low.Cmp(n) <= 0) && (v.high == nil || n.Cmp(v.high) <= 0)
}

// within reports whether the number lies in [low, high).
func within(v *value, low, high *big.Rat) bool {
	return v.low != nil && v.high != nil && v.low.Cmp(low) >= 0 && v.high.Cmp(high) < 0
}
