package record

import (
	"context"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Read returns the current version (R4 3.1.0.1).
func (r *Repository) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	cur, err := r.current(ctx, key)
	if err != nil {
		return fhir.Resource{}, err
	}
	if cur.number == 0 {
		return fhir.Resource{}, notFound(key)
	}
	return handOut(cur.resource(key))
}

// Version returns one version (R4 3.1.0.2).
func (r *Repository) Version(ctx context.Context, key fhir.Key, number string) (fhir.Resource, error) {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != number {
		n = 0
	}
	// The current document first: what it does not hold when it is read has
	// been moved to the history before.
	cur, err := r.current(ctx, key)
	if err != nil {
		return fhir.Resource{}, err
	}
	if cur.number == 0 {
		return fhir.Resource{}, notFound(key)
	}
	if n == cur.number {
		return handOut(cur.resource(key))
	}
	if n < 1 || n > cur.number {
		return fhir.Resource{}, noVersion(key, number)
	}
	old, err := r.find(ctx, historyCollection(key.Type), historyID(key.ID, n))
	if err != nil {
		return fhir.Resource{}, err
	}
	if old.number == 0 {
		return fhir.Resource{}, noVersion(key, number)
	}
	return handOut(old.resource(key))
}

// handOut adds the error that goes with a delete marker.
func handOut(res fhir.Resource) (fhir.Resource, error) {
	if res.Deleted {
		return res, deleted(res)
	}
	return res, nil
}

// current finds the current version; its number is 0 when there is none.
func (r *Repository) current(ctx context.Context, key fhir.Key) (version, error) {
	if !key.Type.Valid() || !fhir.ValidID(key.ID) {
		return version{}, nil
	}
	return r.find(ctx, collection(key.Type), key.ID)
}

// find reads the document with this id; the number is 0 when there is none.
func (r *Repository) find(ctx context.Context, collection, id string) (version, error) {
	q := store.Query{Collection: collection, Where: store.Eq{Path: fieldID, Value: store.String(id)}, Limit: 1, Fields: readFields()}
	for doc, err := range r.Store.Find(ctx, q) {
		if err == nil {
			var v version
			if v, err = decode(id, doc); err == nil {
				return v, nil
			}
		}
		return version{}, fault("read", err)
	}
	return version{}, nil
}
