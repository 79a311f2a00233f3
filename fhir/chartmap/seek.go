package chartmap

import (
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// test is what a search parameter asks of a value.
type test struct {
	kind      testKind
	token     fhir.TokenValue
	text      string // for testText: folded unless exact
	modifier  fhir.Modifier
	target    fhir.ReferenceValue
	types     []fhir.Type // from where(resolve() is …); empty for all
	dates     []interval
	uri       string
	quantity  fhir.QuantityValue
	stretches []stretch // of quantity and number
}

type testKind uint8

const (
	testPresent testKind = iota
	testToken
	testText
	testReference
	testDate
	testURI
	testQuantity
	testNumber
	testCode // equals uri, as text: where(system='phone')
	testSort // has what is sorted by
)

// seeker follows paths through lenses.
type seeker struct {
	only        source     // which values count
	sites       int        // values that the path leads to
	unsupported bool       // one of them cannot be tested exactly
	sorts       []sortSite // of testSort
	pick        int        // of testSort: the one whose values count, from 1; 0 for all
}

// refuse notes that a condition cannot be said exactly.
func (s *seeker) refuse() cond {
	s.unsupported = true
	return never
}

// source tells the values that make their object exist (stored) from those that
// are only there when it does.
type source uint8

const (
	anySource source = iota
	fromDocument
	fromFiller
)

// leaf ends a path at an element without parts of its own, which may give fillers
// or not.
func (s *seeker) leaf(path []step, f filling) bool {
	if len(path) > 0 {
		s.unsupported = true
		return false
	}
	s.sites++
	return s.only == anySource || f == mayFill || (f == constant) == (s.only == fromFiller)
}

func (o *object) search(s *seeker, path []step, t *test) cond {
	if s.only != anySource {
		if (o.filling == constant) != (s.only == fromFiller) {
			return never
		}
		defer func(only source) { s.only = only }(s.only)
		s.only = anySource
	}
	if len(path) == 0 {
		s.sites++
		return o.terminal(s, t)
	}
	next := path[0]
	switch {
	case next.is != "":
		if o.typ != "Reference" {
			return s.refuse()
		}
		narrowed := *t
		narrowed.types = []fhir.Type{next.is}
		return o.search(s, path[1:], &narrowed)
	case next.conditional:
		var aside seeker // a condition is no value that the path leads to
		own, filled := o.part(&aside, next.whereName, "", nil, &test{kind: testCode, uri: next.whereValue})
		s.unsupported = s.unsupported || aside.unsupported
		c := some(own, filled)
		if isNever(c) {
			return never
		}
		return every(c, o.search(s, path[1:], t))
	}
	return o.whole(s, next.name, next.as, path[1:], t)
}

// there holds where the object is written at all.
func (o *object) there() cond {
	if o.root {
		return always
	}
	present, _ := o.has()
	return present
}

// whole searches the members that FHIRPath calls name.
func (o *object) whole(s *seeker, name, as string, path []step, t *test) cond {
	own, filled := o.part(s, name, as, path, t)
	return some(own, every(filled, o.there()))
}

// part is whole, apart for values from the document, which make the object
// exist, and for fillers, which are only there when something else does.
func (o *object) part(s *seeker, name, as string, path []step, t *test) (own, filled cond) {
	var owns, fills []cond
	for i := range o.members {
		m := &o.members[i]
		if m.elem.Name != name || as != "" && m.elem.Type != as {
			continue
		}
		sites := s.sites
		s.only = fromDocument
		owns = append(owns, every(m.lens.search(s, path, t), o.chosen(m)))
		if m.lens.fill() != noFill {
			s.sites = sites
			s.only = fromFiller
			fills = append(fills, every(m.lens.search(s, path, t), o.chosen(m)))
		}
		s.only = anySource
	}
	return some(owns...), some(fills...)
}

// terminal tests a data type as a whole.
func (o *object) terminal(s *seeker, t *test) cond {
	switch {
	case t.kind == testPresent:
		present, _ := o.has()
		return present
	case t.kind == testSort:
		return o.sorted(s, t)
	case t.kind == testToken:
		return o.token(s, t)
	case t.kind == testText && o.typ == "HumanName":
		return o.anyText(s, t, "family", "given", "prefix", "suffix", "text")
	case t.kind == testText && o.typ == "Address":
		return o.anyText(s, t, "text", "line", "city", "district", "state", "postalCode", "country")
	case t.kind == testDate && o.typ == "Period":
		return o.period(s, t)
	}
	return s.refuse()
}

func (o *object) anyText(s *seeker, t *test, names ...string) cond {
	var any []cond
	for _, name := range names {
		any = append(any, o.whole(s, name, "", nil, t))
	}
	return some(any...)
}

// token tests what R4 3.1.1.4.10 lists: system and code of one and the same Coding or
// Identifier, or the value of a ContactPoint.
func (o *object) token(s *seeker, t *test) cond {
	if t.modifier == fhir.ModUnequal && o.typ != "CodeableConcept" {
		code := "value"
		if o.typ == "Coding" {
			code = "code"
		}
		return t.unless(o.token(s, t.equal()), o.whole(s, code, "", nil, &test{kind: testPresent}))
	}
	is := func(text string) *test { return &test{kind: testCode, uri: text} }
	code := "value"
	switch o.typ {
	case "CodeableConcept":
		s.sites-- // its text alone is no code
		return o.whole(s, "coding", "", nil, t)
	case "Coding":
		code = "code"
	case "Identifier":
	case "ContactPoint":
		if !t.token.AnySystem && (t.token.System != "" || t.token.AnyCode) {
			return never
		}
		return o.whole(s, "value", "", nil, is(t.token.Code))
	default:
		return s.refuse()
	}
	ownSystem, fillSystem := never, always
	switch {
	case t.token.AnySystem:
	case t.token.System == "":
		own, filled := o.part(s, "system", "", nil, &test{kind: testPresent})
		fillSystem = not(some(own, filled))
	default:
		ownSystem, fillSystem = o.part(s, "system", "", nil, is(t.token.System))
	}
	ownCode, fillCode := never, always
	if !t.token.AnyCode {
		ownCode, fillCode = o.part(s, code, "", nil, is(t.token.Code))
	}
	return some(every(some(ownSystem, fillSystem), ownCode), every(ownSystem, fillCode), every(fillSystem, fillCode, o.there()))
}

// period tests a Period, whose ends may be open (R4 3.1.1.4.7).
func (o *object) period(s *seeker, t *test) cond {
	var any []cond
	for _, iv := range t.dates {
		var parts []cond
		end := func(name string, iv interval, open bool) {
			c := o.whole(s, name, "", nil, &test{kind: testDate, dates: []interval{iv}})
			if open {
				c = some(c, not(o.whole(s, name, "", nil, &test{kind: testPresent})))
			}
			parts = append(parts, c)
		}
		if iv.startsFrom != nil {
			end("start", interval{startsFrom: iv.startsFrom}, false)
		}
		if iv.startsBefore != nil {
			end("start", interval{startsBefore: iv.startsBefore}, true)
		}
		if iv.endsBy != nil {
			end("end", interval{endsBy: iv.endsBy}, false)
		}
		if iv.endsAfter != nil {
			end("end", interval{endsAfter: iv.endsAfter}, true)
		}
		any = append(any, every(parts...))
	}
	return every(some(any...), o.there())
}

func (l *list) search(s *seeker, path []step, t *test) cond {
	var any []cond
	for _, item := range l.items {
		any = append(any, item.search(s, path, t))
	}
	return some(any...)
}

func (r *repeated) search(s *seeker, path []step, t *test) cond {
	if t.kind == testSort {
		return s.refuse() // there may be several
	}
	return r.in(r.item.search(s, path, t))
}

func (d derived) search(s *seeker, path []step, t *test) cond {
	if s.only == fromDocument {
		return never
	}
	defer func(only source) { s.only = only }(s.only)
	s.only = anySource
	return d.lens.search(s, path, t)
}

func (l *literal) search(s *seeker, path []step, t *test) cond {
	if !s.leaf(path, constant) {
		return never
	}
	holds := false
	switch t.kind {
	case testPresent:
		holds = true
	case testToken:
		if l.typ == "code" || l.typ == "boolean" || l.typ == "string" || l.typ == "id" || l.typ == "uri" {
			holds = inSystem(&t.token, l.typ, l.vs) && (t.token.Code == l.value || t.token.AnyCode && t.token.System != "")
			holds = holds != (t.modifier == fhir.ModUnequal)
			break
		}
		return s.refuse()
	case testText:
		holds = matchText(l.value, t)
	case testURI, testCode:
		holds = (l.value == t.uri) != (t.modifier == fhir.ModUnequal)
	case testSort:
		switch l.typ {
		case "code", "string", "id", "uri", "url", "markdown":
			return s.sort(always, sortSite{rule: l, value: store.String(l.value), form: formText})
		case "boolean":
			return s.sort(always, sortSite{rule: l, value: store.V(l.value == "true"), form: formFlag})
		}
		return s.refuse()
	default:
		return s.refuse()
	}
	if holds {
		return always
	}
	return never
}

// inSystem reports whether a token means values without a system of their own, of this type
// and bound to this value set: whatever the system, none, or that which the value set implies
// for its codes.
func inSystem(want *fhir.TokenValue, typ, valueSet string) bool {
	switch {
	case want.AnySystem:
		return true
	case typ == "code" && strings.HasPrefix(valueSet, r4ValueSet):
		return impliedSystem(want.System, valueSet)
	}
	return want.System == ""
}

const r4ValueSet = "http://hl7.org/fhir/ValueSet/"

// impliedSystem reports whether system is the code system behind a value set of
// R4's own, whose codes stand in elements without a system. The specification
// names the two alike.
func impliedSystem(system, valueSet string) bool {
	name, ok := strings.CutPrefix(valueSet, r4ValueSet)
	return ok && (system == "http://hl7.org/fhir/"+name || system == "http://hl7.org/fhir/CodeSystem/"+name)
}

func matchText(s string, t *test) bool {
	switch t.modifier {
	case fhir.ModExact:
		return s == t.text
	case fhir.ModContains:
		return strings.Contains(store.Fold(s), t.text)
	case fhir.ModEnds:
		return strings.HasSuffix(store.Fold(s), t.text)
	}
	if t.modifier.Compares() {
		return t.modifier.Holds(strings.Compare(store.Fold(s), t.text))
	}
	return strings.HasPrefix(store.Fold(s), t.text)
}
