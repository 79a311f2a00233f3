package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/scope"
)

// Issuer is an authorization server whose access tokens are accepted.
type Issuer struct {
	// URL is its name, exactly as tokens have it in iss.
	URL string
	// Audience must be in aud: what the issuer calls this server. It must not be the
	// client_id of an app, which is the audience of id tokens.
	Audience string
	// KeysURL is where its key set is.
	KeysURL string
	// Algorithms are those that it signs with; nil: RS256, RS384, ES256, ES384.
	Algorithms []string
	// Scopes is the most that its tokens open.
	Scopes scope.Set
	// System accepts tokens without a person, for the scopes system/.
	System bool
	// Longest is the longest life of a token; 0: one hour.
	Longest time.Duration
	// Claims are the names of claims.
	Claims Claims
	// Who says who a person is by all claims; nil: the claim Claims.User holds a
	// reference to their record here, relative or below the FHIR base. The zero Key is
	// nobody.
	Who func(ctx context.Context, claims map[string]any) (fhir.Key, error)
}

// Claims are the names of claims; empty: the default.
type Claims struct {
	User      string // default fhirUser
	Patient   string // logical id of the patient in context; default patient
	Encounter string // logical id; default encounter
	Scope     string // text with spaces, or a list; default scope
	Client    string // default client_id, or else azp
}

// signatures are the algorithms that an issuer may use: none that works with a shared
// secret.
var signatures = [...]jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// Validate says what is wrong with the configuration of an issuer.
func (i *Issuer) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(isURL(i.URL), "the issuer must be its URL, as its tokens have it in iss")
	check(i.Audience != "", "the audience, which is in aud of tokens for this server, is missing")
	check(isURL(i.KeysURL), "the URL of the issuer's key set (jwks_uri) is missing")
	for _, a := range i.Algorithms {
		check(slices.Contains(signatures[:], jose.SignatureAlgorithm(a)), "the algorithm %q is not one of %v", a, signatures)
	}
	check(i.Scopes.Len() > 0, "the scopes, the most that tokens of the issuer open, are missing")
	check(i.Longest >= 0, "the longest life of tokens must not be negative")
	return errors.Join(faults...)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == ""
}

func (i *Issuer) algorithms() []jose.SignatureAlgorithm {
	if i.Algorithms == nil {
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.ES256, jose.ES384}
	}
	all := make([]jose.SignatureAlgorithm, len(i.Algorithms))
	for n, a := range i.Algorithms {
		all[n] = jose.SignatureAlgorithm(a)
	}
	return all
}

func (i *Issuer) longest() time.Duration {
	if i.Longest == 0 {
		return time.Hour
	}
	return i.Longest
}
