package load_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/load"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store/memory"
)

// bench is a repository and a loader for it, with the failures it reported.
type bench struct {
	load.Loader
	records  *record.Repository
	failures []string
}

func newBench() *bench {
	b := &bench{records: &record.Repository{Store: memory.New()}}
	b.Loader = load.Loader{Repository: b.records, Validator: &schema.Validator{}, Workers: 3, Batch: 4, Failed: func(f load.Failure) {
		b.failures = append(b.failures, f.String())
	}}
	return b
}

// dir writes files, by name, into a directory.
func dir(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// paths loads a directory of files and gives the summary without times and bytes.
func (b *bench) paths(t *testing.T, files map[string]string) (load.Summary, string) {
	t.Helper()
	root := dir(t, files)
	sum, err := b.Paths(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range b.failures {
		b.failures[i] = strings.ReplaceAll(f, root+string(filepath.Separator), "")
	}
	return sum, root
}

func (b *bench) body(t *testing.T, kind fhir.Type, id string) string {
	t.Helper()
	res, err := b.records.Read(t.Context(), fhir.Key{Type: kind, ID: id})
	if err != nil {
		t.Errorf("%s/%s: %v", kind, id, err)
	}
	return string(res.Body)
}

func (b *bench) versions(t *testing.T, kind fhir.Type, id string) int {
	t.Helper()
	page, err := b.records.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: kind, ID: id}, Count: 1000})
	if err != nil {
		t.Errorf("%s/%s: %v", kind, id, err)
	}
	return len(page.Resources)
}

func (b *bench) want(t *testing.T, failures ...string) {
	t.Helper()
	got := slices.Sorted(slices.Values(b.failures))
	slices.Sort(failures)
	if diff := cmp.Diff(failures, got); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

func contains(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(body, p) {
			t.Errorf("%q is not in %s", p, body)
		}
	}
}

const (
	amy  = "urn:uuid:0a1b2c3d-0000-4000-8000-000000000001"
	doc  = "urn:uuid:0a1b2c3d-0000-4000-8000-000000000002"
	file = "urn:uuid:0a1b2c3d-0000-4000-8000-000000000003"
)

func uuid(urn string) string { return strings.TrimPrefix(urn, "urn:uuid:") }

// synthea is a transaction of the shape that Synthea writes.
var synthea = `{
  "resourceType": "Bundle",
  "type": "transaction",
  "entry": [
    { "fullUrl": "` + doc + `",
      "resource": { "resourceType": "Practitioner", "id": "` + uuid(doc) + `", "identifier": [ { "system": "http://hl7.org/fhir/sid/us-npi", "value": "41" } ] },
      "request": { "method": "POST", "url": "Practitioner" } },
    { "fullUrl": "` + amy + `",
      "resource": {
        "resourceType": "Patient",
        "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">by <a href=\"` + doc + `\">her</a> and <img src='` + file + `' alt=\"x\"/> ` + amy + `</div>" },
        "contained": [ { "resourceType": "Observation", "id": "o", "status": "final", "code": { "text": "x" }, "performer": [ { "reference": "` + doc + `" } ] } ],
        "extension": [ { "url": "http://example.org/weight", "valueDecimal": 1.50 }, { "url": "http://example.org/doc", "valueUri": "` + doc + `" },
                       { "url": "http://example.org/ref", "valueReference": { "reference": "` + doc + `" } } ],
        "identifier": [ { "system": "urn:ietf:rfc:3986", "value": "` + amy + `" } ],
        "photo": [ { "url": "` + file + `" } ],
        "generalPractitioner": [ { "reference": "` + strings.ReplaceAll(doc, "-", `\u002d`) + `" }, { "reference": "http://elsewhere.example.org/Practitioner/1" } ]
      },
      "request": { "method": "POST", "url": "Patient" } },
    { "fullUrl": "` + file + `",
      "resource": { "resourceType": "Binary", "contentType": "text/plain", "data": "aGk=" },
      "request": { "method": "POST", "url": "Binary" } }
  ]
}`

