package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrimitives_G2_3_G2_13 tries JSON values as Extension.value of every
// primitive type (R4 2.24.0.1).
func TestPrimitives_G2_3_G2_13(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		member      string
		good, wrong []string
	}{
		{"valueBoolean", []string{`true`, `false`}, []string{`"true"`, `1`, `0`, `"yes"`}},
		{
			"valueInteger",
			[]string{`0`, `1`, `-1`, `2147483647`, `-2147483648`},
			[]string{`2147483648`, `-2147483649`, `1.0`, `1e2`, `-0`, `"1"`, `99999999999999999999999`},
		},
		{"valueUnsignedInt", []string{`0`, `1`, `2147483647`}, []string{`-1`, `-0`, `2147483648`, `0.5`, `"0"`}},
		{"valuePositiveInt", []string{`1`, `2147483647`}, []string{`0`, `-1`, `2147483648`, `1.5`, `1E3`, `"1"`}},
		{
			"valueDecimal",
			[]string{`0`, `-0`, `1.10`, `-1.5e-7`, `3.141592653589793238462643383279502884197`, `1E+20`, `1e0000005`, `0.` + strings.Repeat("1", 126)},
			[]string{`"1.0"`, `1e1000`, `1e-1000`, `1e999999999999999999999`, `0.` + strings.Repeat("1", 127)},
		},
		{
			"valueString",
			[]string{`"a"`, `" a "`, `"\t\r\n"`, `"ÄÖ 😀"`, `"\u00e4"`, `"\ud83d\ude00"`, `"<script>alert(1)</script>"`},
			[]string{`""`, `"\u0000"`, `"a\u0007"`, `"\u001b[31m"`, `1`, `true`},
		},
		{"valueMarkdown", []string{`"# a\n\n* b"`, `"<b>"`}, []string{`""`, `"\u0001"`, `{}`}},
		{"valueCode", []string{`"a"`, `"a b"`, `"entered-in-error"`, `"ü"`}, []string{`""`, `" a"`, `"a "`, `"a  b"`, `"a\tb"`, `"a\nb"`, `" "`, `1`}},
		{"valueId", []string{`"a"`, `"A-1.b"`, `"` + strings.Repeat("x", 64) + `"`}, []string{`""`, `"a b"`, `"a/b"`, `"../etc"`, `"a_b"`, `"ä"`, `"` + strings.Repeat("x", 65) + `"`, `1`}},
		{"valueUri", []string{`"a"`, `"http://example.org/a?b=c#d"`, `"urn:oid:1.2"`, `"%zz"`, `"http://ä.example"`}, []string{`""`, `"a b"`, `"a\n"`, `" "`, `"\u007f"`, `1`}},
		{"valueUrl", []string{`"http://example.org"`, `"mailto:a@b"`}, []string{`""`, `"http://a b"`}},
		{"valueCanonical", []string{`"http://example.org/a|1.0"`}, []string{`""`, `"a b"`}},
		{"valueOid", []string{`"urn:oid:1.2.3"`, `"urn:oid:2.16.840.1.113883"`, `"urn:oid:0.0"`}, []string{`"1.2.3"`, `"urn:oid:3.1"`, `"urn:oid:1"`, `"urn:oid:1."`, `"urn:oid:1..2"`, `"urn:oid:1.02"`, `"urn:oid:1.a"`, `"urn:oid:"`, `""`}},
		{
			"valueUuid",
			[]string{`"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"`},
			[]string{`"c757873d-ec9a-4326-a141-556f43239520"`, `"urn:uuid:C757873D-EC9A-4326-A141-556F43239520"`, `"urn:uuid:c757873dec9a4326a141556f43239520"`, `"urn:uuid:c757873d-ec9a-4326-a141-556f4323952g"`, `"urn:uuid:c757873d-ec9a-4326-a141-556f432395200"`, `""`},
		},
		{
			"valueBase64Binary",
			[]string{`"YQ=="`, `"YWI="`, `"YWJj"`, `"YWJj\r\nYWJj"`, `"Y W J j"`},
			[]string{`""`, `" "`, `"YQ"`, `"YQ="`, `"YQ==="`, `"Y==="`, `"YQ==YWJj"`, `"YW_j"`, `"YW!j"`, `1`},
		},
		{
			"valueDate",
			[]string{`"2024"`, `"2024-02"`, `"2024-02-29"`, `"2000-02-29"`, `"0001-01-01"`, `"9999-12-31"`},
			[]string{`"2023-02-29"`, `"1900-02-29"`, `"2024-13"`, `"2024-00"`, `"2024-04-31"`, `"2024-01-00"`, `"0000"`, `"24"`, `"2024-1-1"`, `"2024-01-01T00:00:00Z"`, `"2024/01/01"`, `"20240101"`, `"2024-"`, `" 2024"`, `""`, `2024`},
		},
		{
			"valueDateTime",
			[]string{`"2024"`, `"2024-02"`, `"2024-02-29"`, `"2024-02-29T23:59:59Z"`, `"2024-02-29T23:59:60+14:00"`, `"2024-02-29T00:00:00.123456789-13:59"`, `"2015-02-07T13:28:17.239+02:00"`},
			[]string{
				`"2024-02-29T23:59Z"`, `"2024-02-29T23:59:59"`, `"2024-02-29T24:00:00Z"`, `"2024-02-29T23:60:00Z"`, `"2024-02-29T23:59:61Z"`, `"2023-02-29T00:00:00Z"`, `"2024-02-29 23:59:59Z"`,
				`"2024-02-29T23:59:59z"`, `"2024-02-29T23:59:59.Z"`, `"2024-02-29T23:59:59+14:01"`, `"2024-02-29T23:59:59+15:00"`, `"2024-02-29T23:59:59+1:00"`, `"2024-02-29T23:59:59+01:60"`, `"2024-02-29T23:59:59+0100"`, `"2024-02-29T"`, `""`, `1`,
			},
		},
		{"valueInstant", []string{`"2024-02-29T23:59:59Z"`, `"2024-02-29T23:59:59.1+01:00"`}, []string{`"2024-02-29"`, `"2024"`, `"2024-02-29T23:59:59"`, `"2024-02-29T23:59Z"`, `"2023-02-29T00:00:00Z"`, `""`}},
		{"valueTime", []string{`"00:00:00"`, `"23:59:60"`, `"12:34:56.789"`}, []string{`"12:34"`, `"24:00:00"`, `"12:60:00"`, `"12:34:61"`, `"12:34:56."`, `"12:34:56Z"`, `"12:34:56+01:00"`, `"1:00:00"`, `""`}},
	} {
		t.Run(c.member, func(t *testing.T) {
			t.Parallel()
			v := &Validator{}
			body := func(value string) string {
				return `{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://x","` + c.member + `":` + value + `}]}`
			}
			for _, value := range c.good {
				if got := issues(t, v, body(value)); got != nil {
					t.Errorf("%s was refused: %v", value, got)
				}
			}
			for _, value := range c.wrong {
				if diff := cmp.Diff([]string{"value Basic.extension[0].value"}, issues(t, v, body(value))); diff != "" {
					t.Errorf("%s (-want +got):\n%s", value, diff)
				}
			}
		})
	}
}

