package authorize_test

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

var sameScopes = cmp.Comparer(func(a, b scope.Set) bool { return a.String() == b.String() })

func TestRequests(t *testing.T) {
	t.Parallel()
	c := simple(t)
	challenge := token.Challenge(verifier)
	doubled := func(name string) url.Values {
		v := request()
		v.Add(name, v.Get(name))
		return v
	}
	for _, tt := range []struct {
		claim  string
		params url.Values
		want   string // page, the code of the error, or "" for none
		says   string
	}{
		{"B2 everything", request("prompt", "login consent", "max_age", "60", "login_hint", "amy", "ui_locales", "de en", "unknown", "x"), "", ""},
		{"B2 the least", request("state", "", "nonce", ""), "", ""},
		{"B3 aud with a slash", request("aud", base+"/"), "", ""},
		{"B4 no client", request("client_id", ""), "page", "client_id"},
		{"B4 an unknown client", request("client_id", "nobody"), "page", "not registered"},
		{"B4 a disabled client", request("client_id", "off"), "page", "not registered"},
		{"B4 two clients", doubled("client_id"), "page", "client_id"},
		{"B4 no redirect URI", request("redirect_uri", ""), "page", "redirect_uri"},
		{"B4 two redirect URIs", doubled("redirect_uri"), "page", "redirect_uri"},
		{"B4 another redirect URI", request("redirect_uri", "https://evil.example/cb"), "page", "redirect_uri"},
		{"B4 a redirect URI and more", request("redirect_uri", redirect+"&y=2"), "page", "redirect_uri"},
		{"B4 a redirect URI of script", request("redirect_uri", "javascript:alert(1)"), "page", "redirect_uri"},
		{"B2 no response_type", request("response_type", ""), "unsupported_response_type", ""},
		{"B2 the implicit flow", request("response_type", "token"), "unsupported_response_type", ""},
		{"B2 the hybrid flow", request("response_type", "code id_token"), "unsupported_response_type", ""},
		{"B2 another response_mode", request("response_mode", "fragment"), "invalid_request", "response_mode"},
		{"B2 response_mode query", request("response_mode", "query"), "", ""},
		{"B2 a doubled parameter", doubled("scope"), "invalid_request", "scope is there more than once"},
		{"B2 a doubled state is not sent back", doubled("state"), "invalid_request", "state is there more than once"},
		{"B2 an endless state", request("state", strings.Repeat("x", 5000)), "invalid_request", "state"},
		{"B2 an endless nonce", request("nonce", strings.Repeat("x", 5000)), "invalid_request", "nonce"},
		{"B3 no aud", request("aud", ""), "invalid_request", "aud is missing"},
		{"B3 another aud", request("aud", "https://other.example/fhir"), "invalid_request", base},
		{"B3 aud without the path", request("aud", issuer), "invalid_request", base},
		{"B3 aud with another path", request("aud", base+"/x"), "invalid_request", base},
		{"B3 aud with two slashes", request("aud", base+"//"), "invalid_request", base},
		{"B8 no code_challenge", request("code_challenge", ""), "invalid_request", "PKCE"},
		{"B8 no code_challenge_method means plain", request("code_challenge_method", ""), "invalid_request", "S256"},
		{"B8 plain", request("code_challenge_method", "plain"), "invalid_request", "S256"},
		{"B8 s256 in lower case", request("code_challenge_method", "s256"), "invalid_request", "S256"},
		{"B8 a challenge with padding", request("code_challenge", challenge+"="), "invalid_request", "43 characters"},
		{"B8 a challenge in base64", request("code_challenge", challenge[:42]+"+"), "invalid_request", "43 characters"},
		{"B8 a verifier as challenge", request("code_challenge", verifier), "invalid_request", "43 characters"},
		{"B2 no scope", request("scope", ""), "invalid_scope", "missing"},
		{"B2 a blank scope", request("scope", "  "), "invalid_scope", "missing"},
		{"B2 nothing that is known", request("scope", "email"), "invalid_scope", "email"},
		{"B2 nothing that is registered", request("scope", "patient/*.cud"), "invalid_scope", "registered"},
		{"B2 system scopes are not for people", request("scope", "system/*.rs"), "invalid_scope", "registered"},
		{"B2 launch alone in a standalone launch", request("scope", "launch"), "invalid_scope", "registered"},
		{"B2 a client without the code grant", request("client_id", "backend"), "unauthorized_client", ""},
		{"B2 a request object", request("request", "x"), "request_not_supported", ""},
		{"B2 a request object elsewhere", request("request_uri", "https://x.example"), "request_uri_not_supported", ""},
		{"B2 a registration", request("registration", "{}"), "registration_not_supported", ""},
		{"B2 prompt none and login", request("prompt", "none login"), "invalid_request", "prompt"},
		{"B2 max_age that is no number", request("max_age", "soon"), "invalid_request", "max_age"},
		{"B2 max_age below zero", request("max_age", "-1"), "invalid_request", "max_age"},
		{"B9 a launch that is unknown", request("launch", "x", "scope", "launch openid"), "invalid_request", "launch is unknown"},
		{"B9 a launch without its scope", request("launch", "x"), "invalid_scope", "needs the scope launch"},
		{"B9 an endless launch", request("launch", strings.Repeat("x", 1000), "scope", "launch openid"), "invalid_request", "launch is longer"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			p, err := c.Begin(t.Context(), tt.params)
			var page *authorize.PageError
			var away *authorize.RedirectError
			var e *oauth.Error
			errors.As(err, &e)
			switch {
			case tt.want == "":
				if err != nil || p.ID == "" {
					t.Error(err)
				}
			case e == nil || !strings.Contains(e.Description, tt.says):
				t.Errorf("got %v, want it to say %q", err, tt.says)
			case tt.want == "page":
				if !errors.As(err, &page) || errors.As(err, &away) {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &away) || string(e.Code) != tt.want:
				t.Errorf("got %v", err)
			default:
				checkRefusal(t, away.URL, tt.params, e)
			}
		})
	}
}

