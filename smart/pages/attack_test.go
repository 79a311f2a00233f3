package pages_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func with(name, value string) func(url.Values) { return func(v url.Values) { v.Set(name, value) } }

func without(name string) func(url.Values) { return func(v url.Values) { v.Del(name) } }

// refused says whether a page gave nothing away: an error page, and no code.
func refused(p *page) bool { return p.out == nil && p.status >= 400 && p.status < 500 }

func TestForgedForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	victim := w.browser()
	consent := victim.signIn(victim.get(w.request(nil)), "amy.shaw")
	attacker := w.browser()
	foreign := attacker.signIn(attacker.get(w.request(nil)), "tom.shaw")
	_, values := consent.form("/auth/consent")
	foreignAddress, _ := foreign.form("/auth/patient")
	for name, c := range map[string]struct {
		change  func(url.Values)
		header  []string
		browser *browser
	}{
		"no token":                                {without("csrf"), nil, victim},
		"an empty token":                          {with("csrf", ""), nil, victim},
		"another token":                           {with("csrf", "AAAAAAAAAAAAAAAAAAAAAAAA"), nil, victim},
		"another's token":                         {func(v url.Values) { v.Set("csrf", csrf(foreign)) }, nil, victim},
		"from another origin":                     {nil, []string{"Origin", "https://evil.example"}, victim},
		"from an origin that looks alike":         {nil, []string{"Origin", w.base + ".evil.example"}, victim},
		"from no origin":                          {nil, []string{"Origin", "null"}, victim},
		"without any word of where it comes from": {nil, []string{"Origin", ""}, victim},
		"from the same site only":                 {nil, []string{"Origin", "", "Sec-Fetch-Site", "same-site"}, victim},
		"in another browser":                      {nil, nil, attacker},
		"in a browser without cookies":            {nil, nil, w.browser()},
		"about another's request":                 {func(v url.Values) { v.Set("request", handle(foreign)) }, nil, victim},
		"about a made-up request":                 {with("request", "x.y"), nil, victim},
		"about no request":                        {without("request"), nil, victim},
		"not as a form":                           {nil, []string{"Content-Type", "text/plain"}, victim},
	} {
		t.Run("B6 a consent "+name, func(t *testing.T) {
			form := url.Values{}
			for k, v := range values {
				form[k] = append([]string(nil), v...)
			}
			if c.change != nil {
				c.change(form)
			}
			if p := c.browser.post("/auth/consent", form, c.header...); !refused(p) {
				t.Errorf("taken: %d, sent to %v: %s", p.status, p.out, p.text)
			}
		})
	}
	t.Run("B6 other forms without a token", func(t *testing.T) {
		for path, form := range map[string]url.Values{
			"/auth/login": {"login": {"tom.shaw"}, "password": {password}}, "/auth/logout": {}, "/auth/apps": {"everywhere": {"yes"}},
			"/auth/deny": {"request": {handle(consent)}}, "/auth/patient": {"request": {handle(consent)}, "patient": {"amy-shaw"}},
		} {
			if p := victim.post(path, form); !refused(p) {
				t.Errorf("%s: %d, sent to %v", path, p.status, p.out)
			}
		}
	})
	t.Run("B6 forms take no GET", func(t *testing.T) {
		for _, path := range []string{"/auth/deny"} {
			if p := victim.get(path + "?" + values.Encode()); p.status != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", path, p.status)
			}
		}
	})
	t.Run("B6 after all this the right form is taken", func(t *testing.T) {
		w.granted(victim.post("/auth/consent", values))
	})
	t.Run("B7 an answer that was given is not taken again", func(t *testing.T) {
		if p := victim.post("/auth/consent", values); !refused(p) {
			t.Errorf("%d, sent to %v", p.status, p.out)
		}
	})
	if !strings.HasSuffix(foreignAddress, "/auth/patient") {
		t.Errorf("the attacker's form leads to %s", foreignAddress)
	}
}

func csrf(p *page) string {
	for _, n := range p.all("input") {
		if name, _ := attr(n, "name"); name == "csrf" {
			v, _ := attr(n, "value")
			return v
		}
	}
	return ""
}

func handle(p *page) string { return p.url.Query().Get("request") }

func TestARequestIsBoundToItsBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	victim, attacker := w.browser(), w.browser()
	p := victim.get(w.request(nil))
	own := attacker.get(w.request(nil))
	for name, address := range map[string]string{
		"opened elsewhere":              p.url.String(),
		"with the attacker's own code":  strings.Replace(p.url.String(), url.QueryEscape(handle(p)), url.QueryEscape(id(p)+own.code()), 1),
		"with no code":                  strings.Replace(p.url.String(), url.QueryEscape(handle(p)), url.QueryEscape(id(p)), 1),
		"with an empty code":            strings.Replace(p.url.String(), url.QueryEscape(handle(p)), url.QueryEscape(id(p)+"."), 1),
		"with nothing before its code":  w.base + "/auth/login?request=.x",
		"with a made-up id":             w.base + "/auth/consent?request=abc.def",
		"with a very long id":           w.base + "/auth/consent?request=" + strings.Repeat("a", 5000) + ".b",
		"with characters out of place":  w.base + "/auth/consent?request=%00%0d%0aSet-Cookie:x",
		"that is somebody else's again": p.url.String() + "&request=" + url.QueryEscape(handle(own)),
	} {
		if got := attacker.get(address); !refused(got) {
			t.Errorf("B9 a request %s: %d %s", name, got.status, got.text)
		}
	}
	if got := victim.get(p.url.String()); got.status != http.StatusOK {
		t.Errorf("the browser's own: %d", got.status)
	}
	w.clock.add(11 * time.Minute)
	if got := victim.get(p.url.String()); !refused(got) || !strings.Contains(got.text, "too old") {
		t.Errorf("B9 a request that is too old: %d %s", got.status, got.text)
	}
}

func id(p *page) string { h := handle(p); return h[:strings.LastIndexByte(h, '.')] }

func (p *page) code() string { h := handle(p); return h[strings.LastIndexByte(h, '.'):] }

func TestSessionFixation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attacker := w.browser()
	attacker.signIn(attacker.get("/auth/apps"), "tom.shaw")
	base, err := url.Parse(w.base)
	w.must(err)
	planted := session(attacker, base)
	victim := w.browser()
	victim.http.Jar.SetCookies(base, []*http.Cookie{{Name: "portico-session", Value: planted, Path: "/"}})
	w.clock.add(time.Second)
	p := victim.get(w.request(with("prompt", "login")))
	victim.signIn(p, "amy.shaw")
	if now := session(victim, base); now == planted || now == "" {
		t.Errorf("the session after signing in is %q", now)
	}
	if p := attacker.get("/auth/apps"); p.url.Path != "/auth/login" {
		t.Errorf("the planted session shows %s", p.text)
	}
	first := session(victim, base)
	w.clock.add(time.Second)
	victim.signIn(victim.get(w.request(with("prompt", "login"))), "amy.shaw")
	if second := session(victim, base); second == first || second == "" {
		t.Error("signing in again keeps the session's secret")
	}
}

func session(b *browser, base *url.URL) string {
	for _, c := range b.http.Jar.Cookies(base) {
		if c.Name == "portico-session" {
			return c.Value
		}
	}
	return ""
}

func TestGuessingPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	p := b.get(w.request(nil))
	var known, unknown []string
	for range 12 {
		known = append(known, b.submit(p, "/auth/login", signInAs("amy.shaw", "wrong horse battery")).text)
		unknown = append(unknown, b.submit(p, "/auth/login", signInAs("amy.shaw2", "wrong horse battery")).text)
	}
	for i := range known {
		if known[i] != unknown[i] {
			t.Errorf("attempt %d is answered with %q, of nobody with %q", i, known[i], unknown[i])
		}
	}
	if !strings.Contains(known[0], "The username or the password is not right.") || !strings.Contains(known[11], "There were too many attempts from here. Wait ") {
		t.Errorf("first %q, then %q", known[0], known[11])
	}
	if p := b.submit(p, "/auth/login", signInAs("amy.shaw", password)); p.url.Path != "/auth/login" || p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" {
		t.Errorf("the right password at once: %d %s", p.status, p.url)
	}
	w.clock.add(3 * time.Minute)
	if p := b.submit(p, "/auth/login", signInAs("amy.shaw", password)); p.url.Path != "/auth/consent" {
		t.Errorf("the right password later: %d %s", p.status, p.text)
	}
	for name, change := range map[string]func(url.Values){
		"a very long password": signInAs("amy.shaw", strings.Repeat("x", 100_000)), "a very long login": signInAs(strings.Repeat("x", 100_000), "x"),
		"a form that is too large": signInAs("x", strings.Repeat("x", 1<<20)),
	} {
		b := w.browser()
		if p := b.submit(b.get(w.request(nil)), "/auth/login", change); !refused(p) {
			t.Errorf("%s: %d", name, p.status)
		}
	}
}

