package record

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/store"
)

// maxSorted bounds how many matches are sorted for a page where no index gives
// the order.
const maxSorted = 20_000

// order gives the keys of _sort, and, where they leave a choice, what is clinically
// newest first, which is how the index stands. Resources without a value come last in either
// direction.
func (r *Repository) order(q *fhir.Query) ([]store.Key, error) {
	typ := r.known().index.Of(q.Type)
	keys := []store.Key{}
	for i, k := range q.Sort {
		if slices.ContainsFunc(q.Sort[:i], func(other fhir.SortKey) bool { return other.Param == k.Param }) {
			continue // they are in order by it
		}
		switch {
		case k.Param.Name == paramID:
			keys = append(keys, store.Key{Path: fieldID, Desc: k.Desc})
		case k.Param.Name == paramUpdated:
			keys = append(keys, store.Key{Path: fieldUpdated, Desc: k.Desc})
		case k.Param == typ.ClinicalDate() && i == len(q.Sort)-1 && (k.Desc || len(keys) == 0):
			keys = append(keys, byDate(k.Desc)...)
		default:
			stretches := typ.Stretches(k.Param)
			if stretches == nil {
				return nil, fhir.Errorf(fhir.CodeNotSupported, "http._sort", "%s cannot be sorted by %s.", q.Type, k.Param.Name)
			}
			keys = append(keys, store.Key{Path: fieldKeys, Desc: k.Desc, Within: &store.Within{Stretches: stretches, Required: len(keys) == 0}})
		}
	}
	if n := len(keys); n == 0 {
		keys = byDate(true)
	} else if last := keys[n-1]; last.Within != nil {
		keys = append(keys, byDate(!last.Desc)...)
	}
	return store.CompleteOrder(keys), nil
}

// byDate orders by the clinical date, in the direction of the index or against it.
func byDate(desc bool) []store.Key {
	return []store.Key{{Path: fieldRank, Desc: desc}, {Path: fieldID, Desc: !desc}}
}

// phase is a part of the matches; one after another they are all, in order. So each can be
// a walk through an index: what has no value that is sorted by stands elsewhere in it.
type phase struct {
	where store.Filter
	order []store.Key
	skip  int // keys of the whole order that are the same for all
}

// walk gives the way through entries that is also the order of a search without
// one, nil when there is none.
func (f *finding) walk() *index.Walk {
	if !store.SortsWithin(f.Store) || len(f.q.Sort) > 0 {
		return nil
	}
	return f.plan.Walk
}

// byWalk is the order of a walk.
func byWalk(w *index.Walk) []store.Key {
	first := store.Key{Path: fieldKeys, Desc: w.Desc, Within: &store.Within{Stretches: w.Stretches, Required: true}}
	return append([]store.Key{first}, byDate(!w.Desc)...)
}

// phases divides the matches.
func (f *finding) phases(c *index.Compiler) []phase {
	where, order := f.find.Where, f.order
	if w := f.walk(); w != nil {
		parts := []phase{{where: w.Others, order: order}}
		if w.Rest != nil {
			rest := append(store.And{w.Rest, c.Without(w.Stretches)}, w.Others...)
			parts = append(parts, phase{where: rest, order: order[1:], skip: 1})
		}
		return parts
	}
	switch first := order[0]; {
	case first.Within != nil:
		none := store.And{where, c.Without(first.Within.Stretches)}
		return []phase{{where: where, order: order}, {where: none, order: order[1:], skip: 1}}
	case first.Path == fieldRank && !first.Desc:
		bound := &store.Bound{Value: firstDated(), Inclusive: true}
		dated, others := store.Range{Path: fieldRank, Low: bound}, store.Range{Path: fieldRank, High: &store.Bound{Value: bound.Value}}
		return []phase{{where: store.And{where, dated}, order: order}, {where: store.And{where, others}, order: order}}
	}
	return []phase{{where: where, order: order}}
}

// reached gives the phase in which a position lies.
func (f *finding) reached(at store.Cursor) int {
	switch first := f.order[0]; {
	case at == nil:
		return 0
	case first.Within != nil && at[0].Type != bson.TypeString:
		return 1
	case first.Path == fieldRank && !first.Desc && store.Compare(at[0], firstDated()) < 0:
		return 1
	}
	return 0
}
