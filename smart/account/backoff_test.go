package account_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// fail makes n attempts with a wrong password and counts those that were looked at.
func fail(t testing.TB, a *account.Accounts, n int, login string, from account.Source) (seen int) {
	t.Helper()
	for range n {
		_, _, err := a.Verify(t.Context(), login, "wrong horse battery", from)
		var wait *account.WaitError
		switch {
		case errors.Is(err, account.ErrCredentials):
			seen++
		case !errors.As(err, &wait):
			t.Fatalf("a wrong password: %v", err)
		}
	}
	return seen
}

func TestGuessing(t *testing.T) {
	t.Parallel()
	t.Run("one who guesses is made to wait, longer each time", func(t *testing.T) {
		t.Parallel()
		a, c := open(t, memory.New())
		add(t, a, amy())
		if seen := fail(t, a, 20, "amy.shaw", from("192.0.2.1")); seen != 5 {
			t.Errorf("%d guesses of 20 were looked at, want 5", seen)
		}
		if _, _, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.1")); err == nil {
			t.Error("the back-off is over at once")
		}
		total := 0
		for range 24 * 60 { // a day
			c.add(time.Minute)
			total += fail(t, a, 3, "amy.shaw", from("192.0.2.1"))
		}
		if total > 110 {
			t.Errorf("%d guesses in a day, want at most about four an hour", total)
		}
		c.add(time.Hour)
		if _, _, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.1")); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
	t.Run("nobody is locked out by another's guesses", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		add(t, a, amy())
		_, device, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.7"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			fail(t, a, 6, "amy.shaw", from(fmt.Sprintf("198.51.100.%d", i)))
		}
		if _, _, err := a.Verify(t.Context(), "amy.shaw", password, from("192.0.2.8")); err != nil {
			t.Errorf("from another address: %v", err)
		}
		fail(t, a, 6, "amy.shaw", from("192.0.2.7"))
		own := from("192.0.2.7")
		own.Device = device
		if _, kept, err := a.Verify(t.Context(), "amy.shaw", password, own); err != nil || kept != device {
			t.Errorf("from the attacker's address, with a browser that the account knows: %v", err)
		}
	})
	t.Run("a distributed attack has one guess an address", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		add(t, a, amy())
		seen := 0
		for i := range 200 {
			seen += fail(t, a, 5, "amy.shaw", from(fmt.Sprintf("198.51.100.%d", i)))
		}
		if seen > 260 {
			t.Errorf("200 addresses had %d guesses, want few more than one each", seen)
		}
	})
	t.Run("one who tries many logins is slowed down", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		seen := 0
		for i := range 400 {
			seen += fail(t, a, 1, fmt.Sprintf("user%d", i), from("192.0.2.1"))
		}
		if seen > 110 {
			t.Errorf("%d logins were tried at one moment", seen)
		}
	})
	t.Run("addresses of one IPv6 subscriber are one", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		seen := 0
		for i := range 20 {
			seen += fail(t, a, 1, "amy.shaw", from(fmt.Sprintf("2001:db8::%x", i+1)))
		}
		if seen != 5 {
			t.Errorf("%d guesses, want 5", seen)
		}
	})
	t.Run("a made-up device is none", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		add(t, a, amy())
		seen := 0
		for i := range 20 {
			s := from("192.0.2.1")
			s.Device = fmt.Sprint("device", i)
			seen += fail(t, a, 1, "amy.shaw", s)
		}
		if seen != 5 {
			t.Errorf("%d guesses, want 5", seen)
		}
	})
	t.Run("a login that does not exist is answered as one that does", func(t *testing.T) {
		t.Parallel()
		a, _ := open(t, memory.New())
		add(t, a, amy())
		for i := range 10 {
			_, _, err1 := a.Verify(t.Context(), "amy.shaw", "wrong horse battery", from("192.0.2.1"))
			_, _, err2 := a.Verify(t.Context(), "no.body", "wrong horse battery", from("192.0.2.2"))
			if err1 == nil || err2 == nil || err1.Error() != err2.Error() {
				t.Errorf("attempt %d: %v, but %v", i, err1, err2)
			}
		}
	})
}

func TestManyAttemptsAtOnceAreNoWayAround(t *testing.T) {
	t.Parallel()
	a, _ := open(t, memory.New())
	add(t, a, amy())
	var seen atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, _, err := a.Verify(t.Context(), "amy.shaw", "wrong horse battery", from("192.0.2.1")); errors.Is(err, account.ErrCredentials) {
				seen.Add(1)
			}
		})
	}
	wg.Wait()
	if n := seen.Load(); n > 5 {
		t.Errorf("%d guesses at once were looked at", n)
	}
}

// counting counts the writes that a login costs.
type counting struct {
	store.Store
	writes atomic.Int32
}

func (s *counting) Apply(ctx context.Context, ops []store.Op) error {
	s.writes.Add(1)
	return s.Store.Apply(ctx, ops)
}

func TestAnUnknownLoginCostsWhatAKnownOneDoes(t *testing.T) {
	t.Parallel()
	st := &counting{Store: memory.New()}
	a, _ := open(t, st)
	a.Hasher = account.NewHasher(account.Cost{Memory: 16 << 10, Passes: 4, Lanes: 1}, 1)
	add(t, a, amy())
	round := 0
	cost := func(login string) (time.Duration, int32) {
		round++
		st.writes.Store(0)
		begin := time.Now()
		_, _, err := a.Verify(t.Context(), login, "wrong horse battery", from(fmt.Sprintf("192.0.2.%d", round)))
		if !errors.Is(err, account.ErrCredentials) {
			t.Fatal(err)
		}
		return time.Since(begin), st.writes.Load()
	}
	// The least of some, taken in turn: what else the machine does must not count.
	known, unknown := time.Hour, time.Hour
	for range 20 {
		one, w1 := cost("amy.shaw")
		other, w2 := cost("no.body")
		if w1 != w2 {
			t.Fatalf("a known login costs %d writes, an unknown one %d", w1, w2)
		}
		known, unknown = min(known, one), min(unknown, other)
		if unknown > known/2 && known > unknown/2 {
			return
		}
	}
	t.Errorf("a known login costs %v, an unknown one %v", known, unknown)
}
