package chartmap

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// overlay is what a resource has beyond what the rules make of its document. It only
// adds: what the EHR says always stands.
//
// What is added to an element below the resource, or qualifies one (an
// extension of a primitive, the narrative), belongs to what the EHR said when it
// was written: a nickname's period to that nickname. When the EHR says something else by now, it is not shown.
type overlay struct {
	Value   json.RawMessage     `json:"v,omitempty"` // added as it is
	With    string              `json:"h,omitempty"` // content that the EHR's part must still have
	Members map[string]*overlay `json:"m,omitempty"` // of an object that the EHR has, too
	Items   []*overlay          `json:"l,omitempty"` // of a list: all, in order; those of the EHR by With
}

// differ compares what the rules make of a document with what a client wrote.
type differ struct {
	issues []fhir.Issue
}

func (d *differ) fail(at, format string) {
	d.issues = append(d.issues, fhir.Issue{Code: fhir.CodeBusinessRule, Path: at, Detail: format})
}

// resource gives what has to be added to made, so that it says what wanted does;
// nil for nothing. What made has and wanted has not is an issue, unless it comes
// from the chart map itself.
func (d *differ) resource(made, wanted *node, at string) *overlay {
	return d.object(made, wanted, at, true)
}

func (d *differ) value(made, wanted *node, at string) *overlay {
	switch {
	case made.kind == nodeObject && wanted.kind == nodeObject:
		return d.object(made, wanted, at, false)
	case made.kind == nodeList && wanted.kind == nodeList:
		return d.list(made, wanted, at)
	case same(made, wanted):
	case made.by == byDerivation:
		d.fail(at, "This follows from other elements in the EHR: leave it as it is, or leave it out.")
	case made.by == byRule:
		d.fail(at, "This is always the same here: "+shown(made)+".")
	default:
		d.fail(at, "The EHR cannot hold this as it was sent.")
	}
	return nil
}

// shown gives a constant for a message; it is no part of anybody's record.
func shown(n *node) string {
	const most = 60
	text := n.append(nil)
	if len(text) > most {
		return "what is read"
	}
	return string(text)
}

func (d *differ) object(made, wanted *node, at string, root bool) *overlay {
	o := &overlay{}
	add := func(name string, part *overlay) {
		if part != nil {
			if o.Members == nil {
				o.Members = map[string]*overlay{}
			}
			o.Members[name] = part
		}
	}
	for _, m := range wanted.members {
		switch there := made.member(m.name); {
		case root && m.name == "resourceType":
		case there != nil && there.by == byDerivation && m.node.echo:
		case there != nil:
			add(m.name, d.value(there, m.node, at+"."+m.name))
		case strings.HasPrefix(m.name, "_") && wanted.member(m.name[1:]) == nil && made.member(m.name[1:]) != nil:
			if string(m.node.append(nil)) != "{"+dataAbsent+"}" {
				d.fail(at+"."+m.name, "The EHR has a value here, which this does not go with.")
			}
		default:
			part := &overlay{Value: m.node.append(nil)}
			switch {
			case root && m.name == "text":
				part.With = made.whole()
			case strings.HasPrefix(m.name, "_"):
				part.With = contentOf(wanted.member(m.name[1:]))
			}
			add(m.name, part)
		}
	}
	for _, m := range made.members {
		if wanted.member(m.name) == nil && m.node.by == byDocument && (!root || m.name != "meta") {
			d.fail(at+"."+m.name, "The EHR cannot do without this.")
		}
	}
	if o.Members == nil {
		return nil
	}
	if !root {
		o.With = made.content()
	}
	return o
}

func contentOf(n *node) string {
	if n == nil {
		return ""
	}
	return n.content()
}

// list pairs what the rules make with what is wanted, in order where it can be, and
// gives all of it when that is more, or in another order.
func (d *differ) list(made, wanted *node, at string) *overlay {
	of := make([]int, len(wanted.items)) // the item made, or -1
	used := make([]bool, len(made.items))
	parts := make([]*overlay, len(wanted.items))
	pick := func(i int, fits func(m *node) (*overlay, bool)) bool {
		for k, m := range made.items {
			if used[k] {
				continue
			}
			if part, ok := fits(m); ok {
				of[i], parts[i], used[k] = k, part, true
				return true
			}
		}
		return false
	}
	for i, w := range wanted.items {
		of[i] = -1
		pick(i, func(m *node) (*overlay, bool) { return nil, same(m, w) })
	}
	for i, w := range wanted.items {
		if of[i] >= 0 || pick(i, func(m *node) (*overlay, bool) { return nil, w.echo && m.by == byDerivation }) {
			continue
		}
		pick(i, func(m *node) (*overlay, bool) {
			var try differ
			part := try.value(m, w, at)
			return part, len(try.issues) == 0
		})
	}
	d.unwanted(made, wanted, of, used, at)
	plain := slices.IsSorted(of)
	o := &overlay{}
	for i, k := range of {
		part := &overlay{Value: wanted.items[i].append(nil)}
		if k >= 0 {
			part = &overlay{With: made.items[k].content()}
			if parts[i] != nil {
				part.Members, part.Items = parts[i].Members, parts[i].Items
			}
		}
		plain = plain && k >= 0 && parts[i] == nil
		o.Items = append(o.Items, part)
	}
	if plain {
		return nil
	}
	return o
}

