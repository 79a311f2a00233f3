package chartmap

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// What _filter asks for and no other parameter does (R4 3.1.3.2).

// byReading reports whether a modifier compares text in a way that no filter of a store says.
func byReading(m fhir.Modifier) bool {
	return m == fhir.ModEnds || m.Compares()
}

// equal is the test without its modifier.
func (t *test) equal() *test {
	same := *t
	same.modifier = ""
	return &same
}

// unless gives the condition that a value is what the test asks for: the same, or with
// ModUnequal there and another.
func (t *test) unless(same, there cond) cond {
	if t.modifier == fhir.ModUnequal {
		return every(there, not(same))
	}
	return same
}

// reads compares the text of documents that may match.
func (t *text) reads(q *test) cond {
	above := []store.Filter{t.ref.text()}
	switch q.modifier {
	case fhir.ModEqual:
		above = append(above, store.Prefix{Path: t.path, Value: q.text, Fold: true})
	case fhir.ModEnds:
		above = append(above, store.Contains{Path: t.path, Value: q.text, Fold: true})
	}
	own := roughly{conjunction(above), func(doc store.Doc) bool {
		s, ok := textOf(store.Lookup(doc, t.path))
		return ok && matchText(string(s), q)
	}}
	return t.or(own, t.absent != nil && matchText(*t.absent, q))
}

// maxVain is how many documents are read that turn out not to match, for one page or total,
// where filters do not decide that.
const maxVain = 100_000

func tooMuch(t fhir.Type) error {
	return fhir.Errorf(fhir.CodeTooCostly, "http.query", "More than %d documents of the EHR would have to be looked at one by one, to search %s in this way. Narrow the search down, by patient or by date.", maxVain, t)
}

// exact reports whether the store's filters decide what the stream is made of, but for the
// elements of arrays.
func (s *stream) exact() bool {
	return s.where.exact() && !slices.ContainsFunc(s.parts, func(p part) bool { return !p.own.exact() })
}
