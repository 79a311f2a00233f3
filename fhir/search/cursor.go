package search

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// cursorLife is how long a next link works: long enough for a client that works
// its way through a large result, short enough that a leaked link dies.
const cursorLife = 24 * time.Hour

// Cursors turns page positions into tokens and back. A token is encrypted,
// since a position holds values of the last resource, and bound to the query and
// the caller that it was made for. It carries a position, never authority. Safe for
// concurrent use.
type Cursors struct {
	aead cipher.AEAD
	now  func() time.Time
}

// NewCursors makes Cursors from a 32-byte key. Nodes with the same key
// understand each other's tokens.
func NewCursors(key []byte, now func() time.Time) (*Cursors, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("cursor key has %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	return &Cursors{aead: aead, now: now}, nil
}

// The key lives in the store, so that all nodes share it and links survive a
// restart.
const (
	keyCollection = "portico_keys"
	keyID         = "cursor"
)

// LoadCursors makes Cursors from the key kept in the store, which it makes at
// the first time.
func LoadCursors(ctx context.Context, st store.Store, now func() time.Time) (*Cursors, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: keyID}, {Key: "key", Value: fresh}})
	if err != nil {
		return nil, err
	}
	key, err := readKey(ctx, st)
	if err == nil && key == nil {
		err = st.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: keyCollection, Doc: doc}})
		if err == nil || errors.Is(err, store.ErrExists) {
			key, err = readKey(ctx, st)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load the cursor key: %w", err)
	}
	return NewCursors(key, now)
}

func readKey(ctx context.Context, st store.Store) ([]byte, error) {
	q := store.Query{Collection: keyCollection, Where: store.Eq{Path: "_id", Value: store.V(keyID)}, Limit: 1}
	for doc, err := range st.Find(ctx, q) {
		if err != nil {
			return nil, err
		}
		_, key, _ := doc.Lookup("key").BinaryOK()
		return key, nil
	}
	return nil, nil
}

// Seal makes the token of a position, for whoever gives the same binding.
func (c *Cursors) Seal(position, binding string) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(c.now().Add(cursorLife).Unix()))
	plain = append(plain, position...)
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nil, nil, plain, []byte(binding)))
}

// Open gives the position of a token, or a *fhir.Error when it is damaged, was
// made for another binding, or has expired.
func (c *Cursors) Open(token, binding string) (string, error) {
	refused := func(why string) error {
		return fhir.Errorf(fhir.CodeInvalid, "http._cursor", "The cursor %s. Search again from the first page.", why)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", refused("is damaged")
	}
	plain, err := c.aead.Open(nil, nil, sealed, []byte(binding))
	if err != nil || len(plain) < 8 {
		return "", refused("was not made for this search")
	}
	if expires := int64(binary.BigEndian.Uint64(plain)); c.now().Unix() >= expires {
		return "", refused("has expired")
	}
	return string(plain[8:]), nil
}
