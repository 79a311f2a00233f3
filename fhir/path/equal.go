package path

import (
	"fmt"
	"strings"
)

// equal is "=" (FHIRPath 2.0, 6.1): item by item in order. known is false where
// dates of different precision leave it open.
func (ev *evaluator) equal(a, b Collection) (same, known bool, err error) {
	if len(a) != len(b) {
		return false, true, nil
	}
	allKnown := true
	for i := range a {
		same, known, err := ev.equalItems(a[i], b[i])
		if err != nil {
			return false, false, err
		}
		if known && !same {
			return false, true, nil
		}
		allKnown = allKnown && known
	}
	return allKnown, allKnown, nil
}

func (ev *evaluator) equalItems(a, b Item) (same, known bool, err error) {
	if err := ev.spend(0); err != nil {
		return false, false, err
	}
	x, xok := a.number()
	y, yok := b.number()
	switch {
	case xok && yok:
		return x.Cmp(y) == 0, true, nil
	case a.kind == Quantity && b.kind == Quantity:
		if !sameUnit(a.text, b.text) {
			return false, false, nil // it would take a conversion to know
		}
		return a.rat().Cmp(b.rat()) == 0, true, nil
	case temporalKind(a) && temporalKind(b) && (a.kind == Time) == (b.kind == Time):
		c, known := a.when.order(b.when)
		return known && c == 0, known, nil
	case a.kind != b.kind:
		// A date may be compared with the text of one.
		if a, b, ok := sameTemporal(a, b); ok {
			return ev.equalItems(a, b)
		}
		return false, true, nil
	case a.kind == Boolean:
		return a.bool == b.bool, true, nil
	case a.kind == String:
		return a.text == b.text, true, nil
	}
	return ev.equalElements(a, b)
}

// equalElements compares elements by their children, name by name.
func (ev *evaluator) equalElements(a, b Item) (same, known bool, err error) {
	x, y := a.children(), b.children()
	if len(x) != len(y) {
		return false, true, nil
	}
	others := byName(y)
	for name, part := range byName(x) {
		same, known, err := ev.equal(part, others[name])
		if err != nil || !known || !same {
			return same, known, err
		}
	}
	return true, true, nil
}

func byName(c Collection) map[string]Collection {
	m := make(map[string]Collection)
	for _, it := range c {
		name := it.doc.nodes[it.at].name
		m[name] = append(m[name], it)
	}
	return m
}

func temporalKind(it Item) bool {
	return it.kind == Date || it.kind == DateTime || it.kind == Time
}

// sameTemporal turns the string among a and b into the kind of the other, when
// that is a date or time.
func sameTemporal(a, b Item) (Item, Item, bool) {
	convert := func(s, like Item) (Item, bool) {
		if s.kind != String || !temporalKind(like) {
			return Item{}, false
		}
		text := s.text
		if like.kind == Time {
			text = "T" + text
		}
		when, err := parseTemporal(text)
		return Item{kind: when.kind, when: when}, err == nil
	}
	if c, ok := convert(a, b); ok {
		return c, b, true
	}
	if c, ok := convert(b, a); ok {
		return a, c, true
	}
	return a, b, false
}

// equivalent is "~" (FHIRPath 2.0, 6.1): in any order, text without regard to
// case and white space, decimals to the precision of the less precise.
func (ev *evaluator) equivalent(a, b Collection) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	used := make([]bool, len(b))
next:
	for _, x := range a {
		for i, y := range b {
			if used[i] {
				continue
			}
			same, err := ev.equivalentItems(x, y)
			if err != nil {
				return false, err
			}
			if same {
				used[i] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

func (ev *evaluator) equivalentItems(a, b Item) (bool, error) {
	if err := ev.spend(0); err != nil {
		return false, err
	}
	x, xok := a.number()
	y, yok := b.number()
	switch {
	case xok && yok:
		places := min(decimals(a), decimals(b))
		return x.FloatString(places) == y.FloatString(places), nil
	case a.kind == Quantity && b.kind == Quantity:
		return sameUnit(a.text, b.text) && a.rat().Cmp(b.rat()) == 0, nil
	case a.kind == String && b.kind == String:
		return normal(a.text) == normal(b.text), nil
	case a.kind == Element && b.kind == Element:
		return ev.equivalentElements(a, b)
	}
	same, known, err := ev.equalItems(a, b)
	return same && known, err
}

func (ev *evaluator) equivalentElements(a, b Item) (bool, error) {
	x, y := byName(withoutID(a.children())), byName(withoutID(b.children()))
	if len(x) != len(y) {
		return false, nil
	}
	for name, part := range x {
		same, err := ev.equivalent(part, y[name])
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func withoutID(c Collection) Collection {
	var out Collection
	for _, it := range c {
		if it.doc.nodes[it.at].name != "id" {
			out = append(out, it)
		}
	}
	return out
}

func normal(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(s), " "))
}

// decimals counts the places behind the point.
func decimals(it Item) int {
	_, fraction, _ := strings.Cut(it.String(), ".")
	return len(fraction)
}

// order compares two items for < and >. known is false where units or
// precisions leave it open.
func order(a, b Item) (c int, known bool, err error) {
	if x, y, ok := sameTemporal(a, b); ok {
		a, b = x, y
	}
	x, xok := a.number()
	y, yok := b.number()
	switch {
	case xok && yok:
		return x.Cmp(y), true, nil
	case a.kind == Quantity && yok:
		return a.rat().Cmp(y), a.text == "1", nil
	case a.kind == Quantity && b.kind == Quantity:
		return a.rat().Cmp(b.rat()), sameUnit(a.text, b.text), nil
	case a.kind == String && b.kind == String:
		return strings.Compare(a.text, b.text), true, nil
	case temporalKind(a) && temporalKind(b) && (a.kind == Time) == (b.kind == Time):
		c, known := a.when.order(b.when)
		return c, known, nil
	}
	return 0, false, fmt.Errorf("%w: a %s and a %s have no order", errEval, a.Type(), b.Type())
}

// distinct drops items that equal an earlier one. Elements are compared as a
// whole, which costs the square of their number: the steps bound it.
func (ev *evaluator) distinct(c Collection) (Collection, error) {
	if allText(c) {
		return distinctText(c), ev.spend(len(c))
	}
	var out Collection
next:
	for _, it := range c {
		for _, o := range out {
			if it.doc != nil && it.doc == o.doc && it.at == o.at {
				continue next
			}
			same, known, err := ev.equalItems(it, o)
			if err != nil {
				return nil, err
			}
			if same && known {
				continue next
			}
		}
		out = append(out, it)
	}
	return out, nil
}

func allText(c Collection) bool {
	for _, it := range c {
		if it.kind != String {
			return false
		}
	}
	return true
}

// distinctText is for the long lists of codes that value sets have.
func distinctText(c Collection) Collection {
	seen := make(map[string]bool, len(c))
	var out Collection
	for _, it := range c {
		if !seen[it.text] {
			seen[it.text] = true
			out = append(out, it)
		}
	}
	return out
}
