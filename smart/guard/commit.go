package guard

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// maxAttempts bounds how often a commit is judged anew since another writer was
// faster.
const maxAttempts = 20

// Commit implements [fhir.Repository]. Each change is judged on what is stored and on
// what it makes of that; the former is then a precondition.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	var before []string
	for attempt := 1; ; attempt++ {
		c, err := r.judge(ctx, changes)
		if err != nil {
			return nil, err
		}
		results, err := r.Inner.Commit(c.actor, c.changes)
		switch {
		case err == nil:
			return r.results(c, results)
		case !fhir.Is(err, fhir.CodeConflict) || attempt == maxAttempts || slices.Equal(before, c.versions) || len(c.versions) == 0:
			// Nobody else was faster: the client's own precondition failed.
			return nil, err
		}
		before = c.versions
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// judged are changes that are permitted.
type judged struct {
	actor    context.Context
	changes  []fhir.Change
	versions []string // that were looked at
	asked    []fhir.Key
	views    []*view
}

// results gives what the caller learns of what became of the changes.
func (r *Repository) results(c *judged, results []fhir.Result) (_ []fhir.Result, err error) {
	out := slices.Clone(results)
	for i := range out {
		if out[i].Status == fhir.Absent {
			out[i].Resource.Key = c.asked[i]
		}
		if out[i].Resource, err = r.show(c.views[i], out[i].Resource); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Repository) judge(ctx context.Context, changes []fhir.Change) (*judged, error) {
	a := access.From(ctx)
	c := &judged{actor: ctx}
	if a != nil {
		c.actor = behind(ctx, a)
	}
	ctx = alongside(ctx, changes)
	for _, change := range changes {
		v, err := r.decide(ctx, change.Key.Type, letterOf(change.Method), r.action(a, change))
		if err != nil {
			return nil, err
		}
		c.asked = append(c.asked, change.Key)
		if !v.whole() || a.Kind != access.System {
			if change, err = r.narrowed(ctx, a, v, change, c); err != nil {
				return nil, err
			}
		} else if err := r.notGranted(v.actor, change); err != nil {
			return nil, err
		}
		c.changes = append(c.changes, change)
		c.views = append(c.views, v)
	}
	return c, nil
}

func letterOf(m fhir.Method) scope.Letters {
	switch m {
	case fhir.Create:
		return scope.Create
	case fhir.Put, fhir.Patch:
		return scope.Update
	default:
		return scope.Delete
	}
}

// narrowed judges one change, and gives it with the preconditions that follow.
func (r *Repository) narrowed(ctx context.Context, a *access.Access, v *view, change fhir.Change, c *judged) (fhir.Change, error) {
	if change.Method == fhir.Create {
		return r.creation(ctx, a, v, change)
	}
	if err := staff(a, change); err != nil {
		return change, err
	}
	seen, err := r.decide(ctx, change.Key.Type, letterOf(change.Method), policy.See)
	if err != nil {
		return change, err
	}
	old, err := r.Inner.Read(v.actor, change.Key)
	shown, err := r.handOut(seen, old, err, notFound(change.Key))
	switch {
	case fhir.Is(err, fhir.CodeNotFound):
		return r.unseen(change)
	case fhir.Is(err, fhir.CodeDeleted):
		return r.revival(ctx, a, v, old, change)
	case err != nil:
		return change, err
	}
	c.versions = append(c.versions, old.Key.String()+"/"+old.Version)
	if ok, err := r.shows(v, old); err != nil || !ok {
		return change, orForbidden(err, change)
	}
	if change.IfMatch == "" && !change.IfNoneMatch {
		change.IfMatch = old.Version
	}
	if change.Method == fhir.Delete && (a.Kind == access.Patient || a.Kind == access.Proxy) {
		return change, fhir.Errorf(fhir.CodeForbidden, "", "Patients and those who act for them delete nothing. What is no longer wanted is canceled.")
	}
	if err := operationsOnly(change, old); err != nil || change.Method == fhir.Delete {
		return change, err
	}
	if len(shown.Body) == len(old.Body) {
		return change, r.becomes(ctx, a, v, old, &change)
	}
	// The caller changes what they see; the rest stays as it is.
	unseen, err := r.cuts(seen, old.Body)
	if err != nil {
		return change, err
	}
	change.Body = unmark(change.Body, old.Body)
	shown.Body = unmark(shown.Body, old.Body)
	if err := r.becomes(ctx, a, v, shown, &change); err != nil {
		return change, err
	}
	if err := r.forOthers(a, unseen, shown, change); err != nil {
		return change, err
	}
	change.Body = unseen.restore(old.Body, change.Body)
	return change, nil
}

// orForbidden is err, or that the caller may not do this to what they see.
func orForbidden(err error, change fhir.Change) error {
	if err != nil {
		return err
	}
	return fhir.Errorf(fhir.CodeForbidden, "", "This token may not change this %s in this way.", change.Key.Type)
}

// unseen is for a change of what the caller does not see, be it there or not: both are
// answered alike, also where something would be created.
func (r *Repository) unseen(change fhir.Change) (fhir.Change, error) {
	switch {
	case change.Method != fhir.Delete:
		return change, notFound(change.Key)
	case change.IfMatch != "":
		return change, fhir.Errorf(fhir.CodeConflict, "http.If-Match", "There is no %s with this id, so that If-Match names no version of it.", change.Key.Type)
	}
	change.Key.ID = r.newID() // which does not exist, whatever else does
	return change, nil
}

// revival is for a change of what the caller saw before it was deleted.
func (r *Repository) revival(ctx context.Context, a *access.Access, v *view, marker fhir.Resource, change fhir.Change) (fhir.Change, error) {
	if change.Method == fhir.Delete {
		return change, nil // of what is deleted: nothing happens
	}
	if a.Kind == access.Patient || a.Kind == access.Proxy {
		return change, notFound(change.Key)
	}
	if change.IfMatch == "" && !change.IfNoneMatch {
		change.IfMatch = marker.Version
	}
	return change, r.becomes(ctx, a, v, fhir.Resource{}, &change) // judged like what is new
}

// creation judges what would be created, and narrows what it depends on.
func (r *Repository) creation(ctx context.Context, a *access.Access, v *view, change fhir.Change) (fhir.Change, error) {
	if err := staff(a, change); err != nil {
		return change, err
	}
	if err := r.becomes(ctx, a, v, fhir.Resource{}, &change); err != nil {
		return change, err
	}
	if change.IfNoneExist == nil {
		return change, nil
	}
	seen, err := r.decide(ctx, change.Key.Type, scope.Create, policy.See)
	if err != nil {
		return change, err
	}
	q := *change.IfNoneExist.Query
	if err := r.mayAsk(seen, &q); err != nil {
		return change, err
	}
	asked, sifted, err := r.blind(seen, q.Where)
	if err != nil {
		return change, err
	}
	if sifted { // what is found cannot be looked at first
		return change, notAsked(change.Key.Type)
	}
	where, never, err := r.narrow(seen, asked)
	if err != nil {
		return change, err
	}
	if never {
		where = fhir.Or{}
	}
	q.Where = where
	change.IfNoneExist = &fhir.Condition{Name: change.IfNoneExist.Name, Query: &q}
	return change, nil
}

// becomes judges what a change makes of old, which has no body when it is new.
func (r *Repository) becomes(ctx context.Context, a *access.Access, v *view, old fhir.Resource, change *fhir.Change) error {
	res := fhir.Resource{Key: change.Key, Body: change.Body}
	ok, err := r.shows(v, res)
	if err != nil || !ok {
		if err == nil && a.Kind != access.System && a.Kind != access.Clinician {
			return otherPatient(change.Key.Type)
		}
		return orForbidden(err, *change)
	}
	if change.Key.Type == "Consent" && a.Kind != access.System {
		if err := operationsOnly(*change, old); err != nil {
			return err
		}
		if err := r.notInForce(old, change); err != nil {
			return err
		}
	}
	if a.Kind == access.Patient || a.Kind == access.Proxy {
		if err := r.lay(a, old, change); err != nil {
			return err
		}
	}
	if a.Kind == access.System {
		return nil
	}
	return r.refersToSeen(ctx, a, old, res)
}

func otherPatient(t fhir.Type) error {
	return fhir.Errorf(fhir.CodeForbidden, "", "This token writes a %s only about its own patient, and in the categories that it was granted.", t)
}
