package join

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/search"
)

const base = "https://clinic.example/fhir"

// fake finds resources by looking at all of them. It counts the searches.
type fake struct {
	fhir.Repository
	resources map[fhir.Type][]fhir.Resource // sorted by id
	without   string                        // a parameter that is not supported
	short     int                           // resources on a page at most; 0: as many as are asked for
	queries   []*fhir.Query
}

func newFake(t testing.TB, bodies ...string) *fake {
	t.Helper()
	f := &fake{resources: make(map[fhir.Type][]fhir.Resource)}
	for _, b := range bodies {
		// Bodies begin with their type and id.
		parts := strings.SplitN(b, `"`, 9)
		f.put(fhir.Resource{Key: fhir.Key{Type: fhir.Type(parts[3]), ID: parts[7]}, Body: []byte(b)})
	}
	return f
}

func (f *fake) put(res fhir.Resource) {
	f.resources[res.Type] = append(f.resources[res.Type], res)
	slices.SortFunc(f.resources[res.Type], func(a, b fhir.Resource) int { return cmp.Compare(a.ID, b.ID) })
}

func (f *fake) all() []fhir.Resource {
	var all []fhir.Resource
	for _, t := range slices.Sorted(maps.Keys(f.resources)) {
		all = append(all, f.resources[t]...)
	}
	return all
}

func (f *fake) Describe(t fhir.Type) fhir.Capability {
	params := slices.DeleteFunc(index.Of(t).Params(), func(p *fhir.SearchParam) bool { return p.Name == f.without })
	return fhir.Capability{Read: true, Search: true, Params: params}
}

func (f *fake) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	f.queries = append(f.queries, q)
	m := index.Matcher{Indexer: index.Indexer{Base: base}}
	var page fhir.Page
	total := int64(0)
	count := q.Count
	if f.short > 0 {
		count = min(count, f.short)
	}
	for _, res := range f.resources[q.Type] {
		ok, err := m.Match(q.Type, res.Body, q.Where)
		if err != nil {
			return page, err
		}
		if !ok {
			continue
		}
		total++
		switch {
		case res.ID <= q.Cursor:
		case len(page.Resources) < count:
			page.Resources = append(page.Resources, res)
		case page.Next == "" && count > 0:
			page.Next = page.Resources[count-1].ID
		}
	}
	if q.Total {
		page.Total = &total
	}
	return page, ctx.Err()
}

// parse reads a search as a client writes it, Type?name=value&….
func parseSearch(t testing.TB, describe func(fhir.Type) fhir.Capability, s string) *fhir.Query {
	t.Helper()
	typ, rest, _ := strings.Cut(s, "?")
	var pairs []search.Pair
	for part := range strings.SplitSeq(rest, "&") {
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	p := search.Parser{Base: base, Describe: describe, DefaultCount: 100, MaxCount: 1000}
	req, err := p.Parse(fhir.Type(typ), pairs, false, "")
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return req.Query
}

// ids lists keys, in their order.
func ids(resources []fhir.Resource) string {
	var out []string
	for _, r := range resources {
		out = append(out, r.ID)
	}
	return strings.Join(out, " ")
}

// code is that of a *fhir.Error; "" for none.
func code(err error) fhir.IssueCode {
	var e *fhir.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code()
}
