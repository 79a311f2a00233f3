package exact

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// This draws expressions of _filter (R4 3.1.3) and says what they mean, in the terms of the
// evaluator of all other parameters.

// means decides a resource of a world.
type means func(w world, r Object, c Clock) bool

// filter draws a parameter _filter.
func (s source) filter(typ string, all map[string][]Attribute) asked {
	text, holds := s.logical(typ, all, 2, 2)
	return asked{"_filter", text, func(w world, _ string, r Object, c Clock) bool { return holds(w, r, c) }}
}

// logical draws operands between which "and" and "or" are understood from left to right. more
// is how many references a path may go along.
func (s source) logical(typ string, all map[string][]Attribute, depth, more int) (string, means) {
	text, holds := s.operand(typ, all, depth, more)
	for range s.even(3) {
		next, also := s.operand(typ, all, depth, more)
		left := holds
		if s.chance() {
			text += s.of([]string{" and ", " AND ", "  and\t"}) + next
			holds = func(w world, r Object, c Clock) bool { return left(w, r, c) && also(w, r, c) }
			continue
		}
		text += " or " + next
		holds = func(w world, r Object, c Clock) bool { return left(w, r, c) || also(w, r, c) }
	}
	return text, holds
}

func (s source) operand(typ string, all map[string][]Attribute, depth, more int) (string, means) {
	if depth == 0 || s.even(3) > 0 {
		return s.test(typ, all, more)
	}
	text, holds := s.logical(typ, all, depth-1, more)
	if s.chance() {
		return "(" + text + ")", holds
	}
	return s.of([]string{"not(", "not ("}) + text + ")", func(w world, r Object, c Clock) bool { return !holds(w, r, c) }
}

// test draws a path with an operator and a value. It asks for something that is there, or,
// as a whole, that there is nothing.
func (s source) test(typ string, all map[string][]Attribute, more int) (string, means) {
	path, op, value, holds := s.path(typ, all, more)
	negative := map[string]string{"in": "ni", "pr": "pr"}[op]
	if negative == "" || s.chance() {
		return path + " " + op + " " + value, holds
	}
	if op == "pr" {
		value = "false"
	}
	return path + " " + negative + " " + value, func(w world, r Object, c Clock) bool { return !holds(w, r, c) }
}

func (s source) path(typ string, all map[string][]Attribute, more int) (path, op, value string, holds means) {
	a := all[typ][s.even(len(all[typ]))]
	for a.Kind == "words" {
		a = all[typ][s.even(len(all[typ]))]
	}
	if a.Kind == "reference" && links(a.Only) && more > 0 && s.chance() {
		return s.along(a, all, more)
	}
	op, value, one := s.operator(a)
	if op == "pr" {
		return a.Name, op, value, func(_ world, r Object, c Clock) bool { return a.Holds(r, "missing", "false", c) }
	}
	return a.Name, op, s.written(value), func(_ world, r Object, c Clock) bool {
		return slices.ContainsFunc(a.Values(r), func(v any) bool { return one(v, c) })
	}
}

// along goes on behind a reference, perhaps with a filter on what it leads to.
func (s source) along(a Attribute, all map[string][]Attribute, more int) (path, op, value string, holds means) {
	rest, op, value, inner := s.path(a.Only, all, more-1)
	path, both := a.Name+"."+rest, inner
	if s.chance() {
		where, also := s.logical(a.Only, all, 0, more-1)
		path = a.Name + "[" + where + "]." + rest
		both = func(w world, r Object, c Clock) bool { return also(w, r, c) && inner(w, r, c) }
	}
	return path, op, value, func(w world, r Object, c Clock) bool {
		for id, to := range w[a.Only] {
			if a.leads(r, a.Only+"/"+id) && both(w, to, c) {
				return true
			}
		}
		return false
	}
}

// written writes a value as a token or as a JSON string.
func (s source) written(value string) string {
	if !strings.ContainsAny(value, " \t)]\"") && s.chance() {
		return value
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		s.Fatal(err)
	}
	return string(quoted)
}

