package oracle

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

// structure is what we read of a StructureDefinition.
type structure struct {
	Type, Name, Kind, Derivation string
	Abstract                     bool
	Snapshot                     struct{ Element []definition }
}

type definition struct {
	Path             string
	Min              int
	Max              string
	ContentReference string
	Type             []struct {
		Code          string
		TargetProfile []string
	}
	Binding struct{ Strength, ValueSet string }
}

// systemType is how R4 names the types of ids and of an extension's url.
const systemType = "http://hl7.org/fhirpath/"

// openSets are required bindings to code systems that R4 does not enumerate.
var openSets = []string{"http://hl7.org/fhir/ValueSet/mimetypes", "http://hl7.org/fhir/ValueSet/currencies"}

// TestTablesSayWhatTheStructureDefinitionsSay compares every element of every type with the
// official definitions, which the tables were not made from: members, types, cardinality,
// reference targets and required bindings.
func TestTablesSayWhatTheStructureDefinitionsSay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(examplesDir, "StructureDefinition-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 600 {
		t.Fatalf("%d definitions in %s: run scripts/r4-definitions.sh", len(files), examplesDir)
	}
	types := 0
	for _, f := range files {
		var s structure
		if err := json.Unmarshal(read(t, f), &s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if s.Derivation != "specialization" || s.Abstract || s.Kind != "resource" && s.Kind != "complex-type" {
			continue
		}
		types++
		c := comparison{t: t, elements: s.Snapshot.Element}
		c.compare(s.Name, s.Type)
	}
	if types != 185 {
		t.Errorf("%d types were compared; R4 has 146 resource types and 39 data types", types)
	}
}

// comparison holds one definition.
type comparison struct {
	t        *testing.T
	elements []definition
}

// compare holds the table of ours against the definitions right below path.
func (c *comparison) compare(ours, path string) {
	left := map[string]schema.Element{}
	for _, e := range schema.Elements(ours) {
		left[e.Member] = e
	}
	for _, d := range c.elements {
		name, ok := strings.CutPrefix(d.Path, path+".")
		if !ok || strings.Contains(name, ".") {
			continue
		}
		base, choice := strings.CutSuffix(name, "[x]")
		if d.ContentReference != "" {
			e := left[name]
			delete(left, name)
			c.cardinality(e, d)
			continue
		}
		for i, typ := range d.Type {
			member := base
			if choice {
				member += strings.ToUpper(typ.Code[:1]) + typ.Code[1:]
			}
			e, ok := left[member]
			if !ok {
				c.t.Errorf("%s: %s has no %s", d.Path, ours, member)
				continue
			}
			delete(left, member)
			c.element(e, d, i)
		}
	}
	for member := range left {
		c.t.Errorf("%s: %s has %s, which is not defined", path, ours, member)
	}
}

// element compares one member with the i-th type of its definition.
func (c *comparison) element(e schema.Element, d definition, i int) {
	c.cardinality(e, d)
	typ := d.Type[i]
	switch {
	case strings.HasPrefix(typ.Code, systemType):
		return
	case typ.Code == "BackboneElement", typ.Code == "Element":
		c.compare(e.Type, d.Path)
		return
	case e.Type == "SimpleQuantity" && typ.Code == "Quantity":
		return // a profile of R4, which the protos have as a type
	case typ.Code == "Resource":
		typ.Code = "resource"
	}
	if e.Type != typ.Code {
		c.t.Errorf("%s: type is %s, want %s", d.Path, e.Type, typ.Code)
	}
	c.targets(e, d.Path, typ.TargetProfile)
	c.binding(e, d)
}

func (c *comparison) cardinality(e schema.Element, d definition) {
	if e.Many != (d.Max != "1") || e.Required != (d.Min > 0) {
		c.t.Errorf("%s: many %v, required %v, want %d..%s", d.Path, e.Many, e.Required, d.Min, d.Max)
	}
}

func (c *comparison) targets(e schema.Element, path string, profiles []string) {
	if e.Type != "Reference" {
		return
	}
	var want []fhir.Type
	for _, p := range profiles {
		want = append(want, fhir.Type(p[strings.LastIndexByte(p, '/')+1:]))
	}
	slices.Sort(want)
	if slices.Contains(want, "Resource") {
		want = nil
	}
	if !slices.Equal(e.Targets, want) {
		c.t.Errorf("%s: targets are %v, want %v", path, e.Targets, want)
	}
}

func (c *comparison) binding(e schema.Element, d definition) {
	want := ""
	if set, _, _ := strings.Cut(d.Binding.ValueSet, "|"); e.Type == "code" && d.Binding.Strength == "required" && !slices.Contains(openSets, set) {
		want = set
	}
	if e.ValueSet != want {
		c.t.Errorf("%s: value set is %q, want %q", d.Path, e.ValueSet, want)
	}
}
