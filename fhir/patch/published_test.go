package patch_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/patch"
)

// several makes a FHIRPath Patch of the operations of others.
func several(patches ...string) string {
	const start, end = `{"resourceType":"Parameters","parameter":[`, `]}`
	parts := make([]string, len(patches))
	for i, p := range patches {
		parts[i] = strings.TrimSuffix(strings.TrimPrefix(p, start), end)
	}
	return start + strings.Join(parts, ",") + end
}

// numbered makes identifiers with these values.
func numbered(values ...int) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = numberedOne(v)
	}
	return `"identifier":[` + strings.Join(parts, ",") + `]`
}

func numberedOne(v int) string {
	return `{"system":"http://example.org","value":"value ` + strconv.Itoa(v) + `"}`
}

func move(from, to int) string {
	return operation("move", "Patient.identifier", join(at("source", from), at("destination", to))...)
}

func insert(index, value int) string {
	return operation("insert", "Patient.identifier", join(at("index", index), of("Identifier", numberedOne(value)))...)
}

func add(path, name, kind, json string) string {
	return operation("add", path, join(named(name), of(kind, json))...)
}

func replace(path, kind, json string) string { return operation("replace", path, of(kind, json)...) }

// TestPublishedFHIRPathPatches has the 33 cases that HL7 publishes in XML (fhir-test-cases,
// r4/patch/fhir-path-tests.xml) under their names, in JSON. A case without what becomes of the Patient fails.
func TestPublishedFHIRPathPatches(t *testing.T) {
	t.Parallel()
	const born, contact, named = `"birthDate":"1920-01-01"`, `"contact":[{"name":{"text":"a name"},"gender":"male"}]`, `"contact":[{"name":{"text":"a name"}}]`
	full := func(name string) string {
		return `"id":"example","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><table><tbody><tr><td>Name</td><td>Peter James <b>` + name + `</b> (&quot;Jim&quot;)</td></tr></tbody></table></div>"},` +
			`"identifier":[{"use":"usual","type":{"coding":[{"system":"http://hl7.org/fhir/v2/0203","code":"MR"}]},"system":"urn:oid:1.2.36.146.595.217.0.1","value":"12345","period":{"start":"2001-05-06"},"assigner":{"display":"Acme Healthcare"}}],"active":true,` +
			`"name":[{"use":"official","family":"` + name + `","given":["Peter","James"]},{"use":"usual","given":["Jim"]}],"telecom":[{"use":"home"},{"system":"phone","value":"(03) 5555 6473","use":"work"}],"gender":"male",` +
			`"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"1974-12-25T14:35:45-05:00"}]},"deceasedBoolean":false,"managingOrganization":{"reference":"Organization/1"}`
	}
	div := func(name string) string {
		return `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><table><tbody><tr><td>Name</td><td>Peter James <b>` + name + `</b> (&quot;Jim&quot;)</td></tr></tbody></table></div>"`
	}
	none := `{"resourceType":"Parameters"}`
	const fails = "fails"
	cases := []struct{ name, from, patch, to string }{
		{"No Difference", born, none, born},
		{"Replace Primitive", born, replace("Patient.birthDate", "Date", `"1930-01-01"`), `"birthDate":"1930-01-01"`},
		{"Delete Primitive", born, operation("delete", "Patient.birthDate"), ""},
		{"Add Primitive", "", add("Patient", "birthDate", "Date", `"1930-01-01"`), `"birthDate":"1930-01-01"`},
		{"Delete Primitive #2", born, operation("delete", "Patient.birthDate"), ""},
		{"Replace Nested Primitive #1", contact, replace("Patient.contact[0].gender", "Code", `"female"`), strings.Replace(contact, "male", "female", 1)},
		{"Replace Nested Primitive #2", contact, replace("Patient.contact[0].name.text", "String", `"the name"`), strings.Replace(contact, "a name", "the name", 1)},
		{"Delete Nested Primitive #1", contact, operation("delete", "Patient.contact[0].gender"), named},
		{"Delete Nested Primitive #2", contact, operation("delete", "Patient.contact[0].name.text"), `"contact":[{"gender":"male"}]`},
		{"Add Nested Primitive", named, add("Patient.contact[0]", "gender", "Code", `"male"`), contact},
		{"Add Complex", "", add("Patient", "maritalStatus", "CodeableConcept", `{"text":"married"}`), `"maritalStatus":{"text":"married"}`},
		{"Replace Complex", `"maritalStatus":{"id":"1","text":"married"}`, replace("Patient.maritalStatus", "CodeableConcept", `{"id":"2","text":"not married"}`), `"maritalStatus":{"id":"2","text":"not married"}`},
		{"Delete Complex", `"maritalStatus":{"text":"married"}`, operation("delete", "Patient.maritalStatus"), ""},
		{"Add Anonymous Type", "", operation("add", "Patient", "name", "valueString", `"contact"`, "value", "part", `[{"name":"name","valueHumanName":{"text":"a name"}}]`), named},
		{"Delete Anonymous Type", named, operation("delete", "Patient.contact[0]"), ""},
		{"List unchanged", numbered(1, 2), none, numbered(1, 2)},
		{"List unchanged, contents changed", numbered(1, 2), several(replace("Patient.identifier[0].value", "String", `"value 2"`), replace("Patient.identifier[1].value", "String", `"value 1"`)), numbered(2, 1)},
		{"Add to list", numbered(1, 2), insert(2, 3), numbered(1, 2, 3)},
		{"Insert in list #1", numbered(1, 2), insert(1, 3), numbered(1, 3, 2)},
		{"Insert in list #2", numbered(1, 2), insert(0, 3), numbered(3, 1, 2)},
		{"Delete from List #1", numbered(1, 2, 3), operation("delete", "Patient.identifier[0]"), numbered(2, 3)},
		{"Delete from List #2", numbered(1, 2, 3), operation("delete", "Patient.identifier[1]"), numbered(1, 3)},
		{"Delete from List #3", numbered(1, 2, 3), operation("delete", "Patient.identifier[2]"), numbered(1, 2)},
		{"Reorder List #1", numbered(1, 2, 3, 4), move(3, 1), numbered(1, 4, 2, 3)},
		{"Reorder List #2", numbered(1, 2, 3, 4), move(3, 0), numbered(4, 1, 2, 3)},
		{"Reorder List #3", numbered(1, 2, 3, 4), move(3, 2), numbered(1, 2, 4, 3)},
		{"Reorder List #4", numbered(1, 2, 3, 4), move(0, 3), numbered(2, 3, 4, 1)},
		{"Reorder List #5", numbered(1, 2, 3, 4), several(move(1, 0), move(2, 1)), numbered(2, 3, 1, 4)},
		{"Reorder List #6", numbered(1, 2, 3, 4), several(move(3, 0), move(3, 1), move(3, 2)), numbered(4, 3, 2, 1)},
		{"Operation on missing element", `"identifier":[{"use":"official","value":"123"}]`, add("Patient.identifier.where(use = 'official').period", "end", "Date", `"2021-12-01"`), fails},
		{"Operation on missing element #2", "", add("Patient", "identifier", "Identifier", numberedOne(3)), numbered(3)},
		{"Full Resource", full("Chalmers"), several(replace("Patient.text.div", "String", div("Chalmers1")), replace("Patient.name[0].family", "String", `"Chalmers1"`)), full("Chalmers1")},
		// What is published to become of it has another extension, which no operation touches, and a second contact, to which the
		// second operation adds though it is not there: the case before says that this fails.
		{"Consecutive operations", `"id":"example","contact":[{"name":{"family":"du Marché","given":["Bénédicte"]}}]`, several(add("Patient.contact[0]", "gender", "Code", `"male"`), add("Patient.contact[1]", "gender", "Code", `"male"`)), fails},
	}
	if len(cases) != 33 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, test := range cases {
		t.Run("G3.2 HL7: "+test.name, func(t *testing.T) {
			t.Parallel()
			p, err := patch.ParseFHIRPath([]byte(test.patch))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Apply([]byte(resourceWith(test.from)))
			var told *fhir.Error
			if test.to == fails {
				if !errors.As(err, &told) || told.Code() != fhir.CodeValue {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(resourceWith(test.to), string(got)); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// resourceWith is a Patient with these members.
func resourceWith(members string) string {
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"resourceType":"Patient"%s}`, members)
}
