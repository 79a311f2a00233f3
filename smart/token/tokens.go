package token

import (
	"context"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/store"
)

// Grants knows the grants of proxies.
type Grants interface {
	// Live gives what a grant permits now; false when it has no effect.
	Live(ctx context.Context, id string) (policy.Effective, bool, error)
}

// Sessions knows who is signed in.
type Sessions interface {
	// Live reports whether a session goes on.
	Live(ctx context.Context, id string) (bool, error)
}

// Foreign knows the access tokens of other issuers.
type Foreign interface {
	// Authenticate gives what a token stands for. The error is a *fhir.Error of
	// CodeLogin, or a fault of the server.
	Authenticate(ctx context.Context, bearer string) (*access.Access, error)
}

// Tokens issues, verifies and ends tokens. All exported fields are set before it is
// used; it is then safe for concurrent use, by any number of nodes.
type Tokens struct {
	Store store.Store
	// Keys signs id tokens.
	Keys *signing.Keys
	// Issuer is the base URL, which id tokens name as theirs; FHIR the FHIR base.
	Issuer, FHIR string
	// Grants are asked for each request of a proxy; nil: no proxy gets in.
	Grants Grants
	// Policy tells which scopes still open something to a proxy; nil: all may.
	Policy *policy.Policy
	// Sessions are asked when an authorization that ends with the session is
	// refreshed; nil: none is.
	Sessions Sessions
	// Foreign verifies access tokens that are not ours; nil: none is accepted.
	Foreign Foreign
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Lifetimes are how long things are good for.
	Lifetimes Lifetimes

	cache cache
}

// Lifetimes say how long things are good for. The zero value of a field means its
// default.
type Lifetimes struct {
	Code    time.Duration // until a code is exchanged; default 60 s
	Access  time.Duration // of an access token; default 1 h
	System  time.Duration // of a backend's access token; default 5 min
	Refresh time.Duration // of a refresh token that is not used, which each use begins anew; default 100 days
}

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func (l Lifetimes) code() time.Duration    { return or(l.Code, time.Minute) }
func (l Lifetimes) access() time.Duration  { return or(l.Access, time.Hour) }
func (l Lifetimes) system() time.Duration  { return or(l.System, 5*time.Minute) }
func (l Lifetimes) refresh() time.Duration { return or(l.Refresh, 100*24*time.Hour) }

func (t *Tokens) now() time.Time { return store.Now(t.Now) }

// Ensure declares the indexes.
func (t *Tokens) Ensure(ctx context.Context) error {
	indexes := []store.Index{{Collection: collection, Name: fieldGone, Keys: []store.Key{{Path: fieldGone}}, ExpireAfter: time.Minute}}
	for _, path := range []string{fieldAccount, fieldClient, fieldSession} {
		indexes = append(indexes, store.Index{Collection: collection, Name: path, Keys: []store.Key{{Path: path}}, Sparse: true})
	}
	if err := t.Store.Ensure(ctx, indexes); err != nil {
		return fmt.Errorf("index the authorizations: %w", err)
	}
	return nil
}
