package chartmap

import (
	"math/big"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// unit is how a number in another unit becomes one in the rule's: times mul,
// plus add.
type unit struct {
	code     string // of UCUM
	mul, add *big.Rat
}

func (q *quantity) match(v *node) int {
	if v == nil || v.kind != nodeObject {
		return 0
	}
	return fits(v.member("value"))
}

// put writes the number, in the rule's unit: another one is converted where the rule
// says how, else refused.
func (q *quantity) put(w *writer, f *frame, v *node, at string) {
	if w.kept(q, f, v) {
		return
	}
	switch {
	case v == nil:
		w.remove(q.ref, f)
		if q.unitFrom != nil {
			w.remove(*q.unitFrom, f)
		}
		return
	case v.member("comparator") != nil:
		w.fail(fhir.CodeBusinessRule, at+".comparator", "The EHR keeps exact values here.")
		return
	case v.member("value") == nil:
		w.mismatch(at)
		return
	case q.unitFrom != nil:
		q.putUnit(w, f, v, at)
	case q.json != nil && !q.inUnit(w, v, at):
		return
	}
	q.decimal.put(w, f, v.member("value"), at+".value")
}

// putUnit writes the unit as it is printed.
func (q *quantity) putUnit(w *writer, f *frame, v *node, at string) {
	if v.member("unit") == nil && v.member("code") != nil {
		v.set("unit", v.member("code"))
	}
	unit := v.member("unit")
	now, there := textOf(f.value(*q.unitFrom))
	switch {
	case unit.string() == string(now): // both nothing, or a unit that nobody can see
		return
	case unit.string() == "" && there:
		w.remove(*q.unitFrom, f)
		return
	}
	w.put(*q.unitFrom, f, store.String(unit.text), at+".unit")
}

// inUnit sees to it that v is in the rule's unit and says so as the rule does.
func (q *quantity) inUnit(w *writer, v *node, at string) bool {
	code, printed := v.member("code").string(), v.member("unit").string()
	system := v.member("system").string()
	switch {
	case code != "" && code == q.code && system == ucum, code == "" && printed != "" && printed == q.unit && (system == "" || system == ucum):
	default:
		i := slices.IndexFunc(q.accepts, func(c unit) bool { return c.code == code && system == ucum })
		x, ok := rational(v.member("value").text)
		if i < 0 || !ok {
			w.fail(fhir.CodeBusinessRule, at, "The unit must be %s.", q.units())
			return false
		}
		c := q.accepts[i]
		x.Add(x.Mul(x, c.mul), c.add)
		buf := appendRat(nil, x)
		v.set("value", &node{kind: nodeNumber, text: string(buf)})
	}
	for _, m := range []struct{ name, text string }{{"unit", q.unit}, {"system", ucum}, {"code", q.code}} {
		if m.text == "" || m.name == "system" && q.code == "" {
			continue
		}
		v.set(m.name, &node{kind: nodeText, text: m.text})
	}
	return true
}

// units names the units that are taken.
func (q *quantity) units() string {
	own := q.unit
	if q.code != "" {
		own = q.code
	}
	out := []string{own}
	for _, c := range q.accepts {
		out = append(out, c.code)
	}
	return strings.Join(out, " or ") + " (UCUM)"
}
