package chartmap_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// patient wraps the elements of a map on Patient.
func patient(elements string) string {
	return "chartmap: 1\ncodes:\n  sex: { map: { F: female, M: male } }\nmaps:\n- name: p\n  resource: Patient\n  from: patients\n  id: _id\n  elements:\n    " + elements
}

func appointment(transitions string) string {
	return "chartmap: 1\ncodes:\n  st: { map: { A: proposed, B: booked } }\nmaps:\n- name: a\n  resource: Appointment\n  from: appointments\n  id: _id\n  transitions: { " +
		transitions + " }\n  elements:\n    status: { $from: st, $codes: st }\n    participant: { $list1: { actor: { $ref: Patient, $from: p }, status: { $const: accepted } } }"
}

func observation(quantity string) string {
	return "chartmap: 1\nmaps:\n- name: w\n  resource: Observation\n  from: weights\n  id: _id\n  elements:\n    status: { $const: final }\n    code: { $const: { text: weight } }\n    valueQuantity: { $quantity: w, " + quantity + " }"
}

func TestEveryFaultOfAChartMapIsReportedWhereItIs(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, chart, want string }{
		{"a key that is misspelt", "chartmap: 1\nmap: []\nmaps: []", `c.yaml:2:1: unknown key "map" in the chart map; did you mean "maps"?`},
		{"another version", "chartmap: 2\nmaps: []", "c.yaml:1:11: only version 1"},
		{"no chart map", "a: 1", "c.yaml:1:1: this is not a chart map"},
		{"no YAML", "a: [", "c.yaml:1:1: not YAML"},
		{"nothing", "", "not YAML: the file is empty"},
		{"two documents", "chartmap: 1\n---\nb: 2", "more than one YAML document"},
		{"a bad time zone", "chartmap: 1\ndefaults: { timezone: Europe/Olso }\nmaps: []", `c.yaml:2:23: timezone: there is no time zone "Europe/Olso"`},
		{"a word of the defaults", "chartmap: 1\ndefaults: { onUnknownCode: keeplocal }\nmaps: []", "did you mean keep-local?"},
		{"no such type", strings.Replace(patient("active: a"), "Patient", "Patiant", 1), `"Patiant" is no resource type of R4; did you mean Patient?`},
		{"a type by another case", strings.Replace(patient("active: a"), "Patient", "patient", 1), "did you mean Patient?"},
		{"no id", strings.Replace(patient("active: a"), "  id: _id\n", "", 1), `map "p" has no id; add id: …`},
		{"no such element", patient("birthdate: { $from: dob, $as: date }"), `c.yaml:10:5: Patient has no element "birthdate" in R4; did you mean birthDate?`},
		{"a choice without its type", patient("deceased: { $from: d, $as: not }"), `Patient has no element "deceased" in R4; name the type: deceasedBoolean, deceasedDateTime`},
		{"an element within a type", patient("name: { $list1: { famly: last } }"), "HumanName has no element"},
		{"a list where one value goes", patient("birthDate: { $list1: dob }"), "Patient.birthDate holds one value"},
		{"one value where a list goes", patient("name: { text: name }"), "c.yaml:10:11: Patient.name is a list; put it behind $list1"},
		{"a date without conversion", patient("birthDate: dob"), "Patient.birthDate is a date and cannot be copied from a field; write $as: date"},
		{"a conversion to another type", patient("active: { $from: a, $as: int }"), "Patient.active is a boolean; $as: int does not give one"},
		{"an unknown conversion", patient("birthDate: { $from: a, $as: dat }"), "did you mean date?"},
		{"an unknown directive", patient("birthDate: { $fro: a }"), `unknown key "$fro" in Patient.birthDate; did you mean "$from"?`},
		{"directives that do not go together", patient("birthDate: { $const: \"2020\", $as: date }"), "$as does not go with $const"},
		{"directives among elements", patient("maritalStatus: { text: a, $from: b }"), `"text" stands among directives`},
		{"an unknown code table", patient("gender: { $from: s, $codes: sexx }"), `there is no code table "sexx"; did you mean sex?`},
		{"a code that R4 does not allow", strings.Replace(patient("gender: { $from: s, $codes: sex }"), "female", "femal", 1), `has "femal", which Patient.gender does not allow; did you mean female?`},
		{"a constant that R4 does not allow", patient("gender: { $const: femal }"), `Patient.gender does not allow the code "femal"; did you mean female?`},
		{"a constant of another type", patient("active: { $const: \"true\" }"), "the $const must be true or false"},
		{"an unquoted number for a string", patient("language: { $const: 12 }"), `put it in quotes: "12"`},
		{"the same element twice", patient("active: a\n    active: b"), `c.yaml:11:5: "active" is written twice`},
		{"two rules for one field", patient("active: a\n    deceasedBoolean: { $from: a, $as: not }"), `the field "a" is written by two rules (the other is in line 10); mark`},
		{"a reference to a type that is not allowed", patient("managingOrganization: { $ref: Patient, $from: o }"), "cannot refer to a Patient; allowed: Organization"},
		{"a reference that is none", patient("active: { $ref: Patient, $from: o }"), "not a Reference"},
		{"no element of an array", patient("active: ."), `is the element of a $each, and this is not in one`},
		{"slots that look alike", patient("telecom: { $slots: [ { value: a }, { value: b } ] }"), "slots 1 and 2 cannot be told apart"},
		{"an array position", patient("active: a.0"), "has an array position"},
		{"a path with an operator", patient("active: a.$b"), `"$b" cannot be a field name`},
		{"a factor of zero", strings.Replace(patient("position: { latitude: b, longitude: { $from: a, $as: { linear: { mul: 0 } } } }"), "Patient", "Location", 1), "cannot be inverted"},
		{"a required element without a rule", strings.Replace(patient("status: { $const: final }"), "Patient", "Observation", 1), "Observation.code is required by R4 and has no rule"},
		{"a required element of an element", patient("communication: { $list1: { preferred: a } }"), "Patient.communication.language is required by R4"},
		{"an element of Portico's own", patient("id: a"), "Patient.id is Portico's own"},
		{"a condition with an unknown operator", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  where: { a: { $regex: x } }", 1), `unknown key "$regex" in a condition`},
		{"a fan-out suffix with a hyphen", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  fanout: [ { suffix: a-b } ]", 1), `"a-b" cannot be the suffix of an id`},
		{"a rule for the key", patient("active: a\n    language: _id"), `c.yaml:11:15: the field "_id" is the key, the version or the time of the document, and no rule writes it; mark the rule with $write: derived`},
		{"a rule for the version", strings.Replace(patient("active: rev"), "  id: _id", "  id: _id\n  version: rev", 1), `the field "rev" is the key, the version or the time`},
		{"a rule within another's field", patient("language: a\n    deceasedBoolean: { $from: a.b }"), `the field "a.b" is within, or around, "a", which the rule in line 10 writes; map the fields within, or the whole`},
		{"a change that nobody can make", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  writable: [creat]", 1), "writable must be one of create, update, delete; did you mean create?"},
		{"keys of an unknown kind", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  newId: uid", 1), "newId must be one of objectId, uuid"},
		{"data that would be lost", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  unmapped: ignore", 1), "unmapped must be one of overflow, reject"},
		{"transitions without states", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  transitions: { patient: { A: [B] } }", 1), "c.yaml:9:16: transitions are between the states that a rule for status with a code table reads; map status with $from and $codes"},
		{"a transition to nowhere", appointment("clinician: { A: [B, C] }"), `code table "st" has no state "C"`},
		{"a unit that is no factor", observation("$ucum: kg, $accept: { g: kilo }"), "mul must be a number"},
		{"a unit that cannot be converted back", observation("$ucum: kg, $accept: { g: 0 }"), "mul 0 cannot be inverted"},
		{"a unit converted into none", observation("$unit: kg, $accept: { g: 0.001 }"), "$accept converts into the unit of $ucum; add $ucum"},
		{"an ObjectId where codes are few", patient("gender: { $from: s, $as: objectId }"), "Patient.gender is a code; $as: objectId does not give one"},
		{"a history without versions", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  history: { from: old, key: pid }", 1), "has a history without a version; add version"},
		{"a history of nothing", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  version: v\n  history: { from: old }", 1), "history needs from and key"},
		{"a label that is no code", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  labels: { ETHU: { a: 1 } }", 1), `c.yaml:9:13: labels: "ETHU" is no code of confidentiality or sensitivity; did you mean ETH? write system|code`},
		{"a label of half a system", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  labels: { \"|x\": { a: 1 } }", 1), `labels: "|x" is no code of a system; write system|code`},
		{"a label twice", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  labels: { HIV: { a: 1 }, \"http://terminology.hl7.org/CodeSystem/v3-ActCode|HIV\": { b: 1 } }", 1), "is written twice; keep one"},
		{"confidentiality with its system", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  labels: { \"http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R\": { a: 1 } }", 1), `stand without their system; write "R"`},
		{"an unknown value of a new document", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  onCreate: { a.b: { $nov: date } }", 1), `c.yaml:9:22: unknown key "$nov" in onCreate; did you mean "$now"?`},
		{"a time in no form", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  onCreate: { b: { $now: dat } }", 1), `$now must be one of date, text, day, seconds, millis; did you mean date?`},
		{"beside a time", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  onCreate: { b: { $now: date, $absent: 1 } }", 1), `unknown key "$absent" in $now`},
		{"a counter of nothing", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  onCreate: { b: { $counter: { from: c } } }", 1), `c.yaml:9:30: $counter needs from, id and field; write { from: counters, id: orders, field: seq }`},
		{"a counter of too many digits", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  newId: { $counter: { from: c, id: a, field: n, digits: 19 } }", 1), `digits must be a number from 1 to 18`},
		{"another word in newId", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  newId: { counter: { from: c } }", 1), `unknown key "counter" in newId; did you mean "$counter"?`},
		{"a key of its own for a new document", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  onCreate: { _id: 1 }", 1), `c.yaml:9:15: onCreate: "_id" is the key, the version or the time`},
		{"a review of no element", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  review: [nam]", 1), `c.yaml:9:12: review: Patient has no element "nam"; did you mean name?`},
		{"a review of nobody", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  review: { of: [sender] }", 1), "of must be one of patient, proxy, clinician, staff, system"},
		{"another word in review", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  review: { who: [patient] }", 1), `unknown key "who" in review`},
		{"a review where Tasks are the EHR's", strings.Replace(patient("active: a"), "  id: _id", "  id: _id\n  review: [active]", 1) + "\n- { name: t, resource: Task, from: t, id: _id, elements: { status: { $const: draft }, intent: { $const: order } } }\n", "is kept in Tasks of Portico's own"},
		{"an alias of itself", "chartmap: 1\nmaps: &a [ *a ]", "contains itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			notLoaded(t, tt.chart, tt.want)
		})
	}
}

// notLoaded wants a chart map to be refused with a problem.
func notLoaded(t *testing.T, chart, want string) {
	t.Helper()
	m, err := chartmap.Load([]byte(chart), "c.yaml")
	var found chartmap.Problems
	if !errors.As(err, &found) || m != nil {
		t.Fatalf("loaded: %v", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAllFaultsAreReportedAtOnceInOrder(t *testing.T) {
	t.Parallel()
	chart := patient("birthdate: a\n    gender: { $from: s, $codes: no }\n    name: b\n    active: { $as: not }")
	_, err := chartmap.Load([]byte(chart), "c.yaml")
	var found chartmap.Problems
	if !errors.As(err, &found) || len(found) != 4 {
		t.Fatalf("got %v", err)
	}
	for i := 1; i < len(found); i++ {
		if found[i].Line < found[i-1].Line {
			t.Errorf("out of order: %v", err)
		}
	}
}

func TestScalarsAreYAML12(t *testing.T) {
	t.Parallel()
	chart := patient(`address: { $list: [ { city: a, country: { $const: NO } }, { city: b, country: { $const: off }, state: { $const: "014" } } ] }`)
	if _, err := chartmap.Load([]byte(chart), "c.yaml"); err != nil {
		t.Errorf("NO and off are words: %v", err)
	}
	_, err := chartmap.Load([]byte(strings.Replace(chart, `"014"`, "014", 1)), "c.yaml")
	if err == nil || !strings.Contains(err.Error(), `put it in quotes: "014"`) {
		t.Errorf("014 is a number: %v", err)
	}
}

func TestJSONIsAChartMapToo(t *testing.T) {
	t.Parallel()
	chart := `{"chartmap": 1, "maps": [{"name": "p", "resource": "Patient", "from": "p", "id": "_id", "elements": {"active": {"$from": "a"}}}]}`
	if _, err := chartmap.Load([]byte(chart), "c.json"); err != nil {
		t.Error(err)
	}
}

func TestCodeTablesAreReadFromFiles(t *testing.T) {
	t.Parallel()
	chart := strings.Replace(patient("gender: { $from: s, $codes: sex }"), "{ map: { F: female, M: male } }", "{ csv: codes/sex.csv }", 1)
	for content, want := range map[string]string{
		"F,female\nM,male\n":        "",
		"F,female\nF,male\n":        "there twice",
		"F\n":                       "record 1 is not a code",
		"F,\"fe\n":                  "csv:",
		"source,code\nF,woman\n":    `has "woman"`,
		"\ufeffsource,code\nF,male": "",
	} {
		files := fstest.MapFS{"maps/codes/sex.csv": {Data: []byte(content)}}
		_, err := chartmap.LoadFS(files, "maps/c.yaml", []byte(chart), "c.yaml")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	for _, path := range []string{"../sex.csv", "/etc/passwd", "missing.csv"} {
		bad := strings.Replace(chart, "codes/sex.csv", path, 1)
		if _, err := chartmap.LoadFS(fstest.MapFS{}, "maps/c.yaml", []byte(bad), "c.yaml"); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func TestTheClinicsMapHasNoProblems(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load(clinic.ChartMap(), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) > 0 {
		t.Error(m.Warnings)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(clinic.ChartMap())
	f.Add([]byte(patient("active: a")))
	f.Add([]byte("a: &a [*a]"))
	if data, err := os.ReadFile("testdata/every/chart.yaml"); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := chartmap.LoadFS(fstest.MapFS{}, "c.yaml", data, "c.yaml")
		if (m == nil) == (err == nil) {
			t.Fatalf("%v, %v", m, err)
		}
		var found chartmap.Problems
		if err != nil && (!errors.As(err, &found) || len(found) == 0) {
			t.Fatalf("a fault without its place: %v", err)
		}
	})
}
