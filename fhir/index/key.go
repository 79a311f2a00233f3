package index

import (
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
)

// Bytes that structure entries; no text of a resource holds them, since JSON
// strings with control characters are refused.
const (
	end     = "\x00" // behind a value
	special = "\x01" // before the second form of a value
	logical = "\x02" // before the identifier of a reference
	shown   = "\x03" // before what is printed with a code
	taking  = "\x04" // before two names whose characters take turns
	patient = "\x01" // before a patient, in the place of a parameter
)

// Lengths that entries are cut to.
const (
	maxCode   = 100 // bytes
	maxString = 100 // characters
	maxDigits = 30  // of a number
	maxShown  = 12  // characters of what is printed with a code
)

// hash stands for a text that is too long for a key: n base64 characters of
// its SHA-256.
func hash(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:n]
}

// short gives a key for a code, id or URI that is equal just for equal ones.
func short(s string) string {
	if len(s) <= maxCode {
		return s
	}
	head := s[:60]
	for !utf8.ValidString(head) {
		head = head[:len(head)-1]
	}
	return head + "\x7f" + hash(s, 22)
}

// systemKey gives the tail of a token with its system; "" is no system.
func systemKey(system string) string {
	if system == "" {
		return ""
	}
	return hash(system, 11)
}

// folded gives the sortable form of text, cut; whole is false where something
// was cut off.
func folded(s string) (key string, whole bool) { return first(normal(s), maxString) }

// shownHead gives the beginning of what is printed with a code.
func shownHead(s string) (key string, whole bool) { return first(normal(s), maxShown) }

// first gives the first characters of a text; whole is false where there are more.
func first(s string, most int) (head string, whole bool) {
	n := 0
	for i := range s {
		if n == most {
			return s[:i], false
		}
		n++
	}
	return s, true
}

// millis writes a moment as ten characters that sort like it.
func millis(ms int64) string {
	const offset = 1 << 47 // before the year 1
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
	var b [10]byte
	v := uint64(ms + offset)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[v&63]
		v >>= 6
	}
	return string(b[:])
}

// decimal writes a number so that its bytes sort like its value: the sign, the
// exponent, the digits. Negative numbers have all of that inverted. Beyond maxDigits
// digits numbers are cut: whole is then false.
func decimal(r *big.Rat) (key string, whole bool) {
	if r.Sign() == 0 {
		return "5", true
	}
	digits, exponent, whole := significant(r)
	// 100 is room for the exponents that rat lets through, both ways.
	head := "6" + pad(exponent+500)
	if r.Sign() > 0 {
		return head + digits, whole
	}
	inverted := []byte(head + digits)
	for i, c := range inverted {
		inverted[i] = '0' + '9' - c
	}
	inverted[0] = '4'
	// Of two negative numbers the one with more digits is the smaller.
	return string(inverted) + ":", whole
}

func pad(n int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", 3-len(s)) + s
}

// significant gives the digits of a number without leading and trailing zeros,
// and the power of ten before the first of them.
func significant(r *big.Rat) (digits string, exponent int, whole bool) {
	abs := new(big.Rat).Abs(r)
	places, _ := abs.FloatPrec() // decimals always end
	text := abs.FloatString(places)
	integer, fraction, _ := strings.Cut(text, ".")
	integer = strings.TrimLeft(integer, "0")
	all := integer + fraction
	exponent = len(integer)
	trimmed := strings.TrimLeft(all, "0")
	exponent -= len(all) - len(trimmed)
	digits = strings.TrimRight(trimmed, "0")
	if len(digits) > maxDigits {
		return digits[:maxDigits], exponent, false
	}
	return digits, exponent, true
}

// patientKey begins the entries of a patient's record.
func patientKey(id string) string {
	if len(id) > 22 {
		id = hash(id, 22)
	}
	return patient + id + end
}

// reference gives the key of what is referred to.
func referenceKey(t fhir.Type, id string) string { return string(t) + "/" + id }

func urlKey(url string) string { return special + short(url) }
