package record

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Commit carries out the changes in one Apply (R4 3.1.0.4 to 3.1.0.8), as
// [commit.Do] says.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	return commit.Do(ctx, changes, func(fhir.Type) commit.Planner { return r })
}

// Prepare implements [commit.Planner].
func (r *Repository) Prepare(ctx context.Context, changes []fhir.Change) (commit.Prepared, error) {
	if err := r.index(ctx, written(changes)); err != nil {
		return commit.Prepared{}, err
	}
	if err := r.reservations.Declare(ctx, r.Store, changes); err != nil {
		return commit.Prepared{}, err
	}
	defining := defines(changes)
	if err := r.prepareParameters(ctx, defining); err != nil {
		return commit.Prepared{}, err
	}
	moved := make(map[string]bool)
	u := &underWay{horizon: &r.horizon, changes: changes}
	done := func() {
		u.end()
		if defining {
			r.stir(ctx)
		}
	}
	return commit.Prepared{Store: r.Store, Done: done, Plan: func(ctx context.Context) (*commit.Plan, error) {
		p := plan{now: u.stamp(r.now()), newID: r.newID, moved: moved, before: commit.Planned(ctx)}
		// Behind the stamp: who waits for what was stamped has all that knew less.
		ps, err := r.notice(ctx, age(defining))
		if err != nil {
			return nil, err
		}
		p.index = r.indexerFor(ps)
		ops, err := r.reservations.Plan(ctx, r.Store, r, changes)
		if err != nil {
			return nil, err
		}
		p.ops = ops
		if err := r.plan(ctx, &p, changes); err != nil {
			return nil, err
		}
		if defining {
			more, err := r.redefine(ps, changes, p.results)
			if err != nil {
				return nil, err
			}
			p.ops = append(p.ops, more...)
		}
		u.raise(p.results)
		return &commit.Plan{Ops: p.ops, Results: p.results, Failed: p.note}, nil
	}}, nil
}

// written lists the types that are written.
func written(changes []fhir.Change) []fhir.Type {
	var types []fhir.Type
	for _, c := range changes {
		if !slices.Contains(types, c.Key.Type) {
			types = append(types, c.Key.Type)
		}
	}
	return types
}

// index declares the indexes of the types, once each.
func (r *Repository) index(ctx context.Context, types []fhir.Type) error {
	var missing []store.Index
	for _, t := range types {
		if _, ok := r.indexed.Load(t); !ok {
			missing = append(missing, indexes(t)...)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := r.Store.Ensure(ctx, missing); err != nil {
		return fault("declare indexes", err)
	}
	if err := r.listTypes(ctx, types); err != nil {
		return err
	}
	for _, t := range types {
		r.indexed.Store(t, true)
	}
	return nil
}

// plan reads what the changes start from and fills p.
func (r *Repository) plan(ctx context.Context, p *plan, changes []fhir.Change) error {
	current, err := r.currents(ctx, changes)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := p.add(c, current[c.Key]); err != nil {
			return err
		}
	}
	return nil
}

// maxIn bounds the ids of one query.
const maxIn = 500

// currents reads the current versions of all resources that the changes name.
func (r *Repository) currents(ctx context.Context, changes []fhir.Change) (map[fhir.Key]version, error) {
	found := make(map[fhir.Key]version, len(changes))
	if len(changes) == 1 {
		key := changes[0].Key
		v, err := r.current(ctx, key)
		found[key] = v
		return found, err
	}
	ids := make(map[fhir.Type][]store.Value)
	for _, c := range changes {
		if c.Key.ID != "" {
			ids[c.Key.Type] = append(ids[c.Key.Type], store.String(c.Key.ID))
		}
	}
	for t, ids := range ids {
		for len(ids) > 0 {
			n := min(len(ids), maxIn)
			q := store.Query{Collection: collection(t), Where: store.In{Path: fieldID, Values: ids[:n]}, Fields: readFields()}
			for doc, err := range r.Store.Find(ctx, q) {
				if err != nil {
					return nil, fault("read", err)
				}
				id, _ := store.ID(doc).StringValueOK()
				v, err := decode(id, doc)
				if err != nil {
					return nil, fault("read", err)
				}
				found[fhir.Key{Type: t, ID: id}] = v
			}
			ids = ids[n:]
		}
	}
	return found, nil
}
