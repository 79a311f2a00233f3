package account_test

import (
	"errors"
	"testing"
	"time"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/store/memory"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step time.Duration
		n    int // how many steps it lives, used at each
	}{
		"a session that is used lives until its end":     {20 * time.Minute, 35},
		"a session that is not used ends":                {31 * time.Minute, 0},
		"the use within a minute still counts to 29 min": {29 * time.Minute, 24},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, clock := open(t, memory.New())
			who := add(t, a, amy())
			s := &account.Sessions{Accounts: a}
			secret, _, err := s.Start(t.Context(), who.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			lived := 0
			for {
				clock.add(c.step)
				if _, _, err := s.Get(t.Context(), secret); err != nil {
					break
				}
				lived++
			}
			if lived != c.n {
				t.Errorf("it lived %d times %v, want %d", lived, c.step, c.n)
			}
		})
	}
	t.Run("the session before the sign-in ends with it", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		who := add(t, a, amy())
		s := &account.Sessions{Accounts: a}
		first, was, err := s.Start(t.Context(), who.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		second, is, err := s.Start(t.Context(), who.ID, first)
		if err != nil || first == second || was.ID == is.ID {
			t.Fatalf("the secret stays: %v", err)
		}
		if _, _, err := s.Get(t.Context(), first); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("the first session: %v", err)
		}
	})
	t.Run("what names a session does not open it", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		who := add(t, a, amy())
		s := &account.Sessions{Accounts: a}
		secret, started, err := s.Start(t.Context(), who.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, guess := range []string{started.ID, who.ID, "", secret + "x"} {
			if _, _, err := s.Get(t.Context(), guess); !errors.Is(err, account.ErrNoSession) {
				t.Errorf("%q: %v", guess, err)
			}
		}
	})
	t.Run("the end of a session shows at once", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		who := add(t, a, amy())
		s := &account.Sessions{Accounts: a}
		for name, end := range map[string]func(string) error{
			"signing out":            func(secret string) error { return s.End(t.Context(), secret) },
			"signing out everywhere": func(string) error { return a.EndSessions(t.Context(), who.ID) },
		} {
			secret, started, err := s.Start(t.Context(), who.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			if live, err := s.Live(t.Context(), started.ID); !live || err != nil {
				t.Errorf("before: %v", err)
			}
			if err := end(secret); err != nil {
				t.Fatal(err)
			}
			if live, err := s.Live(t.Context(), started.ID); live || err != nil {
				t.Errorf("%s: it goes on, %v", name, err)
			}
		}
	})
}
