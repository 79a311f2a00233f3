package authorize

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
)

// Bounds of parameters that are kept, in bytes: an id is in URLs.
const (
	maxState  = 2048
	maxShort  = 512
	maxScopes = 8192
)

// Begin takes the parameters of an authorization request, from a query or a form. The
// error is a *PageError, a *RedirectError, or a fault of the server. A launch that it
// names is used up.
func (a *Authorizations) Begin(ctx context.Context, params url.Values) (*Pending, error) {
	p, doubled := oauth.Once(params)
	c, redirect, err := a.asker(ctx, p, params)
	if err != nil {
		return nil, err
	}
	pending, err := a.begin(ctx, c, redirect, p, doubled)
	var refused *oauth.Error
	if errors.As(err, &refused) {
		state := p.Get("state")
		if len(state) > maxState {
			state = ""
		}
		return nil, &RedirectError{URL: a.refusal(redirect, state, refused), Err: refused}
	}
	return pending, err
}

// asker gives the client and where its answers go: without both the browser is sent
// nowhere.
func (a *Authorizations) asker(ctx context.Context, p oauth.Params, all url.Values) (*client.Client, string, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if p.Get(name) == "" {
			return nil, "", pageError("The parameter %s must be there, once.", name)
		}
	}
	c, err := a.Clients.Get(ctx, p.Get("client_id"))
	switch {
	case errors.Is(err, client.ErrUnknown), err == nil && c.Disabled:
		return nil, "", pageError("The app is not registered here: client_id is unknown.")
	case err != nil:
		return nil, "", err
	case !c.AllowsRedirect(p.Get("redirect_uri")):
		return nil, "", pageError("redirect_uri is not one that is registered for this app. It must be the same, character by character.")
	}
	return c, p.Get("redirect_uri"), nil
}

// begin checks everything else, what is cheap first.
func (a *Authorizations) begin(ctx context.Context, c *client.Client, redirect string, p oauth.Params, doubled error) (*Pending, error) {
	if doubled != nil {
		return nil, doubled
	}
	if err := a.checkRequest(c, p); err != nil {
		return nil, err
	}
	pending := &Pending{
		Client: c, RedirectURI: redirect, Nonce: p.Get("nonce"), LoginHint: p.Get("login_hint"), UILocales: p.Get("ui_locales"),
		Created: a.now(), state: p.Get("state"), challenge: p.Get("code_challenge"),
	}
	var err error
	if pending.Prompt, err = prompts(p.Get("prompt")); err != nil {
		return nil, err
	}
	if pending.MaxAge, err = maxAge(p.Get("max_age")); err != nil {
		return nil, err
	}
	if pending.Scopes, err = grantable(c, p.Get("scope"), p.Get("launch") != ""); err != nil {
		return nil, err
	}
	if err := a.keep(ctx, pending, p.Get("launch")); err != nil {
		return nil, err
	}
	return pending, nil
}

// keep makes the id of the request, using up its launch. Without one nothing is stored,
// so that nobody can fill the store who has not signed in.
func (a *Authorizations) keep(ctx context.Context, pending *Pending, launch string) error {
	if launch == "" {
		return a.seal(ctx, pending, "")
	}
	id := hashed(launch)
	if err := a.use(ctx, pending, id); err != nil {
		return err
	}
	return a.seal(ctx, pending, id)
}

