package bundle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/write"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/sqlite"
)

const base = "http://localhost/fhir"

// env is a processor over records.
type env struct {
	*bundle.Processor
	repo *record.Repository
}

func newEnv(t testing.TB, st store.Store) *env {
	t.Helper()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	repo := &record.Repository{Store: st, Base: base}
	return &env{repo: repo, Processor: &bundle.Processor{
		Writer: &write.Writer{Repository: repo, Validator: &invariant.Validator{Schema: &schema.Validator{Base: base}}},
		Search: &search.Parser{Base: base, Describe: repo.Describe, DefaultCount: 10, MaxCount: 100},
		NewID:  record.NewID, Base: base,
		Do: func(_ context.Context, c bundle.Call) bundle.Answer {
			return bundle.Answer{Status: 200, Body: []byte(`{"read":"` + c.URL + `"}`)}
		},
	}}
}

// transact sends a transaction with these entries.
func (e *env) transact(t testing.TB, entries ...string) ([]bundle.Answer, error) {
	t.Helper()
	b, err := bundle.Parse([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[`+strings.Join(entries, ",")+`]}`), 100)
	if err != nil {
		t.Fatal(err)
	}
	return e.Transaction(t.Context(), b)
}

func (e *env) must(t testing.TB, entries ...string) []bundle.Answer {
	t.Helper()
	answers, err := e.transact(t, entries...)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// entry makes one; resource may be empty, more are further members of the request.
func entry(fullURL, resource, method, url string, more ...string) string {
	var parts []string
	if fullURL != "" {
		parts = append(parts, fmt.Sprintf(`"fullUrl":%q`, fullURL))
	}
	if resource != "" {
		parts = append(parts, `"resource":`+resource)
	}
	request := fmt.Sprintf(`"method":%q,"url":%q`, method, url)
	for i := 0; i < len(more); i += 2 {
		request += fmt.Sprintf(`,%q:%q`, more[i], more[i+1])
	}
	return "{" + strings.Join(append(parts, `"request":{`+request+`}`), ",") + "}"
}

const urn = "urn:uuid:0f1e2d3c-0000-4000-8000-000000000001"

func patient(more string) string { return `{"resourceType":"Patient"` + more + `}` }

func basic(more string) string { return `{"resourceType":"Basic","code":{"text":"x"}` + more + `}` }

func basicAbout(ref string) string { return basic(`,"subject":{"reference":"` + ref + `"}`) }

// subject is what a written Basic refers to.
func subject(t testing.TB, a bundle.Answer) string {
	t.Helper()
	var r struct{ Subject struct{ Reference string } }
	if err := json.Unmarshal(a.Body, &r); err != nil {
		t.Fatal(err)
	}
	return r.Subject.Reference
}

// local is Type/id of a Location.
func local(a bundle.Answer) string {
	at, _, _ := strings.Cut(strings.TrimPrefix(a.Location, base+"/"), "/_history/")
	return at
}

func codeOf(err error) fhir.IssueCode {
	var told *fhir.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &told):
		return told.Code()
	}
	return fhir.IssueCode("untyped: " + err.Error())
}

func TestReferencesBecomeWhatTheyReferTo(t *testing.T) {
	t.Parallel()
	e := newEnv(t, memory.New())
	text := `,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"` + urn + `\">x</a></div>"}`
	extension := `,"extension":[{"url":"http://example.org/r","valueReference":{"reference":"` + urn + `"}},{"url":"http://example.org/u","valueUri":"` + urn + `"},{"url":"http://example.org/d","valueDecimal":1.500},{"url":"http://example.org/f","valueUri":"http://example.org/` + urn + `"}]`
	answers := e.must(t,
		entry("", basic(text+extension+`,"subject":{"reference":"`+urn+`"}`), "POST", "Basic"),
		entry(urn, patient(""), "POST", "Patient"),
		entry("http://example.org/fhir/Patient/7", patient(""), "POST", "Patient"),
		entry("http://example.org/fhir/Basic/8", basicAbout("Patient/7"), "POST", "Basic"),
		entry("", basicAbout("http://example.org/fhir/Patient/7#part"), "POST", "Basic"),
		entry("http://elsewhere.org/fhir/Basic/8", basicAbout("http://other.org/fhir/Patient/7"), "POST", "Basic"),
	)
	if got := answers[0].Body; strings.Count(string(got), local(answers[1])) != 4 || strings.Count(string(got), urn) != 1 || !strings.Contains(string(got), "1.500") {
		t.Errorf("G4.3: %s", got)
	}
	for i, want := range map[int]string{3: local(answers[2]), 4: local(answers[2]) + "#part", 5: "http://other.org/fhir/Patient/7"} {
		if got := subject(t, answers[i]); got != want {
			t.Errorf("G4.3: entry %d refers to %s, want %s", i, got, want)
		}
	}
	for i, a := range answers {
		if a.Status != 201 || a.ETag != `W/"1"` || a.Updated.IsZero() || strings.Contains(local(a), "urn") {
			t.Errorf("G4.8: entry %d: %+v", i, a)
		}
	}
}

func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	put := func(id string) string {
		return entry("", `{"resourceType":"Basic","id":"`+id+`","code":{"text":"y"}}`, "PUT", "Basic/"+id)
	}
	for _, test := range []struct {
		claim, entry string
		code         fhir.IssueCode
		path         string
	}{
		{"G4.1 an invalid resource", entry("", `{"resourceType":"Basic"}`, "POST", "Basic"), fhir.CodeRequired, "Bundle.entry[2].resource.code"},
		{"G4.1 a resource of another type", entry("", patient(""), "POST", "Basic"), fhir.CodeInvalid, "Bundle.entry[2].resource"},
		{"G4.3 a urn that no entry has", entry("", basicAbout("urn:uuid:0f1e2d3c-0000-4000-8000-00000000000f"), "POST", "Basic"), fhir.CodeInvalid, "Bundle.entry[2]"},
		{"G4.4 a conditional reference to nothing", entry("", basicAbout("Patient?identifier=nobody"), "POST", "Basic"), fhir.CodeConflict, "Bundle.entry[2]"},
		{"G4.4 a conditional reference to several", entry("", basicAbout("Patient?gender=male"), "POST", "Basic"), fhir.CodeMultiple, "Bundle.entry[2]"},
		{"G4.4 a conditional reference to everything", entry("", basicAbout("Patient?"), "POST", "Basic"), fhir.CodeInvalid, "Bundle.entry[2]"},
		{"G4.5 ifMatch of another version", entry("", `{"resourceType":"Basic","id":"there","code":{"text":"z"}}`, "PUT", "Basic/there", "ifMatch", `W/"9"`), fhir.CodeConflict, "Bundle.entry[2]"},
		{"G4.5 ifMatch of what is not there", entry("", "", "DELETE", "Basic/nowhere", "ifMatch", `W/"1"`), fhir.CodeConflict, "Bundle.entry[2]"},
		{"G4.5 ifMatch that is malformed", entry("", "", "DELETE", "Basic/there", "ifMatch", "1"), fhir.CodeInvalid, "Bundle.entry[2].request.ifMatch"},
		{"G4.5 ifNoneMatch of what is there", entry("", `{"resourceType":"Basic","id":"there","code":{"text":"z"}}`, "PUT", "Basic/there", "ifNoneMatch", "*"), fhir.CodeConflict, "Bundle.entry[2]"},
		{"G4.5 ifNoneExist that several meet", entry("", patient(""), "POST", "Patient", "ifNoneExist", "gender=male"), fhir.CodeMultiple, "Bundle.entry[2]"},
		{"G4.5 ifNoneExist without criteria", entry("", patient(""), "POST", "Patient", "ifNoneExist", "?"), fhir.CodeInvalid, "Bundle.entry[2].request.ifNoneExist"},
		{"G4.5 ifNoneExist with a type", entry("", patient(""), "POST", "Patient", "ifNoneExist", "Patient?gender=male"), fhir.CodeInvalid, "Bundle.entry[2].request.ifNoneExist"},
		{"G4.6 the same resource twice", put("new"), fhir.CodeInvalid, "Bundle.entry[2]"},
		{"G4.6 the same resource by criteria", entry("", "", "DELETE", "Basic?_id=there"), fhir.CodeInvalid, "Bundle.entry[2]"},
		{"G4.10 no request", `{"resource":` + patient("") + `}`, fhir.CodeInvalid, "Bundle.entry[2].request"},
		{"G4.10 an unknown method", entry("", "", "BREW", "Basic/1"), fhir.CodeInvalid, "Bundle.entry[2].request.method"},
		{"G4.10 no url", entry("", "", "GET", ""), fhir.CodeInvalid, "Bundle.entry[2].request.url"},
		{"G4.10 a url elsewhere", entry("", "", "DELETE", "http://example.org/fhir/Basic/1"), fhir.CodeInvalid, "Bundle.entry[2].request.url"},
		{"G4.10 an unknown type", entry("", "", "DELETE", "Nonsense/1"), fhir.CodeNotFound, "Bundle.entry[2].request.url"},
		{"G4.10 no resource", entry("", "", "POST", "Basic"), fhir.CodeInvalid, "Bundle.entry[2].resource"},
		{"G4.10 a POST to an instance", entry("", basic(""), "POST", "Basic/1"), fhir.CodeInvalid, "Bundle.entry[2].request.url"},
		{"G4.10 a PUT to a type", entry("", basic(""), "PUT", "Basic"), fhir.CodeInvalid, "Bundle.entry[2].request.url"},
		{"G4.10 an id that is not the url's", entry("", `{"resourceType":"Basic","id":"a","code":{"text":"z"}}`, "PUT", "Basic/b"), fhir.CodeInvalid, "Bundle.entry[2].resource.id"},
		{"G2.8 delete by no criteria", entry("", "", "DELETE", "Basic?"), fhir.CodeInvalid, "Bundle.entry[2].request.url"},
		{"G3.5 a patch of nothing", entry("", `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Basic.subject"}]}]}`, "PATCH", "Basic/nowhere"), fhir.CodeNotFound, "Bundle.entry[2]"},
	} {
		t.Run(test.claim, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, memory.New())
			e.must(t, entry("", `{"resourceType":"Basic","id":"there","code":{"text":"x"}}`, "PUT", "Basic/there"),
				entry("", patient(`,"gender":"male"`), "POST", "Patient"), entry("", patient(`,"gender":"male"`), "POST", "Patient"))
			_, err := e.transact(t, put("new"), entry("", `{"resourceType":"Basic","id":"there","code":{"text":"y"}}`, "PUT", "Basic?_id=there"), test.entry)
			if strings.Contains(test.entry, "Basic/there") {
				_, err = e.transact(t, put("new"), entry("", "", "DELETE", "Basic/other"), test.entry)
			}
			var told *fhir.Error
			if !errors.As(err, &told) || told.Code() != test.code || told.Issues[0].Path != test.path {
				t.Errorf("got %v at %q", err, fmt.Sprint(told))
			}
			if _, err := e.repo.Read(t.Context(), fhir.Key{Type: "Basic", ID: "new"}); codeOf(err) != fhir.CodeNotFound {
				t.Errorf("something was written: %v", err)
			}
			if res, err := e.repo.Read(t.Context(), fhir.Key{Type: "Basic", ID: "there"}); err != nil || res.Version != "1" {
				t.Errorf("something was changed: version %s, %v", res.Version, err)
			}
		})
	}
}

