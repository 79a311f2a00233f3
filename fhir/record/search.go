package record

import (
	"context"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// The search parameters of every resource that records are found by.
const (
	paramID      = "_id"
	paramUpdated = "_lastUpdated"
)

// maxPage is the size from which a page is full whatever was asked for, so that
// memory is bounded when resources are large (R4 3.1.1.5.4 allows fewer).
const maxPage = 8 << 20

// Search returns the current resources of one type that match, deleted ones left
// out (R4 3.1.1).
func (r *Repository) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	var page fhir.Page
	where, err := r.filter(q.Where)
	if err != nil {
		return page, err
	}
	where = store.And{store.Exists{Path: fieldDeleted}, where}
	if q.Total || q.Count < 1 {
		n, err := r.Store.Count(ctx, store.Query{Collection: collection(q.Type), Where: where})
		if err != nil {
			return page, fault("count", err)
		}
		page.Total = &n
	}
	if q.Count < 1 {
		return page, nil
	}
	find := store.Query{Collection: collection(q.Type), Where: where, Limit: q.Count + 1}
	if find.Order, err = order(q.Sort); err != nil {
		return page, err
	}
	if find.After, err = store.UnmarshalCursor([]byte(q.Cursor)); err != nil {
		return page, fhir.Errorf(fhir.CodeInvalid, "", "The page position is damaged. Search again from the first page.").Because(err)
	}
	var last store.Doc
	size := 0
	for doc, err := range r.Store.Find(ctx, find) {
		if err != nil {
			return page, fault("search", err)
		}
		if len(page.Resources) == q.Count || size >= maxPage {
			page.Next = string(store.Position(find.Order, last).Marshal())
			break
		}
		last = doc
		id, _ := store.ID(doc).StringValueOK()
		v, err := decode(id, doc)
		if err != nil {
			return page, fault("search", err)
		}
		size += len(v.body)
		page.Resources = append(page.Resources, v.resource(fhir.Key{Type: q.Type, ID: id}))
	}
	return page, nil
}

// order gives the keys of _sort; by id without any.
func order(sort []fhir.SortKey) ([]store.Key, error) {
	var keys []store.Key
	for _, k := range sort {
		switch k.Param.Name {
		case paramID:
			keys = append(keys, store.Key{Path: fieldID, Desc: k.Desc})
		case paramUpdated:
			keys = append(keys, store.Key{Path: fieldUpdated, Desc: k.Desc})
		default:
			return nil, unsupported(k.Param)
		}
	}
	return store.CompleteOrder(keys), nil
}

// filter compiles a condition.
func (r *Repository) filter(e fhir.Expr) (store.Filter, error) {
	switch e := e.(type) {
	case nil:
		return store.All(), nil
	case fhir.And:
		parts, err := r.filters(e)
		return store.And(parts), err
	case fhir.Or:
		if values, ok := ids(e); ok {
			return store.In{Path: fieldID, Values: values}, nil
		}
		parts, err := r.filters(e)
		return store.Or(parts), err
	case fhir.Not:
		part, err := r.filter(e.Expr)
		return store.Not{Filter: part}, err
	case fhir.Term:
		return r.term(e)
	default:
		return nil, fhir.Errorf(fhir.CodeNotSupported, "", "Records cannot be searched in this way.")
	}
}

func (r *Repository) filters(exprs []fhir.Expr) ([]store.Filter, error) {
	parts := make([]store.Filter, 0, len(exprs))
	for _, e := range exprs {
		f, err := r.filter(e)
		if err != nil {
			return nil, err
		}
		parts = append(parts, f)
	}
	return parts, nil
}

// ids recognises _id=a,b,…, which is one walk over the index rather than many
// conditions.
func ids(or fhir.Or) ([]store.Value, bool) {
	values := make([]store.Value, 0, len(or))
	for _, e := range or {
		t, ok := e.(fhir.Term)
		if !ok || t.Param.Name != paramID || t.Modifier != "" {
			return nil, false
		}
		id, ok := idOf(t.Value)
		if !ok {
			return nil, false
		}
		values = append(values, store.String(id))
	}
	return values, true
}

// idOf gives the id that a token asks for: ids have no system.
func idOf(v fhir.Value) (string, bool) {
	token, ok := v.(fhir.TokenValue)
	return token.Code, ok && token.System == "" && !token.AnyCode
}

// term compiles one comparison. Every resource has both values, so that
// :missing is decided without looking.
func (r *Repository) term(t fhir.Term) (store.Filter, error) {
	if missing, ok := t.Value.(fhir.BoolValue); ok && t.Modifier == fhir.ModMissing && (t.Param.Name == paramID || t.Param.Name == paramUpdated) {
		if missing {
			return store.None(), nil
		}
		return store.All(), nil
	}
	switch v := t.Value.(type) {
	case fhir.TokenValue:
		if t.Param.Name != paramID || t.Modifier != "" {
			break
		}
		id, ok := idOf(v)
		if !ok {
			return store.None(), nil
		}
		return store.Eq{Path: fieldID, Value: store.String(id)}, nil
	case fhir.DateValue:
		if t.Param.Name != paramUpdated || t.Modifier != "" {
			break
		}
		return r.updated(t.Prefix, v.Date)
	}
	return nil, unsupported(t.Param)
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

func unsupported(p *fhir.SearchParam) error {
	return fhir.Errorf(fhir.CodeNotSupported, "http.query."+p.Name, "Records cannot be searched or sorted by %s in this way.", p.Name)
}
