package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestMembers_G2_3(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"unknown", `{"resourceType":"Patient","nme":[]}`, []string{"structure Patient.nme"}},
		{"unknown with a name that is no path", `{"resourceType":"Patient","a b":[]}`, []string{"structure Patient"}},
		{"empty name", `{"resourceType":"Patient","":1}`, []string{"structure Patient"}},
		{"only an underscore", `{"resourceType":"Patient","_":{}}`, []string{"structure Patient._"}},
		{"a MongoDB operator", `{"resourceType":"Patient","$set":{"a":1}}`, []string{"structure Patient"}},
		{"miscased", `{"resourceType":"Patient","Active":true}`, []string{"structure Patient.Active"}},
		{"resourceType inside an element", `{"resourceType":"Patient","name":[{"resourceType":"HumanName","family":"A"}]}`, []string{"structure Patient.name[0].resourceType"}},
		{"of another type", `{"resourceType":"Patient","effectiveDateTime":"2020"}`, []string{"structure Patient.effectiveDateTime"}},
		{"of DSTU2", `{"resourceType":"Patient","active":true,"fhir_comments":["x"]}`, []string{"structure Patient.fhir_comments"}},
		{"twice", `{"resourceType":"Patient","active":true,"active":true}`, []string{"structure Patient.active"}},
		{"twice, once with an escape", `{"resourceType":"Patient","active":true,"a\u0063tive":false}`, []string{"structure Patient.active"}},
		{"with an escape", `{"resourceType":"Patient","a\u0063tive":true}`, nil},
		{"companion twice", `{"resourceType":"Patient","active":true,"_active":{"id":"a"},"_active":{"id":"b"}}`, []string{"structure Patient.active"}},
		{"an empty object", `{"resourceType":"Patient","maritalStatus":{}}`, []string{"structure Patient.maritalStatus"}},
		{"only an id (ele-1)", `{"resourceType":"Patient","maritalStatus":{"id":"a"}}`, []string{"structure Patient.maritalStatus"}},
		{"id with white space", `{"resourceType":"Patient","maritalStatus":{"id":"a b","text":"x"}}`, []string{"value Patient.maritalStatus.id"}},
		{"id of a resource has no companion", `{"resourceType":"Patient","_id":{"id":"a"}}`, []string{"structure Patient._id"}},
		{"an object where a primitive belongs", `{"resourceType":"Patient","active":{"value":true}}`, []string{"value Patient.active"}},
		{"a primitive where an object belongs", `{"resourceType":"Patient","maritalStatus":"M"}`, []string{"structure Patient.maritalStatus"}},
		{"companion of an object", `{"resourceType":"Patient","_maritalStatus":{"id":"a"}}`, []string{"structure Patient._maritalStatus"}},
		{"resource of no other content", `{"resourceType":"Patient"}`, nil},
	})
}

func TestCardinality_G2_3(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"required is missing", `{"resourceType":"Observation","code":{"text":"x"}}`, []string{"required Observation.status"}},
		{"all required are missing", `{"resourceType":"Observation"}`, []string{"required Observation.status", "required Observation.code"}},
		{"required of a backbone element", `{"resourceType":"Patient","link":[{"type":"seealso"}]}`, []string{"required Patient.link[0].other"}},
		{"required choice", `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"display":"x"}}`, []string{"required MedicationRequest.medication"}},
		{"required has only an extension", `{"resourceType":"Observation","code":{"text":"x"},"_status":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}`, nil},
		{"one where many may be", `{"resourceType":"Patient","name":{"family":"Shaw"}}`, []string{"structure Patient.name"}},
		{"one primitive where many may be", `{"resourceType":"Patient","name":[{"given":"Amy"}]}`, []string{"structure Patient.name[0].given"}},
		{"many where one may be", `{"resourceType":"Patient","active":[true]}`, []string{"structure Patient.active"}},
		{"many objects where one may be", `{"resourceType":"Patient","maritalStatus":[{"text":"x"}]}`, []string{"structure Patient.maritalStatus"}},
		{"an array in an array", `{"resourceType":"Patient","name":[[{"family":"Shaw"}]]}`, []string{"structure Patient.name[0]"}},
		{"an empty array", `{"resourceType":"Patient","name":[]}`, []string{"structure Patient.name"}},
		{"an empty array of primitives", `{"resourceType":"Patient","name":[{"given":[]}]}`, []string{"structure Patient.name[0].given"}},
		{"null", `{"resourceType":"Patient","active":null}`, []string{"structure Patient.active"}},
		{"null for an array", `{"resourceType":"Patient","name":null}`, []string{"structure Patient.name"}},
		{"null in an array of objects", `{"resourceType":"Patient","name":[null]}`, []string{"structure Patient.name[0]"}},
	})
}