func TestConditionsInTransactions(t *testing.T) {
	t.Parallel()
	e := newEnv(t, memory.New())
	amy := patient(`,"identifier":[{"system":"urn:s","value":"amy"}]`)
	send := func() []bundle.Answer {
		return e.must(t,
			entry("", basicAbout("Patient?identifier=urn:s|amy"), "POST", "Basic", "ifNoneExist", "code:text=x"),
			entry(urn, amy, "POST", "Patient", "ifNoneExist", "identifier=urn:s|amy"),
			entry("", basicAbout(urn), "PUT", "Basic?author=Patient/none"),
		)
	}
	first := send()
	if subject(t, first[0]) != local(first[1]) || subject(t, first[2]) != local(first[1]) {
		t.Errorf("G4.4: %s %s, want %s", subject(t, first[0]), subject(t, first[2]), local(first[1]))
	}
	e.must(t, entry("", "", "DELETE", local(first[2])))
	second := send()
	if second[0].Status != 200 || second[1].Status != 200 || local(second[1]) != local(first[1]) || local(second[0]) != local(first[0]) {
		t.Errorf("G4.5: a second run makes more: %+v", second)
	}
	third := e.must(t, entry("", "", "DELETE", "Patient?identifier=urn:s|nobody"), entry("", "", "DELETE", "Patient?identifier=urn:s|amy"),
		entry("", "", "GET", "Patient?name=x"), entry("", "", "DELETE", local(first[0])))
	if third[0].Status != 204 || third[1].Status != 204 || third[3].Status != 204 || string(third[2].Body) != `{"read":"Patient?name=x"}` {
		t.Errorf("G4.2: %+v", third)
	}
	_, err := e.transact(t, entry("", amy, "POST", "Patient", "ifNoneExist", "identifier=urn:s|amy"), entry("", amy, "POST", "Patient", "ifNoneExist", "identifier=urn:s|amy"))
	if codeOf(err) != fhir.CodeInvalid {
		t.Errorf("G4.6: the same condition twice: %v", err)
	}
}

