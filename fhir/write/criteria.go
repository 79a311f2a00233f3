package write

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// Criteria says which resource of a type is meant.
type Criteria struct {
	Type  fhir.Type
	where fhir.Expr
	name  string
}

// ParsePairs decodes criteria as they stand behind the ? of a URL. The error is a
// *fhir.Error.
func ParsePairs(raw string) ([]search.Pair, error) {
	var pairs []search.Pair
	for part := range strings.SplitSeq(strings.TrimPrefix(raw, "?"), "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, fhir.Errorf(fhir.CodeInvalid, "", "The criteria are not percent-encoded UTF-8.")
		}
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	return pairs, nil
}

// ParseCriteria reads criteria. They are always taken strictly: none, or one that
// means nothing here, would select more than was meant. The error is a *fhir.Error.
func ParseCriteria(p *search.Parser, t fhir.Type, pairs []search.Pair) (*Criteria, error) {
	for _, pair := range pairs {
		if strings.Contains(pair.Name, "?") {
			return nil, fhir.Errorf(fhir.CodeInvalid, "http."+pair.Name, "Criteria are what stands behind the ? of a search, as in identifier=system|value.")
		}
		name, _, _ := strings.Cut(pair.Name, ":")
		name, _, _ = strings.Cut(name, ".")
		if strings.HasPrefix(name, "_") && name != "_has" {
			if _, ok := search.Lookup(t, name); !ok {
				return nil, fhir.Errorf(fhir.CodeInvalid, "http."+pair.Name, "%s selects nothing: it cannot stand among the criteria.", name)
			}
		}
		if pair.Value == "" {
			return nil, fhir.Errorf(fhir.CodeInvalid, "http."+pair.Name, "The criterion %s has no value.", pair.Name)
		}
	}
	req, err := p.Parse(t, pairs, false, "")
	if err != nil {
		return nil, err
	}
	if req.Query.Where == nil {
		return nil, fhir.Errorf(fhir.CodeInvalid, "", "There are no criteria. Say which %s is meant, as in identifier=system|value.", t)
	}
	return &Criteria{Type: t, where: req.Query.Where, name: spell(t, pairs)}, nil
}

// spell gives the criteria in one fixed spelling.
func spell(t fhir.Type, pairs []search.Pair) string {
	var parts []string
	for _, p := range pairs {
		parts = append(parts, url.QueryEscape(p.Name)+"="+url.QueryEscape(p.Value))
	}
	slices.Sort(parts)
	return string(t) + "?" + strings.Join(slices.Compact(parts), "&")
}

// String gives the criteria in one fixed spelling: what is spelled the same means the
// same.
func (c *Criteria) String() string { return c.name }

func (c *Criteria) query(count int) *fhir.Query {
	return &fhir.Query{Type: c.Type, Where: c.where, Count: count}
}

// Where gives the criteria as an expression.
func (c *Criteria) Where() fhir.Expr { return c.where }

// Condition is that nothing meets the criteria.
func (c *Criteria) Condition() *fhir.Condition {
	return &fhir.Condition{Name: c.name, Query: c.query(1)}
}
