package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that assertions may be signed with (SMART App Launch 2.2,
// Asymmetric Authentication).
var algorithms = [...]jose.SignatureAlgorithm{jose.RS384, jose.ES384}

// Algorithms lists the names of the algorithms that assertions may be signed with.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

// Bounds of a key set.
const (
	maxKeySet = 256 << 10 // bytes
	maxKeys   = 100
	minRSA    = 2048 // bits
	maxRSA    = 8192 // bits: verifying takes time
)

// keySet are the keys of a client by their kid.
type keySet map[string][]jose.JSONWebKey

// parseKeys reads a JWKS. Keys that cannot verify an assertion, such as those of
// unknown types, are left out (RFC 7517 5).
func parseKeys(data []byte) (keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	if err := json.Unmarshal(data, &set); err != nil || set.Keys == nil {
		return nil, errors.New(`it is not a JWKS: {"keys": [...]}`)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it has more than %d keys", maxKeys)
	}
	keys := make(keySet)
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || key.KeyID == "" || algorithmFor(&key) == "" || !declares(raw) {
			continue
		}
		keys[key.KeyID] = append(keys[key.KeyID], key)
	}
	return keys, nil
}

// algorithmFor gives the algorithm that a public key verifies; "" for none of ours.
func algorithmFor(key *jose.JSONWebKey) jose.SignatureAlgorithm {
	var is jose.SignatureAlgorithm
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			is = jose.RS384
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			is = jose.ES384
		}
	}
	if key.Algorithm != "" && key.Algorithm != string(is) || key.Use != "" && key.Use != "sig" {
		return ""
	}
	return is
}

// declares reports whether what a key says of its uses has verification among them
// (RFC 7517 4.3).
func declares(raw json.RawMessage) bool {
	var key struct {
		Ops []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &key) != nil {
		return false
	}
	for _, op := range key.Ops {
		if op == "verify" {
			return true
		}
	}
	return key.Ops == nil
}

// checkRegistered says what is wrong with a key set that is to be registered: unlike
// one that is fetched, it can be corrected at once.
func checkRegistered(data []byte) error {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	keys, err := parseKeys(data)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return err
	}
	for i, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && !key.IsPublic() {
			return fmt.Errorf("keys[%d] is private, or shared: the public part belongs here, and this key to nobody any more", i)
		}
	}
	for kid, same := range keys {
		if len(same) > 1 {
			return fmt.Errorf("the kid %q is there %d times", kid, len(same))
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("no key in it can verify an assertion: it takes an RSA key of at least %d bits (RS384) or an EC key on P-384 (ES384), with a kid", minRSA)
	}
	return nil
}

// choose gives the one key that an assertion with this header can be verified with.
func (s keySet) choose(kid string, alg jose.SignatureAlgorithm) (*jose.JSONWebKey, error) {
	same := s[kid]
	switch {
	case len(same) == 0:
		return nil, errNoKey
	case len(same) > 1:
		return nil, errors.New("several keys of the registered set have the kid of the assertion")
	case algorithmFor(&same[0]) != alg:
		return nil, errors.New("the key with the kid of the assertion is not one for its alg")
	}
	return &same[0], nil
}

// errNoKey: the set has no key of the kid.
var errNoKey = errors.New("no usable key of the registered set has the kid of the assertion")
