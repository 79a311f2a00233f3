package guard

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
)

// cuts are what of one resource is not shown.
type cuts struct {
	members []string         // whole members of the resource
	items   map[string][]int // items of its lists, in ascending order
}

func (c *cuts) none() bool { return len(c.members) == 0 && len(c.items) == 0 }

// show gives what the caller sees of a resource that is within the view. Where that is
// not all, its meta says so.
func (r *Repository) show(v *view, res fhir.Resource) (fhir.Resource, error) {
	c, err := r.cuts(v, res.Body)
	if err == nil && !c.none() {
		if left := c.apply(res.Body); len(left) != len(res.Body) {
			res.Body = mark(left)
		}
	}
	return res, err
}

// cuts says what of a resource that is within the view is not shown: the elements that
// the column hides, and what a list that is shown apart says of others. Those items that
// name nobody are left out, too, where others are, and so is the narrative: they may tell
// of the same.
func (r *Repository) cuts(v *view, body []byte) (cuts, error) {
	c := cuts{members: v.hide.Elements}
	path := v.apart
	if path == nil || len(body) == 0 {
		return c, nil
	}
	var others, unnamed, fragments []int
	list := items(member(body, path[0]))
	contained := items(member(body, "contained"))
	for i, item := range list {
		known, names, err := r.knows(v, item, path[1:], contained)
		switch {
		case err != nil:
			return cuts{}, err
		case known:
		case names:
			others = append(others, i)
		default:
			unnamed = append(unnamed, i)
		}
	}
	if others == nil {
		return c, nil
	}
	for i, one := range contained {
		if !r.public(fhir.Type(text(member(one, "resourceType")))) {
			fragments = append(fragments, i)
		}
	}
	others = append(others, unnamed...)
	slices.Sort(others)
	c.items = map[string][]int{path[0]: others}
	if fragments != nil {
		c.items["contained"] = fragments
	}
	c.members = append(slices.Clip(c.members), "text")
	return c, nil
}

// public reports whether resources of a type are about no patient.
func (r *Repository) public(t fhir.Type) bool { return r.Policy.Class(t) == policy.Shared }

// knows reports whether the caller may know whom an item of a list refers to, and
// whether it says who that is, or of what type.
func (r *Repository) knows(v *view, item []byte, path []string, contained [][]byte) (known, names bool, err error) {
	known = true
	any := false
	follow(item, path, func(reference []byte) bool {
		any = true
		var in, named bool
		in, named, err = r.knowsOf(v, reference, contained)
		known, names = known && in, names || named
		return err == nil
	})
	return known && any, names, err
}

// knowsOf is knows for one Reference.
func (r *Repository) knowsOf(v *view, reference []byte, contained [][]byte) (known, names bool, err error) {
	url := text(member(reference, "reference"))
	typ := fhir.Type(text(member(reference, "type")))
	switch ref := fhir.ParseReference(url, r.Base); ref.Kind {
	case fhir.RefLocal:
		known, err = r.knowsKey(v, ref.Key)
		return known, true, err
	case fhir.RefFragment:
		for _, one := range contained {
			if text(member(one, "id")) == ref.Fragment {
				typ = fhir.Type(text(member(one, "resourceType")))
			}
		}
	case fhir.RefExternal:
		if parts := strings.Split(ref.URL, "/"); len(parts) > 2 {
			typ = fhir.Type(parts[len(parts)-2])
		}
	}
	return r.public(typ), typ.Valid(), nil
}

// knowsKey reports whether the caller may know of a resource that another refers to: it
// is about no patient, or part of a record that the view is of.
func (r *Repository) knowsKey(v *view, key fhir.Key) (bool, error) {
	if r.public(key.Type) || key == v.self {
		return true, nil
	}
	if known, ok := v.known[key]; ok {
		return known, nil
	}
	if len(v.known) >= maxAbout {
		return false, nil
	}
	known := false
	for _, of := range v.of {
		in, err := r.partOf(v.actor, key, of)
		if err != nil {
			return false, err
		}
		known = known || in
	}
	if v.known == nil {
		v.known = make(map[fhir.Key]bool)
	}
	v.known[key] = known
	return known, nil
}

// apply gives what is left of a resource.
func (c *cuts) apply(body []byte) []byte {
	return edit(without(body, c.members), func(m *members) ([]byte, bool) {
		for name, cut := range c.items {
			if m.is(name) {
				left := outside(items(m.value), cut)
				return listed(left), len(left) > 0
			}
		}
		return m.value, true
	})
}

// outside gives the items of a list that are not cut.
func outside(all [][]byte, cut []int) [][]byte {
	left := make([][]byte, 0, len(all))
	for i, one := range all {
		if !slices.Contains(cut, i) {
			left = append(left, one)
		}
	}
	return left
}

// restore gives what a client's change of a resource that it saw with cuts makes of the
// stored one: what was not shown is as it was, and the marks are gone.
func (c *cuts) restore(stored, change []byte) []byte {
	change = unmark(change, stored)
	if sameJSON(c.apply(stored), change) {
		return stored
	}
	for name, cut := range c.items {
		old := items(member(stored, name))
		left := items(member(change, name))
		for _, at := range cut {
			left = slices.Insert(left, min(at, len(left)), old[at])
		}
		change = with(without(change, []string{name}), name, listed(left))
	}
	m, ok := inside(stored)
	for ok && m.next() {
		for _, name := range c.members {
			// A narrative that is not sent may say what is no longer so.
			if name != "text" && (m.is(name) || m.is("_"+name)) && member(change, string(m.name)) == nil {
				change = with(change, string(m.name), m.value)
			}
		}
	}
	return change
}
