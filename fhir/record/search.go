package record

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/store"
)

// The parameters that are fields of their own.
const (
	paramID      = "_id"
	paramUpdated = "_lastUpdated"
)

// maxPage is the size from which a page is full whatever was asked for, so that
// memory is bounded when resources are large (R4 3.1.1.5.4 allows fewer).
const maxPage = 8 << 20

// Bounds on searches whose candidates have to be looked at one by one: for one
// page, and for a total.
const (
	maxLooked  = 20_000
	maxCounted = 100_000
)

// finding is one search on its way.
type finding struct {
	*Repository
	q     *fhir.Query
	plan  index.Plan
	find  store.Query // of all that matches, in no order
	order []store.Key
	parts []phase
	after store.Cursor
	match index.Matcher
	keyed bool // documents are read with their entries

	compiler index.Compiler
}

// Search returns the current resources of one type that match, deleted ones left
// out (R4 3.1.1). Without _sort the clinically newest come first.
func (r *Repository) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	f, err := r.finding(q)
	if err != nil {
		return fhir.Page{}, err
	}
	var page fhir.Page
	if q.Total || q.Count < 1 {
		n, err := f.count(ctx)
		if err != nil {
			return page, err
		}
		page.Total = &n
	}
	if q.Count < 1 || impossible(f.find.Where) {
		return page, nil
	}
	if err := f.decide(ctx); err != nil {
		return page, err
	}
	err = f.page(ctx, &page)
	return page, err
}

// decide finds out whether there is anything in doubt, of what has to be looked at because
// some may be.
func (f *finding) decide(ctx context.Context) error {
	apart := f.plan.Apart
	if apart == nil || f.plan.Exact {
		return nil
	}
	q := store.Query{Collection: f.find.Collection, Where: apart.Marked, Limit: 1, Fields: []string{fieldID}}
	for _, err := range f.Store.Find(ctx, q) {
		if err != nil {
			return fault("search", err)
		}
		return nil
	}
	f.plan.Exact = true
	f.find.Where = apart.Sure
	f.parts = f.phases(&f.compiler)
	return nil
}

// finding compiles a search.
func (r *Repository) finding(q *fhir.Query) (*finding, error) {
	f := &finding{Repository: r, q: q, match: index.Matcher{Indexer: *r.indexer(), Now: r.now()}}
	f.compiler = index.Compiler{Indexer: *r.indexer(), Field: fieldKeys, Now: r.now(), Own: r.own}
	f.compiler.NoText = f.compiler.NoText || r.known().wordless
	var err error
	if f.plan, err = f.compiler.Compile(q.Type, q.Where); err != nil {
		return nil, err
	}
	f.find = store.Query{Collection: collection(q.Type), Where: f.plan.Where, Fields: readFields()}
	if !entered(f.plan.Where) {
		f.find.Where = store.And{store.Exists{Path: fieldDeleted}, f.plan.Where}
	}
	if f.order, err = r.order(q); err != nil {
		return nil, err
	}
	if w := f.walk(); w != nil {
		f.order = byWalk(w)
	}
	f.parts = f.phases(&f.compiler)
	f.after, err = store.UnmarshalCursor([]byte(q.Cursor))
	if err != nil || f.after != nil && len(f.after) != len(f.order) {
		return nil, fhir.Errorf(fhir.CodeInvalid, "", "The page position is damaged. Search again from the first page.").Because(err)
	}
	return f, nil
}

// page reads one page, and one candidate more to know whether there is a next.
func (f *finding) page(ctx context.Context, page *fhir.Page) error {
	size := 0
	var last found
	take := func(doc found) (full bool, err error) {
		if len(page.Resources) == f.q.Count || size >= maxPage {
			page.Next, err = f.next(ctx, page, last)
			return true, err
		}
		last = doc
		size += len(doc.resource.Body)
		page.Resources = append(page.Resources, doc.resource)
		return false, nil
	}
	for i := f.reached(f.after); i < len(f.parts); i++ {
		if i == 0 {
			runs, err := f.runs(ctx)
			if err != nil {
				return err
			}
			if runs {
				if full, err := f.takeRuns(ctx, take); full || err != nil {
					return err
				}
				continue
			}
		}
		for doc, err := range f.matches(ctx, f.ask(i, f.q.Count+1-len(page.Resources)), maxLooked) {
			if err != nil {
				return err
			}
			if full, err := take(doc); full || err != nil {
				return err
			}
		}
	}
	return nil
}

