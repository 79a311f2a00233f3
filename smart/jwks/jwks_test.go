package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portico-fhir/portico/internal/patience"
)

// algorithms are those that the tests are about.
var algorithms = []jose.SignatureAlgorithm{jose.RS384, jose.ES384}

// testKeys are made once: RSA keys take long.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, weak  *rsa.PrivateKey
	p384, p256 *ecdsa.PrivateKey
},
) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.weak, _ = rsa.GenerateKey(rand.Reader, 1024)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// public gives a JWKS of the public parts.
func public(t testing.TB, kid string, keys ...crypto.Signer) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid})
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSets(t *testing.T) {
	t.Parallel()
	k := testKeys()
	t.Run("D3 which key is meant is not guessed", func(t *testing.T) {
		t.Parallel()
		set, err := Parse(public(t, "k", k.p384, k.rsa), algorithms)
		if err != nil || len(set["k"]) != 2 {
			t.Fatalf("got %v, %v", set, err)
		}
		for _, alg := range algorithms {
			if key, err := set.Choose("k", alg); err == nil {
				t.Errorf("%s: got %v", alg, key)
			}
		}
	})
	t.Run("D3 a key is chosen for its algorithm only", func(t *testing.T) {
		t.Parallel()
		set, err := Parse(public(t, "k", k.p384), algorithms)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.Choose("k", jose.ES384); err != nil {
			t.Error(err)
		}
		for kid, alg := range map[string]jose.SignatureAlgorithm{"k": jose.RS384, "other": jose.ES384, "": jose.ES384} {
			if key, err := set.Choose(kid, alg); err == nil {
				t.Errorf("%q %s: got %v", kid, alg, key)
			}
		}
	})
	for claim, tt := range map[string]struct {
		data string
		want int // usable keys; -1: the set is refused
	}{
		"a good key":               {string(public(t, "k", k.p384)), 1},
		"a weak key":               {string(public(t, "k", k.weak)), 0},
		"a curve of another alg":   {string(public(t, "k", k.p256)), 0},
		"no kid":                   {string(public(t, "", k.p384)), 0},
		"for encryption":           {with(t, `"use":"enc",`), 0},
		"for signatures":           {with(t, `"use":"sig",`), 1},
		"for another alg":          {with(t, `"alg":"RS384",`), 0},
		"for no alg":               {with(t, `"alg":"none",`), 0},
		"for its alg":              {with(t, `"alg":"ES384",`), 1},
		"to sign with":             {with(t, `"key_ops":["sign"],`), 0},
		"to do nothing with":       {with(t, `"key_ops":[],`), 0},
		"to verify with":           {with(t, `"key_ops":["verify"],`), 1},
		"a shared secret":          {`{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}`, 0},
		"an unknown type":          {`{"keys":[{"kty":"XYZ","kid":"k"}]}`, 0},
		"a point off the curve":    {strings.Replace(string(public(t, "k", k.p384)), `"x":"`, `"x":"AAAA`, 1), 0},
		"no keys":                  {`{"keys":[]}`, 0},
		"no set":                   {`{}`, -1},
		"a list":                   {`[]`, -1},
		"no JSON":                  {`hello`, -1},
		"too many keys":            {`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`, -1},
		"a set that has no end":    {strings.Repeat(" ", maxSet+1), -1},
		"a key that is not a key":  {`{"keys":[1,"x",null]}`, 0},
		"a key with a wrong field": {`{"keys":[{"kty":1}]}`, 0},
	} {
		t.Run("D3 "+claim, func(t *testing.T) {
			t.Parallel()
			set, err := Parse([]byte(tt.data), algorithms)
			if (err != nil) != (tt.want < 0) || err == nil && len(set) != tt.want {
				t.Errorf("got %v, %v", set, err)
			}
			if err := Check([]byte(tt.data), algorithms); (err == nil) != (tt.want == 1) {
				t.Errorf("Check says %v", err)
			}
		})
	}
	t.Run("D3 a private key is not registered", func(t *testing.T) {
		t.Parallel()
		data, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.p384, KeyID: "k"}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(data, algorithms); err == nil || !strings.Contains(err.Error(), "private") {
			t.Errorf("got %v", err)
		}
		if set, err := Parse(data, algorithms); err != nil || len(set) != 0 {
			t.Errorf("got %v, %v", set, err)
		}
	})
}

