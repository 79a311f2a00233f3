package bundle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/write"
)

// plan finds out what the entries come to now: which resources they are about, what
// their references become, what to commit.
func (t *transaction) plan(ctx context.Context) error {
	t.steps = make([]step, len(t.writes))
	t.links, t.deleted = Links{}, map[fhir.Key]bool{}
	t.changes, t.changed = nil, nil
	if err := t.inTurn(func(n int) error { return t.meet(ctx, n) }); err != nil {
		return err
	}
	if err := t.distinct(); err != nil {
		return err
	}
	known := map[string]string{}
	return t.inTurn(func(n int) error {
		if t.steps[n].idle {
			return nil
		}
		c, err := t.change(ctx, n, known)
		if err != nil {
			return err
		}
		t.changes, t.changed = append(t.changes, c), append(t.changed, n)
		for _, res := range t.steps[n].more {
			c.Key, c.IfMatch = res.Key, res.Version
			t.changes, t.changed = append(t.changes, c), append(t.changed, n)
		}
		return nil
	})
}

// inTurn calls each for the requests that write as their turns come. The first error
// ends it, with the place of the entry.
func (t *transaction) inTurn(each func(n int) error) error {
	for turn := range 3 {
		for n, w := range t.writes {
			if order(t.entries[w.entry].Request.Method) != turn {
				continue
			}
			if err := each(n); err != nil {
				return within(w.entry, err)
			}
		}
	}
	return nil
}

// meet makes the step of a request: the resource that it is about, and what a patch
// makes of it.
func (t *transaction) meet(ctx context.Context, n int) error {
	w := t.writes[n]
	w.Body = t.entries[w.entry].Resource
	s, err := t.identify(ctx, w.Request)
	if err != nil {
		return err
	}
	s.body = w.Body
	switch w.Method {
	case write.Patch:
		if s.body, err = w.Patch.Apply(s.found.Body); err != nil {
			return err
		}
	case write.Delete:
		t.deleted[s.key] = true
		for _, res := range s.more {
			t.deleted[res.Key] = true
		}
	}
	t.steps[n] = s
	if url := t.entries[w.entry].FullURL; url != "" && w.Method != write.Delete {
		if _, twice := t.links[url]; twice {
			return fhir.Errorf(fhir.CodeInvalid, at(w.entry, ".fullUrl"), "Two entries have this fullUrl.")
		}
		t.links[url] = s.key
	}
	return nil
}

// identify finds out which resource a request is about.
func (t *transaction) identify(ctx context.Context, r write.Request) (s step, err error) {
	s.key = r.Key
	ctx = r.Method.Preparing(ctx)
	switch {
	case r.Criteria != nil && r.Method == write.Delete:
		found, err := t.Writer.ToDelete(ctx, r.Criteria)
		if err != nil {
			return s, err
		}
		if len(found) > 0 {
			s.found, s.exists, s.more = found[0], true, found[1:]
		}
	case r.Criteria != nil:
		var gone map[fhir.Key]bool
		if r.Method == write.Create { // comes after the deletions (R4 3.1.0.11.2)
			gone = t.deleted
		}
		if s.found, s.exists, err = t.Writer.Find(ctx, r.Criteria, gone); err != nil {
			return s, err
		}
	case r.Method == write.Patch:
		if s.found, err = t.Writer.Repository.Read(ctx, r.Key); err != nil {
			return s, err
		}
		s.exists = true
	case r.IfMatch != "" || r.IfNone:
		s.found, err = t.Writer.Repository.Read(ctx, r.Key)
		if err != nil && !missing(err) {
			return s, err
		}
		s.exists = err == nil
	case r.Method == write.Create:
		s.key.ID = t.fresh(r)
		return s, nil
	default:
		return s, nil
	}
	return t.settle(ctx, r, s)
}

// fresh makes the id of what a request creates: as its repository does, where it has
// ids of its own.
func (t *transaction) fresh(r write.Request) string {
	if make := t.Writer.Repository.Describe(r.Key.Type).NewID; make != nil {
		if id := make(r.Body); id != "" {
			return id
		}
	}
	return t.NewID()
}

