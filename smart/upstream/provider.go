package upstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/oauth2"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/store"
)

// What can go wrong, besides the store and the provider failing.
var (
	// ErrState means that the answer does not belong to a sign-in that began in this
	// browser, or was given before.
	ErrState = errors.New("upstream: the state is unknown")
	// ErrRefused means that the provider did not sign the person in, or that its
	// answer does not hold.
	ErrRefused = errors.New("upstream: the provider did not sign the person in")
	// ErrUnmapped means that the provider vouches for somebody of whom no rule says who
	// that is here.
	ErrUnmapped = errors.New("upstream: no rule says who this is")
)

const collection = "portico_upstream"

// stateAge is how long somebody may take at the provider.
const stateAge = 10 * time.Minute

// Provider is an identity provider. Safe for concurrent use.
type Provider struct {
	ID       string // in addresses and forms: letters and digits
	Name     string // as people know it
	Issuer   string
	ClientID string
	Secret   string   // empty: a public client, with PKCE alone
	Redirect string   // where the provider sends the browser back to
	Scopes   []string // besides openid
	Rules    []Rule
	// Userinfo also asks the userinfo endpoint for claims, for providers that put few
	// into the id token.
	Userinfo bool
	// Lookup finds a person by a business identifier, for rules with a System.
	Lookup Lookup
	Store  store.Store
	Now    func() time.Time // nil: time.Now
	// Transport carries requests to the provider; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout is how long the provider may take for an answer; 0: 10 s.
	Timeout time.Duration

	mu    sync.Mutex
	known *oidc.Provider
}

// Indexes are those that the package's collection needs.
func Indexes() []store.Index {
	return []store.Index{{Collection: collection, Name: "gone", Keys: []store.Key{{Path: "gone"}}, ExpireAfter: time.Second}}
}

// signIn is a sign-in under way.
type signIn struct {
	ID       string    `bson:"_id"`
	Provider string    `bson:"provider"`
	Nonce    string    `bson:"nonce"`
	Verifier string    `bson:"verifier"`
	Request  string    `bson:"request"`
	Browser  string    `bson:"browser"`
	Forced   bool      `bson:"forced"`
	Made     time.Time `bson:"made"`
	Gone     time.Time `bson:"gone"`
}

func (p *Provider) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// maxAnswer bounds an answer of the provider, in bytes.
const maxAnswer = 1 << 20

// client gives a context under which the provider is asked within bounds.
func (p *Provider) client(ctx context.Context) context.Context {
	transport := p.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return oidc.ClientContext(ctx, &http.Client{Transport: bounded{transport}, Timeout: cmp.Or(p.Timeout, 10*time.Second)})
}

// bounded cuts answers off.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// discover gives the provider's endpoints and keys, which are asked for once it is
// first needed: a provider that is down keeps no server from starting.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	// The key set keeps the context's client; it must outlive this request.
	known, err := oidc.NewProvider(p.client(context.WithoutCancel(ctx)), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %w", p.ID, err)
	}
	p.known = known
	return known, nil
}

func (p *Provider) oauth(known *oidc.Provider) *oauth2.Config {
	scopes := append([]string{oidc.ScopeOpenID}, p.Scopes...)
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: known.Endpoint(), RedirectURL: p.Redirect, Scopes: scopes}
}

// Start begins a sign-in and gives the address to send the browser to. Request is
// given back by Finish; browser is a secret of the browser. With force the person must
// prove again who it is, even if the provider remembers.
func (p *Provider) Start(ctx context.Context, request, browser string, force bool) (address string, err error) {
	known, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	state, now := rand.Text(), p.now().UTC()
	s := signIn{
		ID: digest(state), Provider: p.ID, Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Request: request,
		Browser: digest(browser), Forced: force, Made: now, Gone: now.Add(stateAge),
	}
	doc, err := bson.Marshal(s)
	if err == nil {
		err = p.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: collection, Doc: doc}})
	}
	if err != nil {
		return "", fmt.Errorf("upstream %s: begin: %w", p.ID, err)
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)}
	if force {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return p.oauth(known).AuthCodeURL(state, options...), nil
}

// Person is somebody whom a provider vouches for.
type Person struct {
	Issuer, Subject string
	Account         account.Account // Name, Roles and Person
}

// Started is a sign-in that an answer belongs to.
type Started struct {
	Provider string // ID
	Request  string // as Start was given it
	s        signIn
}

