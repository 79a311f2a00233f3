package provider

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/upstream"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

const redirect = "http://localhost/auth/upstream/callback"

// users are the provider's.
type users struct{}

func (users) GetUserByID(id string) *storage.User {
	if id == "nobody" {
		return nil
	}
	return &storage.User{ID: id, Username: id, Password: "verysecure", FirstName: "Given", LastName: id}
}

func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name) }

func (users) ExampleClientID() string { return "service" }

// claims are what the provider says about its users, beside the standard.
func claims(user string) map[string]any {
	switch user {
	case "amy":
		return map[string]any{"patient_id": "amy-shaw"}
	case "okafor":
		return map[string]any{"hpr": "2601234", "groups": []string{"staff", "doctors"}}
	case "tom":
		return map[string]any{"groups": []string{"parents"}}
	case "twin":
		return map[string]any{"hpr": "twice"}
	}
	return nil
}

// hospital is the example's storage with those claims.
type hospital struct {
	*storage.Storage
	inUserinfo bool
}

func (h *hospital) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, token op.IDTokenRequest, _ []string) error {
	info.Subject = token.GetSubject()
	if info.Subject == "without-subject" {
		info.Subject = ""
	}
	info.AppendClaims("name", "Given "+token.GetSubject())
	if !h.inUserinfo {
		for k, v := range claims(token.GetSubject()) {
			info.AppendClaims(k, v)
		}
	}
	return nil
}

func (h *hospital) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := h.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	for k, v := range claims(subject) {
		info.AppendClaims(k, v)
	}
	return nil
}

// world is a provider, and ours that signs people in through it.
type world struct {
	t        *testing.T
	provider *upstream.Provider
	store    store.Store
	browser  *http.Client
}

func newWorld(t *testing.T, secret string, inUserinfo bool) *world {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	issuer := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/"
	id := "portico" + server.URL
	c := storage.NativeClient(id, redirect)
	if secret != "" {
		c = storage.WebClient(id, secret, redirect)
	}
	storage.RegisterClients(c)
	handler = exampleop.SetupServer(issuer, &hospital{storage.NewStorage(users{}), inUserinfo}, slog.New(slog.NewTextHandler(io.Discard, nil)), false)
	st := memory.New()
	if err := st.Ensure(t.Context(), upstream.Indexes()); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: st, browser: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	w.provider = &upstream.Provider{
		ID: "hospital", Name: "The hospital", Issuer: issuer, ClientID: id, Secret: secret, Redirect: redirect, Store: st, Scopes: []string{"profile"}, Timeout: patience.Limit,
		Userinfo: inUserinfo,
		Rules: []upstream.Rule{
			{Type: "Patient", Claim: "patient_id"},
			{Type: "Practitioner", Claim: "hpr", System: "urn:hpr"},
			{Type: "Person", Where: map[string]string{"groups": "parents"}},
		},
		Lookup: func(_ context.Context, typ fhir.Type, system, value string) (fhir.Key, bool, error) {
			return fhir.Key{Type: typ, ID: "dr-okafor"}, system == "urn:hpr" && value == "2601234", nil
		},
	}
	if err := w.provider.Validate(); err != nil {
		t.Fatal(err)
	}
	return w
}

var formID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// visit follows the provider's pages as user and gives the answer with which the
// browser comes back.
func (w *world) visit(address, user string) url.Values {
	w.t.Helper()
	for range 10 {
		if strings.HasPrefix(address, redirect) {
			u, err := url.Parse(address)
			if err != nil {
				w.t.Fatal(err)
			}
			return u.Query()
		}
		resp, err := w.browser.Get(address)
		if err != nil {
			w.t.Fatal(err)
		}
		if resp.StatusCode == http.StatusOK { // the page for signing in
			page, err := io.ReadAll(resp.Body)
			if err != nil {
				w.t.Fatal(err)
			}
			m := formID.FindSubmatch(page)
			if m == nil {
				w.t.Fatalf("no form: %.300s", page)
			}
			form := url.Values{"id": {string(m[1])}, "username": {user}, "password": {"verysecure"}}
			if resp, err = w.browser.PostForm(resp.Request.URL.String(), form); err != nil {
				w.t.Fatal(err)
			}
		}
		_ = resp.Body.Close()
		next, err := resp.Location()
		if err != nil {
			w.t.Fatalf("%s: %s, %v", address, resp.Status, err)
		}
		address = next.String()
	}
	w.t.Fatal("the provider leads nowhere")
	return nil
}

func (w *world) start(force bool) string {
	w.t.Helper()
	address, err := w.provider.Start(w.t.Context(), "request-1", "browser-1", force)
	if err != nil {
		w.t.Fatal(err)
	}
	return address
}

func (w *world) resume(answer url.Values, browser string) (*upstream.Started, error) {
	return upstream.Resume(w.t.Context(), w.store, answer, func(request string) string {
		if request != "request-1" {
			w.t.Errorf("it began for %q", request)
		}
		return browser
	}, time.Now())
}

