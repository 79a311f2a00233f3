package schema

import (
	"bytes"
	"math/bits"

	"github.com/portico-fhir/portico/fhir"
)

// frame is an object that is being read.
type frame struct {
	def        *def
	isResource bool
	typed      bool      // resourceType was seen
	id         string    // of a resource
	values     uint64    // slots seen
	companions uint64    // slots whose companion was seen
	bare       uint64    // slots of single elements whose companion has no extension
	variants   [8]uint16 // by choice: index in fields of the variant seen, plus 1
	pairs      int       // length of run.pairs when it was opened
	uneven     bool      // companions of arrays, or nulls, were seen
}

// object reads an element of a complex type; the next token is {. Arg holds a
// Reference's allowed targets. It reports whether the element has content
// besides its id.
func (r *run) object(k kind, arg uint16) bool {
	if !r.open() {
		return true
	}
	f := frame{def: k.def(), pairs: len(r.pairs)}
	for r.peek() == '"' {
		if name := r.name(); name != nil {
			r.member(&f, name, arg)
		}
	}
	if !r.close() {
		return true
	}
	r.finish(&f, k)
	return (f.values|f.companions)&^(1<<slotID) != 0
}

// member reads the value of the member called name.
func (r *run) member(f *frame, name []byte, arg uint16) {
	key, companion := bytes.CutPrefix(name, []byte("_"))
	i := f.def.find(key)
	if i < 0 || companion && !f.def.companionable(&fields[i]) {
		r.unknown(f, name)
		r.skip()
		return
	}
	fd := &fields[i]
	if !r.first(f, fd, i, companion) {
		r.skip()
		return
	}
	r.push(fd.element())
	if companion {
		r.companion(f, fd, i)
	} else {
		r.value(f, fd, i, arg)
	}
	r.pop()
}

// first notes that a member is there. It reports false when it was before, or
// when another variant of the choice was.
func (r *run) first(f *frame, fd *field, i int, companion bool) bool {
	seen := &f.values
	if companion {
		seen = &f.companions
	}
	if fd.choice != 0 {
		variant := &f.variants[fd.choice]
		if *variant != 0 && *variant != uint16(i+1) {
			r.issueAt(fd.element(), fhir.CodeStructure, "both %s and %s; %s takes one type", fields[*variant-1].name, fd.name, fd.label())
			return false
		}
		*variant = uint16(i + 1)
	}
	bit := uint64(1) << fd.slot
	if *seen&bit != 0 {
		r.issueAt(fd.element(), fhir.CodeStructure, "%s is there twice", prefixed(fd.name, companion))
		return false
	}
	*seen |= bit
	return true
}

func prefixed(name string, companion bool) string {
	if companion {
		return "_" + name
	}
	return name
}

// value reads an element: one, or an array of them.
func (r *run) value(f *frame, fd *field, i int, arg uint16) {
	k := r.peek()
	if !fd.many {
		if k == '[' {
			r.issue(fhir.CodeStructure, "%s takes a single %v, not an array", fd.name, fd.kind)
			r.skip()
			return
		}
		r.single(f, fd, arg)
		return
	}
	if k == 'n' {
		r.single(f, fd, arg) // refuses it
		return
	}
	if k != '[' {
		r.issue(fhir.CodeStructure, "%s takes an array of %v, also for one", fd.name, fd.kind)
		r.single(f, fd, arg)
		return
	}
	if !r.open() {
		return
	}
	first, n := len(r.gaps), 0
	for k := r.peek(); k != ']' && k != 0; k = r.peek() {
		r.at(n)
		if k == 'n' && fd.kind.primitive() {
			r.gaps = append(r.gaps, int32(n))
			f.uneven = true
			r.skip()
		} else {
			r.single(f, fd, arg)
		}
		n++
	}
	r.at(-1)
	if !r.close() {
		return
	}
	if n == 0 {
		r.issue(fhir.CodeStructure, "the array is empty; leave %s out instead", fd.name)
	}
	if fd.kind.primitive() {
		r.pairs = append(r.pairs, pair{field: uint16(i), count: n, first: first, last: len(r.gaps)})
	}
}

// single reads one element.
func (r *run) single(f *frame, fd *field, arg uint16) {
	k := r.peek()
	switch {
	case k == 0:
	case k == 'n':
		r.issue(fhir.CodeStructure, "null is not allowed here; leave %s out instead", fd.name)
		r.skip()
	case fd.kind.primitive():
		r.primitive(f, fd, arg)
	case k != '{':
		r.issue(fhir.CodeStructure, "%s takes an object (%v), not %s", fd.name, fd.kind, kindName(k))
		r.skip()
	case fd.kind == kindContained:
		r.containedResource()
	case fd.kind == kindResource:
		r.resource("", false)
	default:
		r.object(fd.kind, fd.arg)
	}
}

// finish checks what can only be known at the end of an object.
func (r *run) finish(f *frame, k kind) {
	seen := f.values | f.companions
	if f.uneven {
		r.reconcile(f)
	}
	r.truncatePairs(f.pairs)
	if seen == 0 && !f.isResource {
		r.issue(fhir.CodeStructure, "the object is empty; an element has a value, children or extensions")
		return
	}
	if seen == 1<<slotID && !f.isResource && k != kindElement {
		r.issue(fhir.CodeStructure, "the element has only an id; it needs a value, children or extensions (ele-1)")
	}
	for missing := f.def.required &^ seen; missing != 0; missing &= missing - 1 {
		fd := f.def.bySlot(bits.TrailingZeros64(missing))
		r.issueAt(fd.element(), fhir.CodeRequired, "%s is required in %s", fd.label(), f.def.name)
	}
	for bare := f.bare &^ f.values; bare != 0; bare &= bare - 1 {
		fd := f.def.bySlot(bits.TrailingZeros64(bare))
		r.issueAt(fd.element(), fhir.CodeStructure, "the element has neither value nor extension (ele-1)")
	}
	switch k {
	case kindExtension:
		r.checkExtension(seen)
	case kindParametersParameter:
		r.checkParameter(seen)
	}
}

func (r *run) checkExtension(seen uint64) {
	value, children := seen>>slotExtensionValue&1, seen>>slotExtensionExtension&1
	switch value + children {
	case 0:
		r.issue(fhir.CodeExtension, "an extension has a value[x] or extensions; this one has neither (ext-1)")
	case 2:
		r.issue(fhir.CodeExtension, "an extension has a value[x] or extensions, not both (ext-1)")
	}
}

func (r *run) checkParameter(seen uint64) {
	if n := seen>>slotParametersParameterValue&1 + seen>>slotParametersParameterResource&1 + seen>>slotParametersParameterPart&1; n != 1 {
		r.issue(fhir.CodeStructure, "a parameter has one of value[x], resource and part; this one has %d of them (inv-1)", n)
	}
}
