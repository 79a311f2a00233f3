package server

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
)

// Server answers the protocol's requests. All exported fields are set before Handler
// is called and not changed after; it is then safe for concurrent use.
type Server struct {
	// Base is the base URL, which is also the issuer; FHIR the FHIR base.
	Base, FHIR     string
	Clients        *client.Registry
	Tokens         *token.Tokens
	Authorizations *authorize.Authorizations
	Keys           *signing.Keys
	// Pages is the handler of /auth/authorize and everything else below /auth; nil: there
	// are no pages, so that people cannot sign in.
	Pages http.Handler
	// Style is the JSON that apps take their look from; nil: a plain default.
	Style []byte
	// Log gets a line for each refusal and fault; nil: none.
	Log *slog.Logger
}

// The paths below the base URL.
const (
	pathAuth       = "/auth"
	pathOpenID     = "/.well-known/openid-configuration"
	pathSMART      = "/fhir/.well-known/smart-configuration"
	pathAuthorize  = "/auth/authorize"
	pathToken      = "/auth/token"
	pathIntrospect = "/auth/introspect"
	pathRevoke     = "/auth/revoke"
	pathUserInfo   = "/auth/userinfo"
	pathJWKS       = "/auth/jwks"
	pathLaunch     = "/auth/launch"
	pathManage     = "/auth/apps"
	pathStyle      = token.StylePath
)

// Mounts are the paths at which Handler is to be mounted: everything below some, and
// others exactly.
func (s *Server) Mounts() (below, exactly []string) {
	for _, prefix := range s.prefixes() {
		below = append(below, prefix+pathAuth)
		exactly = append(exactly, prefix+pathOpenID, prefix+pathSMART)
	}
	return below, exactly
}

// prefixes are the paths in front of ours: none, for a proxy that strips it, and that
// of the base URL.
func (s *Server) prefixes() []string {
	if u, err := url.Parse(s.Base); err == nil && u.Path != "" {
		return []string{"", u.Path}
	}
	return []string{""}
}

// Handler gives the handler of all that is mounted. It reads paths from the root.
func (s *Server) Handler() http.Handler {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	style := s.Style
	if style == nil {
		style = []byte(defaultStyle)
	}
	for _, prefix := range s.prefixes() {
		for path, e := range map[string]endpoint{
			pathOpenID:     {methods: "GET, HEAD", open: true, handle: fixed(s.openID())},
			pathSMART:      {methods: "GET, HEAD", open: true, handle: fixed(s.smart())},
			pathStyle:      {methods: "GET, HEAD", open: true, handle: fixed(style)},
			pathJWKS:       {methods: "GET, HEAD", open: true, handle: s.jwks},
			pathToken:      {methods: "POST", handle: s.token},
			pathIntrospect: {methods: "POST", handle: s.introspect},
			pathRevoke:     {methods: "POST", handle: s.revoke},
			pathUserInfo:   {methods: "GET, HEAD, POST", handle: s.userInfo},
			pathLaunch:     {methods: "POST", handle: s.launch},
		} {
			router.Path(prefix + path).Handler(s.wrap(e))
		}
		if s.Pages != nil {
			router.PathPrefix(prefix + pathAuth + "/").Handler(s.Pages)
		}
	}
	return router
}

// URLs are the endpoints as clients reach them, as discovery and the oauth-uris of the
// CapabilityStatement give them.
type URLs struct{ Authorize, Token, Introspect, Revoke, Manage string }

// URLs gives the endpoints.
func (s *Server) URLs() URLs {
	return URLs{
		Authorize: s.Base + pathAuthorize, Token: s.Base + pathToken, Introspect: s.Base + pathIntrospect,
		Revoke: s.Base + pathRevoke, Manage: s.Base + pathManage,
	}
}

// defaultStyle is a plain look (SMART App Launch 2.2, Styling).
const defaultStyle = `{
  "color_background": "#ffffff",
  "color_error": "#b3261e",
  "color_highlight": "#0b5cad",
  "color_modal_backdrop": "#00000080",
  "color_success": "#1b7f3b",
  "color_text": "#1c1c1e",
  "dim_border_radius": "6px",
  "dim_font_size": "16px",
  "dim_spacing_size": "16px",
  "font_family_body": "system-ui, sans-serif",
  "font_family_heading": "system-ui, sans-serif"
}
`
