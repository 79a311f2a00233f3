package pages_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	chrome "github.com/portico-fhir/portico/conformance/browser"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/upstream"
)

// screenshots names a directory for pictures of all pages, for people to look at.
const screenshots = "PORTICO_SCREENSHOTS"

// screen is a kind of device and what its owner prefers.
type screen struct {
	name          string
	width, height int64
	dark          bool
	lang          string
}

func screens() []screen {
	return []screen{
		{"desktop", 1280, 900, false, "en"},
		{"phone", 320, 640, false, "en"},
		{"phone-dark-nb", 320, 640, true, "nb"},
	}
}

// app is where the browser is sent to: an app that shows what it got.
func app(t *testing.T) (callback string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<link rel="icon" href="data:,"><main id="answer">%s</main>`, html.EscapeString(r.URL.RawQuery))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/callback"
}

// tour walks through the pages on one screen.
type tour struct {
	*testing.T
	*chrome.Tab
	w        *world
	screen   screen
	callback string
}

func newTour(t *testing.T, s screen) *tour {
	t.Helper()
	tab := chrome.Open(t)
	w := newWorld(t)
	w.pages.Providers = []*upstream.Provider{{ID: "hospital", Name: "Oslo universitetssykehus", Issuer: "https://id.example"}}
	tab.Screen(s.width, s.height, s.dark, s.lang)
	return &tour{T: t, Tab: tab, w: w, screen: s, callback: app(t)}
}

// open begins an authorization request.
func (c *tour) open(ask string) {
	c.Helper()
	c.Go(c.w.request(func(q url.Values) { q.Set("scope", ask); q.Set("redirect_uri", c.callback) }))
}

func (c *tour) signIn(login, word string) {
	c.Helper()
	c.Set("#login", login)
	c.Set("#password", word)
	c.Follow(`form[action$="/auth/login"] button`)
}

// look checks what can be checked of how the page looks, and takes a picture of it for
// people.
func (c *tour) look(name string) {
	c.Helper()
	c.Await("main")
	if wide := chrome.Eval[int64](c.Tab, `document.documentElement.scrollWidth`); wide > c.screen.width {
		c.Errorf("%s is %d pixels wide", name, wide)
	}
	small := chrome.Eval[[]string](c.Tab, `[...document.querySelectorAll("button, .button, input:not([type=hidden])")].filter(e => e.checkVisibility())
		.filter(e => { const b = (e.closest(".tick, .choice") || e).getBoundingClientRect(); return b.height < 24 || b.width < 24 }).map(e => e.outerHTML)`)
	unnamed := chrome.Eval[[]string](c.Tab, `[...document.querySelectorAll("input:not([type=hidden])")].filter(e => !e.labels || !e.labels.length).map(e => e.outerHTML)`)
	if len(small)+len(unnamed) > 0 {
		c.Errorf("%s: too small to touch %v, without a label %v", name, small, unnamed)
	}
	for _, said := range c.Complaints() {
		// Pages that say what is wrong are fine, and so is a test that types before the focus is set.
		if !strings.Contains(said, "status of 4") && !strings.HasPrefix(said, "Autofocus") {
			c.Errorf("%s: the browser says %s", name, said)
		}
	}
	if dir := os.Getenv(screenshots); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+"-"+c.screen.name+".png"), c.Picture(), 0o600); err != nil {
			c.Fatal(err)
		}
	}
}

func (c *tour) signOut() {
	c.Helper()
	c.Go(c.w.base + "/auth/logout")
	c.Follow("button[type=submit]")
}

const pick = `form:has(#people) button`

const allow = `form[action$="/auth/consent"] button:not([formaction])`

func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	for _, s := range screens() {
		t.Run("B11 "+s.name, func(t *testing.T) {
			t.Parallel()
			c := newTour(t, s)
			c.open(defaultAsks)
			c.look("login")
			c.signIn("tom.shaw", "wrong horse battery")
			c.look("login-wrong")
			c.signIn("tom.shaw", password)
			c.look("picker")
			c.Click("label[for=patient-1]")
			c.Follow(pick)
			c.look("consent-proxy")
			chrome.Eval[struct{}](c.Tab, `document.querySelectorAll("input[type=checkbox]").forEach(e => e.checked = false)`)
			c.Follow(allow)
			c.look("consent-nothing")
			c.Go(c.w.base + "/auth/logout")
			c.look("logout")
			c.Follow("button[type=submit]")
			c.look("signed-out")

			c.open(everything + " patient/Observation.rs?code=x")
			c.signIn("amy.shaw", password)
			c.look("consent-all")
			chrome.Eval[struct{}](c.Tab, `document.querySelectorAll("details").forEach(e => e.open = true)`)
			c.look("consent-open")
			c.Follow(allow)
			answer, err := url.ParseQuery(c.Text("#answer"))
			if err != nil {
				t.Fatal(err)
			}
			c.w.exchange(answer.Get("code"), c.callback)
			c.Go(c.w.base + "/auth/apps")
			c.look("apps")
			c.Follow("button.danger")
			c.look("apps-none")
			c.signOut()

			c.open("openid fhirUser launch/patient user/*.rs patient/Observation.rs")
			c.signIn("dr.okafor", password)
			c.look("picker-search")
			c.Set("#find", "shaw")
			c.Follow(`form[role=search] button`)
			c.look("picker-found")
			c.Click("label[for=patient-0]")
			c.Follow(pick)
			c.look("consent-clinician")
			c.Follow(`button[formaction$="/auth/deny"]`)
			if answer := c.Text("#answer"); !strings.Contains(answer, "error=access_denied") {
				t.Errorf("the app got %q", answer)
			}
			c.Go(c.w.request(func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") }))
			c.look("error")
		})
	}
}

func TestALongConsentInABrowser(t *testing.T) {
	t.Parallel()
	for _, s := range screens()[:2] {
		t.Run("B11 "+s.name, func(t *testing.T) {
			t.Parallel()
			c := newTour(t, s)
			c.w.pages.Types = fhir.Types()
			c.open("launch/patient patient/*.rs")
			c.signIn("amy.shaw", password)
			c.look("consent-many")
			health := `//details[contains(@class, "group")][.//strong="Health"]`
			c.Click(health + `/summary`)
			c.Click(health + `//input[@value="patient/AllergyIntolerance"]`)
			c.Follow(allow)
			answer, err := url.ParseQuery(c.Text("#answer"))
			if err != nil {
				t.Fatal(err)
			}
			got := " " + c.w.exchange(answer.Get("code"), c.callback).Scope + " "
			if strings.Contains(got, "patient/AllergyIntolerance.") || strings.Contains(got, "*") || !strings.Contains(got, " patient/Condition.rs ") || !strings.Contains(got, " patient/VisionPrescription.rs ") {
				t.Errorf("granted %s", got)
			}
		})
	}
}

// focused says what has the keyboard.
func (c *tour) focused() string {
	c.Helper()
	// The browser sets the focus when it first draws the page.
	return chrome.Eval[string](c.Tab, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
		const e = document.activeElement;
		done(e.id || e.className || e.tagName.toLowerCase());
	})))`)
}

// tab moves the focus and wants it to be there.
func (c *tour) tab(want ...string) {
	c.Helper()
	for _, w := range want {
		c.Type(kb.Tab)
		if got := c.focused(); got != w {
			c.Fatalf("the focus is on %q, want %q", got, w)
		}
	}
}

func TestPagesByKeyboard(t *testing.T) {
	t.Parallel()
	c := newTour(t, screens()[0])
	c.open("launch/patient offline_access patient/Patient.rs patient/Appointment.rs")
	if got := c.focused(); got != "login" {
		t.Errorf("the focus begins on %q", got)
	}
	c.Type("tom.shaw")
	c.tab("password")
	c.Type("wrong horse battery")
	c.Enter(kb.Enter)
	if got := c.focused(); got != "password" {
		t.Errorf("after a wrong password the focus is on %q", got)
	}
	c.Type(password)
	c.tab("button")
	c.Enter(kb.Enter)
	c.tab("skip", "a", "patient-0") // skip link, sign out, the first person
	c.Type(kb.ArrowDown + kb.ArrowDown)
	if got := c.focused(); got != "patient-2" {
		t.Errorf("the arrows lead to %q", got)
	}
	c.tab("button")
	c.Enter(kb.Enter)
	c.tab("skip")
	c.Type(kb.Enter) // past the header
	c.tab("a", "row-0-see", "row-1-see")
	c.Type(" ") // no appointments
	c.tab("offline")
	c.Type(" ")
	c.tab("button")
	c.Enter(kb.Enter)
	answer, err := url.ParseQuery(c.Text("#answer"))
	if err != nil {
		t.Fatal(err)
	}
	c.w.exchange(answer.Get("code"), c.callback)
	list, err := c.w.tokens.List(t.Context(), c.w.account("tom.shaw"))
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if got := list[0].Scopes.String(); got != "launch/patient patient/Patient.rs" || list[0].Patient != "max-shaw" {
		t.Errorf("granted %q for %s", got, list[0].Patient)
	}
}

func TestPagesCannotBeFramed(t *testing.T) {
	t.Parallel()
	tab := chrome.Open(t)
	w := newWorld(t)
	frame := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(rw, `<link rel="icon" href="data:,"><iframe src="%s"></iframe>`, html.EscapeString(w.request(nil)))
	}))
	t.Cleanup(frame.Close)
	tab.Go(frame.URL)
	said := strings.Join(tab.Complaints(), "; ")
	if !strings.Contains(said, "frame-ancestors") && !strings.Contains(said, "X-Frame-Options") {
		t.Errorf("the browser shows the page in a frame, and says only %q", said)
	}
}
