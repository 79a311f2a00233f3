package pages_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/token"
)

func TestLettingAnAppIn(t *testing.T) {
	t.Parallel()
	t.Run("B10 a patient has nothing to choose: sign in, agree", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		p := b.get(w.request(nil))
		if p.status != http.StatusOK || !strings.Contains(p.text, "Sign in to continue to Blood Sugar Diary.") {
			t.Fatalf("%d: %s", p.status, p.text)
		}
		p = b.signIn(p, "amy.shaw")
		if !strings.Contains(p.text, "Blood Sugar Diary asks to use your own record.") {
			t.Fatalf("%s: %s", p.url, p.text)
		}
		got := w.granted(b.submit(p, "/auth/consent", nil))
		if got.Scope != defaultAsks || got.Patient != "amy-shaw" || got.RefreshToken != "" {
			t.Errorf("granted %+v", got)
		}
		a, err := w.tokens.Authenticate(t.Context(), got.AccessToken)
		if err != nil || a.Kind != access.Patient || a.Actor != patient("amy-shaw") || a.Patient != "amy-shaw" {
			t.Errorf("access %+v, %v", a, err)
		}
	})
	t.Run("B10 a proxy chooses whose record", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		p := b.signIn(b.get(w.request(nil)), "tom.shaw")
		for _, want := range []string{"Tom Shaw your own record born 30 November 1982", "Lena Shaw you act for this person born 3 May 2012", "Max <b>Shaw</b> you act for this person born May 2020"} {
			if !strings.Contains(p.text, want) {
				t.Errorf("%q is not among %s", want, p.text)
			}
		}
		p = b.submit(p, "/auth/patient", choose("lena-shaw"))
		if !strings.Contains(p.text, "asks to use the record of Lena Shaw, for whom you act.") {
			t.Fatalf("%s: %s", p.url, p.text)
		}
		out := b.submit(p, "/auth/consent", nil)
		got := w.granted(out)
		if got.Patient != "lena-shaw" {
			t.Errorf("granted %+v", got)
		}
		list, err := w.tokens.List(t.Context(), w.account("tom.shaw"))
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		if a := list[0]; a.Kind != access.Proxy || a.Grant != "grant-lena" || a.Actor != (fhir.Key{Type: "RelatedPerson", ID: "tom-shaw-for-lena"}) {
			t.Errorf("authorization %+v", a)
		}
	})
	t.Run("B10 another patient needs another authorization, not another sign-in", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		p := b.submit(b.signIn(b.get(w.request(nil)), "tom.shaw"), "/auth/patient", choose("lena-shaw"))
		first := w.granted(b.submit(p, "/auth/consent", nil))
		p = b.get(w.request(nil))
		if p.url.Path != "/auth/patient" {
			t.Fatalf("shown: %s", p.url)
		}
		second := w.granted(b.submit(b.submit(p, "/auth/patient", choose("tom-shaw")), "/auth/consent", nil))
		if first.Patient != "lena-shaw" || second.Patient != "tom-shaw" {
			t.Errorf("%s, then %s", first.Patient, second.Patient)
		}
	})
	t.Run("B10 a clinician searches among those treated", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		p := b.signIn(b.get(w.request(scopes("launch/patient user/*.rs patient/Observation.rs"))), "dr.okafor")
		if len(p.all("fieldset")) != 0 {
			t.Errorf("patients before a search: %s", p.text)
		}
		if p = b.submit(p, "search", find("x")); !strings.Contains(p.text, "at least two letters") {
			t.Errorf("one letter: %s", p.text)
		}
		if p = b.submit(p, "search", find("tom")); !strings.Contains(p.text, "No patient whom you treat") {
			t.Errorf("somebody else's patient: %s", p.text)
		}
		if p = b.submit(p, "search", find("lena")); strings.Contains(p.url.String(), "lena") {
			t.Errorf("a name is in the address %s", p.url)
		}
		p = b.submit(p, "/auth/patient", choose("lena-shaw"))
		if !strings.Contains(p.text, "about all patients whom you may see") || !strings.Contains(p.text, "In the record of Lena Shaw") {
			t.Errorf("consent: %s", p.text)
		}
		out := b.submit(p, "/auth/consent", nil)
		if got := w.granted(out); got.Patient != "lena-shaw" {
			t.Errorf("granted %+v", got)
		}
	})
	t.Run("B10 a clinician needs no patient where the app asks for none", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		p := b.signIn(b.get(w.request(scopes("openid fhirUser user/Patient.rs"))), "dr.okafor")
		got := w.granted(b.submit(p, "/auth/consent", nil))
		a, err := w.tokens.Authenticate(t.Context(), got.AccessToken)
		if err != nil || a.Kind != access.Clinician || a.Actor.ID != "dr-okafor" || got.Patient != "" {
			t.Errorf("%+v, %+v, %v", got, a, err)
		}
	})
	t.Run("B9 an EHR launch has its patient and encounter", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		request := func() string {
			launch, err := w.auth.NewLaunch(t.Context(), authorize.Launch{
				Client: "app", User: fhir.Key{Type: "Practitioner", ID: "dr-okafor"}, Patient: "amy-shaw", Encounter: "e1", Context: token.Launch{Intent: "order"},
			})
			w.must(err)
			return w.request(func(q url.Values) {
				q.Set("scope", "launch patient/Observation.rs openid fhirUser")
				q.Set("launch", launch.Launch)
			})
		}
		p := b.signIn(b.get(request()), "dr.okafor")
		if p.url.Path != "/auth/consent" || !strings.Contains(p.text, "the record of Amy Shaw") {
			t.Fatalf("%s: %s", p.url, p.text)
		}
		got := w.granted(b.submit(p, "/auth/consent", nil))
		if got.Patient != "amy-shaw" || got.Encounter != "e1" || got.Intent != "order" {
			t.Errorf("granted %+v", got)
		}
		for _, login := range []string{"tom.shaw", "amy.shaw"} {
			other := w.browser()
			if p := other.signIn(other.get(request()), login); p.status != http.StatusForbidden || !strings.Contains(p.text, "may not open, or for somebody else") {
				t.Errorf("%s takes the doctor's launch: %d %s", login, p.status, p.text)
			}
		}
	})
	t.Run("B6 whoever does not agree sends the app an error", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for name, stop := range map[string]func(b *browser) *page{
			"before signing in": func(b *browser) *page { return b.submit(b.get(w.request(nil)), "/auth/deny", nil) },
			"at the choice": func(b *browser) *page {
				return b.submit(b.signIn(b.get(w.request(nil)), "tom.shaw"), "/auth/deny", nil)
			},
			"at the consent": func(b *browser) *page {
				_, values := b.signIn(b.get(w.request(nil)), "amy.shaw").form("/auth/consent")
				return b.post("/auth/deny", values)
			},
		} {
			p := stop(w.browser())
			if p.out == nil || p.out.Query().Get("error") != "access_denied" || p.out.Query().Get("state") != "s t&a=te" || p.out.Query().Has("code") {
				t.Errorf("%s: %v", name, p.out)
			}
		}
	})
	t.Run("B10 another person can take over before anything is allowed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		p := b.signIn(b.get(w.request(nil)), "tom.shaw")
		p = b.get("/auth/logout?" + p.url.RawQuery)
		p = b.submit(p, "/auth/logout", nil)
		if p.url.Path != "/auth/login" || !strings.Contains(p.text, "Sign in to continue to Blood Sugar Diary.") {
			t.Fatalf("%s: %s", p.url, p.text)
		}
		if got := w.granted(b.submit(b.signIn(p, "amy.shaw"), "/auth/consent", nil)); got.Patient != "amy-shaw" {
			t.Errorf("granted %+v", got)
		}
	})
	t.Run("B1 the request may be posted by the app", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		u, err := url.Parse(w.request(nil))
		w.must(err)
		p := b.post("/auth/authorize", u.Query(), "Origin", "https://app.example")
		if got := w.granted(b.submit(b.signIn(p, "amy.shaw"), "/auth/consent", nil)); got.Patient != "amy-shaw" {
			t.Errorf("granted %+v", got)
		}
	})
	t.Run("B10 somebody without any record is told so", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		if p := b.signIn(b.get(w.request(nil)), "no.body"); !strings.Contains(p.text, "There is no record here that you may open.") {
			t.Errorf("%s", p.text)
		}
		b = w.browser()
		if p := b.signIn(b.get(w.request(nil)), "admin"); p.status != http.StatusForbidden {
			t.Errorf("an administrator: %d %s", p.status, p.text)
		}
	})
}

