package pages_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/pages"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

const (
	password    = "portico-demo"
	redirect    = "https://app.example/callback"
	verifier    = "the-verifier-of-the-app-that-asks-0123456789abc"
	everything  = "openid fhirUser launch/patient offline_access patient/*.cruds"
	defaultAsks = "openid fhirUser launch/patient patient/Patient.rs patient/Observation.rs patient/Condition.rs patient/Appointment.cruds"
)

// world is the pages over everything that they need, but whose record somebody may
// open comes from a table.
type world struct {
	t       testing.TB
	server  *httptest.Server
	base    string
	store   store.Store
	clock   *clock
	clients *client.Registry
	accs    *account.Accounts
	tokens  *token.Tokens
	auth    *authorize.Authorizations
	people  *family
	pages   *pages.Pages
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// family says whose records the people of the demo clinic may open.
type family struct {
	revoked  bool
	possible func(fhir.Type) scope.Letters
}

func patient(id string) fhir.Key { return fhir.Key{Type: "Patient", ID: id} }

func (f *family) own(id, name, birth string) pages.Choice {
	return pages.Choice{Patient: patient(id), Name: name, Birth: birth, Kind: access.Patient, Actor: patient(id), Possible: f.possible}
}

func (f *family) Patients(_ context.Context, who *account.Account) ([]pages.Choice, error) {
	switch who.Login {
	case "amy.shaw":
		return []pages.Choice{f.own("amy-shaw", "Amy Shaw", "1991-02-14")}, nil
	case "tom.shaw":
		all := []pages.Choice{f.own("tom-shaw", "Tom Shaw", "1982-11-30")}
		if !f.revoked {
			for _, child := range []pages.Choice{
				{Patient: patient("lena-shaw"), Name: "Lena Shaw", Birth: "2012-05-03", Grant: "grant-lena", Actor: fhir.Key{Type: "RelatedPerson", ID: "tom-shaw-for-lena"}},
				{Patient: patient("max-shaw"), Name: "Max <b>Shaw</b>", Birth: "2020-05", Grant: "grant-max", Actor: fhir.Key{Type: "RelatedPerson", ID: "tom-shaw-for-max"}},
			} {
				child.Kind = access.Proxy
				all = append(all, child)
			}
		}
		return all, nil
	}
	return nil, nil
}

func (f *family) treated() []pages.Choice {
	doctor := fhir.Key{Type: "Practitioner", ID: "dr-okafor"}
	var all []pages.Choice
	for _, c := range []pages.Choice{
		f.own("amy-shaw", "Amy Shaw", "1991-02-14"), f.own("lena-shaw", "Lena Shaw", "2012-05-03"),
	} {
		c.Kind, c.Actor = access.Clinician, doctor
		all = append(all, c)
	}
	return all
}

func (f *family) Find(_ context.Context, who *account.Account, text string) (found []pages.Choice, _ error) {
	if who.Login != "dr.okafor" {
		return nil, nil
	}
	for _, c := range f.treated() {
		if strings.Contains(strings.ToLower(c.Name), strings.ToLower(text)) {
			found = append(found, c)
		}
	}
	return found, nil
}

func (f *family) May(ctx context.Context, who *account.Account, id string) (pages.Choice, bool, error) {
	all, err := f.Patients(ctx, who)
	if who.Login == "dr.okafor" {
		all = append(all, f.treated()...)
	}
	for _, c := range all {
		if c.Patient.ID == id {
			return c, true, err
		}
	}
	return pages.Choice{}, false, err
}

// Live implements token.Grants.
func (f *family) Live(_ context.Context, id string) (policy.Effective, bool, error) {
	return policy.Effective{Grant: id}, !f.revoked, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, httptest.NewServer)
}

