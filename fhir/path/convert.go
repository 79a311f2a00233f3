package path

import (
	"regexp"
	"strconv"
	"strings"
)

// conversion holds toX and convertsToX (FHIRPath 2.0, 5.5).
func (ev *evaluator) conversion(name string, in Collection, args []Collection) (Collection, bool, error) {
	target, asks := strings.CutPrefix(name, "convertsTo")
	if !asks {
		var ok bool
		if target, ok = strings.CutPrefix(name, "to"); !ok || name == "today" || name == "toChars" {
			return nil, false, nil
		}
	}
	it, ok, err := one(in)
	if err != nil || !ok {
		return nil, true, err
	}
	c, ok := convert(it, target)
	if ok && len(args) == 1 {
		unit, given, err := oneText(args[0])
		if err != nil {
			return nil, true, err
		}
		ok = !given || sameUnit(c.text, unit)
	}
	if asks {
		return boolean(ok), true, nil
	}
	if !ok {
		return nil, true, nil
	}
	return Collection{c}, true, nil
}

// convert gives the item as the kind named.
func convert(it Item, target string) (Item, bool) {
	switch target {
	case "Boolean":
		return toBoolean(it)
	case "Integer":
		return toInteger(it)
	case "Decimal":
		return toDecimal(it)
	case "Quantity":
		return toQuantity(it)
	case "String":
		return Text(it.String()), it.kind != Element
	case "Date", "DateTime", "Time":
		return toTemporal(it, target)
	}
	return Item{}, false
}

func toBoolean(it Item) (Item, bool) {
	switch it.kind {
	case Boolean:
		return Bool(it.bool), true
	case String:
		switch strings.ToLower(it.text) {
		case "true", "t", "yes", "y", "1", "1.0":
			return Bool(true), true
		case "false", "f", "no", "n", "0", "0.0":
			return Bool(false), true
		}
		return Item{}, false
	}
	n, ok := it.number()
	if !ok || !n.IsInt() || !n.Num().IsInt64() {
		return Item{}, false
	}
	v := n.Num().Int64()
	return Bool(v == 1), v == 0 || v == 1
}

func toInteger(it Item) (Item, bool) {
	switch it.kind {
	case Integer:
		return Int(it.int), true
	case Boolean:
		if it.bool {
			return Int(1), true
		}
		return Int(0), true
	case String:
		n, err := strconv.ParseInt(it.text, 10, 32)
		return Int(n), err == nil
	}
	return Item{}, false
}

var decimalText = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)

func toDecimal(it Item) (Item, bool) {
	if n, ok := it.number(); ok {
		return decimal(n), true
	}
	switch it.kind {
	case Boolean:
		i, _ := toInteger(it)
		n, _ := i.number()
		return decimal(n), true
	case String:
		if !decimalText.MatchString(it.text) {
			return Item{}, false
		}
		n, ok := ParseDecimal(it.text)
		return decimal(n), ok
	}
	return Item{}, false
}

var quantityText = regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([a-zA-Z]+))?$`)

func toQuantity(it Item) (Item, bool) {
	if it.kind == Quantity {
		return quantity(it.rat(), it.text), true
	}
	if it.kind != String {
		d, ok := toDecimal(it)
		return quantity(d.rat(), "1"), ok
	}
	m := quantityText.FindStringSubmatch(it.text)
	if m == nil {
		return Item{}, false
	}
	n, ok := ParseDecimal(m[1])
	unit := m[2]
	switch {
	case m[3] != "":
		unit = calendarUnits[m[3]]
		ok = ok && unit != ""
	case unit == "":
		unit = "1"
	}
	return quantity(n, unit), ok
}

// toTemporal reads text, and turns dates and date-times into each other.
func toTemporal(it Item, target string) (Item, bool) {
	w := it.when
	if it.kind == String {
		text := it.text
		if target == "Time" && !strings.HasPrefix(text, "T") {
			text = "T" + text
		}
		var err error
		if w, err = parseTemporal(text); err != nil {
			return Item{}, false
		}
	} else if !temporalKind(it) {
		return Item{}, false
	}
	switch {
	case (target == "Time") != (w.kind == Time):
		return Item{}, false
	case target == "Date" && w.kind == DateTime:
		y, m, d := w.t.Date()
		w = temporal{t: dayStart(y, m, d), prec: min(w.prec, toDay), kind: Date}
	case target == "DateTime":
		w.kind = DateTime
	}
	return Item{kind: w.kind, when: w}, true
}
