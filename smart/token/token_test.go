package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

func TestBackends(t *testing.T) {
	t.Parallel()
	t.Run("D6 a backend's token lasts five minutes, alone", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		resp, err := s.ForClient(t.Context(), app(t, "backend", client.JWT), "system/Patient.rs system/*.read")
		if err != nil {
			t.Fatal(err)
		}
		want := &token.Response{AccessToken: resp.AccessToken, TokenType: "Bearer", ExpiresIn: 300, Scope: "system/Patient.rs system/*.read"}
		if diff := cmp.Diff(want, resp); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		a, err := s.Authenticate(t.Context(), resp.AccessToken)
		if err != nil || a.Kind != access.System || a.Client != "backend" || a.Account != "" || a.Actor != (fhir.Key{}) {
			t.Errorf("the token stands for %+v, %v", a, err)
		}
		s.pass(5 * time.Minute)
		s.works(t, resp.AccessToken, false)
	})
	for _, tt := range []struct{ claim, registered, asked, want string }{
		{"D7 no scope", "system/*.rs", "", "missing"},
		{"D7 an unknown type", "system/*.rs", "system/Patent.rs", "no such resource type"},
		{"D7 letters out of order", "system/*.rs", "system/Patient.sr", "letters"},
		{"D7 nothing that is registered", "system/Patient.rs", "system/Observation.rs", "registered for nothing"},
		{"D7 a patient's scope", "system/*.rs patient/*.rs", "patient/Observation.rs", "registered for nothing"},
		{"D7 a user's scope", "system/*.rs user/*.rs", "user/Observation.rs", "registered for nothing"},
		{"D7 a refresh token", "system/*.rs offline_access", "offline_access", "registered for nothing"},
		{"D7 v1 and v2", "system/*.cruds", "system/*.read system/Patient.rs", "= system/*.read system/Patient.rs"},
		{"D7 more than is registered", "system/Patient.rs system/Observation.rs", "system/*.cruds", "= system/Patient.rs system/Observation.rs"},
		{"D7 writing is not registered", "system/*.read", "system/*.read system/*.write", "= system/*.read"},
		{"D7 launching", "launch system/*.rs", "launch", "= launch"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			s := simple(t)
			c := app(t, "backend", client.JWT)
			c.Scopes = scopes(t, tt.registered)
			resp, err := s.ForClient(t.Context(), c, tt.asked)
			want, good := strings.CutPrefix(tt.want, "= ")
			switch {
			case !good:
				is(t, err, oauth.InvalidScope, want)
			case err != nil || resp.Scope != want || resp.RefreshToken != "":
				t.Errorf("got %+v, %v", resp, err)
			}
		})
	}
	t.Run("D7 a public client", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		_, err := s.ForClient(t.Context(), app(t, "app", client.Public), "system/*.rs")
		is(t, err, oauth.UnauthorizedClient, "")
	})
}

