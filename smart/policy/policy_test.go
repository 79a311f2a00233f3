package policy_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/policy"
)

func standard(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryTypeHasAClass(t *testing.T) {
	t.Parallel()
	p := standard(t)
	for _, typ := range fhir.Types() {
		if p.Class(typ) == 0 {
			t.Errorf("E5 %s is visible to nobody knows whom", typ)
		}
	}
	if p.Class("Patent") != 0 {
		t.Error("what is no type has a class")
	}
}

// compartments gives the parameters that R4's CompartmentDefinition names for a type.
func compartment(t fhir.Type) []string {
	var names []string
	for _, param := range search.Params(t) {
		can := fhir.Capability{Params: []*fhir.SearchParam{param}}
		if param.Name == "_id" {
			continue
		}
		if _, ok := search.Membership(fhir.Key{Type: "Patient", ID: "p"}, t, can); ok {
			names = append(names, param.Name)
		}
	}
	return names
}

func TestARecordIsNoMoreThanTheCompartment(t *testing.T) {
	t.Parallel()
	// What the CompartmentDefinition does not have, with the reason.
	beyond := map[fhir.Type]string{
		"Patient": "the patient itself",
		"Device":  "own devices, and those of nobody",
	}
	for typ, rule := range standard(t).Record {
		if beyond[typ] != "" {
			continue
		}
		names := compartment(typ)
		same := func(name string) bool {
			// Another name for the same element counts.
			return slices.ContainsFunc(names, func(n string) bool { return element(typ, n) == element(typ, name) || inside(typ, name, n) })
		}
		for _, name := range rule.Params {
			if !same(name) {
				t.Errorf("E5 %s: by %s it would be in a record, but in no compartment", typ, name)
			}
		}
	}
}

// element is what a parameter looks at in a type, without the restriction to patients.
func element(t fhir.Type, name string) string {
	p, ok := search.Lookup(t, name)
	if !ok {
		return ""
	}
	for alt := range strings.SplitSeq(p.Expression, "|") {
		alt = strings.TrimSpace(alt)
		if strings.HasPrefix(alt, string(t)+".") {
			return strings.TrimSuffix(strings.TrimPrefix(alt, string(t)+"."), ".where(resolve() is Patient)")
		}
	}
	return ""
}

// inside reports whether the element of a parameter is one of several that another
// looks at, as AuditEvent.entity.what is one that patient does.
func inside(t fhir.Type, name, of string) bool {
	p, ok := search.Lookup(t, of)
	return ok && strings.Contains(p.Expression, string(t)+"."+element(t, name))
}

func TestParametersLookAtTheElement(t *testing.T) {
	t.Parallel()
	for typ, rule := range standard(t).Record {
		if rule.Self {
			continue
		}
		for _, name := range rule.Params {
			if got := element(typ, name); got != rule.Element {
				t.Errorf("E5 %s: %s looks at %q, not at %q", typ, name, got, rule.Element)
			}
		}
		if rule.Else == nil {
			continue
		}
		for i, name := range rule.Else.Params {
			if got := element(typ, name); got != rule.Else.Elements[i] {
				t.Errorf("E5 %s: %s looks at %q, not at %q", typ, name, got, rule.Else.Elements[i])
			}
		}
	}
}

func TestReadReportsEveryFault(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ claim, from, to, want string }{
		{"an unknown key", "version: us-default-1", "versoin: x", "versoin"},
		{"another format", "policy: 1", "policy: 2", "format"},
		{"a type that is not there", "  Account: ", "  Acount: ", `"Acount" is no resource type`},
		{"a type without a class", "  - Slot\n", "", "Slot is neither"},
		{"a type twice", "  - Slot\n", "  - Slot\n  - Slot\n", "Slot is listed twice"},
		{"a parameter that is not there", "element: beneficiary, params: [patient, beneficiary]", "element: beneficiary, params: [patents]", `Coverage has no search parameter "patents"`},
		{"neither self nor element", "{ self: true, params: [_id] }", "{ params: [_id] }", "either self or an element"},
		{"a column that is not there", "parental:            { child: child", "parental:            { child: chid", `no column "chid"`},
		{"a category that is not there", "      allergies:     { do: [read] }", "      alergies:     { do: [read] }", `no category "alergies"`},
		{"an action that is not there", "do: [read, refill]", "do: [read, refil]", `no action "refil"`},
		{"a pack that is not there", "pack: us-12-18", "pack: us", `no pack "us"`},
		{"bands in the wrong order", "us-12-18: { teen: 12, adult: 18 }", "us-12-18: { teen: 19, adult: 18 }", "do not follow"},
		{"no window", "window: 720h", "window: 0s", "window"},
		{"a label that is not there", "label: { read: N }", "label: { read: X }", `no label "X"`},
		{"a filter that is none", `"Observation?category=laboratory"`, `"Observation?category"`, "Type?name=value"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			if !bytes.Contains(text, []byte(tt.from)) {
				t.Fatalf("%q is not in the defaults", tt.from)
			}
			_, err := policy.Read(strings.NewReader(strings.Replace(string(text), tt.from, tt.to, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
