package exact

import (
	"html"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// wordless are members whose strings are no text: URIs, references, ids and dates.
var wordless = []string{
	"reference", "url", "id", "birthDate", "effectiveDateTime", "effectiveInstant", "deceasedDateTime", "onsetDateTime", "start", "end", "event",
	"authoredOn", "recordedDate", "sent", "received", "instantiatesCanonical", "instantiatesUri", "time", "valueDateTime", "valueUri", "profile",
}

// texts gives the texts of a resource but for its narrative.
func texts(v any, parent string) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			out = append(out, texts(e, parent)...)
		}
	case Object:
		for name, e := range v {
			// The system of a contact is a code; that of a coding is a URI.
			if name == "div" || slices.Contains(wordless, name) || name == "system" && parent != "telecom" {
				continue
			}
			out = append(out, texts(e, name)...)
		}
	}
	return out
}

var tags = regexp.MustCompile(`<[^>]*>`)

// narrative gives the text that a person reads.
func narrative(r Object) []any {
	if div := get(r, "text", "div"); div != "" {
		return []any{html.UnescapeString(tags.ReplaceAllString(div, " "))}
	}
	return nil
}

// content gives all texts.
func content(r Object) []any {
	out := narrative(r)
	for _, s := range texts(r, "") {
		out = append(out, s)
	}
	return out
}

// wordsOf cuts a text into words.
func wordsOf(text string) []string {
	return strings.FieldsFunc(plain(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

var wanted = regexp.MustCompile(`(NOT )?("[^"]*"|\S+)`)

// says decides what is asked of texts: words, phrases in quotes, beginnings of words with an
// asterisk behind, and words with NOT in front, all of which hold; OR between such.
func says(all []any, query string) bool {
	for alternative := range strings.SplitSeq(query, " OR ") {
		holds := true
		for _, m := range wanted.FindAllStringSubmatch(alternative, -1) {
			there := slices.ContainsFunc(all, func(text any) bool { return saysOne(wordsOf(text.(string)), m[2]) })
			holds = holds && there == (m[1] == "")
		}
		if holds {
			return true
		}
	}
	return false
}

// saysOne decides whether words hold those of a phrase one after the other, the last of
// which may only be the beginning of a word.
func saysOne(have []string, phrase string) bool {
	open := strings.HasSuffix(phrase, "*")
	want := wordsOf(phrase)
	for i := range have {
		if len(have)-i < len(want) {
			return false
		}
		fits := true
		for j, w := range want {
			last := j == len(want)-1
			fits = fits && (have[i+j] == w || open && last && strings.HasPrefix(have[i+j], w))
		}
		if fits {
			return true
		}
	}
	return false
}

// near decides whether a position is at most so far from a place: latitude, longitude and
// kilometres, on a sphere.
func near(position any, want string) bool {
	parts := strings.Split(want, "|")
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			panic("the tests use no number like " + s)
		}
		return f
	}
	of := func(name string) float64 {
		return number(at(position, name)[0].(interface{ String() string }).String())
	}
	return kilometers(of("latitude"), of("longitude"), number(parts[0]), number(parts[1])) <= number(parts[2])
}

// kilometers is the distance of two places by the angle between their directions from the
// middle of the earth.
func kilometers(lat1, long1, lat2, long2 float64) float64 {
	direction := func(lat, long float64) [3]float64 {
		lat, long = lat*math.Pi/180, long*math.Pi/180
		return [3]float64{math.Cos(lat) * math.Cos(long), math.Cos(lat) * math.Sin(long), math.Sin(lat)}
	}
	a, b := direction(lat1, long1), direction(lat2, long2)
	cross := [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
	length := math.Sqrt(cross[0]*cross[0] + cross[1]*cross[1] + cross[2]*cross[2])
	return 6371.0088 * math.Atan2(length, a[0]*b[0]+a[1]*b[1]+a[2]*b[2])
}
