package client

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/scope"
)

// Kind says how a client proves who it is.
type Kind string

// The kinds.
const (
	Public Kind = "public" // it cannot keep a secret: not at all
	Secret Kind = "secret" // with a secret
	JWT    Kind = "jwt"    // with an assertion that it signs (private_key_jwt)
)

// The grant types (RFC 6749 1.3).
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token" // goes with the code, and is registered with it
	ClientCredentials = "client_credentials"
)

// Client is a registered app. One that the Registry gave is read-only.
type Client struct {
	ID   string
	Name string // as people read it on the consent page
	Kind Kind
	// SecretHash is the salted hash of a Secret client's secret: see HashSecret.
	SecretHash []byte
	// Redirects are where the browser may be sent after authorization.
	Redirects []string
	// Origins are those of the pages from which a browser may call.
	Origins []string
	// LaunchURL is where an EHR launch starts; empty: the app is not launched.
	LaunchURL string
	// JWKS is the key set of a JWT client, JWKSURL the place to get it from: one of
	// both.
	JWKS    []byte
	JWKSURL string
	// Scopes is the most that the client may be granted.
	Scopes scope.Set
	// Grants are the grant types that the client may use; RefreshToken need not be
	// listed.
	Grants   []string
	Disabled bool
	Created  time.Time
}

// maxID bounds a client_id.
const maxID = 128

// Validate reports all faults of a registration at once.
func (c *Client) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(c.ID != "" && len(c.ID) <= maxID && !strings.ContainsFunc(c.ID, unprintable), "the id must be 1 to %d printable ASCII characters without spaces", maxID)
	check(strings.TrimSpace(c.Name) != "", "the name, which people read when they are asked for their consent, is missing")
	switch c.Kind {
	case Public:
		check(c.SecretHash == nil && c.JWKS == nil && c.JWKSURL == "", "a public client has neither a secret nor keys")
	case Secret:
		check(len(c.SecretHash) == saltSize+sha256.Size, "the secret is missing")
		check(c.JWKS == nil && c.JWKSURL == "", "a client with a secret has no keys")
	case JWT:
		check(c.SecretHash == nil, "a client with keys has no secret")
		check((c.JWKS == nil) != (c.JWKSURL == ""), "a client with keys gives either its key set or the URL of it (--jwks or --jwks-url)")
		if c.JWKS != nil {
			err := jwks.Check(c.JWKS, algorithms[:])
			check(err == nil, "the key set: %w", err)
		}
		if c.JWKSURL != "" {
			check(checkURL(c.JWKSURL) == nil, "the URL of the key set: %w", checkURL(c.JWKSURL))
		}
	default:
		check(false, "the kind must be public, secret or jwt, not %q", c.Kind)
	}
	check(len(c.Grants) > 0, "the grant types are missing: authorization_code for apps with people, client_credentials for those without")
	for _, g := range c.Grants {
		check(slices.Contains([]string{AuthorizationCode, RefreshToken, ClientCredentials}, g), "the grant type %q is not supported", g)
	}
	check(c.Kind != Public || !slices.Contains(c.Grants, ClientCredentials), "a public client cannot have the grant type client_credentials")
	check(len(c.Redirects) > 0 || !slices.Contains(c.Grants, AuthorizationCode), "the grant type authorization_code needs a redirect URI (--redirect; or --backend for what works without people)")
	for _, r := range c.Redirects {
		check(checkRedirect(r) == nil, "the redirect URI %q: %w", r, checkRedirect(r))
	}
	for _, o := range c.Origins {
		check(validOrigin(o), "the origin %q is not scheme://host[:port] in lower case", o)
	}
	if c.LaunchURL != "" {
		check(checkURL(c.LaunchURL) == nil, "the launch URL: %w", checkURL(c.LaunchURL))
	}
	check(c.Scopes.Len() > 0, "the scopes, the most that the client may be granted, are missing")
	return errors.Join(faults...)
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// May reports whether the client may use a grant type.
func (c *Client) May(grant string) bool {
	if grant == RefreshToken {
		grant = AuthorizationCode
	}
	return slices.Contains(c.Grants, grant)
}

// AllowsOrigin reports whether a page of this origin may see answers to the client.
func (c *Client) AllowsOrigin(origin string) bool { return slices.Contains(c.Origins, origin) }

// saltSize is that of a secret's salt in bytes.
const saltSize = 16

// NewSecret makes a secret of 256 random bits.
func NewSecret() string { return rand.Text() + rand.Text() }

// MinSecret is the least length of a secret that somebody else made.
const MinSecret = 16

// HashSecret gives what is stored of a secret. It is fast on purpose: secrets are
// random, and not those of people. One that is shorter than MinSecret is refused.
func HashSecret(secret string) ([]byte, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("a client's secret must have at least %d characters: take a random one", MinSecret)
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	return seal(salt, secret), nil
}

func seal(salt []byte, secret string) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(secret))
	return mac.Sum(slices.Clone(salt))
}

// knows reports, in time that does not depend on where they differ, whether secret is
// the client's.
func (c *Client) knows(secret string) bool {
	return len(c.SecretHash) > saltSize && hmac.Equal(c.SecretHash, seal(c.SecretHash[:saltSize], secret))
}
