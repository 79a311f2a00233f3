package write

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/patch"
	"github.com/portico-fhir/portico/fhir/schema"
)

// Method is a write interaction.
type Method uint8

// The methods.
const (
	Create Method = iota + 1
	Update
	Patch
	Delete
)

// Preparing gives the context under which is looked up what an interaction of this
// method depends on.
func (m Method) Preparing(ctx context.Context) context.Context {
	return fhir.ForChange(ctx, map[Method]fhir.Method{Create: fhir.Create, Update: fhir.Put, Patch: fhir.Patch, Delete: fhir.Delete}[m])
}

// Request is one write interaction.
type Request struct {
	Method   Method
	Key      fhir.Key    // ID is empty for Create and where Criteria choose; of a conditional update it is that of the body
	Criteria *Criteria   // of a conditional interaction
	Body     []byte      // of Create and Update: accepted by the Validator
	Patch    patch.Patch // of Patch
	IfMatch  string      // version that must be current; not of Create
	IfNone   bool        // If-None-Match: * of Update
}

// Step is what a Request comes to: changes, or what to answer when there is nothing
// to do.
type Step struct {
	Changes []fhir.Change
	Results []fhir.Result
}

// Validator accepts or refuses a resource of a type.
type Validator interface {
	Validate(body []byte, want fhir.Type) (schema.Info, error)
}

// Writer carries out write interactions. It is safe for concurrent use.
type Writer struct {
	Repository fhir.Repository
	Validator  Validator // for what patches make
	// DeleteMany is how many resources a conditional delete may delete at once; up to 1:
	// several are refused.
	DeleteMany int
	// Provenance is written with what the one request that this Writer carries out writes;
	// nil: none.
	Provenance *Provenance
	// Receipt keeps what became of the one request that this Writer carries out;
	// nil: nobody asks.
	Receipt Receipt
}

// Receipt keeps what became of a request together with what it wrote.
type Receipt interface {
	// Beside returns a context under which a commit writes the receipt, too. All gives
	// what became of each part of the request from what became of the changes.
	Beside(ctx context.Context, all func(changes []fhir.Result) []fhir.Result) context.Context
	// Keep writes the receipt where nothing was to be changed.
	Keep(ctx context.Context, results []fhir.Result) error
}

// maxAttempts bounds how often a request starts over since another writer was
// faster. Each time at least one other made its change.
const maxAttempts = 200

// Do carries out one request. There is one result, but for a conditional delete of
// several resources. The errors are those of Plan and of [fhir.Repository.Commit].
func (w *Writer) Do(ctx context.Context, r Request) ([]fhir.Result, error) {
	for attempt := range maxAttempts {
		if err := commit.Pause(ctx, attempt); err != nil {
			return nil, err
		}
		step, err := w.Plan(ctx, r)
		if err != nil {
			return nil, err
		}
		results, err := w.Commit(ctx, step.Changes, func(changes []fhir.Result) []fhir.Result { return append(changes, step.Results...) })
		switch {
		case err == nil:
			return results, nil
		case !Overtaken(err) || r.IfMatch != "" || r.IfNone || (r.Criteria == nil && r.Method != Patch):
			return nil, err
		}
	}
	return nil, commit.Contended()
}

// Commit carries out changes, none or more, and keeps the receipt. All gives what became
// of the request, which is returned, from what became of the changes.
func (w *Writer) Commit(ctx context.Context, changes []fhir.Change, all func(changes []fhir.Result) []fhir.Result) ([]fhir.Result, error) {
	if len(changes) == 0 {
		results := all(nil)
		if w.Receipt == nil {
			return results, nil
		}
		return results, w.Receipt.Keep(ctx, results)
	}
	n := len(changes)
	own := func(results []fhir.Result) []fhir.Result { return all(results[:n:n]) }
	if w.Provenance != nil {
		changes = w.Provenance.with(changes, w.Repository.Describe)
	}
	if w.Receipt != nil {
		ctx = w.Receipt.Beside(ctx, own)
	}
	results, err := w.Repository.Commit(ctx, changes)
	if err != nil {
		return nil, err
	}
	return own(results), nil
}

// Overtaken reports whether a commit failed at a precondition, which is to say
// that somebody wrote after the plan was made, if the client asked for none.
func Overtaken(err error) bool {
	return fhir.Is(err, fhir.CodeConflict, fhir.CodeDuplicate)
}

