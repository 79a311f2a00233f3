package exact

import (
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Clock is what the meaning of dates depends on.
type Clock struct {
	Zone *time.Location // of dates without one
	Now  time.Time      // for the prefix ap
}

// This is a second reading of R4 3.1.1: what a search means, on decoded JSON, as
// slowly and plainly as can be. It shares no code with fhir/index, fhir/search
// and fhir/path.

// Object is decoded JSON; numbers are json.Number. References to the server itself
// are relative in it.
type Object = map[string]any

// at follows names through objects and arrays.
func at(v any, names ...string) []any {
	if list, ok := v.([]any); ok {
		var out []any
		for _, e := range list {
			out = append(out, at(e, names...)...)
		}
		return out
	}
	if len(names) == 0 {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	o, ok := v.(Object)
	if !ok {
		return nil
	}
	return at(o[names[0]], names[1:]...)
}

// get is the one string there.
func get(v any, names ...string) string {
	for _, found := range at(v, names...) {
		if s, ok := found.(string); ok {
			return s
		}
	}
	return ""
}

// cut splits at every sep that no backslash precedes.
func cut(s string, sep rune) []string {
	parts := []string{""}
	escaped := false
	for _, c := range s {
		last := &parts[len(parts)-1]
		switch {
		case escaped:
			*last += `\` + string(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == sep:
			parts = append(parts, "")
		default:
			*last += string(c)
		}
	}
	if escaped {
		parts[len(parts)-1] += `\`
	}
	return parts
}

var unescaper = strings.NewReplacer(`\\`, `\`, `\,`, `,`, `\|`, `|`, `\$`, `$`)

// escaper is its inverse.
var escaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)

// plainer spells the letters that Unicode does not decompose.
var plainer = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "ħ", "h", "þ", "th", "ı", "i", "ς", "σ")

// plain takes case and accents off a text, and white space too much.
func plain(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(plainer.Replace(b.String())), " ")
}

// matchString is R4 3.1.1.4.8.
func matchString(have, modifier, want string) bool {
	want = unescaper.Replace(want)
	switch modifier {
	case "exact":
		return have == want
	case "contains":
		return strings.Contains(plain(have), plain(want))
	}
	return strings.HasPrefix(plain(have), plain(want)) && plain(have) != ""
}

// matchToken is R4 3.1.1.4.10, on a Coding, CodeableConcept, Identifier,
// ContactPoint, boolean, or a code with its system.
func matchToken(have any, modifier, want string) bool {
	o, ok := have.(Object)
	if !ok {
		return false
	}
	if list, ok := o["coding"].([]any); ok {
		if slices.ContainsFunc(list, func(c any) bool { return matchToken(c, modifier, want) }) {
			return true
		}
	}
	switch modifier {
	case "text":
		shown := append(at(o, "text"), at(o, "display")...)
		if o["value"] != nil {
			shown = at(o, "type", "text")
		}
		return slices.ContainsFunc(shown, func(s any) bool { return matchString(s.(string), "", want) })
	case "of-type":
		parts := cut(want, '|')
		for _, c := range at(o, "type", "coding") {
			if get(c, "system") == unescaper.Replace(parts[0]) && get(c, "code") == unescaper.Replace(parts[1]) {
				return get(o, "value") == unescaper.Replace(parts[2])
			}
		}
		return false
	}
	system, code := get(o, "system"), get(o, "code")+get(o, "value")
	switch modifier {
	case "in", "below", "above":
		return inSet(system, code, modifier, want)
	}
	parts := cut(want, '|')
	for i := range parts {
		parts[i] = unescaper.Replace(parts[i])
	}
	switch {
	case len(parts) == 1:
		return code == parts[0]
	case parts[1] == "":
		return system == parts[0]
	}
	return system == parts[0] && code == parts[1]
}

// matchReference is R4 3.1.1.4.12. only is the type that a bare id stands for,
// empty for any.
func matchReference(have any, modifier, want, only string) bool {
	if modifier == "identifier" {
		return len(at(have, "identifier")) > 0 && matchToken(at(have, "identifier")[0], "", want)
	}
	local := func(s string) string {
		s, _, _ = strings.Cut(s, "/_history/")
		return s
	}
	ref, want := local(get(have, "reference")), local(unescaper.Replace(want))
	typ, id, ok := strings.Cut(ref, "/")
	if strings.Contains(ref, ":") || !ok {
		return ref == want && ref != ""
	}
	if modifier != "" {
		only = modifier
	}
	if only != "" && typ != only {
		return false
	}
	return want == ref || want == id
}

// matchCanonical is a reference to what has a version of its own.
func matchCanonical(have, want string) bool {
	url, _, _ := strings.Cut(have, "|")
	return have == want || url == want
}

// moments is a stretch of time.
type moments struct{ from, to time.Time }

var (
	past   = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	future = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// readDate gives the time that a date takes.
func readDate(s string, zone *time.Location) moments {
	for _, as := range []struct {
		layout              string
		years, months, days int
		d                   time.Duration
	}{
		{layout: "2006", years: 1},
		{layout: "2006-01", months: 1},
		{layout: "2006-01-02", days: 1},
		{layout: "2006-01-02T15:04Z07:00", d: time.Minute},
		{layout: "2006-01-02T15:04", d: time.Minute},
		{layout: "2006-01-02T15:04:05.000Z07:00", d: time.Millisecond},
		{layout: "2006-01-02T15:04:05Z07:00", d: time.Second},
	} {
		if t, err := time.ParseInLocation(as.layout, s, zone); err == nil {
			return moments{t, t.AddDate(as.years, as.months, as.days).Add(as.d)}
		}
	}
	panic("the tests use no date like " + s)
}

// readTimes reads a date, a Period or a Timing.
func readTimes(v any, zone *time.Location) moments {
	o, ok := v.(Object)
	if !ok {
		return readDate(v.(string), zone)
	}
	m := moments{past, future}
	if s := get(o, "start"); s != "" {
		m.from = readDate(s, zone).from
	}
	if s := get(o, "end"); s != "" {
		m.to = readDate(s, zone).to
	}
	for i, e := range at(o, "event") {
		at := readDate(e.(string), zone)
		if i == 0 {
			m = at
		}
		if at.from.Before(m.from) {
			m.from = at.from
		}
		if at.to.After(m.to) {
			m.to = at.to
		}
	}
	return m
}

func prefixed(s string) (prefix, rest string) {
	if s[0] >= 'a' && s[0] <= 'z' {
		return s[:2], s[2:]
	}
	return "eq", s
}

// matchDate is R4 3.1.1.4.3 and 3.1.1.4.7.
func (c Clock) matchDate(have any, want string) bool {
	prefix, date := prefixed(want)
	v, w := readTimes(have, c.Zone), readDate(date, c.Zone)
	inside := !v.from.Before(w.from) && !v.to.After(w.to)
	above, below := v.to.After(w.to), v.from.Before(w.from)
	switch prefix {
	case "eq":
		return inside
	case "ne":
		return !inside
	case "gt":
		return above
	case "lt":
		return below
	case "ge":
		return above || inside
	case "le":
		return below || inside
	case "sa":
		return !v.from.Before(w.to)
	case "eb":
		return !v.to.After(w.from)
	}
	tenth := c.Now.Sub(w.from).Abs() / 10
	return v.from.Before(w.to.Add(tenth)) && v.to.After(w.from.Add(-tenth))
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("the tests use no number like " + s)
	}
	return r
}

// matchQuantity is R4 3.1.1.4.11, without comparators: the tables have those.
func matchQuantity(have any, want string) bool {
	prefix, rest := prefixed(want)
	parts := cut(rest, '|')
	if len(parts) == 3 {
		system, code := unescaper.Replace(parts[1]), unescaper.Replace(parts[2])
		switch {
		case system == "" && code != get(have, "code") && code != get(have, "unit"):
			return false
		case system != "" && (system != get(have, "system") || code != get(have, "code")):
			return false
		}
	}
	found := at(have, "value")
	if len(found) == 0 {
		return false
	}
	v, w := rat(found[0].(interface{ String() string }).String()), rat(parts[0])
	digits := 0
	if _, fraction, ok := strings.Cut(parts[0], "."); ok {
		digits = len(fraction)
	}
	half := rat("0.5")
	for range digits {
		half.Quo(half, rat("10"))
	}
	inside := v.Cmp(new(big.Rat).Sub(w, half)) >= 0 && v.Cmp(new(big.Rat).Add(w, half)) < 0
	switch prefix {
	case "eq":
		return inside
	case "ne":
		return !inside
	case "gt", "sa":
		return v.Cmp(w) > 0
	case "lt", "eb":
		return v.Cmp(w) < 0
	case "ge":
		return v.Cmp(w) >= 0
	case "le":
		return v.Cmp(w) <= 0
	}
	far := new(big.Rat).Sub(v, w)
	return far.Abs(far).Cmp(new(big.Rat).Quo(new(big.Rat).Abs(w), rat("10"))) <= 0
}
