package path

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Env is what an evaluation may use besides the resource. The zero value works.
type Env struct {
	// Now is the moment of now() and today(); zero means the wall clock.
	Now time.Time
	// MaxSteps bounds the work; 0 means 100,000.
	MaxSteps int
	// Trace receives what trace() names; nil discards it.
	Trace func(name string, c Collection)
}

// ErrTooCostly is the error of an evaluation that took more steps than allowed.
var ErrTooCostly = errors.New("FHIRPath: the evaluation takes too many steps")

// errEval is a misuse that only shows with the data: an operator on the wrong
// type, or several items where one is needed.
var errEval = errors.New("FHIRPath")

// defaultSteps is the MaxSteps of an Env that sets none.
const defaultSteps = 100_000

func (env *Env) steps() int {
	if env == nil || env.MaxSteps <= 0 {
		return defaultSteps
	}
	return env.MaxSteps
}

// Eval evaluates the expression with the item as its context. An error is
// ErrTooCostly or tells of a misuse, such as several items where an operator
// needs one; it quotes no values.
func (e *Expr) Eval(env *Env, context Item) (Collection, error) {
	return e.Append(nil, env, context)
}

// Append appends what Eval gives to out, which is nil beside an error.
func (e *Expr) Append(out Collection, env *Env, context Item) (Collection, error) {
	if context.doc != nil {
		switch {
		case e.straight != nil:
			return e.straight.appendTo(out, context, env.steps())
		case len(e.lead) > 0 && !context.leads(e.lead):
			return out, nil
		}
	}
	ev := evaluators.Get().(*evaluator)
	defer ev.release()
	ev.begin(env, context)
	found, err := ev.eval(e.Root, &ev.outer)
	if err != nil {
		return nil, err
	}
	return append(out, found...), nil // a copy: found may be the evaluator's memory
}

// scope is what an expression sees: $this and the variables of loops.
type scope struct {
	this  Collection
	index int64
	total Collection
	loop  bool // $this is an item of a loop
}

// evaluators are spare.
var evaluators = sync.Pool{New: func() any { return new(evaluator) }}

type evaluator struct {
	context [1]Item
	outer   scope
	trace   func(string, Collection)
	left    int
	now     time.Time
	below   map[int32]descendants // of elements, once asked for

	// Memory of what evaluating makes: items that paths lead to, and arguments of calls.
	items Collection
	args  []Collection
}

func (ev *evaluator) begin(env *Env, context Item) {
	ev.context[0], ev.left = context, env.steps()
	ev.outer.this = ev.context[:]
	if env != nil {
		ev.now, ev.trace = env.Now, env.Trace
	}
}

// maxSpare is how many items a spare evaluator has memory for.
const maxSpare = 64

// release makes ev spare, without what it knows of a resource.
func (ev *evaluator) release() {
	items, args := ev.items[:0], ev.args[:0]
	if cap(items) > maxSpare || cap(args) > maxSpare {
		items, args = nil, nil
	}
	clear(items[:cap(items)])
	clear(args[:cap(args)])
	*ev = evaluator{items: items, args: args}
	evaluators.Put(ev)
}

// clock gives the same moment throughout an evaluation.
func (ev *evaluator) clock() time.Time {
	if ev.now.IsZero() {
		ev.now = time.Now()
	}
	return ev.now
}

// spend takes n steps.
func (ev *evaluator) spend(n int) error {
	if ev.left -= n + 1; ev.left < 0 {
		return ErrTooCostly
	}
	return nil
}

func (ev *evaluator) eval(n Node, s *scope) (Collection, error) {
	if err := ev.spend(0); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *Literal:
		return n.all, nil
	case *Member:
		return ev.member(n, s)
	case *Call:
		return ev.call(n, s)
	case *Index:
		return ev.index(n, s)
	case *Binary:
		return ev.binary(n, s)
	case *Unary:
		return ev.unary(n, s)
	case *TypeOp:
		return ev.typeOp(n, s)
	case *Special:
		return special(n.Name, s)
	case *Constant:
		return ev.constant(n.Name)
	}
	return nil, fmt.Errorf("%w: unknown expression", errEval)
}

// member navigates along a path of names at once, so that only what stands at
// its end becomes an item. At its start the name may be that of the context's
// type: Patient.name.
func (ev *evaluator) member(n *Member, s *scope) (Collection, error) {
	var room [8]string
	names, base := n.chain(room[:0])
	input := s.this
	if base != nil {
		var err error
		if input, err = ev.eval(base, s); err != nil {
			return nil, err
		}
	} else if len(input) == 1 {
		if names = input[0].withoutType(names); len(names) == 0 {
			return input, nil
		}
	}
	first := len(ev.items)
	for _, it := range input {
		if it.doc == nil {
			continue
		}
		it.doc.walk(it.at, names, func(at int32, end bool) bool {
			if end {
				ev.items = append(ev.items, it.doc.item(at))
			}
			ev.left--
			return ev.left >= 0
		})
	}
	return slices.Clip(ev.items[first:]), ev.spend(len(names))
}

// exists tells whether there is something at the end of a path from the context, without
// making items of it; ok is false for what is no such path.
func (ev *evaluator) exists(n Node, s *scope) (found, ok bool, err error) {
	m, ok := n.(*Member)
	if !ok || len(s.this) != 1 || s.this[0].doc == nil {
		return false, false, nil
	}
	var room [8]string
	names, base := m.chain(room[:0])
	if base != nil {
		return false, false, nil
	}
	it := s.this[0]
	if names = it.withoutType(names); len(names) == 0 {
		return true, true, nil
	}
	it.doc.walk(it.at, names, func(_ int32, end bool) bool {
		found = end
		ev.left--
		return !end && ev.left >= 0
	})
	return found, true, ev.spend(len(names))
}

