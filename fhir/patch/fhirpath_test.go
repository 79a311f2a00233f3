package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/patch"
	"github.com/portico-fhir/portico/fhir/schema"
)

// parameters makes a FHIRPath Patch of one operation from its parts, name, type and
// JSON of the value in turn.
func parameters(parts ...string) string {
	var list []string
	for i := 0; i < len(parts); i += 3 {
		list = append(list, fmt.Sprintf(`{"name":%q,%q:%s}`, parts[i], parts[i+1], parts[i+2]))
	}
	return `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[` + strings.Join(list, ",") + `]}]}`
}

// operation makes one with type and path, and what else it needs.
func operation(kind, path string, more ...string) string {
	return parameters(append([]string{"type", "valueCode", `"` + kind + `"`, "path", "valueString", `"` + path + `"`}, more...)...)
}

func named(name string) []string { return []string{"name", "valueString", `"` + name + `"`} }

func of(kind, json string) []string { return []string{"value", "value" + kind, json} }

func at(name string, n int) []string { return []string{name, "valueInteger", fmt.Sprint(n)} }

func join(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func TestFHIRPathPatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		claim, patch string
		from, to     string
		code         fhir.IssueCode
	}{
		{"G3.2 add sets a primitive", operation("add", "Patient", join(named("birthDate"), of("Date", `"1930-01-01"`))...), `"active":true`, `"active":true,"birthDate":"1930-01-01"`, ""},
		{"G3.2 add refuses what is there", operation("add", "Patient", join(named("active"), of("Boolean", `false`))...), "", "", fhir.CodeValue},
		{"G3.2 add appends to a list", operation("add", "Patient", join(named("name"), of("HumanName", `{"text":"B"}`))...), `{"text":"A"}]`, `{"text":"A"},{"text":"B"}]`, ""},
		{"G3.2 add makes a list", operation("add", "Patient", join(named("contact"), []string{"value", "part", `[{"name":"name","valueHumanName":{"text":"C"}},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}}]`})...), `"active":true`, `"active":true,"contact":[{"name":{"text":"C"},"telecom":[{"value":"1"},{"value":"2"}]}]`, ""},
		{"G3.2 add sets a choice by its name and type", operation("add", "Patient", join(named("deceased"), of("Boolean", `true`))...), `"active":true`, `"active":true,"deceasedBoolean":true`, ""},
		{"G3.2 add takes the name of a choice with [x]", operation("add", "Patient", join(named("deceased[x]"), of("DateTime", `"2020"`))...), `"active":true`, `"active":true,"deceasedDateTime":"2020"`, ""},
		{"G3.2 add refuses a type that the choice has not", operation("add", "Patient", join(named("deceased"), of("HumanName", `{"text":"x"}`))...), "", "", fhir.CodeValue},
		{"G3.2 add refuses an element that is not there", operation("add", "Patient", join(named("nonsense"), of("String", `"x"`))...), "", "", fhir.CodeValue},
		{"G3.2 add adds an extension in parts", operation("add", "Patient.name[1]", join(named("extension"), []string{"value", "part", `[{"name":"url","valueUri":"x:y"},{"name":"value","valueDecimal":2.50}]`})...), `{"text":"A"}`, `{"text":"A","extension":[{"url":"x:y","valueDecimal":2.50}]}`, ""},
		{"G3.2 add gives a primitive an extension", operation("add", "Patient.active", join(named("extension"), []string{"value", "part", `[{"name":"url","valueUri":"x:y"},{"name":"value","valueCode":"z"}]`})...), `"active":true`, `"active":true,"_active":{"extension":[{"url":"x:y","valueCode":"z"}]}`, ""},
		{"G3.2 add gives a primitive of a list an extension", operation("add", "Patient.name[0].given[1]", join(named("id"), of("String", `"g"`))...), `["Amy", "B"]`, `["Amy","B"],"_given":[null,{"id":"g"}]`, ""},
		{"G3.2 add takes a contained resource", operation("add", "Patient", join(named("contained"), []string{"value", "resource", `{"resourceType":"Basic","id":"c","code":{"text":"x"}}`})...), `"active":true`, `"active":true,"contained":[{"resourceType":"Basic","id":"c","code":{"text":"x"}}]`, ""},
		{"G3.2 insert puts it before the index", operation("insert", "Patient.name", join(at("index", 1), of("HumanName", `{"text":"B"}`))...), `{"text":"A"}`, `{"text":"B"},{"text":"A"}`, ""},
		{"G3.2 insert at the end", operation("insert", "Patient.name", join(at("index", 2), of("HumanName", `{"text":"B"}`))...), `{"text":"A"}]`, `{"text":"A"},{"text":"B"}]`, ""},
		{"G3.2 insert beyond the end fails", operation("insert", "Patient.name", join(at("index", 3), of("HumanName", `{"text":"B"}`))...), "", "", fhir.CodeValue},
		{"G3.2 insert starts a list", operation("insert", "Patient.photo", join(at("index", 0), of("Attachment", `{"title":"B"}`))...), `"active":true`, `"active":true,"photo":[{"title":"B"}]`, ""},
		{"G3.2 insert needs a list", operation("insert", "Patient.active", join(at("index", 0), of("Boolean", `true`))...), "", "", fhir.CodeValue},
		{"G3.2 insert needs all of a list", operation("insert", "Patient.name.where(text = 'A')", join(at("index", 0), of("HumanName", `{"text":"B"}`))...), "", "", fhir.CodeValue},
		{"G3.2 delete takes an element", operation("delete", "Patient.name.where(text = 'A')"), `,{"text":"A"}`, ``, ""},
		{"G3.2 delete takes a primitive", operation("delete", "Patient.active"), `, "active":true`, ``, ""},
		{"G3.2 delete of nothing is fine", operation("delete", "Patient.birthDate"), "", "", ""},
		{"G3.2 delete of several fails", operation("delete", "Patient.name"), "", "", fhir.CodeValue},
		{"G3.2 replace a primitive", operation("replace", "Patient.name[0].family", of("String", `"Lee"`)...), `Shaw`, `Lee`, ""},
		{"G3.2 replace a choice within an extension", operation("replace", "Patient.extension[0].value", of("Decimal", `2.00`)...), `1.500`, `2.00`, ""},
		{"G3.2 replace a choice by another type", operation("replace", "Patient.extension[0].value", of("String", `"x"`)...), `"valueDecimal":1.500`, `"valueString":"x"`, ""},
		{"G3.2 replace of nothing fails", operation("replace", "Patient.birthDate", of("Date", `"2020"`)...), "", "", fhir.CodeValue},
		{"G3.2 replace of several fails", operation("replace", "Patient.name.given", of("String", `"x"`)...), "", "", fhir.CodeValue},
		{"G3.2 move", operation("move", "Patient.name", join(at("source", 1), at("destination", 0))...), `[{"family":"Shaw","given":["Amy", "B"]},{"text":"A"}]`, `[{"text":"A"},{"family":"Shaw","given":["Amy", "B"]}]`, ""},
		{"G3.2 move beyond the end fails", operation("move", "Patient.name", join(at("source", 0), at("destination", 2))...), "", "", fhir.CodeValue},
		{"G3.2 what is computed cannot be changed", operation("replace", "Patient.name.count()", of("Integer", `1`)...), "", "", fhir.CodeValue},
		{"G3.2 a path that cannot be parsed is refused", operation("delete", "Patient.name["), "", "", fhir.CodeInvalid},
		{"G3.2 an unknown type is refused", operation("append", "Patient"), "", "", fhir.CodeInvalid},
		{"G3.2 a part too many is refused", operation("delete", "Patient.active", at("index", 1)...), "", "", fhir.CodeInvalid},
		{"G3.2 a part too few is refused", operation("add", "Patient"), "", "", fhir.CodeInvalid},
		{"G3.2 a part twice is refused", operation("delete", "Patient.active", "path", "valueString", `"Patient"`), "", "", fhir.CodeInvalid},
		{"G3.2 another resource is refused", `{"resourceType":"Basic","code":{"text":"x"}}`, "", "", fhir.CodeStructure},
		{"G3.2 no operations change nothing", `{"resourceType":"Parameters"}`, "", "", ""},
		{"G3.2 what loses all of its content goes", operation("delete", "Patient.name[1].text"), `,{"text":"A"}`, ``, ""},
		{"G3.2 add needs what it adds to", operation("add", "Patient.name[0].period", join(named("end"), of("Date", `"2020"`))...), "", "", fhir.CodeValue},
		{"G3.4 the id cannot be replaced", operation("replace", "Patient.id", of("Id", `"x"`)...), "", "", fhir.CodeValue},
		{"G3.4 the id cannot be deleted", operation("delete", "Patient.id"), "", "", fhir.CodeValue},
		{"G3.4 the version cannot be replaced", operation("replace", "Patient.meta.versionId", of("Id", `"9"`)...), "", "", fhir.CodeValue},
		{"G3.4 the resource cannot be deleted", operation("delete", "Patient"), "", "", fhir.CodeValue},
	} {
		t.Run(test.claim, func(t *testing.T) {
			t.Parallel()
			check(t, patch.ParseFHIRPath, test.patch, strings.Replace(patient, test.from, test.to, 1), test.code)
		})
	}
}

