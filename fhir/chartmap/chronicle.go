package chartmap

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// chronicled reports whether there is a history of the type: whether the EHR keeps old versions of
// all its documents, with the time of each. Maps of one collection must agree on where.
func (s *served) chronicled() bool {
	for _, m := range s.maps {
		if m.Archive == "" || m.updated == nil || m.viewed() {
			return false
		}
		for _, o := range s.maps {
			if o.Collection == m.Collection && (o.Archive != m.Archive || o.archived.path != m.archived.path || o.updated.path != m.updated.path || o.version.path != m.version.path || o.id.path != m.id.path) {
				return false
			}
		}
	}
	return true
}

// annals are documents in the order of time: those of a collection, or what they were before.
type annals struct {
	*Mapping // one of those of the collection, for its bookkeeping
	of       *served
	former   bool
	docs     []chapter
	after    store.Cursor
	floor    store.Filter // where the page before ended, in the other annals
	done     bool
}

// chapter is one version of a document.
type chapter struct {
	doc  store.Doc
	key  store.Value
	at   store.Cursor
	when time.Time
}

// chronicle is a history of types that is under way.
type chronicle struct {
	*Repository
	q      fhir.HistoryQuery
	e      *encoder
	annals []*annals // in the order of versions at the same time
}

// chronicle gives the versions of all resources of types, as far as the EHR keeps them: in the order of
// `updated`, without documents that have no time. What was deleted is no longer told of but by its old versions.
func (r *Repository) chronicle(ctx context.Context, q fhir.HistoryQuery, types []fhir.Type) (fhir.Page, error) {
	c := &chronicle{Repository: r, q: q, e: r.borrow()}
	defer r.encoders.Put(c.e)
	for _, t := range types {
		s := r.Map.types[t]
		if s == nil || !s.chronicled() {
			return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "", "Of %s the EHR keeps no history.", t)
		}
		var seen []string
		for _, m := range s.maps {
			if !slices.Contains(seen, m.Collection) {
				seen = append(seen, m.Collection)
				c.annals = append(c.annals, &annals{Mapping: m, of: s}, &annals{Mapping: m, of: s, former: true})
			}
		}
	}
	if q.Oldest {
		slices.Reverse(c.annals)
	}
	from, err := c.resume()
	if err != nil {
		return fhir.Page{}, err
	}
	return c.page(ctx, from)
}

// milestone is the place behind the last version of a page.
type milestone struct {
	annals, suffix int // of chronicle.annals, of suffixes; -1 at the beginning
	at             store.Cursor
}

func (m milestone) String() string {
	b := binary.AppendUvarint(nil, uint64(m.annals))
	b = binary.AppendUvarint(b, uint64(m.suffix))
	return base64.RawURLEncoding.EncodeToString(append(b, m.at.Marshal()...))
}

// resume reads a cursor and moves all annals behind it.
func (c *chronicle) resume() (milestone, error) {
	if c.q.Cursor == "" {
		return milestone{annals: -1, suffix: -1}, nil
	}
	if len(c.q.Cursor) > maxCursor {
		return milestone{}, badCursor()
	}
	b, err := base64.RawURLEncoding.DecodeString(c.q.Cursor)
	if err != nil {
		return milestone{}, badCursor()
	}
	var parts [2]int
	for i := range parts {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<16 {
			return milestone{}, badCursor()
		}
		parts[i], b = int(v), b[n:]
	}
	m := milestone{annals: parts[0], suffix: parts[1]}
	if m.at, err = store.UnmarshalCursor(b); err != nil || len(m.at) != 3 || m.annals >= len(c.annals) || m.at[0].Type != bson.TypeDateTime {
		return milestone{}, badCursor()
	}
	for i, a := range c.annals {
		bound := &store.Bound{Value: m.at[0], Inclusive: i > m.annals}
		switch {
		case i == m.annals:
			a.after = m.at
		case c.q.Oldest:
			a.floor = store.Range{Path: a.updated.path, Low: bound}
		default:
			a.floor = store.Range{Path: a.updated.path, High: bound}
		}
	}
	return m, nil
}