// operator draws what is asked of one value.
func (s source) operator(a Attribute) (op, value string, one func(v any, c Clock) bool) {
	if s.even(8) == 0 || a.Kind == "near" {
		return "pr", "true", nil
	}
	switch a.Kind {
	case "string":
		op = s.of([]string{"eq", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
		value = s.of(words())
		if op != "eq" && s.chance() {
			value = unescaper.Replace(s.value(a, "contains"))
		}
		return op, value, func(v any, _ Clock) bool { return compareText(plain(v.(string)), op, plain(value)) }
	case "token":
		return s.coded(a)
	case "date":
		op = s.of([]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "co", "po"})
		_, value = prefixed(s.value(a, ""))
		return op, value, func(v any, c Clock) bool { return c.compareDate(v, op, value) }
	case "quantity":
		op = s.of([]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
		_, value = prefixed(s.value(a, ""))
		return op, value, func(v any, _ Clock) bool { return matchQuantity(v, op+value) }
	case "reference":
		value = strings.ReplaceAll(s.value(a, ""), base+"/", "")
		return "re", value, func(v any, _ Clock) bool { return matchReference(v, "", value, a.Only) }
	case "canonical":
		value = s.canonical().(string)
		return "re", value, func(v any, _ Clock) bool { return matchCanonical(v.(string), value) }
	case "uri":
		op, value = s.of([]string{"eq", "ne"}), s.value(a, "")
		return op, value, func(v any, _ Clock) bool { return (v.(string) == value) == (op == "eq") }
	}
	value = s.value(a, "")
	return "eq", value, func(v any, c Clock) bool { return a.satisfies(v, "", value, c) }
}

// coded draws what is asked of a token.
func (s source) coded(a Attribute) (op, value string, one func(v any, c Clock) bool) {
	op = s.of([]string{"eq", "ne"})
	if slices.Contains([]string{"code", "category", "class", "type", "combo-code", "component-code", "language"}, a.Name) {
		op = s.of([]string{"eq", "ne", "in", "ss", "sb"})
	}
	modifier := map[string]string{"in": "in", "ss": "below", "sb": "above"}[op]
	value = s.value(a, modifier)
	return op, value, func(v any, _ Clock) bool {
		if op == "ne" {
			return otherToken(v, value)
		}
		return matchToken(v, modifier, value)
	}
}

// otherToken finds a code that is not the one.
func otherToken(v any, want string) bool {
	if list := at(v, "coding"); len(list) > 0 {
		return slices.ContainsFunc(list, func(c any) bool { return otherToken(c, want) })
	}
	return get(v, "code")+get(v, "value") != "" && !matchToken(v, "", want)
}

func compareText(have, op, want string) bool {
	switch op {
	case "eq":
		return have == want
	case "ne":
		return have != want
	case "co":
		return strings.Contains(have, want)
	case "sw":
		return strings.HasPrefix(have, want)
	case "ew":
		return strings.HasSuffix(have, want)
	case "gt":
		return have > want
	case "ge":
		return have >= want
	case "lt":
		return have < want
	}
	return have <= want
}

func (c Clock) compareDate(have any, op, want string) bool {
	v, w := readTimes(have, c.Zone), readDate(want, c.Zone)
	switch op {
	case "co":
		return !v.from.After(w.from) && !v.to.Before(w.to)
	case "po":
		return v.from.Before(w.to) && v.to.After(w.from)
	}
	return c.matchDate(have, op+want)
}

// TestG7_16_AsDeepAsAFilterMayGo sends filters with as many levels as there may be.
func TestG7_16_AsDeepAsAFilterMayGo(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		s := newServer(t, st, time.UTC)
		if err := s.put(t.Context(), Resource{"Patient", "a", `{"gender":"male","birthDate":"1990-05"}`}); err != nil {
			t.Fatal(err)
		}
		test := "birthdate co 1990-05-17 "
		for name, filter := range map[string]string{
			"changes of and and or": strings.Repeat(test+"and gender ne female or ", 14) + test,
			"not in parentheses":    strings.Repeat("not(", 10) + test + strings.Repeat(")", 10),
			"both":                  strings.Repeat("not("+test+"and not(birthdate po 1990 and ", 5) + test + strings.Repeat("))", 5) + strings.Repeat("or "+test+"and name pr false ", 4),
		} {
			ids, _, err := s.find(t.Context(), "Patient", []search.Pair{{Name: "_filter", Value: filter}})
			if err != nil || len(ids) != 1 {
				t.Errorf("%s: %v, %v", name, ids, err)
			}
		}
	})
}
