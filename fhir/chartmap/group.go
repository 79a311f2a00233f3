package chartmap

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// grouping makes one resource of all documents with the same value in a field (groupBy).
// The rules read one document for all of them: the fields in which they agree, the least or
// greatest value of some fields, and the documents themselves in an array.
type grouping struct {
	key      string   // field that they have in common
	rows     string   // array of the documents, for $each
	order    string   // field that the rows are ordered by; empty for _id
	min, max []string // fields of which the least, the greatest value counts
	same     []string // compartments: documents that disagree there make no resource
	version  string   // field
	paths    []string // what rules and conditions read of the group but the rows
	members  []string // fields of the rows that rules read
}

// versionField is the field in which the document of a group has a hash of the versions of
// its members. No path of a chart map begins with $.
const versionField = "$version"

// maxMembers bounds a group: a larger one is no resource.
const maxMembers = 1000

// merge gives what the rules read of a group. It is not ok, and fault is told, where
// the members belong to different owners, or are too many.
func (g *grouping) merge(members []store.Doc, fault func()) (store.Doc, bool) {
	if len(members) == 0 {
		return nil, false
	}
	if len(members) > maxMembers {
		fault()
		return nil, false
	}
	for _, path := range g.same {
		if v, ok := agreed(members, path); !ok || store.Missing(v) {
			fault()
			return nil, false
		}
	}
	g.sort(members)
	var fields []store.Field
	for _, path := range g.paths {
		var v store.Value
		switch {
		case slices.Contains(g.min, path):
			v = extreme(members, path, -1)
		case slices.Contains(g.max, path):
			v = extreme(members, path, 1)
		default:
			v, _ = agreed(members, path)
		}
		if !store.Missing(v) {
			fields = append(fields, store.Field{Path: path, Value: v})
		}
	}
	start, dst := bsoncore.AppendDocumentStart(nil)
	if v := g.versions(members); v != "" {
		dst = bsoncore.AppendStringElement(dst, versionField, v)
	}
	dst = assemble(dst, fields)
	array, dst := bsoncore.AppendArrayElementStart(dst, g.rows)
	for i, m := range members {
		dst = bsoncore.AppendDocumentElement(dst, strconv.Itoa(i), bsoncore.Document(m))
	}
	dst, err := bsoncore.AppendArrayEnd(dst, array)
	return endDocument(dst, start), err == nil
}

// sort brings the rows in their order.
func (g *grouping) sort(members []store.Doc) {
	slices.SortFunc(members, func(a, b store.Doc) int {
		c := 0
		if g.order != "" {
			c = store.Compare(store.Lookup(a, g.order), store.Lookup(b, g.order))
		}
		return cmp.Or(c, store.Compare(store.ID(a), store.ID(b)))
	})
}

