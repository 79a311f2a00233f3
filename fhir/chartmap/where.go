package chartmap

import (
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/store"
)

var whereOps = []string{"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists", "$not", "$elemMatch"}

// where reads a condition in MongoDB's notation: fields with a value or with
// operators, $and, $or and $nor.
func (l *loader) where(n *yaml.Node, what string) store.Filter {
	var out store.And
	for _, e := range l.entries(n, what) {
		switch {
		case e.name == "$and", e.name == "$or", e.name == "$nor":
			var parts []store.Filter
			for _, item := range l.items(e.value, e.name) {
				parts = append(parts, l.where(item, what))
			}
			switch e.name {
			case "$and":
				out = append(out, store.And(parts))
			case "$or":
				out = append(out, store.Or(parts))
			default:
				out = append(out, store.Not{Filter: store.Or(parts)})
			}
		case strings.HasPrefix(e.name, "$"):
			l.unknown(e.key, what, []string{"$and", "$or", "$nor"})
		case l.path(e.key, what) != "":
			out = append(out, l.condition(e.name, e.value))
		}
	}
	return conjunction(out)
}

// condition reads what is asked of one field.
func (l *loader) condition(path string, n *yaml.Node) store.Filter {
	n = deref(n)
	if n.Kind != yaml.MappingNode || l.extended(n) {
		return store.Eq{Path: path, Value: l.literal(n)}
	}
	var out store.And
	for _, e := range l.entries(n, "a condition") {
		bound := func(inclusive bool) *store.Bound {
			return &store.Bound{Value: l.literal(e.value), Inclusive: inclusive}
		}
		values := func() (vs []store.Value) {
			for _, item := range l.items(e.value, e.name) {
				vs = append(vs, l.literal(item))
			}
			return vs
		}
		switch e.name {
		case "$eq":
			out = append(out, store.Eq{Path: path, Value: l.literal(e.value)})
		case "$ne":
			out = append(out, store.Not{Filter: store.Eq{Path: path, Value: l.literal(e.value)}})
		case "$in":
			out = append(out, store.In{Path: path, Values: values()})
		case "$nin":
			out = append(out, store.Not{Filter: store.In{Path: path, Values: values()}})
		case "$gt", "$gte":
			out = append(out, store.Range{Path: path, Low: bound(e.name == "$gte")})
		case "$lt", "$lte":
			out = append(out, store.Range{Path: path, High: bound(e.name == "$lte")})
		case "$exists":
			out = append(out, store.Exists{Path: path, Want: l.boolean(e.value, "$exists")})
		case "$not":
			out = append(out, store.Not{Filter: l.condition(path, e.value)})
		case "$elemMatch":
			out = append(out, store.Elem{Path: path, Where: l.where(e.value, "$elemMatch")})
		default:
			l.unknown(e.key, "a condition on "+strconv.Quote(path), whereOps)
		}
	}
	return conjunction(out)
}

// extended reports whether n is a value in extended JSON: {$date: …} or {$oid: …}.
func (l *loader) extended(n *yaml.Node) bool {
	return len(n.Content) == 2 && (n.Content[0].Value == "$date" || n.Content[0].Value == "$oid")
}

// literal reads a value: null, true, a number, a string, {$date: …} or {$oid: …}.
func (l *loader) literal(n *yaml.Node) store.Value {
	n = deref(n)
	if n.Kind == yaml.MappingNode && l.extended(n) {
		text := l.str(n.Content[1], n.Content[0].Value)
		if n.Content[0].Value == "$oid" {
			oid, err := bson.ObjectIDFromHex(text)
			if err != nil {
				l.add(n.Content[1], "", "$oid must be 24 hexadecimal digits")
			}
			return store.V(oid)
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			l.add(n.Content[1], "write it as 2026-01-31T12:00:00Z", "$date must be a date with a time and a zone")
		}
		return store.V(t)
	}
	if n.Kind != yaml.ScalarNode {
		l.add(n, "", "a value must be null, true, false, a number, a string, {$date: …} or {$oid: …}")
		return store.Null()
	}
	switch v := l.scalar(n).(type) {
	case number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			l.add(n, "", "%s is not a number", v)
		}
		return store.V(f)
	default:
		return store.V(v)
	}
}

// path reads a dotted path of field names.
func (l *loader) path(n *yaml.Node, what string) string {
	n = deref(n)
	s := n.Value
	if n.Kind != yaml.ScalarNode || s == "" {
		l.add(n, "", "%s must be a path in the document", what)
		return ""
	}
	for _, part := range strings.Split(s, ".") {
		switch {
		case part == "":
			l.add(n, "", "%s: the path %q has an empty part", what, s)
			return ""
		case strings.HasPrefix(part, "$"), strings.ContainsAny(part, "\x00 \t\n"):
			l.add(n, "", "%s: %q cannot be a field name", what, part)
			return ""
		case isDecimal([]byte(part)):
			l.add(n, "name the fields with $each, or $list for several fields", "%s: the path %q has an array position", what, s)
			return ""
		}
	}
	return s
}
