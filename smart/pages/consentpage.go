package pages

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/scope"
)

// choice finds out, and checks again, whatever the address or the form says, whose record the
// app may be let into. The zero Choice is that of no patient, for clinicians.
func (v *visit) choice(patient string) (c Choice, ok bool, err error) {
	if launched := v.launched(); launched != "" && patient != launched {
		return Choice{}, false, &problem{status: http.StatusBadRequest, what: "error.tampered"}
	}
	switch {
	case patient == "" && !v.needsPatient():
		c, ok = Choice{Kind: access.Clinician, Actor: v.who.Person}, true
	case fhir.ValidID(patient):
		if c, ok, err = v.People.May(v.r.Context(), v.who, patient); err != nil {
			return Choice{}, false, err
		}
	}
	if l := v.pending.Launch; l != nil && (!ok && l.Patient != "" || ok && l.User != (fhir.Key{}) && l.User != c.Actor) {
		return Choice{}, false, &problem{status: http.StatusForbidden, what: "error.patient"}
	}
	return c, ok, nil
}

// offer is what the app could get from this person for this patient.
func (v *visit) offer(c Choice) *ask {
	encounter := v.pending.Launch != nil && v.pending.Launch.Encounter != ""
	return newAsk(v.pending.Scopes.Keep(func(s scope.Scope) bool {
		switch {
		case s.Context == scope.System:
			return false // only clients by themselves have it
		case s.Name == scope.LaunchEncounter:
			return encounter // there is none to choose
		case s.Name == scope.LaunchPatient:
			return c.Patient.ID != ""
		}
		return true
	}), v.Types, c.Possible)
}

func consentPage(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	if ok, err := v.ready(); !ok {
		return err
	}
	c, ok, err := v.choice(v.r.URL.Query().Get("patient"))
	if err != nil {
		return err
	}
	if !ok {
		return v.step("/auth/patient")
	}
	a := v.offer(c)
	return v.showConsent(http.StatusOK, c, a, a.everything(), nil)
}

// consentForm takes the answer.
func consentForm(v *visit) error {
	if err := v.submit(); err != nil {
		return err
	}
	if ok, err := v.ready(); !ok {
		return err
	}
	c, ok, err := v.choice(v.form.Get("patient"))
	if err != nil {
		return err
	}
	if !ok {
		return &problem{status: http.StatusBadRequest, what: "error.tampered"}
	}
	a := v.offer(c)
	got, err := a.read(v.form)
	var kinds *noKindsError
	switch {
	case errors.Is(err, errTampered):
		return &problem{status: http.StatusBadRequest, what: "error.tampered"}
	case errors.Is(err, errNothing):
		return v.showConsent(http.StatusUnprocessableEntity, c, a, got, []fault{{"choose", v.words.say("consent.error.nothing")}})
	case errors.As(err, &kinds):
		text := v.words.say("consent.error.kinds", "what", v.what(kinds.row))
		return v.showConsent(http.StatusUnprocessableEntity, c, a, got, []fault{{rowID(a, kinds.row) + "-0", text}})
	case err != nil:
		return err
	}
	granted := a.granted(got)
	if !granted.Subset(v.pending.Scopes) {
		return fmt.Errorf("consent: %q is more than was asked for", granted)
	}
	d := authorize.Decision{
		Account: v.who.ID, Actor: c.Actor, Kind: c.Kind, Patient: c.Patient.ID, Grant: c.Grant,
		Scopes: granted, AuthTime: v.session.At, Session: v.session.ID,
	}
	if v.pending.Launch != nil {
		d.Encounter = v.pending.Launch.Encounter
	}
	address, err := v.Authorizations.Finish(v.r.Context(), v.pending.ID, d)
	if err != nil {
		return pendingProblem(err)
	}
	v.setCookie(v.w, browserCookieOf(v.pending.ID), "", -1)
	return v.send(address)
}

// The consent page as its template shows it.
type (
	section struct {
		Title, Note string
		Groups      []*rowGroup
	}
	rowGroup struct {
		Title string
		Rows  []rowView
		// Closed: there is so much to choose that the group shows in a few words what is
		// in it, until somebody opens it.
		Closed bool
		Words  string
	}
	rowView struct {
		ID, Key        string
		What           string
		See, Write     string
		SeeOn, WriteOn bool
		Which          string
		Some           bool
		Kinds          []kindView
		More           *moreView
	}
	kindView struct {
		Index int
		Text  string
		On    bool
	}
	moreView struct{ Summary, List string }
)

// showConsent shows what the app asks, with the ticks of an answer.
func (v *visit) showConsent(status int, c Choice, a *ask, got answer, faults []fault) error {
	app := v.pending.Client.Name
	data := struct {
		common
		Lead, Patient, Birth, PatientID, Change string
		Sections                                []*section
		Identity                                []string
		Offline, OfflineOn, Many                bool
		HowLong, AppID, Host                    string
	}{
		common: v.common("consent.title", "app", app), PatientID: c.Patient.ID, AppID: v.pending.Client.ID, Host: host(v.pending.RedirectURI),
		Offline: a.scopes.Has(scope.OfflineAccess), OfflineOn: got.offline, HowLong: v.words.say("consent.hour"),
	}
	data.Problems = faults
	if a.scopes.Has(scope.OnlineAccess) {
		data.HowLong = v.words.say("consent.online")
	}
	data.Lead = v.words.say("consent."+lead(c), "app", app, "name", c.Name)
	if c.Patient.ID != "" {
		data.Patient = v.person(c).Name
		if c.Birth != "" {
			data.Birth = v.words.say("consent.patient", "date", v.words.date(c.Birth))
		}
		change, err := v.canChange()
		if err != nil {
			return err
		}
		if change {
			data.Change = v.root + "/auth/patient?request=" + v.handle
		}
	}
	data.Sections = v.sections(c, a, got)
	data.Many = len(a.rows) > manyRows
	if a.scopes.Has(scope.OpenID) {
		data.Identity = append(data.Identity, v.words.say("consent.openid"))
	}
	if a.scopes.Has(scope.FHIRUser) || a.scopes.Has(scope.Profile) {
		data.Identity = append(data.Identity, v.words.say("consent.fhiruser", "person", c.Actor))
	}
	return v.show(status, "consent", data)
}

