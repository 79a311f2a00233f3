package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Response is what the token endpoint answers (RFC 6749 5.1; SMART App Launch 2.2,
// Launch Context Arrives With Your Access Token).
type Response struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    int64           `json:"expires_in"` // seconds
	Scope        string          `json:"scope"`
	RefreshToken string          `json:"refresh_token,omitempty"`
	IDToken      string          `json:"id_token,omitempty"`
	Patient      string          `json:"patient,omitempty"`
	Encounter    string          `json:"encounter,omitempty"`
	FHIRContext  json.RawMessage `json:"fhirContext,omitempty"`
	Banner       *bool           `json:"need_patient_banner,omitempty"`
	Style        string          `json:"smart_style_url,omitempty"`
	Intent       string          `json:"intent,omitempty"`
}

// StylePath is where the server's own look is to be had, below the issuer.
const StylePath = "/auth/style.json"

// maxAccess bounds the access tokens of an authorization that are good at one time.
// The oldest gives way.
const maxAccess = 20

// issue adds an access token to r, which the caller stores, and begins the answer. It
// has no scopes that open nothing to a proxy now, and lasts no longer than what they may
// do.
func (t *Tokens) issue(ctx context.Context, r *record, narrowed scope.Set, life time.Duration) (*Response, error) {
	now := t.now()
	expires := now.Add(life)
	effective, live, err := t.granted(ctx, r.Kind, r.Grant)
	if err != nil {
		return nil, err
	}
	if effective != nil && t.Policy != nil {
		narrowed = t.Policy.Narrow(effective, narrowed)
	}
	if !live || narrowed.Len() == 0 {
		return nil, errGrantOver
	}
	if effective != nil && !effective.Until.IsZero() && effective.Until.Before(expires) {
		expires = effective.Until
	}
	text := accessPrefix + r.ID + random(secretLength)
	one := issued{Hash: hash(text), At: now, Expires: expires}
	if s := narrowed.String(); s != r.Scope {
		one.Scope = s
	}
	kept := make([]issued, 0, len(r.Access)+1)
	for _, old := range r.Access {
		if now.Before(old.Expires) {
			kept = append(kept, old)
		}
	}
	if len(kept) >= maxAccess {
		kept = kept[len(kept)-maxAccess+1:]
	}
	r.Access, r.Used = append(kept, one), now
	resp := &Response{
		AccessToken: text, TokenType: "Bearer", ExpiresIn: int64(expires.Sub(now) / time.Second), Scope: narrowed.String(),
		Patient: r.Patient, Encounter: r.Encounter,
	}
	if r.Launch != nil {
		resp.FHIRContext, resp.Intent, resp.Style = r.Launch.FHIRContext, r.Launch.Intent, r.Launch.Style
		if resp.Style == "" {
			resp.Style = t.Issuer + StylePath
		}
		if r.Patient != "" {
			banner := !r.Launch.NoBanner
			resp.Banner = &banner
		}
	}
	return resp, nil
}

// errGrantOver: what the proxy could do for the patient has ended.
var errGrantOver = oauth.Errorf(oauth.InvalidGrant, "The person may not act for this patient any more.")

// granted reports whether somebody may still act for the patient, and for a proxy
// what they may do.
func (t *Tokens) granted(ctx context.Context, kind, grant string) (now *policy.Effective, ok bool, err error) {
	if access.ParseKind(kind) != access.Proxy {
		return nil, true, nil
	}
	if t.Grants == nil || grant == "" {
		return nil, false, nil
	}
	effective, ok, err := t.Grants.Live(ctx, grant)
	return &effective, ok, err
}

// idClaims are those of an id token (OpenID Connect Core 2).
type idClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	AuthTime int64  `json:"auth_time,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	AtHash   string `json:"at_hash"`
	FHIRUser string `json:"fhirUser,omitempty"`
	Profile  string `json:"profile,omitempty"`
}

// idToken makes the id token that goes with an access token.
func (t *Tokens) idToken(ctx context.Context, r *record, resp *Response, nonce string) (string, error) {
	now := t.now()
	sum := sha256.Sum256([]byte(resp.AccessToken))
	claims := idClaims{
		Issuer: t.Issuer, Subject: r.Account, Audience: r.Client, IssuedAt: now.Unix(), Nonce: nonce,
		Expires:  now.Add(time.Duration(resp.ExpiresIn) * time.Second).Unix(),
		AtHash:   base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), // OpenID Connect Core 3.1.3.6
		FHIRUser: t.fhirUser(r.scopes(), r.actor()),
	}
	if !r.AuthTime.IsZero() {
		claims.AuthTime = r.AuthTime.Unix()
	}
	if r.scopes().Has(scope.Profile) {
		claims.Profile = claims.FHIRUser
	}
	return t.Keys.Sign(ctx, claims)
}

// fhirUser is the URL of the person who acts, where scopes let the app know it.
func (t *Tokens) fhirUser(s scope.Set, actor fhir.Key) string {
	if actor == (fhir.Key{}) || !s.Has(scope.OpenID) || !s.Has(scope.FHIRUser) && !s.Has(scope.Profile) {
		return ""
	}
	return t.FHIR + "/" + actor.String()
}

// UserInfo is what an app may know of the person (OpenID Connect Core 5.3).
type UserInfo struct {
	Subject  string `json:"sub"`
	FHIRUser string `json:"fhirUser,omitempty"`
	Profile  string `json:"profile,omitempty"`
}

// UserInfo gives what an app with this access may know of the person: an *oauth.Error
// of InsufficientScope without openid.
func (t *Tokens) UserInfo(a *access.Access) (*UserInfo, error) {
	if a.Account == "" || !a.Scopes.Has(scope.OpenID) {
		return nil, oauth.Errorf(oauth.InsufficientScope, "The token has not the scope openid.")
	}
	u := &UserInfo{Subject: a.Account, FHIRUser: t.fhirUser(a.Scopes, a.Actor)}
	if a.Scopes.Has(scope.Profile) {
		u.Profile = u.FHIRUser
	}
	return u, nil
}

// asInvalidGrant turns errChanged into what the client is told.
func asInvalidGrant(err error) error {
	if errors.Is(err, errChanged) {
		return oauth.Errorf(oauth.InvalidGrant, "The authorization was used, or ended, by another request at the same time.").Because(err)
	}
	return err
}
