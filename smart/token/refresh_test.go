package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

func TestRefreshTokensRotate(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("C7 on "+name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, open(t))
			c := app(t, "app", client.Public)
			first := s.exchange(c, amys(t, wide))
			second, err := s.Refresh(t.Context(), c, first.RefreshToken, "")
			if err != nil {
				t.Fatal(err)
			}
			if second.Scope != wide || second.Patient != "amy" || second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken || second.ExpiresIn != 3600 {
				t.Errorf("got %+v", second)
			}
			s.works(t, second.AccessToken, true)
			third, err := s.Refresh(t.Context(), c, second.RefreshToken, "")
			if err != nil {
				t.Fatal(err)
			}
			s.works(t, third.AccessToken, true)
			_, err = s.Refresh(t.Context(), c, first.RefreshToken, "")
			is(t, err, oauth.InvalidGrant, "used before")
			s.works(t, third.AccessToken, false)
			_, err = s.Refresh(t.Context(), c, third.RefreshToken, "")
			is(t, err, oauth.InvalidGrant, "unknown")
		})
		t.Run("C7 of many at the same time at most one wins, on "+name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, open(t))
			c := app(t, "app", client.Public)
			first := s.exchange(c, amys(t, wide))
			won := make(chan bool)
			for range 6 {
				go func() {
					_, err := s.Refresh(t.Context(), c, first.RefreshToken, "")
					if won <- err == nil; err != nil {
						is(t, err, oauth.InvalidGrant, "")
					}
				}()
			}
			n := 0
			for range 6 {
				if <-won {
					n++
				}
			}
			if n > 1 {
				t.Errorf("%d won", n)
			}
		})
	}
}

