package commit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

const (
	reservations  = "portico_reservations"
	fieldID       = "_id"
	fieldReserver = "by"
	fieldTime     = "ts"

	// keepReservations is far above what a request may take.
	keepReservations = time.Hour
)

// Reservations sees to it that of several creations that depend on that nothing meets a
// condition (Change.IfNoneExist), one is made. Each repository has one; the zero value is ready. It is safe for
// concurrent use.
type Reservations struct {
	declared atomic.Bool
}

// Searcher finds what meets a condition.
type Searcher interface {
	Search(ctx context.Context, q *fhir.Query) (fhir.Page, error)
}

// Declare sees to it that reservations expire, if any change makes one.
func (r *Reservations) Declare(ctx context.Context, st store.Store, changes []fhir.Change) error {
	if r.declared.Load() || !slices.ContainsFunc(changes, func(c fhir.Change) bool { return c.IfNoneExist != nil }) {
		return nil
	}
	expiry := store.Index{Collection: reservations, Name: "expiry", Keys: []store.Key{{Path: fieldTime}}, ExpireAfter: keepReservations}
	if err := st.Ensure(ctx, []store.Index{expiry}); err != nil {
		return Fault("declare indexes", err)
	}
	r.declared.Store(true)
	return nil
}

// Plan gives the ops that make the reservations of the changes. CodeDuplicate when
// something meets a condition.
//
// A reservation stands under the hash of the condition. Of two that search at the
// same time and find nothing, the second fails at the unique _id and plans
// again. The reservation is read before the search: what it stands for
// is then found, or is no more, and it is taken over on the condition that it is still
// the same.
func (r *Reservations) Plan(ctx context.Context, st store.Store, in Searcher, changes []fhir.Change) ([]store.Op, error) {
	var ops []store.Op
	for _, c := range changes {
		if c.IfNoneExist == nil {
			continue
		}
		id := reservationID(c.IfNoneExist.Name)
		holder, err := holder(ctx, st, id)
		if err != nil {
			return nil, err
		}
		if err := unmet(ctx, in, *c.IfNoneExist.Query, changes); err != nil {
			return nil, err
		}
		op := store.Op{Kind: store.Insert, Collection: reservations, Doc: reservation(id)}
		if holder != "" {
			op.Kind, op.ID = store.Replace, store.String(id)
			op.If = store.Eq{Path: fieldReserver, Value: store.String(holder)}
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// unmet gives CodeDuplicate when something meets a condition that the changes do not
// delete: a creation comes after the deletions of its transaction (R4 3.1.0.11.2).
func unmet(ctx context.Context, in Searcher, q fhir.Query, changes []fhir.Change) error {
	gone := map[fhir.Key]bool{}
	for _, c := range changes {
		if c.Method == fhir.Delete && c.Key.Type == q.Type {
			gone[c.Key] = true
		}
	}
	q.Count, q.Total = len(gone)+1, false
	for {
		page, err := in.Search(ctx, &q)
		if err != nil {
			return err
		}
		for _, res := range page.Resources {
			if !gone[res.Key] {
				return fhir.Errorf(fhir.CodeDuplicate, "http.If-None-Exist", "%s meets the condition already.", res.Key)
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next // what is deleted is large: the page was full before it had so many
	}
}

// holder tells who holds a reservation; "" when nobody does.
func holder(ctx context.Context, st store.Store, id string) (string, error) {
	q := store.Query{Collection: reservations, Where: store.Eq{Path: fieldID, Value: store.String(id)}, Limit: 1}
	for doc, err := range st.Find(ctx, q) {
		if err != nil {
			return "", Fault("read a reservation", err)
		}
		holder, _ := doc.Lookup(fieldReserver).StringValueOK()
		return holder, nil
	}
	return "", nil
}

// reservation bears a name that no other has, and the time of the machine, with which
// the store compares when it expires.
func reservation(id string) store.Doc {
	return store.Doc(bsoncore.NewDocumentBuilder().
		AppendString(fieldID, id).
		AppendString(fieldReserver, rand.Text()).
		AppendDateTime(fieldTime, time.Now().UnixMilli()).
		Build())
}

// reservationID hides the criteria, which may hold names and numbers of people.
func reservationID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}
