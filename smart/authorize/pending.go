package authorize

import (
	"context"
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
	ID      string // unguessable; the browser has it
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

// pendingDocument is the stored form.
type pendingDocument struct {
	ID        string          `bson:"_id"`
	Client    string          `bson:"client"`
	Redirect  string          `bson:"redirect"`
	State     string          `bson:"state"`
	Scope     string          `bson:"scope"`
	Challenge string          `bson:"challenge"`
	Created   time.Time       `bson:"created"`
	Gone      time.Time       `bson:"gone"`
	Nonce     string          `bson:"nonce,omitempty"`
	Prompt    []string        `bson:"prompt,omitempty"`
	MaxAge    *int64          `bson:"max_age,omitempty"` // seconds
	LoginHint string          `bson:"login_hint,omitempty"`
	Locales   string          `bson:"locales,omitempty"`
	Launch    *launchDocument `bson:"launch,omitempty"`
}

// insertOp stores p under a new id, which it sets.
func (a *Authorizations) insertOp(p *Pending) (store.Op, error) {
	var stored string
	p.ID, stored = newID()
	d := pendingDocument{
		ID: stored, Client: p.Client.ID, Redirect: p.RedirectURI, State: p.state, Scope: p.Scopes.String(), Challenge: p.challenge,
		Created: p.Created, Gone: p.Created.Add(pendingLife), Nonce: p.Nonce, Prompt: p.Prompt, LoginHint: p.LoginHint, Locales: p.UILocales,
	}
	if p.MaxAge != nil {
		seconds := int64(*p.MaxAge / time.Second)
		d.MaxAge = &seconds
	}
	if p.Launch != nil {
		d.Launch = p.Launch.document()
	}
	doc, err := bson.Marshal(d)
	if err != nil {
		return store.Op{}, fmt.Errorf("encode an authorization request: %w", err)
	}
	return store.Op{Kind: store.Insert, Collection: pendings, Doc: doc}, nil
}

// Pending gives a request by its id; ErrUnknown when there is none, or its client is
// not registered any more.
func (a *Authorizations) Pending(ctx context.Context, id string) (*Pending, error) {
	doc, err := store.Get(ctx, a.Store, pendings, hashed(id))
	if err != nil {
		return nil, fmt.Errorf("read an authorization request: %w", err)
	}
	if doc == nil {
		return nil, ErrUnknown
	}
	var d pendingDocument
	if err := bson.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("decode an authorization request: %w", err)
	}
	if !a.now().Before(d.Gone) {
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
	if d.Launch != nil {
		p.Launch = d.Launch.launch()
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
