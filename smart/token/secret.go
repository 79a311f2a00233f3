package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// What tokens begin with, so that one that turns up somewhere is recognized.
const (
	accessPrefix  = "pat_"
	refreshPrefix = "prt_"
	codePrefix    = "pac_"
)

// Lengths of the parts of tokens, in characters of base64url.
const (
	idLength     = 24 // 144 bits
	familyLength = 24 // 144 bits
	secretLength = 44 // 264 bits
)

// random gives text of n characters, n divisible by 4, with 6 random bits each.
func random(n int) string {
	b := make([]byte, n/4*3)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is what is stored of a token.
func hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// matches reports, in constant time, whether token is the one of this hash.
func matches(token string, stored []byte) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], stored) == 1
}

// idOf gives the id within a token that begins with prefix, of parts that are in all as
// long as given; "" when it is nothing that we issued.
func idOf(token, prefix string, rest int) string {
	if len(token) != len(prefix)+idLength+rest || !strings.HasPrefix(token, prefix) {
		return ""
	}
	for i := range len(token) {
		switch c := token[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return ""
		}
	}
	return token[len(prefix):][:idLength]
}

// familyOf gives the part of a refresh token that says to which authorization it
// belongs, or belonged.
func familyOf(token string) string {
	return token[len(refreshPrefix):][:idLength+familyLength]
}
