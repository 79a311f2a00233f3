package mongo

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// MongoDB sorts by the least element of an array, whichever is asked for. So what
// is sorted by some of the elements is sorted here: the positions of all that matches
// are read, and then the documents of the first.

// placed is a document that was found, by its _id, and where it stands.
type placed struct {
	id store.Value
	at store.Cursor
}

// partial reports whether an order looks at some elements of an array only.
func partial(order []store.Key) bool {
	return slices.ContainsFunc(order, func(k store.Key) bool { return k.Within != nil })
}

// maxFetched is how many documents are fetched by their _ids at a time.
const maxFetched = 500

// findWithin answers a query with such an order.
func (s *Store) findWithin(ctx context.Context, q store.Query, yield func(store.Doc, error) bool) error {
	list, err := s.places(ctx, q)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(list, maxFetched) {
		ids := make([]store.Value, len(chunk))
		for i, p := range chunk {
			ids[i] = p.id
		}
		docs := make(map[string]store.Doc, len(chunk))
		byID := store.Query{Collection: q.Collection, Where: store.In{Path: "_id", Values: ids}, Fields: q.Fields}
		err := s.find(ctx, s.plan(byID), func(d store.Doc, _ error) bool {
			docs[string(store.AppendKey(nil, store.ID(d), false))] = d
			return true
		})
		if err != nil {
			return err
		}
		for _, p := range chunk {
			d, there := docs[string(store.AppendKey(nil, p.id, false))]
			if there && !yield(d, nil) {
				return nil
			}
		}
	}
	return nil
}

// places gives the first that match behind the cursor, in order.
func (s *Store) places(ctx context.Context, q store.Query) ([]placed, error) {
	order := store.CompleteOrder(q.Order)
	all := store.Query{Collection: q.Collection, Where: q.Where, Fields: []string{}}
	for _, k := range order {
		all.Fields = append(all.Fields, top(k.Path))
	}
	var list []placed
	var failed error
	matching := 0
	byPlace := func(a, b placed) int { return store.ComparePositions(order, a.at, b.at) }
	err := s.find(ctx, s.plan(all), func(d store.Doc, _ error) bool {
		at := store.Position(order, d)
		if store.Lacks(order, at) {
			return true
		}
		if matching++; q.MaxSort > 0 && matching > q.MaxSort {
			failed = store.ErrTooCostly
			return false
		}
		if q.After != nil && store.ComparePositions(order, at, q.After) <= 0 {
			return true
		}
		list = append(list, placed{store.ID(d), at})
		if q.Limit > 0 && len(list) >= 2*q.Limit+100 {
			slices.SortFunc(list, byPlace)
			list = list[:q.Limit]
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, byPlace)
	if q.Limit > 0 && len(list) > q.Limit {
		list = list[:q.Limit]
	}
	return list, nil
}
