package token

import (
	"context"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

// ForClient gives a client that has authenticated itself an access token of its own
// (RFC 6749 4.4; SMART App Launch 2.2, Backend Services): for a short time, without a
// refresh token. Asked is the scope parameter, of which it gets what it is registered
// for. The error is an *oauth.Error, or a fault of the server.
func (t *Tokens) ForClient(ctx context.Context, c *client.Client, asked string) (*Response, error) {
	if c.Kind == client.Public {
		return nil, oauth.Errorf(oauth.UnauthorizedClient, "A client that cannot prove who it is gets no token of its own.")
	}
	set, bad := scope.Parse(asked)
	switch {
	case len(bad) > 0:
		return nil, oauth.Errorf(oauth.InvalidScope, "%s", bad[0].Error())
	case set.Len() == 0:
		return nil, oauth.Errorf(oauth.InvalidScope, "scope is missing: say what the token is for, as in system/Patient.rs")
	}
	// What needs a person is not for a client alone.
	own := set.Keep(func(s scope.Scope) bool { return s.Context == scope.System || s.Name == scope.Launch }).Intersect(c.Scopes)
	if own.Len() == 0 {
		return nil, oauth.Errorf(oauth.InvalidScope, "The client is registered for nothing of this. A client by itself is given system/ scopes.")
	}
	now := t.now()
	r := &record{ID: random(idLength), Client: c.ID, Kind: access.System.String(), Scope: own.String(), Created: now, Used: now}
	resp, err := t.issue(ctx, r, own, min(t.Lifetimes.system(), maxSystem))
	if err != nil {
		return nil, err
	}
	op, err := insert(r)
	if err != nil {
		return nil, err
	}
	if err := t.Store.Apply(ctx, []store.Op{op}); err != nil {
		return nil, fmt.Errorf("store an access token: %w", err)
	}
	return resp, nil
}

// maxSystem bounds the life of a backend's access token (SMART App Launch 2.2, Backend
// Services: Issue Access Token).
const maxSystem = 5 * time.Minute
