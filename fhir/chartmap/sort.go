package chartmap

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Sorting is by the EHR's own fields: text by its characters, as the EHR's indexes have
// it; codes of a table one after the other, whatever the EHR calls them; dates and
// numbers by their value. What has no value comes last in either direction.
//
// For each key of _sort, the documents of a branch are divided by what gives them
// their value: a field, one of several constants (the codes of a table, a default), or
// nothing. A stream holds what has the same of these for all keys, so that its order
// is one that a store knows; the streams of a search are merged.

// sortForm says which values can be compared.
type sortForm string

// The forms. That of a number is followed by how it is converted.
const (
	formText     sortForm = "text"
	formFlag     sortForm = "flag"
	formDate     sortForm = "date"
	formDateText sortForm = "date as text"
	formNumber   sortForm = "number"
)

// sortSite is one way in which a rule gives the value that a parameter sorts by.
type sortSite struct {
	rule  lens
	field ref         // that holds it; without a path: value
	value store.Value // the same for all documents
	not   bool        // the field holds the opposite
	form  sortForm
}

// sortPart are the documents of a branch whose value comes from one site.
type sortPart struct {
	sortSite
	where cond
}

// unvalued is the value of what has none: it comes after all others.
func unvalued() store.Value { return store.Value{Type: bson.TypeMaxKey} }

func isUnvalued(v store.Value) bool { return v.Type == bson.TypeMaxKey }

// sort notes a site whose value a document has where c holds; when one of them is
// picked, the others hold nowhere.
func (s *seeker) sort(c cond, site sortSite) cond {
	s.sorts = append(s.sorts, site)
	if s.pick > 0 && s.pick != len(s.sorts) {
		return never
	}
	return c
}

// sortParts divides the documents of a branch by what gives them their value. It is not
// ok where a document may have several values, or one that no field holds.
func (b *branch) sortParts(p *fhir.SearchParam, paths [][]step) (parts []sortPart, ok bool) {
	switch {
	case p.Name == "_id":
		return []sortPart{{sortSite{field: b.id, form: "id"}, always}}, true
	case p.Name == "_lastUpdated" && b.updated == nil:
		return complete(nil), true
	case p.Name == "_lastUpdated":
		return complete([]sortPart{{sortSite{field: b.updated.ref, form: b.updated.form()}, b.updated.present()}}), true
	}
	seek := func(pick int) (seeker, cond) {
		sk := seeker{pick: pick}
		any := make([]cond, len(paths))
		for i, path := range paths {
			any[i] = b.body.search(&sk, path, &test{kind: testSort})
		}
		return sk, some(any...)
	}
	sk, _ := seek(0)
	if sk.unsupported {
		return nil, false
	}
	for i, site := range sk.sorts {
		if site.rule != sk.sorts[0].rule || site.field.elem {
			return nil, false
		}
		if _, c := seek(i + 1); !isNever(c) {
			parts = append(parts, sortPart{site, c})
		}
	}
	return complete(parts), true
}

// key is the field that tells the documents of a stream apart, which ids are made of or,
// at least, follow from.
func (m *Mapping) key() ref {
	if m.group != nil {
		return m.id
	}
	return ref{path: "_id"}
}

// complete adds the documents that have no value.
func complete(parts []sortPart) []sortPart {
	any := make([]cond, len(parts))
	for i, p := range parts {
		any[i] = p.where
	}
	if c := not(some(any...)); !isNever(c) {
		parts = append(parts, sortPart{sortSite{value: unvalued()}, c})
	}
	return parts
}

// form is that of the values at a place.
func (m *moment) form() sortForm {
	if m.text {
		return formDateText
	}
	return formDate
}

