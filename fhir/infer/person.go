package infer

import (
	"fmt"
	"strings"
)

// identifiers proposes national numbers and the EHR's own.
func identifiers(national, local []string) element {
	return func(d *drafter) (line, bool) {
		var slots []string
		l := line{confidence: 1, remark: "put the URI of each number's naming system in the place of urn:TODO"}
		for i, called := range [][]string{national, local} {
			f, c := d.pick(called, words...)
			if f == nil {
				continue
			}
			slots = append(slots, fmt.Sprintf(`{ use: { $const: %s }, system: { $const: "urn:TODO:%s" }, value: %s }`, []string{"official", "secondary"}[i], f.Path, quote(f.Path)))
			l.confidence, l.fields = min(l.confidence, c), append(l.fields, f)
		}
		l.text = "identifier: { $slots: [ " + strings.Join(slots, ", ") + " ] }"
		return l, len(slots) > 0
	}
}

// personName proposes a name from its parts.
func personName(family, given, middle []string) element {
	return humanName(family, given, middle, nil)
}

// practitionerName proposes one with a title.
func practitionerName(family, given, prefix []string) element {
	return humanName(family, given, nil, prefix)
}

// humanName proposes a name where there is at least that of the family.
func humanName(family, given, middle, prefix []string) element {
	return func(d *drafter) (line, bool) {
		last, c := d.pick(family, Word, Text)
		if last == nil {
			return line{}, false
		}
		l := line{confidence: c, fields: []*Field{last}}
		rule := "name: { $slots: [ { use: { $const: official }, family: " + quote(last.Path)
		var list []string
		for _, called := range [][]string{given, middle} {
			if f, _ := d.pick(called, Word, Text); f != nil {
				list, l.fields = append(list, quote(f.Path)), append(l.fields, f)
			}
		}
		if len(list) > 0 {
			rule += ", given: { $list: [" + strings.Join(list, ", ") + "] }"
		}
		if f, _ := d.pick(prefix, Word, Text); f != nil {
			rule += ", prefix: { $list: [" + quote(f.Path) + "] }"
			l.fields = append(l.fields, f)
		}
		l.text = rule + " } ] }"
		return l, true
	}
}

// telecom proposes telephone numbers and mail addresses.
func telecom(mobile, phone, email []string) element {
	return func(d *drafter) (line, bool) {
		var slots []string
		l := line{confidence: 1}
		for _, p := range []struct {
			called      []string
			system, use string
			shapes      []Shape
		}{
			{mobile, "phone", ", use: { $const: mobile }", []Shape{Phone, Word, Whole}},
			{phone, "phone", "", []Shape{Phone, Word, Whole}},
			{email, "email", "", []Shape{Email}},
		} {
			f, c := d.pick(p.called, p.shapes...)
			if f == nil {
				continue
			}
			d.used[f] = true
			slots = append(slots, fmt.Sprintf("{ system: { $const: %s }%s, value: %s }", p.system, p.use, quote(f.Path)))
			l.confidence, l.fields = min(l.confidence, c), append(l.fields, f)
		}
		l.text = "telecom: { $slots: [ " + strings.Join(slots, ", ") + " ] }"
		return l, len(slots) > 0
	}
}

// address proposes one address from fields, or a list of them from an array of
// documents.
func address() element {
	return func(d *drafter) (line, bool) {
		for _, f := range d.sample.Fields {
			if f.only(List) && !strings.Contains(f.Path, "[]") {
				if l, ok := d.addressOf(f, f.Path+"[]."); ok {
					l.text = "address: { $each: " + quote(f.Path) + ", $item: { " + l.text + " } }"
					return l, true
				}
			}
		}
		l, ok := d.addressOf(nil, "")
		l.text = "address: { $slots: [ { " + l.text + " } ] }"
		return l, ok
	}
}

// addressOf proposes the parts of an address from the fields below prefix. A city
// or a postal code is what makes one.
func (d *drafter) addressOf(array *Field, prefix string) (line, bool) {
	l := line{confidence: 1}
	var parts, lines []string
	find := func(called []string) *Field {
		for _, f := range d.sample.Fields {
			rest, ok := strings.CutPrefix(f.Path, prefix)
			if ok && !d.used[f] && f.To == "" && !strings.Contains(rest, "[]") && f.only(Word, Text, Phone, Whole) && answers(rest, called) >= 0.8 {
				l.fields = append(l.fields, f)
				return f
			}
		}
		return nil
	}
	for _, called := range [][]string{street, street2} {
		if f := find(called); f != nil {
			lines = append(lines, quote(strings.TrimPrefix(f.Path, prefix)))
		}
	}
	if len(lines) > 0 {
		parts = append(parts, "line: { $list: ["+strings.Join(lines, ", ")+"] }")
	}
	found := false
	for _, p := range []struct {
		element string
		called  []string
	}{{"city", city}, {"postalCode", postal}, {"country", country}} {
		if f := find(p.called); f != nil {
			parts = append(parts, p.element+": "+quote(strings.TrimPrefix(f.Path, prefix)))
			found = found || p.element != "country"
		}
	}
	if array != nil {
		l.fields = append(l.fields, array)
	}
	l.text, l.confidence = strings.Join(parts, ", "), 0.8
	return l, found
}
