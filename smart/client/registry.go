package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

// The collections.
const (
	clients    = "portico_clients"
	assertions = "portico_assertions"
)

// ErrUnknown says that there is no such client.
var ErrUnknown = errors.New("no such client")

// ErrTaken says that there is a client of that id already.
var ErrTaken = errors.New("there is a client of this id already")

// Registry keeps the clients. It is safe for concurrent use, by any number of nodes.
type Registry struct {
	Store store.Store
	// TokenURL is the audience that assertions must name.
	TokenURL string
	// Keys gets the key sets of clients that have them at a URL; nil: no client can
	// prove who it is in this way.
	Keys *jwks.Fetcher
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Log gets a line for each assertion that fails for a reason the client is not
	// told; nil: none.
	Log *slog.Logger

	origins atomic.Pointer[origins]
	reload  sync.Mutex
}

// origins are those of all clients, as they were some seconds ago.
type origins struct {
	all map[string]bool
	at  time.Time
}

// originsAge is how old the known origins may be. They open nothing by themselves.
const originsAge = 10 * time.Second

func (r *Registry) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// Ensure declares the indexes.
func (r *Registry) Ensure(ctx context.Context) error {
	err := r.Store.Ensure(ctx, []store.Index{
		{Collection: assertions, Name: "gone", Keys: []store.Key{{Path: "gone"}}, ExpireAfter: time.Minute},
	})
	if err != nil {
		return fmt.Errorf("index the clients: %w", err)
	}
	return nil
}

// Get gives a client, ErrUnknown when there is none of this id. A disabled one is
// given, too.
func (r *Registry) Get(ctx context.Context, id string) (*Client, error) {
	if id == "" || len(id) > maxID {
		return nil, ErrUnknown
	}
	doc, err := store.Get(ctx, r.Store, clients, id)
	if err != nil {
		return nil, fmt.Errorf("read a client: %w", err)
	}
	if doc == nil {
		return nil, ErrUnknown
	}
	return decode(doc)
}

// List gives all clients by their ids.
func (r *Registry) List(ctx context.Context) ([]*Client, error) {
	var all []*Client
	for doc, err := range r.Store.Find(ctx, store.Query{Collection: clients}) {
		if err != nil {
			return nil, fmt.Errorf("list the clients: %w", err)
		}
		c, err := decode(doc)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// Add registers a client. ErrTaken when its id is; the faults of Validate.
func (r *Registry) Add(ctx context.Context, c *Client) error {
	doc, err := r.encode(c)
	if err != nil {
		return err
	}
	err = r.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: clients, Doc: doc}})
	if errors.Is(err, store.ErrExists) {
		return ErrTaken
	}
	if err != nil {
		return fmt.Errorf("add a client: %w", err)
	}
	return nil
}

// Put changes a client. ErrUnknown when there is none of this id; the faults of
// Validate. What was issued to a client that is disabled, or has less scopes now,
// must be revoked by whoever does that.
func (r *Registry) Put(ctx context.Context, c *Client) error {
	doc, err := r.encode(c)
	if err != nil {
		return err
	}
	err = r.Store.Apply(ctx, []store.Op{{Kind: store.Replace, Collection: clients, ID: store.String(c.ID), Doc: doc}})
	if errors.Is(err, store.ErrConflict) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("change a client: %w", err)
	}
	return nil
}

// Remove forgets a client. ErrUnknown when there is none of this id. What was issued to
// it must be revoked by whoever does that.
func (r *Registry) Remove(ctx context.Context, id string) error {
	err := r.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: clients, ID: store.String(id)}})
	if errors.Is(err, store.ErrConflict) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("remove a client: %w", err)
	}
	return nil
}

// Origin reports whether pages of this origin belong to an app: browsers may then
// call from there, with a token or client_id of that app. A new one is known within
// seconds. Whatever goes wrong means no.
func (r *Registry) Origin(ctx context.Context, origin string) bool {
	known := r.origins.Load()
	if known != nil && r.now().Sub(known.at) < originsAge {
		return known.all[origin]
	}
	r.reload.Lock()
	defer r.reload.Unlock()
	if now := r.origins.Load(); now != known {
		return now.all[origin] // somebody else did it meanwhile
	}
	list, err := r.List(ctx)
	if err != nil {
		return known != nil && known.all[origin]
	}
	fresh := &origins{all: make(map[string]bool), at: r.now()}
	for _, c := range list {
		for _, o := range c.Origins {
			fresh.all[o] = fresh.all[o] || !c.Disabled
		}
	}
	r.origins.Store(fresh)
	return fresh.all[origin]
}

// document is how a client is stored.
type document struct {
	ID        string    `bson:"_id"`
	Name      string    `bson:"name"`
	Kind      Kind      `bson:"kind"`
	Secret    []byte    `bson:"secret,omitempty"`
	Redirects []string  `bson:"redirects,omitempty"`
	Origins   []string  `bson:"origins,omitempty"`
	Launch    string    `bson:"launch,omitempty"`
	JWKS      string    `bson:"jwks,omitempty"`
	JWKSURL   string    `bson:"jwks_url,omitempty"`
	Scopes    string    `bson:"scopes"`
	Grants    []string  `bson:"grants"`
	Disabled  bool      `bson:"disabled,omitempty"`
	Created   time.Time `bson:"created"`
}

func (r *Registry) encode(c *Client) (store.Doc, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	created := c.Created
	if created.IsZero() {
		created = r.now()
	}
	doc, err := bson.Marshal(document{
		ID: c.ID, Name: c.Name, Kind: c.Kind, Secret: c.SecretHash, Redirects: c.Redirects, Origins: c.Origins, Launch: c.LaunchURL,
		JWKS: string(c.JWKS), JWKSURL: c.JWKSURL, Scopes: c.Scopes.String(), Grants: c.Grants, Disabled: c.Disabled, Created: created,
	})
	if err != nil {
		return nil, fmt.Errorf("encode a client: %w", err)
	}
	return doc, nil
}

func decode(doc store.Doc) (*Client, error) {
	var d document
	if err := bson.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("decode a client: %w", err)
	}
	c := &Client{
		ID: d.ID, Name: d.Name, Kind: d.Kind, SecretHash: d.Secret, Redirects: d.Redirects, Origins: d.Origins, LaunchURL: d.Launch,
		JWKSURL: d.JWKSURL, Grants: d.Grants, Disabled: d.Disabled, Created: d.Created.UTC(),
	}
	if d.JWKS != "" {
		c.JWKS = []byte(d.JWKS)
	}
	c.Scopes, _ = scope.Parse(d.Scopes) // what is not understood is not granted
	return c, nil
}
