package pages

import (
	"bytes"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
)

// visit is one request for a page.
type visit struct {
	*site
	w       http.ResponseWriter
	r       *http.Request
	words   *catalogue
	form    url.Values         // of a POST that was checked
	pending *authorize.Pending // what an app asks; nil on pages of the person's own
	handle  string             // names pending
	browser string             // secret that ties forms to this browser
	session account.Session
	who     *account.Account // nil when nobody is signed in
}

func (s *site) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *site) address(r *http.Request) netip.Addr {
	if s.Address != nil {
		return s.Address(r)
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero Addr is one source like any other
	return peer.Addr()
}

// identify finds out who is signed in.
func (v *visit) identify() error {
	session, who, err := v.Sessions.Get(v.r.Context(), v.cookie(v.r, sessionCookie))
	if errors.Is(err, account.ErrNoSession) {
		return nil
	}
	if err != nil {
		return err
	}
	v.session, v.who = session, &who
	return nil
}

// expired says that a page cannot be answered any more.
func expired() error {
	return &problem{status: http.StatusBadRequest, what: "error.expired", again: true}
}

// resume finds the pending request that the page is about: of the address for GET, of
// the form for POST. Only the browser in which it began can go on with it.
func (v *visit) resume(values url.Values) error {
	handle := values.Get("request")
	if handle == "" {
		v.browser = v.bind(v.w, v.r, "")
		return nil
	}
	id := handleID(handle)
	v.browser = v.cookie(v.r, browserCookieOf(id))
	if !v.seal.genuine(handle, v.browser) {
		return expired()
	}
	pending, err := v.Authorizations.Pending(v.r.Context(), id)
	if err != nil {
		return pendingProblem(err)
	}
	v.setPending(pending, handle)
	return nil
}

func (v *visit) setPending(p *authorize.Pending, handle string) {
	v.pending, v.handle = p, handle
	v.words = choose(v.catalogues, p.UILocales, v.r.Header.Get("Accept-Language"))
	v.protect(place(p.RedirectURI))
}

// open is what each page begins with.
func (v *visit) open() error {
	if err := v.resume(v.r.URL.Query()); err != nil {
		return err
	}
	return v.identify()
}

// submit is what the answer to each form begins with: it must come from our own page,
// in the browser and the session that the page was shown in.
func (v *visit) submit() error {
	if !v.sameOrigin() {
		return forged()
	}
	if err := v.r.ParseForm(); err != nil {
		return &problem{status: http.StatusBadRequest, what: "error.form", err: err}
	}
	v.form = v.r.PostForm
	if err := v.resume(v.form); err != nil {
		return err
	}
	if err := v.identify(); err != nil {
		return err
	}
	if !v.seal.valid(v.form.Get("csrf"), "form", v.formParts()...) {
		return forged()
	}
	return nil
}

func forged() error { return &problem{status: http.StatusForbidden, what: "error.form"} }

// formParts are what a form is bound to.
func (v *visit) formParts() []string { return []string{v.browser, v.handle, v.session.ID} }

// sameOrigin reports whether the browser says that the form is from our own page.
func (v *visit) sameOrigin() bool {
	if origin := v.r.Header.Get("Origin"); origin != "" {
		return origin == v.origin
	}
	return v.r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// common is what every page shows.
type common struct {
	Title, Place, Style, Root string
	Who                       string // the person signed in
	CSRF, Request             string
	Problems                  []fault
}

// fault is an entry of the summary of what is wrong with a form.
type fault struct{ Field, Text string }

// common makes the data of a page whose title is a message.
func (v *visit) common(title string, pairs ...any) common {
	c := common{Title: v.words.say(title, pairs...), Place: v.Place, Style: v.style, Root: v.root, Request: v.handle}
	if c.Place == "" {
		c.Place = "Portico"
	}
	if v.who != nil {
		c.Who = v.who.Name
		if c.Who == "" {
			c.Who = v.who.Login
		}
	}
	if v.browser != "" {
		c.CSRF = v.seal.code("form", v.formParts()...)
	}
	return c
}

// show writes a page.
func (v *visit) show(status int, name string, data any) error {
	var page bytes.Buffer
	if err := v.templates[v.words].ExecuteTemplate(&page, name, data); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.words.tag.String())
	h.Set("Vary", "Accept-Language, Cookie")
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(page.Bytes()) // whoever went away needs no page
	}
	return nil
}

// send sends the browser to an address: 303, so that a form is not posted there.
func (v *visit) send(address string) error {
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
	return nil
}

// step sends the browser to another page about the same request.
func (v *visit) step(path string, pairs ...string) error {
	q := url.Values{}
	if v.handle != "" {
		q.Set("request", v.handle)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	address := v.Base + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	return v.send(address)
}