// sorts finds by what all branches sort, and reports whether that can be brought into one
// order.
func (s *served) sorts(p *fhir.SearchParam) bool {
	switch p.Type {
	case fhir.ParamReference, fhir.ParamComposite, fhir.ParamSpecial:
		return false
	}
	var form sortForm
	keys := make([][]sortPart, len(s.branches))
	for i, b := range s.branches {
		parts, ok := b.sortParts(p, s.paths[p])
		if !ok {
			return false
		}
		for _, part := range parts {
			switch {
			case part.form == "":
			case form != "" && form != part.form:
				return false
			default:
				form = part.form
			}
		}
		keys[i] = parts
	}
	s.keys[p] = keys
	return form != ""
}

// roughly reports whether no filter tells what has a value to sort by from what has none: of
// each stream all documents would have to be read to know which belongs to it.
func (s *served) roughly(p *fhir.SearchParam) bool {
	return slices.ContainsFunc(s.keys[p], func(parts []sortPart) bool {
		return slices.ContainsFunc(parts, func(part sortPart) bool { return !part.where.exact() })
	})
}

// maxStreams bounds into how many parts sorting divides what a search looks at.
const maxStreams = 64

// maxSortCodes bounds how many codes of a table are sorted by.
const maxSortCodes = 24

// streamKey is a key of _sort in a stream.
type streamKey struct {
	path  string      // of the field; empty: value
	value store.Value // of all documents
	not   bool        // the field holds the opposite
	at    int         // place of the field in the order of the store
}

// given turns what the field holds into what is sorted by, and back.
func (k streamKey) given(v store.Value) store.Value {
	if is, ok := v.BooleanOK(); ok && k.not {
		return store.V(!is)
	}
	return v
}

// sorted divides the documents of branches, which have the same rules for what is
// sorted by, into streams.
func (q *query) sorted(m *Mapping, c cond, parts []part, sort []fhir.SortKey) []*stream {
	out := []*stream{{Mapping: m, where: c, parts: parts}}
	for _, k := range sort {
		var next []*stream
		for _, s := range out {
			for _, by := range q.keys[k.Param][parts[0].number] {
				divided := *s
				if divided.where = every(s.where, by.where); isNever(divided.where) {
					continue
				}
				key := streamKey{path: by.field.path, value: by.value, not: by.not}
				if key.path != "" {
					key.at = slices.IndexFunc(s.order, func(o store.Key) bool { return o.Path == key.path })
					if key.at < 0 {
						key.at = len(s.order)
						divided.order = append(slices.Clip(s.order), store.Key{Path: key.path, Desc: k.Desc != key.not})
					}
				}
				divided.keys = append(slices.Clip(s.keys), key)
				next = append(next, &divided)
			}
		}
		out = next
	}
	desc := len(sort) > 0 && sort[len(sort)-1].Desc
	for _, s := range out {
		if s.loose = s.loosely(); s.loose {
			s.order = nil
		}
		s.order = append(s.order, store.Key{Path: m.key().path, Desc: desc})
		if m.group == nil {
			s.order = store.CompleteOrder(s.order)
		} else {
			s.order = s.order[:1] // the key of the group is all
		}
	}
	return out
}

// ordering is the order of a search: of each sort value, and of the key of the document
// behind them, whether it descends.
type ordering []bool

// deciding gives the keys of _sort up to one that is different for all resources.
func deciding(sort []fhir.SortKey) []fhir.SortKey {
	for i, k := range sort {
		if k.Param != nil && k.Param.Name == "_id" {
			return sort[:i+1]
		}
	}
	return sort
}

func orderingOf(sort []fhir.SortKey) ordering {
	sort = deciding(sort)
	by := make(ordering, 0, len(sort)+1)
	for _, k := range sort {
		by = append(by, k.Desc)
	}
	return append(by, len(sort) > 0 && sort[len(sort)-1].Desc)
}

// one compares the i-th values.
func (o ordering) one(i int, a, b store.Value) int {
	c := store.Compare(a, b)
	if o[i] && !isUnvalued(a) && !isUnvalued(b) {
		return -c
	}
	return c
}

