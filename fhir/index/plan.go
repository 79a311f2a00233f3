package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Plan is how an index answers a condition: a filter that finds everything that
// matches and, unless Exact, more, which a Matcher has to sort out.
type Plan struct {
	Where store.Filter
	Exact bool
	// Walk, if not nil, is a way through entries that finds the same in their order,
	// for where no order is asked for and the index would have to be read as a whole.
	Walk *Walk
	// Apart, if not nil, divides what Where finds.
	Apart *Apart
}

// Apart are what matches for certain, and the others, which are few and have to be
// looked at. All of these satisfy Marked: where nothing does, there is no doubt.
type Apart struct{ Sure, Doubt, Marked store.Filter }

// Compiler turns conditions into filters on the entries. Safe for concurrent
// use.
type Compiler struct {
	Indexer
	Field string    // where the entries of a document are
	Now   time.Time // for the prefix ap
	// Own compiles terms on what is not among the entries, such as _id; ok is
	// false for all others.
	Own func(fhir.Term) (where store.Filter, ok bool, err error)
}

// Compile makes the plan for a condition on a type, which has neither Chain nor
// Has. CodeNotSupported for what cannot be searched by.
func (c *Compiler) Compile(t fhir.Type, e fhir.Expr) (Plan, error) {
	r := c.reader()
	return (&compiler{c, c.Parameters.Of(t), r.loc}).expr(e)
}

type compiler struct {
	*Compiler
	typ *Type
	loc *time.Location
}

func exact(f store.Filter) Plan { return Plan{Where: f, Exact: true} }

func (c *compiler) expr(e fhir.Expr) (Plan, error) {
	switch e := e.(type) {
	case nil:
		return exact(store.All()), nil
	case fhir.And:
		return c.and(e)
	case fhir.Or:
		return c.or(e)
	case fhir.Not:
		p, err := c.expr(e.Expr)
		if err != nil || p.Exact && !long(p.Where) {
			return exact(store.Not{Filter: p.Where}), err
		}
		// What is not found by more than it asks for may yet match.
		return Plan{Where: store.All()}, nil
	case fhir.Term:
		return c.term(e)
	}
	return Plan{}, fmt.Errorf("index: %T must be resolved before", e)
}

// and narrows by each part. Where one is the patient, or some patients, tokens are looked for
// among theirs, which leaves nothing to be asked of the patient.
func (c *compiler) and(e fhir.And) (Plan, error) {
	out := Plan{Exact: true}
	var all store.And
	at, patients := c.patientsOf(e)
	free := len(patients) == 0
	pair := c.coupleOf(e)
	if free && pair != nil {
		all = append(all, pair.Where)
		out.Walk = pair.Walk
	}
	scoped := false
	for i, part := range e {
		if i == at {
			continue
		}
		own, whole := c.scope(patients, part)
		if own != nil {
			all, scoped = append(all, own), true
		}
		if whole {
			continue
		}
		p, err := c.expr(part)
		if err != nil {
			return Plan{}, err
		}
		switch {
		case own != nil, pair != nil && i == pair.second:
			p.Where = aside(p.Where)
		case len(patients) == 1 && long(p.Where):
			p = Plan{Where: store.All()} // the patient's are fewer
		}
		if free && pair.has(i) {
			out.Walk = out.Walk.with(aside(p.Where))
		} else {
			out.Walk = out.Walk.beside(p, all, free)
		}
		all = append(all, p.Where)
		out.Exact = out.Exact && p.Exact
	}
	if at >= 0 && !scoped {
		p, err := c.expr(e[at])
		if err != nil {
			return Plan{}, err
		}
		all = append(all, p.Where)
		out.Exact = out.Exact && p.Exact
	}
	if out.Walk != nil && out.Walk.Stretches == nil {
		out.Walk = nil
	}
	out.Where = all
	if len(all) == 1 {
		out.Where = all[0]
	}
	return out, nil
}