// lead is the key of the sentence that the page begins with.
func lead(c Choice) string {
	switch {
	case c.Patient.ID == "":
		return "person"
	case c.Kind == access.Patient:
		return "you"
	case c.Kind == access.Proxy:
		return "other"
	}
	return "clinician"
}

// canChange reports whether the person could choose somebody else.
func (v *visit) canChange() (bool, error) {
	if v.launched() != "" {
		return false, nil
	}
	if v.who.Has(account.Clinician) {
		return true, nil
	}
	choices, err := v.People.Patients(v.r.Context(), v.who)
	return len(choices) > 1, err
}

// rowID names a row in the page.
func rowID(a *ask, r *row) string {
	for i, one := range a.rows {
		if one == r {
			return fmt.Sprint("row-", i)
		}
	}
	return ""
}

// sections puts the rows below their headings.
func (v *visit) sections(c Choice, a *ask, got answer) []*section {
	var all []*section
	var context scope.Context
	var at string
	for _, r := range a.rows {
		if len(all) == 0 || r.Context != context {
			context, at = r.Context, ""
			all = append(all, v.section(c, context))
		}
		s := all[len(all)-1]
		if key, _ := groupOf(r.Types[0]); key != at {
			at = key
			s.Groups = append(s.Groups, &rowGroup{Title: v.words.say("group." + key)})
		}
		g := s.Groups[len(s.Groups)-1]
		g.Rows = append(g.Rows, v.rowView(a, r, got))
	}
	if len(a.rows) > manyRows {
		for _, s := range all {
			for _, g := range s.Groups {
				v.closeGroup(g)
			}
		}
	}
	return all
}

// manyRows is from when on groups are closed.
const manyRows = 15

// closeGroup closes a group in which everything is ticked, and says what that is.
func (v *visit) closeGroup(g *rowGroup) {
	var seen, words []string
	g.Closed = true
	for _, r := range g.Rows {
		g.Closed = g.Closed && !r.Some && r.SeeOn == (r.See != "") && r.WriteOn == (r.Write != "")
		if r.See != "" {
			seen = append(seen, r.What)
		}
		if r.Write != "" {
			words = append(words, r.Write)
		}
	}
	if seen != nil {
		words = append([]string{v.words.say("consent.see", "what", strings.Join(seen, "; "))}, words...)
	}
	g.Words = strings.Join(words, ". ") + "."
}

func (v *visit) section(c Choice, context scope.Context) *section {
	switch {
	case context == scope.User:
		s := &section{Title: v.words.say("consent.section.user")}
		if c.Kind == access.Clinician {
			s.Note = v.words.say("consent.user-note")
		}
		return s
	case c.Kind == access.Patient:
		return &section{Title: v.words.say("consent.section.own")}
	}
	return &section{Title: v.words.say("consent.section.patient", "name", v.person(c).Name)}
}

func (v *visit) rowView(a *ask, r *row, got answer) rowView {
	what, key := v.what(r), r.Key()
	row := rowView{ID: rowID(a, r), Key: key, What: what, SeeOn: got.see[key], WriteOn: got.write[key]}
	if r.Read != 0 {
		row.See = v.words.say("consent.see", "what", what)
	}
	if r.Write != 0 {
		row.Write = v.words.say("consent.write."+r.Write.String(), "what", what)
	}
	if r.Rest {
		names := make([]string, len(r.Types))
		for i, t := range r.Types {
			names[i] = string(t)
		}
		row.More = &moreView{Summary: v.words.say("consent.rest"), List: strings.Join(names, ", ")}
	}
	if kinds := r.Kinds(); kinds != nil {
		row.Which = v.words.say("consent.kinds", "what", what)
		chosen, some := got.kinds[key]
		row.Some = some
		for i, k := range kinds {
			row.Kinds = append(row.Kinds, kindView{i, v.words.say("kind." + k.Code), !some || chosen[i]})
		}
	}
	return row
}

// what says in words what a row is about.
func (v *visit) what(r *row) string {
	what := string(r.Types[0])
	switch {
	case r.Rest && r.Filter != "":
		what = v.words.say("what.all")
	case r.Rest:
		what = v.words.say("what.rest", "n", len(r.Types))
	case v.words.has("what." + what):
		what = v.words.say("what." + what)
	}
	if r.Filter == "" {
		return what
	}
	for _, k := range kinds(r.Types[0]) {
		if known(r.Filter, k) {
			return v.words.say("consent.only-kind", "what", what, "kind", v.words.say("kind."+k.Code))
		}
	}
	return v.words.say("consent.only", "what", what, "filter", readable(r.Filter))
}

// known reports whether a filter is that of a kind, however it is written.
func known(filter string, k kind) bool {
	pairs, ok := scope.Pairs(filter)
	return ok && len(pairs) == 1 && pairs[0].Name == "category" && (pairs[0].Value == k.System+"|"+k.Code || pairs[0].Value == k.Code)
}

// readable writes a filter for people, as well as that can be done.
func readable(filter string) string {
	pairs, ok := scope.Pairs(filter)
	if !ok {
		return filter
	}
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p.Name + " = " + p.Value
	}
	return strings.Join(parts, ", ")
}