// settle decides what a request comes to whose resource was looked for.
func (t *transaction) settle(ctx context.Context, r write.Request, s step) (step, error) {
	switch {
	case r.IfMatch != "" && len(s.more) > 0:
		return s, fhir.Errorf(fhir.CodeMultiple, "", "More than one %s meets the criteria, and ifMatch names the version of one.", r.Key.Type)
	case r.IfMatch != "" && s.found.Version != r.IfMatch:
		return s, fhir.Errorf(fhir.CodeConflict, "", "The current version is not the one that ifMatch names.")
	case r.IfNone && s.exists:
		return s, fhir.Errorf(fhir.CodeConflict, "", "%s exists already.", s.found.Key)
	case s.exists && r.Criteria != nil && r.Method == write.Update && r.Key.ID != "" && r.Key.ID != s.found.ID:
		return s, fhir.Errorf(fhir.CodeInvalid, "", "The criteria lead to another resource than the id of the content says.")
	case s.exists:
		s.key = s.found.Key
		if r.Method == write.Create {
			s.idle, s.result = true, fhir.Result{Status: fhir.Unchanged, Resource: s.found}
		}
	case r.Criteria == nil:
	case r.Method == write.Delete:
		s.idle, s.result = true, fhir.Result{Status: fhir.Absent, Resource: fhir.Resource{Key: r.Key}}
	case r.Method == write.Patch:
		return s, fhir.Errorf(fhir.CodeNotFound, "", "No %s meets the criteria.", r.Key.Type)
	case s.key.ID == "":
		s.key.ID = t.fresh(r)
	default:
		_, err := t.Writer.Repository.Read(ctx, s.key)
		switch {
		case err == nil:
			return s, fhir.Errorf(fhir.CodeDuplicate, "", "There is a %s with the id of the content, which does not meet the criteria.", s.key.Type)
		case !missing(err):
			return s, err
		}
	}
	return s, nil
}

// missing reports whether a read found that there is nothing.
func missing(err error) bool { return fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) }

// distinct refuses a transaction that is about one resource twice (R4 3.1.0.11.2).
func (t *transaction) distinct() error {
	first := map[string]int{}
	for n, w := range t.writes {
		if t.steps[n].idle {
			continue
		}
		names := []string{t.steps[n].key.String()}
		for _, res := range t.steps[n].more {
			names = append(names, res.Key.String())
		}
		if w.Criteria != nil && !t.steps[n].exists {
			names = append(names, w.Criteria.String())
		}
		for _, name := range names {
			if i, twice := first[name]; twice {
				return fhir.Errorf(fhir.CodeInvalid, at(w.entry, ""), "The entry is about the same resource as entry[%d]. A transaction may change each resource once.", i)
			}
			first[name] = w.entry
		}
	}
	return nil
}

// change makes the change that a request comes to.
func (t *transaction) change(ctx context.Context, n int, known map[string]string) (fhir.Change, error) {
	w, s := t.writes[n], t.steps[n]
	c := fhir.Change{Method: fhir.Put, Key: s.key, IfMatch: w.IfMatch, IfNoneMatch: w.IfNone}
	if s.exists {
		c.IfMatch = s.found.Version
	}
	switch w.Method {
	case write.Delete:
		c.Method = fhir.Delete
		return c, nil
	case write.Patch:
		c.Method = fhir.Patch
	default:
		if !s.exists && (w.Method == write.Create || w.Criteria != nil) {
			c.IfNoneMatch = true
			if w.Method == write.Create {
				c.Method = fhir.Create
			}
			if w.Criteria != nil {
				c.IfNoneExist = w.Criteria.Condition()
			}
		}
	}
	target := func(ref string) (string, error) {
		return t.target(ctx, t.entries[w.entry].FullURL, ref, known)
	}
	if w.Method == write.Patch { // what was stored before stays as it was
		target = func(ref string) (string, error) {
			if key, ok := t.links[ref]; ok {
				return key.String(), nil
			}
			return ref, nil
		}
	}
	var err error
	if c.Body, err = Rewrite(s.body, t.links, target); err != nil {
		return c, err
	}
	_, err = t.Writer.Validator.Validate(c.Body, s.key.Type)
	return c, err
}

