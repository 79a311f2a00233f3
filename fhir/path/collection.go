package path

import (
	"fmt"
	"slices"
)

// existence holds the functions about a collection as a whole (FHIRPath 2.0,
// 5.1).
func (ev *evaluator) existence(name string, in Collection, args []Collection) (Collection, bool, error) {
	switch name {
	case "empty":
		return boolean(len(in) == 0), true, nil
	case "count":
		return Collection{Int(int64(len(in)))}, true, nil
	case "allTrue", "anyTrue", "allFalse", "anyFalse":
		c, err := booleans(name, in)
		return c, true, err
	case "subsetOf":
		c, err := ev.subsetOf(in, args[0])
		return c, true, err
	case "supersetOf":
		c, err := ev.subsetOf(args[0], in)
		return c, true, err
	case "distinct":
		c, err := ev.distinct(in)
		return c, true, err
	case "isDistinct":
		c, err := ev.distinct(in)
		return boolean(len(c) == len(in)), true, err
	case "not":
		value, known, err := truth(in)
		if err != nil || !known {
			return nil, true, err
		}
		return boolean(!value), true, nil
	}
	return nil, false, nil
}

func booleans(name string, in Collection) (Collection, error) {
	want := name == "allTrue" || name == "anyTrue"
	all, found := true, false
	for _, it := range in {
		if it.kind != Boolean {
			return nil, fmt.Errorf("%w: %s works on booleans only", errEval, name)
		}
		all = all && it.bool == want
		found = found || it.bool == want
	}
	if name == "anyTrue" || name == "anyFalse" {
		return boolean(found), nil
	}
	return boolean(all), nil
}

func (ev *evaluator) subsetOf(a, b Collection) (Collection, error) {
	for _, it := range a {
		in, err := ev.has(b, it)
		if err != nil || !in {
			return boolean(false), err
		}
	}
	return boolean(true), nil
}

func (ev *evaluator) has(c Collection, it Item) (bool, error) {
	for _, o := range c {
		same, known, err := ev.equalItems(it, o)
		if err != nil {
			return false, err
		}
		if same && known {
			return true, nil
		}
	}
	return false, nil
}

// subset holds the functions that take a part of a collection or combine two
// (FHIRPath 2.0, 5.3 and 5.4).
func (ev *evaluator) subset(name string, in Collection, args []Collection) (Collection, bool, error) {
	switch name {
	case "single":
		_, _, err := one(in)
		return in, true, err
	case "first":
		return in[:min(1, len(in))], true, nil
	case "last":
		return in[max(0, len(in)-1):], true, nil
	case "tail":
		return in[min(1, len(in)):], true, nil
	case "skip", "take":
		n, err := oneInt(args[0])
		if err != nil {
			return nil, true, err
		}
		cut := int(min(max(n, 0), int64(len(in))))
		if name == "skip" {
			return in[cut:], true, nil
		}
		return in[:cut], true, nil
	case "union":
		c, err := ev.distinct(append(in[:len(in):len(in)], args[0]...))
		return c, true, err
	case "combine":
		return append(in[:len(in):len(in)], args[0]...), true, nil
	case "intersect", "exclude":
		c, err := ev.split(in, args[0], name == "intersect")
		return c, true, err
	}
	return nil, false, nil
}

// split keeps the items of in that are in other, or those that are not.
func (ev *evaluator) split(in, other Collection, keep bool) (Collection, error) {
	var out Collection
	for _, it := range in {
		found, err := ev.has(other, it)
		if err != nil {
			return nil, err
		}
		if found == keep {
			out = append(out, it)
		}
	}
	if keep {
		return ev.distinct(out)
	}
	return out, nil
}

// tree holds navigation to all descendants, and the clock (FHIRPath 2.0, 5.8
// and 5.9).
func (ev *evaluator) tree(name string, in Collection, _ []Collection) (Collection, bool, error) {
	switch name {
	case "children":
		var out Collection
		for _, it := range in {
			out = append(out, it.children()...)
		}
		return out, true, ev.spend(len(out))
	case "descendants":
		out, err := ev.descendants(in)
		return out, true, err
	case "now":
		return Collection{{kind: DateTime, when: temporal{t: ev.clock(), prec: toMilli, kind: DateTime, zone: true, digits: 3}}}, true, nil
	case "today":
		w := temporal{t: ev.clock(), prec: toDay, kind: Date}
		return Collection{{kind: Date, when: w}}, true, nil
	case "timeOfDay":
		return Collection{{kind: Time, when: temporal{t: ev.clock(), prec: toMilli, kind: Time, digits: 3}}}, true, nil
	}
	return nil, false, nil
}

// descendants gives all below the items, level by level. Those of one element are
// kept: some constraints ask for them again and again.
func (ev *evaluator) descendants(in Collection) (Collection, error) {
	single := len(in) == 1 && in[0].doc != nil
	if single {
		if known, ok := ev.below[in[0].at]; ok && known.doc == in[0].doc {
			return known.all, ev.spend(len(known.all) / 8)
		}
	}
	var out Collection
	for level := in; len(level) > 0; {
		before := len(out)
		for _, it := range level {
			out = slices.AppendSeq(out, it.Children(""))
		}
		level = out[before:]
		if err := ev.spend(len(level)); err != nil {
			return nil, err
		}
	}
	out = out[:len(out):len(out)]
	if single {
		if ev.below == nil {
			ev.below = make(map[int32]descendants)
		}
		ev.below[in[0].at] = descendants{in[0].doc, out}
	}
	return out, nil
}

// descendants are all that is below an element.
type descendants struct {
	doc *Doc
	all Collection
}
