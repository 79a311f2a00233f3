package record

import (
	"bytes"
	"strconv"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// stamp is what the server owns of a resource's JSON: id, meta.versionId and
// meta.lastUpdated (R4 2.28.3.3). The client's values of these are ignored.
type stamp struct {
	id      string
	version int64
	updated time.Time
}

// splice sets the stamp in a validated body and leaves every other byte as it
// is: white space, the order of members, the text of numbers, escapes. Missing
// members are inserted, id behind resourceType and meta behind id.
func splice(body []byte, st stamp) ([]byte, error) {
	top, err := outline(body)
	if err != nil {
		return nil, err
	}
	w := splicer{body: body, out: make([]byte, 0, len(body)+len(st.id)+96)}
	if top.meta != (span{}) && top.meta.start < top.id.start {
		if err := w.meta(top.meta, st); err != nil {
			return nil, err
		}
	}
	if top.id.start < top.id.end {
		w.copyTo(top.id.start)
		w.pos = top.id.end
	} else {
		w.copyTo(top.id.end)
		w.out = append(w.out, `,"id":`...)
	}
	w.out = append(w.out, '"')
	w.out = append(w.out, st.id...)
	w.out = append(w.out, '"')
	switch {
	case top.meta == (span{}):
		w.out = append(w.out, `,"meta":{`...)
		w.out = st.appendMissing(w.out, false, false)
		w.out = append(w.out, '}')
	case top.meta.start > top.id.start:
		if err := w.meta(top.meta, st); err != nil {
			return nil, err
		}
	}
	w.copyTo(len(body))
	return w.out, nil
}

// parts are the places of a body that splice changes. Without an id, id is the
// empty span behind resourceType; without a meta, meta is zero.
type parts struct{ id, meta span }

func outline(body []byte) (parts, error) {
	var (
		p    parts
		kind span
	)
	s, err := scanObject(body, 0)
	if err != nil {
		return p, err
	}
	for {
		m, ok, err := s.next()
		if err != nil {
			return p, err
		}
		if !ok {
			break
		}
		switch {
		case s.is(m.name, "id"):
			p.id = m.value
		case s.is(m.name, "meta"):
			p.meta = m.value
		case s.is(m.name, "resourceType"):
			kind = m.value
		}
	}
	if p.id == (span{}) {
		p.id = span{kind.end, kind.end}
	}
	if kind == (span{}) {
		return p, errMalformed
	}
	return p, nil
}

// splicer copies a body piece by piece.
type splicer struct {
	body []byte
	pos  int // copied or replaced up to here
	out  []byte
}

func (w *splicer) copyTo(end int) {
	w.out = append(w.out, w.body[w.pos:end]...)
	w.pos = end
}

// meta writes the client's meta object with the stamp's values in the place of
// the client's. Values that are missing come first; the companions _versionId
// and _lastUpdated hold extensions of values that are replaced, and go.
func (w *splicer) meta(at span, st stamp) error {
	buf := w.body[:at.end]
	hasVersion, hasUpdated, err := stamped(buf, at.start)
	if err != nil {
		return err
	}
	s, err := scanObject(buf, at.start)
	if err != nil {
		return err
	}
	w.copyTo(s.pos)
	w.out = st.appendMissing(w.out, hasVersion, hasUpdated)
	filled := !hasVersion || !hasUpdated
	for first := true; ; first = false {
		m, ok, err := s.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if s.is(m.name, "_versionId") || s.is(m.name, "_lastUpdated") {
			w.pos = m.value.end
			continue
		}
		if filled && first {
			w.out = append(w.out, ',')
		}
		if !filled && !first {
			w.pos += bytes.IndexByte(buf[w.pos:], ',') + 1
		}
		filled = true
		w.copyTo(m.value.start)
		switch {
		case s.is(m.name, "versionId"):
			w.out = st.appendVersion(w.out)
			w.pos = m.value.end
		case s.is(m.name, "lastUpdated"):
			w.out = st.appendUpdated(w.out)
			w.pos = m.value.end
		}
		w.copyTo(m.value.end)
	}
	w.copyTo(at.end)
	return nil
}

// stamped reports which of the server's members the meta object at start has.
func stamped(buf []byte, start int) (version, updated bool, err error) {
	s, err := scanObject(buf, start)
	if err != nil {
		return false, false, err
	}
	for {
		m, ok, err := s.next()
		if !ok || err != nil {
			return version, updated, err
		}
		version = version || s.is(m.name, "versionId")
		updated = updated || s.is(m.name, "lastUpdated")
	}
}

// appendMissing writes the members of meta that the client did not give.
func (st stamp) appendMissing(out []byte, hasVersion, hasUpdated bool) []byte {
	if !hasVersion {
		out = st.appendVersion(append(out, `"versionId":`...))
	}
	if !hasVersion && !hasUpdated {
		out = append(out, ',')
	}
	if !hasUpdated {
		out = st.appendUpdated(append(out, `"lastUpdated":`...))
	}
	return out
}

func (st stamp) appendVersion(out []byte) []byte {
	out = strconv.AppendInt(append(out, '"'), st.version, 10)
	return append(out, '"')
}

func (st stamp) appendUpdated(out []byte) []byte {
	out = append(append(out, '"'), fhir.FormatInstant(st.updated)...)
	return append(out, '"')
}
