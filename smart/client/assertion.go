package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/store"
)

// assertionType is the only client_assertion_type (RFC 7523 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of an assertion's claims.
const (
	maxAhead = 5 * time.Minute  // of exp (SMART App Launch 2.2, Asymmetric Authentication)
	leeway   = 10 * time.Second // between the clocks
	maxJTI   = 512              // bytes
)

// byAssertion verifies the client_assertion of a form.
func (r *Registry) byAssertion(ctx context.Context, p oauth.Params) (*Client, error) {
	if p.Get("client_assertion_type") != assertionType {
		return nil, refuse("client_assertion_type must be " + assertionType + ".")
	}
	token, err := parseAssertion(p.Get("client_assertion"))
	if err != nil {
		return nil, err
	}
	var said jwt.Claims // not verified yet: only to find the keys
	if err := token.UnsafeClaimsWithoutVerification(&said); err != nil {
		return nil, refuse("The claims of the assertion are no JSON object of a JWT's claims.").Because(err)
	}
	if said.Issuer == "" || said.Issuer != said.Subject {
		return nil, refuse("iss and sub of the assertion must both be the client_id.")
	}
	if named := p.Get("client_id"); named != "" && named != said.Issuer {
		return nil, refuse("client_id is not the iss of the assertion.")
	}
	c, err := r.enabled(ctx, said.Issuer)
	if err != nil {
		return nil, err
	}
	if c.Kind != JWT {
		return nil, wrong()
	}
	var claims jwt.Claims
	if err := r.verify(ctx, c, token, &claims); err != nil {
		return nil, err
	}
	if err := r.checkClaims(&claims); err != nil {
		return nil, err
	}
	if err := r.once(ctx, c.ID, &claims); err != nil {
		return nil, err
	}
	return c, nil
}

func refuse(why string) *oauth.Error { return oauth.Errorf(oauth.InvalidClient, "%s", why) }

// parseAssertion reads a compact JWS with one of our algorithms and sane headers. Key
// material in the header (jwk, x5c, x5u) is never used: only registered keys count.
func parseAssertion(text string) (*jwt.JSONWebToken, error) {
	token, err := jwt.ParseSigned(text, algorithms[:])
	if err != nil {
		return nil, refuse("The assertion is not a JWT in compact form that is signed with RS384 or ES384.").Because(err)
	}
	header := token.Headers[0]
	if header.KeyID == "" {
		return nil, refuse("The header of the assertion has no kid.")
	}
	if typ, there := header.ExtraHeaders[jose.HeaderType]; there {
		if s, ok := typ.(string); !ok || !strings.EqualFold(s, "JWT") {
			return nil, refuse("typ in the header of the assertion must be JWT.")
		}
	}
	if _, there := header.ExtraHeaders["crit"]; there {
		return nil, refuse("The header of the assertion has crit, of which nothing is understood.")
	}
	return token, nil
}

// verify checks the signature with the client's registered keys.
func (r *Registry) verify(ctx context.Context, c *Client, token *jwt.JSONWebToken, claims *jwt.Claims) error {
	header := token.Headers[0]
	if jku, there := header.ExtraHeaders["jku"]; there && (c.JWKSURL == "" || jku != c.JWKSURL) {
		return refuse("jku in the header of the assertion is not the registered URL of the key set. It may be left out.")
	}
	key, err := r.key(ctx, c, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		return err
	}
	if err := token.Claims(key.Key, claims); err != nil {
		return refuse("The signature of the assertion does not verify with the registered key of its kid.").Because(err)
	}
	return nil
}

func (r *Registry) key(ctx context.Context, c *Client, kid string, alg jose.SignatureAlgorithm) (*jose.JSONWebKey, error) {
	var keys jwks.Set
	var err error
	switch {
	case c.JWKSURL == "":
		keys, err = jwks.Parse(c.JWKS, algorithms[:])
	case r.Keys == nil:
		err = errors.New("key sets at URLs are not fetched")
	default:
		keys, err = r.Keys.Get(ctx, c.JWKSURL, kid, algorithms[:])
	}
	if err != nil {
		r.note(ctx, c, err)
		return nil, refuse("The registered key set cannot be read. Is its URL reachable for this server, and what it sends a JWKS?").Because(err)
	}
	key, err := keys.Choose(kid, alg)
	if err != nil {
		return nil, refuse("The registered key set does not fit the header of the assertion: " + err.Error() + ".")
	}
	return key, nil
}

// note logs why a key set could not be had: a client is not told what is to be seen
// from where the server stands.
func (r *Registry) note(ctx context.Context, c *Client, err error) {
	if r.Log != nil {
		r.Log.WarnContext(ctx, "no key set of a client", "client", c.ID, "cause", err)
	}
}

// checkClaims checks what a signature vouches for (RFC 7523 3).
func (r *Registry) checkClaims(c *jwt.Claims) error {
	now := r.now()
	switch {
	case len(c.Audience) != 1 || c.Audience[0] != r.TokenURL:
		return refuse("aud of the assertion must be the token endpoint, " + r.TokenURL + ", and nothing else.")
	case c.Expiry == nil:
		return refuse("The assertion has no exp.")
	case !now.Before(c.Expiry.Time()):
		return refuse("The assertion has expired.")
	case c.Expiry.Time().After(now.Add(maxAhead + leeway)):
		return refuse("exp of the assertion is more than 5 minutes ahead.")
	case c.NotBefore != nil && c.NotBefore.Time().After(now.Add(leeway)):
		return refuse("nbf of the assertion is in the future.")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(leeway)):
		return refuse("iat of the assertion is in the future.")
	case c.ID == "" || len(c.ID) > maxJTI:
		return refuse("The assertion has no jti, or an endless one.")
	}
	return nil
}

// once refuses an assertion that was used before: the _id of its trace is unique on
// all nodes.
func (r *Registry) once(ctx context.Context, client string, c *jwt.Claims) error {
	hash := sha256.Sum256([]byte(client + "\x00" + c.ID))
	doc, err := bson.Marshal(bson.D{
		{Key: "_id", Value: base64.RawURLEncoding.EncodeToString(hash[:])},
		{Key: "gone", Value: c.Expiry.Time()},
	})
	if err != nil {
		return err
	}
	err = r.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: assertions, Doc: doc}})
	if errors.Is(err, store.ErrExists) {
		return refuse("The assertion was used before: each needs a jti of its own.")
	}
	return err
}
