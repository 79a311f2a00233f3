package chartmap

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
)

// entry is one key of a mapping.
type entry struct {
	key   *yaml.Node
	name  string
	value *yaml.Node
}

// deref follows an alias to what it stands for.
func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// entries gives the keys of a mapping in order. A merge key (<<) brings in the
// keys of another mapping, which those written here override; a key written
// twice is a problem.
func (l *loader) entries(n *yaml.Node, what string) []entry {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			l.add(n, "write key: value pairs", "%s must be a mapping", what)
		}
		return nil
	}
	var own, merged []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
			merged = append(merged, l.merged(v, what)...)
			continue
		}
		if k.Kind != yaml.ScalarNode {
			l.add(k, "", "a key of %s must be a plain word", what)
			continue
		}
		if slices.ContainsFunc(own, func(e entry) bool { return e.name == k.Value }) {
			l.add(k, "remove one of them", "%q is written twice in %s", k.Value, what)
			continue
		}
		own = append(own, entry{k, k.Value, v})
	}
	var out []entry
	for _, m := range merged {
		if i := slices.IndexFunc(own, func(e entry) bool { return e.name == m.name }); i >= 0 {
			m = own[i] // an override keeps the place of what it overrides
			own = slices.Delete(own, i, i+1)
		}
		out = append(out, m)
	}
	return append(out, own...)
}

func (l *loader) merged(v *yaml.Node, what string) []entry {
	v = deref(v)
	if v.Kind != yaml.SequenceNode {
		return l.entries(v, what)
	}
	var out []entry
	for _, item := range v.Content {
		for _, e := range l.entries(item, what) {
			if !slices.ContainsFunc(out, func(o entry) bool { return o.name == e.name }) {
				out = append(out, e)
			}
		}
	}
	return out
}

// unknown reports a key that is not in the vocabulary.
func (l *loader) unknown(k *yaml.Node, what string, known []string) {
	fix := "known here: " + strings.Join(known, ", ")
	if near := fhir.Nearest(k.Value, known); near != "" {
		fix = "did you mean " + strconv.Quote(near) + "?"
	}
	l.add(k, fix, "unknown key %q in %s", k.Value, what)
}

// items gives the items of a sequence.
func (l *loader) items(n *yaml.Node, what string) []*yaml.Node {
	n = deref(n)
	if n.Kind != yaml.SequenceNode {
		l.add(n, "write [a, b] or one item a line, each after a dash", "%s must be a list", what)
		return nil
	}
	return n.Content
}

// str reads a string.
func (l *loader) str(n *yaml.Node, what string) string {
	n = deref(n)
	s, ok := l.scalar(n).(string)
	if !ok || s == "" {
		fix := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			fix = "put it in quotes: " + strconv.Quote(n.Value)
		}
		l.add(n, fix, "%s must be a string", what)
		return ""
	}
	return s
}

// boolean reads true or false.
func (l *loader) boolean(n *yaml.Node, what string) bool {
	b, ok := l.scalar(n).(bool)
	if !ok {
		l.add(n, "", "%s must be true or false", what)
	}
	return b
}

// oneOf reads one of a few words.
func (l *loader) oneOf(n *yaml.Node, what string, words ...string) string {
	s := l.str(n, what)
	if s == "" || slices.Contains(words, s) {
		return s
	}
	fix := ""
	if near := fhir.Nearest(s, words); near != "" {
		fix = "did you mean " + near + "?"
	}
	l.add(n, fix, "%s must be one of %s", what, strings.Join(words, ", "))
	return ""
}

func isNull(n *yaml.Node) bool {
	n = deref(n)
	if n.Kind != yaml.ScalarNode {
		return false
	}
	v, _ := resolve(n)
	return v == nil
}

// The plain scalars of YAML 1.2's core schema (10.3.2). The YAML package itself
// also knows old forms (014 as octal, dates), which would surprise.
var (
	intScalar   = regexp.MustCompile(`^[-+]?[0-9]+$`)
	radixScalar = regexp.MustCompile(`^0(o[0-7]+|x[0-9a-fA-F]+)$`)
	floatScalar = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// number is a number as it was written, for decimals that must not change.
type number string

// scalar gives nil, a bool, an int64, a number or a string.
func (l *loader) scalar(n *yaml.Node) any {
	n = deref(n)
	if n.Kind != yaml.ScalarNode {
		return n // never equal to what a caller expects
	}
	v, ok := resolve(n)
	if !ok {
		l.add(n, "put it in quotes if it is text", "%s is not a number that fits", n.Value)
	}
	return v
}

func resolve(n *yaml.Node) (any, bool) {
	s := n.Value
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if quoted || n.Style&yaml.TaggedStyle != 0 && n.Tag == "!!str" {
		return s, true
	}
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil, true
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	switch {
	case intScalar.MatchString(s):
		i, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 10, 64)
		return i, err == nil
	case radixScalar.MatchString(s):
		i, err := strconv.ParseInt(s, 0, 64)
		return i, err == nil
	case floatScalar.MatchString(s):
		f, err := strconv.ParseFloat(s, 64)
		return number(s), err == nil && !math.IsInf(f, 0)
	}
	return s, true
}
