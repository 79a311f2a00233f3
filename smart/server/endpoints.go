package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
)

// token is the token endpoint (RFC 6749 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	p, err := form(w, r)
	if err != nil {
		return err
	}
	grant := p.Get("grant_type")
	switch grant {
	case client.AuthorizationCode, client.RefreshToken, client.ClientCredentials:
	case "":
		return oauth.Errorf(oauth.InvalidRequest, "grant_type is missing.")
	default:
		return oauth.Errorf(oauth.UnsupportedGrantType, "grant_type must be authorization_code, refresh_token or client_credentials.")
	}
	if grant == client.RefreshToken {
		if p, err = s.refreshing(r, p); err != nil {
			return err
		}
	}
	c, err := s.Clients.Authenticate(r.Context(), r.Header, p)
	if err != nil {
		return err
	}
	ownOrigin(c, w, r)
	if !c.May(grant) {
		return oauth.Errorf(oauth.UnauthorizedClient, "The client is not registered for this grant_type.")
	}
	resp, err := s.issue(r, c, grant, p)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, resp)
	return nil
}

// refreshing names the client of a refresh where it does not do so itself: client_id is no
// parameter of that request (RFC 6749 6), and fhirclient sends none. A client with
// credentials must still show them.
func (s *Server) refreshing(r *http.Request, p oauth.Params) (oauth.Params, error) {
	if r.Header.Get("Authorization") != "" || p.Get("client_id") != "" || p.Get("client_assertion") != "" {
		return p, nil
	}
	id, err := s.Tokens.RefreshClient(r.Context(), p.Get("refresh_token"))
	if err != nil || id == "" {
		return p, err
	}
	return p.With("client_id", id), nil
}

func (s *Server) issue(r *http.Request, c *client.Client, grant string, p oauth.Params) (*token.Response, error) {
	missing := func(name string) error { return oauth.Errorf(oauth.InvalidRequest, "%s is missing.", name) }
	switch grant {
	case client.AuthorizationCode:
		if p.Get("code") == "" {
			return nil, missing("code")
		}
		return s.Tokens.Exchange(r.Context(), c, p.Get("code"), p.Get("redirect_uri"), p.Get("code_verifier"))
	case client.RefreshToken:
		if p.Get("refresh_token") == "" {
			return nil, missing("refresh_token")
		}
		return s.Tokens.Refresh(r.Context(), c, p.Get("refresh_token"), p.Get("scope"))
	default:
		return s.Tokens.ForClient(r.Context(), c, p.Get("scope"))
	}
}

// introspect is the introspection endpoint (RFC 7662). Whoever asks has the token that
// they ask about, and learns what it is good for; so any client that proves who it is
// may ask, and whoever has a token themselves.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	p, err := form(w, r)
	if err != nil {
		return err
	}
	a, there, err := s.bearer(r)
	if err != nil {
		return err
	}
	var c *client.Client
	if there {
		c, err = s.holder(r, a)
	} else if c, err = s.Clients.Authenticate(r.Context(), r.Header, p); err == nil && c.Kind == client.Public {
		return oauth.Errorf(oauth.InvalidClient, "A public client must send an access token in the Authorization header.")
	}
	if err != nil {
		return err
	}
	ownOrigin(c, w, r)
	if p.Get("token") == "" {
		return oauth.Errorf(oauth.InvalidRequest, "token is missing.")
	}
	i, err := s.Tokens.Introspect(r.Context(), p.Get("token"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, i)
	return nil
}

