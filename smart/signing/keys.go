package signing

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// Algorithm is what everything is signed with: the one that each OpenID Connect
// client must know.
const Algorithm = string(jose.RS256)

const (
	collection = "portico_keys"
	prefix     = "signing/"
	bits       = 2048
)

// Times in the life of a key.
const (
	lead   = 24 * time.Hour      // from publication to use
	period = 90 * 24 * time.Hour // of use
	linger = 24 * time.Hour      // of publication after use
	reload = time.Minute         // between looks at the store
)

// CacheAge is how long a key set may be kept by those who fetch it: less than what a
// new key is published ahead of its use.
const CacheAge = time.Hour

// Keys signs, and says what verifies. It is safe for concurrent use.
type Keys struct {
	Store store.Store
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	known  []key // by number
	loaded time.Time
}

// key is one key of the store.
type key struct {
	ID      string    `bson:"_id"`
	Kid     string    `bson:"kid"`
	PKCS8   []byte    `bson:"key"`
	Created time.Time `bson:"created"`
	From    time.Time `bson:"from"`
	Gone    time.Time `bson:"gone,omitempty"` // zero: not retired

	private *rsa.PrivateKey
}

func (k *Keys) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// Ensure declares the indexes and makes the first key.
func (k *Keys) Ensure(ctx context.Context) error {
	expiry := store.Index{Collection: collection, Name: "gone", Keys: []store.Key{{Path: "gone"}}, ExpireAfter: time.Hour}
	if err := k.Store.Ensure(ctx, []store.Index{expiry}); err != nil {
		return fmt.Errorf("index the signing keys: %w", err)
	}
	_, err := k.current(ctx)
	return err
}

// Sign makes a JWS in compact form of claims, which must marshal to a JSON object.
func (k *Keys) Sign(ctx context.Context, claims any) (string, error) {
	keys, err := k.current(ctx)
	if err != nil {
		return "", err
	}
	by := signer(keys, k.now())
	opts := new(jose.SignerOptions).WithType("JWT").WithHeader("kid", by.Kid)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: by.private}, opts)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text, nil
}

// signer is the newest key that may sign. The first of all may always.
func signer(keys []key, now time.Time) key {
	by := keys[0]
	for _, one := range keys[1:] {
		if !now.Before(one.From) {
			by = one
		}
	}
	return by
}

// JWKS gives the public keys as a JSON Web Key Set.
func (k *Keys) JWKS(ctx context.Context) ([]byte, error) {
	keys, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	for _, one := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: one.private.Public(), KeyID: one.Kid, Algorithm: Algorithm, Use: "sig"})
	}
	return json.Marshal(set)
}

// Rotate publishes a new key, which signs a day later. All nodes know it within a
// minute.
func (k *Keys) Rotate(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.add(ctx, lead)
}

// Replace makes a new key that signs at once, and withdraws all others: for keys that
// somebody else may have got hold of. Relying parties that keep the old key set
// refuse what is signed until they fetch it anew; nodes take up to a minute.
func (k *Keys) Replace(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(ctx); err != nil {
		return err
	}
	ops := make([]store.Op, 0, len(k.known)+1)
	for _, old := range k.known {
		ops = append(ops, store.Op{Kind: store.Delete, Collection: collection, ID: store.String(old.ID)})
	}
	fresh, err := k.make(0)
	if err != nil {
		return err
	}
	if err := k.Store.Apply(ctx, append(ops, fresh)); err != nil {
		return fmt.Errorf("replace the signing keys: %w", err)
	}
	return k.load(ctx)
}

// current gives the keys in force, making the first one, or a successor that is due.
func (k *Keys) current(ctx context.Context) ([]key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if len(k.known) > 0 && now.Sub(k.loaded) < reload {
		return k.known, nil
	}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	var err error
	switch n := len(k.known); {
	case n == 0:
		err = k.add(ctx, 0)
	case !now.Before(k.known[n-1].From.Add(period - lead)):
		err = k.add(ctx, lead)
	}
	return k.known, err
}

// add makes a key that signs after some time, unless another node is faster, and
// loads all.
func (k *Keys) add(ctx context.Context, after time.Duration) error {
	if err := k.load(ctx); err != nil {
		return err
	}
	fresh, err := k.make(after)
	if err != nil {
		return err
	}
	ops := []store.Op{fresh}
	if n := len(k.known); n > 0 && k.known[n-1].Gone.IsZero() {
		gone := k.now().Add(after + linger)
		ops = append(ops, store.Op{
			Kind: store.Update, Collection: collection, ID: store.String(k.known[n-1].ID),
			Set: []store.Field{{Path: "gone", Value: store.V(gone)}},
		})
	}
	err = k.Store.Apply(ctx, ops)
	if err != nil && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("add a signing key: %w", err)
	}
	return k.load(ctx)
}

// make generates the key that comes after the known ones.
func (k *Keys) make(after time.Duration) (store.Op, error) {
	var number int
	if n := len(k.known); n > 0 {
		if _, err := fmt.Sscanf(k.known[n-1].ID, prefix+"%d", &number); err != nil {
			return store.Op{}, fmt.Errorf("the number of a signing key: %w", err)
		}
	}
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return store.Op{}, fmt.Errorf("generate a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return store.Op{}, fmt.Errorf("encode a signing key: %w", err)
	}
	now := k.now()
	doc, err := bson.Marshal(key{ID: fmt.Sprintf(prefix+"%06d", number+1), Kid: rand.Text(), PKCS8: der, Created: now, From: now.Add(after)})
	return store.Op{Kind: store.Insert, Collection: collection, Doc: doc}, err
}

// load reads the keys that are not gone.
func (k *Keys) load(ctx context.Context) error {
	now := k.now()
	var keys []key
	q := store.Query{Collection: collection, Where: store.Prefix{Path: "_id", Value: prefix}}
	for doc, err := range k.Store.Find(ctx, q) {
		if err != nil {
			return fmt.Errorf("load the signing keys: %w", err)
		}
		var one key
		if err := bson.Unmarshal(doc, &one); err != nil {
			return fmt.Errorf("load a signing key: %w", err)
		}
		if !one.Gone.IsZero() && !now.Before(one.Gone) {
			continue
		}
		if err := one.parse(); err != nil {
			return err
		}
		keys = append(keys, one)
	}
	k.known, k.loaded = keys, now
	return nil
}

func (k *key) parse() error {
	private, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return fmt.Errorf("read a signing key: %w", err)
	}
	var ok bool
	if k.private, ok = private.(*rsa.PrivateKey); !ok {
		return fmt.Errorf("read a signing key: it is a %T", private)
	}
	return nil
}
