package foreign

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/jwks"
)

// Tokens verifies the access tokens of other issuers. All exported fields are set
// before it is used; it is then safe for concurrent use.
type Tokens struct {
	Issuers []Issuer
	// FHIR is the FHIR base, below which records are this server's.
	FHIR string
	// Keys gets the issuers' key sets.
	Keys *jwks.Fetcher
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	mu    sync.RWMutex
	known map[[sha256.Size]byte]verified
}

// verified is a token that was verified a moment ago.
type verified struct {
	access *access.Access
	until  time.Time // when it expires, or is to be verified again
}

// Bounds.
const (
	maxToken = 16 << 10        // bytes
	maxKnown = 10_000          // tokens in memory
	again    = 5 * time.Minute // until a token is verified again, should its key be withdrawn
)

func (t *Tokens) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// Authenticate gives what a bearer token stands for. The Access is shared and
// read-only. The error is a *fhir.Error of CodeLogin, or a fault of the server.
func (t *Tokens) Authenticate(ctx context.Context, bearer string) (*access.Access, error) {
	if len(bearer) > maxToken {
		return nil, refuse(errors.New("it is too long"))
	}
	hash, now := sha256.Sum256([]byte(bearer)), t.now()
	t.mu.RLock()
	v, ok := t.known[hash]
	t.mu.RUnlock()
	if ok && now.Before(v.until) {
		return v.access, nil
	}
	i, header, err := t.issuer(bearer)
	if err != nil {
		return nil, refuse(err)
	}
	token, err := t.verify(ctx, i, bearer, header, now)
	if err != nil {
		return nil, refuse(err)
	}
	a, err := t.access(ctx, i, token)
	if err != nil {
		return nil, err
	}
	a.Token = base64.RawURLEncoding.EncodeToString(hash[:18])
	a = a.Shared()
	t.keep(hash, verified{a, earlier(token.Expiry, now.Add(again))}, now)
	return a, nil
}

// refuse is the answer to a token that is not accepted. What is wrong is for the log.
func refuse(err error) error {
	return fhir.Errorf(fhir.CodeLogin, "http.Authorization", "The access token is not one that is good here: it has expired, is for another server, or is of an issuer that is not accepted.").Because(err)
}

// issuer finds who a token says it is of.
func (t *Tokens) issuer(bearer string) (*Issuer, *jose.Header, error) {
	token, err := jwt.ParseSigned(bearer, signatures[:])
	if err != nil {
		return nil, nil, err
	}
	var said jwt.Claims // not verified yet: only to find the keys
	if err := token.UnsafeClaimsWithoutVerification(&said); err != nil {
		return nil, nil, err
	}
	n := slices.IndexFunc(t.Issuers, func(i Issuer) bool { return i.URL == said.Issuer })
	if n < 0 {
		return nil, nil, errors.New("nobody accepts the issuer")
	}
	return &t.Issuers[n], &token.Headers[0], nil
}

// verify checks signature, issuer, audience and times.
func (t *Tokens) verify(ctx context.Context, i *Issuer, bearer string, header *jose.Header, now time.Time) (*oidc.IDToken, error) {
	// Other kinds of JWT are no access tokens, whatever their audience (RFC 8725 3.11).
	if typ, there := header.ExtraHeaders[jose.HeaderType]; there {
		s, _ := typ.(string)
		s = strings.TrimPrefix(strings.ToLower(s), "application/")
		if s != "jwt" && s != "at+jwt" {
			return nil, errors.New("it is another kind of JWT")
		}
	}
	verifier := oidc.NewVerifier(i.URL, keys{t.Keys, i}, &oidc.Config{
		ClientID: i.Audience, Now: func() time.Time { return now }, SupportedSigningAlgs: names(i.algorithms()),
	})
	token, err := verifier.Verify(ctx, bearer)
	if err != nil {
		return nil, err
	}
	begin := now
	if !token.IssuedAt.IsZero() {
		begin = token.IssuedAt
	}
	switch {
	case !now.Before(token.Expiry):
		return nil, errors.New("it has expired")
	case token.Expiry.Sub(begin) > i.longest(), token.Expiry.Sub(now) > i.longest():
		return nil, errors.New("it lasts longer than is accepted")
	case token.Nonce != "" || token.AccessTokenHash != "":
		return nil, errors.New("it is an id token")
	}
	return token, nil
}

// keys verifies signatures for go-oidc with the keys of one issuer.
type keys struct {
	fetcher *jwks.Fetcher
	issuer  *Issuer
}

// VerifySignature implements oidc.KeySet.
func (k keys) VerifySignature(ctx context.Context, text string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(text, k.issuer.algorithms())
	if err != nil {
		return nil, err
	}
	header := signed.Signatures[0].Header
	set, err := k.fetcher.Get(ctx, k.issuer.KeysURL, header.KeyID, k.issuer.algorithms())
	if err != nil {
		return nil, fmt.Errorf("the issuer's key set: %w", err)
	}
	key, err := set.Choose(header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		return nil, err
	}
	return signed.Verify(key)
}

func names(algorithms []jose.SignatureAlgorithm) []string {
	all := make([]string, len(algorithms))
	for i, a := range algorithms {
		all[i] = string(a)
	}
	return all
}

// keep remembers a verified token.
func (t *Tokens) keep(hash [sha256.Size]byte, v verified, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[[sha256.Size]byte]verified)
	}
	if len(t.known) >= maxKnown {
		for other, v := range t.known {
			if !now.Before(v.until) {
				delete(t.known, other)
			}
		}
		for other := range t.known { // none has expired: whichever comes first
			if len(t.known) < maxKnown {
				break
			}
			delete(t.known, other)
		}
	}
	t.known[hash] = v
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
