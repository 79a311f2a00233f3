package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"

	"github.com/portico-fhir/portico/cmd/portico/demoapp"
	"github.com/portico-fhir/portico/conformance"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/grant"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/pages"
	"github.com/portico-fhir/portico/smart/people"
	"github.com/portico-fhir/portico/smart/server"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/smart/upstream"
	"github.com/portico-fhir/portico/store"
)

// authority is who says who somebody is and what they may do: the authorization server,
// and the guard in front of the resources.
type authority struct {
	accounts   *account.Accounts
	sessions   *account.Sessions
	clients    *client.Registry
	keys       *signing.Keys
	tokens     *token.Tokens
	grants     *grant.Grants
	guard      *guard.Repository
	operations *grant.Operations
	server     *server.Server
	operators  []string // client_ids of backend services that do what is for the command line
}

// authority puts it together over the store; types are the resources, not narrowed.
func (c *Config) authority(ctx context.Context, st store.Store, types fhir.Repository, validator grant.Validator, log *slog.Logger) (*authority, error) {
	rules, err := c.SMART.policy()
	if err != nil {
		return nil, err
	}
	zone, err := c.clinicZone()
	if err != nil {
		return nil, err
	}
	base := c.BaseURL + "/fhir"
	a := &authority{
		accounts: accounts(st), operators: c.SMART.Operators,
		clients: &client.Registry{Store: st, TokenURL: c.BaseURL + "/auth/token", Keys: &jwks.Fetcher{Loopback: rest.IsLoopback(c.hostOfBase()), Networks: c.SMART.Networks}, Log: log},
		keys:    &signing.Keys{Store: st},
		grants:  &grant.Grants{Store: st, Repository: types, Policy: rules, Location: zone, Unused: c.SMART.Unused},
	}
	a.sessions = &account.Sessions{Accounts: a.accounts, Idle: c.SMART.Sessions.Idle, Absolute: c.SMART.Sessions.Absolute}
	a.guard = &guard.Repository{Inner: types, Policy: rules, Grants: a.grants, Base: base, Location: zone, NewID: record.NewID}
	t := c.SMART.Tokens
	a.tokens = &token.Tokens{
		Store: st, Keys: a.keys, Issuer: c.BaseURL, FHIR: base, Grants: a.grants, Policy: rules, Sessions: a.sessions,
		Lifetimes: token.Lifetimes{Access: t.Access, System: t.System, Refresh: t.Refresh},
	}
	issuers, err := c.foreign(types)
	if err != nil {
		return nil, fmt.Errorf("smart.issuers: %w", err)
	}
	if issuers != nil {
		a.tokens.Foreign = issuers
	}
	a.operations = &grant.Operations{Grants: a.grants, Accounts: a.accounts, Guarded: a.guard, Validator: validator, Base: base, Logins: c.SMART.Logins}
	authorizations := &authorize.Authorizations{Store: st, Clients: a.clients, Tokens: a.tokens, Issuer: c.BaseURL, FHIR: base}
	if err := a.ensure(ctx, st, authorizations); err != nil {
		return nil, err
	}
	shown, err := c.pages(ctx, a, st, authorizations, types, log)
	if err != nil {
		return nil, err
	}
	a.server = &server.Server{
		Base: c.BaseURL, FHIR: base, Clients: a.clients, Tokens: a.tokens, Authorizations: authorizations, Keys: a.keys, Pages: shown, Log: log,
	}
	return a, nil
}