func TestReferencesToEntriesBecomeTypeAndID(t *testing.T) {
	t.Parallel()
	b := newBench()
	sum, _ := b.paths(t, map[string]string{"a.json": synthea})
	b.want(t)
	if got := sum.Total(); got != (load.Counts{Created: 3}) {
		t.Errorf("counts %+v", got)
	}
	to := "Practitioner/" + uuid(doc)
	contains(t, b.body(t, "Patient", uuid(amy)),
		`<a href=\"`+to+`\">her</a>`,
		`<img src='Binary/`+uuid(file)+`' alt`,
		amy+`</div>`, // text is no link
		`"performer": [ { "reference": "`+to+`" } ]`,
		`"valueDecimal": 1.50 }`,
		`"valueUri": "`+to+`"`,
		`"valueReference": { "reference": "`+to+`" }`,
		`"system": "urn:ietf:rfc:3986", "value": "`+amy+`"`, // an identifier is no reference
		`"photo": [ { "url": "Binary/`+uuid(file)+`" } ]`,
		`"generalPractitioner": [ { "reference": "`+to+`" }, { "reference": "http://elsewhere.example.org/Practitioner/1" } ]`,
	)
}

func TestLoadingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	files := map[string]string{
		"a.json":        synthea,
		"b/c.ndjson.gz": zip("{\"resourceType\":\"Patient\",\"id\":\"p\"}\n{\"resourceType\":\"Patient\",\"active\":true}\n"),
		"z.json":        `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p","active":true}}]}`,
		"README.md":     "no resource",
		".index.json":   "hidden",
		".git/x.json":   "hidden",
	}
	first, _ := b.paths(t, files)
	b.want(t)
	if got, want := first.Total(), (load.Counts{Created: 5, Repeated: 1}); got != want || first.Found != 6 || first.Files != 3 || first.Skipped != 2 {
		t.Errorf("counts %+v of %d in %d files, %d skipped", got, first.Found, first.Files, first.Skipped)
	}
	contains(t, b.body(t, "Patient", "p"), `"active":true`) // the last one counts
	second, _ := b.paths(t, files)
	if got, want := second.Total(), (load.Counts{Unchanged: 5, Repeated: 1}); got != want {
		t.Errorf("second time: %+v", got)
	}
	if n := b.versions(t, "Patient", "p"); n != 1 {
		t.Errorf("Patient/p has %d versions", n)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entry string
		want  string
	}{
		"its own": {`{"fullUrl":"` + amy + `","resource":{"resourceType":"Patient","id":"own"}}`, "own"},
		"of the PUT url": {
			`{"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/put"}}`, "put",
		},
		"of an absolute PUT url": {`{"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"http://example.org/fhir/Patient/abs"}}`, "abs"},
		"UUID of the fullUrl":    {`{"fullUrl":"` + amy + `","resource":{"resourceType":"Patient"}}`, uuid(amy)},
		"OID of the fullUrl":     {`{"fullUrl":"urn:oid:1.2.3","resource":{"resourceType":"Patient"}}`, "1.2.3"},
		"at the end of a URL":    {`{"fullUrl":"http://example.org/fhir/Patient/7","resource":{"resourceType":"Patient"}}`, "7"},
		"from the content":       {`{"resource":{"resourceType":"Patient"}}`, "b7fff2dfa02e8670b84b0394f3ab139d"},
		"not of another type":    {`{"fullUrl":"http://example.org/fhir/Group/7","resource":{"resourceType":"Patient"}}`, "b7fff2dfa02e8670b84b0394f3ab139d"},
		"written with an escape": {`{"resource":{"resourceType":"Patient","id":"\u0061"}}`, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.paths(t, map[string]string{"a.json": `{"resourceType":"Bundle","type":"batch","entry":[` + c.entry + `]}`})
			b.want(t)
			page, err := b.records.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 10})
			if err != nil || len(page.Resources) != 1 || page.Resources[0].ID != c.want {
				t.Errorf("got %v, %v, want the id %s", page.Resources, err, c.want)
			}
		})
	}
}

func TestFailuresAreReportedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench()
	good := `{"resource":{"resourceType":"Patient","id":"good%d"}}`
	sum, _ := b.paths(t, map[string]string{
		"1.json": "",
		"2.json": `{"resourceType":"Patient",`,
		"3.json": `[{"resourceType":"Patient"}]`,
		"4.ndjson": "\n{\"resourceType\":\"Patient\",\"id\":\"line\"}\r\n\r\n{\"resourceType\":\"Patient\",\"gender\":\"m\"}\nnonsense\n" +
			`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"_"}},{"resource":{"resourceType":"Patient","id":"last"}}]}`,
		"5.json": `{"resourceType":"Bundle","type":"transaction","entry":[` + fmt.Sprintf(good, 1) + `,
			{"request":{"method":"DELETE","url":"Patient/1"}},
			{"fullUrl":"` + amy + `"},
			{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/b"}},
			{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"POST","url":"Group"}},
			{"resource":{"resourceType":"Patient","generalPractitioner":[{"reference":"` + doc + `"}]}},
			{"resource":{"resourceType":"Patient","id":"good1"}},
			{"resource":{"resourceType":"Patient","id":"rel","generalPractitioner":[{"reference":"Practitioner?name=x"}]}},
			{"resource":{"resourceType":"Patient","id":"rel2","generalPractitioner":[{"reference":"Practitioner?identifier=x|y"}]}},
			` + fmt.Sprintf(good, 2) + `]}`,
		"6.json":    `{"resourceType":"Bundle","type":"batch","entry":{}}`,
		"7.json":    `{"resourceType":"Bundle","type":"batch","type":"batch"}`,
		"8.json":    `{"resourceType":"Bundle","type":"batch","entry":[]} {}`,
		"9.json.gz": "\x1f\x8bnot really",
	})
	b.want(t,
		"1.json: it is empty",
		"2.json: Patient/3a5f1095708e964f5da4b48201fede61: Patient: the content is not well-formed JSON at line 1, column 27: the content ends too early",
		"3.json: a resource is a JSON object, not an array",
		`4.ndjson:4: Patient/12ea58db514cc2195be8072ba0b622ec: Patient.gender: "m" is not a code of http://hl7.org/fhir/ValueSet/administrative-gender: female, male, other, unknown`,
		"4.ndjson:5: the content is not well-formed JSON at line 1, column 2: invalid character 'o' in literal null (expecting 'u')",
		"4.ndjson:6:entry[0]: Patient/_: Patient.id: not a valid id: 1 to 64 of A-Z a-z 0-9 - . was expected",
		"5.json:entry[1]: Bundle.entry.request.method: DELETE cannot be loaded; POST and PUT can",
		"5.json:entry[2]: Bundle.entry.resource: the entry has no resource",
		`5.json:entry[3]: Bundle.entry.request.url: the url has the id "b", the resource "a"`,
		`5.json:entry[4]: Bundle.entry.request.url: the url names the type "Group", the resource is of type "Patient"`,
		`5.json:entry[5]: Patient/6bce09f8bf93375f6c788cc375b18579: the reference "`+doc+`" is not the fullUrl of an entry that can be loaded`,
		"5.json:entry[6]: Patient/good1: it has the same type and id as entry[0]",
		`5.json:entry[7]: Patient/rel: the condition "Practitioner?name=x" cannot be resolved: only Type?identifier=system|value and Type?_id=id can`,
		`5.json:entry[8]: Patient/rel2: the reference "Practitioner?identifier=x|y" is met by no resource`,
		"6.json: Bundle: This is not a Bundle: { where '[' was expected, at byte 49.",
		`7.json: Bundle: This is not a Bundle: "type" is there twice.`,
		"8.json: Bundle: More content follows the Bundle.",
		"9.json.gz: it cannot be read: gzip: invalid header",
	)
	if got := sum.Total(); got.Created != 4 {
		t.Errorf("counts %+v", got)
	}
}
