package mongo

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portico-fhir/portico/store"
)

// buildTime bounds the building of one index where the caller sets no limit.
// Existing documents are indexed meanwhile, and a clinic can have many.
const buildTime = 24 * time.Hour

// Ensure implements store.Store. An index of another database than Portico's
// own that is not there yet is made only with Options.AllowDDL; the error has
// the command by which the EHR's administrators can make it.
func (s *Store) Ensure(ctx context.Context, indexes []store.Index) error {
	for _, ix := range indexes {
		if err := ix.Validate(); err != nil {
			return err
		}
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = within(ctx, buildTime)
		defer cancel()
	}
	for _, ix := range indexes {
		if err := s.ensure(ctx, ix); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) ensure(ctx context.Context, ix store.Index) error {
	have, err := s.declared(ctx, ix)
	if err != nil || have {
		return err
	}
	if db, _ := s.namespace(ix.Collection); db != s.own && !s.allowDDL {
		return fmt.Errorf("%w: index %s of %s is missing and Portico makes none in a database that is not its own "+
			"(unless started with --allow-ddl); to make it: %s", store.ErrInvalid, ix.Name, ix.Collection, s.command(ix))
	}
	model := mongo.IndexModel{Keys: keys(ix), Options: indexOptions(ix)}
	_, err = s.collection(ix.Collection).Indexes().CreateOne(ctx, model)
	if code, _, ok := codeOf(err); ok && kindOf(code) == store.ErrExists {
		return fmt.Errorf("index %s of %s: documents have the same value: %w", ix.Name, ix.Collection, store.ErrExists)
	}
	if err != nil {
		return fmt.Errorf("index %s of %s: %w", ix.Name, ix.Collection, readFault(ctx, "createIndexes", err))
	}
	return s.dropReplaced(ctx, ix)
}

// dropReplaced drops the indexes that ix makes superfluous.
func (s *Store) dropReplaced(ctx context.Context, ix store.Index) error {
	for _, name := range ix.Replaces {
		err := s.collection(ix.Collection).Indexes().DropOne(ctx, name)
		if code, _, ok := codeOf(err); ok && code == 27 { // IndexNotFound
			continue
		}
		if err != nil {
			return fmt.Errorf("index %s of %s: %w", name, ix.Collection, readFault(ctx, "dropIndexes", err))
		}
	}
	return nil
}

// definition is an index as the server describes it.
type definition struct {
	Name        string   `bson:"name"`
	Key         bson.D   `bson:"key"`
	Unique      bool     `bson:"unique"`
	Sparse      bool     `bson:"sparse"`
	ExpireAfter *float64 `bson:"expireAfterSeconds"`
	Partial     bson.Raw `bson:"partialFilterExpression"`
	Collation   bson.Raw `bson:"collation"`
}

// declared says whether the collection has the index. It is an error when it
// has another one of the name.
func (s *Store) declared(ctx context.Context, ix store.Index) (bool, error) {
	cursor, err := s.collection(ix.Collection).Indexes().List(ctx)
	if err != nil {
		if code, _, ok := codeOf(err); ok && code == 26 { // NamespaceNotFound
			return false, nil
		}
		return false, readFault(ctx, "listIndexes", err)
	}
	var have []definition
	if err := cursor.All(ctx, &have); err != nil {
		return false, readFault(ctx, "listIndexes", err)
	}
	for _, d := range have {
		if d.Name != ix.Name {
			continue
		}
		if !d.is(ix) {
			return false, fmt.Errorf("%w: index %s of %s is defined otherwise", store.ErrInvalid, ix.Name, ix.Collection)
		}
		return true, nil
	}
	return false, nil
}

// is compares what the server has with what was declared.
func (d definition) is(ix store.Index) bool {
	if len(d.Key) != len(ix.Keys) || d.Unique != ix.Unique || d.Sparse != ix.Sparse || d.Partial != nil || d.Collation != nil {
		return false
	}
	for i, k := range ix.Keys {
		if d.Key[i].Key != k.Path || descending(d.Key[i].Value) != k.Desc {
			return false
		}
	}
	if d.ExpireAfter == nil {
		return ix.ExpireAfter == 0
	}
	return int64(*d.ExpireAfter) == seconds(ix)
}

// descending reads the direction of a key, a number of any type.
func descending(v any) bool {
	switch n := v.(type) {
	case int32:
		return n < 0
	case int64:
		return n < 0
	case float64:
		return n < 0
	}
	return false
}

func keys(ix store.Index) bson.D {
	var out bson.D
	for _, k := range ix.Keys {
		direction := int32(1)
		if k.Desc {
			direction = -1
		}
		out = append(out, bson.E{Key: k.Path, Value: direction})
	}
	return out
}

func indexOptions(ix store.Index) *options.IndexOptionsBuilder {
	o := options.Index().SetName(ix.Name)
	if ix.Unique {
		o.SetUnique(true)
	}
	if ix.Sparse {
		o.SetSparse(true)
	}
	if ix.ExpireAfter > 0 {
		o.SetExpireAfterSeconds(int32(seconds(ix)))
	}
	return o
}

// seconds rounds up: nothing vanishes early.
func seconds(ix store.Index) int64 {
	return min(int64((ix.ExpireAfter+time.Second-1)/time.Second), 1<<31-1)
}

// command gives what makes the index in MongoDB's shell.
func (s *Store) command(ix store.Index) string {
	extra := bson.D{{Key: "name", Value: ix.Name}}
	if ix.Unique {
		extra = append(extra, bson.E{Key: "unique", Value: true})
	}
	if ix.Sparse {
		extra = append(extra, bson.E{Key: "sparse", Value: true})
	}
	if ix.ExpireAfter > 0 {
		extra = append(extra, bson.E{Key: "expireAfterSeconds", Value: seconds(ix)})
	}
	db, coll := s.namespace(ix.Collection)
	return fmt.Sprintf("db.getSiblingDB(%s).getCollection(%s).createIndex(%s, %s)",
		quoted(db), quoted(coll), shell(keys(ix)), shell(extra))
}

// shell writes a document of plain values as JavaScript.
func shell(d bson.D) string {
	b, err := bson.MarshalExtJSON(d, false, false)
	if err != nil {
		return "{}" // cannot be: strings, numbers and booleans only
	}
	return string(b)
}

// quoted writes a string as JavaScript.
func quoted(s string) string {
	doc := shell(field("s", s))
	return doc[len(`{"s":`) : len(doc)-1]
}
