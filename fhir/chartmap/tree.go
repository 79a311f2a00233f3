package chartmap

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// node is a JSON value while it is compared and written: what a client sent, or
// what the rules make of a document.
type node struct {
	kind    nodeKind
	text    string // of a string: its characters; of a number: as it was written; true or false
	members []named
	items   []*node
	by      maker // of what the rules made
	echo    bool  // the client sent back a derived value as it had read it
}

type named struct {
	name string
	node *node
}

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeText
	nodeList
	nodeObject
)

// maker says where a value comes from.
type maker uint8

const (
	byDocument   maker = iota
	byRule             // a constant or a default
	byDerivation       // $write: derived
)

// marks tell where in a body an element starts that does not come from the
// document.
type marks struct {
	at []int
	by []maker
}

// drop forgets what was written from start on.
func (m *marks) drop(start int) {
	n := len(m.at)
	for n > 0 && m.at[n-1] >= start {
		n--
	}
	m.at, m.by = m.at[:n], m.by[:n]
}

// set marks what starts at start. What lies within it was marked before.
func (m *marks) set(start int, by maker) {
	i, _ := slices.BinarySearch(m.at, start)
	m.at, m.by = slices.Insert(m.at, i, start), slices.Insert(m.by, i, by)
}

// find gives the last mark of what starts at start.
func (m *marks) find(start int) maker {
	if m == nil {
		return byDocument
	}
	if i, ok := slices.BinarySearch(m.at, start); ok {
		return m.by[i]
	}
	return byDocument
}

var errNode = errors.New("chartmap: not JSON")

// maxNesting is far beyond what is valid FHIR.
const maxNesting = 200

// parser reads JSON that was accepted or written before: it is lenient.
type parser struct {
	src   []byte
	at    int
	marks *marks
}

// parseNode reads a JSON value. Marks may be nil.
func parseNode(src []byte, m *marks) (*node, error) {
	p := parser{src: src, marks: m}
	n, err := p.value(maxNesting)
	if err == nil && p.next() != 0 {
		return nil, errNode
	}
	return n, err
}

// next skips white space and gives the byte behind it; 0 at the end.
func (p *parser) next() byte {
	for p.at < len(p.src) {
		if c := p.src[p.at]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
		p.at++
	}
	return 0
}

func (p *parser) value(depth int) (*node, error) {
	if depth == 0 {
		return nil, errNode
	}
	c, start := p.next(), p.at
	n := &node{}
	var err error
	switch c {
	case '{':
		n.kind = nodeObject
		err = p.object(n, depth)
	case '[':
		n.kind = nodeList
		err = p.list(n, depth)
	case '"':
		n.kind = nodeText
		n.text, err = p.string()
	default:
		err = p.word(n)
	}
	n.by = p.marks.find(start)
	return n, err
}

func (p *parser) object(n *node, depth int) error {
	p.at++
	for c := p.next(); c != '}'; c = p.next() {
		if c == ',' && len(n.members) > 0 {
			p.at++
			c = p.next()
		}
		if c != '"' {
			return errNode
		}
		name, err := p.string()
		if err != nil {
			return err
		}
		if p.next() != ':' {
			return errNode
		}
		p.at++
		v, err := p.value(depth - 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, named{name, v})
	}
	p.at++
	return nil
}

func (p *parser) list(n *node, depth int) error {
	p.at++
	for c := p.next(); c != ']'; c = p.next() {
		if c == ',' && len(n.items) > 0 {
			p.at++
		}
		v, err := p.value(depth - 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, v)
	}
	p.at++
	return nil
}

func (p *parser) string() (string, error) {
	start, escaped := p.at, false
	for p.at++; p.at < len(p.src); p.at++ {
		switch p.src[p.at] {
		case '\\':
			escaped = true
			p.at++
		case '"':
			p.at++
			if !escaped {
				return string(p.src[start+1 : p.at-1]), nil
			}
			var s string
			err := json.Unmarshal(p.src[start:p.at], &s)
			return s, err
		}
	}
	return "", errNode
}

func (p *parser) word(n *node) error {
	start := p.at
	for p.at < len(p.src) && !isEnd(p.src[p.at]) {
		p.at++
	}
	n.text = string(p.src[start:p.at])
	switch {
	case n.text == "null":
		n.kind = nodeNull
	case n.text == "true", n.text == "false":
		n.kind = nodeBool
	case n.text != "" && (n.text[0] == '-' || n.text[0] >= '0' && n.text[0] <= '9'):
		n.kind = nodeNumber
	default:
		return errNode
	}
	return nil
}

