package search

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

func TestCompartments(t *testing.T) {
	t.Parallel()
	p := testParser(t, "_id", "code", "subject", "performer", "patient", "link", "encounter")
	patient := fhir.Key{Type: "Patient", ID: "1"}
	ref := fhir.ReferenceValue{Type: "Patient", ID: "1"}
	parse := func(t *testing.T, of fhir.Key, typ fhir.Type, params ...Pair) *Request {
		t.Helper()
		req, err := p.ParseWithin(of, typ, params, false, "")
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	t.Run("G7.1 the compartment is a condition beside the others", func(t *testing.T) {
		t.Parallel()
		req := parse(t, patient, "Observation", Pair{"code", "c"})
		want := fhir.And{
			fhir.Term{Param: lookup(t, "Observation", "code"), Value: fhir.TokenValue{Code: "c", AnySystem: true}},
			fhir.Or{
				fhir.Term{Param: lookup(t, "Observation", "performer"), Value: ref},
				fhir.Term{Param: lookup(t, "Observation", "subject"), Value: ref},
			},
		}
		if got := req.Query.Where.(fhir.And); len(got) != 2 || !cmp.Equal(want[0], got[0]) || len(got[1].(fhir.Or)) != 2 {
			t.Fatal(cmp.Diff(want, got))
		}
		for _, e := range want[1].(fhir.Or) {
			if !slices.ContainsFunc(req.Query.Where.(fhir.And)[1].(fhir.Or), func(have fhir.Expr) bool { return cmp.Equal(e, have) }) {
				t.Errorf("no %v in %v", e, req.Query.Where)
			}
		}
	})
	t.Run("G7.1 a resource is in its own compartment", func(t *testing.T) {
		t.Parallel()
		own := parse(t, fhir.Key{Type: "Encounter", ID: "e"}, "Encounter")
		if diff := cmp.Diff(fhir.Expr(fhir.Term{Param: lookup(t, "Encounter", "_id"), Value: fhir.TokenValue{Code: "e", AnySystem: true}}), own.Query.Where); diff != "" {
			t.Error(diff)
		}
		if or, ok := parse(t, patient, "Patient").Query.Where.(fhir.Or); !ok || len(or) != 2 {
			t.Errorf("want itself or a link to it, got %v", or)
		}
	})
	t.Run("G7.1 a cursor belongs to one compartment", func(t *testing.T) {
		t.Parallel()
		next := parse(t, patient, "Observation").NextPairs("here")
		if got := parse(t, patient, "Observation", next...).Query.Cursor; got != "here" {
			t.Errorf("got %q", got)
		}
		if _, err := p.ParseWithin(fhir.Key{Type: "Patient", ID: "2"}, "Observation", next, false, ""); err == nil {
			t.Error("accepted for another patient")
		}
		if _, err := p.Parse("Observation", next, false, ""); err == nil {
			t.Error("accepted without a compartment")
		}
	})
	for claim, tt := range map[string]struct {
		of     fhir.Key
		typ    fhir.Type
		detail string
	}{
		"G7.1 a type without a compartment is refused":         {fhir.Key{Type: "Group", ID: "1"}, "Observation", "Device, Encounter, Patient"},
		"G7.1 a type outside the compartment is refused":       {patient, "Location", "not in the compartment"},
		"G7.1 a link that cannot be searched by is refused":    {patient, "Appointment", "cannot be searched"},
		"G7.1 a type that needs no link but itself is refused": {fhir.Key{Type: "Device", ID: "1"}, "Patient", "not in the compartment"},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			_, err := p.ParseWithin(tt.of, tt.typ, nil, false, "")
			var refusal *fhir.Error
			if !errors.As(err, &refusal) || refusal.Code() != fhir.CodeNotSupported || !strings.Contains(refusal.Error(), tt.detail) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("every parameter of a compartment is a search parameter of the type", func(t *testing.T) {
		t.Parallel()
		for _, of := range Compartments() {
			for typ, names := range compartments[of] {
				for _, name := range names {
					if _, ok := Lookup(typ, name); !ok && name != "{def}" {
						t.Errorf("%s has no parameter %s", typ, name)
					}
				}
			}
		}
	})
}

func TestParseSeveral(t *testing.T) {
	t.Parallel()
	p := testParser(t, "_id", "_lastUpdated", "code", "subject", "patient", "date", "gender")
	types := func(req *Request) (got []fhir.Type) {
		for _, q := range req.Queries {
			got = append(got, q.Type)
		}
		return got
	}
	parse := func(t *testing.T, of fhir.Key, params ...Pair) *Request {
		t.Helper()
		req, err := p.ParseSeveral(of, params, false, "")
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	t.Run("G7.1 _type names the types, each once and in order", func(t *testing.T) {
		t.Parallel()
		req := parse(t, fhir.Key{}, Pair{"_type", "Patient,Observation"}, Pair{"_id", "1"}, Pair{"_type", "Patient"})
		if diff := cmp.Diff([]fhir.Type{"Observation", "Patient"}, types(req)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]Pair{{"_id", "1"}, {"_type", "Patient,Observation"}, {"_type", "Patient"}}, req.Used); diff != "" {
			t.Error(diff)
		}
		for _, q := range req.Queries {
			if q.Where == nil {
				t.Errorf("%s is not restricted", q.Type)
			}
		}
	})
	t.Run("G7.1 a cursor is bound to the types", func(t *testing.T) {
		t.Parallel()
		next := parse(t, fhir.Key{}, Pair{"_type", "Patient"}).NextPairs("Patient:x")
		if got := parse(t, fhir.Key{}, next...).Position; got != "Patient:x" {
			t.Errorf("got %q", got)
		}
		next[0].Value = "Observation"
		if _, err := p.ParseSeveral(fhir.Key{}, next, false, ""); err == nil {
			t.Error("accepted for another type")
		}
	})
	t.Run("G7.1 without _type a compartment is searched whole", func(t *testing.T) {
		t.Parallel()
		got := types(parse(t, fhir.Key{Type: "Patient", ID: "1"}))
		if !slices.Contains(got, "Observation") || !slices.Contains(got, "Patient") || slices.Contains(got, "Location") || !slices.IsSorted(got) {
			t.Errorf("got %v", got)
		}
	})
	for _, tt := range []struct {
		claim  string
		code   fhir.IssueCode
		params []Pair
	}{
		{"G7.1 no _type is too costly", fhir.CodeTooCostly, nil},
		{"G7.1 an unknown type is refused", fhir.CodeInvalid, []Pair{{"_type", "Patient,Patinet"}}},
		{"G7.1 a parameter that one type has not is refused", fhir.CodeNotSupported, []Pair{{"_type", "Patient,Observation"}, {"gender", "male"}}},
		{"G7.1 no order over several types", fhir.CodeNotSupported, []Pair{{"_type", "Patient,Observation"}, {"_sort", "_id"}}},
		{"G7.1 a bad value is refused", fhir.CodeInvalid, []Pair{{"_type", "Patient"}, {"_lastUpdated", "soon"}}},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			for _, lenient := range []bool{false, true} {
				_, err := p.ParseSeveral(fhir.Key{}, tt.params, lenient, "")
				var refusal *fhir.Error
				if !errors.As(err, &refusal) || refusal.Code() != tt.code {
					t.Errorf("lenient %v: got %v, want %s", lenient, err, tt.code)
				}
			}
		})
	}
}

