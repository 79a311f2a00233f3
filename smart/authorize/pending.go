package authorize

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

// Pending is a valid request that somebody is still to decide about.
type Pending struct {
	ID      string // the request itself, sealed; the browser has it
	Client  *client.Client
	Scopes  scope.Set // what the app asks for, as far as it may have it
	Launch  *Launch   // of an EHR launch; nil: standalone
	Created time.Time

	RedirectURI string
	Nonce       string
	Prompt      []string       // of none, login, consent, select_account
	MaxAge      *time.Duration // how long ago somebody may have signed in; nil: no matter
	LoginHint   string
	UILocales   string // language tags separated by spaces

	state     string
	challenge string
}

// Prompts reports whether the app asks for a prompt (OpenID Connect Core 3.1.2.1).
func (p *Pending) Prompts(what string) bool { return slices.Contains(p.Prompt, what) }

// NeedsPatient reports whether there must be a patient in context: the app asks for one,
// or for data of one.
func (p *Pending) NeedsPatient() bool {
	return p.Scopes.Reaches(scope.Patient) || p.Scopes.Has(scope.LaunchPatient) || p.Launch != nil && p.Launch.Patient != ""
}

// sealed is what an id holds.
type sealed struct {
	Client    string    `bson:"client"`
	Redirect  string    `bson:"redirect"`
	State     string    `bson:"state"`
	Scope     string    `bson:"scope"`
	Challenge string    `bson:"challenge"`
	Created   time.Time `bson:"created"`
	Nonce     string    `bson:"nonce,omitempty"`
	Prompt    []string  `bson:"prompt,omitempty"`
	MaxAge    *int64    `bson:"max_age,omitempty"` // seconds
	LoginHint string    `bson:"login_hint,omitempty"`
	Locales   string    `bson:"locales,omitempty"`
	Launch    string    `bson:"launch,omitempty"` // _id of its document
	Random    []byte    `bson:"random"`           // what makes the same request another one
}

// seal puts p into an id, which it sets. Launch is the _id of the launch's document.
func (a *Authorizations) seal(ctx context.Context, p *Pending, launch string) error {
	aead, err := a.aead(ctx)
	if err != nil {
		return err
	}
	d := sealed{
		Client: p.Client.ID, Redirect: p.RedirectURI, State: p.state, Scope: p.Scopes.String(), Challenge: p.challenge, Created: p.Created,
		Nonce: p.Nonce, Prompt: p.Prompt, LoginHint: p.LoginHint, Locales: p.UILocales, Launch: launch, Random: make([]byte, 16),
	}
	_, _ = rand.Read(d.Random) // never fails
	if p.MaxAge != nil {
		seconds := int64(*p.MaxAge / time.Second)
		d.MaxAge = &seconds
	}
	plain, err := bson.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode an authorization request: %w", err)
	}
	p.ID = base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, []byte(purpose)))
	return nil
}

// open gives what an id holds; false when it is none of ours, or too old.
func (a *Authorizations) open(ctx context.Context, id string) (d sealed, ok bool, err error) {
	aead, err := a.aead(ctx)
	if err != nil {
		return sealed{}, false, err
	}
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return sealed{}, false, nil
	}
	plain, err := aead.Open(nil, nil, bytes, []byte(purpose))
	if err != nil {
		return sealed{}, false, nil
	}
	if err := bson.Unmarshal(plain, &d); err != nil {
		return sealed{}, false, fmt.Errorf("decode an authorization request: %w", err)
	}
	return d, a.now().Before(d.Created.Add(pendingLife)), nil
}

// purpose is what the ids are sealed for, and the name of the key.
const purpose = "authorize"

// aead seals ids with a key that all nodes share.
func (a *Authorizations) aead(ctx context.Context) (cipher.AEAD, error) {
	if known := a.known.Load(); known != nil {
		return *known, nil
	}
	key, err := store.SharedKey(ctx, a.Store, purpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the key of authorization requests: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("the key of authorization requests: %w", err)
	}
	a.known.Store(&aead)
	return aead, nil
}

// Pending gives a request by its id; ErrUnknown when there is none, it is over, or its
// client is not registered any more.
func (a *Authorizations) Pending(ctx context.Context, id string) (*Pending, error) {
	d, ok, err := a.open(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrUnknown
	}
	over, err := store.Get(ctx, a.Store, pendings, hashed(id))
	if err != nil {
		return nil, fmt.Errorf("read an authorization request: %w", err)
	}
	if over != nil {
		return nil, ErrUnknown
	}
	c, err := a.Clients.Get(ctx, d.Client)
	if errors.Is(err, client.ErrUnknown) || err == nil && c.Disabled {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	scopes, _ := scope.Parse(d.Scope)
	p := &Pending{
		ID: id, Client: c, Scopes: scopes, Created: d.Created.UTC(), RedirectURI: d.Redirect, Nonce: d.Nonce, Prompt: d.Prompt,
		LoginHint: d.LoginHint, UILocales: d.Locales, state: d.State, challenge: d.Challenge,
	}
	if d.MaxAge != nil {
		age := time.Duration(*d.MaxAge) * time.Second
		p.MaxAge = &age
	}
	if d.Launch != "" {
		l, err := a.launch(ctx, d.Launch)
		if err != nil {
			return nil, err
		}
		if l == nil {
			return nil, ErrUnknown
		}
		p.Launch = l.launch()
	}
	return p, nil
}

// back is where the browser goes with an answer: the redirect URI as it was sent, with
// the state as it was sent, and the issuer, so that an app that knows several servers
// is not led astray (RFC 9207).
func (a *Authorizations) back(redirect, state string, pairs ...string) string {
	var b strings.Builder
	b.WriteString(redirect)
	separator := byte('?')
	if strings.Contains(redirect, "?") {
		separator = '&'
	}
	if state != "" {
		pairs = append(pairs, "state", state)
	}
	pairs = append(pairs, "iss", a.Issuer)
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte(separator)
		separator = '&'
		b.WriteString(pairs[i])
		b.WriteByte('=')
		// Not every app takes a plus sign for a space.
		b.WriteString(strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return b.String()
}

// refusal is the redirect that tells an app of an error.
func (a *Authorizations) refusal(redirect, state string, e *oauth.Error) string {
	pairs := []string{"error", string(e.Code)}
	if e.Description != "" {
		pairs = append(pairs, "error_description", e.Description)
	}
	return a.back(redirect, state, pairs...)
}
