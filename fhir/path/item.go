package path

import (
	"iter"
	"math/big"
	"strconv"
	"strings"
)

// Kind is the type system of FHIRPath's own values.
type Kind uint8

// The kinds of Item.
const (
	Element Kind = iota + 1 // an element or resource of the JSON without a value of its own
	Boolean
	Integer
	Decimal
	String
	Date
	DateTime
	Time
	Quantity
)

// kindNames are the names of the kinds in FHIRPath.
var kindNames = [...]string{
	Element: "Element", Boolean: "Boolean", Integer: "Integer", Decimal: "Decimal", String: "String",
	Date: "Date", DateTime: "DateTime", Time: "Time", Quantity: "Quantity",
}

// Item is one value of a collection: an element of a document, or a value that
// an expression made. Items are immutable.
type Item struct {
	kind Kind
	bool bool
	// doc and at say where the element stands; doc is nil for computed values.
	at   int32
	doc  *Doc
	int  int64
	text string   // of an Element without doc: the type of an unresolvable target of resolve()
	num  *big.Rat // of a computed value; rat gives that of an element too
	when temporal
}

// Collection is an ordered list of items; nil is the empty collection.
type Collection []Item

// Bool makes a Boolean.
func Bool(b bool) Item { return Item{kind: Boolean, bool: b} }

// The two answers of most functions. Nobody writes to a collection in place.
var (
	yes = Collection{Bool(true)}
	no  = Collection{Bool(false)}
)

func boolean(b bool) Collection {
	if b {
		return yes
	}
	return no
}

// Int makes an Integer.
func Int(n int64) Item { return Item{kind: Integer, int: n} }

// Text makes a String.
func Text(s string) Item { return Item{kind: String, text: s} }

func decimal(r *big.Rat) Item { return Item{kind: Decimal, num: r} }

func quantity(value *big.Rat, unit string) Item {
	return Item{kind: Quantity, num: value, text: unit}
}

// Kind says what kind of value it is. An element with a primitive value has the
// kind of that value.
func (it Item) Kind() Kind { return it.kind }

// Type is the name of the FHIR type of an element ("Patient", "Quantity",
// "code", "BackboneElement"), or the FHIRPath type of a computed value.
func (it Item) Type() string {
	switch {
	case it.doc != nil:
		return it.doc.model.Name(it.doc.nodes[it.at].typ)
	case it.kind == Element:
		return it.text
	default:
		return kindNames[it.kind]
	}
}

// JSON gives the bytes of an element in its document; nil for computed values
// and for elements that have only extensions. Read-only.
func (it Item) JSON() []byte {
	if it.doc == nil {
		return nil
	}
	n := &it.doc.nodes[it.at]
	return it.doc.src[n.start:n.end]
}

// Name is the name of an element in its parent, "" for a resource on its own and
// for computed values.
func (it Item) Name() string {
	if it.doc == nil {
		return ""
	}
	return it.doc.nodes[it.at].name
}

// Place says where an element stands; the zero Place for computed values.
func (it Item) Place() Place {
	if it.doc == nil {
		return Place{}
	}
	return it.doc.place(it.at)
}

// Children yields the child elements with this name, or all when it is "".
func (it Item) Children(name string) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		if it.doc == nil {
			return
		}
		for c := it.doc.nodes[it.at].first; c >= 0; c = it.doc.nodes[c].next {
			if name != "" && it.doc.nodes[c].name != name || it.doc.void(c) {
				continue
			}
			if !yield(it.doc.item(c)) {
				return
			}
		}
	}
}

// Names yields the names of the child elements that there are.
func (it Item) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		if it.doc == nil {
			return
		}
		nodes := it.doc.nodes
		for c := nodes[it.at].first; c >= 0; c = nodes[c].group {
			if !yield(nodes[c].name) {
				return
			}
		}
	}
}

// Path gives the location of an element ("Patient.name[0].family"), "" for computed
// values.
func (it Item) Path() string {
	if it.doc == nil {
		return ""
	}
	return it.doc.path(it.at)
}

