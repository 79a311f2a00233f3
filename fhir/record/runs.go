package record

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// An index gives the order of one key of _sort. Where more matches than can be sorted by
// the others, they are taken in runs: what has the first value of the first key, sorted by
// the others, then what has the second, and so on as far as the page goes. A run may be as
// long as what is sorted otherwise. Where no index gives that order either, they are taken in slices.

// runs reports whether the matches are to be taken in runs, or slices.
func (f *finding) runs(ctx context.Context) (bool, error) {
	first := f.order[0]
	if len(f.q.Sort) == 0 || first.Within == nil {
		return false, nil
	}
	if second := f.order[1]; store.SortsWithin(f.Store) && second.Path == fieldRank && second.Desc != first.Desc {
		return false, nil // as the index has it
	}
	n, err := f.Store.Count(ctx, store.Query{Collection: f.find.Collection, Where: f.find.Where, Limit: f.most() + 1})
	if err != nil {
		return false, fault("search", err)
	}
	return n > int64(f.most()), nil
}

// most is how many matches are sorted.
func (f *finding) most() int {
	if f.sortMost > 0 {
		return f.sortMost
	}
	return maxSorted
}

// takeRuns gives the matches of the first phase in order, until take has enough of them.
func (f *finding) takeRuns(ctx context.Context, take func(found) (enough bool, err error)) (enough bool, err error) {
	if !store.SortsWithin(f.Store) {
		return f.takeSlices(ctx, take)
	}
	f.keyed = true
	var value store.Value
	if f.after != nil {
		value = f.after[0]
	}
	for taken := 0; taken <= maxLooked; taken++ {
		if f.after == nil || taken > 0 {
			if value, err = f.nextValue(ctx, value); err != nil || store.Missing(value) {
				return false, err
			}
		}
		if enough, err := f.takeValue(ctx, value, take); enough || err != nil {
			return enough, err
		}
	}
	return false, tooFew()
}

func tooFew() error {
	return fhir.Errorf(fhir.CodeTooCostly, "http._sort", "Too little of what has the first values of the order matches. Narrow the search down.")
}

// takeValue gives the matches with one value of the first key.
func (f *finding) takeValue(ctx context.Context, value store.Value, take func(found) (enough bool, err error)) (enough bool, err error) {
	q := f.find
	q.Where, q.Order, q.MaxSort = store.And{q.Where, f.holding(value)}, f.order[1:], f.most()
	if f.after != nil && store.Compare(f.after[0], value) == 0 {
		q.After = f.after[1:]
	}
	q.Fields = append(q.Fields, fieldKeys)
	for doc, err := range f.matches(ctx, q, maxLooked) {
		if err != nil {
			return false, err
		}
		if store.Compare(store.Position(f.order, doc.raw)[0], value) != 0 {
			continue // it has the value, but comes by another
		}
		if enough, err := take(doc); enough || err != nil {
			return enough, err
		}
	}
	return false, nil
}

// nextValue gives the next value of the first key behind one, or the first; missing when
// there is none.
func (f *finding) nextValue(ctx context.Context, value store.Value) (store.Value, error) {
	q := f.find
	q.Order = append([]store.Key{f.order[0]}, byDate(!f.order[0].Desc)...)
	q.Limit, q.Fields = 1, []string{fieldKeys}
	if !store.Missing(value) {
		q.After = store.Cursor{value}
		for _, k := range q.Order[1:] {
			last := bson.TypeMaxKey
			if k.Desc {
				last = bson.TypeMinKey
			}
			q.After = append(q.After, store.Value{Type: last})
		}
	}
	for doc, err := range f.Store.Find(ctx, q) {
		if err != nil {
			return store.Value{}, fault("search", err)
		}
		return store.Position(q.Order, doc)[0], nil
	}
	return store.Value{}, nil
}

// holding finds what has the value of the first key, be it beside others.
func (f *finding) holding(value store.Value) store.Filter {
	tail, _ := value.StringValueOK()
	var keys []store.Value
	for _, s := range f.order[0].Within.Stretches {
		if tail >= s.Low && (s.High == "" || tail < s.High) {
			keys = append(keys, store.String(s.Prefix+tail))
		}
	}
	return store.In{Path: fieldKeys, Values: keys}
}
