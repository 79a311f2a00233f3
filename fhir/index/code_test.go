package index

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// theCodes is a hash of the table as the first stores were written with it.
const theCodes = "kUwXvJ5m2m0va0US"

func TestEveryParameterOfR4HasACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, typ := range fhir.Types() {
		seen := make(map[string]string)
		for _, p := range search.Params(typ) {
			code := codeOf(typ, p)
			if len(code) != 1 || code >= customCode || code < "!" {
				t.Errorf("%s: %s has the code %q", typ, p.Name, code)
			}
			if other := seen[code]; other != "" {
				t.Errorf("%s: %s and %s have the code %q", typ, p.Name, other, code)
			}
			seen[code] = p.Name
		}
	}
}

// What is stored depends on the table.
func TestCodesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	var names []string
	for line := range strings.Lines(codesText) {
		typ, list, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for name := range strings.FieldsSeq(list) {
			names = append(names, typ+" "+codes()[fhir.Type(typ)][name]+" "+name)
		}
	}
	if got := hash(strings.Join(names, "\n"), len(theCodes)); got != theCodes {
		t.Errorf("the codes of R4's parameters have changed (%s, not %s): entries that are stored would be read as others'", got, theCodes)
	}
	for name, want := range map[string]string{"_id": "!", "_content": "(", "address": "1", "active": "0"} {
		p, ok := search.Lookup("Patient", name)
		if !ok || codeOf("Patient", p) != want {
			t.Errorf("Patient: %s has the code %q, not %q", name, codeOf("Patient", p), want)
		}
	}
}

func TestOtherParametersHaveCodesByTheirCanonical(t *testing.T) {
	t.Parallel()
	eyes := &fhir.SearchParam{Name: "eye-color", URL: "http://example.org/SearchParameter/eye-color"}
	own := &fhir.SearchParam{Name: "gender", URL: "http://example.org/SearchParameter/gender"}
	a, b := codeOf("Patient", eyes), codeOf("Patient", own)
	for _, code := range []string{a, b} {
		if !strings.HasPrefix(code, customCode) || len(code) != len(customCode)+customHash {
			t.Errorf("code %q", code)
		}
	}
	if a == b || codeOf("Observation", eyes) != a {
		t.Errorf("codes %q and %q, on another type %q", a, b, codeOf("Observation", eyes))
	}
}
