package chartmap

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// coded is an element whose value a code table translates ($codes): a code, a
// Coding, or a CodeableConcept.
type coded struct {
	ref
	typ     string // "code", "Coding" or "CodeableConcept"
	table   *table
	keep    bool     // local codes that are not in the table are kept
	dataAbs bool     // they become a data-absent-reason
	codes   []string // of a required binding: what a kept code must be one of
	vs      string
	label   *ref // $text
	at      *origin
}

func (c *coded) fill() filling { return fillIf(c.dataAbs) }

func (c *coded) get(e *encoder, f *frame) state {
	v := f.value(c.ref)
	known := c.table.find(v)
	local, isText := textOf(v)
	kept := known == nil && isText && c.keeps(string(local))
	if v.Type != 0 && known == nil && !kept && (isText || v.Type != bson.TypeString) {
		e.malformed(c.at)
	}
	if c.typ == "code" {
		switch {
		case known != nil:
			e.buf = appendText(e.buf, []byte(known.code))
		case kept:
			e.buf = appendText(e.buf, local)
		default:
			return absent
		}
		return stored
	}
	start := len(e.buf)
	if c.typ == "CodeableConcept" {
		e.buf = append(e.buf, `{"coding":[`...)
	}
	switch {
	case known != nil:
		e.buf = appendCoding(e.buf, known.system, []byte(known.code), known.display)
	case kept:
		e.buf = appendCoding(e.buf, c.table.localSystem, local, "")
	default:
		e.buf = e.buf[:start]
	}
	if c.typ == "Coding" {
		return stateOf(len(e.buf) > start)
	}
	there := len(e.buf) > start
	if there {
		e.buf = append(e.buf, ']')
	} else {
		e.buf = append(e.buf, '{')
	}
	if c.label != nil {
		if s, ok := textOf(f.value(*c.label)); ok {
			if there {
				e.buf = append(e.buf, ',')
			}
			e.buf, there = appendText(append(e.buf, `"text":`...), s), true
		}
	}
	if !there && c.dataAbs && isText {
		e.buf = append(e.buf, dataAbsent...)
		e.buf = append(e.buf, '}')
		return filler
	}
	e.buf = append(e.buf, '}')
	return stateOf(there)
}

func stateOf(there bool) state {
	if there {
		return stored
	}
	return absent
}

func appendCoding(dst []byte, system string, code []byte, display string) []byte {
	dst = append(dst, '{')
	if system != "" {
		dst = append(appendText(append(dst, `"system":`...), []byte(system)), ',')
	}
	dst = appendText(append(dst, `"code":`...), code)
	if display != "" {
		dst = appendText(append(dst, `,"display":`...), []byte(display))
	}
	return append(dst, '}')
}

// keeps reports whether a local code that is not in the table is written.
func (c *coded) keeps(s string) bool {
	return c.keep && isOneWord(s) && (c.codes == nil || slices.Contains(c.codes, s))
}

// has is about the code or the text; a data-absent-reason is no value.
func (c *coded) has() (present, own cond) {
	own = c.code(func(*code) bool { return true }, func() cond { return c.anyLocal() })
	if c.label != nil {
		own = some(own, exactly{c.label.text()})
	}
	return own, own
}

// code holds where the code is one that satisfies keep, or a local one.
func (c *coded) code(keep func(*code) bool, local func() cond) cond {
	found := cond(exactly{c.in(c.table.sources(keep))})
	if c.keep {
		found = some(found, local())
	}
	return found
}

// anyLocal holds where a local code is kept.
func (c *coded) anyLocal() cond {
	if c.codes != nil {
		var kept []string
		for _, s := range c.codes {
			if _, known := c.table.text[s]; !known {
				kept = append(kept, s)
			}
		}
		return exactly{c.in(values(kept))}
	}
	return exactly{conjunction([]store.Filter{
		c.ref.text(), oneWord(c.path),
		store.Not{Filter: store.In{Path: c.path, Values: c.table.sources(func(*code) bool { return true })}},
	})}
}

// localIs holds where the local code s is kept.
func (c *coded) localIs(s string) cond {
	if _, known := c.table.text[s]; known || s == "" || !c.keeps(s) {
		return never
	}
	return exactly{c.eq(store.String(s))}
}

// token holds where the code is t.
func (c *coded) token(t fhir.TokenValue) cond {
	system := func(s string) bool { return t.AnySystem || t.System == s }
	if c.typ == "code" {
		system = func(s string) bool {
			return t.System == s && s != "" || inSystem(&t, c.typ, c.vs)
		}
	}
	return c.code(
		func(e *code) bool { return system(e.system) && (t.AnyCode || t.Code == e.code) },
		func() cond {
			local := c.table.localSystem
			if c.typ == "code" {
				local = c.table.system
			}
			switch {
			case !system(local):
				return never
			case t.AnyCode:
				return c.anyLocal()
			}
			return c.localIs(t.Code)
		})
}

// unknownCode holds where there is a code that is not in the table.
func (c *coded) unknownCode() cond {
	return exactly{conjunction([]store.Filter{c.ref.text(), store.Not{Filter: store.In{Path: c.path, Values: c.table.sources(func(*code) bool { return true })}}})}
}
