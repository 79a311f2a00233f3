package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

// Authorization is what somebody allowed an app.
type Authorization struct {
	ID        string // given by New and by List
	Client    string // client_id
	Kind      access.Kind
	Account   string
	Actor     fhir.Key
	Patient   string // logical id
	Encounter string // logical id
	Grant     string // of a proxy
	Scopes    scope.Set
	Session   string // in which it was given
	AuthTime  time.Time
	Launch    Launch
	Created   time.Time
	Used      time.Time // when a token was last issued
	Expires   time.Time // when the app must ask again, unless it is used; List only
}

// Launch is what an EHR says about a launch, beside patient and encounter. The zero
// value is that of a standalone launch.
type Launch struct {
	Intent string `bson:"intent,omitempty"`
	// NoBanner says that the EHR already shows whose chart is open.
	NoBanner bool `bson:"no_banner,omitempty"`
	// Style is the URL of how the EHR looks; empty: the server's own.
	Style string `bson:"style,omitempty"`
	// FHIRContext is a JSON array of more resources in context; nil: none.
	FHIRContext json.RawMessage `bson:"fhir_context,omitempty"`
}

// Request is what a code is bound to.
type Request struct {
	Redirect  string // redirect_uri
	Challenge string // code_challenge, of method S256
	Nonce     string
}

// New makes a code for an authorization that was just given, and the op that stores
// both: the code is good once it was applied.
func (t *Tokens) New(a Authorization, q Request) (text string, op store.Op, err error) {
	if a.Kind == 0 || a.Kind == access.System || a.Account == "" || a.Actor == (fhir.Key{}) || q.Redirect == "" || q.Challenge == "" {
		return "", store.Op{}, errors.New("an authorization without a person, or a code that is bound to nothing")
	}
	now := t.now()
	r := &record{
		ID: random(idLength), Client: a.Client, Kind: a.Kind.String(), Scope: a.Scopes.String(), Account: a.Account,
		ActorType: string(a.Actor.Type), ActorID: a.Actor.ID, Patient: a.Patient, Encounter: a.Encounter, Grant: a.Grant,
		Session: a.Session, AuthTime: a.AuthTime, Launch: &a.Launch, Created: now, Used: now,
	}
	text = codePrefix + r.ID + random(secretLength)
	r.Code = &code{Hash: hash(text), Expires: now.Add(t.Lifetimes.code()), Redirect: q.Redirect, Challenge: q.Challenge, Nonce: q.Nonce}
	op, err = insert(r)
	return text, op, err
}

// List gives what an account has allowed and is still in force, the oldest first.
func (t *Tokens) List(ctx context.Context, account string) ([]Authorization, error) {
	var all []Authorization
	now := t.now()
	q := store.Query{Collection: collection, Where: store.Eq{Path: fieldAccount, Value: store.String(account)}, Order: []store.Key{{Path: "created"}}}
	for doc, err := range t.Store.Find(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("list authorizations: %w", err)
		}
		r, err := decode(doc)
		if err != nil {
			return nil, err
		}
		if r.lives(now) {
			all = append(all, r.authorization())
		}
	}
	return all, nil
}

func (r *record) authorization() Authorization {
	a := Authorization{
		ID: r.ID, Client: r.Client, Kind: access.ParseKind(r.Kind), Account: r.Account, Actor: r.actor(), Patient: r.Patient,
		Encounter: r.Encounter, Grant: r.Grant, Scopes: r.scopes(), Session: r.Session, AuthTime: r.AuthTime, Created: r.Created, Used: r.Used,
	}
	if r.Launch != nil {
		a.Launch = *r.Launch
	}
	for _, one := range r.Access {
		a.Expires = later(a.Expires, one.Expires)
	}
	if r.Refresh != nil {
		a.Expires = later(a.Expires, r.Refresh.Expires)
	}
	return a
}

// End ends one authorization of an account at once. False when the account has none
// of this id.
func (t *Tokens) End(ctx context.Context, account, id string) (bool, error) {
	r, err := t.read(ctx, id)
	if err != nil || r == nil || account == "" || r.Account != account {
		return false, err
	}
	return true, t.end(ctx, id)
}

// EndAccount ends all that an account has allowed; for one that is disabled.
func (t *Tokens) EndAccount(ctx context.Context, account string) error {
	return t.endAll(ctx, fieldAccount, account, nil)
}

// EndClient ends all that was allowed to a client, its own tokens included; for one
// that is disabled, or may do less now.
func (t *Tokens) EndClient(ctx context.Context, client string) error {
	return t.endAll(ctx, fieldClient, client, nil)
}

// EndSession ends what was allowed for the time of a session: online_access. What is
// for longer stays.
func (t *Tokens) EndSession(ctx context.Context, session string) error {
	return t.endAll(ctx, fieldSession, session, (*record).online)
}

// online reports whether an authorization ends with its session.
func (r *record) online() bool {
	s := r.scopes()
	return s.Has(scope.OnlineAccess) && !s.Has(scope.OfflineAccess)
}

// endAll ends the authorizations with a value in a field that satisfy a condition.
func (t *Tokens) endAll(ctx context.Context, field, value string, only func(*record) bool) error {
	if value == "" {
		return nil
	}
	var ids []string
	q := store.Query{Collection: collection, Where: store.Eq{Path: field, Value: store.String(value)}}
	for doc, err := range t.Store.Find(ctx, q) {
		if err != nil {
			return fmt.Errorf("end authorizations: %w", err)
		}
		r, err := decode(doc)
		if err != nil {
			return err
		}
		if only == nil || only(r) {
			ids = append(ids, r.ID)
		}
	}
	for _, id := range ids {
		if err := t.end(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
