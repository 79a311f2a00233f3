package mongo

import (
	"context"
	"iter"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portico-fhir/portico/store"
)

// maxReply bounds the documents of one reply; MongoDB bounds their bytes.
const maxReply = 1000

// search is a query as the server gets it, and what is left to be checked.
type search struct {
	query store.Query
	where compiled
	parts []phase  // behind the cursor
	need  []string // the fields to fetch; nil means all
}

// plan compiles a query.
func (s *Store) plan(q store.Query) search {
	p := search{query: q, where: s.dialect.compile(q.Where), parts: phases(q.Order, q.After)}
	p.need = p.fields()
	return p
}

// fields says what to fetch: what was asked for and what the checks look at.
func (p search) fields() []string {
	if p.query.Fields == nil || !p.where.exact {
		return nil
	}
	need := append([]string{}, p.query.Fields...)
	if p.query.After != nil {
		for _, k := range p.query.Order {
			need = append(need, top(k.Path))
		}
	}
	return need
}

// Find implements store.Store. With an order by other fields than _id it
// remembers the _ids that it has yielded, since a document that changes
// meanwhile can come by twice.
func (s *Store) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		if err := q.Validate(); err != nil {
			yield(nil, err)
			return
		}
		if err := s.enter(); err != nil {
			yield(nil, err)
			return
		}
		defer s.leave()
		find := func() error { return s.find(ctx, s.plan(q), yield) }
		if partial(q.Order) {
			find = func() error { return s.findWithin(ctx, q, yield) }
		}
		if err := find(); err != nil {
			yield(nil, err)
		}
	}
}

// filter gives what the server is asked for in a phase.
func (p search) filter(part phase) bson.D { return conjoined(p.where.document(), part.query) }

// find goes through the phases until the limit. It asks for no more documents
// than the limit; if some prove not to match, it asks again for as many as come.
func (s *Store) find(ctx context.Context, p search, yield func(store.Doc, error) bool) error {
	if p.where.none {
		return nil
	}
	r := results{search: p, yield: yield}
	if p.query.Limit > 0 || len(p.query.Order) > 0 && p.query.Order[0].Path != "_id" {
		r.seen = map[string]bool{}
	}
	for _, part := range p.parts {
		limit := p.query.Limit - r.yielded
		r.part, r.fetched, r.dropped = part, 0, 0
		if err := s.run(ctx, &r, limit); err != nil || r.done {
			return err
		}
		if p.query.Limit == 0 || r.fetched < limit || r.dropped == 0 {
			continue
		}
		if err := s.run(ctx, &r, 0); err != nil || r.done {
			return err
		}
	}
	return nil
}

// results is where found documents go.
type results struct {
	search
	part    phase
	yield   func(store.Doc, error) bool
	seen    map[string]bool // _ids, where one might come twice
	yielded int
	fetched int // in this phase
	dropped int // in this phase
	done    bool
}

// run does one search on the server.
func (s *Store) run(ctx context.Context, r *results, limit int) error {
	q := r.query
	opts := options.Find().SetSort(sorting(q.Order)).SetAllowDiskUse(true).SetBatchSize(maxReply)
	if q.Limit > 0 && q.Limit < maxReply {
		// One more than the limit lets the server close the cursor at once.
		opts.SetBatchSize(int32(q.Limit) + 1)
	}
	if limit > 0 {
		opts.SetLimit(int64(limit))
	}
	if r.need != nil {
		opts.SetProjection(projection(r.need))
	}
	first, cancel := s.bounded(ctx)
	defer cancel()
	cursor, err := s.collection(q.Collection).Find(first, r.filter(r.part), opts)
	if err != nil {
		return readFault(first, "find", err)
	}
	defer closeCursor(cursor)
	for !r.done {
		ok, err := s.next(ctx, cursor)
		if err != nil || !ok {
			return err
		}
		r.take(cursor.Current)
	}
	return nil
}

// next fetches the next document, with the store's time limit for one exchange
// with the server.
func (s *Store) next(ctx context.Context, cursor *mongo.Cursor) (bool, error) {
	if cursor.RemainingBatchLength() > 0 {
		if err := ctx.Err(); err != nil {
			return false, ended(ctx, "find")
		}
		return cursor.Next(ctx), cursor.Err()
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if cursor.Next(ctx) {
		return true, nil
	}
	return false, readFault(ctx, "find", cursor.Err())
}

// closeCursor releases the cursor on the server even when the caller has gone.
func closeCursor(cursor *mongo.Cursor) {
	if cursor.ID() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = cursor.Close(ctx) // the server forgets it by itself in the end
}

// take checks what the server could not, and passes the document on.
func (r *results) take(d bson.Raw) {
	r.fetched++
	q := r.query
	if !r.where.exact && !store.Match(q.Where, store.Doc(d)) {
		r.dropped++
		return
	}
	if q.After != nil && !r.part.has(q.Order, store.Position(q.Order, d), q.After) {
		r.dropped++
		return
	}
	if r.seen != nil {
		id := store.ID(d)
		key := string(id.Type) + string(id.Value)
		if r.seen[key] {
			r.dropped++
			return
		}
		r.seen[key] = true
	}
	r.yielded++
	own := append(store.Doc(nil), d...) // the cursor reuses its bytes
	more := r.yield(store.Project(own, q.Fields), nil)
	r.done = !more || q.Limit > 0 && r.yielded >= q.Limit
}

// top gives the first part of a path.
func top(path string) string {
	first, _, _ := strings.Cut(path, ".")
	return first
}

func projection(fields []string) bson.D {
	out := bson.D{{Key: "_id", Value: 1}}
	for _, f := range fields {
		if f == "_id" || has(out, f) {
			continue
		}
		out = append(out, bson.E{Key: f, Value: 1})
	}
	return out
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, q store.Query) (int64, error) {
	q.Order, q.After, q.Fields = nil, nil, nil
	if err := q.Validate(); err != nil {
		return 0, err
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	p := s.plan(q)
	if p.where.none {
		return 0, nil
	}
	if !p.where.exact {
		return s.countMatches(ctx, p)
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	opts := options.Count()
	if q.Limit > 0 {
		opts.SetLimit(int64(q.Limit))
	}
	n, err := s.collection(q.Collection).CountDocuments(ctx, p.where.document(), opts)
	if err != nil {
		return 0, readFault(ctx, "count", err)
	}
	return n, nil
}

// countMatches counts by looking at each document.
func (s *Store) countMatches(ctx context.Context, p search) (int64, error) {
	var n int64
	err := s.find(ctx, p, func(store.Doc, error) bool {
		n++
		return true
	})
	return n, err
}
