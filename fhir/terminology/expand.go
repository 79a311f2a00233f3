package terminology

import (
	"context"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// valueSet gives what the value set that a canonical URL or ValueSet/id names holds.
func (r *request) valueSet(ctx context.Context, name string) (set, error) {
	if slices.Contains(r.open, name) {
		return set{}, fhir.Errorf(fhir.CodeInvalid, "", "The value set %s includes itself.", name)
	}
	if len(r.open) == maxDepth {
		return set{}, fhir.Errorf(fhir.CodeTooCostly, "", "Value sets include each other more than %d deep.", maxDepth)
	}
	if have, ok := r.sets[name]; ok {
		return have, nil
	}
	v, err := r.findValueSet(ctx, name)
	if err != nil {
		return set{}, err
	}
	r.open = append(r.open, name)
	out, err := r.expand(ctx, v)
	r.open = r.open[:len(r.open)-1]
	if err == nil {
		r.sets[name] = out
	}
	return out, err
}

// expand carries out the definition. Where that takes more than is known here,
// the expansion that comes with the resource will do.
func (r *request) expand(ctx context.Context, v *valueSet) (set, error) {
	if v.Compose == nil {
		if !v.Expansion.whole() {
			return set{}, fhir.Errorf(fhir.CodeNotSupported, "", "The ValueSet %s has neither a definition nor a complete expansion.", v.URL)
		}
		return r.expanded(v.Expansion)
	}
	out, err := r.compose(ctx, v.Compose)
	if fhir.Is(err, fhir.CodeNotSupported) && v.Expansion.whole() {
		return r.expanded(v.Expansion)
	}
	return out, err
}

func (r *request) compose(ctx context.Context, c *compose) (set, error) {
	out := newSet()
	for _, part := range c.Include {
		in, err := r.include(ctx, part)
		if err != nil {
			return set{}, err
		}
		out.add(in)
	}
	for _, part := range c.Exclude {
		ex, err := r.include(ctx, part)
		if err != nil {
			return set{}, err
		}
		if unknown := out.without(ex); unknown != "" {
			return set{}, fhir.Errorf(fhir.CodeNotSupported, "", "The value set is all of %s but for some codes, and that system's codes are not known here.", unknown)
		}
	}
	if c.Inactive != nil && !*c.Inactive {
		return out, r.activeOnly(ctx, out)
	}
	return out, nil
}

// activeOnly takes away codes that are no longer in use. Of systems that are not
// known, none is said to be.
func (r *request) activeOnly(ctx context.Context, s set) error {
	for c := range s.codings {
		sys, err := r.codeSystem(ctx, c.system, "")
		if err != nil {
			return err
		}
		if sys != nil && sys.concepts[c.code] != nil && sys.concepts[c.code].inactive() {
			delete(s.codings, c)
		}
	}
	return nil
}

// include gives what one include or exclude names: what is in all the value sets,
// and of the system (R4 4.9.7).
func (r *request) include(ctx context.Context, in include) (set, error) {
	var out set
	some := false
	narrow := func(part set) {
		if some {
			part = out.and(part)
		}
		out, some = part, true
	}
	if in.System != "" {
		part, err := r.ofSystem(ctx, in)
		if err != nil {
			return set{}, err
		}
		narrow(part)
	}
	for _, name := range in.ValueSet {
		part, err := r.valueSet(ctx, name)
		if err != nil {
			return set{}, err
		}
		narrow(part)
	}
	if !some {
		return set{}, fhir.Errorf(fhir.CodeNotSupported, "", "An include of the value set names neither a system nor a value set.")
	}
	return out, nil
}

// ofSystem gives the codes that an include takes of its system.
func (r *request) ofSystem(ctx context.Context, in include) (set, error) {
	out := newSet()
	if len(in.Concept) > 0 {
		for _, c := range in.Concept {
			out.codings[coding{in.System, c.Code}] = true
		}
		return out, r.spend(len(in.Concept))
	}
	sys, err := r.codeSystem(ctx, in.System, in.Version)
	switch {
	case err != nil:
		return set{}, err
	case sys == nil && len(in.Filter) > 0:
		return set{}, unknownSystem(in.System, in.Version)
	case sys == nil:
		out.systems[in.System] = true
		return out, nil
	}
	var tests []func(string) bool
	for _, f := range in.Filter {
		test, err := sys.selects(f)
		if err != nil {
			return set{}, err
		}
		tests = append(tests, test)
	}
	for _, code := range sys.codes {
		if !slices.ContainsFunc(tests, func(test func(string) bool) bool { return !test(code) }) {
			out.codings[coding{in.System, code}] = true
		}
	}
	return out, r.spend(len(sys.codes))
}

func unknownSystem(url, version string) error {
	if version != "" {
		url += "|" + version
	}
	return fhir.Errorf(fhir.CodeNotSupported, "", "The codes of %s are not all known here. A complete CodeSystem resource of it would tell.", url)
}

// spend counts codes that were looked at.
func (r *request) spend(n int) error {
	if r.work += n; r.work > maxWork {
		return fhir.Errorf(fhir.CodeTooCostly, "", "The value sets have more than %d codes to look at.", maxWork)
	}
	return nil
}

// whole reports whether an expansion has all codes of the value set.
func (e *expansion) whole() bool {
	if e == nil || e.Offset > 0 {
		return false
	}
	for _, p := range e.Parameter {
		switch strings.ToLower(p.Name) {
		case "limitedexpansion", "filter", "count", "offset":
			return false
		}
	}
	return e.Total == nil || *e.Total <= count(e.Contains)
}

func count(list []contained) int {
	n := len(list)
	for _, c := range list {
		n += count(c.Contains)
	}
	return n
}

// expanded reads an expansion. Abstract entries are there for the eye.
func (r *request) expanded(e *expansion) (set, error) {
	out := newSet()
	var read func([]contained)
	read = func(list []contained) {
		for _, c := range list {
			if c.Code != "" && c.System != "" && !c.Abstract {
				out.codings[coding{c.System, c.Code}] = true
			}
			read(c.Contains)
		}
	}
	read(e.Contains)
	return out, r.spend(count(e.Contains))
}
