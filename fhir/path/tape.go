package path

import (
	"errors"
	"iter"
	"strconv"
	"strings"
)

// TypeID names a type within a Model; 0 is an unknown type.
type TypeID int32

// Model tells what a resource's JSON means. It is safe for concurrent use.
type Model interface {
	// Resource gives the type of a resource, 0 when there is none of that name.
	Resource(name string) TypeID
	// Member gives, for a JSON member of a value of the parent type, the name of
	// the element ("value" for the member "valueQuantity") and its type. ok is
	// false when there is no such member.
	Member(parent TypeID, name string) (element string, typ TypeID, ok bool)
	// Name gives a type's name: "Patient", "Quantity", "code", "BackboneElement".
	Name(t TypeID) string
	// IsA reports whether a type is, or derives from, the one named.
	IsA(t TypeID, name string) bool
	// Kind gives Date, DateTime, Time or Decimal for the type of that value, Quantity
	// for Quantity and what derives from it, and 0 for all others.
	Kind(t TypeID) Kind
}

// node is one resource, element or value. Arrays have no node: their members
// stand in a row under the same name.
type node struct {
	name        string // of the element; "" for the root
	start, end  int32  // the JSON; start == end where there are only extensions
	parent      int32
	first, next int32 // child and sibling, -1 for none
	group       int32 // of the first of siblings with one name: the first with the next name, -1 for none
	index       int32 // position in the array; -1 outside arrays
	typ         TypeID
	json        byte // '{', '"', '0', 't', 'f', 'n'
}

// merged marks a companion whose children went to the value it belongs to.
const merged = 'm'

// Doc is an index over the JSON of one resource. It keeps the bytes. Unless it is read
// into again, it is immutable and safe for concurrent use.
type Doc struct {
	src   []byte
	text  string // the same, for parts of it that need no copy
	nodes []node
	model Model
}

// Bounds on a document: what schema validation lets through is far below.
const maxNodes = 4 << 20

var errShape = errors.New("path: not the JSON of a resource")

// NewDoc indexes JSON that fhir/schema accepted. On other JSON it may fail or
// index a part of it, but does not panic.
func NewDoc(src []byte, model Model) (*Doc, error) {
	d := &Doc{nodes: make([]node, 0, 16+len(src)/24)}
	if err := d.Read(src, model); err != nil {
		return nil, err
	}
	return d, nil
}

// Read is NewDoc into the memory of a Doc that is no longer used, nor its Items.
func (d *Doc) Read(src []byte, model Model) error {
	*d = Doc{src: src, text: string(src), model: model, nodes: d.nodes[:0]}
	b := builder{doc: d, scanner: scanner{text: d.text}}
	if b.peek() != '{' {
		return errShape
	}
	return b.object(b.add(node{parent: -1, index: -1}))
}

// maxKept is how many nodes a Doc without content keeps memory for.
const maxKept = 1 << 12

// Clear lets go of the content, and of the memory that an unusually large one took.
func (d *Doc) Clear() {
	*d = Doc{nodes: d.nodes[:0]}
	if cap(d.nodes) > maxKept {
		d.nodes = nil
	}
}

// Root is the resource itself.
func (d *Doc) Root() Item { return d.item(0) }

// Place says where an element stands: the type of its parent (0 for the root),
// its name there, and its own type.
type Place struct {
	Parent TypeID
	Name   string
	Type   TypeID
}

// Elements yields the elements, resources included, that want asks for, in the
// order of the document.
func (d *Doc) Elements(want func(Place) bool) iter.Seq2[Place, Item] {
	return func(yield func(Place, Item) bool) {
		for at := range d.nodes {
			n := &d.nodes[at]
			if n.json == merged || d.void(int32(at)) {
				continue
			}
			place := d.place(int32(at))
			if want(place) && !yield(place, d.item(int32(at))) {
				return
			}
		}
	}
}

func (d *Doc) place(at int32) Place {
	n := &d.nodes[at]
	p := Place{Name: n.name, Type: n.typ}
	if n.parent >= 0 {
		p.Parent = d.nodes[n.parent].typ
	}
	return p
}

// resources gives the resource that an element stands in, and that which holds
// the former if it is contained: %resource and %rootResource.
func (it Item) resources() (resource, root Item) {
	if it.doc == nil {
		return it, it
	}
	at := it.doc.resourceAt(it.at)
	resource, root = it.doc.item(at), it.doc.item(at)
	if n := &it.doc.nodes[at]; n.name == "contained" && n.parent >= 0 {
		root = it.doc.item(it.doc.resourceAt(n.parent))
	}
	return resource, root
}