// revoke is the revocation endpoint (RFC 7009).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	p, err := form(w, r)
	if err != nil {
		return err
	}
	c, err := s.Clients.Authenticate(r.Context(), r.Header, p)
	if err != nil {
		return err
	}
	ownOrigin(c, w, r)
	if p.Get("token") == "" {
		return oauth.Errorf(oauth.InvalidRequest, "token is missing.")
	}
	if err := s.Tokens.Revoke(r.Context(), c, p.Get("token")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// holder gives the client that a token was issued to. One of another issuer need not
// be registered here: then it has no origins.
func (s *Server) holder(r *http.Request, a *access.Access) (*client.Client, error) {
	c, err := s.Clients.Get(r.Context(), a.Client)
	if errors.Is(err, client.ErrUnknown) {
		return new(client.Client), nil
	}
	return c, err
}

// withToken gives what the access token of a request stands for, which must be there.
func (s *Server) withToken(r *http.Request) (*access.Access, error) {
	a, there, err := s.bearer(r)
	if err == nil && !there {
		err = oauth.Errorf(oauth.InvalidToken, "An access token is wanted: Authorization: Bearer and the token.")
	}
	return a, err
}

// userInfo is the userinfo endpoint (OpenID Connect Core 5.3).
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) error {
	a, err := s.withToken(r)
	if err != nil {
		return err
	}
	c, err := s.holder(r, a)
	if err != nil {
		return err
	}
	ownOrigin(c, w, r)
	u, err := s.Tokens.UserInfo(a)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, u)
	return nil
}

// jwks is the key set of id tokens.
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) error {
	body, err := s.Keys.JWKS(r.Context())
	if err != nil {
		return err
	}
	keep(w, signing.CacheAge)
	write(w, http.StatusOK, body)
	return nil
}

// fixed answers with JSON that does not change while the server runs.
func fixed(body []byte) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		keep(w, 5*time.Minute)
		write(w, http.StatusOK, body)
		return nil
	}
}

func keep(w http.ResponseWriter, age time.Duration) {
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
	w.Header().Del("Pragma")
}

// launchRequest is what an EHR says when it launches an app.
type launchRequest struct {
	Client      string          `json:"client_id"`
	User        string          `json:"user"`
	Patient     string          `json:"patient"`
	Encounter   string          `json:"encounter"`
	Intent      string          `json:"intent"`
	Banner      *bool           `json:"need_patient_banner"`
	Style       string          `json:"smart_style_url"`
	FHIRContext json.RawMessage `json:"fhirContext"`
}

// launchAnswer says where to send the browser.
type launchAnswer struct {
	Launch    string `json:"launch"`
	URL       string `json:"launch_url"`
	ExpiresIn int64  `json:"expires_in"`
}

// launch makes the launch of an app for an EHR, which has a token with the scope launch
// of its own.
func (s *Server) launch(w http.ResponseWriter, r *http.Request) error {
	a, err := s.withToken(r)
	if err != nil {
		return err
	}
	if a.Kind != access.System || !a.Scopes.Has(scope.Launch) {
		return oauth.Errorf(oauth.InsufficientScope, "The token must be one of a backend (client_credentials) with the scope launch.")
	}
	l, err := readLaunch(w, r)
	if err != nil {
		return err
	}
	made, err := s.Authorizations.NewLaunch(r.Context(), l)
	if err != nil {
		return err
	}
	answer(w, http.StatusCreated, launchAnswer{made.Launch, made.URL, int64(made.Expires / time.Second)})
	return nil
}

func readLaunch(w http.ResponseWriter, r *http.Request) (authorize.Launch, error) {
	var none authorize.Launch
	bad := func(format string, args ...any) *oauth.Error {
		return oauth.Errorf(oauth.InvalidRequest, format, args...)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return none, bad("The body must be JSON: Content-Type application/json.")
	}
	body, err := read(w, r)
	if err != nil {
		return none, err
	}
	var req launchRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return none, bad("The body is not a JSON object of client_id, user, patient, encounter, intent, need_patient_banner, smart_style_url and fhirContext.").Because(fmt.Errorf("a launch: %w", err))
	}
	if _, err := d.Token(); err != io.EOF {
		return none, bad("There is something behind the JSON object.")
	}
	l := authorize.Launch{
		Client: req.Client, Patient: req.Patient, Encounter: req.Encounter,
		Context: token.Launch{Intent: req.Intent, NoBanner: req.Banner != nil && !*req.Banner, Style: req.Style},
	}
	if string(req.FHIRContext) != "null" {
		l.Context.FHIRContext = req.FHIRContext
	}
	if req.User != "" {
		ref := fhir.ParseReference(req.User, "")
		if ref.Kind != fhir.RefLocal || ref.Version != "" {
			return none, bad("user must be a relative reference, as Practitioner/1.")
		}
		l.User = ref.Key
	}
	return l, nil
}
