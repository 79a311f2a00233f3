package chartmap

import (
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// describe finds the search parameters that can be answered exactly: those
// that lead to a value in some branch, and to none in any that cannot be tested.
func (s *served) describe(loc *time.Location) {
	s.sortable = []string{"_id"}
	s.paths, s.keys = map[*fhir.SearchParam][][]step{}, map[*fhir.SearchParam][]sortKey{}
	for _, p := range search.Params(s.typ) {
		if !s.answers(p, loc) {
			continue
		}
		s.params = append(s.params, p)
		if p.Type == fhir.ParamDate && s.sorts(p) {
			s.sortable = append(s.sortable, p.Name)
		}
	}
	slices.SortFunc(s.params, func(a, b *fhir.SearchParam) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(s.sortable)
}

// answers tries the parameter on every branch, with a value of its type and with
// :missing.
func (s *served) answers(p *fhir.SearchParam, loc *time.Location) bool {
	switch p.Name {
	case "_id":
		return true
	case "_lastUpdated":
		return slices.ContainsFunc(s.branches, func(b *branch) bool { return b.updated != nil })
	case "phonetic": // asks for a match by sound, which no filter does
		return false
	}
	probe := test{}
	now := time.Unix(0, 0)
	switch p.Type {
	case fhir.ParamToken:
		probe = test{kind: testToken, token: fhir.TokenValue{Code: "x", AnySystem: true}}
	case fhir.ParamString:
		probe = test{kind: testText, text: "x"}
	case fhir.ParamReference:
		probe = test{kind: testReference, target: fhir.ReferenceValue{ID: "x"}}
	case fhir.ParamDate:
		probe = test{kind: testDate, dates: intervals(fhir.EQ, now, now.Add(time.Hour), now)}
	case fhir.ParamURI:
		probe = test{kind: testURI, uri: "urn:x"}
	default:
		return false
	}
	paths, ok := expression(p.Expression, s.typ)
	if !ok {
		return false
	}
	s.paths[p] = paths
	sites := 0
	for _, b := range s.branches {
		for _, path := range paths {
			for _, t := range []*test{&probe, {kind: testPresent}} {
				var sk seeker
				b.body.search(&sk, path, t)
				if sk.unsupported {
					return false
				}
				if t.kind != testPresent {
					sites += sk.sites
				}
			}
		}
	}
	return sites > 0
}

// sortKey is the date by which a parameter sorts the resources of a branch.
type sortKey struct {
	*moment      // nil where the branch has none
	present cond // the resource has it
}

func (b *branch) sortKey(p *fhir.SearchParam, paths [][]step) (key sortKey, sortable bool) {
	if p.Name == "_lastUpdated" {
		if b.updated == nil {
			return sortKey{present: never}, true
		}
		return sortKey{b.updated, b.updated.present()}, true
	}
	var sk seeker
	var any []cond
	for _, path := range paths {
		any = append(any, b.body.search(&sk, path, &test{kind: testPresent}))
	}
	if sk.unsupported || len(sk.dates) != sk.sites || len(sk.dates) > 1 {
		return sortKey{}, false
	}
	if len(sk.dates) == 0 {
		return sortKey{present: never}, true
	}
	return sortKey{&sk.dates[0].moment, some(any...)}, !sk.dates[0].elem
}

// sorts finds the keys of all branches and reports whether they can be brought
// into one order: each has at most one date, stored in the same form.
func (s *served) sorts(p *fhir.SearchParam) bool {
	var form *moment
	var keys []sortKey
	for _, b := range s.branches {
		key, ok := b.sortKey(p, s.paths[p])
		switch {
		case !ok:
			return false
		case key.moment == nil:
		case form != nil && form.text != key.text:
			return false
		default:
			form = key.moment
		}
		keys = append(keys, key)
	}
	s.keys[p] = keys
	return form != nil
}