func TestChoices_G2_3(t *testing.T) {
	t.Parallel()
	const obs = `{"resourceType":"Observation","status":"final","code":{"text":"x"},`
	checkRules(t, []rule{
		{"one type", obs + `"valueString":"a"}`, nil},
		{"two types", obs + `"valueString":"a","valueBoolean":true}`, []string{"structure Observation.value"}},
		{"a type and another's companion", obs + `"valueString":"a","_valueBoolean":{"id":"a"}}`, []string{"structure Observation.value"}},
		{"a type and its companion", obs + `"valueString":"a","_valueString":{"id":"a"}}`, nil},
		{"the same type twice", obs + `"valueString":"a","valueString":"b"}`, []string{"structure Observation.value"}},
		{"a type that the choice does not have", obs + `"valueMarkdown":"a"}`, []string{"structure Observation.valueMarkdown"}},
		{"no type", obs + `"value":"a"}`, []string{"structure Observation.value"}},
		{"wrong value of the type", obs + `"valueQuantity":{"value":"1"}}`, []string{"value Observation.value.value"}},
	})
}

func TestCompanions_G2_3(t *testing.T) {
	t.Parallel()
	const ext = `{"extension":[{"url":"http://example.org/x","valueCode":"y"}]}`
	patient := func(members string) string { return `{"resourceType":"Patient","name":[{` + members + `}]}` }
	checkRules(t, []rule{
		{"extension and value", `{"resourceType":"Patient","birthDate":"1990","_birthDate":` + ext + `}`, nil},
		{"extension without value", `{"resourceType":"Patient","_birthDate":` + ext + `}`, nil},
		{"id without value (ele-1)", `{"resourceType":"Patient","_birthDate":{"id":"a"}}`, []string{"structure Patient.birthDate"}},
		{"id and value", `{"resourceType":"Patient","_birthDate":{"id":"a"},"birthDate":"1990"}`, nil},
		{"null value beside a companion", `{"resourceType":"Patient","birthDate":null,"_birthDate":` + ext + `}`, []string{"structure Patient.birthDate"}},
		{"empty", `{"resourceType":"Patient","birthDate":"1990","_birthDate":{}}`, []string{"structure Patient.birthDate"}},
		{"a string", `{"resourceType":"Patient","birthDate":"1990","_birthDate":"a"}`, []string{"structure Patient.birthDate"}},
		{"an array beside a single value", `{"resourceType":"Patient","birthDate":"1990","_birthDate":[` + ext + `]}`, []string{"structure Patient.birthDate"}},
		{"other members", `{"resourceType":"Patient","birthDate":"1990","_birthDate":{"value":"x"}}`, []string{"structure Patient.birthDate.value", "structure Patient.birthDate"}},
		{"arrays that match", patient(`"given":["A",null],"_given":[null,` + ext + `]`), nil},
		{"arrays that match, companion first", patient(`"_given":[null,` + ext + `],"given":["A",null]`), nil},
		{"ids beside values", patient(`"given":["A","B"],"_given":[{"id":"a"},null]`), nil},
		{"only companions", patient(`"_given":[` + ext + `]`), nil},
		{"only companions, one null", patient(`"_given":[` + ext + `,null]`), []string{"structure Patient.name[0].given[1]"}},
		{"null in both", patient(`"given":["A",null],"_given":[` + ext + `,null]`), []string{"structure Patient.name[0].given[1]"}},
		{"null beside an id", patient(`"given":["A",null],"_given":[null,{"id":"x"}]`), []string{"structure Patient.name[0].given[1]"}},
		{"null without companions", patient(`"given":["A",null]`), []string{"structure Patient.name[0].given[1]"}},
		{"more companions than values", patient(`"given":["A"],"_given":[null,` + ext + `]`), []string{"structure Patient.name[0].given"}},
		{"fewer companions than values", patient(`"given":["A","B"],"_given":[` + ext + `]`), []string{"structure Patient.name[0].given"}},
		{"an object beside an array", patient(`"given":["A"],"_given":` + ext), []string{"structure Patient.name[0].given"}},
		{"a number among companions", patient(`"given":["A"],"_given":[1]`), []string{"structure Patient.name[0].given[0]"}},
		{"empty array", patient(`"given":["A"],"_given":[]`), []string{"structure Patient.name[0].given", "structure Patient.name[0].given"}},
		{"two pairs in one object", patient(`"given":["A",null],"prefix":[null],"_prefix":[` + ext + `],"_given":[null,` + ext + `]`), nil},
		{"arrays inside a companion's extension", patient(`"given":["A",null],"_given":[null,{"extension":[{"url":"http://x","valueHumanName":{"given":["B",null],"_given":[null,` + ext + `]}}]}]`), nil},
	})
}

