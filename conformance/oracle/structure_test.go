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
	types := 0
	for _, f := range definitionFiles(t, "StructureDefinition", 600) {
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

// codeSystem and valueSet are what we read of the definitions of codes.
type (
	codeSystem struct {
		URL     string
		Concept []concept
	}
	concept struct {
		Code    string
		Concept []concept
	}
	valueSet struct {
		URL     string
		Compose struct {
			Include, Exclude []struct {
				System  string
				Concept []concept
			}
		}
	}
)

// TestRequiredBindingsHaveTheCodesOfTheirValueSets compares the codes of the
// tables with the value sets as R4 defines them.
func TestRequiredBindingsHaveTheCodesOfTheirValueSets(t *testing.T) {
	t.Parallel()
	systems := map[string][]string{}
	for _, f := range definitionFiles(t, "CodeSystem", 1000) {
		var s codeSystem
		if err := json.Unmarshal(read(t, f), &s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		systems[s.URL] = codes(nil, s.Concept)
	}
	bound := boundCodes()
	compared := 0
	for _, f := range definitionFiles(t, "ValueSet", 1000) {
		var s valueSet
		if err := json.Unmarshal(read(t, f), &s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		have, ok := bound[s.URL]
		if !ok {
			continue
		}
		compared++
		var want []string
		for _, inc := range s.Compose.Include {
			if len(inc.Concept) > 0 {
				want = codes(want, inc.Concept)
				continue
			}
			want = append(want, systems[inc.System]...)
		}
		for _, exc := range s.Compose.Exclude {
			excluded := codes(nil, exc.Concept)
			want = slices.DeleteFunc(want, func(c string) bool { return slices.Contains(excluded, c) })
		}
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(have, want) {
			t.Errorf("%s: codes are %q, want %q", s.URL, have, want)
		}
	}
	if compared != len(bound) || compared < 200 {
		t.Errorf("%d of %d bound value sets were compared", compared, len(bound))
	}
}

// definitionFiles lists the definitions of a kind; there are at least n.
func definitionFiles(t *testing.T, kind string, n int) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(examplesDir, kind+"-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < n {
		t.Fatalf("%d %ss in %s: run scripts/r4-definitions.sh", len(files), kind, examplesDir)
	}
	return files
}

// boundCodes gives the codes of each value set that the tables hold.
func boundCodes() map[string][]string {
	bound, seen := map[string][]string{}, map[string]bool{}
	var visit func(typ string)
	visit = func(typ string) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		for _, e := range schema.Elements(typ) {
			if e.ValueSet != "" {
				bound[e.ValueSet] = e.Codes
			}
			visit(e.Type)
		}
	}
	for _, typ := range fhir.Types() {
		visit(string(typ))
	}
	return bound
}

func codes(out []string, concepts []concept) []string {
	for _, c := range concepts {
		out = codes(append(out, c.Code), c.Concept)
	}
	return out
}