// checkRequest checks the parameters that have one right value.
func (a *Authorizations) checkRequest(c *client.Client, p oauth.Params) error {
	bad := func(format string, args ...any) error { return oauth.Errorf(oauth.InvalidRequest, format, args...) }
	aud := p.Get("aud")
	switch {
	case len(p.Get("state")) > maxState:
		return bad("state is longer than %d bytes.", maxState)
	case p.Get("request") != "":
		return oauth.Errorf(oauth.RequestNotSupported, "Request objects are not supported: send the parameters themselves.")
	case p.Get("request_uri") != "":
		return oauth.Errorf(oauth.RequestURINotSupported, "Request objects are not supported: send the parameters themselves.")
	case p.Get("registration") != "":
		return oauth.Errorf(oauth.RegistrationUnsupported, "Apps are registered by those who run this server.")
	case !c.May(client.AuthorizationCode):
		return oauth.Errorf(oauth.UnauthorizedClient, "The app is not registered for authorization_code.")
	case p.Get("response_type") != "code":
		return oauth.Errorf(oauth.UnsupportedResponseType, "response_type must be code.")
	case p.Get("response_mode") != "" && p.Get("response_mode") != "query":
		return bad("response_mode must be query, or left out.")
	case aud == "":
		return bad("aud is missing: it must be the FHIR base, %s", a.FHIR)
	case !a.isOurs(aud):
		return bad("aud is not this server. It must be the FHIR base, %s", a.FHIR)
	case p.Get("code_challenge") == "":
		return bad("code_challenge is missing: every app must use PKCE with the method S256.")
	case p.Get("code_challenge_method") != "S256":
		return bad("code_challenge_method must be S256.")
	case !validChallenge(p.Get("code_challenge")):
		return bad("code_challenge must be the SHA-256 of the code_verifier in base64url without padding: 43 characters.")
	}
	for _, name := range []string{"nonce", "login_hint", "ui_locales", "launch"} {
		if len(p.Get(name)) > maxShort {
			return bad("%s is longer than %d bytes.", name, maxShort)
		}
	}
	return nil
}

// isOurs reports whether aud is the FHIR base, with or without a slash at the end. On one
// machine the names of loopback are as good as each other.
func (a *Authorizations) isOurs(aud string) bool {
	aud = strings.TrimSuffix(aud, "/")
	if aud == a.FHIR {
		return true
	}
	u, err1 := url.Parse(aud)
	own, err2 := url.Parse(a.FHIR)
	if err1 != nil || err2 != nil || u.Port() != own.Port() || !oauth.IsLoopback(u.Hostname()) || !oauth.IsLoopback(own.Hostname()) {
		return false
	}
	u.Host = own.Host
	return u.String() == a.FHIR
}

// validChallenge checks the form of a challenge of method S256 (RFC 7636 4.2).
func validChallenge(s string) bool {
	return len(s) == 43 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// prompts reads prompt. Values that are not known are ignored.
func prompts(text string) ([]string, error) {
	var known []string
	for _, one := range strings.Fields(text) {
		if slices.Contains([]string{"none", "login", "consent", "select_account"}, one) && !slices.Contains(known, one) {
			known = append(known, one)
		}
	}
	if slices.Contains(known, "none") && len(known) > 1 {
		return nil, oauth.Errorf(oauth.InvalidRequest, "prompt cannot be none and something else.")
	}
	return known, nil
}

func maxAge(text string) (*time.Duration, error) {
	if text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "max_age must be a number of seconds.")
	}
	age := time.Duration(seconds) * time.Second
	return &age, nil
}

// grantable gives what of the scopes asked for can be granted to the client through a
// person. What cannot is left out; the token's scope says so (RFC 6749 3.3).
func grantable(c *client.Client, text string, launched bool) (scope.Set, error) {
	asked, bad := scope.Parse(text)
	switch {
	case strings.TrimSpace(text) == "":
		return asked, oauth.Errorf(oauth.InvalidScope, "scope is missing.")
	case launched && !asked.Has(scope.Launch):
		return asked, oauth.Errorf(oauth.InvalidScope, "The parameter launch needs the scope launch.")
	}
	set := asked.Intersect(c.Scopes).Keep(func(s scope.Scope) bool {
		return s.Context != scope.System && (s.Name != scope.Launch || launched)
	})
	switch {
	case launched && !set.Has(scope.Launch):
		return set, oauth.Errorf(oauth.InvalidScope, "The app is not registered for the scope launch.")
	case len(set.String()) > maxScopes:
		return set, oauth.Errorf(oauth.InvalidScope, "scope is longer than %d bytes. Ask for patient/*.rs, for example, instead of each type.", maxScopes)
	case set.Len() > 0:
		return set, nil
	case len(bad) > 0:
		return set, oauth.Errorf(oauth.InvalidScope, "%s", bad[0].Error())
	}
	return set, oauth.Errorf(oauth.InvalidScope, "The app is registered for nothing of what it asks for.")
}
