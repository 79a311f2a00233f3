package guard_test

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
)

// What is there when patients and proxies write.
var ward = []string{
	`{"resourceType":"Patient","id":"p","telecom":[{"value":"1"}]}`,
	`{"resourceType":"Patient","id":"q"}`,
	`{"resourceType":"RelatedPerson","id":"r","patient":{"reference":"Patient/p"}}`,
	`{"resourceType":"Appointment","id":"asked","status":"proposed","start":"2026-06-01T10:00:00Z","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"},{"actor":{"reference":"Practitioner/d"},"status":"tentative"}]}`,
	`{"resourceType":"Appointment","id":"fixed","status":"booked","start":"2026-06-01T10:00:00Z","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"},{"actor":{"reference":"Practitioner/d"},"status":"accepted"}]}`,
	`{"resourceType":"Appointment","id":"told","text":{"status":"generated","div":"<div>x</div>"},"status":"booked","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`,
	`{"resourceType":"Appointment","id":"done","status":"fulfilled","participant":[{"actor":{"reference":"Patient/p"}}]}`,
	`{"resourceType":"Appointment","id":"others","status":"booked","participant":[{"actor":{"reference":"Patient/q"}}]}`,
	`{"resourceType":"Communication","id":"toPatient","status":"completed","subject":{"reference":"Patient/p"},"sender":{"reference":"Practitioner/d"},"recipient":[{"reference":"Patient/p"}],"payload":[{"contentString":"x"}]}`,
	`{"resourceType":"Communication","id":"toProxy","status":"completed","subject":{"reference":"Patient/p"},"sender":{"reference":"Practitioner/d"},"recipient":[{"reference":"RelatedPerson/r"}]}`,
	`{"resourceType":"MedicationRequest","id":"rx","status":"active","intent":"order","subject":{"reference":"Patient/p"}}`,
	`{"resourceType":"MedicationRequest","id":"rxOther","status":"active","intent":"order","subject":{"reference":"Patient/q"}}`,
	`{"resourceType":"Observation","id":"lab","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"subject":{"reference":"Patient/p"}}`,
	`{"resourceType":"Observation","id":"own","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/p"}]}`,
	`{"resourceType":"Observation","id":"nurse","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"}]}`,
	`{"resourceType":"QuestionnaireResponse","id":"answers","status":"in-progress","subject":{"reference":"Patient/p"},"author":{"reference":"Patient/p"}}`,
	`{"resourceType":"Consent","id":"inForce","status":"active","patient":{"reference":"Patient/p"}}`,
	`{"resourceType":"Consent","id":"granted","status":"active","category":[{"coding":[{"system":"` + policy.BasisSystem + `","code":"parental"}]}],"patient":{"reference":"Patient/p"}}`,
	`{"resourceType":"Condition","id":"hidden","subject":{"reference":"Patient/q"}}`,
	`{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"}}`,
	`{"resourceType":"Flag","id":"labeled","meta":{"security":[{"code":"R"}]},"subject":{"reference":"Patient/p"}}`,
	`{"resourceType":"Appointment","id":"labeled","meta":{"security":[{"code":"R"}]},"status":"booked","participant":[{"actor":{"reference":"Patient/p"}}]}`,
}