// target gives what a Reference.reference becomes, from is the fullUrl of its entry.
func (t *transaction) target(ctx context.Context, from, ref string, known map[string]string) (string, error) {
	url, fragment, cut := strings.Cut(ref, "#")
	if cut {
		fragment = "#" + fragment
	}
	if key, ok := t.links[url]; ok && url != "" {
		return key.String() + fragment, nil
	}
	switch {
	case url == "":
		return ref, nil
	case strings.HasPrefix(url, "urn:uuid:") || strings.HasPrefix(url, "urn:oid:"):
		return "", fhir.Errorf(fhir.CodeInvalid, "", "The reference %q is not the fullUrl of any entry.", shown(url))
	}
	// A relative reference is relative to the server of the entry's fullUrl (R4
	// 2.35.4.1).
	if local := fhir.ParseReference(url, ""); local.Kind == fhir.RefLocal && strings.Contains(from, "://") {
		if root, ok := rootOf(from); ok {
			if key, ok := t.links[root+url]; ok {
				return key.String() + fragment, nil
			}
		}
	}
	return t.conditional(ctx, ref, known)
}

// conditional gives what a conditional reference becomes; others stay as they are.
func (t *transaction) conditional(ctx context.Context, ref string, known map[string]string) (string, error) {
	kind, query, conditional := strings.Cut(ref, "?")
	if !conditional || !fhir.Type(kind).Valid() {
		return ref, nil
	}
	if to, ok := known[ref]; ok {
		return to, nil
	}
	to, err := t.meets(ctx, fhir.Type(kind), query)
	if err != nil {
		return "", amended(err, func(is *fhir.Issue) {
			is.Detail, is.Path = fmt.Sprintf("The conditional reference %q: %s", shown(ref), is.Detail), ""
		})
	}
	known[ref] = to
	return to, nil
}

// shown is a reference as an error quotes it.
func shown(ref string) string {
	const most = 200
	if len(ref) > most {
		return strings.ToValidUTF8(ref[:most], "") + "…"
	}
	return ref
}

// Resolve replaces the conditional references of a resource that is written on its
// own, as those of a transaction are. CodeConflict when nothing meets one,
// CodeMultiple when several resources do.
func (p *Processor) Resolve(ctx context.Context, body []byte) ([]byte, error) {
	t := &transaction{Processor: p}
	known := map[string]string{}
	return Rewrite(body, nil, func(ref string) (string, error) { return t.conditional(ctx, ref, known) })
}

// rootOf gives the part of a RESTful URL before Type/id.
func rootOf(url string) (string, bool) {
	i := strings.LastIndexByte(url, '/')
	if i < 0 {
		return "", false
	}
	j := strings.LastIndexByte(url[:i], '/')
	return url[:j+1], j > 0 && fhir.Type(url[j+1:i]).Valid()
}

// meets finds the one resource that a conditional reference means (R4 3.1.0.11.3):
// among those stored, as this transaction leaves them, and those that it writes.
func (t *transaction) meets(ctx context.Context, kind fhir.Type, query string) (string, error) {
	criteria, err := t.criteria(kind, query)
	if err != nil {
		return "", err
	}
	keys := map[fhir.Key]bool{}
	touched := map[fhir.Key]bool{}
	matcher := &index.Matcher{Indexer: t.Indexer, Now: time.Now()}
	for n, w := range t.writes {
		s := t.steps[n]
		if s.idle || s.key.Type != kind {
			continue
		}
		touched[s.key] = true
		for _, res := range s.more {
			touched[res.Key] = true
		}
		if w.Method == write.Delete {
			continue
		}
		ok, err := matcher.Match(kind, s.body, criteria.Where())
		if err != nil {
			return "", fhir.Errorf(fhir.CodeNotSupported, "", "The criteria of a conditional reference cannot be compared with the entries of the transaction.").Because(err)
		}
		if ok {
			keys[s.key] = true
		}
	}
	stored, err := t.Writer.Matches(ctx, criteria, len(touched)+2)
	if err != nil {
		return "", err
	}
	for _, res := range stored {
		if !touched[res.Key] {
			keys[res.Key] = true
		}
	}
	switch len(keys) {
	case 1:
		for key := range keys {
			return key.String(), nil
		}
	case 0:
		return "", fhir.Errorf(fhir.CodeConflict, "", "No %s meets it.", kind)
	}
	return "", fhir.Errorf(fhir.CodeMultiple, "", "More than one %s meets it.", kind)
}

// idOf gives the id of a resource, "" when it has none.
func idOf(resource []byte) string {
	var r struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(resource, &r, jsontext.AllowDuplicateNames(true)); err != nil {
		return ""
	}
	return r.ID
}
