package index

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Stretches are the entries that resources are sorted by a parameter with (R4
// 3.1.1.5.1): by the least of a resource when ascending, by the greatest when
// descending. Strings sort without case and accents, tokens by their code, references by type
// and id, periods by their start, quantities by their number in whatever unit. nil for
// parameters that give no order.
func (it *Type) Stretches(p *fhir.SearchParam) []store.Stretch {
	c := it.byName[p.Name]
	if c == nil || c.words || c.aside {
		return nil
	}
	return c.stretches()
}

func (p *param) stretches() []store.Stretch {
	if p.union != nil {
		var all []store.Stretch
		for _, part := range p.union {
			all = append(all, part.stretches()...)
		}
		return all
	}
	const text = " " // above what entries of second forms begin with
	switch p.Type {
	case fhir.ParamString, fhir.ParamToken, fhir.ParamURI:
		return []store.Stretch{{Prefix: p.code, Low: text}}
	case fhir.ParamReference:
		own := []store.Stretch{{Prefix: p.code, Low: text}}
		if p.within != nil {
			own = append(own, store.Stretch{Prefix: p.within.code, Low: "Patient/", High: "Patient0"})
		}
		return own
	case fhir.ParamNumber, fhir.ParamQuantity:
		return []store.Stretch{{Prefix: p.code, Low: "0", High: ":"}}
	case fhir.ParamDate:
		// A period that is open at its start has no place.
		all := []store.Stretch{{Prefix: p.code + string(rune(classAny)), Low: millis(minTime.UnixMilli() + 1)}}
		for _, class := range classes {
			all = append(all, store.Stretch{Prefix: p.code + string(rune(class))})
		}
		return all
	}
	return nil
}

// Without finds documents that have none of the strings that the stretches
// select.
func (c *Compiler) Without(stretches []store.Stretch) store.Filter {
	return store.Not{Filter: c.With(stretches)}
}

// With finds documents that have one of them.
func (c *Compiler) With(stretches []store.Stretch) store.Filter {
	var any store.Or
	for _, s := range stretches {
		high := store.Bound{Value: store.String(s.Prefix + s.High)}
		if s.High == "" {
			high.Value = store.String(s.Prefix[:len(s.Prefix)-1] + string(rune(s.Prefix[len(s.Prefix)-1]+1)))
		}
		low := store.Bound{Value: store.String(s.Prefix + s.Low), Inclusive: true}
		any = append(any, store.Elem{Path: c.Field, Where: store.Range{Low: &low, High: &high}})
	}
	return any
}