// next gives the position behind the last resource of a page. Where entries give the
// order, they are read only of that one; when it has changed since, the page is
// read once more, with the entries of all.
func (f *finding) next(ctx context.Context, page *fhir.Page, last found) (string, error) {
	if !f.within() || f.keyed {
		return string(store.Position(f.order, last.raw).Marshal()), nil
	}
	id := store.Eq{Path: fieldID, Value: store.ID(last.raw)}
	q := store.Query{Collection: f.find.Collection, Where: id, Limit: 1, Fields: []string{fieldVersion, fieldUpdated, fieldRank, fieldKeys}}
	for doc, err := range f.Store.Find(ctx, q) {
		if err != nil {
			return "", fault("search", err)
		}
		if store.Compare(store.Lookup(doc, fieldVersion), store.Lookup(last.raw, fieldVersion)) == 0 {
			return string(store.Position(f.order, doc).Marshal()), nil
		}
	}
	f.keyed = true
	page.Resources = nil
	err := f.page(ctx, page)
	return page.Next, err
}

// within reports whether entries give the order.
func (f *finding) within() bool {
	return slices.ContainsFunc(f.order, func(k store.Key) bool { return k.Within != nil })
}

// ask gives the query for so many matches of a phase.
func (f *finding) ask(i, limit int) store.Query {
	q, part := f.find, f.parts[i]
	q.Where, q.Order = part.where, part.order
	if f.after != nil && i == f.reached(f.after) {
		q.After = f.after[part.skip:]
	}
	if q.Expect = limit; f.plan.Exact {
		q.Limit = limit
	}
	if f.within() && len(f.q.Sort) > 0 {
		q.MaxSort = f.most()
	}
	if f.within() && f.keyed {
		q.Fields = append(q.Fields, fieldKeys)
	}
	return q
}

// found is a document and the resource in it.
type found struct {
	raw      store.Doc
	resource fhir.Resource
}

// matches yields what matches, looking at no more than most candidates where
// the index does not decide.
func (f *finding) matches(ctx context.Context, q store.Query, most int) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		looked := 0
		for doc, err := range f.Store.Find(ctx, q) {
			if errors.Is(err, store.ErrTooCostly) {
				err = fhir.Errorf(fhir.CodeTooCostly, "http._sort", "More than %d resources would have to be sorted. Narrow the search down.", f.most())
				yield(found{}, err)
				return
			}
			if err != nil {
				yield(found{}, fault("search", err))
				return
			}
			res, ok, err := f.candidate(doc)
			if err != nil {
				yield(found{}, err)
				return
			}
			if looked++; !f.plan.Exact && looked > most {
				yield(found{}, fhir.Errorf(fhir.CodeTooCostly, "", "More than %d resources would have to be looked at one by one. Narrow the search down, by patient or by date.", most))
				return
			}
			if ok && !yield(found{doc, res}, nil) {
				return
			}
		}
	}
}

// candidate reads a document, and decides where the index has not.
func (f *finding) candidate(doc store.Doc) (fhir.Resource, bool, error) {
	id, _ := store.ID(doc).StringValueOK()
	v, err := decode(id, doc)
	if err != nil {
		return fhir.Resource{}, false, fault("search", err)
	}
	res := v.resource(fhir.Key{Type: f.q.Type, ID: id})
	if f.plan.Exact {
		return res, true, nil
	}
	ok, err := f.match.Match(f.q.Type, v.body, f.q.Where)
	if err != nil {
		return res, false, fault("search", err)
	}
	return res, ok, nil
}