// resourceAt finds the closest node that is a resource, from at upward.
func (d *Doc) resourceAt(at int32) int32 {
	for d.nodes[at].parent >= 0 && !d.model.IsA(d.nodes[at].typ, "Resource") {
		at = d.nodes[at].parent
	}
	return at
}

// path gives the location of a node.
func (d *Doc) path(at int32) string {
	n := &d.nodes[at]
	if n.parent < 0 {
		return d.model.Name(n.typ)
	}
	s := d.path(n.parent) + "." + n.name
	if n.index >= 0 {
		s += "[" + strconv.Itoa(int(n.index)) + "]"
	}
	return s
}

// child gives the first child of a node with the name, -1 for none.
func (d *Doc) child(at int32, name string) int32 {
	for c := d.nodes[at].first; c >= 0; c = d.nodes[c].group {
		if d.nodes[c].name == name {
			return c
		}
	}
	return -1
}

// childText gives the text of the first child with the name.
func (d *Doc) childText(at int32, name string) string {
	c := d.child(at, name)
	if c < 0 || d.nodes[c].json != '"' {
		return ""
	}
	text, _ := unquote(d.text[d.nodes[c].start:d.nodes[c].end])
	return text
}

// item makes the Item of a node and decodes its value.
func (d *Doc) item(at int32) Item {
	n := &d.nodes[at]
	it := Item{kind: Element, doc: d, at: at}
	raw := d.text[n.start:n.end]
	switch n.json {
	case 't', 'f':
		it.kind, it.bool = Boolean, n.json == 't'
	case '0':
		d.number(&it, raw)
	case '"':
		text, ok := unquote(raw)
		if !ok {
			return it
		}
		it.kind, it.text = String, text
		if kind := d.model.Kind(n.typ); kind == Date || kind == DateTime || kind == Time {
			it.temporal(kind)
		}
	case '{':
		if d.model.Kind(n.typ) == Quantity {
			d.quantity(&it)
		}
	}
	return it
}

// literal gives the text of a primitive; "" for all others.
func (d *Doc) literal(at int32) string {
	n := &d.nodes[at]
	raw := d.text[n.start:n.end]
	switch n.json {
	case '"':
		if text, ok := unquote(raw); ok {
			return text
		}
	case '0', 't', 'f':
		return raw
	}
	return ""
}

func (d *Doc) number(it *Item, s string) {
	if !strings.ContainsAny(s, ".eE") && d.model.Kind(d.nodes[it.at].typ) != Decimal {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			it.kind, it.int = Integer, n
			return
		}
	}
	if readable(s) {
		it.kind = Decimal
	}
}

// readable reports whether ParseDecimal reads s, as it reads digits with or without a point
// among them.
func readable(s string) bool {
	plain, points := len(s) > 0 && len(s) <= 40 && s[0] != '.' && s[len(s)-1] != '.', 0
	for i := range len(s) {
		if s[i] == '.' {
			points++
		} else if s[i] < '0' || s[i] > '9' {
			plain = false
		}
	}
	if plain && points <= 1 {
		return true
	}
	_, ok := ParseDecimal(s)
	return ok
}

// temporal gives the text of a date or time its value, if it can be read.
func (it *Item) temporal(kind Kind) {
	s := it.text
	if kind == Time {
		s = "T" + s
	}
	if when, err := parseTemporal(s); err == nil {
		when.kind = kind
		it.kind, it.when = kind, when
	}
}

// quantity gives a FHIR Quantity the value of a FHIRPath one (R4 2.9.1.1): UCUM code, or
// the unit as printed. One with a comparator stays an element.
func (d *Doc) quantity(it *Item) {
	value := d.child(it.at, "value")
	if value < 0 || d.nodes[value].json != '0' || d.child(it.at, "comparator") >= 0 {
		return
	}
	if n := &d.nodes[value]; !readable(d.text[n.start:n.end]) {
		return
	}
	unit := d.childText(it.at, "code")
	if unit == "" {
		unit = d.childText(it.at, "unit")
	}
	if unit == "" {
		unit = "1"
	}
	it.kind, it.text = Quantity, unit
}

