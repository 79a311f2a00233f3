package account_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

const password = "correct horse battery"

// cheap makes hashing fast enough for tests.
func cheap() account.Cost { return account.Cost{Memory: 64, Passes: 1, Lanes: 1} }

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func open(t testing.TB, st store.Store) (*account.Accounts, *clock) {
	t.Helper()
	if err := st.Ensure(t.Context(), account.Indexes()); err != nil {
		t.Fatal(err)
	}
	c := &clock{t: time.Now()}
	return &account.Accounts{Store: st, Hasher: account.NewHasher(cheap(), 2), Now: c.now}, c
}

func amy() account.Account {
	return account.Account{
		Login: " Amy.Shaw ", Name: "Amy Shaw", Roles: []account.Role{account.Patient},
		Person: fhir.Key{Type: "Patient", ID: "amy-shaw"},
	}
}

func add(t testing.TB, a *account.Accounts, who account.Account) account.Account {
	t.Helper()
	got, err := a.Add(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func from(address string) account.Source {
	return account.Source{Address: netip.MustParseAddr(address)}
}

func onEach(t *testing.T, f func(*testing.T, *account.Accounts, *clock)) {
	for name, backend := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := backend(t)
			t.Cleanup(func() {
				if err := st.Close(); err != nil {
					t.Error(err)
				}
			})
			a, c := open(t, st)
			f(t, a, c)
		})
	}
}

func TestAccountsOnEachStore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a *account.Accounts, c *clock) {
		ctx := t.Context()
		made := add(t, a, amy())
		if _, err := a.Add(ctx, amy(), password); !errors.Is(err, account.ErrTaken) {
			t.Errorf("the same login again: %v", err)
		}
		got, device, err := a.Verify(ctx, "AMY.shaw", password, from("192.0.2.1"))
		if err != nil || got.ID != made.ID || got.Login != "amy.shaw" || got.Person.ID != "amy-shaw" || device == "" {
			t.Fatalf("got %+v, %q, %v", got, device, err)
		}
		if _, _, err := a.Verify(ctx, "amy.shaw", "wrong horse battery", from("192.0.2.1")); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("a wrong password: %v", err)
		}
		s := &account.Sessions{Accounts: a}
		secret, started, err := s.Start(ctx, made.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		c.add(20 * time.Minute)
		if got, who, err := s.Get(ctx, secret); err != nil || who.ID != made.ID || got.ID != started.ID {
			t.Fatalf("got %+v, %+v, %v", got, who, err)
		}
		if all, err := s.List(ctx, made.ID); err != nil || len(all) != 1 {
			t.Errorf("sessions %+v, %v", all, err)
		}
		if err := a.SetPassword(ctx, made.ID, "another battery staple"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Get(ctx, secret); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("a session from before the password was changed: %v", err)
		}
		if _, _, err := a.Verify(ctx, "amy.shaw", password, from("192.0.2.9")); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("the old password: %v", err)
		}
		if _, _, err := a.Verify(ctx, "amy.shaw", "another battery staple", from("192.0.2.9")); err != nil {
			t.Errorf("the new password: %v", err)
		}
		first, err := a.Upstream(ctx, "https://idp.example", "s1", account.Account{Name: "N", Roles: []account.Role{account.Proxy}})
		if err != nil {
			t.Fatal(err)
		}
		again, err := a.Upstream(ctx, "https://idp.example", "s1", account.Account{Name: "M", Roles: []account.Role{account.Proxy}})
		if err != nil || again.ID != first.ID || again.Name != "M" {
			t.Errorf("the same person again: %+v, %v", again, err)
		}
		if other, err := a.Upstream(ctx, "https://other.example", "s1", account.Account{Name: "M", Roles: []account.Role{account.Proxy}}); err != nil || other.ID == first.ID {
			t.Errorf("the same subject of another issuer: %+v, %v", other, err)
		}
		if got, err := a.ByUpstream(ctx, "https://idp.example", "s1"); err != nil || got.ID != first.ID {
			t.Errorf("by issuer and subject: %+v, %v", got, err)
		}
		if _, err := a.ByUpstream(ctx, "https://idp.example", "s2"); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("a subject that never signed in: %v", err)
		}
		all, err := a.List(ctx)
		if err != nil || len(all) != 3 {
			t.Errorf("accounts %+v, %v", all, err)
		}
	})
}