func TestTurns(t *testing.T) {
	t.Parallel()
	e := newEnv(t, memory.New())
	amy := patient(`,"identifier":[{"system":"urn:s","value":"amy"}]`)
	first := e.must(t, entry("", amy, "POST", "Patient"))
	t.Run("G4.2 what a transaction deletes does not stand against what it creates", func(t *testing.T) {
		answers := e.must(t, entry("", basicAbout("Patient?identifier=urn:s|amy"), "POST", "Basic"),
			entry("", amy, "POST", "Patient", "ifNoneExist", "identifier=urn:s|amy"), entry("", "", "DELETE", local(first[0])))
		if answers[1].Status != 201 || local(answers[1]) == local(first[0]) || subject(t, answers[0]) != local(answers[1]) {
			t.Errorf("got %+v, with a reference to %s", answers[1], subject(t, answers[0]))
		}
		first = answers[1:2]
	})
	t.Run("G4.4 a conditional reference finds what a patch leads to", func(t *testing.T) {
		// [{"op":"replace","path":"/identifier/0/value","value":"ben"}]
		binary := `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9pZGVudGlmaWVyLzAvdmFsdWUiLCJ2YWx1ZSI6ImJlbiJ9XQ=="}`
		answers := e.must(t, entry("", basicAbout("Patient?identifier=urn:s|ben"), "POST", "Basic"), entry("", binary, "PATCH", local(first[0])))
		if got := subject(t, answers[0]); got != local(first[0]) {
			t.Errorf("it became %s, want %s", got, local(first[0]))
		}
		if _, err := e.transact(t, entry("", basicAbout("Patient?identifier=urn:s|amy"), "POST", "Basic")); codeOf(err) != fhir.CodeConflict {
			t.Errorf("the identifier of before: %v", err)
		}
	})
	t.Run("G4.3 a patch may refer to what the transaction creates", func(t *testing.T) {
		about := e.must(t, entry("", basicAbout("urn:uuid:0f1e2d3c-0000-4000-8000-00000000000e"), "PUT", "Basic?_id=never"), entry("urn:uuid:0f1e2d3c-0000-4000-8000-00000000000e", amy, "POST", "Patient"))
		parameters := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Basic.subject"},{"name":"value","valueReference":{"reference":"` + urn + `"}}]}]}`
		answers := e.must(t, entry("", parameters, "PATCH", local(about[0])), entry(urn, amy, "POST", "Patient"))
		if got := subject(t, answers[0]); got != local(answers[1]) {
			t.Errorf("it became %s, want %s", got, local(answers[1]))
		}
	})
}

