package records

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// writer appends the JSON of one resource. What it is given needs no escaping.
type writer struct {
	buf []byte
	rnd *rand.Rand
}

// add appends text.
func (w *writer) add(parts ...string) {
	for _, p := range parts {
		w.buf = append(w.buf, p...)
	}
}

func (w *writer) int(n int) { w.buf = strconv.AppendInt(w.buf, int64(n), 10) }

// fixed appends a number with decimal places.
func (w *writer) fixed(v float64, places int) { w.buf = strconv.AppendFloat(w.buf, v, 'f', places, 64) }

// begin starts a resource; what follows starts with a comma.
func (w *writer) begin(typ, id string) {
	w.buf = w.buf[:0]
	w.add(`{"resourceType":"`, typ, `","id":"`, id, `","meta":{"profile":["https://records.example/fhir/StructureDefinition/`, typ,
		`"],"tag":[{"system":"https://records.example/fhir/CodeSystem/origin","code":"made-up"}]}`)
}

// coded is a code with its display.
type coded struct{ code, display string }

// Code systems that many resources use.
const (
	snomed      = "http://snomed.info/sct"
	loinc       = "http://loinc.org"
	ucum        = "http://unitsofmeasure.org"
	terminology = "http://terminology.hl7.org/CodeSystem/"
)

// concept appends a CodeableConcept.
func (w *writer) concept(system string, c coded) {
	w.add(`{"coding":[{"system":"`, system, `","code":"`, c.code, `","display":"`, c.display, `"}],"text":"`, c.display, `"}`)
}

// code appends a CodeableConcept without words.
func (w *writer) code(system, code string) {
	w.add(`{"coding":[{"system":"`, system, `","code":"`, code, `"}]}`)
}

// ref appends a Reference.
func (w *writer) ref(typ, id string) { w.add(`{"reference":"`, typ, `/`, id, `"}`) }

// named appends a Reference with its display.
func (w *writer) named(typ string, e entity) {
	w.add(`{"reference":"`, typ, `/`, e.id, `","display":"`, e.name, `"}`)
}

// narrative appends a text element of a few paragraphs.
func (w *writer) narrative(title, body string) {
	w.add(`,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><h3>`, title, `</h3><p>`, body, `</p></div>"}`)
}

// chance is true in p of 100 cases.
func (w *writer) chance(p int) bool { return w.rnd.IntN(100) < p }

// rare gives an index below n; the first ones come up most.
func (w *writer) rare(n int) int {
	f := w.rnd.Float64()
	return int(f * f * f * float64(n))
}

// id makes a random UUID.
func (w *writer) id() string {
	const hex = "0123456789abcdef"
	var b [36]byte
	bits := w.rnd.Uint64()
	for i := range b {
		switch i {
		case 8, 13, 18, 23:
			b[i] = '-'
			continue
		case 14:
			b[i] = '4'
			continue
		case 16, 24:
			bits = w.rnd.Uint64()
		}
		b[i] = hex[bits&15]
		if i == 19 {
			b[i] = hex[8+bits&3]
		}
		bits >>= 4
	}
	return string(b[:])
}

// digits makes a number of n digits.
func (w *writer) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + w.rnd.IntN(10))
	}
	return string(b)
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05Z07:00") }

// entity is what a resource is referred to by.
type entity struct{ id, name string }

// pick gives one of a list, the first ones most.
func pick[T any](w *writer, list []T) T { return list[w.rare(len(list))] }