func TestBearerTokens(t *testing.T) {
	t.Parallel()
	s := simple(t)
	good := s.exchange(app(t, "app", client.Public), amys(t, wide))
	for claim, bearer := range map[string]string{
		"E1 nothing": "", "E1 garbage": "garbage", "E1 the refresh token": good.RefreshToken, "E1 the id token": good.IDToken,
		"E1 another secret": good.AccessToken[:28] + strings.Repeat("A", 44), "E1 another id": "pat_" + strings.Repeat("A", 24) + good.AccessToken[28:],
		"E1 a character more": good.AccessToken + "A", "E1 a character less": good.AccessToken[:71], "E1 a line break": good.AccessToken[:71] + "\n",
		"E1 another prefix": "PAT_" + good.AccessToken[4:], "E1 in lower case": strings.ToLower(good.AccessToken), "E1 endless": strings.Repeat("A", 1<<20),
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			s.works(t, bearer, false)
		})
	}
	t.Run("E1 a fault of the store is no bad token", func(t *testing.T) {
		t.Parallel()
		st := memory.New()
		s := newServer(t, st)
		resp := s.exchange(app(t, "app", client.Public), amys(t, wide))
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		var e *fhir.Error
		if _, err := s.Authenticate(t.Context(), resp.AccessToken); err == nil || errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEverythingCanBeEndedAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("C10 on every node, on "+name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			one, other := newServer(t, st), newServer(t, st)
			c, d := app(t, "app", client.Public), app(t, "other", client.Public)
			first := one.exchange(c, amys(t, wide))
			one.pass(time.Second)
			second, third := one.exchange(d, amys(t, wide)), one.exchange(c, amys(t, wide))
			bobs := amys(t, wide)
			bobs.Account = "account-bob"
			fourth := one.exchange(c, bobs)
			for _, resp := range []*token.Response{first, second, third, fourth} {
				other.works(t, resp.AccessToken, true)
			}
			list, err := one.List(t.Context(), "account-amy")
			if err != nil || len(list) != 3 || list[0].Client != "app" || list[0].Scopes.String() != wide || list[0].Patient != "amy" {
				t.Fatalf("the list is %+v, %v", list, err)
			}
			if ok, err := one.End(t.Context(), "account-bob", list[0].ID); ok || err != nil {
				t.Errorf("somebody else ended it: %v, %v", ok, err)
			}
			a, err := one.Authenticate(t.Context(), first.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := one.End(t.Context(), "account-amy", a.Token); !ok || err != nil {
				t.Errorf("it was not ended: %v, %v", ok, err)
			}
			one.works(t, first.AccessToken, false)
			other.works(t, first.AccessToken, false)
			_, err = other.Refresh(t.Context(), c, first.RefreshToken, "")
			is(t, err, oauth.InvalidGrant, "")
			other.works(t, second.AccessToken, true)
			if err := one.EndAccount(t.Context(), "account-amy"); err != nil {
				t.Fatal(err)
			}
			other.works(t, second.AccessToken, false)
			other.works(t, third.AccessToken, false)
			other.works(t, fourth.AccessToken, true)
			if err := one.EndClient(t.Context(), "app"); err != nil {
				t.Fatal(err)
			}
			other.works(t, fourth.AccessToken, false)
			if list, err := one.List(t.Context(), "account-amy"); err != nil || len(list) != 0 {
				t.Errorf("the list is %+v, %v", list, err)
			}
		})
	}
	t.Run("C10 a code that was not exchanged is listed nowhere, and ends with the account", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		code := s.code(amys(t, wide))
		if list, err := s.List(t.Context(), "account-amy"); err != nil || len(list) != 0 {
			t.Errorf("the list is %+v, %v", list, err)
		}
		if err := s.EndAccount(t.Context(), "account-amy"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Exchange(t.Context(), app(t, "app", client.Public), code, redirect, verifier)
		is(t, err, oauth.InvalidGrant, "unknown")
	})
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	c, d := app(t, "app", client.Public), app(t, "other", client.Public)
	refreshed := func(t *testing.T) (s *server, first, second *token.Response) {
		t.Helper()
		s = simple(t)
		first = s.exchange(c, amys(t, wide))
		second, err := s.Refresh(t.Context(), c, first.RefreshToken, "")
		if err != nil {
			t.Fatal(err)
		}
		return s, first, second
	}
	t.Run("C10 an access token ends alone", func(t *testing.T) {
		t.Parallel()
		s, first, second := refreshed(t)
		is(t, s.Revoke(t.Context(), d, first.AccessToken), oauth.InvalidGrant, "another client")
		s.works(t, first.AccessToken, true)
		if err := s.Revoke(t.Context(), c, first.AccessToken); err != nil {
			t.Fatal(err)
		}
		s.works(t, first.AccessToken, false)
		s.works(t, second.AccessToken, true)
		if _, err := s.Refresh(t.Context(), c, second.RefreshToken, ""); err != nil {
			t.Error(err)
		}
	})
	t.Run("C10 a refresh token ends everything, one that was used up, too", func(t *testing.T) {
		t.Parallel()
		s, first, second := refreshed(t)
		is(t, s.Revoke(t.Context(), d, second.RefreshToken), oauth.InvalidGrant, "another client")
		s.works(t, second.AccessToken, true)
		if err := s.Revoke(t.Context(), c, first.RefreshToken); err != nil {
			t.Fatal(err)
		}
		s.works(t, second.AccessToken, false)
	})
	t.Run("C10 what is unknown is no error and ends nothing", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		resp := s.exchange(c, amys(t, wide))
		r, a := resp.RefreshToken, resp.AccessToken
		for _, text := range []string{"", "x", r[:28] + strings.Repeat("A", len(r)-28), a[:28] + strings.Repeat("A", 44), resp.IDToken} {
			if err := s.Revoke(t.Context(), c, text); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		s.works(t, a, true)
	})
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := simple(t)
	a := amys(t, wide)
	a.Encounter, a.Launch.Intent = "e1", "reconcile"
	resp := s.exchange(app(t, "app", client.Public), a)
	want := &token.Introspection{
		Active: true, Scope: wide, Client: "app", TokenType: "Bearer", Expires: start.Add(time.Hour).Unix(), IssuedAt: start.Unix(),
		Issuer: issuer, Subject: "account-amy", FHIRUser: issuer + "/fhir/Patient/amy", Patient: "amy", Encounter: "e1", Intent: "reconcile",
	}
	got, err := s.Introspect(t.Context(), resp.AccessToken)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("C11 %v (-want +got):\n%s", err, diff)
	}
	want.TokenType, want.Expires = "", start.Add(100*24*time.Hour).Unix()
	got, err = s.Introspect(t.Context(), resp.RefreshToken)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("C11 refresh token: %v (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"", "x", resp.IDToken, resp.RefreshToken[:len(resp.RefreshToken)-1] + "*"} {
		if got, err := s.Introspect(t.Context(), text); err != nil || cmp.Diff(new(token.Introspection), got) != "" {
			t.Errorf("C11 %q: %+v, %v", text, got, err)
		}
	}
	s.pass(time.Hour)
	if got, err := s.Introspect(t.Context(), resp.AccessToken); err != nil || cmp.Diff(new(token.Introspection), got) != "" {
		t.Errorf("C11 an expired token: %+v, %v", got, err)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	s := simple(t)
	for scopes, want := range map[string]*token.UserInfo{
		"openid fhirUser": {Subject: "account-amy", FHIRUser: issuer + "/fhir/Patient/amy"},
		"openid profile":  {Subject: "account-amy", FHIRUser: issuer + "/fhir/Patient/amy", Profile: issuer + "/fhir/Patient/amy"},
		"openid":          {Subject: "account-amy"},
		"patient/*.rs":    nil,
	} {
		resp := s.exchange(app(t, "app", client.Public), amys(t, scopes))
		a, err := s.Authenticate(t.Context(), resp.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.UserInfo(a)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("C6 %s: %v (-want +got):\n%s", scopes, err, diff)
		}
	}
}

