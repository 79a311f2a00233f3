package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

const collection = "portico_authorizations"

// The fields that are searched by.
const (
	fieldVersion = "v"
	fieldAccount = "account"
	fieldClient  = "client"
	fieldSession = "session"
	fieldGone    = "gone"
)

// forget is how long a document outlives what is in it, so that a token which has just
// expired is told from one that never was.
const forget = 5 * time.Minute

// record is the stored form of an authorization.
type record struct {
	ID        string    `bson:"_id"`
	Version   int64     `bson:"v"`
	Client    string    `bson:"client"`
	Kind      string    `bson:"kind"`
	Scope     string    `bson:"scope"`
	Account   string    `bson:"account,omitempty"`
	ActorType string    `bson:"actor_type,omitempty"`
	ActorID   string    `bson:"actor_id,omitempty"`
	Patient   string    `bson:"patient,omitempty"`
	Encounter string    `bson:"encounter,omitempty"`
	Grant     string    `bson:"grant,omitempty"`
	Session   string    `bson:"session,omitempty"`
	AuthTime  time.Time `bson:"auth_time,omitempty"`
	Launch    *Launch   `bson:"launch,omitempty"`
	Created   time.Time `bson:"created"`
	Used      time.Time `bson:"used"`
	Gone      time.Time `bson:"gone"`
	Code      *code     `bson:"code,omitempty"`
	Access    []issued  `bson:"access,omitempty"`
	Refresh   *refresh  `bson:"refresh,omitempty"`
}

// code is what stands behind a code, and stays when it was exchanged, so that a
// second exchange is noticed.
type code struct {
	Hash      []byte    `bson:"hash"`
	Expires   time.Time `bson:"exp"`
	Redirect  string    `bson:"redirect"`
	Challenge string    `bson:"challenge"`
	Nonce     string    `bson:"nonce,omitempty"`
	Spent     bool      `bson:"spent,omitempty"`
}

// issued is an access token.
type issued struct {
	Hash    []byte    `bson:"hash"`
	At      time.Time `bson:"iat"`
	Expires time.Time `bson:"exp"`
	Scope   string    `bson:"scope,omitempty"` // where it is less than the authorization's
}

// refresh is the current refresh token, and the one before it.
type refresh struct {
	Family   []byte    `bson:"family"`
	Hash     []byte    `bson:"hash"`
	Expires  time.Time `bson:"exp"`
	Previous []byte    `bson:"previous,omitempty"`
	Rotated  time.Time `bson:"rotated,omitempty"` // when Previous gave way
}

// scopes are those that the person agreed to.
func (r *record) scopes() scope.Set {
	set, _ := scope.Parse(r.Scope) // what is not understood is not granted
	return set
}

// actor is the person who acts.
func (r *record) actor() fhir.Key {
	return fhir.Key{Type: fhir.Type(r.ActorType), ID: r.ActorID}
}

// access is what an access token of the authorization stands for.
func (r *record) access(one issued) *access.Access {
	scopes := r.scopes()
	if one.Scope != "" {
		narrowed, _ := scope.Parse(one.Scope)
		scopes = narrowed.Intersect(scopes)
	}
	return access.Access{
		Kind: access.ParseKind(r.Kind), Actor: r.actor(), Patient: r.Patient, Encounter: r.Encounter, Scopes: scopes,
		Account: r.Account, Client: r.Client, Grant: r.Grant, Token: r.ID,
	}.Shared()
}

// lives reports whether something of it can still be used.
func (r *record) lives(now time.Time) bool {
	if r.Refresh != nil && now.Before(r.Refresh.Expires) {
		return true
	}
	for _, one := range r.Access {
		if now.Before(one.Expires) {
			return true
		}
	}
	return false
}

// encode gives the document, with the time when it may go.
func (r *record) encode() (store.Doc, error) {
	last := r.Used
	if r.Code != nil && !r.Code.Spent {
		last = later(last, r.Code.Expires)
	}
	if r.Refresh != nil {
		last = later(last, r.Refresh.Expires)
	}
	for _, one := range r.Access {
		last = later(last, one.Expires)
	}
	r.Gone = last.Add(forget)
	doc, err := bson.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode an authorization: %w", err)
	}
	return doc, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func decode(doc store.Doc) (*record, error) {
	r := new(record)
	if err := bson.Unmarshal(doc, r); err != nil {
		return nil, fmt.Errorf("decode an authorization: %w", err)
	}
	return r, nil
}

// read gives an authorization, nil when there is none.
func (t *Tokens) read(ctx context.Context, id string) (*record, error) {
	doc, err := store.Get(ctx, t.Store, collection, id)
	if err != nil {
		return nil, fmt.Errorf("read an authorization: %w", err)
	}
	if doc == nil {
		return nil, nil
	}
	return decode(doc)
}

// errChanged: somebody else changed, or ended, the authorization meanwhile.
var errChanged = errors.New("the authorization was changed meanwhile")

// insert is the op that stores a new authorization.
func insert(r *record) (store.Op, error) {
	doc, err := r.encode()
	return store.Op{Kind: store.Insert, Collection: collection, Doc: doc}, err
}

// replace stores a changed authorization, unless it was changed since it was read:
// errChanged.
func (t *Tokens) replace(ctx context.Context, r *record) error {
	was := r.Version
	r.Version++
	doc, err := r.encode()
	if err != nil {
		return err
	}
	err = t.Store.Apply(ctx, []store.Op{{
		Kind: store.Replace, Collection: collection, ID: store.String(r.ID), Doc: doc,
		If: store.Eq{Path: fieldVersion, Value: store.V(was)},
	}})
	if errors.Is(err, store.ErrConflict) {
		return errChanged
	}
	if err != nil {
		return fmt.Errorf("store an authorization: %w", err)
	}
	return nil
}

// end removes an authorization, and with it all its tokens. It is no error when
// it is gone already.
func (t *Tokens) end(ctx context.Context, id string) error {
	err := t.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: collection, ID: store.String(id)}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("end an authorization: %w", err)
	}
	return nil
}
