package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

const (
	reservations  = "portico_reservations"
	fieldReserver = "by"

	// keepReservations is far above what a request may take.
	keepReservations = time.Hour
)

// indexReservations declares that reservations expire, if any change makes one.
func (r *Repository) indexReservations(ctx context.Context, changes []fhir.Change) error {
	for _, c := range changes {
		if c.IfNoneExist == nil {
			continue
		}
		if _, ok := r.indexed.Load(reservations); ok {
			return nil
		}
		expiry := store.Index{Collection: reservations, Name: "expiry", Keys: []store.Key{{Path: fieldUpdated}}, ExpireAfter: keepReservations}
		if err := r.Store.Ensure(ctx, []store.Index{expiry}); err != nil {
			return fault("declare indexes", err)
		}
		r.indexed.Store(reservations, true)
	}
	return nil
}

// reserve evaluates the conditions of the changes and plans their reservations. A
// reservation is read before the search: what it stands for is then found, or
// is no more.
func (r *Repository) reserve(ctx context.Context, p *plan, changes []fhir.Change) error {
	for _, c := range changes {
		if c.IfNoneExist == nil {
			continue
		}
		id := reservationID(c.IfNoneExist.Name)
		holder, err := r.holder(ctx, id)
		if err != nil {
			return err
		}
		q := *c.IfNoneExist.Query
		q.Count, q.Total = 1, false
		page, err := r.Search(ctx, &q)
		switch {
		case err != nil:
			return err
		case len(page.Resources) > 0:
			return fhir.Errorf(fhir.CodeDuplicate, "http.If-None-Exist", "%s meets the condition already.", page.Resources[0].Key)
		}
		op := store.Op{Kind: store.Insert, Collection: reservations, Doc: reservation(id, p.newID())}
		if holder != "" {
			op.Kind, op.ID = store.Replace, store.String(id)
			op.If = store.Eq{Path: fieldReserver, Value: store.String(holder)}
		}
		p.ops = append(p.ops, op)
	}
	return nil
}

// holder tells who holds a reservation; "" when nobody does.
func (r *Repository) holder(ctx context.Context, id string) (string, error) {
	q := store.Query{Collection: reservations, Where: store.Eq{Path: fieldID, Value: store.String(id)}, Limit: 1}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return "", fault("read a reservation", err)
		}
		holder, _ := doc.Lookup(fieldReserver).StringValueOK()
		return holder, nil
	}
	return "", nil
}

// reservation is made by a commit, which by names. It bears the time of the
// machine, with which the store compares when it expires.
func reservation(id, by string) store.Doc {
	return store.Doc(bsoncore.NewDocumentBuilder().
		AppendString(fieldID, id).
		AppendString(fieldReserver, by).
		AppendDateTime(fieldUpdated, time.Now().UnixMilli()).
		Build())
}

// reservationID hides the criteria, which may hold names and numbers of people.
func reservationID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}
