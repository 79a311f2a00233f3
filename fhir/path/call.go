package path

import (
	"fmt"
	"slices"
)

// functions are the functions with the least and greatest number of arguments.
var functions = map[string]struct{ min, max int }{
	// existence
	"empty": {0, 0}, "exists": {0, 1}, "all": {1, 1}, "allTrue": {0, 0}, "anyTrue": {0, 0}, "allFalse": {0, 0},
	"anyFalse": {0, 0}, "subsetOf": {1, 1}, "supersetOf": {1, 1}, "count": {0, 0}, "distinct": {0, 0}, "isDistinct": {0, 0},
	// filtering and projection
	"where": {1, 1}, "select": {1, 1}, "repeat": {1, 1}, "ofType": {1, 1}, "is": {1, 1}, "as": {1, 1}, "aggregate": {1, 2},
	// subsetting and combining
	"single": {0, 0}, "first": {0, 0}, "last": {0, 0}, "tail": {0, 0}, "skip": {1, 1}, "take": {1, 1},
	"intersect": {1, 1}, "exclude": {1, 1}, "union": {1, 1}, "combine": {1, 1},
	// conversion
	"iif": {2, 3}, "toBoolean": {0, 0}, "convertsToBoolean": {0, 0}, "toInteger": {0, 0}, "convertsToInteger": {0, 0},
	"toDate": {0, 0}, "convertsToDate": {0, 0}, "toDateTime": {0, 0}, "convertsToDateTime": {0, 0}, "toDecimal": {0, 0},
	"convertsToDecimal": {0, 0}, "toQuantity": {0, 1}, "convertsToQuantity": {0, 1}, "toString": {0, 0},
	"convertsToString": {0, 0}, "toTime": {0, 0}, "convertsToTime": {0, 0},
	// strings
	"indexOf": {1, 1}, "substring": {1, 2}, "startsWith": {1, 1}, "endsWith": {1, 1}, "contains": {1, 1}, "upper": {0, 0},
	"lower": {0, 0}, "replace": {2, 2}, "matches": {1, 1}, "replaceMatches": {2, 2}, "length": {0, 0}, "toChars": {0, 0},
	"trim": {0, 0}, "split": {1, 1}, "join": {0, 1},
	// math
	"abs": {0, 0}, "ceiling": {0, 0}, "exp": {0, 0}, "floor": {0, 0}, "ln": {0, 0}, "log": {1, 1}, "power": {1, 1},
	"round": {0, 1}, "sqrt": {0, 0}, "truncate": {0, 0},
	// tree and utility
	"children": {0, 0}, "descendants": {0, 0}, "trace": {1, 2}, "now": {0, 0}, "timeOfDay": {0, 0}, "today": {0, 0}, "not": {0, 0},
	// FHIR's own (R4 2.9.1.3)
	"extension": {1, 1}, "hasExtension": {1, 1}, "hasValue": {0, 0}, "getValue": {0, 0}, "resolve": {0, 0}, "htmlChecks": {0, 0},
}

// call evaluates a function. The groups know their own names; a function that
// takes an expression evaluates it for each item itself.
func (ev *evaluator) call(n *Call, s *scope) (Collection, error) {
	if len(n.Args) == 0 && (n.Name == "exists" || n.Name == "empty") {
		if found, ok, err := ev.exists(n.Input, s); ok || err != nil {
			return boolean(found == (n.Name == "exists")), err
		}
	}
	input := s.this
	if n.Input != nil {
		var err error
		if input, err = ev.eval(n.Input, s); err != nil {
			return nil, err
		}
	}
	if err := ev.spend(len(input)); err != nil {
		return nil, err
	}
	switch n.Name {
	case "where", "select", "repeat", "all", "exists", "aggregate", "trace", "iif":
		return ev.loop(n, input, s)
	case "ofType", "is", "as":
		name, ok := typeArgument(n.Args[0])
		if !ok {
			return nil, fmt.Errorf("%w: %s takes the name of a type", errEval, n.Name)
		}
		if n.Name == "is" {
			return isType(input, name)
		}
		return ofType(input, name), nil
	}
	first := len(ev.args)
	defer func() { ev.args = ev.args[:first] }()
	for _, a := range n.Args {
		arg, err := ev.eval(a, s)
		if err != nil {
			return nil, err
		}
		ev.args = append(ev.args, arg)
	}
	for _, group := range [...]func(*evaluator, string, Collection, []Collection) (Collection, bool, error){
		(*evaluator).existence, (*evaluator).subset, (*evaluator).conversion, (*evaluator).text,
		(*evaluator).math, (*evaluator).tree, (*evaluator).fhir,
	} {
		if out, ok, err := group(ev, n.Name, input, ev.args[first:]); ok || err != nil {
			return out, err
		}
	}
	return nil, fmt.Errorf("%w: %s is not implemented", errEval, n.Name)
}

