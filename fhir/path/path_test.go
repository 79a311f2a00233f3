package path_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

const patient = `{
  "resourceType": "Patient", "id": "p1",
  "extension": [{"url": "http://x/race", "valueString": "r"}],
  "contained": [{"resourceType": "Organization", "id": "org", "name": "Clinic"}],
  "identifier": [{"system": "urn:mrn", "value": "17"}, {"system": "urn:nin", "value": "0101"}],
  "active": true,
  "name": [
    {"use": "official", "family": "Chalmers", "given": ["Peter", "James"], "_given": [null, {"extension": [{"url": "http://x/q", "valueCode": "IN"}]}]},
    {"use": "usual", "given": ["Jim"]},
    {"use": "maiden", "family": "Windsor", "given": ["Peter", "James"]}
  ],
  "telecom": [{"system": "phone", "value": "(03) 5555", "rank": 1}, {"system": "email", "value": "p@x.org", "rank": 2}],
  "birthDate": "1974-12-25",
  "_birthDate": {"extension": [{"url": "http://x/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
  "_gender": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]},
  "deceasedBoolean": false,
  "managingOrganization": {"reference": "#org"},
  "generalPractitioner": [{"reference": "Practitioner/dr"}, {"reference": "https://else.example/fhir/Organization/9"}],
  "multipleBirthInteger": 2
}`

const observation = `{
  "resourceType": "Observation", "status": "final",
  "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Weight"},
  "subject": {"reference": "Patient/p1"},
  "effectiveDateTime": "2026-02",
  "valueQuantity": {"value": 185.0, "unit": "lbs", "system": "http://unitsofmeasure.org", "code": "[lb_av]"},
  "referenceRange": [{"low": {"value": 1, "code": "kg"}}]
}`

func doc(t testing.TB, json string) path.Item {
	t.Helper()
	d, err := path.NewDoc([]byte(json), schema.Model{})
	if err != nil {
		t.Fatal(err)
	}
	return d.Root()
}

