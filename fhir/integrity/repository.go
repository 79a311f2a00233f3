package integrity

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Repository is another one whose commits leave no reference of an enforced type without
// its target. All fields are set before the first call; it is safe for concurrent use, also by several
// processes on one store.
type Repository struct {
	fhir.Repository
	Store  store.Store // that the Repository writes to
	Policy Policy
	Base   string // FHIR base URL: references below it are to here
	// Visible reports whether the caller may know of a resource, so that a refusal can
	// name it; nil: all of them.
	Visible func(context.Context, fhir.Key) bool

	declared atomic.Bool
}

var _ fhir.Repository = (*Repository)(nil)

// Commit implements [fhir.Repository]. CodeBusinessRule for a reference that leads nowhere,
// CodeInUse for a deletion of what something refers to; the error is then a
// *commit.Blamed.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	if r.Policy.None() || !slices.ContainsFunc(changes, r.concerns) {
		return r.Repository.Commit(ctx, changes)
	}
	if err := r.declare(ctx); err != nil {
		return nil, err
	}
	watched := commit.Beside(ctx, func(results []fhir.Result) ([]store.Op, error) {
		return r.check(ctx, results)
	})
	for attempt := range commit.MaxAttempts {
		if err := commit.Pause(ctx, attempt); err != nil {
			return nil, err
		}
		results, err := r.Repository.Commit(watched, changes)
		var refused *commit.Refused
		if !errors.As(err, &refused) || refused.Op.Collection != anchors {
			return results, err
		}
	}
	return nil, fhir.Errorf(fhir.CodeTransient, "", "Too many others are changing the same resources. Try again later.")
}

// concerns reports whether a change may break a reference.
func (r *Repository) concerns(c fhir.Change) bool {
	return c.Method == fhir.Delete || r.Policy.Enforced(c.Key.Type)
}

// check looks at what a commit comes to, and gives the ops that make sure that it is
// still true when it is applied.
func (r *Repository) check(ctx context.Context, results []fhir.Result) ([]store.Op, error) {
	c := &checking{Repository: r, results: results, place: make(map[fhir.Key]int, len(results)), met: map[fhir.Key]bool{}}
	for i, res := range results {
		c.place[res.Resource.Key] = i
	}
	for i, res := range results {
		var err error
		switch {
		case res.Status == fhir.Deleted:
			err = c.deleted(ctx, res.Resource.Key)
		case (res.Status == fhir.Created || res.Status == fhir.Updated) && r.Policy.Enforced(res.Resource.Type):
			err = c.written(ctx, res.Resource)
		}
		if err != nil {
			return nil, &commit.Blamed{Change: i, Err: err}
		}
	}
	return c.ops, nil
}

// checking is one commit on its way.
type checking struct {
	*Repository
	results []fhir.Result
	place   map[fhir.Key]int  // of results
	met     map[fhir.Key]bool // targets that were found
	ops     []store.Op
}

// written checks what a resource refers to.
func (c *checking) written(ctx context.Context, res fhir.Resource) error {
	refs, err := references(res.Type, res.Body, c.Base)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		i, here := c.place[ref.key]
		switch {
		case here && (ref.version == "" || ref.version == c.results[i].Resource.Version):
			if s := c.results[i].Status; s == fhir.Deleted || s == fhir.Absent {
				return dangling(ref)
			}
		case ref.version != "":
			if _, err := c.Repository.Version(ctx, ref.key, ref.version); err != nil {
				return unmet(ref, err)
			}
		case !c.met[ref.key]:
			// The anchor is read first: whoever deletes the target later changes it.
			op, err := c.refer(ctx, ref.key)
			if err != nil {
				return err
			}
			if _, err := c.Read(ctx, ref.key); err != nil {
				return unmet(ref, err)
			}
			c.ops = append(c.ops, op)
			c.met[ref.key] = true
		}
	}
	return nil
}

// unmet is what the failure to read a target means.
func unmet(ref reference, err error) error {
	if fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) {
		return dangling(ref)
	}
	return err
}

func dangling(ref reference) error {
	name := ref.key.String()
	if ref.version != "" {
		name += "/_history/" + ref.version
	}
	return fhir.Errorf(fhir.CodeBusinessRule, ref.path, "This refers to %s, which is not there. References of this type must lead to a resource that exists.", name)
}

// deleted checks that nothing of an enforced type refers to what is deleted.
func (c *checking) deleted(ctx context.Context, key fhir.Key) error {
	op, err := c.abandon(ctx, key)
	if err != nil {
		return err
	}
	c.ops = append(c.ops, op)
	for _, t := range fhir.Types() {
		if !c.Policy.Enforced(t) {
			continue
		}
		where := to(c.Describe(t), key)
		if len(where) == 0 {
			continue
		}
		from, err := c.inbound(ctx, &fhir.Query{Type: t, Where: where, Count: 20}, key)
		switch {
		case err != nil:
			return err
		case from.ID != "":
			return c.inUse(ctx, key, from)
		}
	}
	return nil
}

// to finds what refers to a resource.
func to(can fhir.Capability, key fhir.Key) (where fhir.Or) {
	if !can.Search {
		return nil
	}
	for _, p := range can.Params {
		if p.Type == fhir.ParamReference && (len(p.Targets) == 0 || slices.Contains(p.Targets, key.Type)) {
			where = append(where, fhir.Term{Param: p, Value: fhir.ReferenceValue{Type: key.Type, ID: key.ID}})
		}
	}
	return where
}

// inbound gives a resource that refers to key and that this commit leaves as it is; zero
// when there is none. What the commit writes is checked for itself.
func (c *checking) inbound(ctx context.Context, q *fhir.Query, key fhir.Key) (fhir.Key, error) {
	for {
		page, err := c.Search(ctx, q)
		if err != nil {
			return fhir.Key{}, err
		}
		for _, res := range page.Resources {
			if _, here := c.place[res.Key]; here {
				continue
			}
			refs, err := references(res.Type, res.Body, c.Base)
			if err != nil {
				return fhir.Key{}, err
			}
			if slices.ContainsFunc(refs, func(ref reference) bool { return ref.key == key && ref.version == "" }) {
				return res.Key, nil
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return fhir.Key{}, nil
		}
	}
}

// inUse is the error of a deletion of key, which from refers to.
func (c *checking) inUse(ctx context.Context, key, from fhir.Key) error {
	if c.Visible != nil && !c.Visible(ctx, from) {
		return fhir.Errorf(fhir.CodeInUse, "", "%s cannot be deleted: another resource refers to it.", key)
	}
	return fhir.Errorf(fhir.CodeInUse, "", "%s cannot be deleted: %s refers to it.", key, from)
}