func newWorldOn(t testing.TB, serve func(http.Handler) *httptest.Server) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), clock: &clock{t: time.Now()}, people: &family{}}
	var handler http.Handler
	w.server = serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(w.server.Close)
	w.base = w.server.URL
	now := w.clock.now
	w.clients = &client.Registry{Store: w.store, TokenURL: w.base + "/auth/token", Now: now}
	w.accs = &account.Accounts{Store: w.store, Hasher: account.NewHasher(account.Cost{Memory: 64, Passes: 1, Lanes: 1}, 4), Now: now}
	sessions := &account.Sessions{Accounts: w.accs}
	w.tokens = &token.Tokens{Store: w.store, Keys: &signing.Keys{Store: w.store, Now: now}, Issuer: w.base, FHIR: w.base + "/fhir", Sessions: sessions, Grants: w.people, Now: now}
	w.auth = &authorize.Authorizations{Store: w.store, Clients: w.clients, Tokens: w.tokens, Issuer: w.base, FHIR: w.base + "/fhir", Now: now}
	w.must(w.clients.Ensure(t.Context()))
	w.must(w.tokens.Ensure(t.Context()))
	w.must(w.auth.Ensure(t.Context()))
	w.must(w.store.Ensure(t.Context(), account.Indexes()))
	for id, name := range map[string]string{"app": "Blood Sugar Diary", "evil": "Evil <script>alert(1)</script> App"} {
		scopes, _ := scope.Parse("openid fhirUser profile launch launch/patient launch/encounter online_access offline_access patient/*.cruds user/*.cruds")
		w.must(w.clients.Add(t.Context(), &client.Client{
			ID: id, Name: name, Kind: client.Public, Redirects: []string{redirect, "com.example.app:/back", "http://127.0.0.1/callback"}, LaunchURL: "https://app.example/launch",
			Scopes: scopes, Grants: []string{client.AuthorizationCode},
		}))
	}
	for _, a := range []account.Account{
		{Login: "amy.shaw", Name: "Amy Shaw", Roles: []account.Role{account.Patient}, Person: patient("amy-shaw")},
		{Login: "tom.shaw", Name: "Tom Shaw", Roles: []account.Role{account.Patient, account.Proxy}, Person: patient("tom-shaw")},
		{Login: "dr.okafor", Name: "Dr. Okafor", Roles: []account.Role{account.Clinician}, Person: fhir.Key{Type: "Practitioner", ID: "dr-okafor"}},
		{Login: "no.body", Name: "No Body", Roles: []account.Role{account.Proxy}},
		{Login: "admin", Name: "Admin", Roles: []account.Role{account.Admin}},
	} {
		if _, err := w.accs.Add(t.Context(), a, password); err != nil {
			t.Fatal(err)
		}
	}
	w.pages = &pages.Pages{
		Base: w.base, Place: "Grünerløkka legesenter", Store: w.store, Sessions: sessions, Authorizations: w.auth, Tokens: w.tokens,
		People: w.people, Types: []fhir.Type{"Patient", "Observation", "Condition", "Appointment", "Basic", "VisionPrescription", "MedicationRequest"}, Now: now,
	}
	var err error
	handler, err = w.pages.Handler(t.Context())
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// browser is somebody's browser. It follows no redirects by itself out of the server.
type browser struct {
	w    *world
	http *http.Client
	lang string
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &browser{w: w, http: &http.Client{Jar: jar, Transport: w.server.Client().Transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), w.base) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// page is what the browser shows.
type page struct {
	t      testing.TB
	status int
	header http.Header
	url    *url.URL
	text   string
	doc    *html.Node
	out    *url.URL // where the browser was sent, out of the server
}

func (b *browser) do(r *http.Request) *page {
	b.w.t.Helper()
	if b.lang != "" {
		r.Header.Set("Accept-Language", b.lang)
	}
	resp, err := b.http.Do(r)
	b.w.must(err)
	defer func() { _ = resp.Body.Close() }()
	p := &page{t: b.w.t, status: resp.StatusCode, header: resp.Header, url: resp.Request.URL}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		p.out, err = resp.Location()
		b.w.must(err)
		return p
	}
	p.doc, err = html.Parse(resp.Body)
	b.w.must(err)
	var text strings.Builder
	for n := range p.doc.Descendants() {
		if n.Type == html.TextNode {
			text.WriteString(n.Data)
		}
	}
	p.text = strings.Join(strings.Fields(text.String()), " ")
	return p
}

