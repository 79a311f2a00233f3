package chartmap

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// given is a field that a new document gets besides those of the rules (onCreate).
type given struct {
	path   string
	kind   string // "" for a literal, else a word of givenKinds
	form   string // of $now, $actor and $new
	of     fhir.Type
	value  store.Value // the literal; of $actor: where it is not known
	number *counter
}

// givenKinds are the directives of onCreate, each with what may stand beside it and the forms that
// it has.
func givenKinds() map[string]struct{ beside, forms []string } {
	return map[string]struct{ beside, forms []string }{
		"$now":     {nil, []string{"date", "text", "day", "seconds", "millis"}},
		"$actor":   {[]string{"$of", "$absent"}, []string{"id", "type", "reference", "role"}},
		"$new":     {nil, []string{"uuid", "objectId"}},
		"$counter": {nil, nil},
	}
}

// counter is a number that the EHR counts: the field of a document, of which each next value is
// used once.
type counter struct {
	collection, field string
	id                store.Value
	prefix            string // where the number becomes text
	digits            int    // at least
}

var counterKeys = []string{"from", "id", "field", "prefix", "digits"}

// given reads one field of onCreate.
func (l *loader) given(e entry) (given, bool) {
	g := given{path: l.path(e.key, "onCreate")}
	n := deref(e.value)
	if n.Kind != yaml.MappingNode || l.extended(n) {
		g.value = l.literal(n)
		return g, g.path != ""
	}
	kinds := givenKinds()
	entries := l.entries(n, "onCreate")
	for _, d := range entries {
		if _, leads := kinds[d.name]; leads && g.kind == "" {
			g.kind = d.name
		}
	}
	if g.kind == "" {
		if len(entries) > 0 {
			l.unknown(entries[0].key, "onCreate", []string{"$now", "$actor", "$new", "$counter", "$date", "$oid"})
		} else {
			l.add(n, "write a value, or $now, $actor, $new or $counter", "onCreate: %q has no value", e.name)
		}
		return g, false
	}
	for _, d := range entries {
		switch {
		case d.name == "$counter" && g.kind == d.name:
			g.number = l.counter(d.value)
		case d.name == g.kind:
			g.form = l.oneOf(d.value, g.kind, kinds[g.kind].forms...)
		case !slices.Contains(kinds[g.kind].beside, d.name):
			l.unknown(d.key, g.kind, append([]string{g.kind}, kinds[g.kind].beside...))
		case d.name == "$of":
			g.of = l.resource(d.value, "$of")
		case d.name == "$absent":
			g.value = l.literal(d.value)
		}
	}
	return g, g.path != ""
}

// counter reads where the EHR counts.
func (l *loader) counter(n *yaml.Node) *counter {
	c := &counter{}
	for _, e := range l.entries(n, "$counter") {
		switch e.name {
		case "from":
			c.collection = l.collection(e.value)
		case "id":
			c.id = l.literal(e.value)
		case "field":
			c.field = l.path(e.value, "field")
		case "prefix":
			c.prefix = l.str(e.value, "prefix")
		case "digits":
			const most = 18 // of an int64
			digits, ok := l.scalar(e.value).(int64)
			if !ok || digits < 1 || digits > most {
				l.add(e.value, "", "digits must be a number from 1 to %d", most)
			}
			c.digits = int(digits)
		default:
			l.unknown(e.key, "$counter", counterKeys)
		}
	}
	if c.collection == "" || c.field == "" || store.Missing(c.id) || c.id.Type == bson.TypeNull || c.field == "_id" {
		l.add(n, "write { from: counters, id: orders, field: seq }", "$counter needs from, id and field")
	}
	return c
}

// newID reads how the keys of new documents are made.
func (l *loader) newID(m *Mapping, n *yaml.Node) {
	if n = deref(n); n.Kind != yaml.MappingNode {
		m.NewID = l.oneOf(n, "newId", "objectId", "uuid")
		return
	}
	for _, e := range l.entries(n, "newId") {
		if e.name != "$counter" {
			l.unknown(e.key, "newId", []string{"$counter"})
			continue
		}
		m.NewID, m.counted = "counter", l.counter(e.value)
	}
}

// onCreate reads the fields that a new document gets, which are none that get their values anyway.
func (l *loader) onCreate(h *header) {
	m, n := h.m, h.keys["onCreate"]
	if n == nil {
		return
	}
	for _, e := range l.entries(n, "onCreate") {
		g, ok := l.given(e)
		if !ok {
			continue
		}
		if slices.Contains(m.kept(), g.path) {
			l.add(e.key, "remove it", "onCreate: %q is the key, the version or the time of the document, which get their values by themselves", g.path)
		}
		m.onCreate = append(m.onCreate, g)
	}
}

