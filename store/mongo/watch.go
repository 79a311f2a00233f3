package mongo

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portico-fhir/portico/store"
)

// Watch implements store.Watcher by a change stream: of the database when all
// collections are in one, else of the whole deployment, for which the user
// needs the privilege. "From now on" is from when the sequence is first asked.
// A token is MongoDB's resume token.
func (s *Store) Watch(ctx context.Context, collections []string, after store.Token) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		if len(collections) == 0 {
			yield(store.Event{}, fmt.Errorf("%w: no collections to watch", store.ErrInvalid))
			return
		}
		for _, c := range collections {
			if err := (store.Query{Collection: c}).Validate(); err != nil {
				yield(store.Event{}, err)
				return
			}
		}
		if err := s.enter(); err != nil {
			yield(store.Event{}, err)
			return
		}
		defer s.leave()
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			select {
			case <-s.closing:
				cancel(store.ErrClosed)
			case <-ctx.Done():
			}
		}()
		err := s.watch(ctx, collections, after, yield)
		if err != nil {
			yield(store.Event{}, err)
		}
	}
}

// watch passes changes on until ctx ends, which it reports, or nobody listens.
func (s *Store) watch(ctx context.Context, collections []string, after store.Token, yield func(store.Event, error) bool) error {
	stream, err := s.stream(ctx, collections, after)
	if err != nil {
		return watchFault(ctx, err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		_ = stream.Close(closing) // the server forgets it by itself in the end
	}()
	for stream.Next(ctx) {
		event, ok, err := s.event(stream)
		if err != nil {
			return err
		}
		if ok && !yield(event, nil) {
			return nil
		}
	}
	return watchFault(ctx, stream.Err())
}

// stream opens a change stream over the collections.
func (s *Store) stream(ctx context.Context, collections []string, after store.Token) (*mongo.ChangeStream, error) {
	namespaces, databases := bson.A{}, map[string]bool{}
	for _, name := range collections {
		db, coll := s.namespace(name)
		databases[db] = true
		namespaces = append(namespaces, bson.D{{Key: "ns.db", Value: db}, {Key: "ns.coll", Value: coll}})
	}
	match := bson.D{
		{Key: "operationType", Value: field("$in", bson.A{"insert", "replace", "update", "delete"})},
		{Key: "$or", Value: namespaces},
	}
	pipeline := mongo.Pipeline{field("$match", match)}
	opts := options.ChangeStream().SetFullDocument(options.UpdateLookup)
	if after != nil {
		if bson.Raw(after).Validate() != nil {
			return nil, store.ErrTokenLost
		}
		opts.SetResumeAfter(bson.Raw(after))
	}
	if len(databases) == 1 {
		db, _ := s.namespace(collections[0])
		return s.client.Database(db).Watch(ctx, pipeline, opts)
	}
	return s.client.Watch(ctx, pipeline, opts)
}

// change is a change event as the server describes it.
type change struct {
	Kind string `bson:"operationType"`
	NS   struct {
		DB   string `bson:"db"`
		Coll string `bson:"coll"`
	} `bson:"ns"`
	Key struct {
		ID bson.RawValue `bson:"_id"`
	} `bson:"documentKey"`
	Doc bson.Raw `bson:"fullDocument"`
}

// event reads the stream's current event; not ok where it is none of a document.
func (s *Store) event(stream *mongo.ChangeStream) (store.Event, bool, error) {
	var c change
	if err := stream.Decode(&c); err != nil {
		return store.Event{}, false, store.ErrCorrupt
	}
	e := store.Event{
		Token:      append(store.Token(nil), stream.ResumeToken()...),
		Collection: s.name(c.NS.DB, c.NS.Coll),
		ID:         store.Value{Type: c.Key.ID.Type, Value: append([]byte(nil), c.Key.ID.Value...)},
	}
	if len(c.Doc) > 0 {
		e.Doc = append(store.Doc(nil), c.Doc...)
	}
	switch c.Kind {
	case "insert":
		e.Kind = store.Insert
	case "replace":
		e.Kind = store.Replace
	case "update":
		e.Kind = store.Update
	case "delete":
		e.Kind = store.Delete
	default:
		return store.Event{}, false, nil
	}
	return e, true, nil
}

// watchFault turns the end of a stream into the store's error.
func watchFault(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, store.ErrTokenLost):
		return err
	}
	return readFault(ctx, "watch", err)
}