// Resume finds the sign-in under way that an answer (the parameters of the redirect)
// belongs to, and ends it: it is found once. Browser gives the secret of the browser
// for a request. ErrState when there is none, or when it began in another browser.
func Resume(ctx context.Context, st store.Store, answer url.Values, browser func(request string) string, now time.Time) (*Started, error) {
	if len(answer["state"]) != 1 {
		return nil, ErrState
	}
	id := digest(answer.Get("state"))
	doc, err := store.Get(ctx, st, collection, id)
	if err != nil {
		return nil, fmt.Errorf("upstream: resume: %w", err)
	}
	if doc == nil {
		return nil, ErrState
	}
	var s signIn
	if err := bson.Unmarshal(doc, &s); err != nil {
		return nil, fmt.Errorf("upstream: resume: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(digest(browser(s.Request))), []byte(s.Browser)) != 1 {
		return nil, ErrState // left in place: it is not for this browser to end
	}
	err = st.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: collection, ID: store.String(id)}})
	if errors.Is(err, store.ErrConflict) || err == nil && !now.Before(s.Gone) {
		return nil, ErrState
	}
	if err != nil {
		return nil, fmt.Errorf("upstream: resume: %w", err)
	}
	return &Started{Provider: s.Provider, Request: s.Request, s: s}, nil
}

// Finish exchanges the code of an answer and gives the person whom the provider vouches
// for. The error is ErrRefused or ErrUnmapped, with the reason behind, or of the store or
// the provider.
func (p *Provider) Finish(ctx context.Context, started *Started, answer url.Values) (Person, error) {
	refused := func(why string) (Person, error) { return Person{}, fmt.Errorf("%w: %s", ErrRefused, why) }
	switch {
	case started.Provider != p.ID:
		return refused("the sign-in began with another provider")
	case answer.Has("iss") && answer.Get("iss") != p.Issuer: // RFC 9207 2.4
		return refused("the answer is of another issuer")
	case answer.Has("error"):
		return refused("it answered with an error")
	case answer.Get("code") == "":
		return refused("there is no code")
	}
	known, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	tokens, err := p.oauth(known).Exchange(p.client(ctx), answer.Get("code"), oauth2.VerifierOption(started.s.Verifier))
	var said *oauth2.RetrieveError
	if errors.As(err, &said) {
		return refused("the code was not taken: " + said.ErrorCode)
	}
	if err != nil {
		return Person{}, fmt.Errorf("upstream %s: exchange: %w", p.ID, err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := known.Verifier(&oidc.Config{ClientID: p.ClientID, Now: p.now}).Verify(p.client(ctx), raw)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(started.s.Nonce)) != 1 {
		return refused("the nonce is not that of the request")
	}
	if id.Subject == "" {
		return refused("the token is about nobody")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if azp, ok := claims["azp"].(string); ok && azp != p.ClientID {
		return refused("the token was issued to another client")
	}
	if started.s.Forced && !recent(claims, started.s.Made) {
		return refused("the person did not sign in again")
	}
	if p.Userinfo {
		if err := p.userinfo(ctx, known, tokens, id.Subject, claims); err != nil {
			return Person{}, err
		}
	}
	who, err := p.Identify(ctx, claims)
	if err != nil {
		return Person{}, err
	}
	return Person{Issuer: id.Issuer, Subject: id.Subject, Account: who}, nil
}

// userinfo adds the claims of the userinfo endpoint to those of the id token, which
// count for more.
func (p *Provider) userinfo(ctx context.Context, known *oidc.Provider, tokens *oauth2.Token, subject string, claims map[string]any) error {
	info, err := known.UserInfo(p.client(ctx), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("upstream %s: userinfo: %w", p.ID, err)
	}
	if info.Subject != subject { // OpenID Connect Core 5.3.2
		return fmt.Errorf("%w: the userinfo is about somebody else", ErrRefused)
	}
	var more map[string]any
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for name, value := range more {
		if _, said := claims[name]; !said {
			claims[name] = value
		}
	}
	return nil
}

// skew is how far the provider's clock may be off.
const skew = 2 * time.Minute

// recent reports whether the person signed in after since.
func recent(claims map[string]any, since time.Time) bool {
	at, ok := claims["auth_time"].(float64)
	return ok && !time.Unix(int64(at), 0).Before(since.Add(-skew))
}

// Validate says what is wrong with the configuration of the provider.
func (p *Provider) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(p.Issuer)
	check(p.ID != "", "the id is missing")
	check(p.Name != "", "the name, which people read on the page for signing in, is missing")
	check(err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())),
		"the issuer must be https://…, or http on a loopback address")
	check(p.ClientID != "", "the client-id is missing")
	check(len(p.Rules) > 0, "there is no rule that says who people are: nobody could sign in")
	for i, r := range p.Rules {
		if err := r.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("rule %d: %w", i+1, err))
		}
	}
	return errors.Join(faults...)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