func TestPickerTampering(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, wrong := range []string{"amy-shaw", "nobody", "Patient/lena-shaw", "../lena-shaw", "", "lena-shaw\x00", strings.Repeat("x", 1000)} {
		t.Run("B10 "+wrong[:min(len(wrong), 20)], func(t *testing.T) {
			b := w.browser()
			p := b.signIn(b.get(w.request(nil)), "tom.shaw")
			if got := b.submit(p, "/auth/patient", choose(wrong)); !refused(got) {
				t.Errorf("the picker takes it: %s", got.url)
			}
			address := strings.Replace(p.url.String(), "/auth/patient", "/auth/consent", 1) + "&patient=" + url.QueryEscape(wrong)
			if got := b.get(address); got.url.Path == "/auth/consent" && got.status == http.StatusOK {
				t.Errorf("the consent page takes it: %s", got.text)
			}
			right := b.submit(p, "/auth/patient", choose("lena-shaw"))
			if got := b.submit(right, "/auth/consent", choose(wrong)); !refused(got) {
				t.Errorf("the consent takes it: %v", got.out)
			}
		})
	}
	t.Run("E11 a grant that ended between choice and consent", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		p := b.signIn(b.get(w.request(nil)), "tom.shaw")
		p = b.submit(p, "/auth/patient", choose("lena-shaw"))
		w.people.revoked = true
		if got := b.submit(p, "/auth/consent", nil); !refused(got) {
			t.Errorf("taken: %v", got.out)
		}
	})
	t.Run("B10 a clinician who does not treat the patient", func(t *testing.T) {
		b := w.browser()
		p := b.signIn(b.get(w.request(scopes("launch/patient patient/Patient.rs"))), "dr.okafor")
		p = b.submit(p, "search", find("amy"))
		if got := b.submit(p, "/auth/patient", choose("tom-shaw")); !refused(got) {
			t.Errorf("taken: %s", got.url)
		}
	})
}

func TestConsentTampering(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := "openid launch/patient patient/Observation.rs patient/Appointment.rs"
	for name, change := range map[string]func(url.Values){
		"a type that was not asked for":    func(v url.Values) { v.Add("see", "patient/MedicationRequest") },
		"letters that were not asked for":  func(v url.Values) { v.Add("write", "patient/Observation") },
		"a context that was not asked for": func(v url.Values) { v.Add("see", "user/Observation") },
		"everything":                       func(v url.Values) { v.Add("see", "patient/*") },
		"the rest of the types":            func(v url.Values) { v.Add("see", "patient/rest") },
		"a scope of its own":               func(v url.Values) { v.Add("see", "patient/Observation.cruds") },
		"another restriction":              func(v url.Values) { v.Add("see", "patient/Observation?category=x") },
		"offline access, not asked for":    with("offline", "yes"),
		"kinds of a type that has none":    with("kinds:patient/Appointment", "some"),
		"kinds of a type not asked for":    with("kinds:patient/Condition", "some"),
		"a kind that there is not": func(v url.Values) {
			v.Set("kinds:patient/Observation", "some")
			v.Set("kind:patient/Observation", "99")
		},
		"a kind that is a text of its own": func(v url.Values) {
			v.Set("kinds:patient/Observation", "some")
			v.Set("kind:patient/Observation", "category=x")
		},
		"a negative kind": func(v url.Values) {
			v.Set("kinds:patient/Observation", "some")
			v.Set("kind:patient/Observation", "-1")
		},
		"nothing":                             without("see"),
		"only some kinds, but none is ticked": func(v url.Values) { v.Set("kinds:patient/Observation", "some"); v.Del("kind:patient/Observation") },
	} {
		t.Run("B11 "+name, func(t *testing.T) {
			b := w.browser()
			p := b.signIn(b.get(w.request(scopes(ask))), "amy.shaw")
			if got := b.submit(p, "/auth/consent", change); !refused(got) {
				t.Errorf("taken: %d, sent to %v", got.status, got.out)
			}
		})
	}
	t.Run("B11 a scope field is not read", func(t *testing.T) {
		b := w.browser()
		p := b.signIn(b.get(w.request(scopes(ask))), "amy.shaw")
		got := w.granted(b.submit(p, "/auth/consent", func(v url.Values) { v.Set("scope", everything); v.Set("account", "x"); v.Set("kind", "clinician") }))
		if got.Scope != ask {
			t.Errorf("granted %q", got.Scope)
		}
	})
}