func TestShape(t *testing.T) {
	t.Parallel()
	p := testParser(t, "_id", "patient", "subject")
	for _, tt := range []struct {
		claim  string
		params []Pair
		want   Shape
		code   fhir.IssueCode
	}{
		{"G7.15 _summary is read", []Pair{{"_summary", "text"}}, Shape{Summary: "text"}, ""},
		{"G7.15 _elements is read", []Pair{{"_elements", "id,code"}}, Shape{Elements: []string{"id", "code"}}, ""},
		{"G7.15 false is all", []Pair{{"_summary", "false"}, {"_elements", "id"}}, Shape{Elements: []string{"id"}}, ""},
		{"G7.15 both are refused", []Pair{{"_summary", "true"}, {"_elements", "id"}}, Shape{}, fhir.CodeInvalid},
		{"G7.15 count and _elements are refused", []Pair{{"_summary", "count"}, {"_elements", "id"}}, Shape{}, fhir.CodeInvalid},
		{"G7.15 text and an include are refused", []Pair{{"_summary", "text"}, {"_include", "Observation:subject"}}, Shape{}, fhir.CodeInvalid},
		{"G7.15 another value is refused", []Pair{{"_summary", "yes"}}, Shape{}, fhir.CodeInvalid},
		{"G7.15 twice is refused", []Pair{{"_elements", "id"}, {"_elements", "code"}}, Shape{}, fhir.CodeInvalid},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			req, err := p.Parse("Observation", tt.params, false, "")
			if tt.code != "" {
				var refusal *fhir.Error
				if !errors.As(err, &refusal) || refusal.Code() != tt.code {
					t.Fatalf("got %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, req.Shape); diff != "" {
				t.Error(diff)
			}
			if next := req.NextPairs("x"); !cmp.Equal(tt.params, next[:len(tt.params)]) {
				t.Errorf("the next link has %v", next)
			}
		})
	}
}