func (b *browser) get(address string) *page {
	b.w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.w.base + address
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodGet, address, nil)
	b.w.must(err)
	return b.do(r)
}

// post sends a form as our own pages do.
func (b *browser) post(address string, form url.Values, header ...string) *page {
	b.w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.w.base + address
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	b.w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.w.base)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	return b.do(r)
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// all gives the elements of a name for which keep holds.
func (p *page) all(name string) []*html.Node {
	var all []*html.Node
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			all = append(all, n)
		}
	}
	return all
}

// form gives where a form leads and what it sends as it stands. Action is the end of its
// address, or its role.
func (p *page) form(action string) (address string, values url.Values) {
	p.t.Helper()
	if p.doc == nil {
		p.t.Fatalf("no form %s: the browser was sent to %s", action, p.out)
	}
	for _, f := range p.all("form") {
		to, _ := attr(f, "action")
		method, _ := attr(f, "method")
		role, _ := attr(f, "role")
		if !strings.HasSuffix(to, action) && role != action || method != "post" || role != "" && role != action {
			continue
		}
		values = url.Values{}
		for n := range f.Descendants() {
			if n.Type != html.ElementNode || n.Data != "input" {
				continue
			}
			name, _ := attr(n, "name")
			value, _ := attr(n, "value")
			kind, _ := attr(n, "type")
			_, checked := attr(n, "checked")
			if name != "" && (checked || kind != "checkbox" && kind != "radio") {
				values.Add(name, value)
			}
		}
		return to, values
	}
	p.t.Fatalf("no form %s on %s (%d): %s", action, p.url, p.status, p.text)
	return "", nil
}

// submit sends the form of p that leads to action, changed.
func (b *browser) submit(p *page, action string, change func(url.Values)) *page {
	b.w.t.Helper()
	address, values := p.form(action)
	if change != nil {
		change(values)
	}
	return b.post(address, values)
}

// request is the address of an authorization request.
func (w *world) request(change func(url.Values)) string {
	return w.base + "/auth/authorize?" + w.parameters(change).Encode()
}

// parameters are those of an authorization request.
func (w *world) parameters(change func(url.Values)) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirect}, "scope": {defaultAsks}, "state": {"s t&a=te"},
		"aud": {w.base + "/fhir"}, "code_challenge": {token.Challenge(verifier)}, "code_challenge_method": {"S256"}, "nonce": {"n"},
	}
	if change != nil {
		change(q)
	}
	return q
}

func scopes(s string) func(url.Values) { return func(q url.Values) { q.Set("scope", s) } }

func signInAs(login, word string) func(url.Values) {
	return func(v url.Values) { v.Set("login", login); v.Set("password", word) }
}

func find(text string) func(url.Values) { return func(v url.Values) { v.Set("find", text) } }

func choose(id string) func(url.Values) { return func(v url.Values) { v.Set("patient", id) } }

// signIn goes through the page for signing in.
func (b *browser) signIn(p *page, login string) *page {
	b.w.t.Helper()
	return b.submit(p, "/auth/login", signInAs(login, password))
}

// granted exchanges the code that the browser brings to the app.
func (w *world) granted(p *page) *token.Response {
	w.t.Helper()
	if p.out == nil {
		w.t.Fatalf("the browser is not sent to the app, but shows %s (%d): %s", p.url, p.status, p.text)
	}
	q := p.out.Query()
	if q.Get("error") != "" || q.Get("state") != "s t&a=te" || q.Get("iss") != w.base {
		w.t.Fatalf("the app gets %v", q)
	}
	to := *p.out
	to.RawQuery = ""
	return w.exchange(q.Get("code"), to.String())
}

// exchange is what the app does with a code.
func (w *world) exchange(code, redirect string) *token.Response {
	w.t.Helper()
	c, err := w.clients.Get(w.t.Context(), "app")
	w.must(err)
	got, err := w.tokens.Exchange(w.t.Context(), c, code, redirect, verifier)
	w.must(err)
	return got
}