// unwanted tells about items that the rules make and nobody wanted. Where an item was
// wanted in their place, what is wrong with it is told.
func (d *differ) unwanted(made, wanted *node, of []int, used []bool, at string) {
	for k, m := range made.items {
		if used[k] || m.by == byRule {
			continue
		}
		best, most := -1, 0
		for i, w := range wanted.items {
			n := shared(m, w)
			if m.by == byDerivation && alike(m, w) {
				n++
			}
			if of[i] < 0 && n > most {
				best, most = i, n
			}
		}
		if best < 0 && m.by == byDerivation {
			continue
		}
		if best < 0 {
			d.fail(at, "The EHR cannot do without one of these.")
			continue
		}
		d.value(m, wanted.items[best], at+"["+strconv.Itoa(best)+"]")
	}
}

// alike reports whether two values are of the same kind, and b an object with all members of a.
func alike(a, b *node) bool {
	return a.kind == b.kind &&
		!slices.ContainsFunc(a.members, func(m named) bool { return b.member(m.name) == nil })
}

// addition is one thing that an overlay adds.
type addition struct {
	at    string
	value json.RawMessage // nil for the order of a list
}

// additions lists what an overlay adds.
func (o *overlay) additions(at string) []addition {
	if o == nil {
		return nil
	}
	if o.Value != nil {
		return []addition{{at, o.Value}}
	}
	var out []addition
	for _, name := range slices.Sorted(maps.Keys(o.Members)) {
		out = append(out, o.Members[name].additions(at+"."+name)...)
	}
	for i, item := range o.Items {
		out = append(out, item.additions(at+"["+strconv.Itoa(i)+"]")...)
	}
	if len(o.Items) > 0 && len(out) == 0 {
		out = []addition{{at: at}}
	}
	return out
}

// merge adds an overlay to what the rules made.
func (o *overlay) merge(made *node) {
	content := ""
	if o.Members["text"] != nil {
		content = made.whole()
	}
	o.addTo(made, content)
}

// whole gives the content of a resource but for what the server owns.
func (n *node) whole() string {
	rest := *n
	rest.members = slices.DeleteFunc(slices.Clone(n.members), func(m named) bool { return m.name == "id" || m.name == "meta" })
	return rest.content()
}

// addTo merges into an object. Whole is the content of the resource before anything
// was added, for the narrative.
func (o *overlay) addTo(made *node, whole string) {
	names := slices.Collect(maps.Keys(o.Members))
	slices.SortFunc(names, func(a, b string) int { // extensions of primitives behind these
		if u := strings.HasPrefix(a, "_"); u != strings.HasPrefix(b, "_") {
			if u {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		part, there := o.Members[name], made.member(name)
		switch {
		case name == "meta" && there != nil: // which has the version only
			if v, err := parseNode(part.Value, nil); err == nil {
				for _, m := range v.members {
					if labels := there.member(m.name); labels != nil { // the EHR's, beside older ones of clients
						m.node.items = append(slices.Clone(labels.items), m.node.items...)
					}
					there.set(m.name, m.node)
				}
			}
		case there != nil:
			part.into(there)
		case part.Value != nil:
			if name == "text" && part.With != "" && part.With != whole ||
				strings.HasPrefix(name, "_") && part.With != contentOf(made.member(name[1:])) {
				continue
			}
			if v, err := parseNode(part.Value, nil); err == nil {
				made.set(name, v)
			}
		case part.Items != nil:
			list := &node{kind: nodeList}
			part.into(list)
			if len(list.items) > 0 {
				made.set(name, list)
			}
		}
	}
}

// into merges into an element that the EHR has.
func (o *overlay) into(made *node) {
	switch {
	case o.Items != nil && made.kind == nodeList:
		o.arrange(made)
	case o.Members != nil && made.kind == nodeObject && o.With == made.content():
		o.addTo(made, "")
	}
}

// arrange puts the items of a list into their order, and those that are added
// between them. Items of which it knows nothing take the places of those that are no
// more, and else come last.
func (o *overlay) arrange(made *node) {
	used := make([]bool, len(made.items))
	of := make([]int, len(o.Items))
	for i, item := range o.Items {
		of[i] = -1
		for k, m := range made.items {
			if item.Value == nil && !used[k] && m.content() == item.With {
				of[i], used[k] = k, true
				break
			}
		}
	}
	var out []*node
	next := func() int { return slices.Index(used, false) }
	for i, item := range o.Items {
		switch k := of[i]; {
		case k >= 0:
			if item.Members != nil {
				item.into(made.items[k])
			}
			out = append(out, made.items[k])
		case item.Value != nil:
			if v, err := parseNode(item.Value, nil); err == nil {
				out = append(out, v)
			}
		case next() >= 0:
			k := next()
			used[k] = true
			out = append(out, made.items[k])
		}
	}
	for k, m := range made.items {
		if !used[k] {
			out = append(out, m)
		}
	}
	made.items = out
}
