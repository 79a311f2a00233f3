package pages

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// sealer makes the codes that tie a form and a request to one browser. Its key is in
// the store, the same for all nodes.
type sealer struct{ key []byte }

const (
	keyCollection = "portico_keys"
	keyID         = "pages"
)

// loadSealer reads the key from the store, which it makes at the first time.
func loadSealer(ctx context.Context, st store.Store) (*sealer, error) {
	for range 2 {
		doc, err := store.Get(ctx, st, keyCollection, keyID)
		if err != nil {
			return nil, fmt.Errorf("load the key of the pages: %w", err)
		}
		if _, key, ok := doc.Lookup("key").BinaryOK(); ok && len(key) == sha256.Size {
			return &sealer{key}, nil
		}
		fresh := make([]byte, sha256.Size)
		_, _ = rand.Read(fresh) // never fails
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: keyID}, {Key: "key", Value: fresh}})
		if err == nil {
			err = st.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: keyCollection, Doc: raw}})
		}
		if err != nil && !errors.Is(err, store.ErrExists) {
			return nil, fmt.Errorf("make the key of the pages: %w", err)
		}
	}
	return nil, fmt.Errorf("load the key of the pages: %w", store.ErrCorrupt)
}

// code seals parts for one purpose.
func (s *sealer) code(purpose string, parts ...string) string {
	mac := hmac.New(sha256.New, s.key)
	for _, p := range append([]string{purpose}, parts...) {
		fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// valid reports whether code is the one for purpose and parts.
func (s *sealer) valid(code, purpose string, parts ...string) bool {
	return hmac.Equal([]byte(code), []byte(s.code(purpose, parts...)))
}

// handle is how a pending request is named in addresses and forms: by its id and a
// code that only the browser makes valid in which the request began.
func (s *sealer) handle(id, browser string) string { return id + "." + s.code("request", id, browser) }

// handleID is the id in a handle, to be believed only if genuine says so.
func handleID(handle string) string { return handle[:max(0, strings.LastIndexByte(handle, '.'))] }

// genuine reports whether the handle was made for this browser.
func (s *sealer) genuine(handle, browser string) bool {
	return browser != "" && hmac.Equal([]byte(handle), []byte(s.handle(handleID(handle), browser)))
}
