package job

import (
	"context"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

func partID(id, side string, n int) string { return id + "/" + side + "/" + strconv.Itoa(n) }

// keep writes a body in parts and says how many. Those of an attempt before are written over.
func (q *Queue) keep(ctx context.Context, id, side string, body []byte) (n int, err error) {
	for ; len(body) > 0; n++ {
		part := body[:min(len(body), partSize)]
		body = body[len(part):]
		name := partID(id, side, n)
		doc := store.Doc(bsoncore.NewDocumentBuilder().
			AppendString(fieldID, name).
			AppendBinary(fieldData, 0, part).
			AppendDateTime(fieldTime, q.now().UnixMilli()).
			Build())
		op := store.Op{Kind: store.Insert, Collection: parts, Doc: doc}
		there, err := q.Store.Count(ctx, store.Query{Collection: parts, Where: store.Eq{Path: fieldID, Value: store.String(name)}, Limit: 1})
		if err != nil {
			return n, commit.Fault("keep a part of a job", err)
		}
		if there > 0 {
			op.Kind, op.ID = store.Replace, store.String(name)
		}
		if err := q.Store.Apply(ctx, []store.Op{op}); err != nil {
			return n, commit.Fault("keep a part of a job", err)
		}
	}
	return n, nil
}

// read gives the parts of a body in their order.
func (q *Queue) read(ctx context.Context, id, side string, n int, each func(part []byte) error) error {
	for i := range n {
		found := false
		for doc, err := range q.Store.Find(ctx, store.Query{Collection: parts, Where: store.Eq{Path: fieldID, Value: store.String(partID(id, side, i))}, Limit: 1}) {
			if err != nil {
				return commit.Fault("read a part of a job", err)
			}
			_, data, ok := doc.Lookup(fieldData).BinaryOK()
			if !ok {
				return fmt.Errorf("job: %w: a part without its data", store.ErrCorrupt)
			}
			found = true
			if err := each(data); err != nil {
				return err
			}
		}
		if !found {
			return missing()
		}
	}
	return nil
}

// drop removes a body. What stays behind expires.
func (q *Queue) drop(ctx context.Context, id, side string, n int) {
	for i := range n {
		err := q.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: parts, ID: store.String(partID(id, side, i))}})
		if err != nil && q.Log != nil {
			q.Log.Debug("a part of a job stays until it expires", "job", id, "cause", err)
			return
		}
	}
}
