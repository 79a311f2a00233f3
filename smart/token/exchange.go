package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
)

// Exchange gives the tokens for a code (RFC 6749 4.1.3). The client is authenticated;
// redirect and verifier are as it sent them. A code is good once, whatever comes of
// the attempt of its own client. One that was exchanged before ends all that came of
// it: somebody else has it (RFC 6749 4.1.2). The error is an *oauth.Error, or a fault
// of the server.
func (t *Tokens) Exchange(ctx context.Context, c *client.Client, text, redirect, verifier string) (*Response, error) {
	r, err := t.byCode(ctx, c, text)
	if err != nil {
		return nil, err
	}
	if err := r.Code.check(redirect, verifier, t.now()); err != nil {
		if fault := t.end(ctx, r.ID); fault != nil {
			return nil, fault
		}
		return nil, err
	}
	scopes := r.scopes().Intersect(c.Scopes)
	if scopes.Len() == 0 {
		return nil, oauth.Errorf(oauth.InvalidGrant, "Nothing of what was agreed to may be granted to this client any more.")
	}
	r.Scope, r.Code.Spent = scopes.String(), true
	resp, err := t.issue(ctx, r, scopes, t.Lifetimes.access())
	if err != nil {
		return nil, err
	}
	if scopes.Has(scope.OfflineAccess) || scopes.Has(scope.OnlineAccess) {
		resp.RefreshToken = t.rotate(r, "")
	}
	if scopes.Has(scope.OpenID) {
		if resp.IDToken, err = t.idToken(ctx, r, resp, r.Code.Nonce); err != nil {
			return nil, err
		}
	}
	if err := t.replace(ctx, r); err != nil {
		return nil, asInvalidGrant(err)
	}
	return resp, nil
}

// byCode gives the authorization of a client's code that was not exchanged yet.
func (t *Tokens) byCode(ctx context.Context, c *client.Client, text string) (*record, error) {
	unknown := oauth.Errorf(oauth.InvalidGrant, "The code is unknown, has expired, or was issued to another client.")
	id := idOf(text, codePrefix, secretLength)
	if id == "" {
		return nil, unknown
	}
	r, err := t.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Code == nil || !matches(text, r.Code.Hash) {
		return nil, unknown
	}
	if r.Code.Spent {
		if err := t.end(ctx, r.ID); err != nil {
			return nil, err
		}
		return nil, oauth.Errorf(oauth.InvalidGrant, "The code was used before. All tokens that were issued for it have been revoked.")
	}
	if r.Client != c.ID {
		return nil, unknown
	}
	return r, nil
}

// check reports whether a code may be exchanged by whoever sends these.
func (c *code) check(redirect, verifier string, now time.Time) error {
	switch {
	case !now.Before(c.Expires):
		return oauth.Errorf(oauth.InvalidGrant, "The code has expired. It must be exchanged at once.")
	case redirect != c.Redirect:
		return oauth.Errorf(oauth.InvalidGrant, "redirect_uri is not that of the authorization request.")
	case verifier == "":
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier is missing.")
	case !validVerifier(verifier):
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier must be 43 to 128 characters out of A-Z a-z 0-9 - . _ ~.")
	case subtle.ConstantTimeCompare([]byte(Challenge(verifier)), []byte(c.Challenge)) != 1:
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier does not fit the code_challenge of the authorization request.")
	}
	return nil
}

// Challenge gives the code challenge of a verifier by the method S256 (RFC 7636 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// validVerifier checks the grammar of RFC 7636 4.1.
func validVerifier(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		switch c := v[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}
