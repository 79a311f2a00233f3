package pages

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/scope"
)

// ready makes sure that there is a request and somebody signed in as lately as it
// wants. ok is false when the browser was sent to sign in.
func (v *visit) ready() (ok bool, err error) {
	if v.pending == nil {
		return false, expired()
	}
	if !v.fresh() {
		return false, v.step("/auth/login")
	}
	if !v.who.Has(account.Patient) && !v.who.Has(account.Proxy) && !v.who.Has(account.Clinician) {
		return false, &problem{status: http.StatusForbidden, what: "error.role"}
	}
	return true, nil
}

// needsPatient reports whether the app cannot be let in without one patient: all but
// clinicians have no other access than to one record at a time.
func (v *visit) needsPatient() bool {
	s := v.pending.Scopes
	return s.Reaches(scope.Patient) || s.Has(scope.LaunchPatient) || !v.who.Has(account.Clinician)
}

// launched gives the patient for whom an EHR launched the app; empty when none.
func (v *visit) launched() string {
	if v.pending.Launch == nil {
		return ""
	}
	return v.pending.Launch.Patient
}

// pickerPage asks whose record, unless there is nothing to choose.
func pickerPage(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	if ok, err := v.ready(); !ok {
		return err
	}
	if patient := v.launched(); patient != "" {
		return v.step("/auth/consent", "patient", patient)
	}
	if !v.needsPatient() {
		return v.step("/auth/consent")
	}
	choices, err := v.People.Patients(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	if len(choices) == 1 && !v.who.Has(account.Clinician) {
		return v.step("/auth/consent", "patient", choices[0].Patient.ID)
	}
	return v.showPicker(http.StatusOK, choices, "")
}

// person is a choice as the page shows it.
type person struct {
	ID, Name string
	Notes    []string
	Chosen   bool
}

// showPicker shows the choices, and for clinicians a search.
func (v *visit) showPicker(status int, choices []Choice, wrong string) error {
	data := struct {
		common
		App, Find, Status, Legend, Deny string
		Search                          bool
		Choices                         []person
	}{common: v.common("picker.title"), App: v.pending.Client.Name, Legend: v.words.say("picker.legend"), Deny: v.words.say("cancel")}
	data.Search = v.who.Has(account.Clinician)
	if data.Search {
		found, note, err := v.search(&data.Find)
		if err != nil {
			return err
		}
		data.Status = note
		if len(found) > 0 {
			choices, data.Legend = found, v.words.say("picker.found")
		}
	}
	if len(choices) == 0 && !data.Search {
		data.Status = v.words.say("picker.none")
	}
	if wrong != "" {
		data.Problems = []fault{{"patient-0", v.words.say(wrong)}}
		if len(choices) == 0 {
			data.Problems[0].Field = ""
		}
	}
	for _, c := range choices {
		data.Choices = append(data.Choices, v.person(c))
	}
	return v.show(status, "picker", data)
}

// search finds the patients for whom a clinician asks, by a form: names do not belong into
// addresses, which end up in logs.
func (v *visit) search(text *string) (found []Choice, note string, err error) {
	if !v.form.Has("find") {
		return nil, "", nil
	}
	*text = strings.TrimSpace(v.form.Get("find"))
	if n := utf8.RuneCountInString(*text); n < 2 || n > 100 {
		return nil, v.words.say("picker.short"), nil
	}
	found, err = v.People.Find(v.r.Context(), v.who, *text)
	switch {
	case err != nil:
		return nil, "", err
	case len(found) == 0:
		return nil, v.words.say("picker.nothing"), nil
	case len(found) > Found:
		return found[:Found], v.words.say("picker.more"), nil
	}
	return found, "", nil
}

// person is a choice in words.
func (v *visit) person(c Choice) person {
	p := person{ID: c.Patient.ID, Name: c.Name}
	if p.Name == "" {
		p.Name = c.Patient.ID
	}
	switch c.Kind {
	case access.Patient:
		p.Notes = append(p.Notes, v.words.say("picker.own"))
	case access.Proxy:
		p.Notes = append(p.Notes, v.words.say("picker.acting"))
	}
	if c.Birth != "" {
		p.Notes = append(p.Notes, v.words.say("picker.born", "date", v.words.date(c.Birth)))
	}
	return p
}

// pickerForm takes the choice, when it is one that the person has, or searches.
func pickerForm(v *visit) error {
	if err := v.submit(); err != nil {
		return err
	}
	if ok, err := v.ready(); !ok {
		return err
	}
	if v.launched() != "" || !v.needsPatient() {
		return &problem{status: http.StatusBadRequest, what: "error.tampered"}
	}
	choices, err := v.People.Patients(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	if v.form.Has("find") {
		return v.showPicker(http.StatusOK, choices, "")
	}
	patient := v.form.Get("patient")
	wrong := "picker.none-chosen"
	if patient != "" {
		_, ok, err := v.People.May(v.r.Context(), v.who, patient)
		if err != nil {
			return err
		}
		if ok {
			return v.step("/auth/consent", "patient", patient)
		}
		wrong = "picker.not-yours"
	}
	return v.showPicker(http.StatusUnprocessableEntity, choices, wrong)
}
