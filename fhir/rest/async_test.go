package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/job"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// deferring is a node that takes jobs, and carries them out when working.
func deferring(t testing.TB, st store.Store, working bool, change func(*Server)) *env {
	t.Helper()
	e := node(t, st, func(s *Server) {
		// A third of the lease is how often a node looks for the jobs of others.
		s.Jobs = &job.Queue{Store: st, NewID: record.NewID, Limits: job.Limits{Lease: 6 * time.Second, Kept: 3}, Log: s.Log}
		if change != nil {
			change(s)
		}
	})
	if working {
		work(t, e)
	}
	return e
}

// work carries out jobs until the test ends, or the function is called.
func work(t testing.TB, e *env) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	wait := e.serveJobs(ctx)
	stop = func() {
		cancel()
		wait()
	}
	t.Cleanup(stop)
	return stop
}

const creates = `{"resourceType":"Bundle","type":"transaction","entry":[
	{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}},
	{"resource":{"resourceType":"Patient","id":"p"},"request":{"method":"PUT","url":"Patient/p"}}]}`

// submit gives the path of a job.
func submit(t testing.TB, e *env, method, path, body string, headers ...string) string {
	t.Helper()
	r := e.do(t, method, path, body, append([]string{"Prefer", "respond-async"}, headers...)...)
	at := r.Header().Get("Content-Location")
	if r.Code != 202 || !strings.HasPrefix(at, testBase+"/_async/") {
		t.Fatalf("%d, Content-Location %q: %s", r.Code, at, r.Body)
	}
	return strings.TrimPrefix(at, "http://localhost:8080")
}

