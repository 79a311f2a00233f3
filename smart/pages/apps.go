package pages

import (
	"errors"
	"net/http"
	"slices"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
)

// own is what the pages begin with that no app asked for: somebody must be signed in.
// ok is false when the browser was sent to sign in.
func (v *visit) own() (ok bool, err error) {
	v.pending, v.handle = nil, ""
	if v.who == nil {
		return false, v.step("/auth/login")
	}
	return true, nil
}

// appsPage lists what the person let in.
func appsPage(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	if ok, err := v.own(); !ok {
		return err
	}
	return v.showApps("")
}

// appView is an authorization as the page shows it.
type appView struct {
	ID, Name, Record string
	Notes, What      []string
}

func (v *visit) showApps(done string) error {
	data := struct {
		common
		Apps     []appView
		Sessions int
		Done     string
	}{common: v.common("apps.title"), Done: done}
	all, err := v.Tokens.List(v.r.Context(), v.who.ID)
	if err != nil {
		return err
	}
	slices.Reverse(all)
	for _, a := range all {
		app, err := v.appView(a)
		if err != nil {
			return err
		}
		data.Apps = append(data.Apps, app)
	}
	sessions, err := v.Sessions.List(v.r.Context(), v.who.ID)
	if err != nil {
		return err
	}
	data.Sessions = len(sessions)
	return v.show(http.StatusOK, "apps", data)
}

func (v *visit) appView(a token.Authorization) (appView, error) {
	app := appView{ID: a.ID}
	var err error
	if app.Name, err = v.appName(a.Client); err != nil {
		return appView{}, err
	}
	if a.Patient != "" {
		c, ok, err := v.People.May(v.r.Context(), v.who, a.Patient)
		if err != nil {
			return appView{}, err
		}
		if ok { // who may no longer open the record is not told whose it was
			app.Record = v.words.say("apps.record", "name", v.person(c).Name)
		}
	}
	app.Notes = append(app.Notes, v.words.say("apps.since", "date", v.words.day(a.Created)), v.words.say("apps.used", "date", v.words.day(a.Used)))
	if a.Scopes.Has(scope.OfflineAccess) {
		app.Notes = append(app.Notes, v.words.say("apps.offline"))
	}
	ask := newAsk(a.Scopes, v.Types, nil)
	for _, r := range ask.rows {
		row := v.rowView(ask, r, answer{})
		for _, text := range []string{row.See, row.Write} {
			if text != "" {
				app.What = append(app.What, text)
			}
		}
	}
	if a.Scopes.Has(scope.OpenID) {
		app.What = append(app.What, v.words.say("consent.openid"))
	}
	return app, nil
}

// appName is the name of a client, or its id when it is not registered any more.
func (v *visit) appName(id string) (string, error) {
	c, err := v.Authorizations.Clients.Get(v.r.Context(), id)
	if errors.Is(err, client.ErrUnknown) {
		return id, nil
	}
	if err != nil {
		return "", err
	}
	return c.Name, nil
}

// appsForm takes back an app's access, or ends all sessions.
func appsForm(v *visit) error {
	if err := v.submit(); err != nil {
		return err
	}
	if ok, err := v.own(); !ok {
		return err
	}
	if v.form.Get("everywhere") != "" {
		if err := v.endSessions(); err != nil {
			return err
		}
		return v.signedOut()
	}
	id := v.form.Get("revoke")
	all, err := v.Tokens.List(v.r.Context(), v.who.ID)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(a token.Authorization) bool { return a.ID == id })
	if at < 0 { // gone already, or never this person's
		return v.showApps("")
	}
	if _, err := v.Tokens.End(v.r.Context(), v.who.ID, id); err != nil {
		return err
	}
	name, err := v.appName(all[at].Client)
	if err != nil {
		return err
	}
	return v.showApps(v.words.say("apps.revoked", "app", name))
}

// endSessions ends all sessions of the person, and what apps may do during them.
func (v *visit) endSessions() error {
	sessions, err := v.Sessions.List(v.r.Context(), v.who.ID)
	if err != nil {
		return err
	}
	if err := v.Sessions.Accounts.EndSessions(v.r.Context(), v.who.ID); err != nil {
		return err
	}
	for _, s := range sessions {
		if err := v.Tokens.EndSession(v.r.Context(), s.ID); err != nil {
			return err
		}
	}
	return nil
}

// logoutPage asks whether to sign out. An app's request, when there is one, goes on with
// whoever signs in then.
func logoutPage(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	if v.who == nil {
		return v.signedOut()
	}
	data := struct {
		common
		Done bool
		Name string
	}{common: v.common("logout.title")}
	data.Name, data.Who = data.Who, ""
	return v.show(http.StatusOK, "logout", data)
}

// logoutForm ends the session, and what apps may do during it.
func logoutForm(v *visit) error {
	if err := v.submit(); err != nil {
		return err
	}
	if err := v.Sessions.End(v.r.Context(), v.cookie(v.r, sessionCookie)); err != nil {
		return err
	}
	if v.session.ID != "" {
		if err := v.Tokens.EndSession(v.r.Context(), v.session.ID); err != nil {
			return err
		}
	}
	return v.signedOut()
}

// signedOut says that nobody is signed in any more.
func (v *visit) signedOut() error {
	v.setCookie(v.w, sessionCookie, "", -1)
	if v.pending != nil {
		return v.step("/auth/login")
	}
	v.who = nil
	return v.show(http.StatusOK, "logout", struct {
		common
		Done bool
		Name string
	}{v.common("logout.done.title"), true, ""})
}
