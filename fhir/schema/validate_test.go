package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

const testBase = "http://localhost:8080/fhir"

// rule is a line of a decision table: content, and the issues that it must get
// as "code path"; none when it must be accepted.
type rule struct {
	name, body string
	want       []string
}

func checkRules(t *testing.T, rules []rule) {
	t.Helper()
	v := &Validator{Base: testBase}
	for _, c := range rules {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := issues(t, v, c.body)
			if diff := cmp.Diff(c.want, got); diff != "" {
				_, err := v.Validate([]byte(c.body), "")
				t.Errorf("issues of %.400s (-want +got):\n%s%v", c.body, diff, err)
			}
		})
	}
}

// issues lists what Validate finds as "code path".
func issues(t *testing.T, v *Validator, body string) []string {
	t.Helper()
	_, err := v.Validate([]byte(body), "")
	if err == nil {
		return nil
	}
	var e *fhir.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	var out []string
	for _, is := range e.Issues {
		if is.Detail == "" {
			t.Errorf("issue at %s has no detail", is.Path)
		}
		out = append(out, strings.TrimSpace(string(is.Code)+" "+is.Path))
	}
	return out
}

func TestWhatIsNoJSONResourceIsRefused_G2_3(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"empty content", "", []string{"structure"}},
		{"white space only", " \r\n", []string{"structure"}},
		{"byte order mark", "\xef\xbb\xbf" + `{"resourceType":"Patient"}`, []string{"structure"}},
		{"not JSON", "<Patient/>", []string{"structure"}},
		{"an array", `[{"resourceType":"Patient"}]`, []string{"structure"}},
		{"a string", `"Patient"`, []string{"structure"}},
		{"cut off", `{"resourceType":"Patient","active":tr`, []string{"structure Patient.active"}},
		{"cut off in an object", `{"resourceType":"Patient","active":true`, []string{"structure Patient"}},
		{"a trailing comma", `{"resourceType":"Patient","active":true,}`, []string{"structure Patient"}},
		{"content behind the resource", `{"resourceType":"Patient"} {}`, []string{"structure Patient"}},
		{"garbage behind the resource", `{"resourceType":"Patient"} x`, []string{"structure Patient"}},
		{"white space behind the resource", `{"resourceType":"Patient"}` + "\n", nil},
		{"bad UTF-8 in a value", `{"resourceType":"Patient","language":"` + "\xff" + `"}`, []string{"structure Patient.language"}},
		{"bad UTF-8 in a name", `{"resourceType":"Patient","` + "\xff" + `":1}`, []string{"structure Patient"}},
		{"half a surrogate pair", `{"resourceType":"Patient","language":"\ud800"}`, []string{"structure Patient.language"}},
		{"a raw control character", `{"resourceType":"Patient","language":"a` + "\n" + `b"}`, []string{"structure Patient.language"}},
		{"NaN", `{"resourceType":"Patient","multipleBirthInteger":NaN}`, []string{"structure Patient.multipleBirth"}},
		{"a number with a leading zero", `{"resourceType":"Patient","multipleBirthInteger":01}`, []string{"structure Patient"}},
		{"a comment", `{"resourceType":"Patient"/* */}`, []string{"structure Patient"}},
	})
}

func TestResourceType_G2_3(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"first", `{"resourceType":"Patient","active":true}`, nil},
		{"last", `{"active":true,"name":[{"family":"Shaw"}],"resourceType":"Patient"}`, nil},
		{"missing", `{"active":true}`, []string{"structure"}},
		{"missing in an empty object", `{}`, []string{"structure"}},
		{"only in a nested object", `{"contained":[{"resourceType":"Patient"}]}`, []string{"structure"}},
		{"twice", `{"resourceType":"Patient","resourceType":"Patient"}`, []string{"structure Patient.resourceType"}},
		{"twice, the second behind other members", `{"active":true,"resourceType":"Patient","resourceType":"Observation"}`, []string{"structure Patient.resourceType"}},
		{"unknown", `{"resourceType":"Pacient","active":1}`, []string{"structure resourceType"}},
		{"abstract", `{"resourceType":"DomainResource"}`, []string{"structure resourceType"}},
		{"a data type", `{"resourceType":"HumanName","family":"Shaw"}`, []string{"structure resourceType"}},
		{"miscased", `{"resourceType":"patient"}`, []string{"structure resourceType"}},
		{"a number", `{"resourceType":1}`, []string{"structure resourceType"}},
		{"null", `{"resourceType":null}`, []string{"structure resourceType"}},
		{"missing in a Bundle's entry", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"id":"a"}}]}`, []string{"structure Bundle.entry[0].resource"}},
		{"unknown in a contained resource", `{"resourceType":"Patient","contained":[{"resourceType":"X","id":"a"}]}`, []string{"structure Patient.contained[0].resourceType"}},
		{"an array for a Bundle's resource", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":[1]}]}`, []string{"structure Bundle.entry[0].resource"}},
	})
}

