package join

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
)

// check refuses includes that cannot be answered, whatever is on the page.
func (r *request) check(includes []fhir.Include) error {
	for _, in := range includes {
		switch {
		case in.Reverse && in.Source == "":
			return fhir.Errorf(fhir.CodeTooCostly, "http._revinclude", "_revinclude=* would look through everything. Name a type: Type:reference.")
		case in.Param == nil:
		default:
			if err := r.of(in.Source).can(in.Param); err != nil {
				return err
			}
		}
	}
	return nil
}

// inclusion is what gathers around the matches of a page.
type inclusion struct {
	*request
	have map[fhir.Key]bool // matches and what was included
	size int               // bytes of what was included
	all  []fhir.Resource
	// fresh is what the current round included.
	fresh []fhir.Resource
}

// include finds what to add to a page. Each round starts from what the one
// before included; only :iterate goes beyond the first, which starts from the
// matches (R4 3.1.1.5.6).
func (r *request) include(ctx context.Context, includes []fhir.Include, matches []fhir.Resource) ([]fhir.Resource, error) {
	x := &inclusion{request: r, have: make(map[fhir.Key]bool)}
	for _, m := range matches {
		x.have[m.Key] = true
	}
	from := matches
	for round := 0; len(includes) > 0 && len(from) > 0; round++ {
		if round > r.limits.Rounds {
			return nil, fhir.Errorf(fhir.CodeTooCostly, "http._include", "The includes with :iterate go on behind %d rounds. Ask for fewer of them.", r.limits.Rounds)
		}
		if err := x.forward(ctx, includes, from); err != nil {
			return nil, err
		}
		for _, in := range includes {
			if err := x.reverse(ctx, in, from); err != nil {
				return nil, err
			}
		}
		if round == 0 {
			includes = slices.DeleteFunc(slices.Clone(includes), func(in fhir.Include) bool { return !in.Iterate })
		}
		x.all = append(x.all, x.fresh...)
		from, x.fresh = x.fresh, nil
	}
	slices.SortFunc(x.all, func(a, b fhir.Resource) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
	})
	return x.all, nil
}

// add includes a resource unless it is there already.
func (x *inclusion) add(res fhir.Resource) error {
	if x.have[res.Key] {
		return nil
	}
	x.have[res.Key] = true
	x.fresh = append(x.fresh, res)
	x.size += len(res.Body)
	if len(x.all)+len(x.fresh) > x.limits.Included || x.size > x.limits.Bytes {
		return fhir.Errorf(fhir.CodeTooCostly, "http._include",
			"The includes of this page add more than %d resources or %d bytes. Ask for fewer of them, or for smaller pages by _count.", x.limits.Included, x.limits.Bytes)
	}
	return nil
}

// forward includes what the resources refer to, one search for many of a type.
func (x *inclusion) forward(ctx context.Context, includes []fhir.Include, from []fhir.Resource) error {
	wanted := make(map[fhir.Type]map[address]bool)
	for _, res := range from {
		if err := x.want(wanted, includes, res); err != nil {
			return err
		}
	}
	for _, t := range slices.Sorted(maps.Keys(wanted)) {
		if x.of(t).None() || !fhir.MaySearch(ctx, x.inner, t) {
			continue // a type that is not served, or not to this caller: its resources are absent
		}
		for refs := range slices.Chunk(sorted(wanted[t]), batchSize) {
			where, err := x.of(t).at(refs)
			if err != nil {
				return err
			}
			if err := x.addAll(ctx, t, where); err != nil {
				return err
			}
		}
	}
	return nil
}

// want notes what the includes follow from one resource.
func (x *inclusion) want(wanted map[fhir.Type]map[address]bool, includes []fhir.Include, res fhir.Resource) error {
	var doc *path.Doc
	for _, in := range includes {
		if in.Reverse || (in.Source != "" && in.Source != res.Type) {
			continue
		}
		if doc == nil {
			var err error
			if doc, err = parse(res); err != nil {
				return err
			}
		}
		for _, p := range x.params(in, res.Type) {
			refs, err := x.references(doc, res.Type, p)
			if err != nil {
				return err
			}
			for _, a := range refs {
				x.note(wanted, in, p, a)
			}
		}
	}
	return nil
}

// note adds a reference to what is wanted. A canonical does not say what type it
// leads to.
func (x *inclusion) note(wanted map[fhir.Type]map[address]bool, in fhir.Include, p *fhir.SearchParam, a address) {
	types := []fhir.Type{a.key.Type}
	if a.url != "" {
		types = targets(p)
	}
	for _, t := range types {
		if x.have[a.key] || (in.Target != "" && in.Target != t) || !x.of(t).leadsTo(a) {
			continue
		}
		if wanted[t] == nil {
			wanted[t] = make(map[address]bool)
		}
		wanted[t][a] = true
	}
}

// reverse includes what refers to the resources.
func (x *inclusion) reverse(ctx context.Context, in fhir.Include, from []fhir.Resource) error {
	if !in.Reverse || !fhir.MaySearch(ctx, x.inner, in.Source) {
		return nil
	}
	to := make(map[fhir.Type][]address)
	for _, res := range from {
		if in.Target != "" && in.Target != res.Type {
			continue
		}
		own, err := x.addresses(res)
		if err != nil {
			return err
		}
		to[res.Type] = append(to[res.Type], own...)
	}
	var where fhir.Or
	for _, p := range x.params(in, in.Source) {
		for _, t := range slices.Sorted(maps.Keys(to)) {
			if slices.Contains(targets(p), t) {
				where = append(where, referring(p, to[t])...)
			}
		}
	}
	if len(where) == 0 {
		return nil
	}
	return x.addAll(ctx, in.Source, where)
}

// params are the references that an include follows from resources of a type.
func (x *inclusion) params(in fhir.Include, t fhir.Type) []*fhir.SearchParam {
	if in.Param != nil {
		return []*fhir.SearchParam{in.Param}
	}
	return x.of(t).referenceParams()
}

func (x *inclusion) addAll(ctx context.Context, t fhir.Type, where fhir.Expr) error {
	for res, err := range x.find(ctx, t, where, batchSize) {
		if err != nil {
			return err
		}
		if err := x.add(res); err != nil {
			return err
		}
	}
	return nil
}