// Location gives the span of an element's JSON in its document.
func (it Item) Location() (start, end int, ok bool) {
	if it.doc == nil {
		return 0, 0, false
	}
	n := &it.doc.nodes[it.at]
	return int(n.start), int(n.end), n.end > n.start
}

// Truth gives the value of a Boolean.
func (it Item) Truth() (value, ok bool) { return it.bool, it.kind == Boolean }

// Literal gives the text of a primitive element as its JSON has it, without quotes and
// escapes: what String gives, but for dates and times that could be written otherwise.
// It is "" for all other items.
func (it Item) Literal() string {
	if it.doc == nil {
		return ""
	}
	return it.doc.literal(it.at)
}

// Child gives the Literal of the first child element with this name, "" without one.
func (it Item) Child(name string) string {
	if it.doc == nil {
		return ""
	}
	c := it.doc.child(it.at, name)
	for c >= 0 && it.doc.nodes[c].name == name && it.doc.void(c) {
		c = it.doc.nodes[c].next
	}
	if c < 0 || it.doc.nodes[c].name != name {
		return ""
	}
	return it.doc.literal(c)
}

// String gives the value as text, as toString() does; "" when it has none.
func (it Item) String() string {
	switch it.kind {
	case Boolean:
		return strconv.FormatBool(it.bool)
	case Integer:
		return strconv.FormatInt(it.int, 10)
	case Decimal:
		return formatDecimal(it)
	case String:
		return it.text
	case Date, DateTime, Time:
		return it.when.String()
	case Quantity:
		unit := it.text
		if !calendarPlural[unit] {
			unit = "'" + unit + "'"
		}
		return formatDecimal(it) + " " + unit
	}
	return ""
}

// formatDecimal keeps the digits of an element and gives computed values at
// most eight places (FHIRPath 2.0, 4.1.4).
func formatDecimal(it Item) string {
	if it.doc != nil && it.kind == Decimal {
		return string(it.JSON())
	}
	num := it.rat()
	if num.IsInt() {
		return num.Num().String()
	}
	s := strings.TrimRight(num.FloatString(8), "0")
	return strings.TrimSuffix(s, ".")
}

// rat gives the value of a Decimal or Quantity. That of an element is made from
// its text when it is asked for, since most are only passed on.
func (it Item) rat() *big.Rat {
	if it.num != nil || it.doc == nil {
		return it.num
	}
	at := it.at
	if it.kind == Quantity {
		at = it.doc.child(at, "value")
	}
	n := &it.doc.nodes[at]
	r, _ := ParseDecimal(it.doc.text[n.start:n.end])
	return r
}

// number gives the value of an Integer or Decimal.
func (it Item) number() (*big.Rat, bool) {
	switch it.kind {
	case Integer:
		return new(big.Rat).SetInt64(it.int), true
	case Decimal:
		return it.rat(), true
	}
	return nil, false
}

// calendarUnits are the words for units of time, singular and plural, by the
// word that stands for them in a quantity.
var calendarUnits = map[string]string{
	"year": "year", "years": "year", "month": "month", "months": "month", "week": "week", "weeks": "week",
	"day": "day", "days": "day", "hour": "hour", "hours": "hour", "minute": "minute", "minutes": "minute",
	"second": "second", "seconds": "second", "millisecond": "millisecond", "milliseconds": "millisecond",
}

var calendarPlural = map[string]bool{
	"year": true, "month": true, "week": true, "day": true,
	"hour": true, "minute": true, "second": true, "millisecond": true,
}

// definite are the UCUM codes that are the same as a word for a unit of time.
// Years and months are not: a UCUM year has 365.25 days (FHIRPath 2.0, 4.1.8).
var definite = map[string]string{
	"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms",
}

func sameUnit(a, b string) bool {
	if u, ok := definite[a]; ok {
		a = u
	}
	if u, ok := definite[b]; ok {
		b = u
	}
	return a == b
}
