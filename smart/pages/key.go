package pages

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/portico-fhir/portico/store"
)

// sealer makes the codes that tie a form and a request to one browser. Its key is in
// the store, the same for all nodes.
type sealer struct{ key []byte }

// loadSealer gets the key from the store, which makes it at the first time.
func loadSealer(ctx context.Context, st store.Store) (*sealer, error) {
	key, err := store.SharedKey(ctx, st, "pages")
	if err != nil {
		return nil, err
	}
	return &sealer{key}, nil
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
