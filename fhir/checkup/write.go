package checkup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Effect is what a write would do to one document.
type Effect struct {
	Do         string   `json:"do"` // insert, replace, update or delete
	Collection string   `json:"collection"`
	ID         string   `json:"id"`
	Set        []string `json:"set,omitempty"`   // "path = value", the value as extended JSON
	Unset      []string `json:"unset,omitempty"` // paths
	Document   string   `json:"document,omitempty"`
	Guarded    bool     `json:"guarded"` // only if the document is still what was read
}

// Explain says what changes would do, without doing it. The error is what the client would
// be told.
func Explain(ctx context.Context, planner commit.Planner, changes []fhir.Change) ([]Effect, []fhir.Result, error) {
	if err := commit.Check(changes); err != nil {
		return nil, nil, err
	}
	prepared, err := planner.Prepare(ctx, changes)
	if err != nil {
		return nil, nil, err
	}
	plan, err := prepared.Plan(ctx)
	if err != nil {
		return nil, nil, err
	}
	var all []Effect
	for _, op := range plan.Ops {
		e, err := effect(op)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, e)
	}
	return all, plan.Results, nil
}

var kinds = map[store.OpKind]string{store.Insert: "insert", store.Replace: "replace", store.Update: "update", store.Delete: "delete"}

func effect(op store.Op) (Effect, error) {
	e := Effect{Do: kinds[op.Kind], Collection: op.Collection, Unset: op.Unset, Guarded: op.If != nil}
	id := op.ID
	if op.Kind == store.Insert {
		id = store.ID(op.Doc)
	}
	var err error
	if e.ID, err = extended(id); err != nil {
		return e, err
	}
	for _, f := range op.Set {
		value, err := extended(f.Value)
		if err != nil {
			return e, err
		}
		e.Set = append(e.Set, f.Path+" = "+value)
	}
	if op.Doc != nil {
		text, err := bson.MarshalExtJSON(op.Doc, false, false)
		if err != nil {
			return e, fmt.Errorf("show a document: %w", err)
		}
		e.Document = string(text)
	}
	return e, nil
}

// extended is a value as extended JSON.
func extended(v store.Value) (string, error) {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	if err != nil {
		return "", fmt.Errorf("show a value: %w", err)
	}
	var in struct {
		V json.RawMessage `json:"v"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return "", fmt.Errorf("show a value: %w", err)
	}
	return string(in.V), nil
}

// fields names what ops write, without values.
func fields(ops []store.Op) []string {
	var all []string
	for _, op := range ops {
		for _, f := range op.Set {
			all = append(all, f.Path)
		}
		all = append(all, op.Unset...)
		if op.Doc != nil {
			all = append(all, "a document of "+op.Collection[strings.LastIndexByte(op.Collection, '.')+1:])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
