package infer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// element proposes the rule of one element from a sample; ok is false when nothing
// fits.
type element func(*drafter) (line, bool)

// line is a rule as it stands in the draft.
type line struct {
	text       string // "birthDate: { $from: dob, $as: date }"
	confidence float64
	table      *table // that it needs
	remark     string
	fields     []*Field
}

// table is a code table.
type table struct {
	name, system string
	codes, to    []string
	unknown      []string
}

// drafter drafts the map of one sample.
type drafter struct {
	sample *Sample
	types  map[string]string   // of collections
	used   map[*Field]bool     // by a rule already
	shared map[string]struct{} // names of tables that are taken
	each   *array              // whose elements the sample is of
	kept   string              // the lines of the version and the time
}

// pick is the best field of no rule yet that answers to the words and has one of
// the shapes.
func (d *drafter) pick(words []string, shapes ...Shape) (*Field, float64) {
	var best *Field
	var top float64
	for _, f := range d.sample.Fields {
		if d.used[f] || f.To != "" || internal(f.Path) || strings.Contains(f.Path, "[]") || !f.only(shapes...) {
			continue
		}
		if score := answers(f.Path, words) * (0.6 + 0.4*f.Share()); score > top {
			best, top = f, score
		}
	}
	return best, top
}

// internal reports whether a field is called as what the staff keeps to itself. No
// guess may show that to a patient.
func internal(path string) bool {
	return slices.ContainsFunc(tokens(path), func(t string) bool {
		return slices.Contains([]string{"int", "intern", "internal", "interne", "private", "privat", "secret", "hidden", "staffonly", "password", "hash"}, t)
	})
}

// refer is the first field that refers to documents of a type.
func (d *drafter) refer(resource string) *Field {
	for _, f := range d.sample.Fields {
		if !d.used[f] && f.To != "" && f.To != d.sample.Collection && d.types[f.To] == resource && !strings.Contains(f.Path, "[]") {
			return f
		}
	}
	return nil
}

// quote writes a path or text as a YAML scalar.
func quote(s string) string {
	for _, r := range s {
		if r != '_' && r != '.' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			return strconv.Quote(s)
		}
	}
	switch strings.ToLower(s) {
	case "", "y", "n", "yes", "no", "true", "false", "on", "off", "null":
		return strconv.Quote(s)
	}
	if s[0] >= '0' && s[0] <= '9' {
		return strconv.Quote(s)
	}
	return s
}

var words = []Shape{Word, Text, Phone, Whole}

func plain(name string, called []string) element {
	return func(d *drafter) (line, bool) {
		f, c := d.pick(called, Word, Text)
		if f == nil {
			return line{}, false
		}
		return line{text: name + ": " + quote(f.Path), confidence: c, fields: []*Field{f}}, true
	}
}

// wrapped is a text within something else; format has one place for the path.
func wrapped(format string, called []string) element {
	return func(d *drafter) (line, bool) {
		f, c := d.pick(called, Word, Text)
		if f == nil {
			return line{}, false
		}
		return line{text: fmt.Sprintf(format, quote(f.Path)), confidence: c, fields: []*Field{f}}, true
	}
}

func textOf(name string, called []string) element { return wrapped(name+": { text: %s }", called) }

func listText(name string, called []string) element {
	return wrapped(name+": { $list1: { text: %s } }", called)
}

func payload() element { return wrapped("payload: { $slots: [ { contentString: %s } ] }", text) }

func constant(name, value string) element {
	return func(*drafter) (line, bool) {
		return line{text: fmt.Sprintf("%s: { $const: %s }", name, value), confidence: 0.5, remark: "the same for all documents: is that so?"}, true
	}
}

// moment is a date in whichever way it is kept.
func moment(name, as string, called []string, shapes ...Shape) element {
	return func(d *drafter) (line, bool) {
		f, c := d.pick(called, shapes...)
		if f == nil {
			return line{}, false
		}
		stored := ""
		if as != "date" && f.only(DateText, TimeText) {
			stored = ", $stored: text"
		}
		if as == "date" && f.only(Moment) {
			stored = ", $stored: date"
		}
		return line{text: fmt.Sprintf("%s: { $from: %s, $as: %s%s }", name, quote(f.Path), as, stored), confidence: c, fields: []*Field{f}}, true
	}
}

func date(name string, called []string) element {
	return moment(name, "date", called, DateText, Moment)
}

func dateTime(name string, called []string) element {
	return moment(name, "dateTime", called, Moment, TimeText, DateText)
}

func instant(name string, called []string) element {
	return moment(name, "instant", called, Moment)
}

// endOf is a moment of its own, or so many minutes after the start.
func endOf(ends, starts, minutes []string) element {
	return func(d *drafter) (line, bool) {
		if l, ok := instant("end", ends)(d); ok {
			return l, true
		}
		var start *Field
		for f := range d.used {
			if answers(f.Path, starts) > 0 && f.only(Moment) {
				start = f
			}
		}
		mins, c := d.pick(minutes, Whole)
		if start == nil || mins == nil {
			return line{}, false
		}
		return line{text: fmt.Sprintf("end: { $from: [%s, %s], $as: plusMinutes }", quote(start.Path), quote(mins.Path)), confidence: c, fields: []*Field{mins}}, true
	}
}

// coded is an element with a required value set.
func coded(name string, called []string, system string, known map[string]string) element {
	return func(d *drafter) (line, bool) {
		f, c := d.pick(called, Word)
		if f == nil || f.Codes() == nil {
			return line{}, false
		}
		t := &table{name: d.tableName(name), system: system}
		for _, code := range f.Codes() {
			if to := known[strings.ToLower(code)]; to != "" {
				t.codes, t.to = append(t.codes, code), append(t.to, to)
			} else {
				t.unknown = append(t.unknown, code)
			}
		}
		if len(t.codes) == 0 {
			return line{}, false
		}
		share := float64(len(t.codes)) / float64(len(t.codes)+len(t.unknown))
		return line{text: fmt.Sprintf("%s: { $from: %s, $codes: %s }", name, quote(f.Path), t.name), confidence: c * share, table: t, fields: []*Field{f}}, true
	}
}

// conceptOf is an element coded in a system, with what the codes are called.
func conceptOf(name string, called, display []string, system string) element {
	return func(d *drafter) (line, bool) {
		f, c := d.pick(called, Word)
		if f == nil {
			return textOf(name, called)(d)
		}
		l := line{confidence: c * 0.8, fields: []*Field{f}, remark: "if these are codes of " + system + "; else write a code table"}
		d.used[f] = true
		rule := fmt.Sprintf("%s: { coding: { $slots: [ { system: { $const: %q }, code: %s } ] }", name, system, quote(f.Path))
		if n, _ := d.pick(display, Word, Text); n != nil {
			rule += ", text: " + quote(n.Path)
			l.fields = append(l.fields, n)
		}
		if codes := f.Codes(); codes != nil {
			l.remark += ", for " + strings.Join(codes, " ")
		}
		l.text = rule + " }"
		return l, true
	}
}

// tableName is a name for a code table that is not taken.
func (d *drafter) tableName(element string) string {
	name := d.sample.Collection[strings.LastIndexByte(d.sample.Collection, '.')+1:] + "_" + element
	for base, n := name, 2; ; n++ {
		if _, taken := d.shared[name]; !taken {
			d.shared[name] = struct{}{}
			return name
		}
		name = base + strconv.Itoa(n)
	}
}