// versions gives a hash of the keys and versions of all members: it is another when one
// changes, comes or goes. It is empty where a member has none.
func (g *grouping) versions(members []store.Doc) string {
	if g.version == "" {
		return ""
	}
	h := sha256.New()
	add := func(v store.Value) {
		h.Write([]byte{byte(v.Type), byte(len(v.Value)), byte(len(v.Value) >> 8)})
		h.Write(v.Value)
	}
	byKey := slices.SortedFunc(slices.Values(members), func(a, b store.Doc) int { return store.Compare(store.ID(a), store.ID(b)) })
	for _, m := range byKey {
		v := store.Lookup(m, g.version)
		if store.Missing(v) || v.Type == bson.TypeNull {
			return ""
		}
		add(store.ID(m))
		add(v)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// agreed gives the value that all members have at a path.
func agreed(members []store.Doc, path string) (store.Value, bool) {
	first := store.Lookup(members[0], path)
	for _, m := range members[1:] {
		if store.Compare(store.Lookup(m, path), first) != 0 {
			return store.Value{}, false
		}
	}
	if first.Type == bson.TypeNull {
		first = store.Value{}
	}
	return first, true
}

// extreme gives the least (sign -1) or greatest (1) value that a member has.
func extreme(members []store.Doc, path string, sign int) store.Value {
	var best store.Value
	for _, m := range members {
		v := store.Lookup(m, path)
		if store.Missing(v) || v.Type == bson.TypeNull {
			continue
		}
		if store.Missing(best) || sign*store.Compare(v, best) > 0 {
			best = v
		}
	}
	return best
}

// assemble appends fields, whose paths may have parts in common. Of a path and one within it,
// the shorter counts.
func assemble(dst []byte, fields []store.Field) []byte {
	for len(fields) > 0 {
		name, rest, deeper := strings.Cut(fields[0].Path, ".")
		if !deeper {
			v := fields[0].Value
			dst = bsoncore.AppendValueElement(dst, name, bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
		}
		var inner []store.Field
		for len(fields) > 0 {
			head, tail, more := strings.Cut(fields[0].Path, ".")
			if head != name {
				break
			}
			if more {
				inner = append(inner, store.Field{Path: tail, Value: fields[0].Value})
			}
			fields = fields[1:]
		}
		if deeper && rest != "" {
			var start int32
			start, dst = bsoncore.AppendDocumentElementStart(dst, name)
			dst = endDocument(assemble(dst, inner), start)
		}
	}
	return dst
}

// fetchGroups reads the next groups: the keys of documents that may be members of one that
// is looked for, and then all members of these groups.
func (c *cursor) fetchGroups(ctx context.Context) error {
	var last store.Value
	after := c.after
	if len(after) == 1 { // behind a whole group
		last = after[0]
		end := bson.TypeMaxKey
		if c.order[0].Desc {
			end = bson.TypeMinKey
		}
		after = store.Cursor{last, {Type: end}}
	}
	top, _, _ := strings.Cut(c.id.path, ".")
	q := store.Query{Collection: c.Collection, Where: c.filter, Order: c.order, After: after, Limit: c.batch, Fields: []string{top}}
	var keys []store.Value
	n := 0
	for doc, err := range c.repo.Store.Find(ctx, q) {
		if err != nil {
			return fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		n++
		if key := store.Lookup(doc, c.id.path); store.Missing(last) || store.Compare(key, last) != 0 {
			keys, last = append(keys, key), key
		}
	}
	c.read += n
	c.done = n < c.batch
	if c.left > 0 {
		if len(keys) > c.left {
			keys, c.done = keys[:c.left], false
			last = keys[c.left-1]
		}
		c.left -= len(keys)
	}
	if !store.Missing(last) {
		c.after = store.Cursor{last}
	}
	docs, err := c.repo.groups(ctx, c.e, c.Mapping, keys)
	c.docs = docs
	return err
}

// groups reads whole groups, and gives what the rules read of them, in the order of the
// keys.
func (r *Repository) groups(ctx context.Context, e *encoder, m *Mapping, keys []store.Value) ([]store.Doc, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	sorted := slices.SortedFunc(slices.Values(keys), store.Compare)
	members := make([][]store.Doc, len(sorted))
	q := store.Query{Collection: m.Collection, Where: conjunction([]store.Filter{orAll(m.Where), m.id.in(sorted)}), Fields: m.fields}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("searching %s: %w", m.Collection, err)
		}
		i, known := slices.BinarySearchFunc(sorted, store.Lookup(doc, m.id.path), store.Compare)
		if known && len(members[i]) <= maxMembers {
			members[i] = append(members[i], doc)
		}
	}
	var out []store.Doc
	for _, key := range keys {
		i, _ := slices.BinarySearchFunc(sorted, key, store.Compare)
		if doc, ok := m.group.merge(members[i], func() { e.unreadable(m, key) }); ok {
			out = append(out, doc)
		}
	}
	return out, nil
}

// bound is what a condition on a group says of its members: that all of them, or one of
// them, satisfies f.
type bound struct {
	f   store.Filter
	all bool
}

// lift turns a condition on the documents of groups into one that some member of each
// such group satisfies.
func (g *grouping) lift(f store.Filter) store.Filter { return g.bound(f, false).f }

func (g *grouping) bound(f store.Filter, negated bool) bound {
	isOr := negated
	var parts []store.Filter
	switch f := f.(type) {
	case store.Not:
		return g.bound(f.Filter, !negated)
	case store.And:
		parts = f
	case store.Or:
		parts, isOr = f, !negated
	default:
		return g.leaf(f, negated)
	}
	if isOr {
		out := bound{all: true}
		any := make([]store.Filter, len(parts))
		for i, p := range parts {
			b := g.bound(p, negated)
			any[i], out.all = b.f, out.all && b.all
		}
		out.f = disjunction(any)
		return out
	}
	var all []store.Filter
	var one store.Filter // of what some member satisfies, each maybe another: one is asked for
	for _, p := range parts {
		switch b := g.bound(p, negated); {
		case b.all:
			all = append(all, b.f)
		case one == nil || rank(b.f) < rank(one):
			one = b.f
		}
	}
	if one == nil {
		return bound{conjunction(all), true}
	}
	return bound{conjunction(append(all, one)), false}
}

// leaf says what a condition on one field says of the members.
func (g *grouping) leaf(f store.Filter, negated bool) bound {
	path := pathOf(f)
	if path == g.rows {
		if e, ok := f.(store.Elem); ok && onFields(e.Where) {
			if negated {
				return bound{negation(e.Where), true}
			}
			return bound{e.Where, false}
		}
		return bound{store.All(), true}
	}
	if negated {
		f = store.Not{Filter: f}
	}
	// What holds without a value holds where the members disagree.
	if store.Match(f, emptyDoc()) {
		return bound{store.All(), true}
	}
	return bound{f, !slices.Contains(g.min, path) && !slices.Contains(g.max, path)}
}

// onFields reports whether a condition within an Elem is about fields of the element only.
func onFields(f store.Filter) bool {
	only := true
	store.EachPath(f, func(path string) { only = only && path != "" })
	return only
}