// aside asks for the same in a form that no index is looked into for: where an
// index holds a narrower condition already, comparing the two would only cost.
func aside(f store.Filter) store.Filter { return store.Not{Filter: store.Not{Filter: f}} }

// patientsOf finds the part that asks for one patient, or for any of some, and the keys of those; -1 when
// there is none.
func (c *compiler) patientsOf(e fhir.And) (at int, keys []string) {
	for i, part := range e {
		or, ok := part.(fhir.Or)
		if !ok {
			or = fhir.Or{part}
		}
		for _, one := range or {
			key := c.patientOf(one)
			if key == "" {
				keys = nil
				break
			}
			keys = append(keys, key)
		}
		if len(keys) > 0 {
			return i, keys
		}
	}
	return -1, nil
}

// patientOf gives the key of the patient that a condition asks for, "" when it asks for something else.
func (c *compiler) patientOf(e fhir.Expr) string {
	t, ok := e.(fhir.Term)
	if !ok || t.Modifier != "" {
		return ""
	}
	ref, ok := t.Value.(fhir.ReferenceValue)
	p := c.typ.byName[t.Param.Name]
	if ok && p != nil && ref.Type == "Patient" && ref.Version == "" && c.typ.samePatient(p) {
		return patientKey(ref.ID)
	}
	return ""
}

// maxScopedKeys is up to how many keys tokens of some patients are looked for by.
const maxScopedKeys = 1000

// scope gives the filter on the patients' own entries that a token, or several,
// implies; nil if there is none. whole says that it asks for just as much: those
// entries hold no system.
func (c *compiler) scope(patients []string, e fhir.Expr) (where store.Filter, whole bool) {
	if len(patients) == 0 {
		return nil, false
	}
	or, ok := e.(fhir.Or)
	if !ok {
		or = fhir.Or{e}
	}
	var keys []store.Value
	whole = true
	for _, part := range or {
		t, ok := part.(fhir.Term)
		if !ok || t.Modifier != "" {
			return nil, false
		}
		p := c.typ.byName[t.Param.Name]
		tokens := tokensOf(t.Value)
		if len(tokens) == 0 || p == nil || !p.scoped {
			return nil, false
		}
		for _, token := range tokens {
			if token.AnyCode {
				return nil, false
			}
			if len(keys)+len(patients) > maxScopedKeys && len(patients) > 1 {
				return nil, false
			}
			for _, patient := range patients {
				keys = append(keys, store.String(patient+p.code+short(token.Code)))
			}
			whole = whole && (token.AnySystem || p.fixed && token.System == p.system)
		}
	}
	return c.in(keys), whole
}

func (c *compiler) in(keys []store.Value) store.Filter { return in(c.Field, keys) }

func in(path string, values []store.Value) store.Filter {
	switch len(values) {
	case 0:
		return store.None()
	case 1:
		return store.Eq{Path: path, Value: values[0]}
	}
	return store.In{Path: path, Values: values}
}

func (c *compiler) is(key string) Plan { return exact(c.in([]store.Value{store.String(key)})) }

