package load

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
)

// condition is what a conditional reference looks for.
type condition struct {
	kind      fhir.Type
	system    string
	value     string
	anySystem bool
}

// parseCondition reads Type?identifier=[system|]value and Type?_id=id; for the
// latter it gives the key at once.
func parseCondition(ref string) (condition, fhir.Key, error) {
	kind, query, _ := strings.Cut(ref, "?")
	refused := fhir.Errorf(fhir.CodeNotSupported, "", "the condition %q cannot be resolved: only Type?identifier=system|value and Type?_id=id can", ref)
	params, err := url.ParseQuery(query)
	if err != nil || len(params) != 1 || !fhir.Type(kind).Valid() {
		return condition{}, fhir.Key{}, refused
	}
	for name, all := range params {
		if len(all) != 1 || all[0] == "" || strings.Contains(all[0], ",") {
			return condition{}, fhir.Key{}, refused
		}
		switch name {
		case "_id":
			if fhir.ValidID(all[0]) {
				return condition{}, fhir.Key{Type: fhir.Type(kind), ID: all[0]}, nil
			}
		case "identifier":
			system, value, qualified := strings.Cut(all[0], "|")
			if !qualified {
				system, value = "", all[0]
			}
			if value != "" {
				return condition{kind: fhir.Type(kind), system: system, value: value, anySystem: !qualified}, fhir.Key{}, nil
			}
		}
	}
	return condition{}, fhir.Key{}, refused
}

// conditions knows what the conditions of a load mean. It is safe for
// concurrent use.
type conditions struct {
	repo Repository

	mu     sync.Mutex
	wanted map[condition]*candidates
	kinds  map[fhir.Type]bool
	full   bool // conditions were left out
}

// candidates are the resources that satisfy a condition.
type candidates struct {
	firm      []string // ids of resources that are loaded
	tentative []string // of those that come with a condition themselves
	asked     bool
	existing  []string // what the repository found
	err       error
}

func newConditions(repo Repository) *conditions {
	return &conditions{repo: repo, wanted: map[condition]*candidates{}, kinds: map[fhir.Type]bool{}}
}

// want notes a condition to look for. What cannot be understood is refused when it is
// resolved.
func (c *conditions) want(ref string) {
	cond, key, err := parseCondition(ref)
	if err != nil || key.ID != "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wanted) >= maxConditions {
		c.full = true
		return
	}
	if c.wanted[cond] == nil {
		c.wanted[cond] = &candidates{}
		c.kinds[cond.kind] = true
	}
}

// offer notes a resource of this load under the conditions that it satisfies.
func (c *conditions) offer(u unit) {
	if !c.kinds[u.key.Type] {
		return
	}
	for _, id := range identifiers(u.raw) {
		for _, cond := range []condition{
			{kind: u.key.Type, system: id.System, value: id.Value},
			{kind: u.key.Type, value: id.Value, anySystem: true},
		} {
			found := c.wanted[cond]
			switch {
			case found == nil:
			case u.cond != "":
				found.tentative = appendNew(found.tentative, u.key.ID)
			default:
				found.firm = appendNew(found.firm, u.key.ID)
			}
		}
	}
}

// any reports whether there are conditions to look for.
func (c *conditions) any() bool { return len(c.wanted) > 0 }

// appendNew adds an id that is not there yet; two are enough to know that there
// is more than one.
func appendNew(ids []string, id string) []string {
	if len(ids) > 1 || slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// resolve gives the one resource that satisfies a condition; found is false when
// there is none. A resource that comes with a condition itself gives way to others.
func (c *conditions) resolve(ctx context.Context, ref string) (key fhir.Key, found bool, err error) {
	cond, key, err := parseCondition(ref)
	if err != nil || key.ID != "" {
		return key, err == nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.wanted[cond]
	switch {
	case known != nil:
	case len(c.wanted) < maxConditions:
		known = &candidates{}
		c.wanted[cond] = known
	case c.full:
		return fhir.Key{}, false, fhir.Errorf(fhir.CodeTooCostly, "", "there are more than %d different conditions in one load", maxConditions)
	default:
		known = &candidates{} // nothing of this load was left out: only the repository can know
	}
	ids := known.firm
	if len(ids) == 0 {
		if !known.asked {
			known.existing, known.err = c.search(ctx, cond)
			known.asked = known.err == nil
		}
		if known.err != nil {
			return fhir.Key{}, false, known.err
		}
		ids = known.existing
	}
	if len(ids) == 0 && len(known.tentative) > 0 {
		ids = known.tentative[:1]
	}
	switch len(ids) {
	case 0:
		return fhir.Key{}, false, nil
	case 1:
		return fhir.Key{Type: cond.kind, ID: ids[0]}, true, nil
	}
	return fhir.Key{}, false, fhir.Errorf(fhir.CodeMultiple, "", "the condition %q is met by more than one resource", ref)
}

// search asks the repository, if it can search by identifier.
func (c *conditions) search(ctx context.Context, cond condition) ([]string, error) {
	params := c.repo.Describe(cond.kind).Params
	i := slices.IndexFunc(params, func(p *fhir.SearchParam) bool { return p.Name == "identifier" })
	if i < 0 {
		return nil, nil
	}
	value := fhir.TokenValue{System: cond.system, Code: cond.value, AnySystem: cond.anySystem}
	page, err := c.repo.Search(ctx, &fhir.Query{Type: cond.kind, Where: fhir.Term{Param: params[i], Value: value}, Count: 2})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, res := range page.Resources {
		ids = append(ids, res.ID)
	}
	return ids, nil
}

type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// identifiers reads the element identifier of a resource, which is a list or single.
func identifiers(raw []byte) []identifier {
	start, end, ok := member(raw, "identifier")
	if !ok || start >= end {
		return nil
	}
	var list []identifier
	var err error
	if raw[start] == '[' {
		err = json.Unmarshal(raw[start:end], &list, jsontext.AllowDuplicateNames(true))
	} else {
		list = make([]identifier, 1)
		err = json.Unmarshal(raw[start:end], &list[0], jsontext.AllowDuplicateNames(true))
	}
	if err != nil {
		return nil // the resource will not be loaded
	}
	return list
}

// conditionalReferences calls each for the conditional references of a resource.
func conditionalReferences(raw []byte, each func(ref string)) {
	if !questioned(raw) {
		return
	}
	fhirbundle.References(raw, func(ref string) {
		if isCondition(ref) {
			each(ref)
		}
	})
}

func isCondition(ref string) bool {
	kind, _, ok := strings.Cut(ref, "?")
	return ok && fhir.Type(kind).Valid()
}
