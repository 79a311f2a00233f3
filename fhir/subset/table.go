package subset

import (
	"strings"
	"sync"
)

// node is a type or backbone element with those of its elements that the table
// has.
type node struct {
	elements []element
}

// element is an element of a node.
type element struct {
	name      string // of value[x]: value
	choice    bool
	mandatory bool
	summary   bool
	child     *node // nil: kept whole
}

// find gives the element that a JSON member belongs to, nil for none. A choice
// has its type in the member's name: valueQuantity.
func (n *node) find(member []byte) *element {
	for i := range n.elements {
		e := &n.elements[i]
		if e.name == string(member) && !e.choice {
			return e
		}
	}
	for i := range n.elements {
		e := &n.elements[i]
		if e.choice && len(member) > len(e.name) && string(member[:len(e.name)]) == e.name && isUpper(member[len(e.name)]) {
			return e
		}
	}
	return nil
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// nodes are the rows, parsed once.
var nodes = sync.OnceValue(func() map[string]*node {
	all := make(map[string]*node, len(rows))
	for _, row := range rows {
		name, _, _ := strings.Cut(row, " ")
		all[name] = new(node)
	}
	for _, row := range rows {
		name, tokens, _ := strings.Cut(row, " ")
		all[name].elements = parse(tokens, all)
	}
	return all
})

// parse reads the elements of a row: each is written [!][+]name[[x]][>type],
// "!" for mandatory and "+" for a part of summaries. Extensions, nested
// resources and narratives are taken as a whole.
func parse(tokens string, all map[string]*node) []element {
	var elements []element
	for token := range strings.SplitSeq(tokens, " ") {
		var e element
		token, e.mandatory = strings.CutPrefix(token, "!")
		token, e.summary = strings.CutPrefix(token, "+")
		name, child, _ := strings.Cut(token, ">")
		e.name, e.choice = strings.CutSuffix(name, "[x]")
		switch child {
		case "Extension", "Resource", "Narrative", "Meta":
		default:
			e.child = all[child]
		}
		elements = append(elements, e)
	}
	return elements
}

// ofChoice gives the node of a choice's type, which stands in the member's name
// behind the element's.
func ofChoice(e *element, member []byte) *node { return nodes()[string(member[len(e.name):])] }