// typeArgument reads a type written as an expression: Quantity, FHIR.Quantity.
func typeArgument(n Node) (string, bool) {
	m, ok := n.(*Member)
	if !ok {
		return "", false
	}
	if m.Input == nil {
		return m.Name, true
	}
	namespace, ok := typeArgument(m.Input)
	return namespace + "." + m.Name, ok
}

// loop evaluates the functions that take an expression.
func (ev *evaluator) loop(n *Call, input Collection, s *scope) (Collection, error) {
	switch n.Name {
	case "exists":
		if len(n.Args) == 0 {
			return boolean(len(input) > 0), nil
		}
		found, err := ev.where(input, n.Args[0], s)
		return boolean(len(found) > 0), err
	case "where":
		return ev.where(input, n.Args[0], s)
	case "all":
		found, err := ev.where(input, n.Args[0], s)
		return boolean(len(found) == len(input)), err
	case "select":
		return ev.each(input, n.Args[0], s)
	case "repeat":
		return ev.repeat(input, n.Args[0], s)
	case "aggregate":
		return ev.aggregate(n, input, s)
	case "trace":
		return ev.traced(n, input, s)
	}
	return ev.iif(n, input, s)
}

// rounds is the scope of the rounds of a loop, one after the other: what comes of one is
// used before the next begins.
type rounds struct {
	scope
	item [1]Item
}

func (s *scope) rounds() *rounds {
	r := &rounds{scope: scope{total: s.total, loop: true}}
	r.this = r.item[:]
	return r
}

// of gives the scope of the round for an item.
func (r *rounds) of(it Item, index int) *scope {
	r.item[0], r.index = it, int64(index)
	return &r.scope
}

func (ev *evaluator) where(input Collection, criterion Node, s *scope) (Collection, error) {
	if len(input) == 0 {
		return nil, nil
	}
	var out Collection
	loop, items := s.rounds(), len(ev.items)
	for i, it := range input {
		c, err := ev.eval(criterion, loop.of(it, i))
		if err != nil {
			return nil, err
		}
		ev.items = ev.items[:items]
		if holds, _, err := truth(c); err != nil {
			return nil, err
		} else if holds {
			out = append(out, it)
		}
	}
	return out, nil
}

func (ev *evaluator) each(input Collection, projection Node, s *scope) (Collection, error) {
	if len(input) == 0 {
		return nil, nil
	}
	var out Collection
	loop, items := s.rounds(), len(ev.items)
	for i, it := range input {
		c, err := ev.eval(projection, loop.of(it, i))
		if err != nil {
			return nil, err
		}
		out = append(out, c...)
		ev.items = ev.items[:items]
	}
	return out, nil
}

// repeat projects what it found until nothing new comes.
func (ev *evaluator) repeat(input Collection, projection Node, s *scope) (Collection, error) {
	var out Collection
	for len(input) > 0 {
		found, err := ev.each(input, projection, s)
		if err != nil {
			return nil, err
		}
		before := len(out)
		if out, err = ev.distinct(append(out, found...)); err != nil {
			return nil, err
		}
		input = out[before:]
	}
	return out, nil
}

func (ev *evaluator) aggregate(n *Call, input Collection, s *scope) (total Collection, err error) {
	if len(n.Args) == 2 {
		if total, err = ev.eval(n.Args[1], s); err != nil {
			return nil, err
		}
	}
	for i, it := range input {
		round := s.rounds() // the total may be the item of the round before
		round.total = total
		if total, err = ev.eval(n.Args[0], round.of(it, i)); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func (ev *evaluator) traced(n *Call, input Collection, s *scope) (Collection, error) {
	name, err := ev.eval(n.Args[0], s)
	if err != nil {
		return nil, err
	}
	label, _, err := oneText(name)
	if err != nil {
		return nil, err
	}
	shown := input
	if len(n.Args) == 2 {
		if shown, err = ev.each(input, n.Args[1], s); err != nil {
			return nil, err
		}
	}
	if ev.trace != nil {
		ev.trace(label, slices.Clone(shown))
	}
	return input, nil
}

// iif evaluates only the branch it takes.
func (ev *evaluator) iif(n *Call, input Collection, s *scope) (Collection, error) {
	inner := &scope{this: input, index: s.index, total: s.total, loop: s.loop}
	if n.Input == nil {
		inner = s
	}
	c, err := ev.eval(n.Args[0], inner)
	if err != nil {
		return nil, err
	}
	holds, _, err := truth(c)
	switch {
	case err != nil:
		return nil, err
	case holds:
		return ev.eval(n.Args[1], inner)
	case len(n.Args) == 3:
		return ev.eval(n.Args[2], inner)
	}
	return nil, nil
}
