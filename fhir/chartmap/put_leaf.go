package chartmap

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// fits is match for rules of one primitive value: any value is theirs.
func fits(v *node) int {
	if v == nil || v.kind == nodeNull {
		return 0
	}
	return 2
}

func (t *text) match(v *node) int    { return fits(v) }
func (b *boolean) match(v *node) int { return fits(v) }
func (i *integer) match(v *node) int { return fits(v) }
func (d *decimal) match(v *node) int { return fits(v) }
func (d *date) match(v *node) int    { return fits(v) }
func (d *ending) match(v *node) int  { return fits(v) }
func (l *link) match(v *node) int    { return fits(v) }

// primitive does what is alike for all rules of one value in one field: nothing
// where it is there already, and taking it away. It reports whether v has to be
// written.
func (w *writer) primitive(l lens, r ref, f *frame, v *node, kind nodeKind, at string) bool {
	switch {
	case w.kept(l, f, v):
		return false
	case v == nil || v.kind == nodeNull:
		w.remove(r, f)
		return false
	case v.kind != kind:
		w.mismatch(at)
		return false
	}
	return true
}

func (t *text) put(w *writer, f *frame, v *node, at string) {
	if w.primitive(t, t.ref, f, v, nodeText, at) {
		w.put(t.ref, f, store.String(v.text), at)
	}
}

func (b *boolean) put(w *writer, f *frame, v *node, at string) {
	if w.primitive(b, b.ref, f, v, nodeBool, at) {
		w.put(b.ref, f, store.V((v.text == "true") != b.not), at)
	}
}

func (i *integer) put(w *writer, f *frame, v *node, at string) {
	if w.primitive(i, i.ref, f, v, nodeNumber, at) {
		w.number(i.ref, f, v.text, at)
	}
}

// number writes a number in the type that the field has, or in the smallest that it
// fits.
func (w *writer) number(r ref, f *frame, text, at string) {
	now := f.value(r)
	if now.Type == bson.TypeDecimal128 {
		if d, err := bson.ParseDecimal128(text); err == nil {
			w.put(r, f, store.V(d), at)
			return
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && now.Type != bson.TypeDouble {
		if now.Type == bson.TypeInt64 {
			w.put(r, f, store.V(bson.RawValue{Type: bson.TypeInt64, Value: int64Bytes(n)}), at)
			return
		}
		w.put(r, f, smallest(n), at)
		return
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(x) > maxDecimal {
		w.fail(fhir.CodeValue, at, "The EHR cannot hold a number like this.")
		return
	}
	w.put(r, f, store.V(x), at)
}

func int64Bytes(n int64) []byte {
	_, b, err := bson.MarshalValue(n)
	if err != nil {
		return nil
	}
	return b
}

// smallest is a whole number as an int32 where it fits, as drivers write it.
func smallest(n int64) store.Value {
	if n >= math.MinInt32 && n <= math.MaxInt32 {
		return store.V(int32(n))
	}
	return store.Value{Type: bson.TypeInt64, Value: int64Bytes(n)}
}

func (d *decimal) put(w *writer, f *frame, v *node, at string) {
	if !w.primitive(d, d.ref, f, v, nodeNumber, at) {
		return
	}
	text := v.text
	if d.mul != nil {
		x, ok := rational(text)
		if !ok {
			w.fail(fhir.CodeValue, at, "The EHR cannot hold a number like this.")
			return
		}
		text = plainNumber(x.Quo(x.Sub(x, d.add), d.mul))
	}
	w.number(d.ref, f, text, at)
}

// rational reads a JSON number of a size that exact arithmetic is done with.
func rational(text string) (*big.Rat, bool) {
	if f, err := strconv.ParseFloat(text, 64); err != nil || len(text) > 64 || f != 0 && (math.Abs(f) < 1e-100 || math.Abs(f) > 1e100) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// plainNumber writes a number as the field will hold it: whole, or as a double.
func plainNumber(x *big.Rat) string {
	if x.IsInt() && x.Num().IsInt64() {
		return x.Num().String()
	}
	f, _ := x.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func (d *date) put(w *writer, f *frame, v *node, at string) {
	if w.primitive(d, d.ref, f, v, nodeText, at) {
		if x, ok := d.value(w, v.text, at); ok {
			w.put(d.ref, f, x, at)
		}
	}
}

// value turns what a client wrote into what the field holds.
func (m *moment) value(w *writer, text, at string) (store.Value, bool) {
	d, ok := m.parse(text)
	switch {
	case !ok:
		w.fail(fhir.CodeValue, at, "The EHR cannot hold this as a date.")
		return store.Value{}, false
	case m.text:
		return store.String(text), true
	case m.day && d.Precision < fhir.PrecisionDay:
		w.fail(fhir.CodeValue, at, "The EHR keeps whole dates here: give the day.")
		return store.Value{}, false
	case !m.day && d.Precision < fhir.PrecisionSecond:
		w.fail(fhir.CodeValue, at, "The EHR keeps a moment here: give the date with its time and zone.")
		return store.Value{}, false
	}
	low, _ := d.Range(m.zone)
	return store.V(low), true
}

// put writes the minutes since the start, which another rule writes.
func (d *ending) put(w *writer, f *frame, v *node, at string) {
	if v != nil && v.kind != nodeText {
		w.mismatch(at)
		return
	}
	w.later = append(w.later, func(f *frame) {
		if !w.primitive(d, d.minutes, f, v, nodeText, at) {
			return
		}
		end, err := fhir.ParseDate(v.text)
		start, ok := d.start.time(f.value(d.start.ref))
		if err != nil || !ok || end.Precision < fhir.PrecisionSecond {
			w.fail(fhir.CodeBusinessRule, at, "The EHR keeps how long it takes from the start, so that an end needs a start, both with a time.")
			return
		}
		low, _ := end.Range(d.start.zone)
		long := low.Sub(start)
		if long%time.Minute != 0 || long < 0 || long > maxMinutes*time.Minute {
			w.fail(fhir.CodeBusinessRule, at, "The EHR keeps whole minutes from the start to the end.")
			return
		}
		w.number(d.minutes, f, strconv.FormatInt(int64(long/time.Minute), 10), at)
	})
}

func (l *link) put(w *writer, f *frame, v *node, at string) {
	if !w.primitive(l, l.ref, f, v, nodeText, at) {
		return
	}
	id, ok := strings.CutPrefix(strings.TrimPrefix(v.text, w.get.base+"/"), "Binary/")
	key, suffix, known := l.ids.parse(id)
	if !ok || !known || suffix != "" {
		w.fail(fhir.CodeBusinessRule, at, "The EHR keeps which Binary of this server this is: give its URL.")
		return
	}
	w.put(l.ref, f, like(f.value(l.ref), key), at)
}

// like gives a whole number in the type that stands there now, else in the smallest.
func like(now bson.RawValue, key store.Value) store.Value {
	n, ok := whole(key)
	switch {
	case !ok:
		return key
	case now.Type == bson.TypeInt64:
		return store.Value{Type: bson.TypeInt64, Value: int64Bytes(n)}
	case now.Type == bson.TypeDouble:
		return store.V(float64(n))
	}
	return smallest(n)
}
