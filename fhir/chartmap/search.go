package chartmap

import (
	"context"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// query compiles one search for the branches of a type.
type query struct {
	*served
	now time.Time
	loc *time.Location
	lay bool // release rules apply
}

// ask is a search expression whose values are read: once, for all branches.
type ask struct {
	op    operator
	parts []ask
	param *fhir.SearchParam // of a term
	test  *test
}

type operator uint8

const (
	opAnd operator = iota
	opOr
	opNot
	opTerm
)

// read checks an expression and reads its values. What has no counterpart in the
// EHR's fields is CodeNotSupported.
func (q *query) read(e fhir.Expr) (ask, error) {
	switch e := e.(type) {
	case nil:
		return ask{op: opAnd}, nil
	case fhir.And:
		return q.readAll(opAnd, e)
	case fhir.Or:
		return q.readAll(opOr, e)
	case fhir.Not:
		return q.readAll(opNot, []fhir.Expr{e.Expr})
	case fhir.Term:
		return q.term(e)
	}
	return ask{}, fhir.Errorf(fhir.CodeNotSupported, "", "Search across references is not supported for %s here.", q.typ)
}

func (q *query) readAll(op operator, es []fhir.Expr) (ask, error) {
	out := ask{op: op, parts: make([]ask, len(es))}
	for i, e := range es {
		var err error
		if out.parts[i], err = q.read(e); err != nil {
			return ask{}, err
		}
	}
	return out, nil
}

func (q *query) term(t fhir.Term) (ask, error) {
	if t.Param == nil || !slices.Contains(q.params, t.Param) {
		return ask{}, fhir.Errorf(fhir.CodeNotSupported, "", "This search parameter is not supported for %s.", q.typ)
	}
	if set, ok := t.Value.(fhir.TokenSet); ok && t.Modifier == "" && t.Param.Type == fhir.ParamToken {
		return q.anyOf(t.Param, set)
	}
	if t.Modifier != fhir.ModMissing {
		probe, err := q.value(t)
		return ask{op: opTerm, param: t.Param, test: probe}, err
	}
	missing, ok := t.Value.(fhir.BoolValue)
	if !ok {
		return ask{}, mismatched(t)
	}
	there := ask{op: opTerm, param: t.Param, test: &test{kind: testPresent}}
	if missing {
		return ask{op: opNot, parts: []ask{there}}, nil
	}
	return there, nil
}

// anyOf asks for each token of a set.
func (q *query) anyOf(p *fhir.SearchParam, set fhir.TokenSet) (ask, error) {
	any := make([]fhir.Expr, len(set.Tokens()))
	for i, token := range set.Tokens() {
		any[i] = fhir.Term{Param: p, Value: token}
	}
	return q.readAll(opOr, any)
}

// answers reports whether the EHR's fields tell what the modifier asks of such a value. A
// number there has no precision of its own, which its operator co asks for.
func (t *test) answers(p fhir.Prefix) bool {
	switch t.modifier {
	case "":
		return t.kind != testNumber && t.kind != testQuantity || p != fhir.Contains
	case fhir.ModUnequal:
		return t.kind == testText || t.kind == testToken || t.kind == testURI
	case fhir.ModExact, fhir.ModContains:
		return t.kind == testText
	}
	return t.kind == testText && byReading(t.modifier)
}

// mismatched refuses a modifier or a kind of value that has no counterpart in the
// EHR's fields.
func mismatched(t fhir.Term) error {
	if t.Modifier != "" {
		return fhir.Errorf(fhir.CodeNotSupported, "http."+t.Param.Name, "The modifier :%s is not supported on %q here.", t.Modifier, t.Param.Name)
	}
	return fhir.Errorf(fhir.CodeNotSupported, "http."+t.Param.Name, "%q cannot be searched in this way here.", t.Param.Name)
}

// value turns a search value into a test.
func (q *query) value(t fhir.Term) (*test, error) {
	text := ""
	out := &test{modifier: t.Modifier}
	switch v := t.Value.(type) {
	case fhir.TokenValue:
		out.kind, out.token, text = testToken, v, v.System+v.Code
	case fhir.StringValue:
		out.kind, out.text, text = testText, string(v), string(v)
		if t.Modifier != fhir.ModExact {
			out.text = store.Fold(out.text)
		}
	case fhir.ReferenceValue:
		out.kind, out.target = testReference, v
	case fhir.DateValue:
		low, high := v.Range(q.loc)
		out.kind, out.dates = testDate, intervals(t.Prefix, low, high, q.now)
	case fhir.URIValue:
		out.kind, out.uri, text = testURI, string(v), string(v)
	case fhir.NumberValue:
		out.kind, out.stretches = testNumber, stretches(t.Prefix, v)
	case fhir.QuantityValue:
		out.kind, out.quantity, out.stretches, text = testQuantity, v, stretches(t.Prefix, v.NumberValue), v.System+v.Code
	}
	if kind, ok := testOf(t.Param.Type); !ok || kind != out.kind || !out.answers(t.Prefix) {
		return nil, mismatched(t)
	}
	if !searchable(text) {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.query."+t.Param.Name, "Text with the character U+FFFD, or that is not UTF-8, cannot be searched for.")
	}
	if unprintable(text) {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.query."+t.Param.Name, "Control characters cannot be searched for.")
	}
	return out, nil
}

// cond turns an expression into a condition on the documents of a branch.
func (q *query) cond(b *branch, a *ask) cond {
	switch a.op {
	case opNot:
		return not(q.cond(b, &a.parts[0]))
	case opTerm:
		return q.test(b, a.param, a.test)
	}
	cs := make([]cond, 0, len(a.parts))
	for i := range a.parts {
		c := q.cond(b, &a.parts[i])
		if a.op == opAnd && isNever(c) {
			return never
		}
		cs = append(cs, c)
	}
	if a.op == opOr {
		return some(cs...)
	}
	return every(cs...)
}

// test applies a test to what a parameter leads to in a branch. It is one of
// those that describe has tried.
func (q *query) test(b *branch, p *fhir.SearchParam, t *test) cond {
	switch p.Name {
	case "_id":
		return q.id(b, t)
	case "_lastUpdated":
		if b.updated == nil {
			return never
		}
		d := date{moment: *b.updated}
		return d.search(&seeker{}, nil, t)
	case "_security":
		return b.labeled(t)
	}
	var sk seeker
	paths := q.paths[p]
	if len(paths) == 1 {
		return b.body.search(&sk, paths[0], t)
	}
	any := make([]cond, len(paths))
	for i, path := range paths {
		any[i] = b.body.search(&sk, path, t)
	}
	return some(any...)
}

// id is the condition on the logical id.
func (q *query) id(b *branch, t *test) cond {
	switch {
	case t.kind == testPresent:
		return always
	case t.modifier == fhir.ModUnequal:
		return not(q.id(b, t.equal()))
	}
	what, ok := q.ids.parseIdent(t.token.Code)
	if !ok || what.suffix != b.suffix || what.array != b.spreads() || t.token.AnyCode || !t.token.AnySystem && t.token.System != "" {
		return never
	}
	own := cond(exactly{b.id.keyIs(what.key)})
	if b.each != nil {
		return every(own, b.each.is(what.elem))
	}
	return own
}

// Search implements fhir.Repository. Resources without a value for a sort key come last
// in both directions. Ties go by the key of the document, in the direction of the last
// sort key.
//
// Total is exact. It costs a Count for each branch that can match, and where a
// condition cannot be said as a filter (dates stored as text, $omitSelf), reading
// the documents in doubt.
func (r *Repository) Search(ctx context.Context, fq *fhir.Query) (fhir.Page, error) {
	s := r.served(fq.Type)
	if s == nil {
		return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "", "%s is not in the chart map.", fq.Type)
	}
	q := &query{served: s, now: time.Now(), loc: r.Map.Location, lay: lay(ctx)}
	if r.Now != nil {
		q.now = r.Now()
	}
	if len(fq.Include) > 0 {
		return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "http.query._include", "Includes are not supported for %s here.", fq.Type)
	}
	plan, err := q.plan(fq)
	if err != nil {
		return fhir.Page{}, err
	}
	page := fhir.Page{}
	if fq.Total || fq.Count <= 0 {
		n, err := r.total(ctx, q, fq)
		if err != nil {
			return fhir.Page{}, err
		}
		page.Total = &n
	}
	if fq.Count <= 0 {
		return page, nil
	}
	by := orderingOf(fq.Sort)
	at, err := parsePosition(fq.Cursor, by)
	if err != nil {
		return fhir.Page{}, err
	}
	page.Resources, page.Next, err = r.page(ctx, plan, by, at, fq.Count)
	return page, err
}
