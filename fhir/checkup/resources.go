package checkup

import (
	"context"
	"iter"

	"github.com/portico-fhir/portico/fhir"
)

// page is how many resources are read at a time.
const page = 200

// resources yields up to limit resources of a type; 0: all.
func resources(ctx context.Context, repo fhir.Repository, t fhir.Type, limit int) iter.Seq2[fhir.Resource, error] {
	return func(yield func(fhir.Resource, error) bool) {
		q := &fhir.Query{Type: t, Count: page}
		for n := 0; ; {
			found, err := repo.Search(ctx, q)
			if err != nil {
				yield(fhir.Resource{}, err)
				return
			}
			for _, res := range found.Resources {
				if !yield(res, nil) {
					return
				}
				if n++; n == limit {
					return
				}
			}
			if found.Next == "" {
				return
			}
			q.Cursor = found.Next
		}
	}
}