// outcomeOf waits for the answer of a job: its status and what was answered.
func outcomeOf(t testing.TB, e *env, path string, headers ...string) (status, answer string) {
	t.Helper()
	var r *httptest.ResponseRecorder
	if !patience.Until(func() bool {
		r = e.do(t, "GET", path, "", headers...)
		return r.Code != 202 || r.Header().Get("X-Progress") == "" || r.Header().Get("Retry-After") == ""
	}) {
		t.Fatal("the job does not end")
	}
	if r.Code != 200 {
		t.Fatalf("%d %v: %s", r.Code, r.Header(), r.Body)
	}
	var b struct {
		Type  string
		Entry []struct {
			Resource json.RawMessage
			Response struct {
				Status  string
				Outcome json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(r.Body.Bytes(), &b); err != nil || b.Type != "batch-response" || len(b.Entry) != 1 {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return b.Entry[0].Response.Status, string(b.Entry[0].Resource) + string(b.Entry[0].Response.Outcome)
}

func TestG8_6_RequestsAreCarriedOutBehindTheClientsBack(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		e := deferring(t, st, true, nil)
		for _, tt := range []struct {
			claim, method, path, body, status string
			contains                          []string
		}{
			{"a transaction", "POST", "/fhir", creates, "200 OK", []string{`"transaction-response"`, `"status":"201 Created","location":"` + testBase + `/Patient/`}},
			{"a batch", "POST", "/fhir", strings.Replace(creates, "transaction", "batch", 1), "200 OK", []string{`"batch-response"`, `"status":"201 Created"`}},
			{"a batch that reads", "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient?_id=p"}},{"request":{"method":"GET","url":"Patient/p"}}]}`, "200 OK", []string{`"searchset"`, `"id":"p"`}},
			{"a transaction that fails", "POST", "/fhir", strings.Replace(creates, `"url":"Patient/p"`, `"url":"Patient/p","ifMatch":"W/\"77\""`, 1), "412 Precondition Failed", []string{`"OperationOutcome"`, `Bundle.entry[1]`}},
			{"a search", "GET", "/fhir/Patient?_id=p", "", "200 OK", []string{`"searchset"`, `"id":"p"`}},
			{"a search that fails", "GET", "/fhir/Patient?nonsense=1", "", "400 Bad Request", []string{"nonsense"}},
		} {
			path := submit(t, e, tt.method, tt.path, tt.body)
			status, answer := outcomeOf(t, e, path)
			if status != tt.status {
				t.Errorf("G8.6 %s: %s: %s", tt.claim, status, answer)
			}
			for _, part := range tt.contains {
				if !strings.Contains(answer, part) {
					t.Errorf("G8.6 %s: no %s in %s", tt.claim, part, answer)
				}
			}
			if r := e.do(t, "DELETE", path, ""); r.Code != 202 {
				t.Errorf("G8.6 %s: DELETE gives %d", tt.claim, r.Code)
			}
			if r := e.do(t, "GET", path, ""); r.Code != 404 {
				t.Errorf("G8.6 %s: after DELETE: %d", tt.claim, r.Code)
			}
		}
		if r := e.do(t, "POST", "/fhir/Patient", patient, "Prefer", "respond-async"); r.Code != 201 {
			t.Errorf("G8.6 what is quick is answered at once: %d", r.Code)
		}
		for _, bad := range []string{"{", `{"resourceType":"Bundle","type":"collection"}`} {
			if r := e.do(t, "POST", "/fhir", bad, "Prefer", "respond-async"); r.Code != 400 {
				t.Errorf("G8.6 what is no batch or transaction is refused at once: %d", r.Code)
			}
		}
		for _, path := range []string{"/fhir/_async/never", "/fhir/_async/a%20b", "/fhir/_async"} {
			if r := e.do(t, "GET", path, ""); r.Code != 404 {
				t.Errorf("%s: %d", path, r.Code)
			}
		}
	})
}

func TestG8_6_JobsAreBounded(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		e := deferring(t, st, false, nil)
		var first string
		for range 3 {
			first = submit(t, e, "POST", "/fhir", creates)
		}
		if r := e.do(t, "POST", "/fhir", creates, "Prefer", "respond-async"); r.Code != 429 || r.Header().Get("Retry-After") == "" {
			t.Errorf("%d: %s", r.Code, r.Body)
		}
		e.do(t, "DELETE", first, "")
		submit(t, e, "POST", "/fhir", creates)
	})
}

func TestG8_6_ACancelledJobIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		e := deferring(t, st, false, nil)
		gone, kept := submit(t, e, "POST", "/fhir", strings.ReplaceAll(creates, "p\"", "gone\"")), submit(t, e, "POST", "/fhir", creates)
		if r := e.do(t, "DELETE", gone, ""); r.Code != 202 {
			t.Fatal(r.Code, r.Body)
		}
		if r := e.do(t, "DELETE", gone, ""); r.Code != 404 {
			t.Error(r.Code, r.Body)
		}
		work(t, e)
		outcomeOf(t, e, kept)
		if r := e.do(t, "GET", "/fhir/Patient/gone", ""); r.Code != 404 {
			t.Errorf("it was carried out: %d", r.Code)
		}
	})
}

// dying is a store under a process that dies before it has kept the answer of a job.
type dying struct {
	store.Store
	dead atomic.Bool
}

var errDead = errors.New("dead")

// Apply implements store.Store.
func (d *dying) Apply(ctx context.Context, ops []store.Op) error {
	if len(ops) > 0 && ops[0].Collection == "portico_job_parts" && strings.Contains(string(ops[0].Doc), "/out/") {
		d.dead.Store(true)
	}
	if d.dead.Load() {
		return errDead
	}
	return d.Store.Apply(ctx, ops)
}

func TestG8_6_AJobIsCarriedOutOnceAlsoWhenTheServerDies(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		a := deferring(t, &dying{Store: st}, false, nil)
		b := deferring(t, st, false, func(s *Server) { // by its clock a is silent since long
			s.Jobs.Now = func() time.Time { return time.Now().Add(time.Hour) }
		})
		path := submit(t, a, "POST", "/fhir", creates)
		work(t, a)
		if !patience.Until(func() bool { return history(t, b) == "2" }) {
			t.Fatal("the job is not carried out")
		}
		work(t, b)
		status, answer := outcomeOf(t, b, path)
		if status != "200 OK" || strings.Count(answer, "201 Created") != 2 {
			t.Errorf("%s: %s", status, answer)
		}
		if n := history(t, b); n != "2" {
			t.Errorf("there are %s versions", n)
		}
	})
}

func TestG8_6_AJobThatCannotEndIsGivenUpTruthfully(t *testing.T) {
	t.Parallel()
	for claim, carriedOut := range map[string]bool{"nothing was done": false, "it was done": true} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			e := node(t, backends.All()["memory"](t), nil)
			j := job.Job{ID: "j", Attempt: job.MaxAttempts + 1, Request: job.Request{
				Method: "POST", Path: "", Base: testBase, Header: http.Header{"Content-Type": {mediaFHIR}}, Body: []byte(creates),
			}}
			if carriedOut {
				if a := e.runJob(t.Context(), j, func(string) {}); a.Status != 200 {
					t.Fatalf("%d: %s", a.Status, a.Body)
				}
			}
			a := e.giveUp(t.Context(), j)
			if a.Status != 500 || strings.Contains(string(a.Body), "The transaction was carried out.") != carriedOut || strings.Contains(string(a.Body), "Nothing was changed.") == carriedOut {
				t.Errorf("%d: %s", a.Status, a.Body)
			}
		})
	}
}

func TestG8_6_AJobIsForItsCallerOnly(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		var gone atomic.Bool // is the token of tom
		who := func(s *Server) {
			s.Authenticate = func(ctx context.Context, h http.Header) (context.Context, Caller, error) {
				token, err := Bearer(h)
				if token == "tom" && gone.Load() {
					err = fhir.Errorf(fhir.CodeLogin, "", "The access token is not valid.")
				}
				if token == "amy-for-tom" {
					token = "tom"
				}
				return context.WithValue(ctx, whoKey{}, token), Caller{Name: token, Client: "app-of-" + token}, err
			}
		}
		e, idle := deferring(t, st, false, who), deferring(t, st, false, who)
		stop := work(t, e)
		path := submit(t, e, "POST", "/fhir", creates, "Authorization", "Bearer amy")
		if status, answer := outcomeOf(t, e, path, "Authorization", "Bearer amy"); status != "200 OK" {
			t.Errorf("%s: %s", status, answer)
		}
		stop()
		named := 0
		for line := range strings.Lines(e.log.String()) {
			if strings.Contains(line, `"interaction":"transaction"`) && strings.Contains(line, `"client":"app-of-amy"`) {
				named++
			}
		}
		if named != 2 { // when it was submitted and when it was carried out
			t.Errorf("the log says %d times whose job it was: %s", named, e.log)
		}
		for _, method := range []string{"GET", "DELETE"} {
			if r := e.do(t, method, path, "", "Authorization", "Bearer tom"); r.Code != 404 {
				t.Errorf("%s by another: %d", method, r.Code)
			}
		}
		// A token that is ended meanwhile is not good any more.
		ended := submit(t, idle, "POST", "/fhir", creates, "Authorization", "Bearer tom")
		gone.Store(true)
		work(t, idle)
		if status, answer := outcomeOf(t, idle, ended, "Authorization", "Bearer amy-for-tom"); status != "401 Unauthorized" {
			t.Errorf("%s: %s", status, answer)
		}
		// A server that knows nothing of who submitted it cannot carry it out for them.
		lost := submit(t, e, "POST", "/fhir", creates, "Authorization", "Bearer amy")
		status, answer := outcomeOf(t, idle, lost, "Authorization", "Bearer amy")
		if status != "401 Unauthorized" || !strings.Contains(answer, "Nothing was changed") || !strings.Contains(answer, string(fhir.CodeLogin)) {
			t.Errorf("%s: %s", status, answer)
		}
	})
}
