package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/oauth"
)

// authorizePage takes an app's request (RFC 6749 4.1.1). What is wrong with it is said
// here when the app cannot be trusted with the browser, else by sending it back.
func authorizePage(v *visit) error {
	values := v.r.URL.Query()
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseForm(); err != nil {
			return &problem{status: http.StatusBadRequest, what: "error.request", err: err}
		}
		values = v.r.PostForm
		for name, q := range v.r.URL.Query() { // parameters of the address count, too, and twice is twice
			values[name] = append(values[name], q...)
		}
	}
	pending, err := v.Authorizations.Begin(v.r.Context(), values)
	if err != nil {
		return v.refused(err)
	}
	handle := v.seal.handle(pending.ID, v.bind(v.w, v.r, pending.ID))
	v.setPending(pending, handle)
	if err := v.identify(); err != nil {
		return err
	}
	if v.pending.Prompts("none") {
		// Consent is always asked, so that somebody must be there.
		code, why := oauth.ConsentRequired, "The person must be asked."
		if !v.fresh() {
			code, why = oauth.LoginRequired, "Nobody is signed in, or not lately enough."
		}
		return v.deny(code, why)
	}
	return v.step("/auth/login")
}

// refused answers a request that could not begin.
func (v *visit) refused(err error) error {
	var redirect *authorize.RedirectError
	var page *authorize.PageError
	switch {
	case errors.As(err, &redirect):
		return v.send(redirect.URL)
	case errors.As(err, &page):
		return &problem{status: http.StatusBadRequest, what: "error.client", detail: page.Err.Description, again: true}
	}
	return err
}

// deny ends the pending request and sends the browser back to the app.
func (v *visit) deny(code oauth.Code, why string) error {
	address, err := v.Authorizations.Deny(v.r.Context(), v.pending.ID, code, why)
	if err != nil {
		return pendingProblem(err)
	}
	v.setCookie(v.w, browserCookieOf(v.pending.ID), "", -1)
	return v.send(address)
}

func denyForm(v *visit) error {
	if err := v.submit(); err != nil {
		return err
	}
	if v.pending == nil {
		return expired()
	}
	return v.deny(oauth.AccessDenied, "The person did not agree.")
}

// fresh reports whether somebody is signed in, and as lately as the app wants it.
func (v *visit) fresh() bool {
	switch {
	case v.who == nil:
		return false
	case v.pending == nil:
		return true
	case v.pending.Prompts("login") || v.pending.Prompts("select_account"):
		return !v.session.At.Before(v.pending.Created)
	case v.pending.MaxAge != nil:
		// Counted from when the app asked: what comes after may take its time.
		return !v.session.At.Before(v.pending.Created.Add(-*v.pending.MaxAge))
	}
	return true
}

// loginPage asks who the person is, unless that is known.
func loginPage(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	if v.fresh() {
		return v.afterLogin()
	}
	return v.showLogin(http.StatusOK, loginFault{})
}

// afterLogin goes on with what the person signed in for.
func (v *visit) afterLogin() error {
	if v.pending == nil {
		return v.step("/auth/apps")
	}
	return v.step("/auth/patient")
}

// loginFault is what is wrong with a sign-in; the zero value is nothing.
type loginFault struct {
	login                   string // what was entered
	general, name, password string // messages
}

// showLogin shows the page for signing in.
func (v *visit) showLogin(status int, f loginFault) error {
	data := struct {
		common
		Lead, Login, Deny            string
		NameProblem, PasswordProblem string
		Local                        bool
		FocusName, FocusPassword     bool
		Providers                    []providerView
	}{common: v.common("login.title"), Login: f.login, NameProblem: f.name, PasswordProblem: f.password, Local: !v.LocalOff, Providers: v.providers()}
	data.Who = ""
	switch {
	case v.who != nil:
		data.Lead = v.words.say("login.again")
		data.Login = v.who.Login
	case v.pending == nil:
		data.Lead = v.words.say("login.own")
	default:
		data.Lead = v.words.say("login.for", "app", v.pending.Client.Name)
	}
	if v.pending != nil {
		data.Deny = v.words.say("login.no-button")
		if data.Login == "" && f == (loginFault{}) && len(v.pending.LoginHint) <= 100 {
			data.Login = v.pending.LoginHint
		}
	}
	for _, p := range []fault{{"login", f.name}, {"password", f.password}, {"", f.general}} {
		if p.Text != "" {
			data.Problems = append(data.Problems, p)
		}
	}
	data.FocusName = data.Login == "" || f.name != ""
	data.FocusPassword = !data.FocusName
	return v.show(status, "login", data)
}

// loginForm checks login and password.
func loginForm(v *visit) error {
	if err := v.submit(); err != nil {
		return err
	}
	if v.LocalOff {
		return forged()
	}
	login, password := strings.TrimSpace(v.form.Get("login")), v.form.Get("password")
	f := loginFault{login: login}
	if login == "" {
		f.name = v.words.say("login.error.empty-name")
	}
	if password == "" {
		f.password = v.words.say("login.error.empty-password")
	}
	if f.name != "" || f.password != "" {
		return v.showLogin(http.StatusUnprocessableEntity, f)
	}
	from := account.Source{Address: v.address(v.r), Device: v.cookie(v.r, deviceCookie)}
	who, device, err := v.Sessions.Accounts.Verify(v.r.Context(), login, password, from)
	var wait *account.WaitError
	switch {
	case errors.Is(err, account.ErrCredentials):
		f.general = v.words.say("login.error.match")
		return v.showLogin(http.StatusUnprocessableEntity, f)
	case errors.As(err, &wait):
		left := wait.Until.Sub(v.now())
		v.w.Header().Set("Retry-After", strconv.Itoa(int(left/time.Second)+1))
		f.general = v.words.say("login.error.wait", "wait", v.words.duration(left))
		return v.showLogin(http.StatusTooManyRequests, f)
	case errors.Is(err, account.ErrBusy):
		f.general = v.words.say("login.error.busy")
		return v.showLogin(http.StatusServiceUnavailable, f)
	case err != nil:
		return err
	}
	v.setCookie(v.w, deviceCookie, device, deviceAge)
	return v.signIn(&who)
}

// signIn begins a session, which ends the one before, and goes on.
func (v *visit) signIn(who *account.Account) error {
	before := v.session
	secret, session, err := v.Sessions.Start(v.r.Context(), who.ID, v.cookie(v.r, sessionCookie))
	if err != nil {
		return err
	}
	if before.ID != "" { // it has ended, and with it what apps may do during it
		if err := v.Tokens.EndSession(v.r.Context(), before.ID); err != nil {
			return err
		}
	}
	v.setCookie(v.w, sessionCookie, secret, 0)
	v.session, v.who = session, who
	return v.afterLogin()
}

// pendingProblem says that a request is gone, for whatever reason, or not for this
// person.
func pendingProblem(err error) error {
	var page *authorize.PageError
	switch {
	case errors.Is(err, authorize.ErrUnknown):
		return expired()
	case errors.As(err, &page):
		return &problem{status: http.StatusForbidden, what: "error.patient", detail: page.Err.Description}
	}
	return err
}

// host is where an address leads, for people.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Host
}