func (o ordering) compare(a, b []store.Value) int {
	for i := range o {
		if c := o.one(i, a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// values gives where a document stands in the order of the search.
func (s *stream) values(doc store.Doc) []store.Value {
	at := store.Cursor{store.Lookup(doc, s.key().path)}
	if s.group == nil {
		at = store.Position(s.order, doc)
	}
	if s.plain() {
		return at
	}
	out := make([]store.Value, 0, len(s.keys)+1)
	for _, k := range s.keys {
		v := k.value
		if k.path != "" {
			v = k.given(at[k.at])
		}
		out = append(out, v)
	}
	return append(out, at[len(at)-1])
}

// plain reports whether the store's order is that of the search.
func (s *stream) plain() bool {
	for i, k := range s.keys {
		if k.path == "" || k.at != i || k.not {
			return false
		}
	}
	return len(s.order) == len(s.keys)+1
}

// behind gives the position in the store's order behind which stands what comes after
// at in the order of the search; none of the stream does unless some. It is exact where
// a document of the stream may stand at that very place.
func (s *stream) behind(by ordering, at []store.Value) (after store.Cursor, exact, some bool) {
	for i, k := range s.keys {
		c := -1 // what has a value comes before what has none
		switch {
		case k.path == "":
			c = by.one(i, k.value, at[i])
		case k.at < len(after): // by this field once more
			c = by.one(i, k.given(after[k.at]), at[i])
		case !isUnvalued(at[i]):
			after = append(after, k.given(at[i]))
			c = 0
		}
		switch {
		case c == 0:
			continue
		case len(after) == 0:
			return nil, false, c > 0
		}
		for _, k := range s.order[len(after):] {
			end := bson.TypeMinKey
			if k.Desc == (c > 0) {
				end = bson.TypeMaxKey
			}
			after = append(after, store.Value{Type: end})
		}
		return after, false, true
	}
	if len(after) < len(s.order) {
		after = append(after, at[len(at)-1])
	}
	return after, true, true
}

// sorted finds what a data type is sorted by.
func (o *object) sorted(s *seeker, t *test) cond {
	switch o.typ {
	case "CodeableConcept":
		return o.whole(s, "coding", "", nil, t)
	case "Coding":
		return o.whole(s, "code", "", nil, t)
	case "Identifier", "ContactPoint":
		return o.whole(s, "value", "", nil, t)
	case "HumanName":
		return o.anyText(s, t, "family", "given", "prefix", "suffix", "text")
	case "Address":
		return o.anyText(s, t, "text", "line", "city", "district", "state", "postalCode", "country")
	case "Period":
		return o.whole(s, "start", "", nil, t)
	}
	return s.refuse()
}

// sorted divides by the codes of the table. Local ones that are kept follow from the
// field.
func (c *coded) sorted(s *seeker) cond {
	var codes []string
	for _, e := range c.table.entries {
		if !slices.Contains(codes, e.code) {
			codes = append(codes, e.code)
		}
	}
	if len(codes) > maxSortCodes {
		return s.refuse()
	}
	known, any := make([]cond, 0, len(codes)), make([]cond, 0, len(codes)+1)
	for _, code := range codes {
		is := c.token(fhir.TokenValue{Code: code, AnySystem: true})
		known = append(known, is)
		any = append(any, s.sort(is, sortSite{rule: c, value: store.String(code), form: formText}))
	}
	if c.keep {
		any = append(any, s.sort(every(c.anyLocal(), not(some(known...))), sortSite{rule: c, field: c.ref, form: formText}))
	}
	return some(any...)
}

// sorted is by what the field holds, which a conversion does not reorder.
func (d *decimal) sorted(s *seeker) cond {
	form := formNumber
	if d.mul != nil {
		if d.mul.Sign() <= 0 {
			return s.refuse()
		}
		form += sortForm(" " + d.mul.RatString() + " " + d.add.RatString())
	}
	present, _ := d.has()
	return s.sort(present, sortSite{rule: d, field: d.ref, form: form})
}
