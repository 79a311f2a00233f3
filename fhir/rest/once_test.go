package rest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/receipt"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// node is a server on real records, as one of several on the same store.
func node(t testing.TB, st store.Store, change func(*Server)) *env {
	t.Helper()
	return newEnv(t, func(s *Server) {
		repo := &record.Repository{Store: st, Base: testBase}
		s.Repository = repo
		s.Search = &search.Parser{Base: testBase, Describe: repo.Describe, DefaultCount: 20, MaxCount: 100, Cursors: s.Search.Cursors}
		s.Bundles = &fhirbundle.Processor{NewID: record.NewID, Indexer: index.Indexer{Base: testBase}}
		s.Receipts = &receipt.Book{Store: st}
		if change != nil {
			change(s)
		}
	})
}

// said is an answer, without what differs each time.
func said(r *httptest.ResponseRecorder) string {
	h := r.Header().Clone()
	for _, name := range []string{"X-Request-Id"} {
		h.Del(name)
	}
	var b strings.Builder
	_ = h.Write(&b)
	return http.StatusText(r.Code) + "\n" + b.String() + "\n" + r.Body.String()
}

const (
	patient = `{"resourceType":"Patient","active":true}`
	changed = `{"resourceType":"Patient","id":"p","active":false}`
)

func TestG2_11_ARequestSentTwiceIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	urn := "urn:uuid:0b9ea1f5-4c1c-4a5e-9d3f-2f1a7f3b9a01"
	bundle := func(kind string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[
			{"request":{"method":"DELETE","url":"Patient/q"}},
			{"fullUrl":"` + urn + `","resource":` + patient + `,"request":{"method":"POST","url":"Patient"}},
			{"resource":` + changed + `,"request":{"method":"PUT","url":"Patient/p"}},
			{"resource":` + patient + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"_id=x"}},
			{"request":{"method":"DELETE","url":"Patient/never"}}]}`
	}
	for _, tt := range []struct {
		claim, method, path, body string
		headers                   []string
		status                    int
	}{
		{"a create", "POST", "/fhir/Patient", patient, nil, 201},
		{"a create, its content not wanted", "POST", "/fhir/Patient", patient, []string{"Prefer", "return=minimal"}, 201},
		{"a create, an outcome wanted", "POST", "/fhir/Patient", patient, []string{"Prefer", "return=OperationOutcome"}, 201},
		{"a conditional create of what is there", "POST", "/fhir/Patient", patient, []string{"If-None-Exist", "_id=x"}, 200},
		{"a conditional create of what is not there", "POST", "/fhir/Patient", patient, []string{"If-None-Exist", "_id=never"}, 201},
		{"an update", "PUT", "/fhir/Patient/p", changed, nil, 200},
		{"an update of a version", "PUT", "/fhir/Patient/p", changed, []string{"If-Match", `W/"1"`}, 200},
		{"a patch", "PATCH", "/fhir/Patient/p", `[{"op":"add","path":"/gender","value":"other"}]`, []string{"Content-Type", mediaPatch}, 200},
		{"a delete", "DELETE", "/fhir/Patient/q", "", nil, 204},
		{"a delete of what is not there", "DELETE", "/fhir/Patient/never", "", nil, 204},
		{"a conditional delete of several", "DELETE", "/fhir/Patient?active=true", "", nil, 204},
		{"a transaction", "POST", "/fhir", bundle("transaction"), nil, 200},
		{"a transaction, its content wanted", "POST", "/fhir", bundle("transaction"), []string{"Prefer", "return=representation"}, 200},
		{"a transaction that changes nothing", "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + patient + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"_id=x"}}]}`, nil, 200},
		{"a batch", "POST", "/fhir", bundle("batch"), nil, 200},
		{"a batch, its content wanted", "POST", "/fhir", bundle("batch"), []string{"Prefer", "return=representation"}, 200},
	} {
		t.Run("G2.11 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			st := memory.New()
			many := func(s *Server) { s.DeleteMany = 5 }
			a, b := node(t, st, many), node(t, st, many)
			for _, id := range []string{"p", "q", "x"} {
				if r := a.do(t, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","active":true}`); r.Code != 201 {
					t.Fatal(r.Code, r.Body)
				}
			}
			headers := append([]string{"Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324"}, tt.headers...)
			first := a.do(t, tt.method, tt.path, tt.body, headers...)
			if first.Code != tt.status {
				t.Fatalf("%d: %s", first.Code, first.Body)
			}
			// What others do meanwhile does not change the answer.
			for _, id := range []string{"p", "x"} {
				a.do(t, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","gender":"male"}`)
			}
			before := history(t, a)
			second := b.do(t, tt.method, tt.path, tt.body, headers...)
			if diff := cmp.Diff(said(first), said(second)); diff != "" {
				t.Errorf("another answer: %s", diff)
			}
			if after := history(t, a); after != before {
				t.Errorf("the history had %s versions, then %s", before, after)
			}
		})
	}
}

// history gives the number of versions of all Patients.
func history(t testing.TB, e *env) string {
	t.Helper()
	r := e.do(t, "GET", "/fhir/Patient/_history", "")
	_, rest, ok := strings.Cut(r.Body.String(), `"total":`)
	total, _, _ := strings.Cut(rest, ",")
	if !ok {
		t.Fatal(r.Body)
	}
	return total
}

func TestG2_8_ADeletionOfTooManyDeletesNothing(t *testing.T) {
	t.Parallel()
	e := node(t, memory.New(), func(s *Server) { s.DeleteMany = 2 })
	for _, id := range []string{"p", "q", "x"} {
		e.do(t, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","active":true}`)
	}
	for path, body := range map[string]string{
		"DELETE /fhir/Patient?active=true": "",
		"POST /fhir":                       `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient?active=true"}}]}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if r := e.do(t, method, path, body); r.Code != 400 || !strings.Contains(r.Body.String(), "too-costly") || !strings.Contains(r.Body.String(), "More than 2") {
			t.Errorf("G2.8 %s: %d: %s", method, r.Code, r.Body)
		}
	}
	if n := history(t, e); n != "3" {
		t.Errorf("G2.8 there are %s versions", n)
	}
	if r := e.do(t, "DELETE", "/fhir/Patient?_id=p,q", ""); r.Code != 204 || history(t, e) != "5" {
		t.Errorf("G2.8 two are deleted: %d, %s versions", r.Code, history(t, e))
	}
}

func TestG2_11_AKeyIsForOneRequest(t *testing.T) {
	t.Parallel()
	e := node(t, memory.New(), nil)
	if r := e.do(t, "POST", "/fhir/Patient", patient, "Idempotency-Key", "k"); r.Code != 201 {
		t.Fatal(r.Code, r.Body)
	}
	for _, tt := range []struct {
		claim, method, path, body string
		headers                   []string
		status                    int
	}{
		{"another body", "POST", "/fhir/Patient", `{"resourceType":"Patient"}`, []string{"Idempotency-Key", "k"}, 422},
		{"another place", "POST", "/fhir/Basic", patient, []string{"Idempotency-Key", "k"}, 422},
		{"another condition", "POST", "/fhir/Patient", patient, []string{"Idempotency-Key", "k", "If-None-Exist", "_id=1"}, 422},
		{"a Bundle", "POST", "/fhir", `{"resourceType":"Bundle","type":"batch"}`, []string{"Idempotency-Key", "k"}, 422},
		{"too long", "POST", "/fhir/Patient", patient, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400},
		{"with a space", "POST", "/fhir/Patient", patient, []string{"Idempotency-Key", "a b"}, 400},
		{"not ASCII", "POST", "/fhir/Patient", patient, []string{"Idempotency-Key", "ø"}, 400},
		{"nothing to do twice", "GET", "/fhir/Patient", "", []string{"Idempotency-Key", "k"}, 200},
	} {
		t.Run("G2.11 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			if r := e.do(t, tt.method, tt.path, tt.body, tt.headers...); r.Code != tt.status {
				t.Errorf("%d, want %d: %s", r.Code, tt.status, r.Body)
			}
		})
	}
	t.Run("G2.11 a request that failed may be sent again", func(t *testing.T) {
		t.Parallel()
		headers := []string{"Idempotency-Key", "f", "If-Match", `W/"1"`}
		if r := e.do(t, "PUT", "/fhir/Patient/p", changed, headers...); r.Code != 412 {
			t.Fatal(r.Code, r.Body)
		}
		if r := e.do(t, "PUT", "/fhir/Patient/p", changed); r.Code != 201 {
			t.Fatal(r.Code, r.Body)
		}
		if r := e.do(t, "PUT", "/fhir/Patient/p", changed, headers...); r.Code != 200 {
			t.Error(r.Code, r.Body)
		}
	})
	t.Run("G2.11 while it is under way the same is 409", func(t *testing.T) {
		t.Parallel()
		release, err := e.hold(&request{Request: &http.Request{Method: "POST", URL: mustURL(t, "/Patient"), Header: http.Header{"Idempotency-Key": {"u"}, "Content-Type": {mediaFHIR}}}, ctx: t.Context(), path: "/Patient"}, []byte(patient))
		if err != nil {
			t.Fatal(err)
		}
		r := e.do(t, "POST", "/fhir/Patient", patient, "Idempotency-Key", "u")
		if r.Code != 409 || r.Header().Get("Retry-After") == "" || !strings.Contains(r.Body.String(), string(fhir.CodeLocked)) {
			t.Errorf("%d %v: %s", r.Code, r.Header(), r.Body)
		}
		release()
		if r := e.do(t, "POST", "/fhir/Patient", patient, "Idempotency-Key", "u"); r.Code != 201 {
			t.Errorf("afterwards: %d: %s", r.Code, r.Body)
		}
	})
	t.Run("G2.11 without receipts a key is refused", func(t *testing.T) {
		t.Parallel()
		e := node(t, memory.New(), func(s *Server) { s.Receipts = nil })
		if r := e.do(t, "POST", "/fhir/Patient", patient, "Idempotency-Key", "k"); r.Code != 400 {
			t.Errorf("%d: %s", r.Code, r.Body)
		}
	})
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