// eval gives the result as text: values behind commas, elements by their path.
func eval(t testing.TB, root path.Item, expr string) (string, error) {
	t.Helper()
	e, err := path.Parse(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	env := &path.Env{Now: time.Date(2026, 6, 1, 10, 30, 0, 0, time.UTC)}
	c, err := e.Eval(env, root)
	if err != nil {
		return "", err
	}
	parts := make([]string, len(c))
	for i, it := range c {
		if parts[i] = it.String(); it.Kind() == path.Element {
			parts[i] = it.Path()
		}
	}
	return strings.Join(parts, ", "), nil
}

func TestExpressionsOnAPatient(t *testing.T) {
	t.Parallel()
	root := doc(t, patient)
	tests := map[string]string{
		// navigation
		"Patient.name.given":                          "Peter, James, Jim, Peter, James",
		"name.given[1]":                               "James",
		"Patient.name[0]":                             "Patient.name[0]",
		"Observation.name":                            "",
		"deceased":                                    "false",
		"Patient.deceased.is(boolean)":                "true",
		"multipleBirth as integer":                    "2",
		"name.where(use = 'usual').given":             "Jim",
		"Patient.contained.name":                      "Clinic",
		"contained.ofType(Organization).id":           "org",
		"name.given[1].extension('http://x/q').value": "IN",
		"birthDate.extension('http://x/time').value":  "1974-12-25T14:35:45-05:00",
		"gender.hasValue()":                           "false",
		"gender.exists()":                             "true",
		"gender.extension.value":                      "unknown",
		"managingOrganization.resolve().name":         "Clinic",
		"generalPractitioner.where(resolve() is Practitioner).reference": "Practitioner/dr",
		"generalPractitioner.where(resolve() is Organization).reference": "https://else.example/fhir/Organization/9",
		// existence
		"name.exists(use = 'official')":           "true",
		"photo.empty()":                           "true",
		"name.all(given.exists())":                "true",
		"name.all(family.exists())":               "false",
		"name.given.distinct()":                   "Peter, James, Jim",
		"name.given.isDistinct()":                 "false",
		"name.count()":                            "3",
		"name.first().given.subsetOf(name.given)": "true",
		"name.given.supersetOf('Jim')":            "true",
		"(true | false).allTrue()":                "false",
		"(true | false).anyTrue()":                "true",
		// subsetting
		"name.given.first()":                       "Peter",
		"name.given.last()":                        "James",
		"name.given.tail().count()":                "4",
		"name.given.skip(3)":                       "Peter, James",
		"name.given.take(2)":                       "Peter, James",
		"name.given.intersect('Jim' | 'Bo')":       "Jim",
		"name.given.exclude('Jim')":                "Peter, James, Peter, James",
		"name.family | name.given":                 "Chalmers, Windsor, Peter, James, Jim",
		"name.family.combine(name.family).count()": "4",
		// equality and order
		"birthDate = @1974-12-25":                            "true",
		"birthDate < today()":                                "true",
		"birthDate > @1974":                                  "",
		"birthDate > @1973":                                  "true",
		"@2012-04-15 = @2012-04-15T10:00:00":                 "",
		"@2012-04-15T15:00:00Z = @2012-04-15T10:00:00-05:00": "true",
		"@T10:30 < @T10:31":                                  "true",
		"1.0 = 1":                                            "true",
		"1.10 ~ 1.1":                                         "true",
		"'Ab  c' ~ 'ab C'":                                   "true",
		"'a' = 'A'":                                          "false",
		"{} = 1":                                             "",
		"name.given = name.given":                            "true",
		"1 'd' = 1 day":                                      "true",
		"1 year = 1 'a'":                                     "",
		"4 'g' < 5 'g'":                                      "true",
		"4 'g' < 5 'kg'":                                     "",
		"1 | 1 | 2":                                          "1, 2",
		"'Jim' in name.given":                                "true",
		"name.given contains 'Bo'":                           "false",
		// logic
		"true and {}":                   "",
		"false and {}":                  "false",
		"true or {}":                    "true",
		"{} implies true":               "true",
		"true xor true":                 "false",
		"active.not()":                  "false",
		"active and birthDate.exists()": "true",
		// arithmetic
		"1 + 2 * 3":                        "7",
		"7 div 2":                          "3",
		"-7 mod 2":                         "-1",
		"1 / 4":                            "0.25",
		"1 / 0":                            "",
		"'a' + 'b'":                        "ab",
		"'a' & {}":                         "a",
		"2.50 + 0.50":                      "3",
		"0.1 + 0.2 = 0.3":                  "true",
		"@2024-01-31 + 1 month":            "2024-02-29",
		"@2024-02-29 - 1 year":             "2023-02-28",
		"@2014 + 24 months":                "2016",
		"@2014 - 1 month":                  "2014",
		"@2019-03-01T00:00:00Z - 24 hours": "2019-02-28T00:00:00Z",
		"@T23:30 + 1 hour":                 "00:30",
		"birthDate + 18 years <= today()":  "true",
		"3 'mg' + 2 'mg' = 5 'mg'":         "true",
		// conversion
		"'1.50'.toDecimal()":              "1.5",
		"'x'.toInteger().empty()":         "true",
		"'5'.toInteger() + 1":             "6",
		"'yes'.toBoolean()":               "true",
		"'2026-01-01'.toDate() < today()": "true",
		"'4 days'.toQuantity()":           "4 day",
		"5.toString() & 'x'":              "5x",
		"'abc'.convertsToInteger()":       "false",
		"iif(active, 'yes', 1 / {})":      "yes",
		// strings
		"'abcdefg'.indexOf('cd')":                                "2",
		"'abcdefg'.substring(3, 2)":                              "de",
		"'håbet'.length()":                                       "5",
		"'abc'.upper()":                                          "ABC",
		"'abc'.replace('b', 'x')":                                "axc",
		"'2026-x'.matches('^\\\\d+-x$')":                         "true",
		"'a,b'.split(',').count()":                               "2",
		"name.given.take(2).join('-')":                           "Peter-James",
		"'abc'.toChars()":                                        "a, b, c",
		"telecom.where(system='phone').value.startsWith('(03)')": "true",
		// math
		"(-5).abs()":       "5",
		"1.1.ceiling()":    "2",
		"(-1.5).floor()":   "-2",
		"3.14159.round(3)": "3.142",
		"81.sqrt()":        "9",
		"2.power(3)":       "8",
		// tree and loops
		"Patient.children().count()":                                         "18",
		"name.descendants().where($this = 'Jim').count()":                    "1",
		"name.select(given.first())":                                         "Peter, Jim, Peter",
		"name.given.where($index = 2)":                                       "Jim",
		"(1 | 2 | 3).aggregate($total + $this, 0)":                           "6",
		"telecom.rank.aggregate(iif($total.empty(), $this, $total + $this))": "3",
		"contained.repeat(children()).where($this = 'Clinic')":               "Clinic",
		// environment
		"%resource.id":              "p1",
		"%ucum":                     "http://unitsofmeasure.org",
		"%`vs-gender`":              "http://hl7.org/fhir/ValueSet/gender",
		"now().toString()":          "2026-06-01T10:30:00.000Z",
		"Patient is Resource":       "true",
		"name.first() is HumanName": "true",
		"/* a comment */ name.count() // and another": "3",
		"`name`.count()": "3",
	}
	for expr, want := range tests {
		got, err := eval(t, root, expr)
		if err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", expr, got, err, want)
		}
	}
}

