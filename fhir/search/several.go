package search

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// ParseSeveral reads a search on all the types that _type names (R4 3.1.1.2), or
// with a compartment and without _type on all that can be in it. Each other
// parameter must mean something for each of the types. What is found comes type by
// type: so it cannot be sorted.
func (p *Parser) ParseSeveral(of fhir.Key, params []Pair, lenient bool, caller string) (*Request, error) {
	types, rest, err := p.types(of, params)
	if err != nil {
		return nil, err
	}
	implied := !slices.ContainsFunc(params, func(pair Pair) bool { return pair.Name == "_type" })
	req := &Request{cursors: p.Cursors, caller: caller, scope: "*"}
	if of.Type != "" {
		req.scope = of.String() + "/*"
	}
	for i, t := range types {
		r, err := p.read(of, t, rest, lenient)
		switch {
		case err != nil:
			return nil, err
		case len(r.query.Sort) > 0 && len(types) > 1:
			return nil, fhir.Errorf(fhir.CodeNotSupported, "http._sort", "A search on several types cannot be sorted: its results come type by type. Search each type.")
		case i > 0 && !slices.Equal(r.used, req.Used):
			// Lenient handling would restrict one type and not the other.
			return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query", "The parameters must be supported by all the types that are searched.")
		}
		req.Used, req.Ignored, req.Shape, req.Count = r.used, r.ignored, r.shape, r.query.Count
		req.Position = r.cursor
		r.query.Implied = implied
		req.Queries = append(req.Queries, r.query)
	}
	for _, pair := range params {
		if pair.Name == "_type" {
			req.Used = append(req.Used, pair)
		}
	}
	if req.Position, err = req.open(req.Position); err != nil {
		return nil, err
	}
	return req, nil
}

// types reads _type, and gives the other parameters. Several _types are one
// list.
func (p *Parser) types(of fhir.Key, params []Pair) (types []fhir.Type, rest []Pair, err error) {
	for _, pair := range params {
		if pair.Name != "_type" {
			rest = append(rest, pair)
			continue
		}
		switch {
		case len(pair.Value) > maxList:
			return nil, nil, fhir.Errorf(fhir.CodeTooCostly, "http._type", "The values are %d bytes long together; at most %d are allowed.", len(pair.Value), maxList)
		case pair.Value == "":
			return nil, nil, fhir.Errorf(fhir.CodeInvalid, "http._type", "_type lists types, as in _type=Patient,Practitioner. It is empty.")
		}
		for name := range strings.SplitSeq(pair.Value, ",") {
			t := fhir.Type(name)
			switch {
			case slices.Contains(types, t):
			case !t.Valid() || !p.Describe(t).Search:
				return nil, nil, fhir.Errorf(fhir.CodeInvalid, "http._type", "%q is no type that can be searched here.", name)
			default:
				types = append(types, t)
			}
		}
	}
	switch {
	case types == nil && of.Type == "":
		return nil, nil, fhir.Errorf(fhir.CodeTooCostly, "http._type", "Searching all types at once would cost too much. Name those that are wanted: _type=Patient,Practitioner.")
	case types == nil:
		types = p.members(of)
	}
	slices.Sort(types)
	if len(types) == 0 {
		return nil, nil, fhir.Errorf(fhir.CodeNotSupported, "http.url", "%s has no compartment here. There are those of %s.", of.Type, list(Compartments()))
	}
	return types, rest, nil
}

// members are the types of which resources can be found in the compartment.
func (p *Parser) members(of fhir.Key) []fhir.Type {
	var types []fhir.Type
	for _, t := range CompartmentTypes(of.Type) {
		can := p.Describe(t)
		if _, ok := Membership(of, t, can); ok && can.Search {
			types = append(types, t)
		}
	}
	return types
}
