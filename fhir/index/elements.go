package index

import (
	"github.com/portico-fhir/portico/fhir/path"
)

// elements are some of those at the top of a resource, a bit for each that the expressions
// of a type begin with.
type elements uint64

// anything is what has all elements, for all that is known.
const anything = ^elements(0)

// source is an expression of a parameter, and the element without which it has no result;
// 0 where there is no such element.
type source struct {
	*path.Expr
	needs elements
}

// has reports whether the elements that are needed are among these.
func (e elements) has(needs elements) bool { return needs == 0 || e&needs != 0 }

// sources numbers the elements that the expressions of a parameter begin with.
func (it *Type) sources(exprs []*path.Expr) []source {
	list := make([]source, len(exprs))
	for i, e := range exprs {
		list[i].Expr = e
		name := e.Needs()
		if name == "" {
			continue
		}
		if it.tops[name] == 0 {
			it.tops[name] = 1 << len(it.tops) // 0, which is nothing, behind the 64th
		}
		list[i].needs = it.tops[name]
	}
	return list
}

// present gives the elements that a resource has.
func (it *Type) present(root path.Item) elements {
	var all elements
	for name := range root.Names() {
		all |= it.tops[name]
	}
	return all
}
