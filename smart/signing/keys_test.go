package signing_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// node is one server with a clock of its own.
type node struct {
	*signing.Keys
	now time.Time
}

func newNode(st store.Store, now time.Time) *node {
	n := &node{now: now}
	n.Keys = &signing.Keys{Store: st, Now: func() time.Time { return n.now }}
	return n
}

func (n *node) jwks(t testing.TB) (set jose.JSONWebKeySet) {
	t.Helper()
	data, err := n.JWKS(t.Context())
	if err == nil {
		err = json.Unmarshal(data, &set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// kid signs and gives the kid, having verified the signature with the key set of the
// other.
func (n *node) kid(t testing.TB, verifier *node) string {
	t.Helper()
	text, err := n.Sign(t.Context(), map[string]any{"sub": "x"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	kid := token.Headers[0].KeyID
	set := verifier.jwks(t)
	keys := set.Key(kid)
	if len(keys) != 1 {
		t.Fatalf("%d keys of the kid", len(keys))
	}
	var claims jwt.Claims
	if err := token.Claims(keys[0], &claims); err != nil || claims.Subject != "x" {
		t.Fatalf("%v, %+v", err, claims)
	}
	return kid
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestKeysAreShared(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("A13 all nodes have the same keys on "+name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			one, other := newNode(st, start), newNode(st, start)
			first := make(chan error)
			for _, n := range []*node{one, other} {
				go func() { first <- n.Ensure(t.Context()) }()
			}
			if err := errors.Join(<-first, <-first); err != nil {
				t.Fatal(err)
			}
			if a, b := one.kid(t, other), other.kid(t, one); a != b {
				t.Errorf("one signs with %s, the other with %s", a, b)
			}
			set := one.jwks(t)
			if len(set.Keys) != 1 || !set.Keys[0].IsPublic() || set.Keys[0].Use != "sig" || set.Keys[0].Algorithm != "RS256" {
				t.Errorf("published is %+v", set.Keys)
			}
		})
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	st := memory.New()
	one, other := newNode(st, start), newNode(st, start)
	at := func(d time.Duration) {
		one.now, other.now = start.Add(d), start.Add(d+2*time.Second)
	}
	const day = 24 * time.Hour
	first := one.kid(t, other)
	at(88 * day)
	if got := one.kid(t, other); got != first {
		t.Error("A13 a key retires too soon")
	}
	at(89*day + time.Hour)
	if got := one.kid(t, other); got != first {
		t.Error("A13 a key signs as soon as it is published")
	}
	if n := len(other.jwks(t).Keys); n != 2 {
		t.Fatalf("A13 %d keys are published a day before the rotation", n)
	}
	at(90*day + 2*time.Hour)
	second := one.kid(t, other)
	if second == first {
		t.Fatal("A13 a key never retires")
	}
	if set := other.jwks(t); len(set.Key(first)) != 1 {
		t.Error("A13 a retired key is gone while what it signed is good")
	}
	at(91*day + 2*time.Hour)
	if set := other.jwks(t); len(set.Key(first)) != 0 || len(set.Keys) != 1 {
		t.Error("A13 a retired key is published for ever")
	}
	if err := one.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, set := one.kid(t, one), one.jwks(t); got != second || len(set.Keys) != 2 {
		t.Errorf("A13 after Rotate %s signs, %d keys are published", got, len(set.Keys))
	}
	if err := one.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, set := one.kid(t, one), one.jwks(t); got == second || len(set.Keys) != 1 {
		t.Errorf("A13 after Replace %s signs, %d keys are published", got, len(set.Keys))
	}
	at(91*day + 3*time.Hour)
	one.kid(t, other)
}

func TestKeysNeedTheStoreRarely(t *testing.T) {
	t.Parallel()
	st := memory.New()
	n := newNode(st, start)
	if err := n.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Sign(context.Background(), map[string]any{}); err != nil {
		t.Error(err)
	}
	n.now = start.Add(time.Hour)
	if _, err := n.Sign(context.Background(), map[string]any{}); err == nil {
		t.Error("keys are used however old they are known")
	}
}
