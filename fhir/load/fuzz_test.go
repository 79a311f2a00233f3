package load_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/load"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store/memory"
)

// any accepts everything that is JSON, so that what comes out of rewriting is seen.
type anything struct{ bad *string }

func (a anything) Validate(body []byte, _ fhir.Type) (schema.Info, error) {
	if !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		*a.bad = string(body)
	}
	return schema.Info{Type: "Basic"}, fhir.Errorf(fhir.CodeInvalid, "", "seen")
}

// FuzzReader: no input makes a load panic or fail as a whole, and rewriting makes
// JSON from JSON.
func FuzzReader(f *testing.F) {
	f.Add([]byte(synthea))
	f.Add([]byte(referring + referred))
	f.Add([]byte(oneLine(referring) + "\n" + oneLine(referred) + "\n"))
	f.Add([]byte(zip(synthea)))
	f.Add([]byte(`{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":{"div":"<a href=\"urn:uuid:1\">","reference":"urn:uuid:1#\\\"","url":["urn:uuid:1"]}}]}`))
	f.Add([]byte(`{"resourceType":"\`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var bad string
		l := load.Loader{Repository: &record.Repository{Store: memory.New()}, Validator: anything{&bad}, Workers: 1, MaxResource: 1 << 16, MaxBundle: 1 << 18}
		if _, err := l.Reader(t.Context(), "-", bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if bad != "" && jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Errorf("rewriting broke it: %s", bad)
		}
	})
}

// TestRewritingChangesOnlyReferences: for random resources in a Bundle, decoding
// what was stored gives what decoding and replacing gives.
func TestRewritingChangesOnlyReferences(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.SampledFrom([]string{amy, doc, "Patient/1", "x", `quote " and \ slash`, "å ☃ " + doc, "#" + doc, ""})
		name := rapid.SampledFrom([]string{"reference", "value", "url", "valueUri", "valueString", "div", "display"})
		var tree func(depth int) any
		tree = func(depth int) any {
			object := func() any {
				m := map[string]any{}
				for range rapid.IntRange(0, 4).Draw(rt, "members") {
					m[name.Draw(rt, "name")] = tree(depth + 1)
				}
				return m
			}
			switch kind := rapid.IntRange(0, 4).Draw(rt, "kind"); {
			case kind == 0 && depth < 4:
				return object()
			case kind == 1 && depth < 4:
				// As in FHIR, the elements of a list are all objects or all not.
				list, objects := []any{}, rapid.Bool().Draw(rt, "objects")
				for range rapid.IntRange(0, 3).Draw(rt, "elements") {
					if objects {
						list = append(list, object())
					} else {
						list = append(list, texts.Draw(rt, "text"))
					}
				}
				return list
			case kind == 2:
				return rapid.Float64Range(-1e6, 1e6).Draw(rt, "number")
			}
			return texts.Draw(rt, "text")
		}
		resource := map[string]any{"resourceType": "Basic", "id": uuid(amy), "content": tree(0)}
		body, err := json.Marshal(resource, jsontext.Multiline(rapid.Bool().Draw(rt, "lines")))
		if err != nil {
			rt.Fatal(err)
		}
		bundle := fmt.Sprintf(`{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":%q,"resource":%s},{"fullUrl":%q,"resource":{"resourceType":"Basic","id":"d"}}]}`, amy, body, doc)
		var got any
		l := load.Loader{Repository: &record.Repository{Store: memory.New()}, Workers: 1, Validator: spy{func(b []byte) {
			if bytes.Contains(b, []byte(uuid(amy))) {
				if err := json.Unmarshal(b, &got); err != nil {
					rt.Error(err)
				}
			}
		}}}
		if _, err := l.Reader(t.Context(), "-", strings.NewReader(bundle)); err != nil {
			rt.Fatal(err)
		}
		if want := replaced("", any(resource)); fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

type spy struct{ see func([]byte) }

func (s spy) Validate(body []byte, _ fhir.Type) (schema.Info, error) {
	s.see(body)
	return schema.Info{}, fhir.Errorf(fhir.CodeInvalid, "", "seen")
}

// replaced is the plain way to do what the loader does on the text.
func replaced(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = replaced(k, e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, replaced(name, e))
		}
		return out
	case string:
		if name == "reference" || name == "url" || name == "valueUri" {
			switch v {
			case amy:
				return "Basic/" + uuid(amy)
			case doc:
				return "Basic/d"
			}
		}
	}
	return v
}

func BenchmarkBundles(b *testing.B) {
	var bundle strings.Builder
	bundle.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	const count = 200
	for i := range count {
		if i > 0 {
			bundle.WriteByte(',')
		}
		fmt.Fprintf(&bundle, `{"fullUrl":"urn:uuid:%032d","resource":{
			"resourceType": "Observation", "id": "%032d", "status": "final",
			"category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
			"code": {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}], "text": "Body Height"},
			"hasMember": [{"reference": "urn:uuid:%032d"}], "derivedFrom": [{"reference": "urn:uuid:%032d"}],
			"effectiveDateTime": "2013-07-29T14:10:10+02:00", "issued": "2013-07-29T14:10:10.377+02:00",
			"valueQuantity": {"value": 170.25104443850958, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}
		},"request":{"method":"POST","url":"Observation"}}`, i, i, count-1-i, (i+1)%count)
	}
	bundle.WriteString("]}")
	packed := zip(bundle.String())
	b.ReportAllocs()
	for b.Loop() {
		l := load.Loader{Repository: &record.Repository{Store: memory.New()}, Validator: &schema.Validator{}, Failed: func(f load.Failure) { b.Error(f) }}
		sum, err := l.Reader(b.Context(), "-", strings.NewReader(packed))
		if err != nil || sum.Total().Created != count {
			b.Fatal(sum.Total(), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "µs/resource")
}
