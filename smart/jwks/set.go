package jwks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of a set and its keys.
const (
	maxSet  = 256 << 10 // bytes
	maxKeys = 100
	MinRSA  = 2048 // bits
	maxRSA  = 8192 // bits: verifying takes time
)

// Set is usable keys by their kid. It is read-only.
type Set map[string][]jose.JSONWebKey

// Parse reads a JWKS. Keys that cannot verify with one of the algorithms, such as those
// of unknown types, are left out (RFC 7517 5).
func Parse(data []byte, algorithms []jose.SignatureAlgorithm) (Set, error) {
	all, err := split(data)
	if err != nil {
		return nil, err
	}
	keys := make(Set)
	for _, raw := range all {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || key.KeyID == "" || !verifies(raw) {
			continue
		}
		if slices.ContainsFunc(algorithms, func(a jose.SignatureAlgorithm) bool { return fits(&key, a) }) {
			keys[key.KeyID] = append(keys[key.KeyID], key)
		}
	}
	return keys, nil
}

// split gives the keys of a JWKS as they are written.
func split(data []byte) ([]json.RawMessage, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(data) > maxSet {
		return nil, fmt.Errorf("it has more than %d bytes", maxSet)
	}
	if err := json.Unmarshal(data, &set); err != nil || set.Keys == nil {
		return nil, errors.New(`it is not a JWKS: {"keys": [...]}`)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it has more than %d keys", maxKeys)
	}
	return set.Keys, nil
}

// fits reports whether a key is public, strong enough, and verifies with an algorithm.
func fits(key *jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if key.Algorithm != "" && key.Algorithm != string(alg) || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return bits >= MinRSA && bits <= maxRSA && slices.Contains([]jose.SignatureAlgorithm{
			jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		}, alg)
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return alg == jose.ES256
		case elliptic.P384():
			return alg == jose.ES384
		case elliptic.P521():
			return alg == jose.ES512
		}
	}
	return false
}

// verifies reports whether what a key says of its uses has verification among them
// (RFC 7517 4.3).
func verifies(raw json.RawMessage) bool {
	var key struct {
		Ops []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &key) != nil {
		return false
	}
	return key.Ops == nil || slices.Contains(key.Ops, "verify")
}

// Check says what is wrong with a set that is to be registered: unlike one that is
// fetched, it can be corrected at once.
func Check(data []byte, algorithms []jose.SignatureAlgorithm) error {
	all, err := split(data)
	if err != nil {
		return err
	}
	for i, raw := range all {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && !key.IsPublic() {
			return fmt.Errorf("keys[%d] is private, or shared: the public part belongs here, and this key to nobody any more", i)
		}
	}
	keys, err := Parse(data, algorithms)
	if err != nil {
		return err
	}
	for kid, same := range keys {
		if len(same) > 1 {
			return fmt.Errorf("the kid %q is there %d times", kid, len(same))
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("no key in it has a kid and can verify with one of %v (RSA keys with at least %d bits)", algorithms, MinRSA)
	}
	return nil
}

// Choose gives the one key that something with this header can be verified with.
func (s Set) Choose(kid string, alg jose.SignatureAlgorithm) (*jose.JSONWebKey, error) {
	same := s[kid]
	switch {
	case len(same) == 0:
		return nil, errors.New("no usable key of the set has the kid")
	case len(same) > 1:
		return nil, errors.New("several keys of the set have the kid")
	case !fits(&same[0], alg):
		return nil, errors.New("the key with the kid is not one for the alg")
	}
	return &same[0], nil
}