func (w *world) account(login string) string {
	w.t.Helper()
	a, err := w.accs.ByLogin(w.t.Context(), login)
	w.must(err)
	return a.ID
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	with := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	signedIn := func(t *testing.T) (*world, *browser) {
		w := newWorld(t)
		b := w.browser()
		b.signIn(b.get(w.request(nil)), "amy.shaw")
		w.clock.add(2 * time.Minute)
		return w, b
	}
	t.Run("B2 prompt=none asks nobody", func(t *testing.T) {
		t.Parallel()
		w, b := signedIn(t)
		if p := b.get(w.request(with("prompt", "none"))); p.out == nil || p.out.Query().Get("error") != "consent_required" {
			t.Errorf("signed in: %v", p.out)
		}
		if p := w.browser().get(w.request(with("prompt", "none"))); p.out == nil || p.out.Query().Get("error") != "login_required" {
			t.Errorf("not signed in: %v", p.out)
		}
	})
	for name, q := range map[string][2]string{
		"prompt=login": {"prompt", "login"}, "prompt=select_account": {"prompt", "select_account"}, "max_age": {"max_age", "60"}, "max_age=0": {"max_age", "0"},
	} {
		t.Run("B2 "+name+" wants another sign-in", func(t *testing.T) {
			t.Parallel()
			w, b := signedIn(t)
			p := b.get(w.request(with(q[0], q[1])))
			if p.url.Path != "/auth/login" {
				t.Fatalf("shown: %s", p.url)
			}
			for _, path := range []string{"/auth/patient", "/auth/consent"} {
				skip := b.get(strings.Replace(p.url.String(), "/auth/login", path, 1) + "&patient=amy-shaw")
				if skip.url.Path != "/auth/login" {
					t.Errorf("%s is shown without", path)
				}
			}
			p = b.signIn(p, "amy.shaw")
			w.granted(b.submit(p, "/auth/consent", nil))
		})
	}
	t.Run("B2 max_age that is not over asks for nothing", func(t *testing.T) {
		t.Parallel()
		w, b := signedIn(t)
		if p := b.get(w.request(with("max_age", "600"))); p.url.Path != "/auth/consent" {
			t.Errorf("shown: %s", p.url)
		}
	})
	t.Run("B2 login_hint fills in the name", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		_, values := w.browser().get(w.request(with("login_hint", "amy.shaw"))).form("/auth/login")
		if values.Get("login") != "amy.shaw" {
			t.Errorf("form %v", values)
		}
	})
	t.Run("B2 ui_locales and Accept-Language choose the language", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		if p := b.get(w.request(with("ui_locales", "nn nb en"))); !strings.Contains(p.text, "Logg inn for å fortsette") || p.header.Get("Content-Language") != "nb" {
			t.Errorf("ui_locales: %s", p.text)
		}
		b.lang = "no, en;q=0.5"
		if p := b.get(w.request(nil)); !strings.Contains(p.text, "Logg inn") {
			t.Errorf("Accept-Language: %s", p.text)
		}
		b.lang = "tlh"
		if p := b.get(w.request(nil)); !strings.Contains(p.text, "Sign in") {
			t.Errorf("a language that is not there: %s", p.text)
		}
	})
}

