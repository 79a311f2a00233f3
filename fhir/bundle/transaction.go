package bundle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/patch"
	"github.com/portico-fhir/portico/fhir/write"
)

// maxAttempts bounds how often a transaction is planned anew.
const maxAttempts = 50

// Transaction carries out all entries or none, and gives an answer for each. The
// error is a *fhir.Error that names the entry to blame, when one is.
func (p *Processor) Transaction(ctx context.Context, b *Bundle) ([]Answer, error) {
	t := &transaction{Processor: p, entries: b.Entries}
	if err := t.read(); err != nil {
		return nil, err
	}
	if len(t.writes) == 0 {
		answers := t.answer(ctx, nil)
		return answers, refused(answers)
	}
	if err := t.tryReads(ctx); err != nil {
		return nil, err
	}
	for attempt := range maxAttempts {
		if err := commit.Pause(ctx, attempt); err != nil {
			return nil, err
		}
		if err := t.plan(ctx); err != nil {
			return nil, err
		}
		results, err := p.Writer.Commit(ctx, t.changes, t.results)
		switch {
		case write.Overtaken(err):
			continue
		case err != nil:
			return nil, t.blame(err)
		}
		return t.answer(ctx, results), nil
	}
	return nil, commit.Contended()
}

// Again gives the answers to a transaction that was carried out before, and came to
// these results: a result for each entry that writes, as its receipt has them. What it
// reads is read again. The error is a *fhir.Error.
func (p *Processor) Again(ctx context.Context, b *Bundle, results []fhir.Result) ([]Answer, error) {
	t := &transaction{Processor: p, entries: b.Entries}
	if err := t.read(); err != nil {
		return nil, err
	}
	if len(results) != len(t.writes) {
		return nil, fmt.Errorf("bundle: a receipt of %d results for %d entries", len(results), len(t.writes))
	}
	return t.answer(ctx, results), nil
}

// blame says which entry an error is about, where it tells.
func (t *transaction) blame(err error) error {
	var b *commit.Blamed
	if errors.As(err, &b) && b.Change < len(t.changed) {
		return within(t.writes[t.changed[b.Change]].entry, err)
	}
	return err
}

// results gives what became of each request from what became of the changes.
func (t *transaction) results(changes []fhir.Result) []fhir.Result {
	all := make([]fhir.Result, len(t.steps))
	for n, s := range t.steps {
		all[n] = s.result
	}
	for i, r := range changes {
		n := t.changed[i]
		if len(t.steps[n].more) > 0 {
			r.Resource = fhir.Resource{Key: fhir.Key{Type: r.Resource.Type}, Deleted: true} // one for all
		}
		all[n] = r
	}
	return all
}

// transaction is one under way.
type transaction struct {
	*Processor
	entries []Entry
	writes  []request // those that write, in the order of the entries

	// The plan of this attempt.
	steps   []step
	links   Links
	deleted map[fhir.Key]bool // what it deletes
	changes []fhir.Change
	changed []int // of each change: which of steps it is of
}

// request is an entry that writes, understood.
type request struct {
	entry int
	write.Request
}

// step is what a request comes to in one attempt.
type step struct {
	key    fhir.Key
	found  fhir.Resource   // what the criteria led to, or is to be patched
	exists bool            // found is set
	more   []fhir.Resource // that a conditional delete is about besides found
	body   []byte          // what is written, before its references are what they will be
	idle   bool            // there is nothing to do: result is the answer
	result fhir.Result
}

// read understands the entries, as far as that does not depend on what is stored.
func (t *transaction) read() error {
	var issues []fhir.Issue
	for i, e := range t.entries {
		err := t.check(i, e)
		if err == nil && order(e.Request.Method) < 3 && !isSearch(e.Request) {
			var r write.Request
			if r, err = t.request(i, e); err == nil {
				t.writes = append(t.writes, request{i, r})
			}
		}
		var told *fhir.Error
		if errors.As(within(i, err), &told) {
			issues = append(issues, told.Issues...)
		}
	}
	if len(issues) > 0 {
		return &fhir.Error{Issues: issues}
	}
	return nil
}

