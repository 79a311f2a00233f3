package schema

import "testing"

func TestReferences_G2_3(t *testing.T) {
	t.Parallel()
	org := func(ref string) string {
		return `{"resourceType":"Patient","managingOrganization":{"reference":"` + ref + `"}}`
	}
	bad := []string{"value Patient.managingOrganization.reference"}
	checkRules(t, []rule{
		{"relative", org("Organization/1"), nil},
		{"relative with a version", org("Organization/1/_history/2"), nil},
		{"relative of a type that is not allowed", org("Patient/1"), bad},
		{"versioned of a type that is not allowed", org("Patient/1/_history/2"), bad},
		{"absolute, ours", org(testBase + "/Organization/1"), nil},
		{"absolute, ours, of a type that is not allowed", org(testBase + "/Patient/1"), bad},
		{"absolute, elsewhere", org("https://other.example/fhir/Patient/1"), nil},
		{"URN", org("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"), nil},
		{"of no R4 type", org("Organisation/1"), bad},
		{"with an id that is none", org("Organization/a_b"), bad},
		{"path traversal", org("Organization/../Patient/1"), bad},
		{"without id", org("Organization/"), bad},
		{"only an id", org("1"), bad},
		{"empty", org(""), bad},
		{"conditional outside a Bundle", org("Organization?identifier=x"), bad},
		{"of any type where any is allowed", `{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"Slot/1"}}`, nil},
		{"logical", `{"resourceType":"Patient","managingOrganization":{"identifier":{"system":"http://x","value":"1"}}}`, nil},
		{"only a display", `{"resourceType":"Patient","managingOrganization":{"display":"St Anne"}}`, nil},
		{"a string", `{"resourceType":"Patient","managingOrganization":"Organization/1"}`, []string{"structure Patient.managingOrganization"}},
		{"a number", `{"resourceType":"Patient","managingOrganization":{"reference":1}}`, bad},
		{"in an array", `{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"Patient/1"}]}`, []string{"value Patient.generalPractitioner[1].reference"}},
		{
			"conditional in a Bundle",
			`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + org("Organization?identifier=x") + `}]}`, nil,
		},
		{
			"conditional in a Bundle, of a type that is not allowed",
			`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + org("Patient?identifier=x") + `}]}`,
			[]string{"value Bundle.entry[0].resource.managingOrganization.reference"},
		},
		{
			"conditional without a condition",
			`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + org("Organization?") + `}]}`,
			[]string{"value Bundle.entry[0].resource.managingOrganization.reference"},
		},
	})
}

func TestContainedResources_G2_3(t *testing.T) {
	t.Parallel()
	const org = `{"resourceType":"Organization","id":"o","name":"A"}`
	checkRules(t, []rule{
		{"referenced", `{"resourceType":"Patient","contained":[` + org + `],"managingOrganization":{"reference":"#o"}}`, nil},
		{"referenced before it stands", `{"resourceType":"Patient","managingOrganization":{"reference":"#o"},"contained":[` + org + `]}`, nil},
		{"referenced with an escape", `{"resourceType":"Patient","managingOrganization":{"reference":"#\u006f"},"contained":[` + org + `]}`, nil},
		{"reference to nothing with an escape", `{"resourceType":"Patient","managingOrganization":{"reference":"#\u0070"},"contained":[` + org + `]}`, []string{"value Patient.managingOrganization.reference"}},
		{"reference to nothing", `{"resourceType":"Patient","managingOrganization":{"reference":"#p"},"contained":[` + org + `]}`, []string{"value Patient.managingOrganization.reference"}},
		{"reference to nothing, without contained", `{"resourceType":"Patient","managingOrganization":{"reference":"#p"}}`, []string{"value Patient.managingOrganization.reference"}},
		{"canonical to nothing", `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"#q"}`, []string{"value QuestionnaireResponse.questionnaire"}},
		{"canonical", `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"#q","contained":[{"resourceType":"Questionnaire","id":"q","status":"draft"}]}`, nil},
		{"reference to the container", `{"resourceType":"Patient","contained":[{"resourceType":"Basic","id":"b","code":{"text":"x"},"subject":{"reference":"#"}}]}`, nil},
		{"reference among contained", `{"resourceType":"Patient","contained":[{"resourceType":"Basic","id":"b","code":{"text":"x"},"subject":{"reference":"#o"}},` + org + `]}`, nil},
		{"without id", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","name":"A"}]}`, []string{"required Patient.contained[0].id"}},
		{"the same id twice", `{"resourceType":"Patient","contained":[` + org + `,` + org + `,` + org + `]}`, []string{"value Patient.contained"}},
		{"nested", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"A","contained":[` + org + `]}]}`, []string{"structure Patient.contained[0].contained[0]"}},
		{"no object", `{"resourceType":"Patient","contained":["o"]}`, []string{"structure Patient.contained[0]"}},
		{"fault inside", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","active":"x"}]}`, []string{"value Patient.contained[0].active"}},
		{
			"each entry of a Bundle by itself",
			`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[` + org + `]}},{"resource":{"resourceType":"Patient","managingOrganization":{"reference":"#o"}}}]}`,
			[]string{"value Bundle.entry[1].resource.managingOrganization.reference"},
		},
		{
			"the same id in two entries of a Bundle",
			`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[` + org + `]}},{"resource":{"resourceType":"Patient","contained":[` + org + `]}}]}`, nil,
		},
	})
}
