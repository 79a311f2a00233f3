package record

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Where a store does not have the order of a first key (MongoDB, whose indexes know no part of an
// array), and more matches than can be sorted, they are taken in slices: what has one of the first
// values of that key, so many values that not many match, then what has one of the next. How far a slice
// goes is found out by looking at a few of those that are left and counting what stands before the first of them: a
// range of entries is something that every index can count in.

// Bounds of slices.
const (
	maxSlice   = 1000 // matches that have different values
	sampled    = 100  // looked at, to divide what is too much
	maxDivides = 40   // times that it is divided
)

// slice is a range of values of the first key, half-open; "" as its end is none.
type slice struct {
	low, high string
	single    bool // it is one value
	last      bool // nothing stands behind it, in the direction of the order
}

// above gives the least string above s.
func above(s string) string { return s + "\x00" }

// stretches are the entries of the first key in the slice.
func (f *finding) stretches(s slice) []store.Stretch {
	var out []store.Stretch
	for _, st := range f.order[0].Within.Stretches {
		st.Low = max(st.Low, s.low)
		if s.high != "" && (st.High == "" || s.high < st.High) {
			st.High = s.high
		}
		if st.High == "" || st.Low < st.High {
			out = append(out, st)
		}
	}
	return out
}

// among asks for the matches that have an entry in the slice.
func (f *finding) among(s slice) store.Query {
	q := f.find
	q.Where = store.And{q.Where, f.compiler.With(f.stretches(s))}
	return q
}

// from is what stands behind a value, it included, in the direction of the order.
func (f *finding) from(value store.Value) slice {
	tail, _ := value.StringValueOK()
	switch {
	case store.Missing(value):
		return slice{}
	case f.order[0].Desc:
		return slice{high: above(tail)}
	}
	return slice{low: tail}
}

// first gives the first slice of one that is left.
func (f *finding) first(ctx context.Context, left slice) (slice, error) {
	left.last = true
	most := min(maxSlice, f.most())
	for range maxDivides {
		q := f.among(left)
		q.Limit = most + 1
		n, err := f.Store.Count(ctx, q)
		if err != nil {
			return left, fault("search", err)
		}
		if n <= int64(most) {
			return left, nil
		}
		value, found, err := f.sample(ctx, left)
		if err != nil || !found {
			return left, err
		}
		before := left
		before.last = false
		if f.order[0].Desc {
			before.low = above(value)
		} else {
			before.high = value
		}
		q = f.among(before)
		q.Limit = 1
		some, err := f.Store.Count(ctx, q)
		if err != nil {
			return left, fault("search", err)
		}
		if some == 0 {
			return slice{low: value, high: above(value), single: true}, nil
		}
		left = before
	}
	return left, fhir.Errorf(fhir.CodeTooCostly, "http._sort", "What has the first values of the order was not found. Narrow the search down.")
}

// sample gives the first value that some of the matches in a slice have.
func (f *finding) sample(ctx context.Context, s slice) (value string, found bool, err error) {
	first := f.order[0]
	first.Within = &store.Within{Stretches: f.stretches(s)}
	q := f.among(s)
	q.Limit, q.Fields = sampled, []string{fieldKeys}
	for doc, err := range f.Store.Find(ctx, q) {
		if err != nil {
			return "", false, fault("search", err)
		}
		tail, ok := store.Position([]store.Key{first}, doc)[0].StringValueOK()
		if ok && (!found || tail < value != first.Desc) {
			value, found = tail, true
		}
	}
	return value, found, nil
}

// takeSlices gives the matches of the first phase in order, until take has enough of them.
func (f *finding) takeSlices(ctx context.Context, take func(found) (enough bool, err error)) (enough bool, err error) {
	f.keyed = true
	left := slice{}
	if f.after != nil {
		left = f.from(f.after[0])
	}
	for range maxLooked {
		s, err := f.first(ctx, left)
		if err != nil {
			return false, err
		}
		if s.single {
			enough, err = f.takeValue(ctx, store.String(s.low), take)
		} else {
			enough, err = f.takeSlice(ctx, s, take)
		}
		if enough || err != nil || s.last || f.order[0].Desc && s.low == "" {
			return enough, err
		}
		left = slice{low: s.high}
		if f.order[0].Desc {
			left = slice{high: s.low}
		}
	}
	return false, tooFew()
}

// takeSlice gives the matches of a slice, sorted by all keys.
func (f *finding) takeSlice(ctx context.Context, s slice, take func(found) (enough bool, err error)) (enough bool, err error) {
	q := f.among(s)
	q.Order, q.After, q.MaxSort = f.order, f.after, f.most()
	q.Fields = append(q.Fields, fieldKeys)
	for doc, err := range f.matches(ctx, q, maxLooked) {
		if err != nil {
			return false, err
		}
		tail, _ := store.Position(f.order, doc.raw)[0].StringValueOK()
		if tail < s.low || s.high != "" && tail >= s.high {
			continue // it has a value in the slice, but comes by another
		}
		if enough, err := take(doc); enough || err != nil {
			return enough, err
		}
	}
	return false, nil
}