// isSearch reports whether an entry only reads in spite of its method.
func isSearch(r *Request) bool {
	path, _, _ := strings.Cut(r.URL, "?")
	return r.Method == http.MethodPost && strings.HasSuffix(path, "/_search")
}

// request reads the request of an entry that writes.
func (t *transaction) request(i int, e Entry) (r write.Request, err error) {
	wrong := func(code fhir.IssueCode, text string) (write.Request, error) {
		return r, fhir.Errorf(code, at(i, ".request.url"), "%s", text)
	}
	text, ok := t.below(e.Request.URL)
	path, query, conditional := strings.Cut(text, "?")
	name, id, instance := strings.Cut(path, "/")
	if strings.Contains(path, "$") {
		return wrong(fhir.CodeNotSupported, "Operations cannot be part of a transaction. Send them in a batch, or alone.")
	}
	if id, err = url.PathUnescape(id); err != nil || !ok || instance && !fhir.ValidID(id) {
		return wrong(fhir.CodeInvalid, "The url must be [type], [type]/[id] or [type]?[criteria].")
	}
	r.Key = fhir.Key{Type: fhir.Type(name), ID: id}
	can := t.Writer.Repository.Describe(r.Key.Type)
	if can.None() {
		return wrong(fhir.CodeNotFound, "The type "+name+" is not served here.")
	}
	switch e.Request.Method {
	case http.MethodPost:
		r.Method = write.Create
		if instance || conditional {
			return wrong(fhir.CodeInvalid, "A POST names the type alone.")
		}
		if !can.Create || !can.UpdateCreate && can.NewID == nil {
			return wrong(fhir.CodeNotSupported, name+" cannot be created here within a transaction.")
		}
	case http.MethodPut:
		r.Method, ok = write.Update, can.Update
	case http.MethodPatch:
		r.Method, ok = write.Patch, can.Update && can.Read
	case http.MethodDelete:
		r.Method, ok = write.Delete, can.Delete
	}
	switch {
	case !ok:
		return wrong(fhir.CodeNotSupported, name+" cannot be changed in this way within a transaction.")
	case r.Method != write.Create && instance == conditional:
		return wrong(fhir.CodeInvalid, "The url must be [type]/[id] or [type]?[criteria].")
	}
	if err := t.conditions(i, &r, e.Request, query, conditional, can.Search); err != nil {
		return r, err
	}
	return r, t.content(i, e, &r)
}

// conditions reads the criteria and preconditions of an entry.
func (t *transaction) conditions(i int, r *write.Request, from *Request, query string, conditional, searchable bool) error {
	wrong := func(member, text string) error {
		return fhir.Errorf(fhir.CodeInvalid, at(i, ".request."+member), "%s", text)
	}
	member := "url"
	if r.Method == write.Create && from.IfNoneExist != "" {
		member, query, conditional = "ifNoneExist", from.IfNoneExist, true
	}
	if conditional {
		if !searchable {
			return fhir.Errorf(fhir.CodeNotSupported, at(i, ".request."+member), "%s cannot be searched, so that criteria cannot choose one.", r.Key.Type)
		}
		var err error
		if r.Criteria, err = t.criteria(r.Key.Type, query); err != nil {
			return placed(err, at(i, ".request."+member))
		}
	}
	switch {
	case from.IfNoneExist != "" && r.Method != write.Create:
		return wrong("ifNoneExist", "ifNoneExist belongs to a POST.")
	case from.IfModifiedSince != "":
		return wrong("ifModifiedSince", "ifModifiedSince belongs to a GET.")
	case from.IfMatch != "" && r.Method == write.Create:
		return wrong("ifMatch", "ifMatch means nothing for a POST.")
	case from.IfNoneMatch != "" && (r.Method != write.Update || from.IfNoneMatch != "*"):
		return wrong("ifNoneMatch", "ifNoneMatch belongs to a GET, or is * for a PUT.")
	case from.IfMatch != "":
		version, ok := strings.CutPrefix(from.IfMatch, `W/"`)
		version, closed := strings.CutSuffix(version, `"`)
		if !ok || !closed || !fhir.ValidID(version) {
			return wrong("ifMatch", `ifMatch takes one version, as W/"3".`)
		}
		r.IfMatch = version
	}
	r.IfNone = from.IfNoneMatch == "*"
	return nil
}

