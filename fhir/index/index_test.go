package index

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// indexed is a resource with its entries, as a store would hold them.
type indexed struct {
	name string
	body []byte
	doc  store.Doc
}

func entries(t testing.TB, x *Indexer, typ fhir.Type, name string, body []byte) indexed {
	t.Helper()
	e, err := x.Index(typ, body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	doc, err := bson.Marshal(bson.D{{Key: "k", Value: e.Keys}})
	if err != nil {
		t.Fatal(err)
	}
	return indexed{name, body, doc}
}

// examples reads the official examples of ordinary size, by type.
func examples(t *testing.T, x *Indexer) map[fhir.Type][]indexed {
	t.Helper()
	files, err := filepath.Glob("../../.cache/r4-examples/package/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("the official examples are missing: run make setup")
	}
	all := make(map[fhir.Type][]indexed)
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), "-")
		typ := fhir.Type(name)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if !typ.Valid() || info.Size() > 20_000 || len(all[typ]) == 12 {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[typ] = append(all[typ], entries(t, x, typ, filepath.Base(file), body))
	}
	return all
}

// terms makes conditions from the values that a resource has: each finds at least
// what it was made from, or is close to it.
func terms(p *param, v value) []fhir.Term {
	var out []fhir.Term
	add := func(m fhir.Modifier, prefix fhir.Prefix, val fhir.Value) {
		out = append(out, fhir.Term{Param: p.SearchParam, Modifier: m, Prefix: prefix, Value: val})
	}
	switch p.Type {
	case fhir.ParamToken:
		if v.code != "" {
			add("", "", fhir.TokenValue{Code: v.code, AnySystem: true})
			add("", "", fhir.TokenValue{Code: v.code, System: v.system})
			add("", "", fhir.TokenValue{Code: v.code})
			add("", "", fhir.TokenValue{Code: v.code, System: "urn:other"})
			for _, typ := range v.types {
				add(fhir.ModOfType, "", fhir.OfTypeValue{System: typ.system, Code: typ.code, Value: v.code})
			}
		}
		if v.system != "" {
			add("", "", fhir.TokenValue{System: v.system, AnyCode: true})
		}
		if v.text != "" {
			add(fhir.ModText, "", fhir.StringValue(v.text[:len(v.text)/2]))
		}
	case fhir.ParamString:
		add("", "", fhir.StringValue(strings.ToUpper(v.text)))
		add(fhir.ModExact, "", fhir.StringValue(v.text))
		if len(v.text) > 4 {
			add(fhir.ModContains, "", fhir.StringValue(v.text[2:]))
		}
	case fhir.ParamReference:
		if v.ref.Kind == fhir.RefLocal {
			add("", "", fhir.ReferenceValue{Type: v.ref.Key.Type, ID: v.ref.Key.ID})
			add("", "", fhir.ReferenceValue{ID: v.ref.Key.ID})
		} else if v.ref.URL != "" {
			add("", "", fhir.ReferenceValue{URL: v.ref.URL})
		}
		if v.identifier != nil {
			add(fhir.ModIdentifier, "", fhir.TokenValue{System: v.identifier.system, Code: v.identifier.code})
		}
	case fhir.ParamSpecial:
		for _, meters := range []float64{0, 1, 1000, 1e6} {
			add("", "", fhir.NearValue{Latitude: v.at.lat, Longitude: v.at.long, Meters: meters})
		}
	case fhir.ParamURI:
		add("", "", fhir.URIValue(v.text))
		add(fhir.ModAbove, "", fhir.URIValue(v.text+"/x"))
		add(fhir.ModBelow, "", fhir.URIValue(strings.TrimSuffix(v.text, "/"+v.text[strings.LastIndexByte(v.text, '/')+1:])))
	}
	for _, prefix := range []fhir.Prefix{fhir.EQ, fhir.NE, fhir.GT, fhir.LT, fhir.GE, fhir.LE, fhir.SA, fhir.EB, fhir.AP} {
		switch p.Type {
		case fhir.ParamDate:
			for _, layout := range []string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04:05Z07:00"} {
				if d, err := fhir.ParseDate(v.span.low.Format(layout)); err == nil {
					add("", prefix, fhir.DateValue{Date: d})
				}
			}
		case fhir.ParamNumber, fhir.ParamQuantity:
			if v.low == nil {
				continue
			}
			half := rat("0.5")
			n := fhir.NumberValue{Value: v.low, Low: rat("0").Sub(v.low, half), High: rat("0").Add(v.low, half)}
			if p.Type == fhir.ParamNumber {
				add("", prefix, n)
				continue
			}
			add("", prefix, fhir.QuantityValue{NumberValue: n})
			add("", prefix, fhir.QuantityValue{NumberValue: n, Code: v.unit})
			add("", prefix, fhir.QuantityValue{NumberValue: n, System: v.system, Code: v.code})
		}
	}
	return out
}