func TestDisabledAccountsCannotSignIn(t *testing.T) {
	t.Parallel()
	a, _ := open(t, memory.New())
	who := add(t, a, amy())
	s := &account.Sessions{Accounts: a}
	secret, _, err := s.Start(t.Context(), who.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetDisabled(t.Context(), who.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.1")); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("signing in: %v", err)
	}
	if _, _, err := s.Get(t.Context(), secret); !errors.Is(err, account.ErrNoSession) {
		t.Errorf("its session: %v", err)
	}
	if _, _, err := s.Start(t.Context(), who.ID, ""); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a new session: %v", err)
	}
	if err := a.SetDisabled(t.Context(), who.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), secret); !errors.Is(err, account.ErrNoSession) {
		t.Errorf("a session from before it was disabled: %v", err)
	}
	if _, _, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.1")); err != nil {
		t.Errorf("signing in again: %v", err)
	}
	up, err := a.Upstream(t.Context(), "https://idp.example", "s", account.Account{Roles: []account.Role{account.Proxy}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetDisabled(t.Context(), up.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Upstream(t.Context(), "https://idp.example", "s", account.Account{Roles: []account.Role{account.Proxy}}); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("signing in through the provider: %v", err)
	}
}

func TestWhatAnAccountMayBe(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*account.Account){
		"no role":                    func(a *account.Account) { a.Roles = nil },
		"unknown role":               func(a *account.Account) { a.Roles = []account.Role{"king"} },
		"patient without record":     func(a *account.Account) { a.Person = fhir.Key{} },
		"clinician with a patient":   func(a *account.Account) { a.Roles = []account.Role{account.Clinician} },
		"a person who is a device":   func(a *account.Account) { a.Person.Type = "Device" },
		"login with a space":         func(a *account.Account) { a.Login = "amy shaw" },
		"login with a control":       func(a *account.Account) { a.Login = "amy\x00shaw" },
		"login of one character":     func(a *account.Account) { a.Login = "a" },
		"login that is too long":     func(a *account.Account) { a.Login = strings.Repeat("a", 101) },
		"no login":                   func(a *account.Account) { a.Login = "" },
		"a name that is a long text": func(a *account.Account) { a.Name = strings.Repeat("a", 201) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t, memory.New())
			who := amy()
			change(&who)
			if got, err := a.Add(t.Context(), who, password); err == nil {
				t.Errorf("made %+v", got)
			}
		})
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"portico-demo", "correct horse battery staple", "ø-æ-å-ø-æ-å-bc", strings.Repeat("abcde", 199)} {
		if err := account.CheckPassword("amy.shaw", p); err != nil {
			t.Errorf("%.20q: %v", p, err)
		}
	}
	for _, p := range []string{"", "elevenchars", "aaaaaaaaaaaaaaaaaa", "abababababababab", "amy.shawamy.shaw", "AMY.SHAWamy.shaw", "\xff\xfe aaaaaaaaaaaabcdef", strings.Repeat("abcde", 201)} {
		if err := account.CheckPassword("amy.shaw", p); err == nil {
			t.Errorf("%.20q is taken", p)
		}
	}
	h := account.NewHasher(cheap(), 1)
	hash, err := h.Hash(t.Context(), "smo\u0308rgåsbord 123")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Check(t.Context(), hash, "sm\u00f6rgåsbord 123"); !ok || err != nil {
		t.Errorf("composed and decomposed letters differ: %v", err)
	}
	if strings.Contains(hash, "sm") || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash %q", hash)
	}
	for _, bad := range []string{"x", "$argon2i$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA", strings.Replace(hash, "m=64", "m=4000000", 1), strings.Replace(hash, "t=1", "t=0", 1), hash[:len(hash)-3]} {
		if ok, err := h.Check(t.Context(), bad, "x"); ok || err == nil {
			t.Errorf("%q is checked", bad)
		}
	}
	if ok, err := h.Check(t.Context(), "", ""); ok || err != nil {
		t.Errorf("no password is right: %v", err)
	}
}

func TestAHashOfAnotherCostIsMadeAnew(t *testing.T) {
	t.Parallel()
	st := memory.New()
	a, _ := open(t, st)
	add(t, a, amy())
	b := *a
	b.Hasher = account.NewHasher(account.Cost{Memory: 128, Passes: 2, Lanes: 1}, 1)
	for range 2 {
		if _, _, err := b.Verify(t.Context(), "amy.shaw", password, from("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	for doc, err := range st.Find(t.Context(), store.Query{Collection: "portico_accounts"}) {
		if hash := doc.Lookup("hash").StringValue(); err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=128,t=2,") {
			t.Errorf("kept %q, %v", hash, err)
		}
	}
}

func TestTheStoreHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	st := memory.New()
	a, _ := open(t, st)
	who := add(t, a, amy())
	_, device, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, _ = a.Verify(t.Context(), "typed my password here", "x", from("192.0.2.1"))
	secret, _, err := (&account.Sessions{Accounts: a}).Start(t.Context(), who.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"portico_accounts", "portico_sessions", "portico_attempts"} {
		n := 0
		for doc, err := range st.Find(t.Context(), store.Query{Collection: c}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			for _, s := range []string{password, device, secret, "typed my password here", "192.0.2.1"} {
				if strings.Contains(string(doc), s) {
					t.Errorf("%s holds %q", c, s)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s is empty", c)
		}
	}
}

func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	h := account.NewHasher(account.Cost{Memory: 8 << 10, Passes: 8, Lanes: 1}, 1)
	var wg sync.WaitGroup
	busy := make(chan error, 400)
	for range 400 {
		wg.Go(func() {
			if _, err := h.Hash(t.Context(), password); err != nil {
				busy <- err
			}
		})
	}
	wg.Wait()
	close(busy)
	n := 0
	for err := range busy {
		if n++; !errors.Is(err, account.ErrBusy) {
			t.Error(err)
		}
	}
	if n == 0 {
		t.Error("400 at once all had their turn")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, password); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
