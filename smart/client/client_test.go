package client

import (
	"crypto"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

func TestRedirectURIs(t *testing.T) {
	t.Parallel()
	web := "https://app.example.org/cb?x=1"
	for _, tt := range []struct {
		claim, registered, uri string
		want                   bool
	}{
		{"B4 the registered one", web, web, true},
		{"B4 a slash more", web, "https://app.example.org/cb/?x=1", false},
		{"B4 a path below", web, "https://app.example.org/cb/evil?x=1", false},
		{"B4 a path that leads up", web, "https://app.example.org/cb/../cb?x=1", false},
		{"B4 another query", web, "https://app.example.org/cb?x=2", false},
		{"B4 a parameter more", web, "https://app.example.org/cb?x=1&y=2", false},
		{"B4 no query", web, "https://app.example.org/cb", false},
		{"B4 a fragment", web, web + "#f", false},
		{"B4 another scheme", web, "http://app.example.org/cb?x=1", false},
		{"B4 the scheme in upper case", web, "HTTPS://app.example.org/cb?x=1", false},
		{"B4 the host in upper case", web, "https://APP.example.org/cb?x=1", false},
		{"B4 a port", web, "https://app.example.org:443/cb?x=1", false},
		{"B4 a user", web, "https://app.example.org@evil.example/cb?x=1", false},
		{"B4 a longer host", web, "https://app.example.org.evil.example/cb?x=1", false},
		{"B4 a percent sign", web, "https://app.example.org/%63b?x=1", false},
		{"B4 a space behind", web, web + " ", false},
		{"B4 a line break", web, web + "\r\nX: y", false},
		{"B4 nothing", web, "", false},
		{"B4 javascript", web, "javascript:alert(1)", false},
		{"B4 a native app's loopback with another port", "http://127.0.0.1/cb", "http://127.0.0.1:51234/cb", true},
		{"B4 a native app's loopback without the port", "http://127.0.0.1:8080/cb", "http://127.0.0.1/cb", true},
		{"B4 a native app's IPv6 loopback", "http://[::1]:1/cb", "http://[::1]:51234/cb", true},
		{"B4 a native app's localhost", "http://localhost:8080/cb", "http://localhost:3000/cb", true},
		{"B4 another loopback host", "http://127.0.0.1/cb", "http://localhost:51234/cb", false},
		{"B4 loopback with another path", "http://127.0.0.1/cb", "http://127.0.0.1:51234/cb2", false},
		{"B4 loopback with a user", "http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false},
		{"B4 loopback with a port that is none", "http://127.0.0.1/cb", "http://127.0.0.1:evil/cb", false},
		{"B4 loopback with an empty port", "http://127.0.0.1/cb", "http://127.0.0.1:/cb", false},
		{"B4 loopback with a long port", "http://127.0.0.1/cb", "http://127.0.0.1:123456/cb", false},
		{"B4 loopback with https", "http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false},
		{"B4 loopback with a backslash", "http://127.0.0.1/cb", `http://127.0.0.1:1\@evil.example/cb`, false},
		{"B4 no loopback with another port", "http://10.0.0.1:1/cb", "http://10.0.0.1:2/cb", false},
		{"B4 a name that begins like localhost", "http://localhost/cb", "http://localhost.evil.example:1/cb", false},
		{"B4 a private scheme", "com.example.app:/cb", "com.example.app:/cb", true},
		{"B4 a private scheme and more", "com.example.app:/cb", "com.example.app:/cb2", false},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			c := &Client{Kind: Public, Redirects: []string{tt.registered}}
			if got := c.AllowsRedirect(tt.uri); got != tt.want {
				t.Errorf("%q, registered %q: %v", tt.uri, tt.registered, got)
			}
			if c.Kind = Secret; c.AllowsRedirect(tt.uri) != (tt.uri == tt.registered) {
				t.Errorf("a client with a secret is compared loosely")
			}
		})
	}
}

func TestRegistrationsAreChecked(t *testing.T) {
	t.Parallel()
	k := testKeys()
	private := `{"keys":[{"kty":"oct","kid":"x","k":"c2VjcmV0"}]}`
	for claim, tt := range map[string]struct {
		change func(*Client)
		want   string // in the error; empty: valid
	}{
		"a public client":                     {func(*Client) {}, ""},
		"no id":                               {func(c *Client) { c.ID = "" }, "the id must be"},
		"an id with a space":                  {func(c *Client) { c.ID = "a b" }, "the id must be"},
		"no name":                             {func(c *Client) { c.Name = " " }, "the name"},
		"no kind":                             {func(c *Client) { c.Kind = "" }, "the kind must be"},
		"a public client with a secret":       {func(c *Client) { c.SecretHash = []byte("x") }, "neither a secret nor keys"},
		"a secret that is missing":            {func(c *Client) { c.Kind = Secret }, "the secret is missing"},
		"keys that are missing":               {func(c *Client) { c.Kind = JWT }, "either its key set or the URL"},
		"keys and the URL of keys":            {func(c *Client) { c.Kind, c.JWKS, c.JWKSURL = JWT, []byte("{}"), "https://a.example" }, "either its key set or the URL"},
		"a key set at http":                   {func(c *Client) { c.Kind, c.JWKSURL = JWT, "http://a.example/jwks" }, "must be https"},
		"a key set that is none":              {func(c *Client) { c.Kind, c.JWKS = JWT, []byte("[]") }, "is not a JWKS"},
		"D3 a symmetric key":                  {func(c *Client) { c.Kind, c.JWKS = JWT, []byte(private) }, "private"},
		"D3 a weak key":                       {func(c *Client) { c.Kind, c.JWKS = JWT, public(t, map[string]crypto.Signer{"w": k.weakRSA}) }, "no key in it"},
		"D3 a curve of another algorithm":     {func(c *Client) { c.Kind, c.JWKS = JWT, public(t, map[string]crypto.Signer{"w": k.p256}) }, "no key in it"},
		"D3 a kid that is there twice":        {func(c *Client) { c.Kind, c.JWKS = JWT, twice(t) }, "is there 2 times"},
		"no grant type":                       {func(c *Client) { c.Grants = nil }, "the grant types are missing"},
		"a grant type of another age":         {func(c *Client) { c.Grants = []string{"password"} }, "not supported"},
		"a public client by itself":           {func(c *Client) { c.Grants = []string{ClientCredentials} }, "a public client cannot"},
		"no redirect URI":                     {func(c *Client) { c.Redirects = nil }, "needs a redirect URI"},
		"a redirect URI at http":              {func(c *Client) { c.Redirects = []string{"http://app.example.org/cb"} }, "must be https"},
		"a redirect URI with a fragment":      {func(c *Client) { c.Redirects = []string{"https://app.example.org/cb#"} }, "a fragment"},
		"a redirect URI with a wildcard":      {func(c *Client) { c.Redirects = []string{"https://*.example.org/cb"} }, "a wildcard"},
		"a redirect URI with a user":          {func(c *Client) { c.Redirects = []string{"https://u@example.org/cb"} }, "a user"},
		"a redirect URI of javascript":        {func(c *Client) { c.Redirects = []string{"javascript:alert(1)"} }, "reverse order"},
		"a relative redirect URI":             {func(c *Client) { c.Redirects = []string{"/cb"} }, "not an absolute URI"},
		"a private scheme":                    {func(c *Client) { c.Redirects = []string{"com.example.app:/cb"} }, ""},
		"a loopback redirect URI":             {func(c *Client) { c.Redirects = []string{"http://127.0.0.1/cb"} }, ""},
		"an origin with a path":               {func(c *Client) { c.Origins = []string{"https://app.example.org/"} }, "the origin"},
		"an origin in upper case":             {func(c *Client) { c.Origins = []string{"https://App.example.org"} }, "the origin"},
		"an origin that is null":              {func(c *Client) { c.Origins = []string{"null"} }, "the origin"},
		"a launch URL at http":                {func(c *Client) { c.LaunchURL = "http://app.example.org/launch" }, "the launch URL"},
		"no scopes":                           {func(c *Client) { c.Scopes = scope.Set{} }, "the scopes"},
		"several faults are reported at once": {func(c *Client) { c.Name, c.Scopes = "", scope.Set{} }, "the scopes"},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			c := publicClient(t)
			tt.change(c)
			switch err := c.Validate(); {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// twice is a JWKS with one kid for two keys.
func twice(t testing.TB) []byte {
	k := testKeys()
	one := public(t, map[string]crypto.Signer{"k": k.p384})
	two := public(t, map[string]crypto.Signer{"k": k.rsa})
	return []byte(strings.TrimSuffix(string(one), "]}") + "," + strings.TrimPrefix(string(two), `{"keys":[`))
}

func TestTheRegistryKeepsClients(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registry(t, open(t))
			want := publicClient(t)
			want.Origins, want.LaunchURL, want.Created = []string{"https://app.example.org"}, "https://app.example.org/launch", start
			add(t, r, want)
			got, err := r.Get(t.Context(), "app")
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b scope.Set) bool { return a.String() == b.String() })); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if err := r.Add(t.Context(), want); !errors.Is(err, ErrTaken) {
				t.Errorf("added twice: %v", err)
			}
			if _, err := r.Get(t.Context(), "other"); !errors.Is(err, ErrUnknown) {
				t.Errorf("an unknown client: %v", err)
			}
			if !r.Origin(t.Context(), "https://app.example.org") || r.Origin(t.Context(), "https://evil.example") {
				t.Error("A11 the registered origin, and no other, is one of an app")
			}
			want.Disabled = true
			if err := r.Put(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			r.Now = func() time.Time { return start.Add(originsAge) }
			if r.Origin(t.Context(), "https://app.example.org") {
				t.Error("A11 the origin of a disabled client is still one of an app")
			}
			other := publicClient(t)
			other.ID = "other"
			if err := r.Put(t.Context(), other); !errors.Is(err, ErrUnknown) {
				t.Errorf("an unknown client was changed: %v", err)
			}
			add(t, r, other)
			if list, err := r.List(t.Context()); err != nil || len(list) != 2 || list[0].ID != "app" || list[1].ID != "other" {
				t.Errorf("the list is %v, %v", list, err)
			}
		})
	}
}

func TestClientsProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	r := withBackend(t)
	hash, err := HashSecret("a secret of some length")
	if err != nil {
		t.Fatal(err)
	}
	with := publicClient(t)
	with.ID, with.Kind, with.SecretHash = "confidential", Secret, hash
	add(t, r, with)
	add(t, r, publicClient(t))
	off := publicClient(t)
	off.ID, off.Disabled = "off", true
	add(t, r, off)
	good := sign(t, jose.ES384, testKeys().p384, map[string]any{"kid": "ec"}, claims("backend", "mixed"))
	basic := func(id, secret string) http.Header {
		req := http.Request{Header: http.Header{}}
		req.SetBasicAuth(id, secret)
		return req.Header
	}
	for _, tt := range []struct {
		claim  string
		header http.Header
		params []string
		want   string // id of the client, or code of the error
	}{
		{"C1 a public client names itself", none, []string{"client_id", "app"}, "app"},
		{"C1 a secret in the header", basic("confidential", "a+secret+of+some+length"), nil, "confidential"},
		{"C1 a secret in the header beside the same client_id", basic("confidential", "a+secret+of+some+length"), []string{"client_id", "confidential"}, "confidential"},
		{"C1 a secret in the form", none, []string{"client_id", "confidential", "client_secret", "a secret of some length"}, "confidential"},
		{"C8 another client_id than in the header", basic("confidential", "a+secret+of+some+length"), []string{"client_id", "app"}, "invalid_request"},
		{"C8 no client at all", none, nil, "invalid_client"},
		{"C8 an unknown client", none, []string{"client_id", "nobody"}, "invalid_client"},
		{"C8 a disabled client", none, []string{"client_id", "off"}, "invalid_client"},
		{"C8 a wrong secret", basic("confidential", "a+secret+of+some+lengt"), nil, "invalid_client"},
		{"C8 an empty secret", basic("confidential", ""), nil, "invalid_client"},
		{"C8 a missing secret", none, []string{"client_id", "confidential"}, "invalid_client"},
		{"C8 a missing assertion", none, []string{"client_id", "backend"}, "invalid_client"},
		{"C8 a secret for a public client", none, []string{"client_id", "app", "client_secret", "a secret of some length"}, "invalid_client"},
		{"C8 a secret for a client with keys", basic("backend", "a+secret+of+some+length"), nil, "invalid_client"},
		{"C8 two kinds of credentials", basic("confidential", "a+secret+of+some+length"), []string{"client_secret", "a secret of some length"}, "invalid_request"},
		{"C8 a secret beside an assertion", basic("confidential", "a+secret+of+some+length"), []string{"client_assertion_type", assertionType, "client_assertion", good}, "invalid_request"},
		{"C8 two headers", http.Header{"Authorization": {"Basic YTpi", "Basic YTpi"}}, nil, "invalid_request"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			c, err := r.Authenticate(t.Context(), tt.header, form(t, tt.params...))
			if got := outcome(c, err); got != tt.want {
				t.Errorf("got %s (%v)", got, err)
			}
		})
	}
	t.Run("C8 a secret is refused when it is short", func(t *testing.T) {
		t.Parallel()
		if _, err := HashSecret("short"); err == nil {
			t.Error("it was not")
		}
	})
	t.Run("C8 a fault of the store is no wrong password", func(t *testing.T) {
		t.Parallel()
		st := memory.New()
		r := registry(t, st)
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		var e *oauth.Error
		if _, err := r.Authenticate(t.Context(), none, form(t, "client_id", "app")); err == nil || errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
	})
}

// outcome is the id of the client, or the code of the error.
func outcome(c *Client, err error) string {
	var e *oauth.Error
	switch {
	case errors.As(err, &e) && c == nil:
		return string(e.Code)
	case err != nil:
		return err.Error()
	}
	return c.ID
}
