package path

import (
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// fhir holds the functions that FHIR adds (R4 2.9.1.3).
func (ev *evaluator) fhir(name string, in Collection, args []Collection) (Collection, bool, error) {
	switch name {
	case "extension", "hasExtension":
		url, _, err := oneText(args[0])
		if err != nil {
			return nil, true, err
		}
		found := extensions(in, url)
		if name == "hasExtension" {
			return boolean(len(found) > 0), true, nil
		}
		return found, true, nil
	case "hasValue":
		return boolean(len(in) == 1 && in[0].hasValue()), true, nil
	case "getValue":
		if len(in) != 1 || !in[0].hasValue() {
			return nil, true, nil
		}
		it := in[0]
		it.num, it.doc = it.rat(), nil
		return Collection{it}, true, nil
	case "resolve":
		var out Collection
		for _, it := range in {
			if target, ok := it.resolve(); ok {
				out = append(out, target)
			}
		}
		return out, true, nil
	case "htmlChecks":
		// The schema checks narratives before anything is evaluated.
		return boolean(true), true, nil
	}
	return nil, false, nil
}

// hasValue reports whether an element is a primitive with a value.
func (it Item) hasValue() bool {
	if it.doc == nil {
		return false
	}
	json := it.doc.nodes[it.at].json
	return json != '{' && json != 'n'
}

func extensions(in Collection, url string) Collection {
	var out Collection
	for _, it := range in {
		if it.doc == nil {
			continue
		}
		for c := it.doc.child(it.at, "extension"); c >= 0 && it.doc.nodes[c].name == "extension"; c = it.doc.nodes[c].next {
			if it.doc.childText(c, "url") == url {
				out = append(out, it.doc.item(c))
			}
		}
	}
	return out
}

// resolve finds what a Reference, canonical or uri points at: a contained
// resource, or an item that has nothing but the type of the target.
func (it Item) resolve() (Item, bool) {
	text := it.text
	if it.kind == Element {
		text = ""
		if it.doc != nil {
			text = it.doc.childText(it.at, "reference")
		}
	}
	ref := fhir.ParseReference(text, "")
	switch {
	case it.doc == nil || text == "":
		return Item{}, false
	case ref.Kind == fhir.RefFragment:
		return it.doc.contained(ref.Fragment)
	case ref.Kind == fhir.RefLocal:
		return Item{kind: Element, text: string(ref.Key.Type)}, true
	case ref.Kind == fhir.RefExternal:
		if t := typeOfURL(ref.URL); t != "" {
			return Item{kind: Element, text: string(t)}, true
		}
	}
	return Item{}, false
}

// contained finds a contained resource by its id; "" is the container.
func (d *Doc) contained(id string) (Item, bool) {
	if id == "" {
		return d.Root(), true
	}
	for c := d.child(0, "contained"); c >= 0 && d.nodes[c].name == "contained"; c = d.nodes[c].next {
		if d.childText(c, "id") == id {
			return d.item(c), true
		}
	}
	return Item{}, false
}

// typeOfURL reads the type from an absolute URL that ends like a reference,
// [base]/Type/id (R4 2.3.0.1); "" for others.
func typeOfURL(url string) fhir.Type {
	for i := strings.LastIndexByte(url, '/'); i > 0; i = strings.LastIndexByte(url[:i], '/') {
		if ref := fhir.ParseReference(url[i+1:], ""); ref.Kind == fhir.RefLocal {
			return ref.Key.Type
		}
	}
	return ""
}