func TestPatchInTransactions(t *testing.T) {
	t.Parallel()
	e := newEnv(t, memory.New())
	e.must(t, entry("", `{"resourceType":"Basic","id":"a","code":{"text":"x"}}`, "PUT", "Basic/a"), entry("", `{"resourceType":"Basic","id":"b","code":{"text":"x"}}`, "PUT", "Basic/b"))
	// [{"op":"replace","path":"/code/text","value":"json"}]
	binary := `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9jb2RlL3RleHQiLCJ2YWx1ZSI6Impzb24ifV0="}`
	parameters := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Basic.code.text"},{"name":"value","valueString":"path"}]}]}`
	answers := e.must(t, entry("", binary, "PATCH", "Basic/a"), entry("", parameters, "PATCH", "Basic?_id=b"))
	if !strings.Contains(string(answers[0].Body), `"json"`) || !strings.Contains(string(answers[1].Body), `"path"`) {
		t.Errorf("G3.5: %s %s", answers[0].Body, answers[1].Body)
	}
}

func TestTransactionsAtTheSameTime(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := newEnv(t, st)
	e.must(t, entry("", `{"resourceType":"Basic","id":"a","code":{"text":"0"}}`, "PUT", "Basic/a"), entry("", `{"resourceType":"Basic","id":"b","code":{"text":"0"}}`, "PUT", "Basic/b"))
	const writers = 16
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			coding := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Basic.code"},{"name":"name","valueString":"coding"},{"name":"value","valueCoding":{"code":"c"}}]}]}`
			if _, err := e.transact(t, entry("", coding, "PATCH", "Basic/a"), entry("", coding, "PATCH", "Basic/b"),
				entry("", patient(`,"identifier":[{"value":"one"}]`), "POST", "Patient", "ifNoneExist", "identifier=one")); err != nil {
				t.Errorf("G4.11: %v", err)
			}
		})
	}
	wg.Wait()
	for _, id := range []string{"a", "b"} {
		res, err := e.repo.Read(t.Context(), fhir.Key{Type: "Basic", ID: id})
		if err != nil || strings.Count(string(res.Body), `"c"`) != writers || res.Version != fmt.Sprint(writers+1) {
			t.Errorf("G4.11: %s at version %s: %s %v", id, res.Version, res.Body, err)
		}
	}
	page, err := e.repo.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 100})
	if err != nil || len(page.Resources) != 1 {
		t.Errorf("G2.11: %d patients, %v", len(page.Resources), err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for claim, test := range map[string]struct {
		text string
		code fhir.IssueCode
	}{
		"G4.10 no JSON":          {`{"resourceType":`, fhir.CodeStructure},
		"G4.10 another resource": {`{"resourceType":"Patient"}`, fhir.CodeInvalid},
		"G4.10 no type":          {`{"resourceType":"Bundle"}`, fhir.CodeInvalid},
		"G4.10 another type":     {`{"resourceType":"Bundle","type":"searchset"}`, fhir.CodeInvalid},
		"G4.10 a null resource":  {`{"resourceType":"Bundle","type":"batch","entry":[{"resource":null}]}`, fhir.CodeStructure},
		"G4.10 entry is no list": {`{"resourceType":"Bundle","type":"batch","entry":{}}`, fhir.CodeStructure},
		"G4.10 a member twice":   {`{"resourceType":"Bundle","type":"batch","type":"batch"}`, fhir.CodeStructure},
		"G4.10 more behind it":   {`{"resourceType":"Bundle","type":"batch"}{}`, fhir.CodeStructure},
		"G4.10 too many entries": {`{"resourceType":"Bundle","type":"batch","entry":[{},{},{}]}`, fhir.CodeTooCostly},
		"G4.10 nothing to do":    {`{"resourceType":"Bundle","type":"batch"}`, ""},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			if _, err := bundle.Parse([]byte(test.text), 2); codeOf(err) != test.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzTransaction(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[` + entry(urn, patient(""), "POST", "Patient", "ifNoneExist", "identifier=x") + "," +
		entry("", basicAbout(urn), "PUT", "Basic?_id=x") + "," + entry("", "", "GET", "Patient?_count=1") + `]}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"batch","entry":[` + entry("", "", "DELETE", "Patient/1", "ifMatch", `W/"1"`) + `]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := newEnv(t, memory.New())
		b, err := bundle.Parse(text, 20)
		if err != nil {
			if code := codeOf(err); strings.HasPrefix(string(code), "untyped") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
		defer cancel()
		if b.Type == "batch" {
			if answers := e.Batch(ctx, b); len(answers) != len(b.Entries) {
				t.Fatalf("%d answers", len(answers))
			}
			return
		}
		answers, err := e.Transaction(ctx, b)
		if code := codeOf(err); strings.HasPrefix(string(code), "untyped") || code == fhir.CodeTransient {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && len(answers) != len(b.Entries) {
			t.Fatalf("%d answers", len(answers))
		}
	})
}
