package exact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

const base = "http://localhost/fhir"

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// server is a search parser before a repository of records, and joins between.
type server struct {
	*terminology.Repository
	zone   *time.Location
	parser *search.Parser
}

func newServer(t fataler, st store.Store, loc *time.Location) *server {
	t.Helper()
	records := &record.Repository{Store: st, Now: func() time.Time { return now }, Location: loc, Base: base}
	r := &terminology.Repository{Repository: &join.Repository{Inner: records, Base: base}, Base: base}
	cursors, err := search.NewCursors(make([]byte, 32), records.Now)
	if err != nil {
		t.Fatal(err)
	}
	return &server{r, loc, &search.Parser{Base: base, Describe: r.Describe, DefaultCount: 1000, MaxCount: 1000, Cursors: cursors}}
}

// pairs cuts a query at "&" and "=", which its values do not hold.
func pairs(query string) []search.Pair {
	var out []search.Pair
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		out = append(out, search.Pair{Name: name, Value: value})
	}
	return out
}

// find gives the ids on all pages, in order, and the total when it was asked for.
func (s *server) find(ctx context.Context, typ fhir.Type, params []search.Pair) (ids []string, total *int64, err error) {
	for range 1000 {
		req, err := s.parser.Parse(typ, params, false, "test")
		if err != nil {
			return nil, nil, err
		}
		page, err := s.Search(ctx, req.Query)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range page.Resources {
			ids = append(ids, r.ID)
		}
		if total == nil {
			total = page.Total
		}
		if page.Next == "" {
			return ids, total, nil
		}
		params = req.NextPairs(page.Next)
	}
	return nil, nil, errors.New("the pages do not end")
}

// put writes a resource as a client would, validated.
func (s *server) put(ctx context.Context, r Resource) error {
	body := fmt.Appendf(nil, `{"resourceType":%q,"id":%q,%s`, r.Type, r.ID, strings.TrimPrefix(r.Body, "{"))
	if r.Body == "{}" {
		body = fmt.Appendf(nil, `{"resourceType":%q,"id":%q}`, r.Type, r.ID)
	}
	v := invariant.Validator{Schema: &schema.Validator{Base: base}}
	if _, err := v.Validate(body, fhir.Type(r.Type)); err != nil {
		return fmt.Errorf("%s: %w\n%s", r.ID, err, body)
	}
	key := fhir.Key{Type: fhir.Type(r.Type), ID: r.ID}
	_, err := s.Commit(ctx, []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
	return err
}

func (s *server) remove(ctx context.Context, r Resource) error {
	key := fhir.Key{Type: fhir.Type(r.Type), ID: r.ID}
	_, err := s.Commit(ctx, []fhir.Change{{Method: fhir.Delete, Key: key}})
	return err
}

func TestTables(t *testing.T) {
	t.Parallel()
	files, err := Files(base, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				t.Run(f.Name, func(t *testing.T) {
					if name == "mongo" && !mongotest.Real() && testing.Short() {
						t.Skip("slow")
					}
					t.Parallel()
					st := open(t)
					t.Cleanup(func() {
						if err := st.Close(); err != nil {
							t.Error(err)
						}
					})
					for _, table := range f.Tables {
						t.Run(table.Claim, func(t *testing.T) { check(t, st, table) })
					}
				})
			}
		})
	}
}

// check runs one table on a store that is empty before and after.
func check(t *testing.T, st store.Store, table Table) {
	zone := time.UTC
	if table.Zone != "" {
		var err error
		if zone, err = time.LoadLocation(table.Zone); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(t, st, zone)
	for _, r := range table.Resources {
		if err := s.put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.remove(t.Context(), r); err != nil {
				t.Error(err)
			}
		}()
	}
	typ := fhir.Type(table.Type)
	for _, q := range table.Searches {
		ids, total, err := s.find(t.Context(), typ, pairs(q.Query+"&_total=accurate"))
		if q.Refused != "" {
			var e *fhir.Error
			if !errors.As(err, &e) || string(e.Code()) != q.Refused {
				t.Errorf("%s: found %v, %v; want it refused as %s", q.Query, ids, err, q.Refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", q.Query, err)
			continue
		}
		if total == nil || *total != int64(len(ids)) {
			t.Errorf("%s: %d found, total %v", q.Query, len(ids), total)
		}
		paged, _, err := s.find(t.Context(), typ, pairs(q.Query+"&_count=2"))
		if err != nil || !cmp.Equal(paged, ids) {
			t.Errorf("%s: in pages of two %v, %v; in one %v", q.Query, paged, err, ids)
		}
		want := slices.Sorted(slices.Values(q.IDs))
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			t.Errorf("%s: found %v, want %v", q.Query, ids, want)
		}
	}
}

// fataler is a testing.TB or a rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}
