package index

import (
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// names are the parameters that people are looked up by together: the beginning of the
// family name and that of a given name. Each family name with each given name has an
// entry of family, in which their characters take turns, so that both beginnings are
// one.
type names struct{ family, given *param }

// Bounds of the entries of names.
const (
	maxTurns = 6  // characters of each name
	maxNames = 32 // entries; what has more has one that says so
)

// named finds the names of a type.
func (it *Type) named() *names {
	n := names{it.byName["family"], it.byName["given"]}
	if n.family == nil || n.given == nil || n.family.Type != fhir.ParamString || n.given.Type != fhir.ParamString {
		return nil
	}
	return &n
}

// turns lets the characters of two texts take turns, beginning with those of the first.
// Without fill it ends where one of them has no more: where the given name has not, behind
// the character of the family name.
func turns(family, given string, fill bool) string {
	var out []byte
	for range maxTurns {
		var ended bool
		for _, s := range []*string{&family, &given} {
			switch {
			case *s != "":
				_, n := utf8.DecodeRuneInString(*s)
				out = append(out, (*s)[:n]...)
				*s = (*s)[n:]
			case !fill:
				return string(out)
			default:
				out = append(out, special...)
				ended = true
			}
		}
		if ended && family == "" && given == "" {
			break
		}
	}
	return string(out)
}

// keys adds the entries of names, of which some may be there twice.
func (n *names) keys(out *keyList, families, givens []string) {
	if len(families)*len(givens) > maxNames {
		out.add(n.family.code, taking, end)
		return
	}
	for _, f := range families {
		for _, g := range givens {
			out.add(n.family.code, taking, turns(f, g, true))
		}
	}
}

// called gives the plan for a family name and a given name together; ok is false for
// anything else.
func (c *compiler) called(family, given fhir.Term) (plan Plan, ok bool) {
	n := c.typ.names
	if n == nil || family.Param != n.family.SearchParam || given.Param != n.given.SearchParam || family.Modifier != "" || given.Modifier != "" {
		return Plan{}, false
	}
	f, ok := family.Value.(fhir.StringValue)
	g, ok2 := given.Value.(fhir.StringValue)
	if !ok || !ok2 {
		return Plan{}, false
	}
	one, other := normal(string(f)), normal(string(g))
	if one == "" || other == "" {
		return Plan{}, false
	}
	key := n.family.code + taking + turns(one, other, false)
	many := c.is(n.family.code + taking + end).Where
	return Plan{
		Where: store.Or{c.prefix(key), many},
		Walk:  &Walk{Stretches: []store.Stretch{{Prefix: key}}, Rest: many},
	}, true
}
