package chartmap

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// describe finds the search parameters that can be answered exactly: those
// that lead to a value in some branch, and to none in any that cannot be tested.
func (s *served) describe(loc *time.Location) {
	s.paths, s.keys = map[*fhir.SearchParam][][]step{}, map[*fhir.SearchParam][][]sortPart{}
	s.offer(search.Params(s.typ), loc)
	for _, m := range s.maps {
		m.common = map[*fhir.SearchParam]bool{}
		for _, p := range s.params {
			m.common[p] = len(m.branches) == 1 || p.Name != "_id" && !slices.ContainsFunc(s.paths[p], m.fans)
		}
	}
}

// offer adds those of some parameters that can be answered.
func (s *served) offer(params []*fhir.SearchParam, loc *time.Location) {
	for _, p := range params {
		if !s.answers(p, loc) {
			continue
		}
		s.params = append(s.params, p)
		if s.sorts(p) {
			s.sortable = append(s.sortable, p.Name)
		}
	}
	slices.SortFunc(s.params, func(a, b *fhir.SearchParam) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(s.sortable)
}

// with gives the type with parameters that are not R4's own besides.
func (s *served) with(others []*fhir.SearchParam, loc *time.Location) *served {
	more := *s
	more.params, more.sortable = slices.Clone(s.params), slices.Clone(s.sortable)
	more.paths, more.keys = maps.Clone(s.paths), maps.Clone(s.keys)
	more.offer(others, loc)
	return &more
}

// fans reports whether the branches may have different rules for a path.
func (m *Mapping) fans(path []step) bool {
	return len(path) == 0 || slices.Contains(m.fanned, path[0].name)
}

// testOf gives the test that the values of a type of parameter become.
func testOf(t fhir.ParamType) (testKind, bool) {
	switch t {
	case fhir.ParamToken:
		return testToken, true
	case fhir.ParamString:
		return testText, true
	case fhir.ParamReference:
		return testReference, true
	case fhir.ParamDate:
		return testDate, true
	case fhir.ParamURI:
		return testURI, true
	case fhir.ParamQuantity:
		return testQuantity, true
	case fhir.ParamNumber:
		return testNumber, true
	}
	return 0, false
}

// answers tries the parameter on every branch, with a value of its type and with
// :missing.
func (s *served) answers(p *fhir.SearchParam, loc *time.Location) bool {
	switch p.Name {
	case "_id":
		return true
	case "_lastUpdated":
		return slices.ContainsFunc(s.branches, func(b *branch) bool { return b.updated != nil })
	case "_security":
		s.paths[p] = [][]step{{{name: "meta"}, {name: "security"}}}
		return slices.ContainsFunc(s.maps, func(m *Mapping) bool { return len(m.labels) > 0 })
	case "phonetic": // asks for a match by sound, which no filter does
		return false
	}
	kind, ok := testOf(p.Type)
	if !ok {
		return false
	}
	now := time.Unix(0, 0)
	probe := test{
		kind: kind, token: fhir.TokenValue{Code: "x", AnySystem: true}, text: "x", target: fhir.ReferenceValue{ID: "x"},
		dates: intervals(fhir.EQ, now, now.Add(time.Hour), now), uri: "urn:x", quantity: fhir.QuantityValue{Code: "x"}, stretches: []stretch{{}},
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