func TestCompanionsGoWithTheirValues(t *testing.T) {
	t.Parallel()
	const name = `{"resourceType":"Patient","name":[{"given":["a",null,"c"],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},{"extension":[{"url":"x:B","valueCode":"B"}]},null]}]}`
	for patched, want := range map[string]string{
		operation("delete", "Patient.name.given[0]"):                                                       `"given":[null,"c"],"_given":[{"extension":[{"url":"x:B","valueCode":"B"}]},null]`,
		operation("delete", "Patient.name.given[1].extension"):                                             `"given":["a","c"],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},null]`,
		operation("delete", "Patient.name.given[2]"):                                                       `"given":["a",null],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},{"extension":[{"url":"x:B","valueCode":"B"}]}]`,
		operation("replace", "Patient.name.given[0]", of("String", `"x"`)...):                              `"given":["x",null,"c"],"_given":[null,{"extension":[{"url":"x:B","valueCode":"B"}]},null]`,
		operation("move", "Patient.name.given", join(at("source", 0), at("destination", 2))...):            `"given":[null,"c","a"],"_given":[{"extension":[{"url":"x:B","valueCode":"B"}]},null,{"extension":[{"url":"x:A","valueCode":"A"}]}]`,
		operation("insert", "Patient.name.given", join(at("index", 1), of("String", `"x"`))...):            `"given":["a","x",null,"c"],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},null,{"extension":[{"url":"x:B","valueCode":"B"}]},null]`,
		operation("delete", "Patient.name.given[0].extension"):                                             `"given":["a",null,"c"],"_given":[null,{"extension":[{"url":"x:B","valueCode":"B"}]},null]`,
		operation("replace", "Patient.name.given[1].extension.value", of("Code", `"Z"`)...):                `"given":["a",null,"c"],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},{"extension":[{"url":"x:B","valueCode":"Z"}]},null]`,
		operation("add", "Patient.name", join(named("given"), of("String", `"d"`))...):                     `"given":["a",null,"c","d"],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},{"extension":[{"url":"x:B","valueCode":"B"}]},null,null]`,
		operation("add", "Patient.name.where(given.exists())", join(named("use"), of("Code", `"old"`))...): `"given":["a",null,"c"],"_given":[{"extension":[{"url":"x:A","valueCode":"A"}]},{"extension":[{"url":"x:B","valueCode":"B"}]},null],"use":"old"`,
	} {
		p, err := patch.ParseFHIRPath([]byte(patched))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Apply([]byte(name))
		if err != nil || string(got) != `{"resourceType":"Patient","name":[{`+want+`}]}` {
			t.Errorf("%s\n got %s, %v\nwant %s", patched, got, err, want)
		}
		if _, err := new(schema.Validator).Validate(got, "Patient"); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}
