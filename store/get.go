package store

import "context"

// Get reads the document whose _id is the string id. It gives nil when there is none.
func Get(ctx context.Context, s Store, collection, id string) (Doc, error) {
	for doc, err := range s.Find(ctx, Query{Collection: collection, Where: Eq{Path: "_id", Value: String(id)}, Limit: 1}) {
		return doc, err
	}
	return nil, nil
}
