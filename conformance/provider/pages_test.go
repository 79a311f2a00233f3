package provider

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/pages"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/smart/upstream"
)

// nobody's records can be opened: only signing in is looked at.
type nobody struct{}

func (nobody) Patients(context.Context, *account.Account) ([]pages.Choice, error) { return nil, nil }

func (nobody) Find(context.Context, *account.Account, string) ([]pages.Choice, error) {
	return nil, nil
}

func (nobody) May(context.Context, *account.Account, string) (pages.Choice, bool, error) {
	return pages.Choice{}, false, nil
}

// site is our pages, with the provider as a way to sign in.
type site struct {
	*world
	base     string
	accounts *account.Accounts
	browser  *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	w := newWorld(t, "portico-secret", false)
	s := &site{world: w, base: strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}
	if err := w.store.Ensure(t.Context(), account.Indexes()); err != nil {
		t.Fatal(err)
	}
	s.accounts = &account.Accounts{Store: w.store, Hasher: account.NewHasher(account.Cost{Memory: 64, Passes: 1, Lanes: 1}, 1)}
	clients := &client.Registry{Store: w.store}
	tokens := &token.Tokens{Store: w.store, Issuer: s.base, FHIR: s.base + "/fhir"}
	var err error
	handler, err = (&pages.Pages{
		Base: s.base, Store: w.store, Sessions: &account.Sessions{Accounts: s.accounts}, Tokens: tokens, People: nobody{},
		Authorizations: &authorize.Authorizations{Store: w.store, Clients: clients, Tokens: tokens, Issuer: s.base, FHIR: s.base + "/fhir"},
		Providers:      []*upstream.Provider{w.provider},
	}).Handler(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.browser = s.fresh()
	return s
}

func (s *site) fresh() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func (s *site) get(b *http.Client, address string) (status int, path, text string) {
	s.t.Helper()
	resp, err := b.Get(address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL.Path, string(body)
}

// signIn goes to the provider from our page, and gives the answer with which the browser
// comes back.
func (s *site) signIn(user string) url.Values {
	s.t.Helper()
	_, _, page := s.get(s.browser, s.base+"/auth/apps")
	if !strings.Contains(page, "Sign in with The hospital") {
		s.t.Fatalf("the provider is not offered: %s", page)
	}
	once := *s.browser
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Get(s.base + "/auth/upstream?provider=hospital")
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	address, err := resp.Location()
	if err != nil {
		s.t.Fatalf("%s: %v", resp.Status, err)
	}
	return s.visit(address.String(), user)
}

func (s *site) back(b *http.Client, answer url.Values) (status int, path, text string) {
	s.t.Helper()
	return s.get(b, s.base+"/auth/upstream/callback?"+answer.Encode())
}

func TestPagesWithAProvider(t *testing.T) {
	t.Run("B2 whom the provider vouches for has an account, the same each time", func(t *testing.T) {
		s := newSite(t)
		for range 2 {
			s.browser = s.fresh()
			status, path, text := s.back(s.browser, s.signIn("amy"))
			if status != http.StatusOK || path != "/auth/apps" || !strings.Contains(text, "Signed in as Given amy") {
				t.Fatalf("%d %s: %s", status, path, text)
			}
		}
		all, err := s.accounts.List(t.Context())
		if err != nil || len(all) != 1 || all[0].Person.ID != "amy-shaw" || all[0].Issuer != s.provider.Issuer || all[0].Login != "" {
			t.Errorf("accounts %+v, %v", all, err)
		}
	})
	t.Run("B2 whom no rule maps is told so", func(t *testing.T) {
		s := newSite(t)
		status, _, text := s.back(s.browser, s.signIn("stranger"))
		if status != http.StatusForbidden || !strings.Contains(text, "it did not say whose record is yours here") {
			t.Errorf("%d: %s", status, text)
		}
		if all, err := s.accounts.List(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("accounts %+v, %v", all, err)
		}
	})
	t.Run("B2 an answer is good in one browser, and once", func(t *testing.T) {
		s := newSite(t)
		answer := s.signIn("amy")
		if status, _, _ := s.back(s.fresh(), answer); status != http.StatusBadRequest {
			t.Errorf("in another browser: %d", status)
		}
		if status, _, _ := s.back(s.browser, answer); status != http.StatusOK {
			t.Errorf("in its own: %d", status)
		}
		if status, _, _ := s.back(s.browser, answer); status != http.StatusBadRequest {
			t.Errorf("again: %d", status)
		}
	})
	t.Run("B2 a disabled account stays out", func(t *testing.T) {
		s := newSite(t)
		s.back(s.browser, s.signIn("amy"))
		all, err := s.accounts.List(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if err := s.accounts.SetDisabled(t.Context(), all[0].ID, true); err != nil {
			t.Fatal(err)
		}
		s.browser = s.fresh()
		status, _, text := s.back(s.browser, s.signIn("amy"))
		if status != http.StatusForbidden || !strings.Contains(text, "This account cannot be used") {
			t.Errorf("%d: %s", status, text)
		}
	})
	t.Run("B2 a refusal leads back to the page for signing in", func(t *testing.T) {
		s := newSite(t)
		answer := s.signIn("amy")
		status, _, text := s.back(s.browser, url.Values{"state": answer["state"], "error": {"access_denied"}})
		if status != http.StatusForbidden || !strings.Contains(text, "You could not be signed in with The hospital.") {
			t.Errorf("%d: %s", status, text)
		}
	})
	t.Run("B2 a provider that there is not", func(t *testing.T) {
		s := newSite(t)
		if status, _, _ := s.get(s.browser, s.base+"/auth/upstream?provider=none"); status != http.StatusNotFound {
			t.Errorf("status %d", status)
		}
	})
	t.Run("B2 a provider that is down", func(t *testing.T) {
		s := newSite(t)
		s.provider.Issuer = "http://127.0.0.1:1"
		status, _, text := s.get(s.browser, s.base+"/auth/upstream?provider=hospital")
		if status != http.StatusForbidden || !strings.Contains(text, "Try again, or sign in another way.") {
			t.Errorf("%d: %s", status, text)
		}
	})
}
