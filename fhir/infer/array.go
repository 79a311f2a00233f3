package infer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// array is one of documents whose elements may be resources of their own: a list of problems,
// of allergies, of measurements within a patient or a visit.
type array struct {
	*drafter
	kind    *kind
	certain float64
	of      string  // collection
	path    string  // of the array
	key     string  // path of what tells the elements apart; empty when nothing does
	kept    *string // bookkeeping of the document
}

// within are the types that elements of arrays are looked for.
var within = []string{"Condition", "AllergyIntolerance", "Observation", "MedicationRequest"}

// arrays finds the arrays of a sample whose elements are like a type and have a date or a code, and
// takes their fields from the map of the documents.
func (d *drafter) arrays(k *kind) []*array {
	var all []*array
	for _, f := range d.sample.Fields {
		if !f.only(List) || strings.Contains(f.Path, "[]") || internal(f.Path) {
			continue
		}
		sub := d.elements(f)
		guess, certain := typeOf(sub)
		if guess == nil || !slices.Contains(within, guess.resource) || !clinical(sub, guess) {
			continue
		}
		patient := d.patient(k)
		if patient == nil {
			continue // whose they are could not be told
		}
		a := &array{kind: guess, certain: certain, of: d.sample.Collection[strings.LastIndexByte(d.sample.Collection, '.')+1:], path: f.Path, kept: &d.kept}
		for _, e := range sub.Fields {
			if e.Share() > 0.95 && e.only(Whole, Word, ObjectID) && answers(e.Path, []string{"id", "nr", "no", "key", "number", "uuid", "lfd", "lfdnr"}) > 0.7 {
				a.key = e.Path
			}
		}
		sub.Fields = append(sub.Fields, patient)
		a.drafter = &drafter{sample: sub, types: d.types, used: make(map[*Field]bool), shared: d.shared, each: a}
		for _, e := range sub.Fields {
			if e.Path == a.key {
				a.used[e] = true
			}
		}
		for _, e := range d.sample.Fields {
			if strings.HasPrefix(e.Path, f.Path+"[].") {
				d.used[e] = true
			}
		}
		all = append(all, a)
	}
	return all
}

// elements gives the elements of an array as a sample of their own, with paths as rules see
// one of them in the place of the array.
func (d *drafter) elements(f *Field) *Sample {
	sub := &Sample{Collection: d.sample.Collection + "." + f.Path}
	for _, e := range d.sample.Fields {
		rest, ok := strings.CutPrefix(e.Path, f.Path+"[].")
		if !ok {
			continue
		}
		own := *e
		own.Path = f.Path + "." + rest
		sub.Fields = append(sub.Fields, &own)
		if !strings.Contains(rest, "[]") {
			sub.Documents = max(sub.Documents, e.Of)
		}
	}
	return sub
}

// clinical reports whether elements have a date, or a code that speaks for the type.
func clinical(s *Sample, k *kind) bool {
	return slices.ContainsFunc(s.Fields, func(f *Field) bool {
		if f.Share() < 0.5 {
			return false
		}
		return f.only(Moment, DateText, TimeText) || f.only(Word) && answers(f.Path, k.hints[0].words) > 0.7
	})
}

// patient is the field of the document that says whose it is.
func (d *drafter) patient(k *kind) *Field {
	if k.resource == "Patient" {
		return &Field{Path: "_id", To: d.sample.Collection, Count: 1, Of: 1}
	}
	if f := d.refer("Patient"); f != nil {
		own := *f
		return &own
	}
	return nil
}

// write says that the map is of the elements.
func (a *array) write(w *strings.Builder) {
	suffix := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, a.path)
	if suffix = suffix[:min(len(suffix), 16)]; suffix == "" || !unicode.IsLetter(rune(suffix[0])) {
		suffix = "e"
	}
	if a.key == "" {
		fmt.Fprintf(w, "  each: { array: %s, suffix: %s }   # what tells its elements apart? Without a key, their ids are positions\n", quote(a.path), quote(suffix))
		return
	}
	fmt.Fprintf(w, "  each: { array: %s, key: %s, suffix: %s }\n", quote(a.path), quote(a.key), quote(suffix))
}
