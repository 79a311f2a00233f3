package patch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/patch"
)

// codeOf gives the code of a fhir.Error, "" for no error.
func codeOf(t testing.TB, err error) fhir.IssueCode {
	t.Helper()
	var e *fhir.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("untyped: %v", err)
	}
	if e == nil {
		return ""
	}
	return e.Code()
}

const patient = `{ "resourceType" : "Patient", "id":"p", "meta":{"versionId":"3","lastUpdated":"2026-01-01T00:00:00.000Z"},
  "name":[{"family":"Shaw","given":["Amy", "B"]},{"text":"A"}],
  "extension":[{"url":"http://example.org/n","valueDecimal":1.500}], "active":true }`

func TestJSONPatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		claim, patch string
		from, to     string // a part of the patient and what it becomes; "" for no change
		code         fhir.IssueCode
	}{
		{"G3.1 add sets a member that is not there", `[{"op":"add","path":"/gender","value":"female"}]`, `"active":true`, `"active":true,"gender":"female"`, ""},
		{"G3.1 add replaces a member that is there", `[{"op":"add","path":"/active","value":false}]`, `:true`, `:false`, ""},
		{"G3.1 add inserts into a list", `[{"op":"add","path":"/name/0/given/1","value":"X"}]`, `["Amy", "B"]`, `["Amy", "X","B"]`, ""},
		{"G3.1 add takes - for the end", `[{"op":"add","path":"/name/0/given/-","value":"X"}]`, `"B"]`, `"B","X"]`, ""},
		{"G3.1 add takes the length for the end", `[{"op":"add","path":"/name/0/given/2","value":"X"}]`, `"B"]`, `"B","X"]`, ""},
		{"G3.1 add beyond the end fails", `[{"op":"add","path":"/name/0/given/3","value":"X"}]`, "", "", fhir.CodeValue},
		{"G3.1 add to what is not there fails", `[{"op":"add","path":"/photo/0/url","value":"X"}]`, "", "", fhir.CodeValue},
		{"G3.1 remove takes a member with its comma", `[{"op":"remove","path":"/active"}]`, `, "active":true`, ``, ""},
		{"G3.1 remove takes an element", `[{"op":"remove","path":"/name/0/given/0"}]`, `"Amy", "B"`, `"B"`, ""},
		{"G3.1 remove takes the last element", `[{"op":"remove","path":"/name/1"}]`, `,{"text":"A"}`, ``, ""},
		{"G3.1 remove of nothing fails", `[{"op":"remove","path":"/photo"}]`, "", "", fhir.CodeValue},
		{"G3.1 replace keeps everything else", `[{"op":"replace","path":"/name/0/family","value":"Lee"}]`, `Shaw`, `Lee`, ""},
		{"G3.1 replace of nothing fails", `[{"op":"replace","path":"/gender","value":"male"}]`, "", "", fhir.CodeValue},
		{"G3.1 replace takes no -", `[{"op":"replace","path":"/name/-","value":{}}]`, "", "", fhir.CodeValue},
		{"G3.1 move within a list", `[{"op":"move","from":"/name/0/given/0","path":"/name/0/given/1"}]`, `["Amy", "B"]`, `["B","Amy"]`, ""},
		{"G3.1 move to itself does nothing", `[{"op":"move","from":"/active","path":"/active"}]`, "", "", ""},
		{"G3.1 move into itself is refused", `[{"op":"move","from":"/name","path":"/name/0/x"}]`, "", "", fhir.CodeInvalid},
		{"G3.1 copy", `[{"op":"copy","from":"/name/1/text","path":"/name/0/text"}]`, `"B"]}`, `"B"],"text":"A"}`, ""},
		{"G3.1 test holds by value", `[{"op":"test","path":"/extension/0","value":{"valueDecimal":15e-1,"url":"http:\/\/example.org/n"}}]`, "", "", ""},
		{"G3.1 test tells lists apart by order", `[{"op":"test","path":"/name/0/given","value":["B","Amy"]}]`, "", "", fhir.CodeValue},
		{"G3.1 test of nothing fails", `[{"op":"test","path":"/photo","value":null}]`, "", "", fhir.CodeValue},
		{"G3.1 a test that fails undoes all", `[{"op":"remove","path":"/active"},{"op":"test","path":"/id","value":"x"}]`, "", "", fhir.CodeValue},
		{"G3.1 pointers escape ~ and /", `[{"op":"add","path":"/a~1b~0c","value":1},{"op":"test","path":"/a~1b~0c","value":1},{"op":"move","from":"/a~1b~0c","path":"/m"}]`, `"active":true`, `"active":true,"m":1`, ""},
		{"G3.1 an escape is not applied twice", `[{"op":"add","path":"/~01","value":1}]`, `"active":true`, `"active":true,"~1":1`, ""},
		{"G3.1 an index has no leading zero", `[{"op":"remove","path":"/name/00"}]`, "", "", fhir.CodeValue},
		{"G3.1 null is a value", `[{"op":"add","path":"/x","value":null}]`, `"active":true`, `"active":true,"x":null`, ""},
		{"G3.1 unknown members are ignored", `[{"op":"remove","path":"/active","note":"x"}]`, `, "active":true`, ``, ""},
		{"G3.1 an unknown op is refused", `[{"op":"append","path":"/active"}]`, "", "", fhir.CodeInvalid},
		{"G3.1 add needs a value", `[{"op":"add","path":"/active"}]`, "", "", fhir.CodeInvalid},
		{"G3.1 op may not be there twice", `[{"op":"add","op":"remove","path":"/active"}]`, "", "", fhir.CodeStructure},
		{"G3.1 a patch without operations changes nothing", `[]`, "", "", ""},
		{"G3.1 an object is no patch", `{"op":"remove","path":"/active"}`, "", "", fhir.CodeStructure},
		{"G3.1 null is no patch", `null`, "", "", fhir.CodeStructure},
		{"G3.1 a pointer starts with a slash", `[{"op":"remove","path":"active"}]`, "", "", fhir.CodeInvalid},
		{"G3.1 a dangling tilde is refused", `[{"op":"remove","path":"/a~2"}]`, "", "", fhir.CodeInvalid},
		{"G3.4 the id cannot be changed", `[{"op":"replace","path":"/id","value":"q"}]`, "", "", fhir.CodeValue},
		{"G3.4 the id cannot be removed", `[{"op":"remove","path":"/id"}]`, "", "", fhir.CodeValue},
		{"G3.4 the type cannot be moved away", `[{"op":"move","from":"/resourceType","path":"/language"}]`, "", "", fhir.CodeValue},
		{"G3.4 the version cannot be changed", `[{"op":"replace","path":"/meta/versionId","value":"9"}]`, "", "", fhir.CodeValue},
		{"G3.4 nor with all of meta", `[{"op":"replace","path":"/meta","value":{"versionId":"9"}}]`, "", "", fhir.CodeValue},
		{"G3.4 nor can lastUpdated", `[{"op":"remove","path":"/meta/lastUpdated"}]`, "", "", fhir.CodeValue},
		{"G3.4 the whole resource cannot become another", `[{"op":"replace","path":"","value":{"resourceType":"Basic","id":"p"}}]`, "", "", fhir.CodeValue},
		{"G3.4 nor something that is none", `[{"op":"replace","path":"","value":7}]`, "", "", fhir.CodeValue},
		{
			"G3.1 meta can lose what the server sets with the rest", `[{"op":"replace","path":"/meta","value":{"source":"x:y"}}]`,
			`{"versionId":"3","lastUpdated":"2026-01-01T00:00:00.000Z"}`, `{"source":"x:y"}`, "",
		},
	} {
		t.Run(test.claim, func(t *testing.T) {
			t.Parallel()
			check(t, patch.ParseJSON, test.patch, strings.Replace(patient, test.from, test.to, 1), test.code)
		})
	}
}