func isEnd(c byte) bool {
	return c == ',' || c == '}' || c == ']' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '"' || c == '{' || c == '['
}

// append writes the value as JSON.
func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case nodeText:
		return appendJSONText(dst, n.text)
	case nodeList:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	case nodeObject:
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.node.append(append(appendJSONText(dst, m.name), ':'))
		}
		return append(dst, '}')
	case nodeNull:
		return append(dst, "null"...)
	}
	return append(dst, n.text...)
}

// appendJSONText writes a string as it is. What it was read from was valid.
func appendJSONText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// clone gives a copy that shares nothing.
func (n *node) clone() *node {
	out := *n
	out.members = slices.Clone(n.members)
	for i := range out.members {
		out.members[i].node = out.members[i].node.clone()
	}
	out.items = slices.Clone(n.items)
	for i := range out.items {
		out.items[i] = out.items[i].clone()
	}
	return &out
}

// member gives the member of an object, or nil; also for a nil node.
func (n *node) member(name string) *node {
	if n != nil {
		for _, m := range n.members {
			if m.name == name {
				return m.node
			}
		}
	}
	return nil
}

// set gives an object a member, nil for none.
func (n *node) set(name string, v *node) {
	i := slices.IndexFunc(n.members, func(m named) bool { return m.name == name })
	switch {
	case v == nil && i >= 0:
		n.members = slices.Delete(n.members, i, i+1)
	case v == nil:
	case i >= 0:
		n.members[i].node = v
	default:
		n.members = append(n.members, named{name, v})
	}
}

// string gives the characters of a string, "" for anything else.
func (n *node) string() string {
	if n == nil || n.kind != nodeText {
		return ""
	}
	return n.text
}

// same reports whether two values say the same: the order of members does not
// count, nor how a number or a zone is written. The fourteenth digit of a number and fractions of a
// millisecond do not count, which the EHR's own types do not keep.
func same(a, b *node) bool {
	if a == nil || b == nil || a.kind != b.kind {
		return a == b
	}
	switch a.kind {
	case nodeNumber:
		return a.text == b.text || sameNumber(a.text, b.text)
	case nodeText:
		return a.text == b.text || sameMoment(a.text, b.text)
	case nodeList:
		return slices.EqualFunc(a.items, b.items, same)
	case nodeObject:
		if len(a.members) != len(b.members) {
			return false
		}
		for _, m := range a.members {
			if other := b.member(m.name); other == nil || !same(m.node, other) {
				return false
			}
		}
		return true
	}
	return a.text == b.text
}

func sameNumber(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && math.Abs(x-y) <= 1e-14*max(math.Abs(x), math.Abs(y))
}

// sameMoment compares what is written with a time and a zone.
func sameMoment(a, b string) bool {
	const shortest = len("2006-01-02T15:04:05Z")
	if len(a) < shortest || len(b) < shortest || a[10] != 'T' || b[10] != 'T' {
		return false
	}
	x, err1 := fhir.ParseDate(a)
	y, err2 := fhir.ParseDate(b)
	if err1 != nil || err2 != nil || !x.HasZone || !y.HasZone {
		return false
	}
	low1, _ := x.Range(time.UTC)
	low2, _ := y.Range(time.UTC)
	return low1.UnixMilli() == low2.UnixMilli()
}

// content gives a hash of what comes from the document and is not derived.
func (n *node) content() string {
	sum := sha256.Sum256(n.appendContent(nil))
	return hex.EncodeToString(sum[:8])
}

func (n *node) appendContent(dst []byte) []byte {
	switch n.kind {
	case nodeList:
		dst = append(dst, '[')
		for _, item := range n.items {
			if item.by != byDerivation {
				dst = append(item.appendContent(dst), ',')
			}
		}
		return append(dst, ']')
	case nodeObject:
		dst = append(dst, '{')
		members := slices.Clone(n.members)
		slices.SortFunc(members, func(a, b named) int { return strings.Compare(a.name, b.name) })
		for _, m := range members {
			if m.node.by != byDerivation {
				dst = append(m.node.appendContent(append(appendJSONText(dst, m.name), ':')), ',')
			}
		}
		return append(dst, '}')
	}
	return n.append(dst)
}
