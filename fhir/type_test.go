package fhir_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	types := fhir.Types()
	if len(types) != 146 || !slices.IsSorted(types) {
		t.Fatalf("%d types, sorted %v; want the 146 of R4, sorted", len(types), slices.IsSorted(types))
	}
	for _, typ := range types {
		if !typ.Valid() {
			t.Errorf("%s is listed but not valid", typ)
		}
	}
	for _, typ := range []fhir.Type{"", "patient", "Patient ", "Resource", "DomainResource", "Element", "HumanName", "Patients", "Zzz", "Subscriptionn"} {
		if typ.Valid() {
			t.Errorf("%q is valid", typ)
		}
	}
	types[0] = "Changed"
	if fhir.Types()[0] != "Account" {
		t.Error("a caller's change to the slice of Types is seen by others")
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"1": true, "a-B.9": true, ".": true, "..": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a_b": false, "a/b": false, "a b": false, "ä": false, "a\x00": false, "a\n": false, "%31": false, "$x": false,
	} {
		if got := fhir.ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
	}
}

func TestKeyString(t *testing.T) {
	t.Parallel()
	if got := (fhir.Key{Type: "Patient", ID: "17"}).String(); got != "Patient/17" {
		t.Error(got)
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	plain := fhir.Errorf(fhir.CodeValue, "Patient.gender", "not a code: want one of %s", "male, female")
	if got, want := plain.Error(), "Patient.gender: not a code: want one of male, female"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if plain.Code() != fhir.CodeValue {
		t.Errorf("code %s", plain.Code())
	}
	caused := plain.Because(io.ErrUnexpectedEOF)
	if !errors.Is(caused, io.ErrUnexpectedEOF) || plain.Err != nil {
		t.Error("Because must wrap the cause in a copy")
	}
	var as *fhir.Error
	if !errors.As(error(caused), &as) || as.Issues[0] != plain.Issues[0] {
		t.Error("the issues must survive Because")
	}
	if got := (&fhir.Error{}).Code(); got != fhir.CodeException {
		t.Errorf("an error without issues has code %s, want exception", got)
	}
	two := &fhir.Error{Issues: []fhir.Issue{{Code: fhir.CodeRequired, Detail: "a"}, {Code: fhir.CodeValue, Detail: "b"}}}
	if two.Code() != fhir.CodeRequired || two.Error() != "a; b" {
		t.Errorf("%s: %v", two.Code(), two)
	}
}

func TestCapabilityNone(t *testing.T) {
	t.Parallel()
	if !(fhir.Capability{Source: "nowhere"}).None() {
		t.Error("a capability without interactions must be none")
	}
	for _, c := range []fhir.Capability{{Read: true}, {VRead: true}, {HistoryInstance: true}, {Create: true}, {Update: true}, {UpdateCreate: true}, {Delete: true}, {Search: true}} {
		if c.None() {
			t.Errorf("%+v is none", c)
		}
	}
}