func TestWhatPatientsAndProxiesWrite(t *testing.T) {
	t.Parallel()
	const (
		forbidden = fhir.CodeForbidden
		rule      = fhir.CodeBusinessRule
		unseen    = fhir.CodeNotFound
	)
	appointment := func(status, more string) string {
		return `{"resourceType":"Appointment","status":"` + status + `"` + more + `,"participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`
	}
	stored := func(id, from, to string) string {
		for _, body := range ward {
			if strings.Contains(body, `"id":"`+id+`"`) {
				return strings.Replace(body, from, to, 1)
			}
		}
		t.Fatal(id)
		return ""
	}
	both := "patient proxy"
	for _, tt := range []struct {
		claim, who, body string
		want             fhir.IssueCode
	}{
		// Appointments.
		{"ask for an appointment", both, appointment("proposed", ""), ""},
		{"hold one", both, appointment("pending", ""), ""},
		{"book one themselves", both, appointment("booked", ""), rule},
		{"ask for one for another patient", both, strings.Replace(appointment("proposed", ""), "Patient/p", "Patient/q", 1), forbidden},
		{"ask for one with another patient", both, `{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Patient/q"}}]}`, forbidden},
		{"ask for one for nobody", both, `{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Practitioner/d"}}]}`, forbidden},
		{"ask for one for a version of the patient", both, strings.Replace(appointment("proposed", ""), "Patient/p", "Patient/p/_history/1", 1), forbidden},
		{"label one", both, appointment("proposed", `,"meta":{"security":[{"code":"U"}]}`), rule},
		{"tag one", both, appointment("proposed", `,"meta":{"tag":[{"code":"x"}]}`), rule},
		{"cancel what they asked for", both, stored("asked", `"proposed"`, `"cancelled"`), ""},
		{"move what they asked for", both, stored("asked", "06-01", "06-02"), ""},
		{"book what they asked for", both, stored("asked", `"proposed"`, `"booked"`), rule},
		{"cancel what is booked", both, stored("fixed", `"booked"`, `"cancelled"`), ""},
		{"move what is booked", both, stored("fixed", "06-01", "06-02"), rule},
		{"cancel and move what is booked", both, strings.Replace(stored("fixed", `"booked"`, `"cancelled"`), "06-01", "06-02", 1), rule},
		{"leave what is booked out of the calendar of the practitioner", both, stored("fixed", `,{"actor":{"reference":"Practitioner/d"},"status":"accepted"}`, ""), rule},
		{"cancel what is booked and say so for themselves", both, strings.Replace(stored("fixed", `"booked"`, `"cancelled"`), `"accepted"}`, `"declined"}`, 1), ""},
		{"answer for the practitioner", both, strings.Replace(stored("asked", `"tentative"`, `"accepted"`), "06-01", "06-02", 1), rule},
		{"call the practitioner something else", both, stored("asked", `"Practitioner/d"`, `"Practitioner/d","display":"x"`), rule},
		{"give what is booked to another patient", both, stored("fixed", "Patient/p", "Patient/q"), forbidden},
		{"cancel what has been", both, stored("done", `"fulfilled"`, `"cancelled"`), rule},
		{"cancel what is another's", both, stored("others", `"booked"`, `"cancelled"`), unseen},
		{"take over what is another's", both, strings.ReplaceAll(stored("others", `"booked"`, `"cancelled"`), "Patient/q", "Patient/p"), unseen},
		{"write under an id that is free", both, strings.Replace(appointment("proposed", ""), `"Appointment",`, `"Appointment","id":"free",`, 1), unseen},
		{"lower a label", both, strings.Replace(stored("labeled", `"security":[{"code":"R"}]`, `"security":[{"code":"U"}]`), "Flag", "Appointment", 1), forbidden},
		{"drop a label", both, `{"resourceType":"Appointment","id":"labeled","status":"cancelled","participant":[{"actor":{"reference":"Patient/p"}}]}`, rule},
		{"cancel what is labeled", both, `{"resourceType":"Appointment","id":"labeled","meta":{"security":[{"code":"R"}]},"status":"cancelled","participant":[{"actor":{"reference":"Patient/p"}}]}`, ""},

		{"ask for one for what is another's", both, appointment("proposed", `,"reasonReference":[{"reference":"Condition/hidden"}]`), rule},
		{"ask for one for what is not there", both, appointment("proposed", `,"reasonReference":[{"reference":"Condition/none"}]`), rule},
		{"ask for one for what only the clinic's systems see", both, appointment("proposed", `,"supportingInformation":[{"reference":"Task/t"}]`), rule},
		{"ask for one for what is theirs", both, appointment("proposed", `,"reasonReference":[{"reference":"Condition/c"}]`), ""},

		// Messages.
		{"send a message", "patient", `{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/p"},"sender":{"reference":"Patient/p"}}`, ""},
		{"send a message", "proxy", `{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/p"},"sender":{"reference":"RelatedPerson/r"}}`, ""},
		{"send a message as somebody else", both, `{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/p"},"sender":{"reference":"Practitioner/d"}}`, rule},
		{"send a message as the patient", "proxy", `{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/p"},"sender":{"reference":"Patient/p"}}`, rule},
		{"send a message as nobody", both, `{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/p"}}`, rule},
		{"send a message about another patient", "patient", `{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/q"},"sender":{"reference":"Patient/p"}}`, forbidden},
		{"send a message about nobody", "patient", `{"resourceType":"Communication","status":"completed","sender":{"reference":"Patient/p"}}`, forbidden},
		{"say that they have received one", "patient", stored("toPatient", `"status"`, `"received":"2026-05-01T10:00:00Z","status"`), ""},
		{"say that they have received one", "proxy", stored("toProxy", `"status"`, `"received":"2026-05-01T10:00:00Z","status"`), ""},
		{"say that another has received one", "patient", stored("toProxy", `"status"`, `"received":"2026-05-01T10:00:00Z","status"`), forbidden},
		{"say that another has received one", "proxy", stored("toPatient", `"status"`, `"received":"2026-05-01T10:00:00Z","status"`), forbidden},
		{"tell a message that they received otherwise", "patient", stored("toPatient", `"status"`, `"text":{"status":"generated","div":"<div>y</div>"},"status"`), rule},
		{"tell what is booked otherwise", both, stored("fixed", `"booked"`, `"cancelled","text":{"status":"generated","div":"<div>y</div>"}`), rule},
		{"cancel what is told, and no longer tell it", both, strings.Replace(stored("told", `"booked"`, `"cancelled"`), `"text":{"status":"generated","div":"<div>x</div>"},`, "", 1), ""},
		{"say that something comes from elsewhere", both, appointment("proposed", `,"meta":{"source":"urn:lab"}`), rule},
		{"change a message that they received", "patient", stored("toPatient", `"x"`, `"y"`), rule},

		// Prescriptions.
		{"ask for a prescription to be renewed", both, `{"resourceType":"MedicationRequest","status":"draft","intent":"proposal","subject":{"reference":"Patient/p"},"priorPrescription":{"reference":"MedicationRequest/rx"}}`, ""},
		{"ask for that of another patient", both, `{"resourceType":"MedicationRequest","status":"draft","intent":"proposal","subject":{"reference":"Patient/p"},"priorPrescription":{"reference":"MedicationRequest/rxOther"}}`, rule},
		{"ask for one that is not there", both, `{"resourceType":"MedicationRequest","status":"draft","intent":"proposal","subject":{"reference":"Patient/p"},"priorPrescription":{"reference":"MedicationRequest/none"}}`, rule},
		{"ask for a new prescription", both, `{"resourceType":"MedicationRequest","status":"draft","intent":"proposal","subject":{"reference":"Patient/p"}}`, rule},
		{"prescribe", both, `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/p"},"priorPrescription":{"reference":"MedicationRequest/rx"}}`, rule},
		{"propose what is completed", both, `{"resourceType":"MedicationRequest","status":"completed","intent":"proposal","subject":{"reference":"Patient/p"},"priorPrescription":{"reference":"MedicationRequest/rx"}}`, rule},
		{"ask in the name of a practitioner", both, `{"resourceType":"MedicationRequest","status":"draft","intent":"proposal","subject":{"reference":"Patient/p"},"requester":{"reference":"Practitioner/d"},"priorPrescription":{"reference":"MedicationRequest/rx"}}`, rule},
		{"have a practitioner record it", both, `{"resourceType":"MedicationRequest","status":"draft","intent":"proposal","subject":{"reference":"Patient/p"},"recorder":{"reference":"Practitioner/d"},"priorPrescription":{"reference":"MedicationRequest/rx"}}`, rule},
		{"change a prescription", both, stored("rx", `"active"`, `"stopped"`), forbidden},

		// Measurements and answers.
		{"record what they measured", both, `{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"subject":{"reference":"Patient/p"}}`, ""},
		{"record a laboratory's result", "patient", `{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"subject":{"reference":"Patient/p"}}`, rule},
		{"record a laboratory's result", "proxy", `{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"subject":{"reference":"Patient/p"}}`, forbidden},
		{"record one that is also a laboratory's", both, `{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"vital-signs"},{"code":"laboratory"}]}],"subject":{"reference":"Patient/p"}}`, rule},
		{"record in the name of a nurse", both, `{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"}]}`, rule},
		{"correct what they recorded", "patient", stored("own", `"final"`, `"amended"`), ""},
		{"correct what the patient recorded", "proxy", stored("own", `"final"`, `"amended"`), rule},
		{"correct what a nurse recorded", both, stored("nurse", `"final"`, `"amended"`), rule},
		{"change a laboratory's result", "patient", stored("lab", `"final"`, `"amended"`), forbidden},
		{"make a laboratory's result theirs", both, stored("lab", `laboratory`, `vital-signs`), forbidden},
		{"answer questions", both, `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/p"}}`, ""},
		{"answer with the words of a practitioner", both, `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/p"},"source":{"reference":"Practitioner/d"}}`, rule},
		{"answer for another patient", both, `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/q"}}`, forbidden},
		{"complete their answers", "patient", stored("answers", "in-progress", "completed"), ""},
		{"complete the patient's answers", "proxy", stored("answers", "in-progress", "completed"), rule},
		{"make answers another's", "patient", stored("answers", "Patient/p", "Patient/q"), forbidden},

		// Everything else.
		{"propose a consent", "patient", `{"resourceType":"Consent","status":"proposed","patient":{"reference":"Patient/p"}}`, ""},
		{"propose a consent", "proxy", `{"resourceType":"Consent","status":"proposed","patient":{"reference":"Patient/p"}}`, forbidden},
		{"withdraw a consent by a plain write", "patient", stored("inForce", "active", "rejected"), rule},
		{"change what a consent in force says", "patient", stored("inForce", `"status"`, `"dateTime":"2026","status"`), rule},
		{"propose what looks like a grant", "patient", strings.Replace(stored("granted", `"id":"granted",`, ""), "active", "proposed", 1), rule},
		{"change what a grant says", "patient", stored("granted", `"status"`, `"dateTime":"2026","status"`), rule},
		{"change their own record's contact points", both, stored("p", `"1"`, `"2"`), forbidden},
		{"write a condition", both, `{"resourceType":"Condition","subject":{"reference":"Patient/p"}}`, forbidden},
		{"change a condition", both, stored("c", `"subject"`, `"note":[{"text":"x"}],"subject"`), forbidden},
		{"make somebody related", both, `{"resourceType":"RelatedPerson","patient":{"reference":"Patient/p"}}`, forbidden},
		{"create a practitioner", both, `{"resourceType":"Practitioner"}`, forbidden},
		{"create a group", both, `{"resourceType":"Group"}`, forbidden},
	} {
		for who := range strings.FieldsSeq(tt.who) {
			t.Run("E10 E11 a "+who+" may not or may "+tt.claim, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, ward...)
				f.proxy(t, "p", "child")
				ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.cruds")
				if who == "proxy" {
					ctx = as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.cruds")
				}
				change := fhir.Change{Method: fhir.Create, Key: keyOf(tt.body), Body: []byte(tt.body)}
				if change.Key.ID != "" {
					change.Method = fhir.Put
				}
				_, err := f.Commit(ctx, []fhir.Change{change})
				if got := code(err); got != tt.want {
					t.Errorf("got %q, want %q: %v", got, tt.want, err)
				}
			})
		}
	}
}

func TestPatientsDeleteNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ward...)
	ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.cruds")
	for _, body := range ward {
		key := keyOf(body)
		results, err := f.Commit(ctx, []fhir.Change{{Method: fhir.Delete, Key: key}})
		switch {
		case strings.Contains(body, "Patient/q") || key.ID == "q":
			// As of what is not there.
			if err != nil || results[0].Status != fhir.Absent || results[0].Resource.Key != key {
				t.Errorf("E9 %s: %v, %v", key, results, err)
			}
		case code(err) != fhir.CodeForbidden:
			t.Errorf("E10 %s: %v, %v", key, results, err)
		}
		if _, err := f.records.Read(t.Context(), key); err != nil {
			t.Errorf("E10 %s: %v", key, err)
		}
	}
}

func TestAConsentIsNotPutIntoForceByWritingIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, append(ward, `{"resourceType":"Consent","id":"waiting","status":"proposed","patient":{"reference":"Patient/p"}}`,
		`{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)...)
	for name, ctx := range map[string]func() (res []fhir.Result, err error){
		"a patient": func() ([]fhir.Result, error) {
			return f.Commit(as(t, access.Patient, "Patient/p", "p", "patient/*.cruds"), []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Consent"}, Body: []byte(`{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/p"}}`)}})
		},
		"a clinician": func() ([]fhir.Result, error) {
			return f.Commit(as(t, access.Clinician, "Practitioner/d", "", "user/*.cruds"), []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Consent"}, Body: []byte(`{"resourceType":"Consent","status" : "active","patient":{"reference":"Patient/p"}}`)}})
		},
	} {
		results, err := ctx()
		if err != nil || !strings.Contains(string(results[0].Resource.Body), `"proposed"`) || strings.Contains(string(results[0].Resource.Body), `"active"`) {
			t.Errorf("E10 %s: %v, %v", name, results, err)
		}
	}
	change := fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Consent", ID: "waiting"}, Body: []byte(`{"resourceType":"Consent","id":"waiting","status":"active","patient":{"reference":"Patient/p"}}`)}
	for _, ctx := range []func() error{
		func() error {
			_, err := f.Commit(as(t, access.Clinician, "Practitioner/d", "", "user/*.cruds"), []fhir.Change{change})
			return err
		},
		func() error {
			_, err := f.Commit(as(t, access.Patient, "Patient/p", "p", "patient/*.cruds"), []fhir.Change{change})
			return err
		},
	} {
		if err := ctx(); code(err) != fhir.CodeBusinessRule {
			t.Errorf("E10 putting it into force later: %v", err)
		}
	}
}