func TestBodyOfAnotherTypeThanTheURLIsRefused_G2_3(t *testing.T) {
	t.Parallel()
	v := &Validator{}
	info, err := v.Validate([]byte(`{"resourceType":"Patient","id":"p1"}`), "Patient")
	if want := (Info{Type: "Patient", ID: "p1"}); err != nil || info != want {
		t.Errorf("Validate = %+v, %v, want %+v", info, err, want)
	}
	_, err = v.Validate([]byte(`{"resourceType":"Patient","id":"p1"}`), "Observation")
	var e *fhir.Error
	if !errors.As(err, &e) || e.Code() != fhir.CodeStructure || !strings.Contains(e.Issues[0].Detail, "Observation was expected") {
		t.Errorf("a Patient where an Observation was expected: %v", err)
	}
}

func TestLimits_G2_13(t *testing.T) {
	t.Parallel()
	body := []byte(`{"resourceType":"Patient","extension":[{"url":"a","extension":[{"url":"b","valueBoolean":true}]}]}`)
	// Five levels: resource, array, extension, array, extension.
	if _, err := (&Validator{MaxDepth: 5}).Validate(body, ""); err != nil {
		t.Errorf("as deep as allowed: %v", err)
	}
	if got := issues(t, &Validator{MaxDepth: 4}, string(body)); !cmp.Equal(got, []string{"structure Patient.extension[0].extension[0]"}) {
		t.Errorf("one level too deep: %v", got)
	}
	if _, err := (&Validator{MaxBytes: len(body)}).Validate(body, ""); err != nil {
		t.Errorf("as large as allowed: %v", err)
	}
	if got := issues(t, &Validator{MaxBytes: len(body) - 1}, string(body)); !cmp.Equal(got, []string{"too-long"}) {
		t.Errorf("one byte too large: %v", got)
	}
	for _, open := range []string{`{"resourceType":"Patient","extension":[{"url":"a","extension":[`, `{"resourceType":"Patient","x":[[[[`} {
		deep := open + strings.Repeat(`{"extension":[`, 200_000)
		if got := issues(t, &Validator{}, deep); len(got) == 0 || len(got) > MaxIssues+1 {
			t.Errorf("hostile nesting gives %d issues", len(got))
		}
	}
}

func TestAllIssuesAreReportedUpToACap(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{{
		"several",
		`{"resourceType":"Patient","id":"no spaces","gender":"m","birthDate":"1990-02-30","name":[{"famly":"X","given":"Amy"}],"contact":[{}]}`,
		[]string{
			"value Patient.id", "code-invalid Patient.gender", "value Patient.birthDate", "structure Patient.name[0].famly",
			"structure Patient.name[0].given", "structure Patient.contact[0]",
		},
	}})
	many := `{"resourceType":"Patient","name":[` + strings.TrimSuffix(strings.Repeat(`{"x":1},`, 500), ",") + `]}`
	got := issues(t, &Validator{}, many)
	if len(got) != MaxIssues+1 || got[MaxIssues] != "structure" {
		t.Errorf("%d issues, the last %q; want %d and one that says there are more", len(got), got[len(got)-1], MaxIssues)
	}
}

func TestIssuesQuoteLittle_G2_13(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("Mrs Shaw has a secret ", 50)
	for _, body := range []string{
		`{"resourceType":"Patient","gender":"` + strings.TrimSpace(secret) + `"}`,
		`{"resourceType":"Patient","birthDate":"` + secret + `"}`,
		`{"resourceType":"Patient","` + secret + `":1}`,
		`{"resourceType":"` + secret + `"}`,
		`{"resourceType":"Patient","managingOrganization":{"reference":"` + secret + `"}}`,
		`{"resourceType":"Patient","managingOrganization":{"reference":"#` + secret + `"}}`,
		`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><` + strings.ReplaceAll(secret, " ", "-") + `></div>"}}`,
	} {
		_, err := (&Validator{}).Validate([]byte(body), "")
		if err == nil || strings.Contains(err.Error(), secret[:2*maxQuote]) || len(err.Error()) > 400 {
			t.Errorf("error is %v", err)
		}
	}
}

func TestAValidatorIsReusableAfterBrokenContent(t *testing.T) {
	t.Parallel()
	v := &Validator{}
	good := `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"A"}],"managingOrganization":{"reference":"#o"}}`
	for _, bad := range []string{
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","contained":[{"resourceType":"Patient"`,
		`{"resourceType":"Patient","name":[{"given":[null,null`, `{"active":true`, `{"resourceType":"Patient","managingOrganization":{"reference":"#x"},`,
	} {
		if issues(t, v, bad) == nil {
			t.Errorf("%s was accepted", bad)
		}
		if got := issues(t, v, good); got != nil {
			t.Errorf("after %s: %v", bad, got)
		}
	}
}
