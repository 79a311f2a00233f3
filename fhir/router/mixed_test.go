package router_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/write"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
	"github.com/portico-fhir/portico/testdata/clinic"
)

const base = "https://clinic.example/fhir"

// mixed is the people of the demo clinic with records beside them.
func mixed(t *testing.T, open func(testing.TB) store.Store) *router.Router {
	t.Helper()
	st := open(t)
	t.Cleanup(func() { st.Close() })
	var ops []store.Op
	for doc, err := range clinic.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		if doc.Collection == "patients" || doc.Collection == "staff" {
			ops = append(ops, store.Op{Kind: store.Insert, Collection: clinic.Database + "." + doc.Collection, Doc: doc.Body})
		}
	}
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	m, err := chartmap.Load(clinic.ChartMap(), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &router.Router{
		Mapped:  &chartmap.Repository{Store: st, Map: m, Base: base, Now: clinic.Today},
		Records: &record.Repository{Store: st, Base: base, Now: clinic.Today},
	}
}

var (
	amy     = fhir.Key{Type: "Patient", ID: "amy-shaw"}
	allergy = fhir.Key{Type: "AllergyIntolerance", ID: "nuts"}
)

func renumbered(t *testing.T, r fhir.Repository, number string) []byte {
	t.Helper()
	res, err := r.Read(t.Context(), amy)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(res.Body, []byte("+47 00 91 05 12"), []byte(number), 1)
}

func nuts() fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: allergy, Body: []byte(`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/amy-shaw"}}`)}
}

// missing reports whether there is no such resource.
func missing(t *testing.T, r fhir.Repository, key fhir.Key) bool {
	t.Helper()
	_, err := r.Read(t.Context(), key)
	var told *fhir.Error
	return errors.As(err, &told) && told.Code() == fhir.CodeNotFound
}

func TestTheEHRAndTheRecordsAreWrittenAllOrNothing(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := mixed(t, open)
			change := fhir.Change{Method: fhir.Put, Key: amy, Body: renumbered(t, r, "+47 00 11 11 11")}
			bad := change
			bad.IfMatch = "1"
			for claim, changes := range map[string][]fhir.Change{
				"the EHR refuses":     {nuts(), bad},
				"the records refuse":  {change, {Method: fhir.Put, Key: allergy, Body: nuts().Body, IfMatch: "1"}},
				"what stands beside ": {change, nuts()},
			} {
				ctx := t.Context()
				if strings.HasPrefix(claim, "what") {
					ctx = commit.Beside(ctx, func([]fhir.Result) ([]store.Op, error) { return nil, errors.New("no") })
				}
				if _, err := r.Commit(ctx, changes); err == nil {
					t.Errorf("%s: written", claim)
				}
				if renumber := renumbered(t, r, "x"); !bytes.Contains(renumber, []byte(`"x"`)) || !missing(t, r, allergy) {
					t.Errorf("%s: half of it was written", claim)
				}
			}
			results, err := r.Commit(t.Context(), []fhir.Change{nuts(), change})
			if err != nil {
				t.Fatal(err)
			}
			if results[0].Resource.Key != allergy || results[1].Resource.Key != amy || results[1].Resource.Version != "4" {
				t.Errorf("results %v", results)
			}
			if now := renumbered(t, r, "x"); !bytes.Contains(now, []byte("+47 00 11 11 11")) || missing(t, r, allergy) {
				t.Error("half of it was written")
			}
		})
	}
}

type valid struct{}

func (valid) Validate(body []byte, want fhir.Type) (schema.Info, error) {
	return (&schema.Validator{Base: base}).Validate(body, want)
}

func TestATransactionCreatesInTheEHRAndRefersToIt(t *testing.T) {
	t.Parallel()
	r := mixed(t, backends.All()["memory"])
	p := &bundle.Processor{
		Base: base, NewID: record.NewID, Writer: &write.Writer{Repository: r, Validator: valid{}},
		Search: &search.Parser{Base: base, Describe: r.Describe, DefaultCount: 10, MaxCount: 100},
	}
	answers, err := transact(t.Context(), p, `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:5d2b3a1e-7b3c-4a44-9a50-0d8c6d1e6f01","request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation","status":"final",
			"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/amy-shaw"},
			"valueQuantity":{"value":61,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"}}},
		{"request":{"method":"POST","url":"Flag"},"resource":{"resourceType":"Flag","status":"active","code":{"text":"calm"},
			"subject":{"reference":"Patient/amy-shaw"},"extension":[{"url":"urn:because","valueReference":{"reference":"urn:uuid:5d2b3a1e-7b3c-4a44-9a50-0d8c6d1e6f01"}}]}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(answers[0].Location, "/fhir/Observation/")
	id, _, _ := strings.Cut(after, "/")
	if !strings.HasSuffix(id, "-hr") || missing(t, r, fhir.Key{Type: "Observation", ID: id}) {
		t.Errorf("the Observation is %q", answers[0].Location)
	}
	if !bytes.Contains(answers[1].Body, []byte(`"Observation/`+id+`"`)) {
		t.Errorf("the Flag refers elsewhere: %s", answers[1].Body)
	}
}

func transact(ctx context.Context, p *bundle.Processor, text string) ([]bundle.Answer, error) {
	b, err := bundle.Parse([]byte(text), 10)
	if err != nil {
		return nil, err
	}
	return p.Transaction(ctx, b)
}