// Plan finds out what a request comes to now. A precondition in the Change that the
// request did not state holds for what Plan saw: when the commit fails at it, plan
// again. CodeConflict when a precondition of the request does not hold,
// CodeMultiple when several resources meet the criteria, CodeNotFound and CodeDeleted
// when there is nothing to patch.
func (w *Writer) Plan(ctx context.Context, r Request) (Step, error) {
	ctx = r.Method.Preparing(ctx)
	switch {
	case r.Criteria != nil:
		return w.conditional(ctx, r)
	case r.Method == Create:
		return change(fhir.Change{Method: fhir.Create, Key: r.Key, Body: r.Body}), nil
	case r.Method == Update:
		return change(fhir.Change{Method: fhir.Put, Key: r.Key, Body: r.Body, IfMatch: r.IfMatch, IfNoneMatch: r.IfNone}), nil
	case r.Method == Delete:
		return change(fhir.Change{Method: fhir.Delete, Key: r.Key, IfMatch: r.IfMatch}), nil
	default:
		res, err := w.Repository.Read(ctx, r.Key)
		if err != nil {
			return Step{}, err
		}
		return w.patch(r, res)
	}
}

func change(c fhir.Change) Step { return Step{Changes: []fhir.Change{c}} }

func answer(r fhir.Result) Step { return Step{Results: []fhir.Result{r}} }

// patch applies a patch to the current version.
func (w *Writer) patch(r Request, res fhir.Resource) (Step, error) {
	if r.IfMatch != "" && r.IfMatch != res.Version {
		return Step{}, stale(res)
	}
	body, err := r.Patch.Apply(res.Body)
	if err != nil {
		return Step{}, err
	}
	if _, err := w.Validator.Validate(body, res.Type); err != nil {
		return Step{}, err
	}
	return change(fhir.Change{Method: fhir.Patch, Key: res.Key, Body: body, IfMatch: res.Version}), nil
}

func stale(res fhir.Resource) error {
	return fhir.Errorf(fhir.CodeConflict, "http.If-Match", "%s is at version %q, which If-Match does not name.", res.Key, res.Version)
}

// conditional plans a request that says by criteria which resource it is about.
func (w *Writer) conditional(ctx context.Context, r Request) (Step, error) {
	if r.Method == Delete && w.DeleteMany > 1 {
		return w.deleteMany(ctx, r)
	}
	match, found, err := w.Find(ctx, r.Criteria, nil)
	if err != nil {
		return Step{}, err
	}
	if !found {
		return w.unmatched(ctx, r)
	}
	if r.Method == Create {
		return answer(fhir.Result{Status: fhir.Unchanged, Resource: match}), nil
	}
	if r.IfMatch != "" && r.IfMatch != match.Version {
		return Step{}, stale(match)
	}
	switch r.Method {
	case Update:
		switch {
		case r.IfNone:
			return Step{}, fhir.Errorf(fhir.CodeConflict, "http.If-None-Match", "%s exists already.", match.Key)
		case r.Key.ID != "" && r.Key.ID != match.ID:
			return Step{}, fhir.Errorf(fhir.CodeInvalid, string(match.Type)+".id", "The criteria lead to another resource than the id of the content says.")
		}
		return change(fhir.Change{Method: fhir.Put, Key: match.Key, Body: r.Body, IfMatch: match.Version}), nil
	case Delete:
		return change(fhir.Change{Method: fhir.Delete, Key: match.Key, IfMatch: match.Version}), nil
	default:
		return w.patch(r, match)
	}
}

// deleteMany plans the deletion of all that meets the criteria (R4 3.1.0.7).
func (w *Writer) deleteMany(ctx context.Context, r Request) (Step, error) {
	matches, err := w.ToDelete(ctx, r.Criteria)
	switch {
	case err != nil:
		return Step{}, err
	case len(matches) == 0:
		return w.unmatched(ctx, r)
	case r.IfMatch != "" && len(matches) > 1:
		return Step{}, fhir.Errorf(fhir.CodeMultiple, "http.If-Match", "More than one %s meets the criteria, and If-Match names the version of one.", r.Criteria.Type)
	case r.IfMatch != "" && r.IfMatch != matches[0].Version:
		return Step{}, stale(matches[0])
	}
	var step Step
	for _, m := range matches {
		step.Changes = append(step.Changes, fhir.Change{Method: fhir.Delete, Key: m.Key, IfMatch: m.Version})
	}
	return step, nil
}