// page reads the versions behind a place.
func (c *chronicle) page(ctx context.Context, from milestone) (fhir.Page, error) {
	var out fhir.Page
	last := from
	if from.at != nil { // the rest of a document that becomes several resources
		a := c.annals[from.annals]
		rest, err := c.at(ctx, a, from.at)
		if err != nil {
			return out, err
		}
		for _, ch := range rest {
			if err := c.tell(ctx, a, ch, from, &last, &out); err != nil || out.Next != "" {
				return out, err
			}
		}
	}
	for {
		best := -1
		for i, a := range c.annals {
			for len(a.docs) == 0 && !a.done {
				if err := c.fetch(ctx, a); err != nil {
					return out, err
				}
			}
			if len(a.docs) > 0 && (best < 0 || c.before(a.docs[0].when, c.annals[best].docs[0].when)) {
				best = i
			}
		}
		if best < 0 {
			return out, nil
		}
		a := c.annals[best]
		ch := a.docs[0]
		a.docs = a.docs[1:]
		if err := c.tell(ctx, a, ch, milestone{annals: best, suffix: -1, at: ch.at}, &last, &out); err != nil || out.Next != "" {
			return out, err
		}
	}
}

func (c *chronicle) before(a, b time.Time) bool {
	if c.q.Oldest {
		return a.Before(b)
	}
	return a.After(b)
}

// tell puts the resources of one version of a document, behind the place from, on the page, until that is full
// and there is one more.
func (c *chronicle) tell(ctx context.Context, a *annals, ch chapter, from milestone, last *milestone, out *fhir.Page) error {
	for i, b := range a.suffixes() {
		if i <= from.suffix {
			continue
		}
		res, ok, err := c.version(ctx, a, b, ch)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if len(out.Resources) == c.q.Count {
			out.Next = last.String()
			return nil
		}
		out.Resources = append(out.Resources, res)
		*last = milestone{annals: from.annals, suffix: i, at: from.at}
	}
	return nil
}

// suffixes gives a branch for each resource that a document of the collection may be of the type.
func (a *annals) suffixes() []*branch {
	var out []*branch
	for _, b := range a.of.branches {
		if b.Collection == a.Collection && !slices.ContainsFunc(out, func(o *branch) bool { return o.suffix == b.suffix }) {
			out = append(out, b)
		}
	}
	return out
}

// version makes the resource that a version of a document was, or is; not ok where it is none.
func (c *chronicle) version(ctx context.Context, a *annals, kept *branch, ch chapter) (fhir.Resource, bool, error) {
	if a.former {
		res, ok := c.formerly(ctx, c.e, a.of, kept, ch.doc, ch.key)
		return res, ok, nil
	}
	for _, b := range a.of.branches {
		if b.suffix != kept.suffix || b.Collection != kept.Collection || !b.base.match(ch.doc) || lay(ctx) && !b.released(ch.doc) {
			continue
		}
		if res, ok := c.recallItem(c.e, b, unwound{doc: ch.doc}); ok {
			return res, true, nil
		}
		res, ok := c.e.encode(b, ch.doc)
		if !ok {
			return res, false, nil
		}
		l, err := c.layer(ctx, b, res.Key)
		if err != nil || l.overlay == nil {
			return res, true, err
		}
		res, ok = c.e.render(b, ch.doc, l.overlay)
		return res, ok, nil
	}
	return fhir.Resource{}, false, nil
}

// name is the collection of the annals, and fields what is read of it: of old versions all, since
// maps may have had other fields then.
func (a *annals) name() (string, []string) {
	if a.former {
		return a.Archive, nil
	}
	var fields []string
	for _, m := range a.of.maps {
		if m.Collection == a.Collection {
			for _, f := range m.fields {
				if !slices.Contains(fields, f) {
					fields = append(fields, f)
				}
			}
		}
	}
	return a.Collection, fields
}

func (a *annals) ordered(oldest bool) []store.Key {
	return []store.Key{{Path: a.updated.path, Desc: !oldest}, {Path: a.version.path, Desc: !oldest}, {Path: "_id", Desc: !oldest}}
}

// fetch reads the next documents.
func (c *chronicle) fetch(ctx context.Context, a *annals) error {
	name, fields := a.name()
	q := store.Query{Collection: name, Fields: fields, Order: a.ordered(c.q.Oldest), After: a.after, Limit: c.q.Count + 1, Where: c.span(a)}
	n, err := c.read(ctx, a, q)
	a.done = n < q.Limit
	return err
}

