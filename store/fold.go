package store

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold gives the form in which Prefix and Contains with Fold compare text:
// without case and without accents. It decomposes (NFD), drops non-spacing
// marks, folds case fully (ß is ss, ς is σ) and writes those letters without
// decomposition that Europeans type as other letters: æ ae, œ oe, ø o, å a, ł l,
// đ and ð d, ħ h, þ th, ı i. Folding what is folded changes nothing, so a caller
// may fold a filter's value ahead of time, which saves Match the work.
func Fold(s string) string {
	if plain(s) {
		return s
	}
	if ascii(s) {
		return strings.ToLower(s)
	}
	s = strip(norm.NFD.String(s))
	// Folding may bring marks of its own: İ becomes i and a dot above.
	return strip(norm.NFD.String(cases.Fold().String(s)))
}

// fold is Fold for bytes. The result may be s itself.
func fold(s []byte) []byte {
	if plain(s) {
		return s
	}
	if ascii(s) {
		return bytes.ToLower(s)
	}
	return []byte(Fold(string(s)))
}

// plain reports whether s is ASCII without upper-case letters: already folded.
func plain[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

func ascii[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// strip drops marks and replaces the letters that do not decompose.
func strip(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			// Keep malformed bytes as they are.
			_, n := utf8.DecodeRuneInString(s[i:])
			b.WriteString(s[i : i+n])
		case unicode.Is(unicode.Mn, r):
		default:
			if letters := spelled(r); letters != "" {
				b.WriteString(letters)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// spelled gives the plain letters for one that Unicode does not decompose.
func spelled(r rune) string {
	switch r {
	case 'æ', 'Æ':
		return "ae"
	case 'œ', 'Œ':
		return "oe"
	case 'ø', 'Ø':
		return "o"
	case 'ł', 'Ł':
		return "l"
	case 'đ', 'Đ', 'ð', 'Ð':
		return "d"
	case 'ħ', 'Ħ':
		return "h"
	case 'þ', 'Þ':
		return "th"
	case 'ı':
		return "i"
	}
	// Cherokee folds to its capitals, unlike all others; cases.Fold swaps them.
	switch {
	case 0xAB70 <= r && r <= 0xABBF:
		return string(r - 0xAB70 + 0x13A0)
	case 0x13F8 <= r && r <= 0x13FD:
		return string(r - 8)
	}
	return ""
}
