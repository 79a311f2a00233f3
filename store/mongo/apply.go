package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portico-fhir/portico/store"
)

// maxInserts bounds the documents that are inserted in one exchange.
const maxInserts = 1000

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, ops []store.Op) error {
	for i, op := range ops {
		if err := op.Validate(); err != nil {
			return &store.OpError{Index: i, Err: err}
		}
	}
	if err := ctx.Err(); err != nil || len(ops) == 0 {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	b := s.batch(ops)
	switch {
	case len(ops) == 1 && b.where[0].exact:
		return at(0, b.alone(ctx))
	case !s.atomic:
		return b.compensated(ctx)
	}
	return s.inTransaction(ctx, b.all)
}

// batch is the ops of one Apply with their conditions.
type batch struct {
	store *Store
	ops   []store.Op
	where []compiled // of each op: its _id and its precondition
}

func (s *Store) batch(ops []store.Op) batch {
	b := batch{store: s, ops: ops, where: make([]compiled, len(ops))}
	for i, op := range ops {
		b.where[i] = everything()
		if op.Kind != store.Insert {
			b.where[i] = s.dialect.and([]store.Filter{store.Eq{Path: "_id", Value: op.ID}, precondition(op)})
		}
	}
	return b
}

func precondition(op store.Op) store.Filter {
	if op.If == nil {
		return store.All()
	}
	return op.If
}

// alone applies the only op, without a transaction.
func (b batch) alone(ctx context.Context) error {
	err := b.apply(ctx, 0)
	var known *store.OpError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return writeFault(ctx, "write", err)
}

// all applies the ops in order, inserts that follow each other together.
func (b batch) all(ctx context.Context) error {
	for i := 0; i < len(b.ops); {
		n := b.inserts(i)
		if n > 1 {
			if err := b.insert(ctx, i, n); err != nil {
				return err
			}
			i += n
			continue
		}
		if err := b.apply(ctx, i); err != nil {
			return at(i, refused(err))
		}
		i++
	}
	return nil
}

// inserts counts the inserts into one collection from i on.
func (b batch) inserts(i int) int {
	n := 0
	for _, op := range b.ops[i:min(len(b.ops), i+maxInserts)] {
		if op.Kind != store.Insert || op.Collection != b.ops[i].Collection {
			break
		}
		n++
	}
	return n
}

// insert carries out n inserts together.
func (b batch) insert(ctx context.Context, from, n int) error {
	docs := make([]store.Doc, n)
	for i := range docs {
		docs[i] = b.ops[from+i].Doc
	}
	_, err := b.store.collection(b.ops[from].Collection).InsertMany(ctx, docs)
	var failed mongo.BulkWriteException
	if errors.As(err, &failed) && len(failed.WriteErrors) > 0 && !transient(err) {
		first := failed.WriteErrors[0]
		return at(from+first.Index, opFault("insert", first.Code, first.Message))
	}
	return err
}

// apply carries out op i. The error is the driver's or a *store.OpError.
func (b batch) apply(ctx context.Context, i int) error {
	op, where := b.ops[i], b.where[i]
	if where.none {
		return &store.OpError{Err: store.ErrConflict}
	}
	c := b.store.collection(op.Collection)
	if !where.exact {
		if err := b.verify(ctx, i); err != nil {
			return err
		}
	}
	var met int64
	switch op.Kind {
	case store.Insert:
		_, err := c.InsertOne(ctx, op.Doc)
		return err
	case store.Replace:
		r, err := c.ReplaceOne(ctx, where.query, op.Doc)
		if err != nil {
			return err
		}
		met = r.MatchedCount
	case store.Update:
		r, err := c.UpdateOne(ctx, where.query, changes(op))
		if err != nil {
			return err
		}
		met = r.MatchedCount
	case store.Delete:
		r, err := c.DeleteOne(ctx, where.query)
		if err != nil {
			return err
		}
		met = r.DeletedCount
	}
	if met == 0 {
		return &store.OpError{Err: store.ErrConflict}
	}
	return nil
}

// verify checks a precondition that the server cannot say exactly. It holds
// until the write, because the transaction fails if the document changes.
func (b batch) verify(ctx context.Context, i int) error {
	op := b.ops[i]
	d, err := b.store.collection(op.Collection).FindOne(ctx, b.where[i].query).Raw()
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return &store.OpError{Err: store.ErrConflict}
	case err != nil:
		return err
	case !store.Match(op.If, store.Doc(d)):
		return &store.OpError{Err: store.ErrConflict}
	}
	return nil
}

// changes gives an update in MongoDB's language. Fields are named in the order
// in which MongoDB adds them.
func changes(op store.Op) bson.D {
	var set, unset, out bson.D
	sorted := slices.Clone(op.Set)
	slices.SortFunc(sorted, func(a, b store.Field) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range sorted {
		set = append(set, bson.E{Key: f.Path, Value: f.Value})
	}
	for _, path := range op.Unset {
		unset = append(unset, bson.E{Key: path, Value: ""})
	}
	if set != nil {
		out = append(out, bson.E{Key: "$set", Value: set})
	}
	if unset != nil {
		out = append(out, bson.E{Key: "$unset", Value: unset})
	}
	return out
}

// refused turns the server's refusal of one op into a *store.OpError, and
// leaves other errors as they are.
func refused(err error) error {
	if transient(err) {
		return err
	}
	var failed mongo.WriteException
	if errors.As(err, &failed) && len(failed.WriteErrors) > 0 {
		return opFault("write", failed.WriteErrors[0].Code, failed.WriteErrors[0].Message)
	}
	if tooLarge(err) {
		return &store.OpError{Err: store.ErrTooLarge}
	}
	return err
}

// at puts the position of the op into an error that is about one.
func at(i int, err error) error {
	var op *store.OpError
	if errors.As(err, &op) {
		return &store.OpError{Index: i, Name: op.Name, Err: op.Err}
	}
	return err
}

// compensated applies the ops one after the other on a server that has no
// transactions, and undoes those before one that fails.
func (b batch) compensated(ctx context.Context) error {
	var undo []func(context.Context) error
	for i, op := range b.ops {
		back, err := b.inverse(ctx, op)
		if err == nil {
			err = b.apply(ctx, i)
		}
		if err == nil {
			undo = append(undo, back)
			continue
		}
		err = at(i, refused(err))
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.store.timeout)
		defer cancel()
		for j := len(undo) - 1; j >= 0; j-- {
			if failed := undo[j](clean); failed != nil {
				return fmt.Errorf("mongo: batch without a transaction: op %d cannot be undone: %w", j, errUnknown)
			}
		}
		var known *store.OpError
		if errors.As(err, &known) {
			return err
		}
		return writeFault(ctx, "write", err)
	}
	return nil
}

// inverse gives what undoes op, from the document as it stands.
func (b batch) inverse(ctx context.Context, op store.Op) (func(context.Context) error, error) {
	c := b.store.collection(op.Collection)
	id := op.ID
	if op.Kind == store.Insert {
		id = store.ID(op.Doc)
	}
	it := field("_id", field("$eq", id))
	before, err := c.FindOne(ctx, it).Raw()
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return nil, err
	}
	if before == nil {
		return func(ctx context.Context) error {
			_, err := c.DeleteOne(ctx, it)
			return err
		}, nil
	}
	return func(ctx context.Context) error {
		_, err := c.ReplaceOne(ctx, it, before, options.Replace().SetUpsert(true))
		return err
	}, nil
}
