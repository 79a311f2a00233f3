package index

import (
	"math/big"
	"slices"
	"strings"
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

func (x *Indexer) reader() *reader {
	r := &reader{base: x.Base, loc: x.Location}
	if r.loc == nil {
		r.loc = time.UTC
	}
	return r
}

// Index makes the entries of a resource that fhir/schema accepted.
func (x *Indexer) Index(t fhir.Type, body []byte) (Entries, error) {
	doc, err := path.NewDoc(body, schema.Model{})
	if err != nil {
		return Entries{}, err
	}
	var out Entries
	typ, r, root := x.Parameters.Of(t), x.reader(), doc.Root()
	var scoped, patients []string
	var pairs parts
	for _, p := range typ.params {
		if p.apart() {
			out.Keys = r.compositeKeys(out.Keys, p, root)
		}
		if p.Type == fhir.ParamComposite || p.aside || p.union != nil || p.words {
			continue // found by their parts, by a field, or below
		}
		from := len(out.Keys)
		for _, v := range r.values(p, root) {
			pairs.note(typ, p, &v)
			if p == typ.patient && v.ref.Kind == fhir.RefLocal && v.ref.Key.Type == "Patient" {
				patients = append(patients, patientKey(v.ref.Key.ID))
			}
			before := len(out.Keys)
			out.Keys = v.keys(out.Keys, p)
			if p.scoped && len(out.Keys) > before && v.code != "" {
				scoped = append(scoped, p.code+short(v.code))
			}
			if p == typ.clinic && (out.Date == nil || v.span.low.Before(*out.Date)) && v.span.low.After(minTime) {
				at := v.span.low
				out.Date = &at
			}
		}
		out.Keys = told(out.Keys, from, p)
	}
	out.Keys = pairs.keys(out.Keys, typ)
	for _, pk := range patients {
		for _, k := range scoped {
			out.Keys = append(out.Keys, pk+k)
		}
	}
	if !x.NoText {
		out.Keys = typ.wordKeys(out.Keys, doc)
	}
	slices.Sort(out.Keys)
	out.Keys = slices.Compact(out.Keys)
	return out, nil
}

// told leaves out the entry that says that a code is there where another entry of
// the parameter says so.
func told(keys []string, from int, p *param) []string {
	bare := func(k string) bool { return strings.HasPrefix(k, p.code+end) }
	if p.Type != fhir.ParamToken || !slices.ContainsFunc(keys[from:], func(k string) bool { return !bare(k) }) {
		return keys
	}
	return append(keys[:from], slices.DeleteFunc(keys[from:], bare)...)
}

// keys appends the entries of one value.
func (v *value) keys(out []string, p *param) []string {
	switch p.Type {
	case fhir.ParamToken:
		return v.tokenKeys(out, p)
	case fhir.ParamString:
		if key, whole := folded(v.text); key != "" {
			if !whole {
				key += special
			}
			out = append(out, p.code+key)
		}
	case fhir.ParamReference:
		switch v.ref.Kind {
		case fhir.RefLocal:
			if p.within != nil && v.ref.Key.Type == "Patient" {
				break
			}
			out = append(out, p.code+referenceKey(v.ref.Key.Type, v.ref.Key.ID))
		case fhir.RefExternal, fhir.RefURN:
			out = append(out, p.code+urlKey(v.ref.URL))
		}
		if v.identifier != nil && v.identifier.code != "" {
			out = append(out, p.code+logical+short(v.identifier.code)+end+systemKey(v.identifier.system))
		}
	case fhir.ParamURI:
		out = append(out, p.code+short(v.text))
	case fhir.ParamDate:
		out = v.span.keys(out, p)
	case fhir.ParamNumber, fhir.ParamQuantity:
		out = v.numberKeys(out, p)
	case fhir.ParamSpecial:
		out = append(out, p.code+v.at.cell())
	}
	return out
}

func (v *value) tokenKeys(out []string, p *param) []string {
	if p.shown && v.text != "" {
		if head, _ := shownHead(v.text); head != "" {
			out = append(out, p.code+shown+head)
		}
	}
	switch {
	case v.code != "":
		code := p.code + short(v.code)
		if p.fixed {
			return append(out, code)
		}
		return append(out, code, code+end+systemKey(v.system))
	case v.system != "" || v.text != "":
		// Something is there, for :missing, :text and system|.
		return append(out, p.code+end+systemKey(v.system))
	}
	return out
}

func (s span) keys(out []string, p *param) []string {
	low := millis(s.low.UnixMilli())
	if s.class != classAny {
		return append(out, p.code+string(rune(s.class))+low)
	}
	return append(out, p.code+string(rune(classAny))+low, p.code+"w"+millis(s.high.UnixMilli()))
}

// numberKeys indexes a number at each of its ends.
func (v *value) numberKeys(out []string, p *param) []string {
	for _, e := range v.ends() {
		out = append(out, p.code+e)
	}
	return out
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
