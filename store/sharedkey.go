package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// keys is Portico's own collection of keys that its nodes share.
const keys = "portico_keys"

// SharedKey gives 32 random bytes that all nodes on s share under a name, and that
// survive a restart. The first who asks makes them.
func SharedKey(ctx context.Context, s Store, name string) ([]byte, error) {
	const size = 32
	for range 2 {
		doc, err := Get(ctx, s, keys, name)
		if err != nil {
			return nil, fmt.Errorf("load the key %s: %w", name, err)
		}
		if _, key, ok := doc.Lookup("key").BinaryOK(); ok && len(key) == size {
			return key, nil
		}
		fresh := make([]byte, size)
		_, _ = rand.Read(fresh) // never fails
		doc, err = bson.Marshal(bson.D{{Key: "_id", Value: name}, {Key: "key", Value: fresh}})
		if err == nil {
			err = s.Apply(ctx, []Op{{Kind: Insert, Collection: keys, Doc: doc}})
		}
		if err != nil && !errors.Is(err, ErrExists) { // else another node was faster
			return nil, fmt.Errorf("make the key %s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("load the key %s: %w", name, ErrCorrupt)
}