func TestExtensions_G2_3(t *testing.T) {
	t.Parallel()
	patient := func(ext string) string { return `{"resourceType":"Patient","extension":[` + ext + `]}` }
	checkRules(t, []rule{
		{"value", patient(`{"url":"http://x","valueString":"a"}`), nil},
		{"children", patient(`{"url":"http://x","extension":[{"url":"a","valueInteger":1}]}`), nil},
		{"value with extensions of its own", patient(`{"url":"http://x","valueString":"a","_valueString":{"extension":[{"url":"a","valueInteger":1}]}}`), nil},
		{"value and children", patient(`{"url":"http://x","valueString":"a","extension":[{"url":"a","valueInteger":1}]}`), []string{"extension Patient.extension[0]"}},
		{"neither", patient(`{"url":"http://x"}`), []string{"extension Patient.extension[0]"}},
		{"without url", patient(`{"valueString":"a"}`), []string{"required Patient.extension[0].url"}},
		{"url has no companion", patient(`{"url":"http://x","_url":{"id":"a"},"valueString":"a"}`), []string{"structure Patient.extension[0]._url"}},
		{"url with white space", patient(`{"url":"http://x y","valueString":"a"}`), []string{"value Patient.extension[0].url"}},
		{"value of an unknown type", patient(`{"url":"http://x","valueThing":"a"}`), []string{"structure Patient.extension[0].valueThing", "extension Patient.extension[0]"}},
		{"value of type Meta", patient(`{"url":"http://x","valueMeta":{"versionId":"1"}}`), nil},
		{"modifier", `{"resourceType":"Patient","modifierExtension":[{"url":"http://x"}]}`, []string{"extension Patient.modifierExtension[0]"}},
	})
}

func TestParametersAndBundles_G2_3(t *testing.T) {
	t.Parallel()
	parameters := func(p string) string { return `{"resourceType":"Parameters","parameter":[` + p + `]}` }
	bundle := func(e string) string { return `{"resourceType":"Bundle","type":"transaction","entry":[` + e + `]}` }
	checkRules(t, []rule{
		{"parameter with a value", parameters(`{"name":"a","valueString":"x"}`), nil},
		{"parameter with a resource", parameters(`{"name":"a","resource":{"resourceType":"Patient","active":true}}`), nil},
		{"parameter with parts", parameters(`{"name":"a","part":[{"name":"b","valueCode":"x"}]}`), nil},
		{"parameter with nothing", parameters(`{"name":"a"}`), []string{"structure Parameters.parameter[0]"}},
		{"parameter with value and resource", parameters(`{"name":"a","valueString":"x","resource":{"resourceType":"Patient"}}`), []string{"structure Parameters.parameter[0]"}},
		{"parameter with value and parts", parameters(`{"name":"a","valueString":"x","part":[{"name":"b","valueCode":"x"}]}`), []string{"structure Parameters.parameter[0]"}},
		{"fault in a parameter's resource", parameters(`{"name":"a","resource":{"resourceType":"Patient","active":1}}`), []string{"value Parameters.parameter[0].resource.active"}},
		{"fault in a part", parameters(`{"name":"a","part":[{"name":"b","valueCode":" x"}]}`), []string{"value Parameters.parameter[0].part[0].value"}},
		{"Bundle with resources of several types", bundle(`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Basic","code":{"text":"x"}},"request":{"method":"PUT","url":"Basic/1"}}`), nil},
		{"fault in an entry's resource", bundle(`{"resource":{"resourceType":"Patient","gender":"m"}}`), []string{"code-invalid Bundle.entry[0].resource.gender"}},
		{"bad method", bundle(`{"request":{"method":"BREW","url":"Patient"}}`), []string{"code-invalid Bundle.entry[0].request.method"}},
		{"Bundle in a Bundle", bundle(`{"resource":{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","active":"x"}}]}}`), []string{"value Bundle.entry[0].resource.entry[0].resource.active"}},
		{"outcome of a response", `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"400","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error"}]}}}]}`, []string{"required Bundle.entry[0].response.outcome.issue[0].code"}},
	})
}

func TestSuggestionsSayWhatWasMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{`{"resourceType":"Patient","birthdate":"1990"}`, `did you mean "birthDate"?`},
		{`{"resourceType":"Patient","_birthdate":{"id":"a"}}`, `did you mean "_birthDate"?`},
		{`{"resourceType":"Patient","nmae":[]}`, `did you mean "name"?`},
		{`{"resourceType":"Observation","value":1}`, "valueTime, valueRange, valueRatio, valuePeriod"},
		{`{"resourceType":"Patient","_name":[]}`, "name takes no companion"},
		{`{"resourceType":"Patient","gender":"M"}`, "female, male, other, unknown"},
		{`{"resourceType":"Patient","managingOrganization":{"reference":"Patient/1"}}`, "allowed: Organization"},
	} {
		_, err := (&Validator{}).Validate([]byte(c.body), "")
		var e *fhir.Error
		if !errors.As(err, &e) || !strings.Contains(e.Issues[0].Detail, c.want) {
			t.Errorf("%s: %v, want %q", c.body, err, c.want)
		}
	}
	_, err := (&Validator{}).Validate([]byte(`{"resourceType":"Patient","quantumFlux":1}`), "")
	if err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("a name like no other: %v", err)
	}
}
