package index

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

// numbers are decimals close to each other: some differ in digits that entries do not
// hold.
func numbers() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
		whole := rapid.SampledFrom([]string{"0", "1", "10", "99", "100"}).Draw(t, "whole")
		zeros := strings.Repeat("0", rapid.SampledFrom([]int{0, 1, 25, 26, 27, 28, 29, 30, 40}).Draw(t, "zeros"))
		return sign + whole + "." + zeros + rapid.StringMatching(`[01]`).Draw(t, "last")
	})
}

// What is not to be equal is left out at the ends of a range, but nothing that matches.
func TestG7_17_TheEndsOfNumericRanges(t *testing.T) {
	t.Parallel()
	x := Indexer{}
	m, c := &Matcher{Indexer: x, Now: now}, &Compiler{Indexer: x, Field: "k", Now: now}
	p := Of("Observation").byName["value-quantity"]
	rapid.Check(t, func(t *rapid.T) {
		stored := numbers().Draw(t, "stored")
		body := fmt.Appendf(nil, `{"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "x"}]}, "valueQuantity": {"value": %s}}`, stored)
		doc, err := path.NewDoc(body, schema.Model{})
		if err != nil {
			t.Fatal(err)
		}
		v := x.reader().values(p, doc.Root(), anything)
		of := numbers().Draw(t, "asked")
		n := fhir.NumberValue{Value: rat(of), Low: rat(of), High: rat(of)}
		term := fhir.Term{Param: p.SearchParam, Prefix: rapid.SampledFrom([]fhir.Prefix{fhir.GT, fhir.GE, fhir.LT, fhir.LE, fhir.SA, fhir.EB}).Draw(t, "prefix"), Value: fhir.QuantityValue{NumberValue: n}}
		plan, err := c.Compile("Observation", term)
		if err != nil || len(v) != 1 {
			t.Fatal(v, err)
		}
		want, err := m.Match("Observation", body, term)
		if err != nil {
			t.Fatal(err)
		}
		view := store.View{Field: "k"}
		var entries keyList
		v[0].keys(&entries, p)
		for _, key := range entries.sorted() {
			view.Strings = append(view.Strings, []byte(key))
		}
		if got := view.Match(plan.Where); want && !got {
			t.Errorf("%s%s does not find %s", term.Prefix, of, stored)
		} else if got && !want && (plan.Exact || len(of) < 25) {
			t.Errorf("%s%s finds %s", term.Prefix, of, stored)
		}
	})
}
