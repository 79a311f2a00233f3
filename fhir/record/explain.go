package record

import "github.com/portico-fhir/portico/fhir"

// Exact reports whether the index decides what matches q, or only narrows down
// what Search then looks at one by one. The query has no chains, as for Search.
func (r *Repository) Exact(q *fhir.Query) (bool, error) {
	f, err := r.finding(q)
	if err != nil {
		return false, err
	}
	return f.plan.Exact, nil
}
