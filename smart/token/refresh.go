package token

import (
	"context"
	"time"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
)

// grace is how long the refresh token before the current one still works for a client
// that proved who it is, when the answer with the current one may have been lost. Of a
// public client anybody could say so.
const grace = time.Minute

// errRefresh is for refresh tokens that mean nothing here.
var errRefresh = oauth.Errorf(oauth.InvalidGrant, "The refresh token is unknown, has expired, was revoked, or was issued to another client.")

// Refresh gives new tokens for a refresh token (RFC 6749 6), which is then used up. One
// that was used up before ends the authorization (RFC 9700 4.14.2). Asked is the
// scope parameter: less than was granted, or empty for the same. The error is an
// *oauth.Error, or a fault of the server.
func (t *Tokens) Refresh(ctx context.Context, c *client.Client, text, asked string) (*Response, error) {
	r, err := t.byRefresh(ctx, c, text)
	if err != nil {
		return nil, err
	}
	scopes, err := narrow(r.scopes(), asked)
	if err != nil {
		return nil, err
	}
	scopes = scopes.Intersect(c.Scopes)
	if scopes.Len() == 0 {
		return nil, oauth.Errorf(oauth.InvalidScope, "Nothing of this may be granted to this client any more.")
	}
	resp, err := t.issue(ctx, r, scopes, t.Lifetimes.access())
	if err != nil {
		return nil, err
	}
	resp.RefreshToken = t.rotate(r, text)
	if err := t.replace(ctx, r); err != nil {
		return nil, asInvalidGrant(err)
	}
	return resp, nil
}

// RefreshClient gives the client_id of the client that a refresh token was issued to; empty
// when it means nothing here.
func (t *Tokens) RefreshClient(ctx context.Context, text string) (string, error) {
	id := idOf(text, refreshPrefix, familyLength+secretLength)
	if id == "" {
		return "", nil
	}
	r, err := t.read(ctx, id)
	if err != nil || r == nil || r.Refresh == nil || !matches(familyOf(text), r.Refresh.Family) {
		return "", err
	}
	return r.Client, nil
}

// byRefresh gives the authorization whose refresh token this is now.
func (t *Tokens) byRefresh(ctx context.Context, c *client.Client, text string) (*record, error) {
	id := idOf(text, refreshPrefix, familyLength+secretLength)
	if id == "" {
		return nil, errRefresh
	}
	r, err := t.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Refresh == nil || r.Client != c.ID || !matches(familyOf(text), r.Refresh.Family) {
		return nil, errRefresh
	}
	now := t.now()
	if !now.Before(r.Refresh.Expires) {
		return nil, errRefresh
	}
	if !matches(text, r.Refresh.Hash) && !r.Refresh.lost(c, text, now) {
		if err := t.end(ctx, r.ID); err != nil {
			return nil, err
		}
		return nil, oauth.Errorf(oauth.InvalidGrant, "The refresh token was used before. Each is good once: all tokens of this authorization have been revoked.")
	}
	if r.online() {
		live := false
		if t.Sessions != nil && r.Session != "" {
			if live, err = t.Sessions.Live(ctx, r.Session); err != nil {
				return nil, err
			}
		}
		if !live {
			if err := t.end(ctx, r.ID); err != nil {
				return nil, err
			}
			return nil, oauth.Errorf(oauth.InvalidGrant, "The person has signed out, which ends online_access.")
		}
	}
	return r, nil
}

// lost reports whether a client repeats a request whose answer it may not have got: it
// is the client, which has proved it; and the token is the one that was used up last,
// a moment ago, while its successor was not used at all.
func (f *refresh) lost(c *client.Client, text string, now time.Time) bool {
	return c.Kind != client.Public && f.Previous != nil && matches(text, f.Previous) && now.Before(f.Rotated.Add(grace))
}

// rotate gives r a new refresh token in the place of used; "" for its first. What was
// used up last, and when, stays the same when a lost answer is repeated: the token in
// that answer is then used up, too.
func (t *Tokens) rotate(r *record, used string) string {
	family := random(familyLength)
	if used != "" {
		family = used[len(refreshPrefix)+idLength:][:familyLength]
	}
	text := refreshPrefix + r.ID + family + random(secretLength)
	now := t.now()
	next := &refresh{Family: hash(familyOf(text)), Hash: hash(text), Expires: now.Add(t.Lifetimes.refresh())}
	switch old := r.Refresh; {
	case old == nil:
	case matches(used, old.Hash):
		next.Previous, next.Rotated = old.Hash, now
	default:
		next.Previous, next.Rotated = old.Previous, old.Rotated
	}
	r.Refresh = next
	return text
}

// narrow gives the scopes that are asked for, which must all be granted (RFC 6749 6).
func narrow(granted scope.Set, asked string) (scope.Set, error) {
	if asked == "" {
		return granted, nil
	}
	set, bad := scope.Parse(asked)
	if len(bad) > 0 {
		return scope.Set{}, oauth.Errorf(oauth.InvalidScope, "%s", bad[0].Error())
	}
	if set.Len() == 0 || !set.Subset(granted) {
		return scope.Set{}, oauth.Errorf(oauth.InvalidScope, "scope must be part of what was granted: %s", granted.String())
	}
	return set, nil
}