// criteria reads criteria as they stand behind the ? of a URL.
func (p *Processor) criteria(kind fhir.Type, query string) (*write.Criteria, error) {
	pairs, err := write.ParsePairs(query)
	if err != nil {
		return nil, err
	}
	return write.ParseCriteria(p.Search, kind, pairs)
}

// content reads the resource of an entry: that it is of the right type, or a patch.
// Whether it is valid is seen when its references are what they will be.
func (t *transaction) content(i int, e Entry, r *write.Request) (err error) {
	switch r.Method {
	case write.Delete:
		return nil
	case write.Patch:
		if kindOf(e.Resource) == "Binary" {
			content, data, err := unpackBinary(e.Resource)
			if err != nil {
				return err
			}
			if content != "application/json-patch+json" {
				return fhir.Errorf(fhir.CodeNotSupported, "Binary.contentType", "The Binary must hold a JSON Patch: application/json-patch+json.")
			}
			r.Patch, err = patch.ParseJSON(data)
			return err
		}
		r.Patch, err = patch.ParseFHIRPath(e.Resource)
		return err
	}
	id := idOf(e.Resource)
	switch kind := kindOf(e.Resource); {
	case kind != r.Key.Type:
		return fhir.Errorf(fhir.CodeInvalid, at(i, ".resource"), "The url names the type %s, which the resource is not.", r.Key.Type)
	case r.Method == write.Update && r.Criteria == nil && id != r.Key.ID:
		return fhir.Errorf(fhir.CodeInvalid, at(i, ".resource.id"), "The id of the resource is not the one in the url.")
	case r.Method == write.Update && r.Criteria != nil:
		r.Key.ID = id
	}
	return nil
}

// tryReads carries out the reads once before anything is written, so that one that
// cannot be answered fails the transaction while it still can. What the transaction
// itself writes may be missing or different until then.
func (t *transaction) tryReads(ctx context.Context) error {
	for i, e := range t.entries {
		if order(e.Request.Method) != 3 && !isSearch(e.Request) {
			continue
		}
		if err := refused([]Answer{t.alone(ctx, i, e)}); err != nil {
			return err
		}
	}
	return nil
}

// refused gives the first read that failed. That there is nothing, or that it is not what a
// precondition names, is an answer.
func refused(reads []Answer) error {
	for _, a := range reads {
		if len(a.Issues) == 0 || a.Status < 400 && a.Status > 0 {
			continue
		}
		switch a.Issues[0].Code {
		case fhir.CodeNotFound, fhir.CodeDeleted, fhir.CodeConflict:
			continue
		}
		return &fhir.Error{Issues: a.Issues}
	}
	return nil
}

// answer reads what there is to read and gives the answers in the order of the
// entries.
func (t *transaction) answer(ctx context.Context, results []fhir.Result) []Answer {
	answers := make([]Answer, len(t.entries))
	for n, w := range t.writes {
		answers[w.entry] = t.written(results[n])
	}
	size := 0
	for i, e := range t.entries {
		if order(e.Request.Method) != 3 && !isSearch(e.Request) {
			continue
		}
		if size > maxAnswers {
			answers[i] = refusal(fhir.Errorf(fhir.CodeTooCostly, at(i, ""), "The answers to the entries before have more than %d bytes together.", maxAnswers))
			continue
		}
		answers[i] = t.alone(ctx, i, e)
		size += len(answers[i].Body)
	}
	return answers
}

// written is the answer to an entry that wrote.
func (t *transaction) written(result fhir.Result) Answer {
	a := Answer{Status: http.StatusOK, Key: result.Resource.Key, Body: result.Resource.Body, Updated: result.Resource.Updated}
	if result.Resource.Version != "" {
		a.ETag = `W/"` + result.Resource.Version + `"`
		a.Location = t.Base + "/" + result.Resource.Key.String() + "/_history/" + result.Resource.Version
	}
	switch result.Status {
	case fhir.Created:
		a.Status = http.StatusCreated
	case fhir.Deleted, fhir.Absent:
		a.Status, a.Location = http.StatusNoContent, ""
	case fhir.Proposed: // the Task is not the resource of the entry
		return Answer{Status: http.StatusAccepted}
	}
	return a
}
