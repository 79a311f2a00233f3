package chartmap

import "slices"

// distinct reports whether incoming items can be told apart by their slots: by a
// constant, by the type of a reference, or by the variant of a choice.
func distinct(a, b lens) bool {
	if r, ok := a.(*repeated); ok {
		a = r.item
	}
	if r, ok := b.(*repeated); ok {
		b = r.item
	}
	switch x := a.(type) {
	case derived:
		return distinct(x.lens, b)
	case *object:
		y, ok := b.(*object)
		if !ok {
			return false
		}
		for _, m := range x.members {
			for _, o := range y.members {
				if m.elem.Position == o.elem.Position && (m.elem.Member != o.elem.Member || m.elem.Member == o.elem.Member && distinct(m.lens, o.lens)) {
					return true
				}
			}
		}
	case *list:
		y, ok := b.(*list)
		return ok && x.fill() == constant && y.fill() == constant && len(x.items) == 1 && len(y.items) == 1 && distinct(x.items[0], y.items[0])
	case *literal:
		y, ok := b.(*literal)
		return ok && string(x.json) != string(y.json)
	case *reference:
		y, ok := b.(*reference)
		if !ok {
			return false
		}
		for _, to := range x.roles {
			if slices.ContainsFunc(y.roles, func(o role) bool { return o.typ == to.typ }) {
				return false
			}
		}
		return true
	}
	return false
}
