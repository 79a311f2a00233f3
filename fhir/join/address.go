package join

import (
	"cmp"
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// address is how a resource is referred to: by its key or, if it is a definition,
// by its canonical URL (R4 2.3.0.1).
type address struct {
	key     fhir.Key
	url     string // then key is empty
	version string // behind the "|" of a reference; business version of a resource
}

// addresses are those of a resource.
func (r *request) addresses(res fhir.Resource) ([]address, error) {
	all := []address{{key: res.Key}}
	if r.of(res.Type).param(paramURL, fhir.ParamURI) == nil {
		return all, nil
	}
	doc, err := parse(res)
	if err != nil {
		return nil, err
	}
	if url := child(doc.Root(), paramURL); url != "" {
		all = append(all, address{url: url, version: child(doc.Root(), paramVersion)})
	}
	return all, nil
}

// referring holds for what refers by p to a resource with one of these addresses.
// A canonical without a version means all of them.
func referring(p *fhir.SearchParam, to []address) fhir.Or {
	or := fhir.Or{}
	add := func(v fhir.ReferenceValue) { or = append(or, fhir.Term{Param: p, Value: v}) }
	for _, a := range to {
		if a.url == "" {
			add(fhir.ReferenceValue{Type: a.key.Type, ID: a.key.ID})
			continue
		}
		add(fhir.ReferenceValue{URL: a.url + "|"})
		if a.version != "" {
			add(fhir.ReferenceValue{URL: a.url + "|" + a.version})
		}
	}
	return or
}

// at holds for the resources of the type that these references lead to.
func (t *resourceType) at(refs []address) (fhir.Expr, error) {
	var ids []string
	var canonical fhir.Or
	url, version := t.param(paramURL, fhir.ParamURI), t.param(paramVersion, fhir.ParamToken)
	for _, a := range refs {
		switch {
		case a.url == "":
			if a.key.Type == t.name {
				ids = append(ids, a.key.ID)
			}
		case url == nil:
		case a.version == "":
			canonical = append(canonical, fhir.Term{Param: url, Value: fhir.URIValue(a.url)})
		case version != nil:
			canonical = append(canonical, fhir.And{
				fhir.Term{Param: url, Value: fhir.URIValue(a.url)},
				fhir.Term{Param: version, Value: fhir.TokenValue{Code: a.version, AnySystem: true}},
			})
		}
	}
	where, err := t.oneOf(ids)
	return append(where, canonical...), err
}

// leadsTo reports whether a reference may lead to a resource of the type.
func (t *resourceType) leadsTo(a address) bool {
	if a.url == "" {
		return a.key.Type == t.name
	}
	return t.param(paramURL, fhir.ParamURI) != nil
}

// sorted gives the addresses of a set in a fixed order.
func sorted(set map[address]bool) []address {
	all := make([]address, 0, len(set))
	for a := range set {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b address) int {
		return cmp.Or(cmp.Compare(a.key.ID, b.key.ID), cmp.Compare(a.url, b.url), cmp.Compare(a.version, b.version))
	})
	return all
}
