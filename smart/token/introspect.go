package token

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
)

// Introspection is what is said of a token (RFC 7662 2.2; SMART App Launch 2.2, Token
// Introspection). Of one that is not active nothing else is said.
type Introspection struct {
	Active      bool            `json:"active"`
	Scope       string          `json:"scope,omitempty"`
	Client      string          `json:"client_id,omitempty"`
	TokenType   string          `json:"token_type,omitempty"`
	Expires     int64           `json:"exp,omitempty"`
	IssuedAt    int64           `json:"iat,omitempty"`
	Issuer      string          `json:"iss,omitempty"`
	Subject     string          `json:"sub,omitempty"`
	FHIRUser    string          `json:"fhirUser,omitempty"`
	Patient     string          `json:"patient,omitempty"`
	Encounter   string          `json:"encounter,omitempty"`
	Intent      string          `json:"intent,omitempty"`
	FHIRContext json.RawMessage `json:"fhirContext,omitempty"`
}

// Introspect says what an access token or a refresh token of ours is good for.
func (t *Tokens) Introspect(ctx context.Context, text string) (*Introspection, error) {
	if strings.HasPrefix(text, refreshPrefix) {
		return t.introspectRefresh(ctx, text)
	}
	p, known, err := t.find(ctx, text)
	if err == nil {
		_, err = t.check(ctx, known)
	}
	if refused := new(fhir.Error); errors.As(err, &refused) {
		return new(Introspection), nil
	}
	if err != nil {
		return nil, err
	}
	i := t.describe(p.record, known.expires, known.at)
	i.Scope, i.TokenType = known.access.Scopes.String(), "Bearer"
	return i, nil
}

func (t *Tokens) introspectRefresh(ctx context.Context, text string) (*Introspection, error) {
	id := idOf(text, refreshPrefix, familyLength+secretLength)
	if id == "" {
		return new(Introspection), nil
	}
	r, err := t.read(ctx, id)
	if err != nil || r == nil || r.Refresh == nil || !matches(text, r.Refresh.Hash) || !t.now().Before(r.Refresh.Expires) {
		return new(Introspection), err
	}
	_, live, err := t.granted(ctx, r.Kind, r.Grant)
	if err != nil || !live {
		return new(Introspection), err
	}
	i := t.describe(r, r.Refresh.Expires, r.Used)
	i.Scope = r.Scope
	return i, nil
}

func (t *Tokens) describe(r *record, expires, at time.Time) *Introspection {
	i := &Introspection{
		Active: true, Client: r.Client, Expires: expires.Unix(), IssuedAt: at.Unix(), Issuer: t.Issuer, Subject: r.Account,
		FHIRUser: t.fhirUser(r.scopes(), r.actor()), Patient: r.Patient, Encounter: r.Encounter,
	}
	if r.Account == "" {
		i.Subject = r.Client
	}
	if r.Launch != nil {
		i.Intent, i.FHIRContext = r.Launch.Intent, r.Launch.FHIRContext
	}
	return i
}

// Revoke ends a token of a client (RFC 7009 2.1): with a refresh token all that came of
// the authorization, with an access token only that. A token that is unknown is no
// error, one of another client is an *oauth.Error.
func (t *Tokens) Revoke(ctx context.Context, c *client.Client, text string) error {
	if id := idOf(text, refreshPrefix, familyLength+secretLength); id != "" {
		r, err := t.read(ctx, id)
		if err != nil || r == nil || r.Refresh == nil || !matches(familyOf(text), r.Refresh.Family) {
			return err
		}
		if r.Client != c.ID {
			return errNotYours
		}
		return t.end(ctx, id)
	}
	for range 5 { // against whoever refreshes at the same time
		err := t.revokeAccess(ctx, c, text)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return errChanged
}

var errNotYours = oauth.Errorf(oauth.InvalidGrant, "The token was issued to another client.")

func (t *Tokens) revokeAccess(ctx context.Context, c *client.Client, text string) error {
	id := idOf(text, accessPrefix, secretLength)
	if id == "" {
		return nil
	}
	r, err := t.read(ctx, id)
	if err != nil || r == nil {
		return err
	}
	at := slices.IndexFunc(r.Access, func(one issued) bool { return matches(text, one.Hash) })
	switch {
	case at < 0:
		return nil
	case r.Client != c.ID:
		return errNotYours
	case len(r.Access) == 1 && r.Refresh == nil:
		return t.end(ctx, id)
	}
	r.Access = slices.Delete(r.Access, at, at+1)
	return t.replace(ctx, r)
}
