package authorize

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
)

// The collections.
const (
	pendings = "portico_pending"
	launches = "portico_launches"
)

// How long things last.
const (
	pendingLife = 10 * time.Minute
	launchLife  = 5 * time.Minute
)

// Authorizations takes authorization requests. All exported fields are set before
// it is used; it is then safe for concurrent use, by any number of nodes.
type Authorizations struct {
	Store   store.Store
	Clients *client.Registry
	Tokens  *token.Tokens
	// Issuer is the base URL; FHIR the FHIR base, which requests must name as aud.
	Issuer, FHIR string
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	known atomic.Pointer[cipher.AEAD]
}

func (a *Authorizations) now() time.Time { return store.Now(a.Now) }

// Ensure declares the indexes.
func (a *Authorizations) Ensure(ctx context.Context) error {
	var indexes []store.Index
	for _, c := range []string{pendings, launches} {
		indexes = append(indexes, store.Index{Collection: c, Name: "gone", Keys: []store.Key{{Path: "gone"}}, ExpireAfter: time.Minute})
	}
	if err := a.Store.Ensure(ctx, indexes); err != nil {
		return fmt.Errorf("index the authorization requests: %w", err)
	}
	return nil
}

// ErrUnknown says that there is no such request: it was never made, took too long, or
// has ended already.
var ErrUnknown = errors.New("the authorization request is unknown, or over")

// PageError is a fault for which the browser must not be sent anywhere: who asks, or
// where to, is not certain (RFC 6749 4.1.2.1). Its text is for people.
type PageError struct{ Err *oauth.Error }

// Error implements error.
func (e *PageError) Error() string { return e.Err.Error() }

// Unwrap gives the oauth.Error.
func (e *PageError) Unwrap() error { return e.Err }

// RedirectError is a fault that the app is told about: send the browser to URL.
type RedirectError struct {
	URL string
	Err *oauth.Error
}

// Error implements error.
func (e *RedirectError) Error() string { return e.Err.Error() }

// Unwrap gives the oauth.Error.
func (e *RedirectError) Unwrap() error { return e.Err }

func pageError(format string, args ...any) error {
	return &PageError{oauth.Errorf(oauth.InvalidRequest, format, args...)}
}

// hashed is the _id of the document of an id.
func hashed(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