func TestRefreshAttacks(t *testing.T) {
	t.Parallel()
	t.Run("C8 another client's refresh token", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		resp := s.exchange(c, amys(t, wide))
		_, err := s.Refresh(t.Context(), app(t, "evil", client.Public), resp.RefreshToken, "")
		is(t, err, oauth.InvalidGrant, "another client")
		if _, err := s.Refresh(t.Context(), c, resp.RefreshToken, ""); err != nil {
			t.Errorf("its own client is refused then: %v", err)
		}
	})
	t.Run("C8 what was made up ends nothing", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		resp := s.exchange(c, amys(t, wide))
		r := resp.RefreshToken
		for _, text := range []string{
			"", "x", r[:len(r)-1], r + "A", resp.AccessToken, "prt_" + strings.Repeat("A", len(r)-4),
			r[:28] + strings.Repeat("A", len(r)-28), // the id is no secret
		} {
			_, err := s.Refresh(t.Context(), c, text, "")
			is(t, err, oauth.InvalidGrant, "unknown")
		}
		s.works(t, resp.AccessToken, true)
	})
	t.Run("C7 scopes never grow", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		resp := s.exchange(c, amys(t, "offline_access patient/Observation.rs patient/Condition.rs"))
		for _, more := range []string{
			"patient/*.rs", "patient/Observation.cruds", "patient/Patient.r", "user/Observation.rs", "offline_access openid", "patient/Observation.read patient/Observation.write",
			"patient/Observation.sr", "nonsense", "   ",
		} {
			_, err := s.Refresh(t.Context(), c, resp.RefreshToken, more)
			is(t, err, oauth.InvalidScope, "")
		}
		less, err := s.Refresh(t.Context(), c, resp.RefreshToken, "patient/Observation.r")
		if err != nil || less.Scope != "patient/Observation.r" {
			t.Fatalf("got %+v, %v", less, err)
		}
		if a, err := s.Authenticate(t.Context(), less.AccessToken); err != nil || a.Scopes.String() != "patient/Observation.r" {
			t.Errorf("the token stands for %+v, %v", a, err)
		}
		all, err := s.Refresh(t.Context(), c, less.RefreshToken, "")
		if err != nil || all.Scope != "offline_access patient/Observation.rs patient/Condition.rs" {
			t.Errorf("RFC 6749 6: the refresh token keeps its scope, but gives %+v, %v", all, err)
		}
	})
	t.Run("C7 a client that may do less now gets less", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		resp := s.exchange(c, amys(t, wide))
		c.Scopes = scopes(t, "patient/Patient.r offline_access")
		less, err := s.Refresh(t.Context(), c, resp.RefreshToken, "")
		if err != nil || less.Scope != "offline_access patient/Patient.r" {
			t.Errorf("got %+v, %v", less, err)
		}
		c.Scopes = scopes(t, "system/*.rs")
		_, err = s.Refresh(t.Context(), c, less.RefreshToken, "")
		is(t, err, oauth.InvalidScope, "Nothing")
	})
	t.Run("C9 a refresh token lasts a hundred days from its last use", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		resp := s.exchange(c, amys(t, wide))
		for range 3 {
			s.pass(99 * 24 * time.Hour)
			next, err := s.Refresh(t.Context(), c, resp.RefreshToken, "")
			if err != nil {
				t.Fatal(err)
			}
			s.works(t, resp.AccessToken, false)
			resp = next
		}
		s.pass(100 * 24 * time.Hour)
		_, err := s.Refresh(t.Context(), c, resp.RefreshToken, "")
		is(t, err, oauth.InvalidGrant, "expired")
	})
	t.Run("C9 many refreshes leave a bounded document", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		first := s.exchange(c, amys(t, wide))
		last := first
		for range 30 {
			next, err := s.Refresh(t.Context(), c, last.RefreshToken, "")
			if err != nil {
				t.Fatal(err)
			}
			last = next
		}
		s.works(t, last.AccessToken, true)
		s.works(t, first.AccessToken, false)
	})
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	t.Run("C7 a client that proves who it is may ask again, for a minute", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Secret)
		first := s.exchange(c, amys(t, wide))
		lost, err := s.Refresh(t.Context(), c, first.RefreshToken, "")
		if err != nil {
			t.Fatal(err)
		}
		s.pass(30 * time.Second)
		var again *token.Response
		for range 2 {
			if again, err = s.Refresh(t.Context(), c, first.RefreshToken, ""); err != nil {
				t.Fatal(err)
			}
		}
		s.pass(31 * time.Second)
		if _, err := s.Refresh(t.Context(), c, again.RefreshToken, ""); err != nil {
			t.Error(err)
		}
		_, err = s.Refresh(t.Context(), c, lost.RefreshToken, "")
		is(t, err, oauth.InvalidGrant, "used before")
	})
	t.Run("C7 but not after a minute", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.JWT)
		first := s.exchange(c, amys(t, wide))
		if _, err := s.Refresh(t.Context(), c, first.RefreshToken, ""); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		_, err := s.Refresh(t.Context(), c, first.RefreshToken, "")
		is(t, err, oauth.InvalidGrant, "used before")
	})
	t.Run("C7 nor when the next token was used", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Secret)
		first := s.exchange(c, amys(t, wide))
		second, err := s.Refresh(t.Context(), c, first.RefreshToken, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(t.Context(), c, second.RefreshToken, ""); err != nil {
			t.Fatal(err)
		}
		_, err = s.Refresh(t.Context(), c, first.RefreshToken, "")
		is(t, err, oauth.InvalidGrant, "used before")
	})
}

func TestOnlineAccessEndsWithTheSession(t *testing.T) {
	t.Parallel()
	s := simple(t)
	c := app(t, "app", client.Public)
	online := s.exchange(c, amys(t, "online_access patient/*.rs"))
	offline := s.exchange(c, amys(t, "offline_access patient/*.rs"))
	ended := s.exchange(c, amys(t, "online_access patient/*.rs"))
	var err error
	if online, err = s.Refresh(t.Context(), c, online.RefreshToken, ""); err != nil {
		t.Fatal(err)
	}
	delete(s.sessions, "session")
	_, err = s.Refresh(t.Context(), c, online.RefreshToken, "")
	is(t, err, oauth.InvalidGrant, "signed out")
	s.works(t, online.AccessToken, false)
	s.works(t, ended.AccessToken, true)
	if err := s.EndSession(t.Context(), "session"); err != nil {
		t.Fatal(err)
	}
	s.works(t, ended.AccessToken, false)
	s.works(t, offline.AccessToken, true)
	if _, err := s.Refresh(t.Context(), c, offline.RefreshToken, ""); err != nil {
		t.Errorf("C7 offline_access ended with the session: %v", err)
	}
}