// ensure declares the indexes and makes the keys.
func (a *authority) ensure(ctx context.Context, st store.Store, authorizations *authorize.Authorizations) error {
	indexes := append(append(account.Indexes(), grant.Indexes()...), upstream.Indexes()...)
	if err := st.Ensure(ctx, indexes); err != nil {
		return fmt.Errorf("index the accounts: %w", err)
	}
	for _, part := range []interface {
		Ensure(context.Context) error
	}{a.clients, a.keys, a.tokens, authorizations} {
		if err := part.Ensure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pages makes the pages' handler.
func (c *Config) pages(ctx context.Context, a *authority, st store.Store, authorizations *authorize.Authorizations, types fhir.Repository, log *slog.Logger) (http.Handler, error) {
	p := &pages.Pages{
		Base: c.BaseURL, Place: c.SMART.Place, Store: st, Sessions: a.sessions, Authorizations: authorizations, Tokens: a.tokens,
		People: &people.People{Guarded: a.guard, Grants: a.grants, Possible: a.guard.Possible, Policy: a.guard.Policy}, LocalOff: !c.SMART.Passwords, Log: log,
		Address: func(r *http.Request) netip.Addr { return rest.ClientAddress(r, c.HTTP.Proxies) },
	}
	for _, t := range fhir.Types() {
		if !types.Describe(t).None() {
			p.Types = append(p.Types, t)
		}
	}
	for _, config := range c.SMART.Providers {
		provider := config.provider(c.BaseURL + "/auth/upstream/callback")
		provider.Store, provider.Lookup = st, lookup(types)
		if config.SecretFile != "" {
			secret, err := os.ReadFile(config.SecretFile)
			if err != nil {
				return nil, fmt.Errorf("smart.providers: %s: %w", config.ID, err)
			}
			provider.Secret = string(bytes.TrimSpace(secret))
		}
		p.Providers = append(p.Providers, provider)
	}
	return p.Handler(ctx)
}

// lookup finds people by a business identifier.
func lookup(types fhir.Repository) upstream.Lookup {
	return func(ctx context.Context, t fhir.Type, system, value string) (fhir.Key, bool, error) {
		for _, p := range types.Describe(t).Params {
			if p.Name != "identifier" {
				continue
			}
			page, err := types.Search(ctx, &fhir.Query{Type: t, Count: 2, Where: fhir.Term{Param: p, Value: fhir.TokenValue{System: system, Code: value}}})
			if err != nil || len(page.Resources) != 1 {
				return fhir.Key{}, false, err
			}
			return page.Resources[0].Key, true, nil
		}
		return fhir.Key{}, false, nil
	}
}

// authenticate says who a request comes from.
func (a *authority) authenticate(ctx context.Context, h http.Header) (context.Context, rest.Caller, error) {
	bearer, err := rest.Bearer(h)
	if err != nil {
		return nil, rest.Caller{}, err
	}
	who, err := a.tokens.Authenticate(ctx, bearer)
	if err != nil {
		return nil, rest.Caller{}, err
	}
	return access.With(ctx, who), rest.Caller{Name: who.Caller(), Client: who.Client, Account: who.Account}, nil
}

// mount has the edge ask who everybody is, and serve the authorization server.
func (a *authority) mount(s *rest.Server) {
	s.Authenticate = a.authenticate
	s.Origin = a.clients.Origin
	handler := a.server.Handler()
	below, exactly := a.server.Mounts()
	for _, path := range below {
		s.Others = append(s.Others, rest.Other{Path: path, Prefix: true, Handler: handler})
	}
	for _, path := range exactly {
		s.Others = append(s.Others, rest.Other{Path: path, Handler: handler})
	}
}

// definitions are the operations on grants.
func (a *authority) definitions() []operation.Definition {
	if a == nil {
		return nil
	}
	return a.operations.Definitions()
}

// oauth is what the CapabilityStatement says of the authorization server.
func (a *authority) oauth() *conformance.OAuth {
	if a == nil {
		return nil
	}
	u := a.server.URLs()
	return &conformance.OAuth{Authorize: u.Authorize, Token: u.Token, Introspect: u.Introspect, Revoke: u.Revoke, Manage: u.Manage}
}

// mountDemo adds the app that signing in can be tried with.
func mountDemo(s *rest.Server) {
	s.Others = append(s.Others, rest.Other{Path: "/demo", Prefix: true, Handler: demoapp.Handler()})
}