// builder makes the nodes of a Doc in one pass.
type builder struct {
	scanner
	doc   *Doc
	depth int
}

func (b *builder) add(n node) int32 {
	n.first, n.next, n.group = -1, -1, -1
	b.doc.nodes = append(b.doc.nodes, n)
	return int32(len(b.doc.nodes) - 1)
}

// object reads the members of the object into the node at.
func (b *builder) object(at int32) error {
	if b.depth++; b.depth > 4*maxDepth {
		return errShape
	}
	defer func() { b.depth-- }()
	n := &b.doc.nodes[at]
	n.start, n.json = int32(b.pos), '{'
	if n.typ == 0 {
		n.typ = b.doc.model.Resource(resourceType(b.text[n.start:]))
	}
	last := siblings{-1, -1}
	var companions []int32
	for b.open('{'); ; {
		name, more, err := b.key()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := b.member(at, name, &last, &companions); err != nil {
			return err
		}
	}
	b.doc.nodes[at].end = int32(b.pos)
	b.pair(at, companions, &last)
	return nil
}

// member reads one member: a value, or each value of an array.
func (b *builder) member(at int32, name string, last *siblings, companions *[]int32) error {
	if name == "resourceType" {
		return b.skip()
	}
	plain, companion := strings.CutPrefix(name, "_")
	element, typ, ok := b.doc.model.Member(b.doc.nodes[at].typ, plain)
	if !ok {
		return b.skip()
	}
	add := func(index int32) error {
		c := b.add(node{name: element, parent: at, index: index, typ: typ})
		if companion {
			*companions = append(*companions, c)
		} else {
			b.link(at, c, last)
		}
		return b.value(c)
	}
	if b.peek() != '[' {
		return add(-1)
	}
	b.open('[')
	for i := int32(0); ; i++ {
		more, err := b.element()
		if err != nil || !more {
			return err
		}
		if err := add(i); err != nil {
			return err
		}
	}
}

// value reads a value that is not an array.
func (b *builder) value(at int32) error {
	if len(b.doc.nodes) > maxNodes {
		return errShape
	}
	kind := b.peek()
	if kind == '{' {
		return b.object(at)
	}
	start := b.pos
	if err := b.skip(); err != nil {
		return err
	}
	n := &b.doc.nodes[at]
	n.start, n.end, n.json = int32(start), int32(b.pos), kind
	return nil
}

// siblings are the ends of a row of children: the last one, and the first of
// those that share its name.
type siblings struct{ last, head int32 }

func (b *builder) link(at, c int32, row *siblings) {
	nodes := b.doc.nodes
	switch {
	case row.last < 0:
		nodes[at].first, row.head = c, c
	case nodes[row.last].name != nodes[c].name:
		nodes[row.last].next, nodes[row.head].group, row.head = c, c, c
	default:
		nodes[row.last].next = c
	}
	row.last = c
}

// pair gives each value its companion, the object with its id and extensions (R4 2.6.1).
// A companion without a value stands for itself.
func (b *builder) pair(at int32, companions []int32, last *siblings) {
	if len(companions) == 0 {
		return
	}
	type place struct {
		name  string
		index int32
	}
	nodes := b.doc.nodes
	values := make(map[place]int32)
	for v := nodes[at].first; v >= 0; v = nodes[v].next {
		values[place{nodes[v].name, nodes[v].index}] = v
	}
	for _, c := range companions {
		comp := &nodes[c]
		if comp.json != '{' {
			continue
		}
		partner, ok := values[place{comp.name, comp.index}]
		if ok {
			comp.json = merged
			nodes[partner].first = comp.first
			if nodes[partner].json == 'n' {
				nodes[partner].start = nodes[partner].end
			}
			for child := comp.first; child >= 0; child = nodes[child].next {
				nodes[child].parent = partner
			}
			continue
		}
		comp.start, comp.json = comp.end, 'n'
		b.link(at, c, last)
	}
}

// resourceType finds the type of the resource whose JSON begins s.
func resourceType(s string) string {
	sc := scanner{text: s}
	for sc.open('{'); ; {
		name, more, err := sc.key()
		if err != nil || !more {
			return ""
		}
		kind, start := sc.peek(), sc.pos
		if sc.skip() != nil {
			return ""
		}
		if name == "resourceType" && kind == '"' {
			value, _ := unquote(s[start:sc.pos])
			return value
		}
	}
}
