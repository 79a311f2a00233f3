package terminology

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// The types of the definitions.
const (
	typeValueSet   fhir.Type = "ValueSet"
	typeCodeSystem fhir.Type = "CodeSystem"
)

// maxVersions is how many resources with one canonical URL are compared.
const maxVersions = 100

// findValueSet gives the value set that a canonical URL or ValueSet/id names.
func (r *request) findValueSet(ctx context.Context, name string) (*valueSet, error) {
	unknown := fhir.Errorf(fhir.CodeInvalid, "", "There is no value set %s here, neither as a ValueSet resource nor among R4's own.", name)
	var v valueSet
	if ref := fhir.ParseReference(name, r.base); ref.Kind == fhir.RefLocal && ref.Key.Type == typeValueSet {
		// A URL below the base may be a canonical one all the same.
		switch res, err := r.inner.Read(ctx, ref.Key); {
		case err == nil:
			return &v, decode(res.Body, &v, ref.Key.String())
		case !refused(err):
			return nil, err
		}
	}
	url, version, _ := strings.Cut(name, "|")
	bodies, err := r.stored(ctx, typeValueSet, url)
	if err != nil {
		return nil, err
	}
	var all []*valueSet
	for _, body := range bodies {
		var v valueSet
		if err := decode(body, &v, url); err != nil {
			return nil, err
		}
		if version == "" || v.Version == version {
			all = append(all, &v)
		}
	}
	if len(all) > 0 {
		return slices.MaxFunc(all, func(a, b *valueSet) int { return later(a.Status, a.Version, a.Date, b.Status, b.Version, b.Date) }), nil
	}
	if own := ownDefinitions()[url].valueSet; own != nil {
		if v, err := own(); err != nil || version == "" || version == v.Version {
			return v, err
		}
	}
	return nil, unknown
}

// codeSystem gives a code system all of whose codes are known; nil where there is
// none.
func (r *request) codeSystem(ctx context.Context, url, version string) (*system, error) {
	name := url + "|" + version
	if have, ok := r.systems[name]; ok {
		return have, nil
	}
	out, err := r.findCodeSystem(ctx, url, version)
	if err != nil {
		return nil, err
	}
	if out != nil {
		if err := r.spend(len(out.codes)); err != nil {
			return nil, err
		}
	}
	r.systems[name] = out
	return out, nil
}

func (r *request) findCodeSystem(ctx context.Context, url, version string) (*system, error) {
	bodies, err := r.stored(ctx, typeCodeSystem, url)
	if err != nil {
		return nil, err
	}
	var all []*codeSystem
	for _, body := range bodies {
		var c codeSystem
		if err := decode(body, &c, url); err != nil {
			return nil, err
		}
		if c.Content != "supplement" && (version == "" || c.Version == version) {
			all = append(all, &c)
		}
	}
	if len(all) > 0 {
		latest := slices.MaxFunc(all, func(a, b *codeSystem) int { return later(a.Status, a.Version, a.Date, b.Status, b.Version, b.Date) })
		if latest.Content != "complete" {
			return nil, nil
		}
		return newSystem(latest), nil
	}
	if own := ownDefinitions()[url].system; own != nil {
		if s, err := own(); err != nil || version == "" || version == s.Version {
			return s, err
		}
	}
	return nil, nil
}

// decode reads a definition, which is valid.
func decode(body []byte, into any, name string) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("terminology: %s: %w", name, err)
	}
	return nil
}

// stored gives the resources of a type that have a canonical URL. Where the type
// cannot be searched, or not by this caller, there are none.
func (r *request) stored(ctx context.Context, t fhir.Type, url string) ([][]byte, error) {
	can := r.inner.Describe(t)
	i := slices.IndexFunc(can.Params, func(p *fhir.SearchParam) bool { return p.Name == "url" && p.Type == fhir.ParamURI })
	if !can.Search || i < 0 {
		return nil, nil
	}
	if r.lookups++; r.lookups > maxLookups {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "The value sets draw on more than %d definitions.", maxLookups)
	}
	q := &fhir.Query{Type: t, Where: fhir.Term{Param: can.Params[i], Value: fhir.URIValue(url)}, Count: maxVersions}
	page, err := r.inner.Search(ctx, q)
	if refused(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if page.Next != "" {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "There are more than %d versions of %s %s.", maxVersions, t, url)
	}
	bodies := make([][]byte, len(page.Resources))
	for i, res := range page.Resources {
		bodies[i] = res.Body
	}
	return bodies, nil
}

// refused reports whether something is not there for the caller.
func refused(err error) bool {
	return fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted, fhir.CodeForbidden)
}

// later compares two resources with one URL: that in use counts, then the later
// version, then the later date.
func later(statusA, versionA, dateA, statusB, versionB, dateB string) int {
	active := func(s string) int {
		if s == "active" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(active(statusA), active(statusB)), compareVersions(versionA, versionB), cmp.Compare(dateA, dateB))
}

// compareVersions compares the numbers in versions as numbers.
func compareVersions(a, b string) int {
	x, y := strings.FieldsFunc(a, separates), strings.FieldsFunc(b, separates)
	for i := range min(len(x), len(y)) {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		c := cmp.Compare(x[i], y[i])
		if errM == nil && errN == nil {
			c = cmp.Compare(m, n)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func separates(r rune) bool { return r == '.' || r == '-' || r == '_' || r == '+' }
