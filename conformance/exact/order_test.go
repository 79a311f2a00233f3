package exact

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// mark is what a resource sorts by: a number, or text that orders as what it stands
// for.
type mark struct {
	text   string
	number *big.Rat
}

func compareMarks(a, b mark) int {
	if a.number != nil && b.number != nil {
		return a.number.Cmp(b.number)
	}
	return cmp.Compare(a.text, b.text)
}

// marks gives what a resource can be sorted by.
func (a Attribute) marks(r Object, zone *time.Location) (list []mark) {
	add := func(text string, most int) {
		if text != "" {
			list = append(list, mark{text: string([]rune(text)[:min(most, len([]rune(text)))])})
		}
	}
	// Of long texts the beginning decides.
	const long, code = 100, 60
	for _, v := range a.Values(r) {
		switch a.Kind {
		case "string":
			add(plain(v.(string)), long)
		case "uri":
			add(v.(string), code)
		case "token":
			for _, c := range append(at(v, "coding"), v) {
				add(get(c, "code")+get(c, "value"), code)
			}
		case "reference":
			ref, _, _ := strings.Cut(get(v, "reference"), "/_history/")
			if typ, _, ok := strings.Cut(ref, "/"); ok && fhir.Type(typ).Valid() {
				add(ref, long)
			}
		case "date":
			if from := readTimes(v, zone).from; from != past {
				add(from.UTC().Format("2006-01-02T15:04:05.000"), long)
			}
		case "quantity":
			if found := at(v, "value"); len(found) > 0 {
				list = append(list, mark{number: rat(found[0].(interface{ String() string }).String())})
			}
		}
	}
	return list
}

// sortable gives ways to sort by one of the attributes, in both directions, and by two.
func sortable(c fhir.Capability, attributes []Attribute) (sorts []string) {
	var codes []string
	for _, a := range attributes {
		if slices.Contains(c.Sortable, a.Name) && a.Kind != "canonical" {
			sorts = append(sorts, a.Name, "-"+a.Name)
		}
		if a.Kind == "token" {
			codes = append(codes, a.Name, "-"+a.Name) // then systems, and what long codes end in, decide
		}
	}
	for i, n := 0, len(sorts); i < n; i++ {
		sorts = append(sorts, sorts[i]+",-_lastUpdated,_id")
		if !slices.Contains(codes, sorts[i]) {
			sorts = append(sorts, sorts[i]+","+sorts[(i+3)%n])
		}
	}
	return sorts
}

// inOrder reports whether resources are in the order of _sort, those without a value
// last.
func inOrder(got []string, order string, there map[string]Object, attributes []Attribute, zone *time.Location) bool {
	return slices.IsSortedFunc(got, func(x, y string) int {
		for key := range strings.SplitSeq(order, ",") {
			name, desc := strings.CutPrefix(key, "-")
			i := slices.IndexFunc(attributes, func(a Attribute) bool { return a.Name == name })
			a, b := attributes[i].marks(there[x], zone), attributes[i].marks(there[y], zone)
			c := cmp.Compare(min(len(b), 1), min(len(a), 1))
			switch {
			case c != 0:
				return c
			case len(a) == 0:
				continue
			case desc:
				c = -compareMarks(slices.MaxFunc(a, compareMarks), slices.MaxFunc(b, compareMarks))
			default:
				c = compareMarks(slices.MinFunc(a, compareMarks), slices.MinFunc(b, compareMarks))
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

func TestG7_13_TheNaiveOrderTellsOrders(t *testing.T) {
	t.Parallel()
	there := map[string]Object{
		"a": {"n": []any{"Bo", "Cy"}}, "b": {"n": []any{"al", "Zoë"}}, "c": {}, "d": {"n": "bo"},
	}
	attributes := []Attribute{{Name: "n", Kind: "string", Values: path("n")}}
	for order, want := range map[string]string{"n": "bad c", "-n": "bad c"} {
		got := strings.Split(strings.ReplaceAll(want, " ", ""), "")
		if !inOrder(got, order, there, attributes, time.UTC) {
			t.Errorf("%v are not in the order of %s", got, order)
		}
		slices.Reverse(got)
		if inOrder(got, order, there, attributes, time.UTC) {
			t.Errorf("%v are in the order of %s", got, order)
		}
	}
}