// withoutType drops the first name of a path where it is the type of the item.
func (it Item) withoutType(names []string) []string {
	if names[0][0] <= 'Z' && it.is(names[0]) {
		return names[1:]
	}
	return names
}

// leads reports whether there is something at the end of a path.
func (it Item) leads(names []string) bool {
	if names = it.withoutType(names); len(names) == 0 {
		return true
	}
	return !it.doc.walk(it.at, names, func(_ int32, end bool) bool { return !end })
}

// walk visits what is met along a path below a node, depth first, until visit
// returns false; it then returns false as well. end tells the end of the path.
func (d *Doc) walk(at int32, names []string, visit func(at int32, end bool) bool) bool {
	name, rest := names[0], names[1:]
	for c := d.child(at, name); c >= 0 && d.nodes[c].name == name; c = d.nodes[c].next {
		if d.void(c) {
			continue
		}
		if !visit(c, len(rest) == 0) || len(rest) > 0 && !d.walk(c, rest, visit) {
			return false
		}
	}
	return true
}

// void reports whether a node is the null that holds a place in an array.
func (d *Doc) void(at int32) bool {
	n := &d.nodes[at]
	return n.json == 'n' && n.first < 0
}

// children gives all child elements of an item.
func (it Item) children() Collection { return slices.Collect(it.Children("")) }

// is reports whether the item is of the type, or of one derived from it. FHIR's
// names of primitives have small letters, FHIRPath's have capitals; an element
// is of both.
func (it Item) is(name string) bool {
	name = typeName(name)
	switch {
	case it.doc != nil && it.doc.model.IsA(it.doc.nodes[it.at].typ, name):
		return true
	case it.doc == nil && it.kind == Element:
		return it.text == name || name == "Resource" || name == "DomainResource"
	}
	return it.kind != Element && kindNames[it.kind] == name
}

func (ev *evaluator) index(n *Index, s *scope) (Collection, error) {
	input, err := ev.eval(n.Input, s)
	if err != nil {
		return nil, err
	}
	at, err := ev.eval(n.At, s)
	if err != nil || len(at) == 0 {
		return nil, err
	}
	i, err := oneInt(at)
	if err != nil || i < 0 || i >= int64(len(input)) {
		return nil, err
	}
	return input[i : i+1], nil
}

func special(name string, s *scope) (Collection, error) {
	switch name {
	case "this":
		return s.this, nil
	case "index":
		if !s.loop {
			return nil, fmt.Errorf("%w: $index stands outside of a loop", errEval)
		}
		return Collection{Int(s.index)}, nil
	default:
		return s.total, nil
	}
}

func (ev *evaluator) constant(name string) (Collection, error) {
	switch name {
	case "resource", "context":
		resource, _ := ev.context[0].resources()
		return Collection{resource}, nil
	case "rootResource":
		_, root := ev.context[0].resources()
		return Collection{root}, nil
	case "ucum":
		return Collection{Text("http://unitsofmeasure.org")}, nil
	case "sct":
		return Collection{Text("http://snomed.info/sct")}, nil
	case "loinc":
		return Collection{Text("http://loinc.org")}, nil
	}
	switch {
	case len(name) > 3 && name[:3] == "vs-":
		return Collection{Text("http://hl7.org/fhir/ValueSet/" + name[3:])}, nil
	case len(name) > 4 && name[:4] == "ext-":
		return Collection{Text("http://hl7.org/fhir/StructureDefinition/" + name[4:])}, nil
	}
	return nil, fmt.Errorf("%w: there is no %%%s", errEval, name)
}

func (ev *evaluator) typeOp(n *TypeOp, s *scope) (Collection, error) {
	input, err := ev.eval(n.Input, s)
	if err != nil {
		return nil, err
	}
	if n.Op == "is" {
		return isType(input, n.Type)
	}
	// R4's search parameters use "as" on several items where FHIRPath allows but
	// one: it selects, as ofType does.
	return ofType(input, n.Type), nil
}

func isType(input Collection, name string) (Collection, error) {
	it, ok, err := one(input)
	if err != nil || !ok {
		return nil, err
	}
	return boolean(it.is(name)), nil
}

func ofType(input Collection, name string) Collection {
	var out Collection
	for _, it := range input {
		if it.is(name) {
			out = append(out, it)
		}
	}
	return out
}

// one gives the only item; ok is false when there is none.
func one(c Collection) (it Item, ok bool, err error) {
	switch len(c) {
	case 0:
		return Item{}, false, nil
	case 1:
		return c[0], true, nil
	}
	return Item{}, false, fmt.Errorf("%w: one item is needed, there are %d", errEval, len(c))
}

func oneInt(c Collection) (int64, error) {
	it, ok, err := one(c)
	if err != nil {
		return 0, err
	}
	if !ok || it.kind != Integer {
		return 0, fmt.Errorf("%w: an integer is needed", errEval)
	}
	return it.int, nil
}

// oneText gives the text of a single string; ok is false for none.
func oneText(c Collection) (text string, ok bool, err error) {
	it, ok, err := one(c)
	if err != nil || !ok {
		return "", false, err
	}
	if it.kind == Date || it.kind == DateTime || it.kind == Time {
		return it.when.String(), it.doc != nil, nil
	}
	if it.kind != String {
		return "", false, fmt.Errorf("%w: a string is needed", errEval)
	}
	return it.text, true, nil
}

// truth is three-valued logic: a single item that is not a Boolean is true
// (FHIRPath 2.0, 4.5).
func truth(c Collection) (value, known bool, err error) {
	it, ok, err := one(c)
	if err != nil || !ok {
		return false, false, err
	}
	if it.kind == Boolean {
		return it.bool, true, nil
	}
	return true, true, nil
}
