package record

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

const (
	typesCollection = "portico_types"
	// surveyed is there when the types are listed that were written before there
	// was a list.
	surveyed = "*"
)

// listTypes lists types as such of which there are records. It is called before
// the first of them is written.
func (r *Repository) listTypes(ctx context.Context, types []fhir.Type) error {
	listed, _, err := r.listed(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range types {
		if !slices.Contains(listed, t) {
			names = append(names, string(t))
		}
	}
	return r.addNames(ctx, names)
}

// addNames inserts names into the list, each for itself: another node may do
// the same now.
func (r *Repository) addNames(ctx context.Context, names []string) error {
	for _, name := range names {
		doc := store.Doc(bsoncore.NewDocumentBuilder().AppendString(fieldID, name).Build())
		err := r.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: typesCollection, Doc: doc}})
		if err != nil && !errors.Is(err, store.ErrExists) {
			return fault("list types", err)
		}
	}
	return nil
}

// listed gives the types on the list, in alphabetical order, and whether it is complete.
func (r *Repository) listed(ctx context.Context) (types []fhir.Type, complete bool, err error) {
	q := store.Query{Collection: typesCollection, Order: []store.Key{{Path: fieldID}}}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return nil, false, fault("list types", err)
		}
		name, _ := store.ID(doc).StringValueOK()
		if name == surveyed {
			complete = true
		} else if t := fhir.Type(name); t.Valid() {
			types = append(types, t)
		}
	}
	return types, complete, nil
}

// kept gives the types of which there are, or were, records. The first time in the
// life of a store it looks for them.
func (r *Repository) kept(ctx context.Context) ([]fhir.Type, error) {
	types, complete, err := r.listed(ctx)
	if err != nil || complete {
		return types, err
	}
	var names []string
	for _, t := range fhir.Types() {
		if slices.Contains(types, t) {
			continue
		}
		n, err := r.Store.Count(ctx, store.Query{Collection: collection(t), Limit: 1})
		if err != nil {
			return nil, fault("list types", err)
		}
		if n > 0 {
			types = append(types, t)
			names = append(names, string(t))
		}
	}
	slices.Sort(types)
	return types, r.addNames(ctx, append(names, surveyed))
}
