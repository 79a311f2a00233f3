package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestEveryR4TypeHasADefinition(t *testing.T) {
	t.Parallel()
	if n := len(fhir.Types()); n != 146 || resourceCount != 146 {
		t.Fatalf("%d types, %d definitions, want 146", n, resourceCount)
	}
	v := &Validator{}
	for _, typ := range fhir.Types() {
		for _, issue := range issues(t, v, `{"resourceType":"`+string(typ)+`","id":"a"}`) {
			if !strings.HasPrefix(issue, "required "+string(typ)+".") {
				t.Errorf("an empty %s: %s", typ, issue)
			}
		}
	}
}

// TestTheTablesAreSortedAsLookupsSearchThem guards the binary searches.
func TestTheTablesAreSortedAsLookupsSearchThem(t *testing.T) {
	t.Parallel()
	for i := range defs {
		d := &defs[i]
		for j, f := range d.fields() {
			if at := d.find([]byte(f.name)); at != int(d.first)+j {
				t.Errorf("%s.%s is found at %d, stands at %d", d.name, f.name, at, int(d.first)+j)
			}
		}
	}
	for _, s := range valueSets {
		if !slices.IsSorted(s.codes) {
			t.Errorf("%s is not sorted", s.url)
		}
	}
	for _, types := range targetSets {
		if !slices.IsSorted(types) {
			t.Errorf("targets %v are not sorted", types)
		}
	}
	for name, list := range map[string][]string{"elements": xhtmlElements[:], "attributes": xhtmlAttributes[:], "specific": xhtmlSpecific[:]} {
		if !slices.IsSorted(list) {
			t.Errorf("XHTML %s are not sorted", name)
		}
	}
}
