package fhir_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

const base = "https://ehr.example/fhir"

func TestParseReference(t *testing.T) {
	t.Parallel()
	pat := fhir.Key{Type: "Patient", ID: "17"}
	uuid := "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
	tests := []struct {
		claim, in string
		want      fhir.Reference
	}{
		{"relative", "Patient/17", fhir.Reference{Kind: fhir.RefLocal, Key: pat}},
		{"relative with a version", "Patient/17/_history/3", fhir.Reference{Kind: fhir.RefLocal, Key: pat, Version: "3"}},
		{"relative with a fragment", "Patient/17#a", fhir.Reference{Kind: fhir.RefLocal, Key: pat, Fragment: "a"}},
		{"absolute below the base", base + "/Patient/17", fhir.Reference{Kind: fhir.RefLocal, Key: pat}},
		{"absolute below the base with a version", base + "/Patient/17/_history/3", fhir.Reference{Kind: fhir.RefLocal, Key: pat, Version: "3"}},
		{"absolute elsewhere", "https://other.example/fhir/Patient/17", fhir.Reference{Kind: fhir.RefExternal, URL: "https://other.example/fhir/Patient/17"}},
		{"absolute where only the host's start is ours", "https://ehr.example/fhirx/Patient/17", fhir.Reference{Kind: fhir.RefExternal, URL: "https://ehr.example/fhirx/Patient/17"}},
		{"below the base but no resource", base + "/metadata", fhir.Reference{Kind: fhir.RefExternal, URL: base + "/metadata"}},
		{"a canonical", "http://hl7.org/fhir/ValueSet/x", fhir.Reference{Kind: fhir.RefExternal, URL: "http://hl7.org/fhir/ValueSet/x"}},
		{"a canonical with a version", "http://hl7.org/fhir/ValueSet/x|4.0.1", fhir.Reference{Kind: fhir.RefExternal, URL: "http://hl7.org/fhir/ValueSet/x", Version: "4.0.1"}},
		{"a canonical with version and fragment", "http://x.example/q|2#sec", fhir.Reference{Kind: fhir.RefExternal, URL: "http://x.example/q", Version: "2", Fragment: "sec"}},
		{"a fragment", "#med1", fhir.Reference{Kind: fhir.RefFragment, Fragment: "med1"}},
		{"the container itself", "#", fhir.Reference{Kind: fhir.RefFragment}},
		{"a uuid", uuid, fhir.Reference{Kind: fhir.RefURN, URL: uuid}},
		{"an oid", "urn:oid:1.2.3.4", fhir.Reference{Kind: fhir.RefURN, URL: "urn:oid:1.2.3.4"}},
		{"a canonical uuid with a version", uuid + "|2", fhir.Reference{Kind: fhir.RefURN, URL: uuid, Version: "2"}},
		{"another urn", "urn:ietf:rfc:3986", fhir.Reference{Kind: fhir.RefExternal, URL: "urn:ietf:rfc:3986"}},
		{"nothing", "", fhir.Reference{}},
		{"a type alone", "Patient", fhir.Reference{}},
		{"a type without an id", "Patient/", fhir.Reference{}},
		{"an unknown type", "Patent/17", fhir.Reference{}},
		{"the wrong case", "patient/17", fhir.Reference{}},
		{"an abstract type", "DomainResource/17", fhir.Reference{}},
		{"an id outside the grammar", "Patient/a_b", fhir.Reference{}},
		{"an id that is too long", "Patient/" + strings.Repeat("a", 65), fhir.Reference{}},
		{"a path that climbs", "Patient/../17", fhir.Reference{}},
		{"a compartment", "Patient/17/Observation", fhir.Reference{}},
		{"a history without a version", "Patient/17/_history/", fhir.Reference{}},
		{"a leading slash", "/Patient/17", fhir.Reference{}},
		{"a conditional reference", "Patient?identifier=1", fhir.Reference{}},
		{"no scheme", "//other.example/Patient/17", fhir.Reference{}},
		{"white space in a URL", "http://x.example/a b", fhir.Reference{}},
		{"text with a colon", "1see: below", fhir.Reference{}},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, fhir.ParseReference(tt.in, base)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseReferenceWithoutBase(t *testing.T) {
	t.Parallel()
	got := fhir.ParseReference(base+"/Patient/17", "")
	if got.Kind != fhir.RefExternal {
		t.Errorf("without a base an absolute URL is %+v, want external", got)
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"Patient/17/_history/3#x", base + "/Patient/17", "#a", "urn:uuid:1|2#3", "http://a/b|c", "://", "x:y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := fhir.ParseReference(s, base)
		switch r.Kind {
		case fhir.RefLocal:
			if !r.Key.Type.Valid() || !fhir.ValidID(r.Key.ID) || r.Version != "" && !fhir.ValidID(r.Version) {
				t.Fatalf("%q: %+v", s, r)
			}
			again := r.Key.String()
			if r.Version != "" {
				again += "/_history/" + r.Version
			}
			if r.Fragment != "" {
				again += "#" + r.Fragment
			}
			if diff := cmp.Diff(r, fhir.ParseReference(again, base)); diff != "" {
				t.Fatalf("%q read again as %q: %s", s, again, diff)
			}
		case fhir.RefURN, fhir.RefExternal:
			if r.Key != (fhir.Key{}) || !strings.HasPrefix(s, r.URL) || r.URL == "" {
				t.Fatalf("%q: %+v", s, r)
			}
		case fhir.RefFragment:
			if s != "#"+r.Fragment {
				t.Fatalf("%q: %+v", s, r)
			}
		default:
			if r != (fhir.Reference{}) {
				t.Fatalf("%q is invalid but %+v", s, r)
			}
		}
	})
}
