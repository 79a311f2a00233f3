package record_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
)

// A word is found by its entry alone as long as every record has an entry for each word;
// as soon as one has not, that one is looked at.
func TestG7_16_WordsWithoutEntriesAreFound(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		note := func(id, text string) fhir.Change {
			body := fmt.Appendf(nil, `{"resourceType": "Basic", "id": %q, "code": {"text": %q}}`, id, text)
			return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Basic", ID: id}, Body: body}
		}
		var long strings.Builder
		for i := range 1500 {
			fmt.Fprintf(&long, "w%d ", i)
		}
		check := func(word string, want ...string) {
			t.Helper()
			q := fhir.Query{Type: "Basic", Count: 1, Total: true, Where: fhir.Term{Param: param(t, "_content"), Value: fhir.WordsValue{Text: word}}}
			page, err := r.Search(t.Context(), &q)
			if err != nil || *page.Total != int64(len(want)) {
				t.Fatalf("%s: %+v, %v", word, page, err)
			}
			q.Total = false
			got := search(t, r, q)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s finds %v, want %v", word, got, want)
			}
		}
		commit(t, r, note("a", "bone pain"), note("b", "w1499 pain"))
		check("pain", "a", "b")
		check("w1499", "b")
		commit(t, r, note("c", long.String()))
		check("pain", "a", "b")
		check("w1499", "b", "c")
		commit(t, r, remove("c"))
		check("w1499", "b")
	})
}

// What is printed with a code is found by its beginning, however long.
func TestG7_17_CodesByWhatIsPrinted(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		condition := func(id, code string) fhir.Change {
			body := fmt.Appendf(nil, `{"resourceType": "Condition", "id": %q, "code": %s, "subject": {"reference": "Patient/p"}}`, id, code)
			return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Condition", ID: id}, Body: body}
		}
		commit(t, r,
			condition("display", `{"coding": [{"system": "s", "code": "1", "display": "Hypertensive  heart disease"}]}`),
			condition("text", `{"text": "HYPERTENSION"}`),
			condition("both", `{"coding": [{"code": "2", "display": "Essential (primary)"}, {"code": "3", "display": "Hypertensive renal disease"}], "text": "Hypertensive kidneys"}`),
			condition("other", `{"coding": [{"code": "hyper", "display": "Asthma"}], "text": "no hypertension"}`),
			condition("none", `{"coding": [{"code": "4"}]}`))
		for text, want := range map[string]string{
			"hyper":                  "both display text",
			"hypertensi":             "both display text",
			"hypertension":           "text",
			"Hypertensive":           "both display",
			"hypertensive heart":     "display",
			"hypertensive heart dis": "display",
			"hypertensive k":         "both",
			"hypertensive x":         "",
			"primary":                "",
			"essential (":            "both",
			"asthma":                 "other",
		} {
			for _, count := range []int{1, 10} {
				q := fhir.Query{Type: "Condition", Count: count, Where: fhir.Term{Param: paramOf(t, "Condition", "code"), Modifier: fhir.ModText, Value: fhir.StringValue(text)}}
				got := search(t, r, q)
				slices.Sort(got)
				if strings.Join(got, " ") != want {
					t.Errorf("%q finds %v, want %s", text, got, want)
				}
			}
		}
		for missing, want := range map[bool]string{true: "", false: "both display none other text"} {
			q := fhir.Query{Type: "Condition", Count: 10, Where: fhir.Term{Param: paramOf(t, "Condition", "code"), Modifier: fhir.ModMissing, Value: fhir.BoolValue(missing)}}
			got := search(t, r, q)
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("missing %t: %v", missing, got)
			}
		}
	})
}