func TestYourApps(t *testing.T) {
	t.Parallel()
	letIn := func(t *testing.T, ask string) (*world, *browser, *token.Response) {
		w := newWorld(t)
		b := w.browser()
		p := b.signIn(b.get(w.request(scopes(ask))), "amy.shaw")
		return w, b, w.granted(b.submit(p, "/auth/consent", nil))
	}
	t.Run("B13 an app can be seen and taken back", func(t *testing.T) {
		t.Parallel()
		w, b, got := letIn(t, "openid offline_access patient/Observation.rs")
		p := b.get("/auth/apps")
		for _, want := range []string{"Blood Sugar Diary", "Record: Amy Shaw", "Keeps its access", "See measurements and test results"} {
			if !strings.Contains(p.text, want) {
				t.Errorf("%q is not in %s", want, p.text)
			}
		}
		p = b.submit(p, "/auth/apps", nil)
		if !strings.Contains(p.text, "The access of Blood Sugar Diary was taken back.") || !strings.Contains(p.text, "No app has access") {
			t.Errorf("after it: %s", p.text)
		}
		if _, err := w.tokens.Authenticate(t.Context(), got.AccessToken); err == nil {
			t.Error("C10 the token still works")
		}
	})
	t.Run("B13 nobody takes back what another let in", func(t *testing.T) {
		t.Parallel()
		w, b, got := letIn(t, "patient/Observation.rs")
		_, values := b.get("/auth/apps").form("/auth/apps")
		other := w.browser()
		p := other.signIn(other.get("/auth/apps"), "tom.shaw")
		if p.url.Path != "/auth/apps" || strings.Contains(p.text, "Blood Sugar") {
			t.Fatalf("%s: %s", p.url, p.text)
		}
		_, own := other.get("/auth/logout").form("/auth/logout") // a valid token for forms
		own.Set("revoke", values.Get("revoke"))
		other.post("/auth/apps", own)
		if _, err := w.tokens.Authenticate(t.Context(), got.AccessToken); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	})
	t.Run("C7 signing out ends what is for the session, and nothing else", func(t *testing.T) {
		t.Parallel()
		for ask, lives := range map[string]bool{"online_access patient/Observation.rs": false, "offline_access patient/Observation.rs": true} {
			w, b, got := letIn(t, ask)
			p := b.submit(b.get("/auth/logout"), "/auth/logout", nil)
			if !strings.Contains(p.text, "You are signed out") {
				t.Errorf("%s", p.text)
			}
			if _, err := w.tokens.Authenticate(t.Context(), got.AccessToken); (err == nil) != lives {
				t.Errorf("%s: %v", ask, err)
			}
			if p := b.get("/auth/apps"); p.url.Path != "/auth/login" {
				t.Errorf("shown after signing out: %s", p.url)
			}
		}
	})
	t.Run("C7 signing out everywhere ends all sessions", func(t *testing.T) {
		t.Parallel()
		w, b, got := letIn(t, "online_access patient/Observation.rs")
		other := w.browser()
		other.signIn(other.get("/auth/apps"), "amy.shaw")
		p := other.get("/auth/apps")
		_, values := p.form("/auth/apps")
		values.Del("revoke")
		values.Set("everywhere", "yes")
		other.post("/auth/apps", values)
		for _, x := range []*browser{b, other} {
			if p := x.get("/auth/apps"); p.url.Path != "/auth/login" {
				t.Errorf("shown: %s", p.url)
			}
		}
		if _, err := w.tokens.Authenticate(t.Context(), got.AccessToken); err == nil {
			t.Error("the app goes on")
		}
	})
}

func TestPagesBelowAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	below := *w.pages
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	below.Base = server.URL + "/portico"
	var err error
	handler, err = below.Handler(t.Context())
	w.must(err)
	w.base = below.Base
	b := w.browser()
	p := b.get("/auth/apps")
	if p.status != http.StatusOK || p.url.Path != "/portico/auth/login" {
		t.Fatalf("%d %s", p.status, p.url)
	}
	for _, link := range p.all("link") {
		if href, _ := attr(link, "href"); strings.Contains(href, ".css") {
			if style := b.get(server.URL + href); style.status != http.StatusOK || !strings.HasPrefix(style.header.Get("Content-Type"), "text/css") {
				t.Errorf("the style at %s: %d", href, style.status)
			}
		}
	}
	address, values := p.form("/auth/login")
	signInAs("amy.shaw", password)(values)
	if p = b.post(server.URL+address, values, "Origin", server.URL); p.url.Path != "/portico/auth/apps" || p.status != http.StatusOK {
		t.Errorf("after signing in: %d %s %s", p.status, p.url, p.text)
	}
}