func TestStringsEndAtOneMegabyte_G2_13(t *testing.T) {
	t.Parallel()
	body := func(n int, char string) string {
		return `{"resourceType":"Patient","name":[{"text":"` + strings.Repeat(char, n) + `"}]}`
	}
	v := &Validator{}
	if got := issues(t, v, body(maxString, "ä")); got != nil {
		t.Errorf("the longest string: %v", got)
	}
	if diff := cmp.Diff([]string{"too-long Patient.name[0].text"}, issues(t, v, body(maxString+1, "ä"))); diff != "" {
		t.Errorf("one character more (-want +got):\n%s", diff)
	}
}

func TestRequiredBindings_G2_3(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"a code of the set", `{"resourceType":"Patient","gender":"female"}`, nil},
		{"no code of the set", `{"resourceType":"Patient","gender":"f"}`, []string{"code-invalid Patient.gender"}},
		{"miscased", `{"resourceType":"Patient","gender":"Female"}`, []string{"code-invalid Patient.gender"}},
		{"the display", `{"resourceType":"Encounter","status":"In Progress","class":{"code":"AMB"}}`, []string{"code-invalid Encounter.status"}},
		{"codes that are no words", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"comparator":"<="}}`, nil},
		{"unknown comparator", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"comparator":"=<"}}`, []string{"code-invalid Observation.value.comparator"}},
		{"in an array", `{"resourceType":"AllergyIntolerance","patient":{"display":"x"},"category":["food","air"]}`, []string{"code-invalid AllergyIntolerance.category[1]"}},
		{"days of the week", `{"resourceType":"HealthcareService","availableTime":[{"daysOfWeek":["mon","Tue"]}]}`, []string{"code-invalid HealthcareService.availableTime[0].daysOfWeek[1]"}},
		{"an open set", `{"resourceType":"Patient","language":"tlh"}`, nil},
		{"a large set", `{"resourceType":"ImplementationGuide","url":"http://x","name":"x","status":"draft","packageId":"x","fhirVersion":["4.0.1"],"license":"MIT2"}`, []string{"code-invalid ImplementationGuide.license"}},
	})
}
