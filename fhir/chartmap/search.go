package chartmap

import (
	"context"
	"fmt"
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
}

// cond turns an expression into a condition on the documents of a branch.
func (q *query) cond(b *branch, e fhir.Expr) (cond, error) {
	switch e := e.(type) {
	case nil:
		return always, nil
	case fhir.And:
		var all []cond
		for _, part := range e {
			c, err := q.cond(b, part)
			if err != nil {
				return nil, err
			}
			if isNever(c) {
				return never, nil
			}
			all = append(all, c)
		}
		return every(all...), nil
	case fhir.Or:
		var any []cond
		for _, part := range e {
			c, err := q.cond(b, part)
			if err != nil {
				return nil, err
			}
			any = append(any, c)
		}
		return some(any...), nil
	case fhir.Not:
		c, err := q.cond(b, e.Expr)
		if err != nil {
			return nil, err
		}
		return not(c), nil
	case fhir.Term:
		return q.term(b, e)
	}
	return nil, fmt.Errorf("a %T cannot be searched", e)
}

func (q *query) term(b *branch, t fhir.Term) (cond, error) {
	if t.Param == nil || !slices.Contains(q.params, t.Param) {
		return nil, fhir.Errorf(fhir.CodeNotSupported, "", "This search parameter is not supported for %s.", q.typ)
	}
	if t.Modifier == fhir.ModMissing {
		want, ok := t.Value.(fhir.BoolValue)
		if !ok {
			return nil, mismatched(t)
		}
		c, err := q.test(b, t.Param, &test{kind: testPresent})
		if err != nil || !bool(want) {
			return c, err
		}
		return not(c), nil
	}
	probe, err := q.value(t)
	if err != nil {
		return nil, err
	}
	return q.test(b, t.Param, probe)
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
	default:
		return nil, mismatched(t)
	}
	if t.Modifier != "" && (out.kind != testText || t.Modifier != fhir.ModExact && t.Modifier != fhir.ModContains) {
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

// test applies a test to what a parameter leads to in a branch.
func (q *query) test(b *branch, p *fhir.SearchParam, t *test) (cond, error) {
	switch p.Name {
	case "_id":
		return q.id(b, t), nil
	case "_lastUpdated":
		if b.updated == nil {
			return never, nil
		}
		d := date{moment: *b.updated}
		return d.search(&seeker{}, nil, t), nil
	}
	var sk seeker
	var any []cond
	for _, path := range q.paths[p] {
		any = append(any, b.body.search(&sk, path, t))
	}
	if sk.unsupported {
		return nil, fmt.Errorf("search parameter %s: %T does not fit", p.Name, t)
	}
	return some(any...), nil
}

// id is the condition on the logical id.
func (q *query) id(b *branch, t *test) cond {
	if t.kind == testPresent {
		return always
	}
	key, suffix, ok := q.ids.parse(t.token.Code)
	if !ok || suffix != b.suffix || t.kind != testToken || t.token.AnyCode || !t.token.AnySystem && t.token.System != "" {
		return never
	}
	return exactly{b.id.keyIs(key)}
}

// Search implements fhir.Repository. Resources without a value for the first
// sort key come last in both directions; further keys only decide between equal
// ones, and there a missing value is the smallest. Ties go by the key of the
// document.
//
// Total is exact. It costs a Count for each branch that can match, and where a
// condition cannot be said as a filter (dates stored as text, $omitSelf), reading
// the documents in doubt.
func (r *Repository) Search(ctx context.Context, fq *fhir.Query) (fhir.Page, error) {
	s := r.Map.types[fq.Type]
	if s == nil {
		return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "", "%s is not in the chart map.", fq.Type)
	}
	q := &query{served: s, now: time.Now(), loc: r.Map.Location}
	if r.Now != nil {
		q.now = r.Now()
	}
	plan, err := q.plan(fq)
	if err != nil {
		return fhir.Page{}, err
	}
	page := fhir.Page{}
	if fq.Total || fq.Count <= 0 {
		n, err := r.total(ctx, plan)
		if err != nil {
			return fhir.Page{}, err
		}
		page.Total = &n
	}
	if fq.Count <= 0 {
		return page, nil
	}
	at, err := parsePosition(fq.Cursor, plan)
	if err != nil {
		return fhir.Page{}, err
	}
	page.Resources, page.Next, err = r.page(ctx, plan, at, fq.Count)
	return page, err
}

// stream is the part of a search that one branch answers.
type stream struct {
	*branch
	where cond
	order []store.Key
	last  bool // holds what has no value for the first sort key
}

// plan compiles a query into streams. Streams with the same last are merged;
// those with last come after all others.
func (q *query) plan(fq *fhir.Query) ([]*stream, error) {
	var plan []*stream
	for _, b := range q.branches {
		c, err := q.cond(b, fq.Where)
		if err != nil {
			return nil, err
		}
		if c = every(b.base, c); isNever(c) {
			continue
		}
		streams, err := q.sorted(b, c, fq.Sort)
		if err != nil {
			return nil, err
		}
		plan = append(plan, streams...)
	}
	return plan, nil
}

// sorted splits a branch by whether it has the first sort key.
func (q *query) sorted(b *branch, c cond, sort []fhir.SortKey) ([]*stream, error) {
	first, without := &stream{branch: b, where: c}, &stream{branch: b, where: never, last: true}
	add := func(k store.Key) {
		first.order = append(first.order, k)
		if len(first.order) > 1 {
			without.order = append(without.order, k)
		}
	}
	for i, k := range sort {
		if k.Param == nil || !slices.Contains(q.sortable, k.Param.Name) {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query._sort", "%s cannot be sorted by this parameter.", q.typ)
		}
		if k.Param.Name == "_id" {
			add(store.Key{Path: "_id", Desc: k.Desc})
			break
		}
		key := q.keys[k.Param][b.number]
		path := noField
		if key.moment != nil {
			path = key.path
			if i > 0 && key.text {
				return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query._sort", "%s can only be the first sort key.", k.Param.Name)
			}
		}
		add(store.Key{Path: path, Desc: k.Desc})
		if i == 0 {
			first.where, without.where = every(c, key.present), every(c, not(key.present))
		}
	}
	var out []*stream
	for _, s := range []*stream{first, without} {
		if !isNever(s.where) {
			out = append(out, s)
		}
	}
	return out, nil
}

// noField is the sort path of branches that do not have a key: no document has it.
const noField = "-"

// total counts the matches of a plan.
func (r *Repository) total(ctx context.Context, plan []*stream) (int64, error) {
	var sum int64
	for _, s := range plan {
		if f := s.where.lower(); !none(f) {
			n, err := r.Store.Count(ctx, store.Query{Collection: s.Collection, Where: f})
			if err != nil {
				return 0, fmt.Errorf("counting in %s: %w", s.Collection, err)
			}
			sum += n
		}
		if s.where.exact() {
			continue
		}
		doubt := conjunction([]store.Filter{s.where.upper(), negation(s.where.lower())})
		for doc, err := range r.Store.Find(ctx, store.Query{Collection: s.Collection, Where: doubt, Fields: s.fields}) {
			if err != nil {
				return 0, fmt.Errorf("counting in %s: %w", s.Collection, err)
			}
			if s.where.match(doc) {
				sum++
			}
		}
	}
	return sum, nil
}