func (w *world) finish(answer url.Values) (upstream.Person, error) {
	w.t.Helper()
	started, err := w.resume(answer, "browser-1")
	if err != nil {
		return upstream.Person{}, err
	}
	return w.provider.Finish(w.t.Context(), started, answer)
}

func TestSigningInThroughAProvider(t *testing.T) {
	for name, c := range map[string]struct {
		secret     string
		inUserinfo bool
	}{
		"a client with a secret":                 {"portico-secret", false},
		"a public client":                        {"", false},
		"a provider with claims in its userinfo": {"portico-secret", true},
	} {
		t.Run("B2 "+name, func(t *testing.T) {
			for user, want := range map[string]account.Account{
				"amy":    {Name: "Given amy", Roles: []account.Role{account.Patient, account.Proxy}, Person: fhir.Key{Type: "Patient", ID: "amy-shaw"}},
				"okafor": {Name: "Given okafor", Roles: []account.Role{account.Clinician}, Person: fhir.Key{Type: "Practitioner", ID: "dr-okafor"}},
				"tom":    {Name: "Given tom", Roles: []account.Role{account.Proxy}},
			} {
				for _, force := range []bool{false, true} {
					w := newWorld(t, c.secret, c.inUserinfo)
					got, err := w.finish(w.visit(w.start(force), user))
					if err != nil {
						t.Fatalf("%s: %v", user, err)
					}
					if diff := cmp.Diff(upstream.Person{Issuer: w.provider.Issuer, Subject: user, Account: want}, got); diff != "" {
						t.Errorf("%s: %s", user, diff)
					}
				}
			}
		})
	}
}

func TestWhoIsNotMappedIsRefused(t *testing.T) {
	for _, user := range []string{"stranger", "twin"} {
		w := newWorld(t, "portico-secret", false)
		if got, err := w.finish(w.visit(w.start(false), user)); !errors.Is(err, upstream.ErrUnmapped) {
			t.Errorf("%s: %+v, %v", user, got, err)
		}
	}
}

func TestAttacksOnTheAnswer(t *testing.T) {
	t.Run("an answer that nobody asked for", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		for _, answer := range []url.Values{{"code": {"x"}}, {"code": {"x"}, "state": {""}}, {"code": {"x"}, "state": {"made-up"}}, {"code": {"x"}, "state": {"a", "b"}}} {
			if _, err := w.resume(answer, "browser-1"); !errors.Is(err, upstream.ErrState) {
				t.Errorf("%v: %v", answer, err)
			}
		}
	})
	t.Run("an answer in another browser, which leaves the right one its chance", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		answer := w.visit(w.start(false), "amy")
		for _, browser := range []string{"browser-2", ""} {
			if _, err := w.resume(answer, browser); !errors.Is(err, upstream.ErrState) {
				t.Errorf("%q: %v", browser, err)
			}
		}
		if _, err := w.finish(answer); err != nil {
			t.Error(err)
		}
	})
	t.Run("an answer twice", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		answer := w.visit(w.start(false), "amy")
		if _, err := w.finish(answer); err != nil {
			t.Fatal(err)
		}
		if _, err := w.finish(answer); !errors.Is(err, upstream.ErrState) {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("the code of another sign-in", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		stolen := w.visit(w.start(false), "amy")
		own := w.visit(w.start(false), "tom")
		own.Set("code", stolen.Get("code"))
		if got, err := w.finish(own); !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("an answer that names another issuer, an error, or no code", func(t *testing.T) {
		for name, change := range map[string]func(url.Values){
			"issuer": func(a url.Values) { a.Set("iss", "https://evil.example") },
			"error":  func(a url.Values) { a.Set("error", "access_denied") },
			"code":   func(a url.Values) { a.Del("code") },
		} {
			w := newWorld(t, "portico-secret", false)
			answer := w.visit(w.start(false), "amy")
			change(answer)
			if got, err := w.finish(answer); !errors.Is(err, upstream.ErrRefused) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	})
	t.Run("a token about nobody", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		if got, err := w.finish(w.visit(w.start(false), "without-subject")); !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("an answer too late", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		answer := w.visit(w.start(false), "amy")
		if _, err := upstream.Resume(t.Context(), w.store, answer, func(string) string { return "browser-1" }, time.Now().Add(time.Hour)); !errors.Is(err, upstream.ErrState) {
			t.Error(err)
		}
	})
	t.Run("a token for another client", func(t *testing.T) {
		w := newWorld(t, "portico-secret", false)
		answer := w.visit(w.start(false), "amy")
		other := newWorld(t, "portico-secret", false)
		other.store, other.provider.Store = w.store, w.store
		started, err := w.resume(answer, "browser-1")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.provider.Finish(t.Context(), started, answer); err == nil {
			t.Errorf("another provider takes it: %+v", got)
		}
	})
}

func TestAProviderThatIsDownIsAsked(t *testing.T) {
	down := &upstream.Provider{ID: "x", Issuer: "http://127.0.0.1:1", Store: memory.New()}
	if _, err := down.Start(t.Context(), "r", "b", false); err == nil {
		t.Error("it can be reached")
	}
}