func TestInjection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	b := w.browser()
	pages := map[string]*page{}
	p := b.get(w.request(func(q url.Values) { q.Set("client_id", "evil"); q.Set("login_hint", evil) }))
	pages["login"] = p
	pages["a login that was wrong"] = b.submit(p, "/auth/login", signInAs(evil, "x"))
	p = b.signIn(p, "tom.shaw")
	pages["picker"] = p
	pages["consent"] = b.submit(p, "/auth/patient", choose("max-shaw"))
	filter := "launch/patient patient/Observation.rs?code=%3Cscript%3Ealert(1)%3C/script%3E"
	pages["a scope's filter"] = b.submit(b.get(w.request(scopes(filter))), "/auth/patient", choose("max-shaw"))
	doctor := w.browser()
	found := doctor.signIn(doctor.get(w.request(scopes("launch/patient patient/Patient.rs"))), "dr.okafor")
	pages["search"] = doctor.submit(found, "search", find(evil))
	pages["error"] = b.get(w.request(func(q url.Values) { q.Set("client_id", evil); q.Set("redirect_uri", evil) }))
	pages["missing"] = b.get("/auth/" + url.PathEscape(evil))
	for name, p := range pages {
		for _, element := range []string{"script", "img", "iframe", "object", "embed", "base", "style"} {
			if found := p.all(element); len(found) != 0 {
				t.Errorf("%s: an element %s", name, element)
			}
		}
		for n := range p.doc.Descendants() {
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					t.Errorf("%s: attribute %s=%q", name, a.Key, a.Val)
				}
			}
		}
	}
	if !strings.Contains(pages["consent"].text, "Max <b>Shaw</b>") || !strings.Contains(pages["consent"].text, "Evil <script>alert(1)</script> App") {
		t.Errorf("names are not shown as they are: %s", pages["consent"].text)
	}
	if !strings.Contains(pages["a scope's filter"].text, "code = <script>alert(1)</script>") {
		t.Errorf("the filter is not shown as it is: %s", pages["a scope's filter"].text)
	}
}

func TestOpenRedirects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, uri := range map[string]string{
		"elsewhere": "https://evil.example/callback", "a longer path": redirect + "/x", "a query": redirect + "?x=1", "a fragment": redirect + "#x",
		"another host behind a user": "https://app.example@evil.example/callback", "another scheme": "http://app.example/callback",
		"another case": "https://APP.example/callback", "a path that climbs": "https://app.example/x/../callback", "no address": "callback", "a script": "javascript:alert(1)",
	} {
		b := w.browser()
		p := b.get(w.request(with("redirect_uri", uri)))
		if !refused(p) || !strings.Contains(p.header.Get("Content-Security-Policy"), "form-action 'self'") {
			t.Errorf("B4 %s: %d, sent to %v", name, p.status, p.out)
		}
	}
	if p := w.browser().get(w.request(with("client_id", "nobody"))); !refused(p) {
		t.Errorf("B4 an unknown app: %d, sent to %v", p.status, p.out)
	}
	for _, q := range []string{"next=https://evil.example", "redirect_uri=https://evil.example", "return=//evil.example"} {
		b := w.browser()
		if p := b.signIn(b.get("/auth/login?"+q), "amy.shaw"); p.out != nil || p.url.Path != "/auth/apps" {
			t.Errorf("signing in with %s leads to %s", q, p.url)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	login := b.get(w.request(nil))
	pages := map[string]*page{"login": login, "consent": b.signIn(login, "amy.shaw"), "apps": b.get("/auth/apps"), "logout": b.get("/auth/logout"), "error": b.get("/auth/nothing")}
	for name, p := range pages {
		csp := p.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %s", name, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: the policy %q permits scripts", name, csp)
		}
		for header, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
			if got := p.header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
	}
	for name, want := range map[string]string{"login": " https://app.example", "consent": " https://app.example", "apps": " 'self'"} {
		if csp := pages[name].header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, want) {
			t.Errorf("%s: the form may lead to %q", name, csp)
		}
	}
	p := w.browser().get(w.request(with("redirect_uri", "com.example.app:/back")))
	if csp := p.header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, " com.example.app:") {
		t.Errorf("an app's own scheme: %q", csp)
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve  func(http.Handler) *httptest.Server
		prefix string
	}{"http": {httptest.NewServer, ""}, "https": {httptest.NewTLSServer, "__Host-"}} {
		t.Run("B6 "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOn(t, c.serve)
			seen := map[string]bool{}
			b := w.browser()
			transport := b.http.Transport
			b.http.Transport = tripper(func(r *http.Request) (*http.Response, error) {
				resp, err := transport.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				for _, cookie := range resp.Cookies() {
					kind, ok := strings.CutPrefix(cookie.Name, c.prefix+"portico-")
					kind, _, _ = strings.Cut(kind, "-")
					seen[kind] = true
					if !ok || !cookie.HttpOnly || cookie.Secure != (c.prefix != "") || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
						t.Errorf("the cookie %v", cookie)
					}
				}
				return resp, nil
			})
			p := b.signIn(b.get(w.request(nil)), "amy.shaw")
			w.granted(b.submit(p, "/auth/consent", nil))
			for _, kind := range []string{"browser", "session", "device"} {
				if !seen[kind] {
					t.Errorf("no cookie %s", kind)
				}
			}
		})
	}
}

// tripper is a function as an http.RoundTripper.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