func (f *finding) count(ctx context.Context) (int64, error) {
	if impossible(f.find.Where) {
		return 0, nil
	}
	if and, ok := f.plan.Where.(store.And); ok && len(and) == 0 && f.plan.Exact {
		return f.living(ctx)
	}
	if f.plan.Exact {
		return f.countWhere(ctx, f.find.Where)
	}
	q := f.find
	q.Order = byDate(true)
	var n int64
	if apart := f.plan.Apart; apart != nil {
		var err error
		if n, err = f.countWhere(ctx, apart.Sure); err != nil {
			return 0, err
		}
		q.Where = apart.Doubt
	}
	for _, err := range f.matches(ctx, q, maxCounted) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func (f *finding) countWhere(ctx context.Context, where store.Filter) (int64, error) {
	n, err := f.Store.Count(ctx, store.Query{Collection: f.find.Collection, Where: where})
	if err != nil {
		return 0, fault("count", err)
	}
	return n, nil
}

// living counts the resources of a type that are not deleted, by counting all and
// those that are: few, and in an index of their own. What others delete in between
// is still counted, as if they had done so later.
func (f *finding) living(ctx context.Context) (int64, error) {
	deleted, err := f.countWhere(ctx, store.Eq{Path: fieldDeleted, Value: store.V(true)})
	if err != nil {
		return 0, err
	}
	all, err := f.countWhere(ctx, store.All())
	return all - deleted, err
}

// impossible reports whether a filter plainly holds for nothing.
func impossible(f store.Filter) bool {
	switch f := f.(type) {
	case store.Or:
		return len(f) == 0
	case store.And:
		return slices.ContainsFunc(f, impossible)
	}
	return false
}

// entered reports whether a filter holds only for documents with an entry:
// delete markers have none, and need not be told apart then.
func entered(f store.Filter) bool {
	switch f := f.(type) {
	case store.Eq:
		return f.Path == fieldKeys
	case store.In:
		return f.Path == fieldKeys
	case store.Prefix:
		return f.Path == fieldKeys
	case store.Elem:
		return f.Path == fieldKeys
	case store.And:
		for _, part := range f {
			if entered(part) {
				return true
			}
		}
		return false
	case store.Or:
		for _, part := range f {
			if !entered(part) {
				return false
			}
		}
		return true
	}
	return false
}

func (r *Repository) indexer() *index.Indexer {
	return r.indexerFor(r.known())
}

func (r *Repository) indexerFor(ps *parameters) *index.Indexer {
	return &index.Indexer{Base: r.Base, Location: r.location(), Parameters: ps.index, NoText: r.NoText}
}

// own compiles the terms on _id and _lastUpdated. Every resource has both, so
// that :missing is decided without looking.
func (r *Repository) own(t fhir.Term) (where store.Filter, ok bool, err error) {
	if t.Param.Name != paramID && t.Param.Name != paramUpdated {
		return nil, false, nil
	}
	unsupported := fhir.Errorf(fhir.CodeNotSupported, "http."+t.Param.Name, "%s cannot be searched in this way.", t.Param.Name)
	if t.Modifier != "" && t.Modifier != fhir.ModMissing && t.Modifier != fhir.ModUnequal {
		return nil, true, unsupported
	}
	switch v := t.Value.(type) {
	case fhir.BoolValue:
		if v {
			return store.None(), true, nil
		}
		return store.All(), true, nil
	case fhir.TokenValue:
		// Ids have no system.
		if v.System != "" || v.AnyCode {
			return store.None(), true, nil
		}
		is := store.Eq{Path: fieldID, Value: store.String(v.Code)}
		if t.Modifier == fhir.ModUnequal {
			return store.Not{Filter: is}, true, nil
		}
		return is, true, nil
	case fhir.DateValue:
		where, err = r.updated(t.Prefix, v.Date)
		return where, true, err
	}
	return nil, true, unsupported
}

// updated compares lastUpdated, an instant, with the span of a date (R4
// 3.1.1.4.3). Against an instant gt is sa, and lt is eb.
func (r *Repository) updated(prefix fhir.Prefix, d fhir.Date) (store.Filter, error) {
	low, high := d.Range(r.location())
	since := &store.Bound{Value: instant(low), Inclusive: true}
	until := &store.Bound{Value: instant(high)}
	switch prefix {
	case "", fhir.EQ:
		return store.Range{Path: fieldUpdated, Low: since, High: until}, nil
	case fhir.NE:
		return store.Not{Filter: store.Range{Path: fieldUpdated, Low: since, High: until}}, nil
	case fhir.GT, fhir.SA:
		return store.Range{Path: fieldUpdated, Low: &store.Bound{Value: instant(high), Inclusive: true}}, nil
	case fhir.GE:
		return store.Range{Path: fieldUpdated, Low: since}, nil
	case fhir.LT, fhir.EB:
		return store.Range{Path: fieldUpdated, High: &store.Bound{Value: instant(low)}}, nil
	case fhir.LE:
		return store.Range{Path: fieldUpdated, High: until}, nil
	case fhir.Overlaps:
		return store.Range{Path: fieldUpdated, Low: since, High: until}, nil
	case fhir.Contains:
		at := low.Truncate(time.Millisecond) // what is stored lasts one
		if high.After(at.Add(time.Millisecond)) {
			return store.None(), nil
		}
		return store.Eq{Path: fieldUpdated, Value: store.V(at)}, nil
	case fhir.AP:
		// A tenth of the gap between now and the date.
		slack := r.now().Sub(low).Abs() / 10
		return store.Range{
			Path: fieldUpdated,
			Low:  &store.Bound{Value: instant(low.Add(-slack)), Inclusive: true},
			High: &store.Bound{Value: instant(high.Add(slack))},
		}, nil
	default:
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.query._lastUpdated", "%q is no prefix of a date.", prefix)
	}
}

// instant gives t as it is compared with what is stored: whole milliseconds, the
// next one when t lies between two.
func instant(t time.Time) store.Value {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return store.V(time.UnixMilli(ms).UTC())
}
