package integrity

import (
	"context"
	"crypto/rand"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

const (
	anchors       = "portico_anchors"
	fieldID       = "_id"
	fieldReferred = "w" // changes with each commit that refers to the target
	fieldDeleted  = "d" // changes with each commit that deletes it
	fieldTime     = "ts"

	// keep is far above what a request may take.
	keep = time.Hour
)

// declare sees to it that anchors expire.
func (r *Repository) declare(ctx context.Context) error {
	if r.declared.Load() {
		return nil
	}
	expiry := store.Index{Collection: anchors, Name: "expiry", Keys: []store.Key{{Path: fieldTime}}, ExpireAfter: keep}
	if err := r.Store.Ensure(ctx, []store.Index{expiry}); err != nil {
		return commit.Fault("declare indexes", err)
	}
	r.declared.Store(true)
	return nil
}

// refer is the op beside a reference to a target, on what its anchor says now.
func (r *Repository) refer(ctx context.Context, target fhir.Key) (store.Op, error) {
	a, err := r.anchor(ctx, target)
	return r.change(target, a, fieldReferred, store.Eq{Path: fieldDeleted, Value: store.String(a.deleted)}), err
}

// abandon is the op beside the deletion of a target, on what its anchor says now.
func (r *Repository) abandon(ctx context.Context, target fhir.Key) (store.Op, error) {
	a, err := r.anchor(ctx, target)
	return r.change(target, a, fieldDeleted, store.And{
		store.Eq{Path: fieldDeleted, Value: store.String(a.deleted)}, store.Eq{Path: fieldReferred, Value: store.String(a.referred)},
	}), err
}

type anchor struct {
	found             bool
	referred, deleted string
}

func (r *Repository) anchor(ctx context.Context, target fhir.Key) (a anchor, err error) {
	q := store.Query{Collection: anchors, Where: store.Eq{Path: fieldID, Value: store.String(target.String())}, Limit: 1}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return a, commit.Fault("read an anchor", err)
		}
		a.found = true
		a.referred, _ = doc.Lookup(fieldReferred).StringValueOK()
		a.deleted, _ = doc.Lookup(fieldDeleted).StringValueOK()
	}
	return a, nil
}

// change gives a field of an anchor a value that it never had. The time is the machine's, with which
// the store compares when it expires.
func (r *Repository) change(target fhir.Key, a anchor, field string, on store.Filter) store.Op {
	op := store.Op{Kind: store.Update, Collection: anchors, ID: store.String(target.String()), If: on}
	op.Set = []store.Field{{Path: field, Value: store.String(rand.Text())}, {Path: fieldTime, Value: store.V(time.Now().UTC())}}
	if a.found {
		return op
	}
	values := map[string]string{field: rand.Text()}
	return store.Op{Kind: store.Insert, Collection: anchors, Doc: store.Doc(bsoncore.NewDocumentBuilder().
		AppendString(fieldID, target.String()).
		AppendString(fieldReferred, values[fieldReferred]).
		AppendString(fieldDeleted, values[fieldDeleted]).
		AppendDateTime(fieldTime, time.Now().UnixMilli()).
		Build())}
}