// with gives a set whose key says something more.
func with(t testing.TB, member string) string {
	return strings.Replace(string(public(t, "k", testKeys().p384)), `"kty"`, member+`"kty"`, 1)
}

func TestASlowServerHoldsUpFew(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	body := public(t, "one", testKeys().p384)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write(body)
	}))
	defer s.Close()
	f := &Fetcher{Loopback: true, Timeout: patience.Limit}
	answers := make(chan error)
	const asked = maxWaiting + 20
	for range asked {
		go func() {
			_, err := f.Get(t.Context(), s.URL, "one", algorithms)
			answers <- err
		}()
	}
	for range asked - maxWaiting {
		if err := <-answers; err == nil || !strings.Contains(err.Error(), "too many wait") {
			t.Errorf("D5 got %v", err)
		}
	}
	close(release)
	for range maxWaiting {
		if err := <-answers; err != nil {
			t.Errorf("D5 got %v", err)
		}
	}
	if _, err := f.Get(t.Context(), s.URL, "one", algorithms); err != nil {
		t.Errorf("D5 afterwards: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(public(f, "k", testKeys().p384))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"x","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Parse(data, algorithms)
		for kid, same := range set {
			for i := range same {
				if err != nil || kid == "" || !fits(&same[i], jose.RS384) && !fits(&same[i], jose.ES384) {
					t.Errorf("%q gives %v, %v", data, set, err)
				}
			}
		}
		if Check(data, algorithms) == nil && len(set) == 0 {
			t.Errorf("%q may be registered", data)
		}
	})
}

func TestPrivateAddressesAreNotConnectedTo(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700:4700::1111]:443": true,
		"127.0.0.1:443": false, "127.1.2.3:443": false, "[::1]:443": false, "0.0.0.0:80": false, "[::]:80": false,
		"10.0.0.1:443": false, "172.16.0.1:443": false, "172.31.255.255:443": false, "192.168.1.1:443": false,
		"169.254.169.254:80": false, "[fe80::1]:80": false, "[fd00::1]:80": false, "[fec0::1]:80": false, "100.64.0.1:80": false,
		"192.0.0.192:80": false, "198.18.0.1:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "240.0.0.1:80": false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": false, "[::ffff:8.8.8.8]:80": true, "[::127.0.0.1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[2001::1]:80": false, "[ff02::1]:80": false, "[fe80::1%25eth0]:80": false,
		"localhost:80": false,
	} {
		t.Run("D3 "+address, func(t *testing.T) {
			t.Parallel()
			if err := new(Fetcher).checkAddress("tcp", address, nil); (err == nil) != want {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("D3 a name that resolves to a private address is refused when it is connected to", func(t *testing.T) {
		t.Parallel()
		var arrived atomic.Int64
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { arrived.Add(1) }))
		defer s.Close()
		f := &Fetcher{TLS: s.Client().Transport.(*http.Transport).TLSClientConfig}
		for _, url := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)} {
			if _, err := f.Get(t.Context(), url, "one", algorithms); err == nil || !strings.Contains(err.Error(), "not a public one") {
				t.Errorf("%s: %v", url, err)
			}
		}
		if n := arrived.Load(); n != 0 {
			t.Errorf("%d requests arrived", n)
		}
	})
	t.Run("D3 http is for development only", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(public(t, "one", testKeys().p384))
		}))
		defer s.Close()
		if _, err := new(Fetcher).Get(t.Context(), s.URL, "one", algorithms); err == nil {
			t.Error("it was fetched")
		}
		if keys, err := (&Fetcher{Loopback: true}).Get(t.Context(), s.URL, "one", algorithms); err != nil || len(keys) != 1 {
			t.Errorf("got %v, %v", keys, err)
		}
	})
}
