package pages

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/smart/upstream"
	"github.com/portico-fhir/portico/store"
)

// Pages are the pages with what they depend on.
type Pages struct {
	// Base is the server's URL without a slash at the end; the pages are below it at
	// /auth.
	Base string
	// Place is the name of the practice, on each page; empty: Portico.
	Place          string
	Store          store.Store // keeps the key that protects forms
	Sessions       *account.Sessions
	Authorizations *authorize.Authorizations
	People         People
	Tokens         *token.Tokens
	// Types are those that an app gets when it asks for all.
	Types []fhir.Type
	// Providers are other ways to sign in; LocalOff takes away passwords.
	Providers []*upstream.Provider
	LocalOff  bool
	// Address tells where a request comes from; nil: from the connection's peer.
	Address func(*http.Request) netip.Addr
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/pages.css
var styleSheet []byte

// maxForm bounds a form in bytes.
const maxForm = 128 << 10

// site is Pages made ready.
type site struct {
	*Pages
	root       string // path of Base
	origin     string // of Base
	seal       *sealer
	catalogues []*catalogue
	templates  map[*catalogue]*template.Template
	style      string // address of the style sheet, another for another content
}

// Handler makes the pages' handler, for all that is below /auth and that the
// protocol endpoints do not take. The error is of the store.
func (p *Pages) Handler(ctx context.Context) (http.Handler, error) {
	base, err := url.Parse(p.Base)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	s := &site{Pages: p, root: strings.TrimSuffix(base.Path, "/"), origin: base.Scheme + "://" + base.Host, templates: make(map[*catalogue]*template.Template)}
	if s.seal, err = loadSealer(ctx, p.Store); err != nil {
		return nil, err
	}
	if s.catalogues, err = loadCatalogues(); err != nil {
		return nil, err
	}
	for _, c := range s.catalogues {
		words := template.FuncMap{"t": c.text, "lang": c.tag.String}
		if s.templates[c], err = template.New("").Funcs(words).ParseFS(templateFiles, "templates/*.html"); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(styleSheet)
	s.style = s.root + "/auth/pages.css?" + hex.EncodeToString(sum[:6])
	return s.routes(), nil
}

type handler func(v *visit) error

// routes lists the pages.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range map[string]map[string]handler{
		"/auth/authorize":         {http.MethodGet: authorizePage, http.MethodPost: authorizePage},
		"/auth/login":             {http.MethodGet: loginPage, http.MethodPost: loginForm},
		"/auth/upstream":          {http.MethodGet: upstreamPage},
		"/auth/upstream/callback": {http.MethodGet: callbackPage},
		"/auth/patient":           {http.MethodGet: pickerPage, http.MethodPost: pickerForm},
		"/auth/consent":           {http.MethodGet: consentPage, http.MethodPost: consentForm},
		"/auth/deny":              {http.MethodPost: denyForm},
		"/auth/apps":              {http.MethodGet: appsPage, http.MethodPost: appsForm},
		"/auth/logout":            {http.MethodGet: logoutPage, http.MethodPost: logoutForm},
	} {
		mux.Handle(s.root+path, s.page(methods))
	}
	mux.HandleFunc(s.root+"/auth/pages.css", s.css)
	mux.Handle(s.root+"/auth/", s.page(nil))
	return mux
}

func (s *site) css(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(styleSheet) // whoever went away needs no style
}

// page wraps the handlers of one address: headers, bounds, errors.
func (s *site) page(methods map[string]handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{site: s, w: w, r: r}
		v.words = choose(s.catalogues, "", r.Header.Get("Accept-Language"))
		v.protect()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h, ok := methods[method]
		var err error
		switch {
		case methods == nil:
			err = &problem{status: http.StatusNotFound, what: "error.missing"}
		case !ok:
			err = &problem{status: http.StatusMethodNotAllowed, what: "error.method"}
		default:
			err = h(v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// protect sets what keeps the page from being framed, scripted or kept. Where the form
// may lead, redirects included, is this server and the places given: the app's,
// or a provider's.
func (v *visit) protect(places ...string) {
	h := v.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action "+
		strings.Join(append([]string{"'self'"}, places...), " "))
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: browsers then send "Origin: null" with our own forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}

// place gives what stands for an address in form-action: its origin, or the scheme of
// an app's own.
func place(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme == "":
		return "'self'"
	case u.Scheme == "https" || u.Scheme == "http":
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}

// problem is what a person is told on the error page.
type problem struct {
	status int
	what   string // key of the message
	detail string // for the app's makers, in English
	again  bool   // say what to do now
	err    error  // private cause
}

func (p *problem) Error() string {
	if p.err != nil {
		return p.what + ": " + p.err.Error()
	}
	return p.what
}

func (p *problem) Unwrap() error { return p.err }

// fail shows the error page. What is no *problem is a fault of ours.
func (v *visit) fail(err error) {
	var p *problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
	case errors.As(err, &tooLarge):
		p = &problem{status: http.StatusRequestEntityTooLarge, what: "error.request", err: err}
	case errors.Is(err, context.Canceled):
		return // nobody waits for the page
	case errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded):
		p = &problem{status: http.StatusServiceUnavailable, what: "error.server", err: err}
	default:
		p = &problem{status: http.StatusInternalServerError, what: "error.server", err: err}
	}
	if v.Log != nil && p.status >= http.StatusInternalServerError {
		v.Log.LogAttrs(v.r.Context(), slog.LevelError, "page failed", slog.String("path", v.r.URL.Path), slog.Any("cause", p.err))
	}
	err = v.show(p.status, "error", struct {
		common
		What   string
		Again  bool
		Detail string
	}{v.common("error.title"), v.words.say(p.what), p.again, p.detail})
	if err != nil && v.Log != nil {
		v.Log.LogAttrs(v.r.Context(), slog.LevelError, "error page failed", slog.Any("cause", err))
	}
}
