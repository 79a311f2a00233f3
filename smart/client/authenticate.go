package client

import (
	"context"
	"errors"
	"net/http"

	"github.com/portico-fhir/portico/smart/oauth"
)

// Methods are the ways of client authentication, by their names in discovery
// (RFC 7591 2).
func Methods() []string {
	return []string{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"}
}

// wrong is the one answer to credentials that do not fit, so that it tells nothing of
// who is registered.
func wrong() *oauth.Error {
	return oauth.Errorf(oauth.InvalidClient, "There is no such client, or these are not its credentials.")
}

// Authenticate says which client sent a form (RFC 6749 2.3): by an Authorization
// header, or by parameters. A public client only names itself. The error is an
// *oauth.Error of InvalidClient, or of InvalidRequest when there are several kinds
// of credentials; any other is a fault of the server.
func (r *Registry) Authenticate(ctx context.Context, h http.Header, p oauth.Params) (*Client, error) {
	if len(h["Authorization"]) > 1 {
		return nil, oauth.Errorf(oauth.InvalidRequest, "There is more than one Authorization header.")
	}
	id, secret, basic, err := oauth.Basic(h.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	signed := p.Get("client_assertion") != "" || p.Get("client_assertion_type") != ""
	posted := p.Get("client_secret") != ""
	if basic && signed || signed && posted || posted && basic {
		return nil, oauth.Errorf(oauth.InvalidRequest, "There are several kinds of client credentials. Send one.")
	}
	switch {
	case basic:
		if named := p.Get("client_id"); named != "" && named != id {
			return nil, oauth.Errorf(oauth.InvalidRequest, "client_id is not the client of the Authorization header.")
		}
		return r.bySecret(ctx, id, secret)
	case signed:
		return r.byAssertion(ctx, p)
	case p.Get("client_id") == "":
		return nil, oauth.Errorf(oauth.InvalidClient, "No client is named: send client_id, an Authorization header of the scheme Basic, or client_assertion.")
	case posted:
		return r.bySecret(ctx, p.Get("client_id"), p.Get("client_secret"))
	}
	c, err := r.enabled(ctx, p.Get("client_id"))
	if err != nil {
		return nil, err
	}
	if c.Kind != Public {
		return nil, oauth.Errorf(oauth.InvalidClient, "This client is not a public one: its credentials are missing.")
	}
	return c, nil
}

// enabled gives a client that may act.
func (r *Registry) enabled(ctx context.Context, id string) (*Client, error) {
	c, err := r.Get(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown), err == nil && c.Disabled:
		return nil, wrong()
	case err != nil:
		return nil, err
	}
	return c, nil
}

func (r *Registry) bySecret(ctx context.Context, id, secret string) (*Client, error) {
	c, err := r.enabled(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Kind != Secret || !c.knows(secret) {
		return nil, wrong()
	}
	return c, nil
}
