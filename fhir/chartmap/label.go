package chartmap

import (
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

const (
	confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	actCodes        = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
)

// levels are the codes of confidentiality, the lowest first: a total order.
func levels() []string { return []string{"U", "L", "M", "N", "R", "V"} }

// sensitivities are codes of v3-ActCode that say why something is sensitive, and which may be
// written without their system (its ActInformationSensitivityPolicy).
func sensitivities() []string {
	return []string{
		"BH", "COGN", "DVD", "EMOTDIS", "ETH", "ETHUD", "GDIS", "HIV", "IDS", "MH", "MST", "OPIOIDUD", "PREGNANT", "PSY", "PSYTHPN",
		"SCA", "SDV", "SEX", "SICKLE", "SPI", "STD", "SUD", "TBOO", "VIO",
	}
}

// label is a security label: a Coding of meta.security, and which documents have it.
type label struct {
	coding *object
	json   []byte
	level  int // of levels; -1 for what is none
	when   cond
}

// labels reads the security labels of a map: codes, each with the condition under which a document has
// it, or one of a group. They begin with the confidentiality, of which every document has exactly one: the
// highest that applies, at least R where it is sensitive, and else N.
func (l *loader) labels(m *Mapping, entries []entry) {
	var levelled [6]cond
	var others []label
	sensitive, any := cond(never), cond(never)
	for i := range levelled {
		levelled[i] = never
	}
	for _, e := range entries {
		where := l.where(e.value, "labels")
		m.fields = addFields(m.fields, where)
		if m.group != nil && !all(where) {
			where = store.Elem{Path: m.group.rows, Where: where}
		}
		when := cond(exactly{where})
		system, code, qualified := strings.Cut(e.name, "|")
		switch level := slices.Index(levels(), e.name); {
		case level >= 0:
			levelled[level] = when
			any = some(any, when)
			continue
		case slices.Contains(sensitivities(), e.name):
			system, code = actCodes, e.name
		case !qualified:
			fix := "write system|code"
			if near := fhir.Nearest(e.name, append(levels(), sensitivities()...)); near != "" {
				fix = "did you mean " + near + "? " + fix
			}
			l.add(e.key, fix, "labels: %q is no code of confidentiality or sensitivity", e.name)
			continue
		case system == confidentiality:
			l.add(e.key, "write "+strconv.Quote(code), "labels: codes of confidentiality stand without their system")
			continue
		case system == "" || !isOneWord(system) || !isOneWord(code) || !searchable(e.name) || unprintable(e.name):
			l.add(e.key, "write system|code", "labels: %q is no code of a system", e.name)
			continue
		}
		if system == actCodes && slices.Contains(sensitivities(), code) {
			sensitive = some(sensitive, when)
		}
		if slices.ContainsFunc(others, func(o label) bool { return o.is(system, code) }) {
			l.add(e.key, "keep one", "labels: %q is written twice", e.name)
		}
		others = append(others, newLabel(system, code, -1, when))
	}
	const normal, restricted = 3, 4
	levelled[restricted] = some(levelled[restricted], sensitive)
	levelled[normal] = some(levelled[normal], not(some(any, sensitive)))
	higher := cond(never)
	for level := len(levelled) - 1; level >= 0; level-- {
		if !isNever(levelled[level]) {
			m.labels = append(m.labels, newLabel(confidentiality, levels()[level], level, every(levelled[level], not(higher))))
			higher = some(higher, levelled[level])
		}
	}
	m.labels = append(m.labels, others...)
}

func newLabel(system, code string, level int, when cond) label {
	o := &object{typ: "Coding", filling: constant}
	text := []byte("{")
	for _, m := range []struct{ name, value string }{{"system", system}, {"code", code}} {
		elem, _ := schema.Lookup("Coding", m.name)
		part := member{elem: elem, key: []byte(strconv.Quote(m.name) + ":")}
		lit := &literal{typ: elem.Type, value: m.value, json: appendText(nil, []byte(m.value))}
		part.lens = lit
		o.members = append(o.members, part)
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(text, part.key...), lit.json...)
	}
	return label{coding: o, json: append(text, '}'), level: level, when: when}
}

// is reports whether a label has a code.
func (l *label) is(system, code string) bool {
	for i, want := range []string{system, code} {
		if lit, ok := l.coding.members[i].lens.(*literal); !ok || lit.value != want {
			return false
		}
	}
	return true
}

// labeled gives the condition under which one of a document's labels satisfies a test.
func (m *Mapping) labeled(t *test) cond {
	any := make([]cond, len(m.labels))
	for i := range m.labels {
		any[i] = every(m.labels[i].when, m.labels[i].coding.search(&seeker{}, nil, t))
	}
	return some(any...)
}

// appendLabels writes the labels of a document as a member of meta.
func (m *Mapping) appendLabels(buf []byte, doc store.Doc) []byte {
	buf = append(buf, `,"security":[`...)
	for i := range m.labels {
		if l := &m.labels[i]; l.when.match(doc) {
			buf = append(append(buf, l.json...), ',')
		}
	}
	buf[len(buf)-1] = ']' // each document has one
	return buf
}

// relabeled holds what a client says of security labels, and a change of the document, against
// the labels that the EHR's data give: they are never the client's to set. What was read may be sent back,
// or what it will be, or nothing. Who is a patient or a proxy cannot make a label go away by
// changing what it follows from. Afterwards the labels are gone from wanted.
func (p *planner) relabeled(w *writer, b *branch, was, doc store.Doc, wanted *node) {
	if len(b.labels) == 0 {
		return
	}
	if sent := wanted.takeLabels(); sent != nil && (w.isNew || !b.sameLabels(was, sent)) && !b.sameLabels(doc, sent) {
		w.fail(fhir.CodeBusinessRule, string(b.Resource)+".meta.security", "The security labels follow from the EHR's data: leave them as they are, or leave them out.")
	}
	if !w.isNew && p.actor != nil && (p.actor.Role == "patient" || p.actor.Role == "proxy") && b.unlabels(was, doc) {
		w.fail(fhir.CodeForbidden, string(b.Resource), "This would take a security label away.")
	}
}

// takeLabels takes meta.security off a resource and gives it.
func (n *node) takeLabels() *node {
	meta := n.member("meta")
	sent := meta.member("security")
	if sent == nil {
		return nil
	}
	meta.set("security", nil)
	if len(meta.members) == 0 {
		n.set("meta", nil)
	}
	return sent
}

// sameLabels reports whether a list of codings has the labels of a document, in any order.
func (m *Mapping) sameLabels(doc store.Doc, sent *node) bool {
	found := 0
	for i := range m.labels {
		l := &m.labels[i]
		if !l.when.match(doc) {
			continue
		}
		if !slices.ContainsFunc(sent.items, func(n *node) bool { return l.is(n.member("system").string(), n.member("code").string()) }) {
			return false
		}
		found++
	}
	return found == len(sent.items)
}

// unlabels reports whether a change takes a label away, or lowers the confidentiality.
func (m *Mapping) unlabels(was, doc store.Doc) bool {
	level := func(d store.Doc) int {
		i := slices.IndexFunc(m.labels, func(l label) bool { return l.level >= 0 && l.when.match(d) })
		return m.labels[i].level
	}
	return level(doc) < level(was) ||
		slices.ContainsFunc(m.labels, func(l label) bool { return l.level < 0 && l.when.match(was) && !l.when.match(doc) })
}