func TestExpressionsOnAnObservation(t *testing.T) {
	t.Parallel()
	root := doc(t, observation)
	tests := map[string]string{
		"Observation.value":                                           "185 '[lb_av]'",
		"(Observation.value as Quantity).code":                        "[lb_av]",
		"(Observation.value as CodeableConcept)":                      "",
		"Observation.value.ofType(Quantity).unit":                     "lbs",
		"value > 100 '[lb_av]'":                                       "true",
		"value.value":                                                 "185.0",
		"Observation.subject.where(resolve() is Patient)":             "Observation.subject",
		"Observation.subject.where(resolve() is Group)":               "",
		"effective.toString()":                                        "2026-02",
		"effective is dateTime":                                       "true",
		"effective is Period":                                         "false",
		"code.coding.where(system = %loinc).code":                     "29463-7",
		"Observation.code | Observation.component.code":               "Observation.code",
		"referenceRange.low.exists() or referenceRange.text.exists()": "true",
		"code.coding.code is code":                                    "true",
		"code.coding.code is string":                                  "true",
		"code.coding.code is String":                                  "true",
	}
	for expr, want := range tests {
		got, err := eval(t, root, expr)
		if err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", expr, got, err, want)
		}
	}
}

func TestMisuseIsAnErrorNotAPanic(t *testing.T) {
	t.Parallel()
	root := doc(t, patient)
	for _, expr := range []string{
		"name.given + 'x'", "name.given > 1", "'a' < 1", "1 + 'a'", "name.single()", "@2026-01-01 + 1 'kg'",
		"name.skip('a')", "'a'.substring('b')", "%nothing", "$index", "-'a'", "'a'.matches('(')", "name.allTrue()",
		"@9999-12-31 + 1 year", "@T10:00 + 1 day",
	} {
		if got, err := eval(t, root, expr); err == nil {
			t.Errorf("%s = %q, want an error", expr, got)
		}
	}
}

func TestSyntaxErrorsSayWhere(t *testing.T) {
	t.Parallel()
	tests := map[string]int{
		"name.": 5, "name..given": 5, "name.where(": 11, "name.nothing()": 12, "'open": 0, "name[1": 6, "1 +": 3,
		"name given": 5, "name.where()": 10, "@2026-13-01": 0, "$that": 0, "name ; x": 5, "{1}": 1,
		strings.Repeat("(", 200): 100, "99999999999999999999": 0, "%": 0, "": 0,
	}
	for expr, at := range tests {
		_, err := path.Parse(expr)
		var syntax *path.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != at {
			t.Errorf("%.20q: error %v, want a SyntaxError at %d", expr, err, at)
		}
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	root := doc(t, patient)
	for _, expr := range []string{
		"name.given.select(%resource.descendants()).select(%resource.descendants()).select(%resource.descendants()).count()",
		"'aaaaaaaaaaaaaaaa'.toChars().select('" + strings.Repeat("a", 2000) + "'.replace('a', '" + strings.Repeat("b", 2000) + "'))",
		"name.repeat($this.given | $this)." + strings.Repeat("select(%resource.descendants()).", 5) + "count()",
	} {
		if _, err := eval(t, root, expr); !errors.Is(err, path.ErrTooCostly) {
			t.Errorf("%.60s: error %v, want ErrTooCostly", expr, err)
		}
	}
}

func TestItemsKnowTheirPlace(t *testing.T) {
	t.Parallel()
	root := doc(t, patient)
	c, err := path.MustParse("name.given").Eval(nil, root)
	if err != nil {
		t.Fatal(err)
	}
	if got := c[1].Path(); got != "Patient.name[0].given[1]" {
		t.Errorf("path = %s", got)
	}
	start, end, ok := c[2].Location()
	if !ok || patient[start:end] != `"Jim"` || string(c[2].JSON()) != `"Jim"` {
		t.Errorf("location = %d:%d %v, JSON %s", start, end, ok, c[2].JSON())
	}
}

func FuzzEval(f *testing.F) {
	f.Add("name.where(use = 'official').given.first()", patient)
	f.Add("Observation.value.ofType(Quantity) > 3 'kg'", observation)
	f.Add("repeat(children()).select($this & 'x').distinct()", patient)
	f.Add("@2024-01-31T10:00:00.123Z + 1.5 seconds", observation)
	f.Fuzz(func(t *testing.T, expr, json string) {
		e, err := path.Parse(expr)
		if err != nil {
			return
		}
		d, err := path.NewDoc([]byte(json), schema.Model{})
		if err != nil {
			return
		}
		c, err := e.Eval(&path.Env{MaxSteps: 10_000}, d.Root())
		if err != nil {
			return
		}
		for _, it := range c {
			_, _, _, _ = it.String(), it.Path(), it.JSON(), it.Type()
		}
	})
}

func BenchmarkNewDoc(b *testing.B) {
	src := []byte(observation)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := path.NewDoc(src, schema.Model{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	root := doc(b, observation)
	e := path.MustParse("Observation.subject.where(resolve() is Patient)")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval(nil, root); err != nil {
			b.Fatal(err)
		}
	}
}
