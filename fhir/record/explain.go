package record

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
)

// Undecided lists the parameters of q whose conditions the index only narrows down,
// so that Search looks at what it finds one by one; none when the index decides what
// matches. The query has no chains, as for Search.
func (r *Repository) Undecided(q *fhir.Query) ([]string, error) {
	c := index.Compiler{Indexer: *r.indexer(), Field: fieldKeys, Now: r.now(), Own: r.own}
	var names []string
	var list func(e fhir.Expr) error
	list = func(e fhir.Expr) error {
		plan, err := c.Compile(q.Type, e)
		if err != nil || plan.Exact {
			return err
		}
		parts := []fhir.Expr(nil)
		switch e := e.(type) {
		case fhir.And:
			parts = e
		case fhir.Or:
			parts = e
		case fhir.Not:
			parts = []fhir.Expr{e.Expr}
		case fhir.Term:
			if !slices.Contains(names, e.Param.Name) {
				names = append(names, e.Param.Name)
			}
		}
		for _, part := range parts {
			if err := list(part); err != nil {
				return err
			}
		}
		return nil
	}
	return names, list(q.Where)
}