func TestOnlyHashesAreStored(t *testing.T) {
	t.Parallel()
	st := memory.New()
	s := newServer(t, st)
	code := s.code(amys(t, wide))
	resp := s.exchange(app(t, "app", client.Public), amys(t, wide))
	n := 0
	for doc, err := range st.Find(t.Context(), store.Query{Collection: "portico_authorizations"}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		for _, secret := range []string{code, resp.AccessToken, resp.RefreshToken} {
			if tail := secret[28:]; strings.Contains(string(doc), tail) || strings.Contains(string(doc), tail[:24]) {
				t.Error("C12 a secret is in the store")
			}
		}
	}
	if n != 2 {
		t.Errorf("%d documents", n)
	}
}

func FuzzBearer(f *testing.F) {
	s := simple(f)
	resp := s.exchange(app(f, "app", client.Public), amys(f, wide))
	c := app(f, "app", client.Public)
	f.Add("pat_" + strings.Repeat("A", 68))
	f.Add("prt_" + strings.Repeat("A", 92))
	f.Add(resp.IDToken)
	f.Fuzz(func(t *testing.T, text string) {
		if text == resp.AccessToken || text == resp.RefreshToken {
			return
		}
		s.works(t, text, false)
		if _, err := s.Refresh(t.Context(), c, text, ""); err == nil {
			t.Error("a refresh token that was never issued")
		}
		if _, err := s.Exchange(t.Context(), c, text, redirect, verifier); err == nil {
			t.Error("a code that was never issued")
		}
		if err := s.Revoke(t.Context(), c, text); err != nil {
			t.Error(err)
		}
		s.works(t, resp.AccessToken, true)
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	for name, open := range map[string]func(testing.TB) store.Store{
		"memory": func(testing.TB) store.Store { return memory.New() },
		"sqlite": func(t testing.TB) store.Store {
			st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return st
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := newServer(b, open(b))
			resp := s.exchange(app(b, "app", client.Public), amys(b, wide))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Authenticate(b.Context(), resp.AccessToken); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
