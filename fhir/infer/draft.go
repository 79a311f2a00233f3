package infer

import (
	"fmt"
	"io"
	"strings"
)

// Draft writes the chart map that the samples suggest. It is UTF-8 YAML that loads,
// or, when no collection could be told, only comments and a map of nothing.
func Draft(w io.Writer, database string, samples []*Sample) error {
	types := make(map[string]string)
	guesses := make([]*kind, len(samples))
	certain := make([]float64, len(samples))
	for i, s := range samples {
		if k, c := typeOf(s); k != nil {
			guesses[i], certain[i] = k, c
			types[s.Collection] = k.resource
		}
	}
	var maps, tables, left strings.Builder
	shared := make(map[string]struct{})
	for i, s := range samples {
		if guesses[i] == nil {
			fmt.Fprintf(&left, "# %s (%d documents looked at) is like nothing that is known here.\n", s.Collection, s.Documents)
			continue
		}
		d := &drafter{sample: s, types: types, used: make(map[*Field]bool), shared: shared}
		arrays := d.arrays(guesses[i])
		d.draft(&maps, &tables, guesses[i], certain[i])
		for _, a := range arrays {
			a.draft(&maps, &tables, a.kind, a.certain)
		}
	}
	var out strings.Builder
	out.WriteString(header)
	fmt.Fprintf(&out, "chartmap: 1\nsource: { kind: mongodb, database: %s }\ndefaults: { unmapped: overflow, onUnknownCode: keep-local }\n", quote(database))
	if tables.Len() > 0 {
		out.WriteString("\ncodes:\n" + tables.String())
	}
	if left.Len() > 0 {
		out.WriteString("\n" + left.String())
	}
	if maps.Len() > 0 {
		out.WriteString("\nmaps:\n" + maps.String())
	} else {
		out.WriteString("\nmaps: []\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

const header = `# A draft, made from a sample of documents: read each line as a question. The number behind a rule says how sure the guess is (1: certain).
# Next: portico chart lint FILE, then correct what is wrong, and put real URIs where urn:TODO stands.
`

// draft writes the map of one collection.
func (d *drafter) draft(maps, tables *strings.Builder, k *kind, certain float64) {
	s := d.sample
	name := s.Collection[strings.LastIndexByte(s.Collection, '.')+1:]
	what, from := "documents", name
	if d.each != nil {
		what, from, name = "elements", d.each.of, d.each.of+"."+d.each.path
	}
	fmt.Fprintf(maps, "\n# %s: %d %s looked at; %s with %.2f\n- name: %s\n  resource: %s\n  from: %s\n  id: _id\n", name, s.Documents, what, k.resource, certain, quote(name), k.resource, quote(from))
	if d.each != nil {
		d.each.write(maps)
	}
	d.bookkeeping(maps)
	switch patient := d.refer("Patient"); {
	case k.resource == "Patient":
		maps.WriteString("  compartment: { Patient: _id }\n")
	case patient != nil:
		fmt.Fprintf(maps, "  compartment: { Patient: %s }\n", quote(patient.Path))
	}
	maps.WriteString("  writable: false            # until the rules are right\n  elements:\n")
	for _, propose := range k.elements {
		l, ok := propose(d)
		if !ok {
			continue
		}
		for _, f := range l.fields {
			d.used[f] = true
		}
		remark := fmt.Sprintf("%.2f", l.confidence)
		if l.remark != "" {
			remark += ", " + l.remark
		}
		fmt.Fprintf(maps, "    %s   # %s\n", l.text, remark)
		l.table.write(tables)
	}
	d.remaining(maps)
}

// bookkeeping finds the version and the time of the last change.
func (d *drafter) bookkeeping(w *strings.Builder) {
	if d.each != nil { // that of the document
		w.WriteString(*d.each.kept)
		return
	}
	defer func(start int) { d.kept = w.String()[start:] }(w.Len())
	if f, _ := d.pick([]string{"rev", "version", "revision", "__v", "v"}, Whole); f != nil && f.Share() > 0.9 {
		d.used[f] = true
		fmt.Fprintf(w, "  version: %s\n", quote(f.Path))
	}
	if f, _ := d.pick([]string{"upd", "updated", "modified", "updatedat", "changed", "lastmodified", "geaendert", "endret"}, Moment); f != nil {
		d.used[f] = true
		fmt.Fprintf(w, "  updated: %s\n", quote(f.Path))
	}
}

// remaining lists the fields that no rule uses, by name and shape.
func (d *drafter) remaining(w *strings.Builder) {
	var left []string
	for _, f := range d.sample.Fields {
		if d.used[f] || f.Path == "_id" || f.Count == 0 || f.only(Document) || f.only(List) {
			continue
		}
		about := f.Path
		if f.To != "" {
			about += " -> " + f.To[strings.LastIndexByte(f.To, '.')+1:]
		}
		left = append(left, fmt.Sprintf("%s (%.0f %%)", about, 100*f.Share()))
	}
	for len(left) > 0 {
		n := min(8, len(left))
		fmt.Fprintf(w, "    # not used: %s\n", strings.Join(left[:n], ", "))
		left = left[n:]
	}
}

// write writes the code table; codes whose meaning is not known stand in a comment.
func (t *table) write(w *strings.Builder) {
	if t == nil {
		return
	}
	fmt.Fprintf(w, "  %s:\n    system: %q\n", quote(t.name), t.system)
	pairs := make([]string, len(t.codes))
	for i, code := range t.codes {
		pairs[i] = quote(code) + ": " + t.to[i]
	}
	fmt.Fprintf(w, "    map: { %s }\n", strings.Join(pairs, ", "))
	if len(t.unknown) > 0 {
		fmt.Fprintf(w, "    # what do these mean? %s\n", strings.Join(t.unknown, " "))
	}
}