// check applies a patch to the patient.
func check(t *testing.T, parse func([]byte) (patch.Patch, error), text, want string, code fhir.IssueCode) {
	t.Helper()
	p, err := parse([]byte(text))
	var got []byte
	if err == nil {
		got, err = p.Apply([]byte(patient))
	}
	if codeOf(t, err) != code {
		t.Fatalf("got %v, want code %q", err, code)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestCopiesCannotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	text := `[{"op":"add","path":"/x","value":["` + strings.Repeat("x", 10_000) + `"]}` +
		strings.Repeat(`,{"op":"copy","from":"/x","path":"/x/0"}`, 500) + `]`
	p, err := patch.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply([]byte(patient)); codeOf(t, err) != fhir.CodeTooCostly {
		t.Errorf("got %v", err)
	}
	deep := `[{"op":"add","path":"/x","value":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}]`
	if _, err := patch.ParseJSON([]byte(deep)); codeOf(t, err) != fhir.CodeInvalid {
		t.Errorf("a deep value: %v", err)
	}
	many := `[` + strings.Repeat(`{"op":"remove","path":"/x"},`, 1000) + `{"op":"remove","path":"/x"}]`
	if _, err := patch.ParseJSON([]byte(many)); codeOf(t, err) != fhir.CodeTooCostly {
		t.Errorf("many operations: %v", err)
	}
}
