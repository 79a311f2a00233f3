package checkup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
)

// Coverage says which elements of a profile that must be supported a chart map provides.
type Coverage struct {
	Profile  string    `json:"profile"`
	Type     fhir.Type `json:"type"`
	Elements []Covered `json:"elements"`
}

// Covered is one element.
type Covered struct {
	Path  string   `json:"path"`
	State string   `json:"state"` // mapped, constant, derived, missing
	Maps  []string `json:"maps,omitempty"`
	Lines []int    `json:"lines,omitempty"`
}

// The states of an element.
const (
	Mapped   = "mapped"
	Constant = "constant"
	Derived  = "derived"
	Missing  = "missing"
)

// profile is what counts of a StructureDefinition.
type profile struct {
	ResourceType string `json:"resourceType"`
	URL          string `json:"url"`
	Type         string `json:"type"`
	Snapshot     list   `json:"snapshot"`
	Differential list   `json:"differential"`
}

type list struct {
	Element []struct {
		Path        string `json:"path"`
		Min         int    `json:"min"`
		MustSupport bool   `json:"mustSupport"`
	} `json:"element"`
}

// Cover compares the maps of a profile's type with the elements that the profile, a
// StructureDefinition in JSON, says must be supported or be there.
func Cover(m *chartmap.Map, definition []byte) (*Coverage, error) {
	var p profile
	if err := json.Unmarshal(definition, &p); err != nil {
		return nil, fmt.Errorf("the profile cannot be read: %w", err)
	}
	if p.ResourceType != "StructureDefinition" || !fhir.Type(p.Type).Valid() {
		return nil, fmt.Errorf("a profile is a StructureDefinition of a resource type, not %s of %q", p.ResourceType, p.Type)
	}
	elements := p.Snapshot.Element
	if len(elements) == 0 {
		elements = p.Differential.Element
	}
	c := &Coverage{Profile: p.URL, Type: fhir.Type(p.Type)}
	seen := make(map[string]bool)
	for _, e := range elements {
		if seen[e.Path] || !strings.Contains(e.Path, ".") || !(e.MustSupport || e.Min > 0 && strings.Count(e.Path, ".") == 1) {
			continue
		}
		seen[e.Path] = true
		c.Elements = append(c.Elements, cover(m, c.Type, e.Path))
	}
	return c, nil
}

// cover looks for rules at an element, or below it.
func cover(m *chartmap.Map, t fhir.Type, element string) Covered {
	c := Covered{Path: element, State: Missing}
	best := 0
	rank := map[string]int{Mapped: 3, Derived: 2, Constant: 1}
	for _, mapping := range m.Maps {
		if mapping.Resource != t {
			continue
		}
		for _, r := range mapping.Rules {
			if !at(r.Path, element) {
				continue
			}
			state := Mapped
			switch {
			case len(r.Fields) == 0:
				state = Constant
			case r.Derived:
				state = Derived
			}
			if rank[state] > best {
				best, c.State = rank[state], state
			}
			if !slices.Contains(c.Maps, mapping.Name) {
				c.Maps = append(c.Maps, mapping.Name)
			}
			if !slices.Contains(c.Lines, r.Line) {
				c.Lines = append(c.Lines, r.Line)
			}
		}
	}
	return c
}

// at reports whether a rule's path is that of the element, or below it. A choice,
// value[x], is met by any of its types.
func at(rule, element string) bool {
	if stem, ok := strings.CutSuffix(element, "[x]"); ok {
		rest, under := strings.CutPrefix(rule, stem)
		return under && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z'
	}
	return rule == element || strings.HasPrefix(rule, element+".") || strings.HasPrefix(rule, element+"[")
}
