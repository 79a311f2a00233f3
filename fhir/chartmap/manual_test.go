package chartmap_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// manual gives the blocks of a page of docs/ in a language, by their order.
func manual(t *testing.T, file, language string) (blocks []string, text string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks, string(page)
}

func TestExamplesOfTheManualLoad(t *testing.T) {
	t.Parallel()
	for file, atLeast := range map[string]int{"chart-map.md": 3, "chart-map-tutorial.md": 6} {
		blocks, _ := manual(t, file, "yaml")
		if len(blocks) < atLeast {
			t.Fatalf("%s: found %d examples", file, len(blocks))
		}
		for i, b := range blocks {
			m, err := chartmap.Load([]byte(b), "example")
			if err != nil {
				t.Errorf("%s: example %d:\n%v\n%s", file, i+1, err, b)
				continue
			}
			for _, w := range m.Warnings {
				t.Errorf("%s: example %d: %v", file, i+1, w)
			}
		}
	}
}

func TestTheManualsSmallMap(t *testing.T) {
	t.Parallel()
	maps, page := manual(t, "chart-map.md", "yaml")
	results, _ := manual(t, "chart-map.md", "json")
	doc := regexp.MustCompile("The document `(.*?)` is then").FindStringSubmatch(page)
	if doc == nil || len(results) == 0 {
		t.Fatal("the example is gone")
	}
	// As in the mongo shell, names need no quotes.
	text := regexp.MustCompile(`(\w+):`).ReplaceAllString(strings.ReplaceAll(doc[1], "ISODate(…)", `{$date: "2026-04-14T09-00Z"}`), `"$1":`)
	text = strings.ReplaceAll(text, `{$"date": "2026-04-14T09-00Z"}`, `{"$date": "2026-04-14T09:00:00Z"}`)
	var body bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(text), false, &body); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	m, err := chartmap.Load([]byte(maps[0]), "example")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "clinic.patients", Doc: body}}); err != nil {
		t.Fatal(err)
	}
	repo := &chartmap.Repository{Store: st, Map: m, Now: func() time.Time { return time.Unix(0, 0) }}
	res, err := repo.Read(t.Context(), fhir.Key{Type: "Patient", ID: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(res.Body, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(results[0]), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manual (-) and result (+):\n%s", diff)
	}
	for _, name := range []string{"family", "gender", "birthdate"} {
		found := false
		for _, p := range repo.Describe("Patient").Params {
			found = found || p.Name == name
		}
		if !found {
			t.Errorf("%s does not work", name)
		}
	}
}
