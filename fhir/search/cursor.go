package search

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

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

// LoadCursors makes Cursors from a key kept in the store, so that all nodes share it and
// links survive a restart.
func LoadCursors(ctx context.Context, st store.Store, now func() time.Time) (*Cursors, error) {
	key, err := store.SharedKey(ctx, st, "cursor")
	if err != nil {
		return nil, err
	}
	return NewCursors(key, now)
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
