package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// Explain implements store.Explainer. Documents that Find would drop after the
// server returned them count as returned. A search after a cursor is answered
// in several parts; the plan has their sum, and the index of the last.
func (s *Store) Explain(ctx context.Context, q store.Query) (store.Plan, error) {
	if err := q.Validate(); err != nil {
		return store.Plan{}, err
	}
	if err := s.enter(); err != nil {
		return store.Plan{}, err
	}
	defer s.leave()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	sorted := partial(q.Order)
	if sorted { // here, all that matches
		q.Order, q.After, q.Limit = nil, nil, 0
	}
	p := s.plan(q)
	sum := store.Plan{Sorted: sorted}
	for _, part := range p.parts {
		plan, err := s.explain(ctx, p, part)
		if err != nil {
			return store.Plan{}, err
		}
		plan.Keys += sum.Keys
		plan.Docs += sum.Docs
		plan.Returned += sum.Returned
		plan.Sorted = plan.Sorted || sum.Sorted
		sum = plan
		if q.Limit > 0 && sum.Returned >= int64(q.Limit) {
			sum.Returned = int64(q.Limit)
			break
		}
	}
	return sum, nil
}

// explain asks the server how it would search for one phase.
func (s *Store) explain(ctx context.Context, p search, part phase) (store.Plan, error) {
	q := p.query
	db, coll := s.namespace(q.Collection)
	find := bson.D{
		{Key: "find", Value: coll},
		{Key: "filter", Value: p.filter(part)},
		{Key: "sort", Value: sorting(q.Order)},
	}
	if q.Limit > 0 {
		find = append(find, bson.E{Key: "limit", Value: q.Limit})
	}
	if p.need != nil {
		find = append(find, bson.E{Key: "projection", Value: projection(p.need)})
	}
	command := bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "executionStats"}}
	reply, err := s.client.Database(db).RunCommand(ctx, command).Raw()
	if err != nil {
		return store.Plan{}, readFault(ctx, "explain", err)
	}
	return planOf(reply), nil
}

// planOf reads an explanation. Its shape differs between versions and between
// a replica set and shards, so the stages are looked for wherever they are.
func planOf(reply bson.Raw) store.Plan {
	var p store.Plan
	stats, _ := reply.Lookup("executionStats").DocumentOK()
	p.Keys = number(stats, "totalKeysExamined")
	p.Docs = number(stats, "totalDocsExamined")
	p.Returned = number(stats, "nReturned")
	winning, ok := reply.Lookup("queryPlanner", "winningPlan").DocumentOK()
	if !ok {
		winning, _ = stats.Lookup("executionStages").DocumentOK()
	}
	stages(winning, &p)
	return p
}

// stages walks a plan: its input stages, and those of its shards.
func stages(stage bson.Raw, p *store.Plan) {
	name, _ := stage.Lookup("stage").StringValueOK()
	index, named := stage.Lookup("indexName").StringValueOK()
	switch {
	case name == "SORT":
		p.Sorted = true
	case p.Index != "":
	case named && index != "_id_":
		p.Index = index
	case named, name == "IDHACK", name == "CLUSTERED_IXSCAN", name == "EXPRESS_CLUSTERED_IXSCAN":
		p.Index = "_id"
	}
	elements, err := stage.Elements()
	if err != nil {
		return
	}
	for _, e := range elements {
		switch e.Key() {
		case "inputStage", "inputStages", "queryPlan", "winningPlan", "shards", "outerStage", "innerStage", "thenStage", "elseStage":
			each(e.Value(), func(inner bson.Raw) { stages(inner, p) })
		}
	}
}

// each calls f with a document, or with each of an array of them.
func each(v bson.RawValue, f func(bson.Raw)) {
	if d, ok := v.DocumentOK(); ok {
		f(d)
		return
	}
	array, ok := v.ArrayOK()
	if !ok {
		return
	}
	values, err := array.Values()
	if err != nil {
		return
	}
	for _, v := range values {
		each(v, f)
	}
}

// number reads a count of any numeric type.
func number(d bson.Raw, key string) int64 {
	n, _ := d.Lookup(key).AsInt64OK()
	return n
}