func TestG7_17_TheIndexFindsWhatMatches(t *testing.T) {
	t.Parallel()
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	x := Indexer{Base: "http://localhost/fhir", Location: oslo}
	m := &Matcher{Indexer: x, Now: now}
	c := &Compiler{Indexer: x, Field: "k", Now: now}
	compared, matched := 0, 0
	for typ, resources := range examples(t, &x) {
		asked := make(map[string]int)
		for _, from := range resources {
			for _, term := range conditions(t, &x, typ, from, asked) {
				plan, err := c.Compile(typ, term)
				if err != nil {
					t.Fatalf("%s %s: %v", typ, term.Param.Name, err)
				}
				for _, r := range resources {
					want, err := m.Match(typ, r.body, term)
					if err != nil {
						t.Fatal(err)
					}
					got := store.Match(plan.Where, r.doc)
					if want && !got || got && !want && plan.Exact {
						t.Errorf("%s: %s%s %s%v: matches %v, index %v (exact %v)", r.name, term.Param.Name, term.Modifier, term.Prefix, term.Value, want, got, plan.Exact)
					}
					compared++
					if want {
						matched++
					}
				}
			}
		}
	}
	if compared < 50_000 || matched < 10_000 {
		t.Errorf("compared %d, of which %d match: too few to tell", compared, matched)
	}
}

// conditions gives terms from a resource, a few for each parameter of its type.
func conditions(t *testing.T, x *Indexer, typ fhir.Type, from indexed, asked map[string]int) []fhir.Term {
	t.Helper()
	doc, err := path.NewDoc(from.body, schema.Model{})
	if err != nil {
		t.Fatal(err)
	}
	var out []fhir.Term
	for _, p := range Of(typ).params {
		if p.Type == fhir.ParamComposite || asked[p.Name] > 30 {
			continue
		}
		if p.words {
			more := phrases(p, doc)
			asked[p.Name] += len(more)
			out = append(out, more...)
			continue
		}
		if asked[p.Name] == 0 {
			out = append(out, fhir.Term{Param: p.SearchParam, Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)})
		}
		for _, v := range x.reader().values(p, doc.Root(), anything) {
			more := terms(p, v)
			asked[p.Name] += len(more) + 1
			out = append(out, more...)
		}
	}
	return out
}

// phrases gives terms from the texts of a resource.
func phrases(p *param, doc *path.Doc) []fhir.Term {
	var out []fhir.Term
	narrative, rest := texts(doc)
	for _, words := range append(narrative, rest...) {
		word := words[len(words)/2]
		out = append(out, fhir.Term{Param: p.SearchParam, Value: fhir.WordsValue{Text: word}})
		if len(word) > 3 {
			out = append(out, fhir.Term{Param: p.SearchParam, Value: fhir.WordsValue{Text: word[:3], Prefix: true}})
		}
		if len(words) > 2 {
			out = append(out, fhir.Term{Param: p.SearchParam, Value: fhir.WordsValue{Text: strings.Join(words[:3], " - ")}})
		}
		if len(out) > 9 {
			break
		}
	}
	return out
}