// or gathers equalities into one In, which an index walks in order.
func (c *compiler) or(e fhir.Or) (Plan, error) {
	out := Plan{Exact: true}
	keys := make(map[string][]store.Value) // by path
	var any store.Or
	for _, part := range e {
		p, err := c.expr(part)
		if err != nil {
			return Plan{}, err
		}
		out.Exact = out.Exact && p.Exact
		switch f := p.Where.(type) {
		case store.Eq:
			keys[f.Path] = append(keys[f.Path], f.Value)
		case store.In:
			keys[f.Path] = append(keys[f.Path], f.Values...)
		default:
			any = append(any, p.Where)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(keys)) {
		any = append(any, in(path, keys[path]))
	}
	out.Where = any
	if len(any) == 1 {
		out.Where = any[0]
	}
	return out, nil
}

func (c *compiler) term(t fhir.Term) (Plan, error) {
	if unresolved(t) {
		return Plan{}, fmt.Errorf("index: %s:%s must be resolved before", t.Param.Name, t.Modifier)
	}
	if c.Own != nil {
		if where, ok, err := c.Own(t); ok || err != nil {
			return exact(where), err
		}
	}
	p := c.typ.byName[t.Param.Name]
	if p == nil {
		return Plan{}, fhir.Errorf(fhir.CodeNotSupported, "http."+t.Param.Name, "%s cannot be searched by %s.", c.typ.name, t.Param.Name)
	}
	if p.words {
		return c.words(p, t)
	}
	if p.aside {
		return Plan{Where: store.All()}, nil
	}
	if missing, ok := t.Value.(fhir.BoolValue); ok {
		return c.missing(p, bool(missing)), nil
	}
	if p.union != nil {
		any := make(fhir.Or, len(p.union))
		for i, part := range p.union {
			own := t
			own.Param = part.SearchParam
			any[i] = own
		}
		return c.or(any)
	}
	return c.value(p, t)
}

// value makes the plan for a term by the entries of p.
func (c *compiler) value(p *param, t fhir.Term) (Plan, error) {
	switch v := t.Value.(type) {
	case fhir.TokenValue:
		if t.Modifier == fhir.ModIdentifier {
			return c.identifier(p, v), nil
		}
		if t.Modifier == fhir.ModUnequal {
			return c.otherToken(p, v), nil
		}
		return c.token(p, v), nil
	case fhir.TokenSet:
		return c.tokens(p, v), nil
	case fhir.OfTypeValue:
		return Plan{Where: c.is(p.code + short(v.Value)).Where}, nil
	case fhir.NearValue:
		return c.near(p, v), nil
	case fhir.StringValue:
		return c.text(p, string(v), t.Modifier), nil
	case fhir.ReferenceValue:
		return c.reference(p, v), nil
	case fhir.URIValue:
		return c.uri(p, string(v), t.Modifier), nil
	case fhir.DateValue:
		return c.date(p, t.Prefix, v.Date), nil
	case fhir.NumberValue:
		return c.number(p.code, t.Prefix, v), nil
	case fhir.QuantityValue:
		plan := c.number(p.code, t.Prefix, v.NumberValue)
		plan.Exact = plan.Exact && v.Code == "" // units stand in no entry
		return plan, nil
	case fhir.CompositeValue:
		return c.composite(p, v)
	}
	return Plan{}, fhir.Errorf(fhir.CodeNotSupported, "http."+t.Param.Name, "%s cannot be searched by %s in this way.", c.typ.name, t.Param.Name)
}

// there finds what has a value of the parameter.
func (c *compiler) there(p *param) store.Filter {
	switch {
	case p.union != nil:
		var any store.Or
		for _, part := range p.union {
			any = append(any, c.there(part))
		}
		return any
	case p.within != nil:
		return store.Or{c.prefix(p.within.code + "Patient/"), c.prefix(p.code)}
	}
	return c.prefix(p.code)
}

func (c *compiler) prefix(s string) store.Filter { return store.Prefix{Path: c.Field, Value: s} }

// maybe is a plan whose candidates must be looked at.
func (c *compiler) maybe(prefix string) Plan { return Plan{Where: c.prefix(prefix)} }

func (c *compiler) token(p *param, v fhir.TokenValue) Plan {
	switch {
	case v.AnyCode:
		return c.maybe(p.code)
	case v.AnySystem || p.fixed && v.System == p.system:
		return c.is(p.code + short(v.Code))
	case p.fixed:
		return exact(store.None())
	}
	return c.is(p.code + short(v.Code) + end + systemKey(v.System))
}

func (c *compiler) identifier(p *param, v fhir.TokenValue) Plan {
	switch {
	case v.AnyCode:
		return c.maybe(p.code + logical)
	case v.AnySystem:
		return exact(c.prefix(p.code + logical + short(v.Code) + end))
	}
	return c.is(p.code + logical + short(v.Code) + end + systemKey(v.System))
}

func (c *compiler) text(p *param, s string, m fhir.Modifier) Plan {
	if m == fhir.ModText {
		if head, whole := shownHead(s); p.shown && head != "" {
			key := p.code + shown + head
			return Plan{Where: c.prefix(key), Exact: whole, Walk: &Walk{Stretches: []store.Stretch{{Prefix: key}}}}
		}
		if where := c.printed(s); where != nil {
			return Plan{Where: where}
		}
	}
	if p.Type != fhir.ParamString || m == fhir.ModContains || m == fhir.ModEnds {
		return c.maybe(p.code)
	}
	if m.Compares() {
		return c.compared(p, s, m)
	}
	key, whole := folded(s)
	return Plan{Where: c.prefix(p.code + key), Exact: whole && m == "", Walk: &Walk{Stretches: []store.Stretch{{Prefix: p.code + key}}}}
}

// reference looks for a target of each type that there may be, when the value
// names none.
func (c *compiler) reference(p *param, v fhir.ReferenceValue) Plan {
	if v.URL != "" {
		url, _, versioned := strings.Cut(v.URL, "|")
		return Plan{Where: c.is(p.code + urlKey(url)).Where, Exact: !versioned}
	}
	targets := p.Targets
	if v.Type != "" {
		targets = []fhir.Type{v.Type}
	}
	keys := make([]store.Value, len(targets))
	for i, t := range targets {
		code := p.code
		if p.within != nil && t == "Patient" {
			code = p.within.code
		}
		keys[i] = store.String(code + referenceKey(t, v.ID))
	}
	return Plan{Where: c.in(keys), Exact: v.Version == ""}
}

func (c *compiler) uri(p *param, uri string, m fhir.Modifier) Plan {
	switch m {
	case fhir.ModBelow:
		if len(uri) > maxCode/2 {
			return c.maybe(p.code)
		}
		return c.maybe(p.code + uri)
	case fhir.ModAbove:
		keys := []store.Value{store.String(p.code + short(uri))}
		for rest := uri; strings.Contains(rest, "/"); {
			rest = rest[:strings.LastIndexByte(rest, '/')]
			keys = append(keys, store.String(p.code+short(rest)), store.String(p.code+short(rest+"/")))
		}
		return exact(c.in(keys))
	case fhir.ModUnequal:
		key := p.code + short(uri)
		return exact(c.outside(p, p.code+plain, key, key+end))
	}
	return c.is(p.code + short(uri))
}

// between finds documents with one entry in [low, high).
func (c *compiler) between(low, high string) store.Filter {
	return store.Elem{Path: c.Field, Where: store.Range{
		Low:  &store.Bound{Value: store.String(low), Inclusive: true},
		High: &store.Bound{Value: store.String(high)},
	}}
}

// number narrows to the numbers in the range. The end of one that is not to be equal is
// left out, unless it is so long that others may have been cut to it. For what looks at one
// end of the numbers that is exact.
func (c *compiler) number(code string, prefix fhir.Prefix, v fhir.NumberValue) Plan {
	const first, last = "0", ":" // around all numbers
	key, _ := decimal(v.Value)
	low, _ := decimal(v.Low)
	high, _ := decimal(v.High)
	short := len(key) < maxDigits
	above, below, upTo := key, key+"~", key+"~"
	if short {
		above, below, upTo = key+"!", key, key+"!"
	}
	span := store.Stretch{Prefix: code, Low: first, High: last}
	decides := false
	switch prefix {
	case "", fhir.EQ:
		span.Low, span.High = low, high+"~"
	case fhir.GE:
		span.Low, decides = key, short
	case fhir.LE:
		span.High, decides = upTo, short
	case fhir.GT:
		span.Low, decides = above, short
	case fhir.LT:
		span.High, decides = below, short
	case fhir.SA:
		span.Low = above
	case fhir.EB:
		span.High = below
	}
	return Plan{Where: c.between(code+span.Low, code+span.High), Exact: decides, Walk: &Walk{Stretches: []store.Stretch{span}}}
}
