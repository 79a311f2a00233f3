package index

import (
	"math/big"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// Indexer makes the entries of resources. Safe for concurrent use.
type Indexer struct {
	Base     string         // FHIR base URL, for absolute references
	Location *time.Location // of dates without a zone; nil is UTC
	// Parameters are those that entries are made for; nil: R4's own.
	Parameters *Parameters
	// NoText leaves out the entries of words, or says that some resources lack them.
	// _text and _content are not to be asked for then.
	NoText bool
}

// Entries are what a resource is found by.
type Entries struct {
	Keys []string   // sorted, each once
	Date *time.Time // the clinical date, nil when there is none
}

func (x *Indexer) location() *time.Location {
	if x.Location == nil {
		return time.UTC
	}
	return x.Location
}

func (x *Indexer) reader() *reader { return &reader{base: x.Base, loc: x.location()} }

// maxScoped bounds the entries with a patient in front: there is one for each patient with
// each token, so that their number could be the square of the resource's size.
const maxScoped = 100_000

// Index makes the entries of a resource that fhir/schema accepted. The error is a *fhir.Error
// with CodeTooCostly for one with too many patients and tokens together.
func (x *Indexer) Index(t fhir.Type, body []byte) (Entries, error) {
	parameters := x.Parameters.orR4()
	s := parameters.scratch()
	defer parameters.recycle(s)
	if err := s.doc.Read(body, schema.Model{}); err != nil {
		return Entries{}, err
	}
	s.base, s.loc = x.Base, x.location()
	typ := parameters.Of(t)
	date := s.parameters(typ, s.doc.Root())
	if len(s.patients)*len(s.scoped) > maxScoped {
		return Entries{}, fhir.Errorf(fhir.CodeTooCostly, "", "The resource names so many patients and codes that it would be found in more than %d ways.", maxScoped)
	}
	for _, patient := range s.patients {
		for _, k := range s.scoped {
			s.keys.add(patient, k)
		}
	}
	if !x.NoText {
		s.wordKeys(typ)
	}
	return Entries{Keys: s.keys.sorted(), Date: date}, nil
}

// parameters adds the entries of all parameters but those of words, notes what is needed for
// the entries with a patient in front, and gives the clinical date.
func (s *scratch) parameters(typ *Type, root path.Item) (date *time.Time) {
	present := typ.present(root)
	for _, p := range typ.params {
		if p.apart() {
			s.compositeKeys(&s.keys, p, root)
		}
		if p.Type == fhir.ParamComposite || p.aside || p.union != nil || p.words {
			continue // found by their parts, by a field, or below
		}
		from := len(s.keys.keys)
		values := s.values(p, root, present)
		for i := range values {
			v := &values[i]
			s.pairs.note(typ, p, v)
			if p == typ.patient && v.ref.Kind == fhir.RefLocal && v.ref.Key.Type == "Patient" {
				s.patients = append(s.patients, patientKey(v.ref.Key.ID))
			}
			before := len(s.keys.keys)
			v.keys(&s.keys, p)
			if p.scoped && len(s.keys.keys) > before && v.code != "" {
				s.scoped = append(s.scoped, p.code+short(v.code))
			}
			if p == typ.clinic && (date == nil || v.span.low.Before(*date)) && v.span.low.After(minTime) {
				at := v.span.low
				date = &at
			}
		}
		if p.Type == fhir.ParamToken {
			s.keys.told(from, p.code)
		}
	}
	s.pairs.keys(&s.keys, typ)
	return date
}

// keys adds the entries of one value.
func (v *value) keys(out *keyList, p *param) {
	switch p.Type {
	case fhir.ParamToken:
		v.tokenKeys(out, p)
	case fhir.ParamString:
		if key, whole := folded(v.text); key != "" {
			if !whole {
				key += special
			}
			out.add(p.code, key)
		}
	case fhir.ParamReference:
		v.referenceKeys(out, p)
	case fhir.ParamURI:
		out.add(p.code, short(v.text))
	case fhir.ParamDate:
		v.span.keys(out, p)
	case fhir.ParamNumber, fhir.ParamQuantity:
		for _, e := range v.ends() {
			out.add(p.code, e)
		}
	case fhir.ParamSpecial:
		out.add(p.code, v.at.cell())
	}
}

func (v *value) referenceKeys(out *keyList, p *param) {
	switch v.ref.Kind {
	case fhir.RefLocal:
		if p.within != nil && v.ref.Key.Type == "Patient" {
			break
		}
		out.add(p.code, string(v.ref.Key.Type), "/", v.ref.Key.ID)
	case fhir.RefExternal, fhir.RefURN:
		out.add(p.code, urlKey(v.ref.URL))
	}
	if v.identifier != nil && v.identifier.code != "" {
		out.add(p.code, logical, short(v.identifier.code), end, systemKey(v.identifier.system))
	}
}

func (v *value) tokenKeys(out *keyList, p *param) {
	if p.shown && v.text != "" {
		if head, _ := shownHead(v.text); head != "" {
			out.add(p.code, shown, head)
		}
	}
	switch {
	case v.code != "":
		code := short(v.code)
		out.add(p.code, code)
		if !p.fixed {
			out.add(p.code, code, end, systemKey(v.system))
		}
	case v.system != "" || v.text != "":
		// Something is there, for :missing, :text and system|.
		out.add(p.code, end, systemKey(v.system))
	}
}

func (s span) keys(out *keyList, p *param) {
	low := millis(s.low.UnixMilli())
	if s.class != classAny {
		out.add(p.code, string(rune(s.class)), low)
		return
	}
	out.add(p.code, string(rune(classAny)), low)
	out.add(p.code, "w", millis(s.high.UnixMilli()))
}

// ends are those of a number; one that is open on a side has that end of all numbers.
func (v *value) ends() []string {
	ends := []string{numberEnd(v.low, "0")}
	if v.high == nil || v.low == nil || v.high.Cmp(v.low) != 0 {
		ends = append(ends, numberEnd(v.high, "9"))
	}
	return ends
}

func numberEnd(n *big.Rat, open string) string {
	if n == nil {
		return open
	}
	key, _ := decimal(n)
	return key
}