// give makes the value of a field of a new document; missing where it gets none.
func (p *planner) give(ctx context.Context, g *given) (store.Value, error) {
	switch g.kind {
	case "$now":
		return p.timeIn(g.form), nil
	case "$new":
		return freshKey(g.form), nil
	case "$counter":
		return p.count(ctx, g.number)
	case "$actor":
		if v := p.actorIn(g); !store.Missing(v) {
			return v, nil
		}
	}
	return g.value, nil
}

// timeIn is the present in a form.
func (p *planner) timeIn(form string) store.Value {
	local := p.now.In(p.Map.Location)
	switch form {
	case "text":
		return store.String(local.Format("2006-01-02T15:04:05.000Z07:00"))
	case "day":
		return store.String(local.Format(time.DateOnly))
	case "seconds":
		return store.V(p.now.Unix())
	case "millis":
		return store.V(p.now.UnixMilli())
	}
	return store.V(p.now)
}

// actorIn is who writes, in a form; missing where that is not known, or not one of a type.
func (p *planner) actorIn(g *given) store.Value {
	if p.actor == nil {
		return store.Value{}
	}
	if g.form == "role" {
		return store.String(p.actor.Role)
	}
	i := slices.IndexFunc(p.actor.Self, func(k fhir.Key) bool { return g.of == "" || k.Type == g.of })
	if i < 0 {
		return store.Value{}
	}
	self := p.actor.Self[i]
	switch g.form {
	case "type":
		return store.String(string(self.Type))
	case "reference":
		return store.String(self.String())
	}
	if s := p.Map.types[self.Type]; s != nil {
		if what, ok := s.ids.parseIdent(self.ID); ok && what.array == "" {
			return like(store.Value{}, what.key)
		}
	}
	return store.String(self.ID)
}

// freshKey makes a value that no other has.
func freshKey(form string) store.Value {
	if form == "uuid" {
		var u [16]byte
		_, _ = rand.Read(u[:]) // never fails
		u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
		return store.String(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
	}
	return store.V(bson.NewObjectID())
}

// counted is how far a commit has counted.
type counted struct {
	op  int // of ops, which sets the counter
	was store.Value
	now int64
}

// count takes the next number of a counter of the EHR. The counter is set in the same Apply, on the
// condition that it still is what was read: when somebody else counted meanwhile, the EHR or another node,
// the commit is planned anew.
func (p *planner) count(ctx context.Context, c *counter) (store.Value, error) {
	name := c.collection + "/" + c.id.String() + "/" + c.field
	at, known := p.counters[name]
	if !known {
		var err error
		if at, err = p.readCounter(ctx, c); err != nil {
			return store.Value{}, err
		}
		at.op = len(p.ops)
		p.ops = append(p.ops, store.Op{Kind: store.Update, Collection: c.collection, ID: c.id, If: store.Eq{Path: c.field, Value: at.was}})
	}
	at.now++
	next := like(at.was, store.V(at.now))
	p.ops[at.op].Set = []store.Field{{Path: c.field, Value: next}}
	p.counters[name] = at
	if c.prefix == "" && c.digits == 0 {
		return next, nil
	}
	digits := strconv.FormatInt(at.now, 10)
	return store.String(c.prefix + strings.Repeat("0", max(0, c.digits-len(digits))) + digits), nil
}

// readCounter reads a counter. One that is not there, or is no whole number, is a fault of the chart map or
// of the EHR, which no client can help.
func (p *planner) readCounter(ctx context.Context, c *counter) (counted, error) {
	q := store.Query{Collection: c.collection, Where: store.Eq{Path: "_id", Value: c.id}, Limit: 1}
	for doc, err := range p.Store.Find(ctx, q) {
		if err != nil {
			return counted{}, commit.Fault("reading "+c.collection, err)
		}
		v := store.Lookup(doc, c.field)
		n, ok := whole(v)
		const most = 1 << 53 // what all kinds of numbers count to
		if !ok || n < 0 || n >= most {
			return counted{}, fmt.Errorf("chartmap: the counter %q of %s is no whole number, or too large", c.field, c.collection)
		}
		return counted{was: v, now: n}, nil
	}
	return counted{}, fmt.Errorf("chartmap: %s has no document for the counter %q", c.collection, c.field)
}
