package operation

import (
	"context"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Several answers queries on different types one after the other, as one result
// in pages of count. Position is Page.Next of the page before, empty for the
// first. Where the queries ask for the total, or count is 0, the page has that
// of all of them.
//
// Queries that nobody asked for by their type are left out where the caller may not
// search it; when that leaves none, it is CodeForbidden.
func Several(ctx context.Context, repo fhir.Repository, queries []*fhir.Query, count int, position string) (fhir.Page, error) {
	permitted := slices.DeleteFunc(slices.Clone(queries), func(q *fhir.Query) bool {
		return q.Implied && !fhir.MaySearch(ctx, repo, q.Type)
	})
	if len(permitted) == 0 && len(queries) > 0 {
		return fhir.Page{}, fhir.Errorf(fhir.CodeForbidden, "", "The token has no scope for any of these types.")
	}
	queries = permitted
	page, err := sequence(ctx, repo, queries, count, position)
	page.Included = distinct(page)
	return page, err
}

func sequence(ctx context.Context, repo fhir.Repository, queries []*fhir.Query, count int, position string) (page fhir.Page, err error) {
	if len(queries) > 0 && (queries[0].Total || count == 0) {
		total, err := totals(ctx, repo, queries)
		if err != nil {
			return page, err
		}
		page.Total = &total
	}
	if count == 0 {
		return page, nil
	}
	at, inner, err := locate(queries, position)
	if err != nil {
		return page, err
	}
	for _, q := range queries[at:] {
		left := count - len(page.Resources)
		part, err := one(ctx, repo, q, max(left, 1), inner)
		inner = ""
		switch {
		case err != nil:
			return page, err
		case left == 0 && (len(part.Resources) > 0 || part.Next != ""):
			page.Next = string(q.Type) + ":" // the page was full, and there is more
			return page, nil
		case left == 0:
			continue
		}
		page.Resources = append(page.Resources, part.Resources...)
		page.Included = append(page.Included, part.Included...)
		if part.Next != "" {
			page.Next = string(q.Type) + ":" + part.Next
			break
		}
	}
	return page, nil
}

// locate reads a position: the type whose query goes on, and where.
func locate(queries []*fhir.Query, position string) (at int, inner string, err error) {
	if position == "" {
		return 0, "", nil
	}
	t, inner, ok := strings.Cut(position, ":")
	at = slices.IndexFunc(queries, func(q *fhir.Query) bool { return string(q.Type) == t })
	if !ok || at < 0 {
		return 0, "", fhir.Errorf(fhir.CodeInvalid, "http._cursor", "The cursor was not made for this search. Search again from the first page.")
	}
	return at, inner, nil
}

func one(ctx context.Context, repo fhir.Repository, q *fhir.Query, count int, cursor string) (fhir.Page, error) {
	part := *q
	part.Count, part.Cursor, part.Total = count, cursor, false
	return repo.Search(ctx, &part)
}

func totals(ctx context.Context, repo fhir.Repository, queries []*fhir.Query) (int64, error) {
	var sum int64
	for _, q := range queries {
		count := *q
		count.Count, count.Cursor, count.Total, count.Include = 0, "", true, nil
		page, err := repo.Search(ctx, &count)
		if err != nil {
			return 0, err
		}
		if page.Total != nil {
			sum += *page.Total
		}
	}
	return sum, nil
}

// distinct gives what the page includes, each once and none that it found
// itself.
func distinct(page fhir.Page) []fhir.Resource {
	if len(page.Included) == 0 {
		return nil
	}
	seen := make(map[fhir.Key]bool, len(page.Resources)+len(page.Included))
	for _, r := range page.Resources {
		seen[r.Key] = true
	}
	var kept []fhir.Resource
	for _, r := range page.Included {
		if !seen[r.Key] {
			seen[r.Key] = true
			kept = append(kept, r)
		}
	}
	return kept
}