// ToDelete gives the resources that a conditional delete is about. CodeTooCostly when
// there are more than DeleteMany, CodeMultiple where that is one.
func (w *Writer) ToDelete(ctx context.Context, c *Criteria) ([]fhir.Resource, error) {
	if w.DeleteMany <= 1 {
		res, found, err := w.Find(ctx, c, nil)
		if !found {
			return nil, err
		}
		return []fhir.Resource{res}, nil
	}
	matches, err := w.Matches(ctx, c, w.DeleteMany+1)
	if len(matches) > w.DeleteMany {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "More than %d resources meet the criteria, which is as many as may be deleted at once.", w.DeleteMany)
	}
	return matches, err
}

// Find gives the one resource that meets the criteria, those aside that are gone.
// CodeMultiple when there are several.
func (w *Writer) Find(ctx context.Context, c *Criteria, gone map[fhir.Key]bool) (res fhir.Resource, found bool, err error) {
	matches, err := w.Matches(ctx, c, len(gone)+2)
	matches = slices.DeleteFunc(matches, func(res fhir.Resource) bool { return gone[res.Key] })
	switch {
	case err != nil:
		return fhir.Resource{}, false, err
	case len(matches) > 1:
		return fhir.Resource{}, false, fhir.Errorf(fhir.CodeMultiple, "", "More than one %s meets the criteria.", c.Type)
	case len(matches) == 0:
		return fhir.Resource{}, false, nil
	}
	return matches[0], true, nil
}

// Matches gives what meets the criteria, at most max.
func (w *Writer) Matches(ctx context.Context, c *Criteria, max int) ([]fhir.Resource, error) {
	q := c.query(max)
	var matches []fhir.Resource
	for {
		page, err := w.Repository.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		matches = append(matches, page.Resources...)
		if page.Next == "" || len(matches) >= max {
			return matches, nil
		}
		// The page was full before it had so many: what matches is large.
		for i := range matches {
			matches[i].Body = nil
		}
		q.Cursor, q.Count = page.Next, max-len(matches)
	}
}

// unmatched plans a conditional request whose criteria nothing meets.
func (w *Writer) unmatched(ctx context.Context, r Request) (Step, error) {
	switch {
	case r.Method == Delete && r.IfMatch == "":
		return answer(fhir.Result{Status: fhir.Absent, Resource: fhir.Resource{Key: fhir.Key{Type: r.Criteria.Type}}}), nil
	case r.Method == Patch:
		return Step{}, fhir.Errorf(fhir.CodeNotFound, "", "No %s meets the criteria.", r.Criteria.Type)
	case r.IfMatch != "":
		return Step{}, fhir.Errorf(fhir.CodeConflict, "http.If-Match", "No %s meets the criteria, and If-Match wants one.", r.Criteria.Type)
	case r.Key.ID == "":
		if !w.Repository.Describe(r.Criteria.Type).Create {
			return Step{}, fhir.Errorf(fhir.CodeNotSupported, "", "No %s meets the criteria, and none can be created.", r.Criteria.Type)
		}
		return change(fhir.Change{Method: fhir.Create, Key: r.Key, Body: r.Body, IfNoneExist: r.Criteria.Condition()}), nil
	case !w.Repository.Describe(r.Criteria.Type).UpdateCreate:
		return Step{}, fhir.Errorf(fhir.CodeNotSupported, string(r.Key.Type)+".id", "No %s meets the criteria, and a client cannot choose the id of a new one.", r.Criteria.Type)
	}
	_, err := w.Repository.Read(ctx, r.Key)
	switch {
	case err == nil:
		return Step{}, fhir.Errorf(fhir.CodeDuplicate, string(r.Key.Type)+".id", "There is a %s with this id, which does not meet the criteria.", r.Key.Type)
	case !fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted):
		return Step{}, err
	}
	return change(fhir.Change{Method: fhir.Put, Key: r.Key, Body: r.Body, IfNoneMatch: true, IfNoneExist: r.Criteria.Condition()}), nil
}