// checkRefusal wants the app to be told.
func checkRefusal(t *testing.T, where string, params url.Values, e *oauth.Error) {
	t.Helper()
	rest, ok := strings.CutPrefix(where, params.Get("redirect_uri")+"&")
	got, err := url.ParseQuery(rest)
	if !ok || err != nil {
		t.Fatalf("the browser goes to %s, %v", where, err)
	}
	want := url.Values{"error": {string(e.Code)}, "error_description": {e.Description}, "iss": {issuer}}
	if states := params["state"]; len(states) == 1 && len(states[0]) <= 2048 {
		want.Set("state", states[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("B6 (-want +got):\n%s", diff)
	}
}

func TestAPendingRequestKeepsEverything(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("B2 on "+name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, open(t))
			p := c.begin(t, "prompt", "login", "max_age", "60", "login_hint", "amy", "ui_locales", "de en", "scope", asked+" email system/*.rs patient/*.cruds launch")
			minute := time.Minute
			want := &authorize.Pending{
				ID: p.ID, Client: p.Client, Scopes: scopes(t, asked), Created: start, RedirectURI: redirect, Nonce: "n-1",
				Prompt: []string{"login"}, MaxAge: &minute, LoginHint: "amy", UILocales: "de en",
			}
			// Of patient/*.cruds what is registered is left, which was asked for already.
			for _, get := range []func() (*authorize.Pending, error){
				func() (*authorize.Pending, error) { return p, nil },
				func() (*authorize.Pending, error) { return c.Pending(t.Context(), p.ID) },
			} {
				got, err := get()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, sameScopes, cmp.FilterPath(func(p cmp.Path) bool {
					return p.Last().String() == ".state" || p.Last().String() == ".challenge"
				}, cmp.Ignore()), cmp.AllowUnexported(authorize.Pending{})); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			if !p.NeedsPatient() || !p.Prompts("login") || p.Prompts("none") {
				t.Errorf("got %+v", p)
			}
			for _, id := range []string{"", "x", p.ID + "x", p.ID[1:], strings.Replace(p.ID, p.ID[40:50], strings.Repeat("A", 10), 1), simple(t).begin(t).ID} {
				if _, err := c.Pending(t.Context(), id); !errors.Is(err, authorize.ErrUnknown) {
					t.Errorf("%q: %v", id, err)
				}
			}
			c.pass(10 * time.Minute)
			if _, err := c.Pending(t.Context(), p.ID); !errors.Is(err, authorize.ErrUnknown) {
				t.Errorf("after ten minutes: %v", err)
			}
			if _, err := c.Finish(t.Context(), p.ID, amy(t, asked)); !errors.Is(err, authorize.ErrUnknown) {
				t.Errorf("after ten minutes: %v", err)
			}
		})
	}
}

func TestWhoeverHasNotSignedInLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c := simple(t)
	for range 3 {
		p := c.begin(t, "prompt", "none")
		if _, err := c.Deny(t.Context(), p.ID, oauth.LoginRequired, "Nobody is signed in."); err != nil {
			t.Fatal(err)
		}
	}
	for _, collection := range []string{"portico_pending", "portico_launches", "portico_authorizations"} {
		if n, err := c.Store.Count(t.Context(), store.Query{Collection: collection}); n != 0 || err != nil {
			t.Errorf("B2 %d documents in %s, %v", n, collection, err)
		}
	}
	one, other := c.begin(t), c.begin(t)
	if one.ID == other.ID || len(one.ID) > 1000 {
		t.Errorf("B2 the ids are %s and %s", one.ID, other.ID)
	}
	var many string
	for i := range 400 {
		many += "patient/Observation.rs?code=a|" + strconv.Itoa(i) + " "
	}
	var e *oauth.Error
	if _, err := c.Begin(t.Context(), request("scope", many)); !errors.As(err, &e) || e.Code != oauth.InvalidScope {
		t.Errorf("B2 endless scopes: %v", err)
	}
}

func TestARequestOfAClientThatIsDisabledMeanwhile(t *testing.T) {
	t.Parallel()
	c := simple(t)
	p := c.begin(t)
	app, err := c.Clients.Get(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	app.Disabled = true
	if err := c.Clients.Put(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Finish(t.Context(), p.ID, amy(t, asked)); !errors.Is(err, authorize.ErrUnknown) {
		t.Errorf("B4 got %v", err)
	}
}

func TestAFaultOfTheStoreIsNotTheAppsFault(t *testing.T) {
	t.Parallel()
	st := memory.New()
	c := newClinic(t, st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	var e *oauth.Error
	if _, err := c.Begin(t.Context(), request()); err == nil || errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

func TestOnLoopbackOneNameIsAsGoodAsAnother(t *testing.T) {
	t.Parallel()
	c := simple(t)
	c.FHIR = "http://localhost:8080/fhir"
	for aud, want := range map[string]bool{
		"http://localhost:8080/fhir": true, "http://127.0.0.1:8080/fhir": true, "http://127.0.0.1:8080/fhir/": true, "http://[::1]:8080/fhir": true,
		"http://127.0.0.1:8081/fhir": false, "http://127.0.0.1/fhir": false, "https://127.0.0.1:8080/fhir": false, "http://127.0.0.1:8080/fhir2": false,
		"http://127.0.0.1:8080/fhir?x": false, "http://127.0.0.1:8080/fhir#x": false, "http://u@127.0.0.1:8080/fhir": false,
		"http://10.0.0.1:8080/fhir": false, "http://localhost.evil.example:8080/fhir": false, "http://localhost:8080%2ffhir": false,
	} {
		if _, err := c.Begin(t.Context(), request("aud", aud)); (err == nil) != want {
			t.Errorf("B3 %s: %v", aud, err)
		}
	}
	c.FHIR = base
	if _, err := c.Begin(t.Context(), request("aud", "https://127.0.0.1/fhir")); err == nil {
		t.Error("B3 loopback is taken for a server with a name")
	}
}

// FuzzPending wants nothing to be a request but what Begin made.
func FuzzPending(f *testing.F) {
	c := simple(f)
	good := c.begin(f)
	f.Add(good.ID)
	f.Add(good.ID[:40])
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if p, err := c.Pending(t.Context(), id); id != good.ID && !errors.Is(err, authorize.ErrUnknown) {
			t.Errorf("%q gives %+v, %v", id, p, err)
		}
	})
}

// FuzzBegin wants the browser to be sent to a registered place or nowhere.
func FuzzBegin(f *testing.F) {
	c := simple(f)
	f.Add(request().Encode())
	f.Add(request("launch", "x", "prompt", "none", "max_age", "1").Encode())
	f.Add(request("redirect_uri", "http://127.0.0.1:1/").Encode())
	f.Fuzz(func(t *testing.T, query string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p, err := c.Begin(t.Context(), params)
		var page *authorize.PageError
		var away *authorize.RedirectError
		switch {
		case err == nil:
			if app, err := c.Clients.Get(t.Context(), params.Get("client_id")); err != nil || app.Kind != client.Public || !app.AllowsRedirect(p.RedirectURI) || params.Get("code_challenge_method") != "S256" {
				t.Errorf("%q was accepted", query)
			}
		case errors.As(err, &away):
			if u, err := url.Parse(away.URL); err != nil || u.Host != "app.example.org" || strings.ContainsAny(away.URL, " \r\n\"<>") {
				t.Errorf("%q sends the browser to %q", query, away.URL)
			}
		case !errors.As(err, &page):
			t.Errorf("%q: %v", query, err)
		}
	})
}
