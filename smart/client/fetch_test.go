package client

import (
	"crypto"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/store/memory"
)

// keyServer is an app's server that publishes a key set.
type keyServer struct {
	*httptest.Server
	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc]
}

func serveKeys(t testing.TB, cache string, keys map[string]crypto.Signer) *keyServer {
	t.Helper()
	s := new(keyServer)
	s.set(t, cache, keys)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(t testing.TB, cache string, keys map[string]crypto.Signer) {
	body := public(t, keys)
	s.handle(func(w http.ResponseWriter, _ *http.Request) {
		if cache != "" {
			w.Header().Set("Cache-Control", cache)
		}
		_, _ = w.Write(body)
	})
}

func (s *keyServer) handle(h http.HandlerFunc) { s.answer.Store(&h) }

// trust is how the fetcher knows the test server's certificate.
func (s *keyServer) trust() *tls.Config {
	return s.Client().Transport.(*http.Transport).TLSClientConfig
}

// atURL gives a registry whose client "backend" has its keys at the server, and a
// function that tries an assertion under a kid.
func atURL(t testing.TB, s *keyServer, clock *time.Time) (r *Registry, try func(kid string, key crypto.Signer, header ...string) error) {
	t.Helper()
	r = registry(t, memory.New())
	r.Keys = &jwks.Fetcher{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, TLS: s.trust(), Timeout: patience.Limit, Now: func() time.Time { return *clock }}
	add(t, r, jwtClient(t, nil, s.URL+"/jwks"))
	return r, func(kid string, key crypto.Signer, header ...string) error {
		h := map[string]any{"kid": kid}
		for i := 0; i < len(header); i += 2 {
			h[header[i]] = header[i+1]
		}
		alg := jose.ES384
		if key == crypto.Signer(testKeys().rsa) || key == crypto.Signer(testKeys().otherRSA) {
			alg = jose.RS384
		}
		_, err := r.Authenticate(t.Context(), none, assertionForm(t, sign(t, alg, key, h, claims("backend", rand62()))))
		return err
	}
}

func TestKeySetsAtURLs(t *testing.T) {
	t.Parallel()
	k := testKeys()
	first := map[string]crypto.Signer{"one": k.p384}
	both := map[string]crypto.Signer{"one": k.p384, "two": k.rsa}
	wantFetches := func(t *testing.T, s *keyServer, n int64) {
		t.Helper()
		if got := s.fetches.Load(); got != n {
			t.Errorf("the key set was fetched %d times, want %d", got, n)
		}
	}
	t.Run("D5 a key set is kept as long as it says", func(t *testing.T) {
		t.Parallel()
		clock := start
		s := serveKeys(t, "public, max-age=60", first)
		_, try := atURL(t, s, &clock)
		for range 3 {
			if err := try("one", k.p384); err != nil {
				t.Fatal(err)
			}
		}
		wantFetches(t, s, 1)
		s.set(t, "max-age=60", map[string]crypto.Signer{"two": k.rsa}) // the first key was withdrawn
		clock = clock.Add(59 * time.Second)
		if err := try("one", k.p384); err != nil {
			t.Error(err)
		}
		clock = clock.Add(time.Second)
		if err := try("one", k.p384); err == nil {
			t.Error("a withdrawn key is good after max-age")
		}
		wantFetches(t, s, 2)
	})
	for _, cache := range []string{"no-store", "no-cache", "max-age=0", "max-age=x", "private, NO-STORE, max-age=60"} {
		t.Run("D5 a key set is not kept with "+cache, func(t *testing.T) {
			t.Parallel()
			clock := start
			s := serveKeys(t, cache, first)
			_, try := atURL(t, s, &clock)
			for range 2 {
				if err := try("one", k.p384); err != nil {
					t.Fatal(err)
				}
			}
			wantFetches(t, s, 2)
		})
	}
	t.Run("D5 an unknown kid has the key set fetched anew, ten seconds apart", func(t *testing.T) {
		t.Parallel()
		clock := start
		s := serveKeys(t, "max-age=3600", first)
		_, try := atURL(t, s, &clock)
		if err := try("one", k.p384); err != nil {
			t.Fatal(err)
		}
		s.set(t, "max-age=3600", both)
		for range 3 {
			if err := try("two", k.rsa); err == nil {
				t.Error("a kid was known before it was fetched")
			}
		}
		wantFetches(t, s, 1)
		clock = clock.Add(10 * time.Second)
		if err := try("two", k.rsa); err != nil {
			t.Error(err)
		}
		wantFetches(t, s, 2)
	})
	t.Run("D4 jku that is the registered URL", func(t *testing.T) {
		t.Parallel()
		clock := start
		s := serveKeys(t, "", first)
		_, try := atURL(t, s, &clock)
		if err := try("one", k.p384, "jku", s.URL+"/jwks"); err != nil {
			t.Error(err)
		}
		for _, jku := range []string{s.URL + "/other", s.URL + "/jwks/", "https://evil.example/jwks", ""} {
			if err := try("one", k.p384, "jku", jku); err == nil {
				t.Errorf("jku %q was accepted", jku)
			}
		}
	})
	for claim, answer := range map[string]http.HandlerFunc{
		"an error":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no JWKS":            func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"an endless key set": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) },
		"too many keys": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + strings.Repeat("{},", 200) + `{}]}`))
		},
		"a redirect to http": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/jwks", http.StatusFound)
		},
		"a redirect to a file": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		},
		"a redirect in a ring": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks", http.StatusFound) },
		"a redirect to private": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://10.255.0.1/jwks", http.StatusFound)
		},
	} {
		t.Run("D3 refuses a key set that is "+claim+", and does not ask again at once", func(t *testing.T) {
			t.Parallel()
			clock := start
			s := serveKeys(t, "", first)
			s.handle(answer)
			_, try := atURL(t, s, &clock)
			var said string
			for range 2 {
				err := try("one", k.p384)
				if err == nil {
					t.Fatal("it was accepted")
				}
				said, _, _ = strings.Cut(err.Error(), "JWKS?")
			}
			if !strings.Contains(said, "cannot be read") {
				t.Errorf("the client is told %q", said)
			}
			before := s.fetches.Load()
			if before > 4 {
				t.Errorf("%d fetches", before)
			}
			s.set(t, "", first)
			clock = clock.Add(10 * time.Second)
			if err := try("one", k.p384); err != nil {
				t.Error(err)
			}
		})
	}
}
