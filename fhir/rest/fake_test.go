package rest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// fake is a small repository of Patients and Observations in memory, so that
// the edge can be tested without the packages below it.
type fake struct {
	mu       sync.Mutex
	versions map[fhir.Key][]fhir.Resource
	order    []fhir.Key
	now      func() time.Time
	included []fhir.Resource             // on every page
	hook     func(context.Context) error // runs before every call
}

func newFake(now func() time.Time) *fake {
	return &fake{versions: map[fhir.Key][]fhir.Resource{}, now: now}
}

var _ fhir.Repository = (*fake)(nil)

func (f *fake) Describe(t fhir.Type) fhir.Capability {
	switch t {
	case "Patient", "Observation":
		id, _ := search.Lookup(t, "_id")
		params := []*fhir.SearchParam{id}
		if subject, ok := search.Lookup(t, "subject"); ok {
			params = append(params, subject)
		}
		return fhir.Capability{
			Read: true, VRead: true, HistoryInstance: true, HistoryType: true, Create: true, Update: true, UpdateCreate: true, Delete: true, Search: true,
			Versioning: "versioned", Params: params,
		}
	case "Slot":
		return fhir.Capability{Read: true}
	default:
		return fhir.Capability{}
	}
}

func (f *fake) enter(ctx context.Context) error {
	f.mu.Lock()
	if f.hook == nil {
		return nil
	}
	return f.hook(ctx)
}

func (f *fake) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return fhir.Resource{}, err
	}
	all := f.versions[key]
	if len(all) == 0 {
		return fhir.Resource{}, fhir.Errorf(fhir.CodeNotFound, "", "%s does not exist.", key)
	}
	last := all[len(all)-1]
	if !last.Deleted {
		return last, nil
	}
	return last, fhir.Errorf(fhir.CodeDeleted, "", "%s was deleted.", key)
}

func (f *fake) Version(ctx context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return fhir.Resource{}, err
	}
	for _, res := range f.versions[key] {
		if res.Version == version && res.Deleted {
			return res, fhir.Errorf(fhir.CodeDeleted, "", "This version deleted it.")
		}
		if res.Version == version {
			return res, nil
		}
	}
	return fhir.Resource{}, fhir.Errorf(fhir.CodeNotFound, "", "No such version.")
}

func (f *fake) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return fhir.Page{}, err
	}
	all := slices.Clone(f.versions[q.Key])
	if q.Key.ID == "" {
		for _, key := range f.order {
			if q.Key.Type == "" || q.Key.Type == key.Type {
				all = append(all, f.versions[key]...)
			}
		}
	}
	if q.At != nil {
		low, high := q.At.Range(time.UTC)
		all = slices.DeleteFunc(all, func(res fhir.Resource) bool { return res.Updated.Before(low) || !res.Updated.Before(high) })
	}
	if len(all) == 0 && q.Key.ID != "" {
		return fhir.Page{}, fhir.Errorf(fhir.CodeNotFound, "", "%s does not exist.", q.Key)
	}
	slices.Reverse(all)
	total := int64(len(all))
	return cut(all, q.Count, q.Cursor, &total)
}

func (f *fake) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return fhir.Page{}, err
	}
	var all []fhir.Resource
	for _, key := range f.order {
		versions := f.versions[key]
		last := versions[len(versions)-1]
		if key.Type == q.Type && !last.Deleted && f.matches(key, q.Where) {
			all = append(all, last)
		}
	}
	var total *int64
	if q.Total {
		n := int64(len(all))
		total = &n
	}
	page, err := cut(all, q.Count, q.Cursor, total)
	page.Included = f.included
	return page, err
}

// matches understands _id and references, which is all that Describe offers.
func (f *fake) matches(key fhir.Key, where fhir.Expr) bool {
	matches := func(e fhir.Expr) bool { return f.matches(key, e) }
	switch e := where.(type) {
	case fhir.And:
		return !slices.ContainsFunc(e, func(e fhir.Expr) bool { return !matches(e) })
	case fhir.Or:
		return slices.ContainsFunc(e, matches)
	case fhir.Term:
		switch v := e.Value.(type) {
		case fhir.TokenValue:
			return v.Code == key.ID
		case fhir.ReferenceValue:
			versions := f.versions[key]
			return bytes.Contains(versions[len(versions)-1].Body, []byte(`"`+string(v.Type)+"/"+v.ID+`"`))
		}
	}
	return where == nil
}

func cut(all []fhir.Resource, count int, cursor string, total *int64) (fhir.Page, error) {
	from := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil {
			return fhir.Page{}, fhir.Errorf(fhir.CodeInvalid, "http._cursor", "The cursor is damaged.")
		}
		from = n
	}
	to := min(from+count, len(all))
	page := fhir.Page{Resources: all[from:to], Total: total}
	if to < len(all) && count > 0 {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

func (f *fake) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	var results []fhir.Result
	for _, c := range changes {
		if c.IfNoneExist != nil && slices.ContainsFunc(f.order, func(key fhir.Key) bool {
			versions := f.versions[key]
			return key.Type == c.Key.Type && !versions[len(versions)-1].Deleted && f.matches(key, c.IfNoneExist.Query.Where)
		}) {
			return nil, fhir.Errorf(fhir.CodeDuplicate, "", "There is one.")
		}
		r, err := f.commit(c)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

func (f *fake) commit(c fhir.Change) (fhir.Result, error) {
	if c.Method == fhir.Create {
		c.Key.ID = "made-" + strconv.Itoa(len(f.order)+1)
	}
	all := f.versions[c.Key]
	exists := len(all) > 0 && !all[len(all)-1].Deleted
	switch {
	case c.IfNoneMatch && exists, c.IfMatch != "" && (!exists || all[len(all)-1].Version != c.IfMatch):
		return fhir.Result{}, fhir.Errorf(fhir.CodeConflict, "", "The precondition does not hold.")
	case c.Method == fhir.Delete && !exists:
		return fhir.Result{Status: fhir.Absent, Resource: fhir.Resource{Key: c.Key}}, nil
	}
	res := fhir.Resource{Key: c.Key, Version: strconv.Itoa(len(all) + 1), Updated: f.now().UTC().Truncate(time.Millisecond), Method: c.Method, Born: !exists}
	status := fhir.Updated
	switch {
	case c.Method == fhir.Delete:
		status, res.Deleted = fhir.Deleted, true
	case exists && bytes.Equal(splice(c.Body, all[len(all)-1]), all[len(all)-1].Body):
		return fhir.Result{Status: fhir.Unchanged, Resource: all[len(all)-1]}, nil
	case !exists:
		status = fhir.Created
	}
	if c.Method != fhir.Delete {
		res.Body = splice(c.Body, res)
	}
	if len(all) == 0 {
		f.order = append(f.order, c.Key)
	}
	f.versions[c.Key] = append(all, res)
	return fhir.Result{Status: status, Resource: res}, nil
}

// splice is good enough for bodies that start with resourceType, id and meta.
func splice(body []byte, res fhir.Resource) []byte {
	rest := strings.TrimPrefix(string(body), `{"resourceType":"`+string(res.Type)+`"`)
	if after, ok := strings.CutPrefix(rest, `,"id":"`+res.ID+`"`); ok {
		rest = after
	}
	if after, ok := strings.CutPrefix(rest, `,"meta":{"versionId":"`); ok {
		_, rest, _ = strings.Cut(after, "}")
	}
	return fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"meta":{"versionId":%q}%s`, res.Type, res.ID, res.Version, rest)
}
