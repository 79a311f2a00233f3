package token

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/store"
)

// Authenticate gives what a bearer token stands for. Each time it reads the
// authorization, and the grant of a proxy, so that what was ended is refused by all
// nodes from the next request on. The Access is shared and read-only. The error is
// a *fhir.Error of CodeLogin, or a fault of the server.
func (t *Tokens) Authenticate(ctx context.Context, bearer string) (*access.Access, error) {
	if t.Foreign != nil && !strings.HasPrefix(bearer, accessPrefix) {
		return t.Foreign.Authenticate(ctx, bearer)
	}
	_, known, err := t.find(ctx, bearer)
	if err != nil {
		return nil, err
	}
	return t.check(ctx, known)
}

// check gives what an access token stands for if it is good now; nil is none that was found.
func (t *Tokens) check(ctx context.Context, known *held) (*access.Access, error) {
	switch {
	case known == nil:
		return nil, errUnknown
	case !t.now().Before(known.expires):
		return nil, errExpired
	case known.access.Kind != access.Proxy:
		return known.access, nil
	}
	now, live, err := t.granted(ctx, access.Proxy.String(), known.access.Grant)
	switch {
	case err != nil:
		return nil, err
	case !live:
		return nil, errUnknown
	}
	return known.access.Under(now, t.now()), nil
}

var (
	errUnknown = fhir.Errorf(fhir.CodeLogin, "http.Authorization", "The access token is not one that is good here: it is unknown, or was revoked.")
	errExpired = fhir.Errorf(fhir.CodeLogin, "http.Authorization", "The access token has expired. Get another with the refresh token, or ask the person again.")
)

// find gives the authorization of an access token, and the token in it; nil when
// there is none.
func (t *Tokens) find(ctx context.Context, bearer string) (*parsed, *held, error) {
	id := idOf(bearer, accessPrefix, secretLength)
	if id == "" {
		return nil, nil, nil
	}
	p, err := t.current(ctx, id)
	if err != nil || p == nil {
		return nil, nil, err
	}
	sum := sha256.Sum256([]byte(bearer))
	for i := range p.held {
		if subtle.ConstantTimeCompare(sum[:], p.held[i].hash) == 1 {
			return p, &p.held[i], nil
		}
	}
	return p, nil, nil
}

// current gives the authorization with an id as it is in the store now; nil when there is
// none.
func (t *Tokens) current(ctx context.Context, id string) (*parsed, error) {
	p := t.cache.get(id)
	mark, sole := int64(0), false
	if m, ok := t.Store.(store.Marker); ok {
		mark, sole = m.Mark()
	}
	if sole && p != nil && p.mark.Load() == mark {
		return p, nil // nothing at all was written since
	}
	doc, err := store.Get(ctx, t.Store, collection, id)
	if err != nil {
		return nil, fmt.Errorf("read an authorization: %w", err)
	}
	if doc == nil {
		t.cache.drop(id)
		return nil, nil
	}
	if p == nil || !bytes.Equal(p.raw, doc) {
		if p, err = parse(doc); err != nil {
			return nil, err
		}
		t.cache.put(id, p)
	}
	p.mark.Store(mark)
	return p, nil
}

// parsed is an authorization as it was read last, so that the same bytes are not
// taken apart for each request.
type parsed struct {
	raw    store.Doc
	record *record
	held   []held
	mark   atomic.Int64 // of the store, before it was read last
}

// held is an access token of an authorization.
type held struct {
	hash    []byte
	at      time.Time
	expires time.Time
	access  *access.Access
}

func parse(doc store.Doc) (*parsed, error) {
	r, err := decode(doc)
	if err != nil {
		return nil, err
	}
	p := &parsed{raw: doc, record: r}
	for _, one := range r.Access {
		p.held = append(p.held, held{hash: one.Hash, at: one.At, expires: one.Expires, access: r.access(one)})
	}
	return p, nil
}

// maxCached bounds how many authorizations are kept in memory.
const maxCached = 10_000

// cache keeps authorizations by their ids. What it holds is used only while the store
// has the same bytes.
type cache struct {
	mu  sync.RWMutex
	all map[string]*parsed
}

func (c *cache) get(id string) *parsed {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.all[id]
}

func (c *cache) put(id string, p *parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[string]*parsed)
	}
	if len(c.all) >= maxCached {
		for other := range c.all { // whichever comes first
			delete(c.all, other)
			break
		}
	}
	c.all[string([]byte(id))] = p // not the whole header that id is part of
}

func (c *cache) drop(id string) {
	c.mu.RLock()
	_, there := c.all[id]
	c.mu.RUnlock()
	if there {
		c.mu.Lock()
		delete(c.all, id)
		c.mu.Unlock()
	}
}