// span holds for the documents that the history is about, and behind the page before.
func (c *chronicle) span(a *annals) store.Filter {
	// Without a time to begin with, any date.
	all := []store.Filter{store.Range{Path: a.updated.path, Low: &store.Bound{Value: store.V(c.q.Since), Inclusive: true}}, guard(a.updated.path)}
	if c.q.At != nil {
		_, high := c.q.At.Range(c.Map.Location)
		all = append(all, store.Range{Path: a.updated.path, High: &store.Bound{Value: store.V(high)}})
	}
	if a.floor != nil {
		all = append(all, a.floor)
	}
	if !a.former {
		var any []store.Filter
		for _, b := range a.of.branches {
			if b.Collection == a.Collection {
				any = append(any, b.base.upper())
			}
		}
		all = append(all, disjunction(any))
	}
	return conjunction(all)
}

// at reads again the document at a place.
func (c *chronicle) at(ctx context.Context, a *annals, at store.Cursor) ([]chapter, error) {
	name, fields := a.name()
	q := store.Query{Collection: name, Fields: fields, Where: store.Eq{Path: "_id", Value: at[2]}, Limit: 1}
	if _, err := c.read(ctx, a, q); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(a.docs, func(ch chapter) bool {
		return store.ComparePositions(a.ordered(c.q.Oldest), ch.at, at) != 0
	})
	a.docs, a.after = nil, at
	return found, nil
}

// read puts documents into the annals and gives how many there were. Old ones that are current all the same, or
// were not at the time that is asked for, are left out.
func (c *chronicle) read(ctx context.Context, a *annals, q store.Query) (n int, err error) {
	var found []chapter
	for doc, err := range c.Store.Find(ctx, q) {
		if err != nil {
			return 0, commit.Fault("reading "+q.Collection, err)
		}
		n++
		a.after = store.Position(a.ordered(c.q.Oldest), doc)
		when, ok := store.Lookup(doc, a.updated.path).TimeOK()
		key := store.Lookup(doc, a.id.path)
		if a.former {
			key = store.Lookup(doc, a.archived.path)
		}
		if ok && !store.Missing(key) {
			found = append(found, chapter{doc, key, a.after, when.UTC()})
		}
	}
	if a.former && len(found) > 0 {
		current, err := c.successors(ctx, a, found)
		if err != nil {
			return 0, err
		}
		found = slices.DeleteFunc(found, current)
	}
	a.docs = found
	return n, nil
}

// successors tells which of some old versions are to be left out: those that the document still has, and, of
// a moment, those that had been replaced by then.
func (c *chronicle) successors(ctx context.Context, a *annals, found []chapter) (out func(chapter) bool, err error) {
	keys := make([]store.Value, len(found))
	low, first := time.Time{}, found[0].when
	if c.q.At != nil {
		low, _ = c.q.At.Range(c.Map.Location)
	}
	for i, ch := range found {
		keys[i] = ch.key
		if ch.when.Before(first) {
			first = ch.when
		}
	}
	type version struct{ key, number, when store.Value }
	var later []version
	look := func(collection, key string, where store.Filter) error {
		q := store.Query{Collection: collection, Where: where}
		for _, path := range []string{key, a.version.path, a.updated.path} {
			top, _, _ := strings.Cut(path, ".")
			q.Fields = append(q.Fields, top)
		}
		for doc, err := range c.Store.Find(ctx, q) {
			if err != nil {
				return fmt.Errorf("reading %s: %w", collection, err)
			}
			later = append(later, version{store.Lookup(doc, key), store.Lookup(doc, a.version.path), store.Lookup(doc, a.updated.path)})
		}
		return nil
	}
	if err := look(a.Collection, a.id.path, a.id.in(keys)); err != nil {
		return nil, err
	}
	current := len(later)
	if c.q.At != nil && !low.Before(first) {
		until := store.Range{Path: a.updated.path, Low: &store.Bound{Value: store.V(first)}, High: &store.Bound{Value: store.V(low), Inclusive: true}}
		if err := look(a.Archive, a.archived.path, conjunction([]store.Filter{a.archived.in(keys), until})); err != nil {
			return nil, err
		}
	}
	return func(ch chapter) bool {
		for i, v := range later {
			if store.Compare(v.key, ch.key) != 0 {
				continue
			}
			if i < current && store.Compare(v.number, store.Lookup(ch.doc, a.version.path)) == 0 {
				return true
			}
			when, ok := v.when.TimeOK()
			if ok && c.q.At != nil && when.After(ch.when) && !when.After(low) {
				return true
			}
		}
		return false
	}, nil
}
