package review_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/review"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

const chart = `
chartmap: 1
maps:
- name: person
  resource: Patient
  from: review_people
  id: _id
  version: rev
  review: [name, maritalStatus]
  writable: [create, update, delete]
  elements:
    name: { $list1: { family: last } }
    birthDate: { $from: dob, $as: date }
- name: order
  resource: ServiceRequest
  from: review_orders
  id: _id
  version: rev
  review: { of: [patient, clinician] }
  writable: [create, update, delete]
  elements:
    status: { $const: active }
    intent: { $const: order }
    subject: { $ref: Patient, $from: pid }
    patientInstruction: { $from: text, $writableBy: patient }
`

var (
	amy    = fhir.Key{Type: "Patient", ID: "amy"}
	order  = fhir.Key{Type: "ServiceRequest", ID: "o1"}
	self   = commit.Actor{Role: "patient", Self: []fhir.Key{amy}}
	staff  = commit.Actor{Role: "staff", Self: []fhir.Key{{Type: "Practitioner", ID: "p"}}}
	doctor = commit.Actor{Role: "clinician"}
)

type env struct {
	*testing.T
	repo *review.Repository
	st   store.Store
}

func newEnv(t *testing.T, st store.Store) *env {
	t.Helper()
	m, err := chartmap.Load([]byte(chart), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := &env{t, nil, st}
	e.repo = &review.Repository{Repository: &router.Router{Mapped: &chartmap.Repository{Store: st, Map: m}, Records: &record.Repository{Store: st}}}
	e.apply("review_people", bson.D{{Key: "_id", Value: "amy"}, {Key: "last", Value: "Shaw"}, {Key: "dob", Value: "1980-01-01"}, {Key: "own", Value: 1}, {Key: "rev", Value: 1}})
	e.apply("review_orders", bson.D{{Key: "_id", Value: "o1"}, {Key: "pid", Value: "amy"}, {Key: "rev", Value: 1}})
	return e
}

func (e *env) apply(collection string, d bson.D) {
	e.Helper()
	doc, err := bson.Marshal(d)
	if err != nil {
		e.Fatal(err)
	}
	op := store.Op{Kind: store.Insert, Collection: collection, Doc: doc}
	if n, err := e.st.Count(e.Context(), store.Query{Collection: collection, Where: store.Eq{Path: "_id", Value: store.ID(doc)}}); err == nil && n > 0 {
		op = store.Op{Kind: store.Replace, Collection: collection, ID: store.ID(doc), Doc: doc}
	}
	if err := e.st.Apply(e.Context(), []store.Op{op}); err != nil {
		e.Fatal(err)
	}
}

// commit makes one change; it gives the error's code and path, or "".
func (e *env) commit(who commit.Actor, c fhir.Change) (fhir.Result, string) {
	e.Helper()
	results, err := e.repo.Commit(commit.As(e.Context(), who), []fhir.Change{c})
	if err != nil {
		return fhir.Result{}, refused(e, err)
	}
	return results[0], ""
}

func refused(t *env, err error) string {
	t.Helper()
	var told *fhir.Error
	if !errors.As(err, &told) {
		t.Fatal(err)
	}
	return string(told.Code()) + " " + told.Issues[0].Path
}

func (e *env) body(key fhir.Key) string {
	e.Helper()
	res, err := e.repo.Read(e.Context(), key)
	if err != nil {
		return "none"
	}
	return string(res.Body)
}

// with gives a resource as it is stored with one member more, or another.
func (e *env) with(key fhir.Key, member, value string) fhir.Change {
	e.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(e.body(key)), &m); err != nil {
		e.Fatal(err)
	}
	m[member] = json.RawMessage(value)
	if value == "" {
		delete(m, member)
	}
	body, err := json.Marshal(m)
	if err != nil {
		e.Fatal(err)
	}
	return fhir.Change{Method: fhir.Put, Key: key, Body: body}
}

// propose makes a change that has to be looked at, and gives its Task.
func (e *env) propose(who commit.Actor, c fhir.Change) fhir.Key {
	e.Helper()
	before := e.body(c.Key)
	result, why := e.commit(who, c)
	if why != "" || result.Status != fhir.Proposed || result.Resource.Type != "Task" || result.Resource.Body != nil {
		e.Fatalf("%+v, %s", result, why)
	}
	if after := e.body(c.Key); after != before {
		e.Fatalf("was changed at once: %s", after)
	}
	task := e.body(result.Resource.Key)
	if _, err := (&schema.Validator{}).Validate([]byte(task), "Task"); err != nil {
		e.Fatalf("%v\n%s", err, task)
	}
	return result.Resource.Key
}

func each(t *testing.T, f func(e *env)) {
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(newEnv(t, open(t)))
		})
	}
}

func TestWhatIsAcceptedIsWrittenWithItsTask(t *testing.T) {
	t.Parallel()
	each(t, func(e *env) {
		task := e.propose(self, e.with(amy, "name", `[{"family":"Doe"}]`))
		var told struct {
			Status, Intent        string
			Focus, For, Requester struct{ Reference string }
		}
		if err := json.Unmarshal([]byte(e.body(task)), &told); err != nil {
			e.Fatal(err)
		}
		if got := []string{told.Status, told.Intent, told.Focus.Reference, told.For.Reference, told.Requester.Reference}; !cmp.Equal(got, []string{"requested", "proposal", "Patient/amy", "Patient/amy", "Patient/amy"}) {
			e.Errorf("the Task says %v", got)
		}
		// The EHR changes something else meanwhile.
		e.apply("review_people", bson.D{{Key: "_id", Value: "amy"}, {Key: "last", Value: "Shaw"}, {Key: "dob", Value: "1980-01-02"}, {Key: "own", Value: 2}, {Key: "rev", Value: 2}})
		result, why := e.commit(staff, e.with(task, "status", `"completed"`))
		if why != "" || result.Status != fhir.Updated || result.Resource.Key != task || !strings.Contains(string(result.Resource.Body), `"output":[{"type":{"text":"result"},"valueReference":{"reference":"Patient/amy"}}]`) {
			e.Errorf("%+v %s, %s", result, result.Resource.Body, why)
		}
		if body := e.body(amy); !strings.Contains(body, `"Doe"`) || !strings.Contains(body, "1980-01-02") || !strings.Contains(body, `"versionId":"3"`) {
			e.Error(body)
		}
		for claim, change := range map[string]fhir.Change{
			"decided once more": e.with(task, "status", `"rejected"`),
			"deleted":           {Method: fhir.Delete, Key: task},
		} {
			if _, why := e.commit(staff, change); !strings.HasPrefix(why, "business-rule Task") {
				e.Errorf("%s: %s", claim, why)
			}
		}
	})
}

func TestWhatTheEHRChangedMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	each(t, func(e *env) {
		task := e.propose(self, e.with(amy, "name", `[{"family":"Doe"}]`))
		e.apply("review_people", bson.D{{Key: "_id", Value: "amy"}, {Key: "last", Value: "Roe"}, {Key: "rev", Value: 2}})
		before := e.body(amy)
		if _, why := e.commit(staff, e.with(task, "status", `"completed"`)); why != "business-rule Task.status" {
			e.Error(why)
		}
		if e.body(amy) != before || !strings.Contains(e.body(task), `"requested"`) {
			e.Errorf("%s\n%s", e.body(amy), e.body(task))
		}
		if result, why := e.commit(staff, e.with(task, "status", `"rejected"`)); why != "" || result.Status != fhir.Updated {
			e.Error(why)
		}
		if e.body(amy) != before {
			e.Error("what was rejected was written")
		}
	})
}

func TestCreationsAndDeletionsWaitToo(t *testing.T) {
	t.Parallel()
	each(t, func(e *env) {
		wanted := []byte(`{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/amy"},"patientInstruction":"fasting"}`)
		result, why := e.commit(self, fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "ServiceRequest"}, Body: wanted})
		if why != "" || result.Status != fhir.Proposed {
			e.Fatalf("%+v %s", result, why)
		}
		count := func() int64 {
			n, err := e.st.Count(e.Context(), store.Query{Collection: "review_orders"})
			if err != nil {
				e.Fatal(err)
			}
			return n
		}
		if count() != 1 || !strings.Contains(e.body(result.Resource.Key), `"for":{"reference":"Patient/amy"}`) {
			e.Errorf("%d orders, %s", count(), e.body(result.Resource.Key))
		}
		// As the patient, who alone may write the instruction.
		if _, why := e.commit(staff, e.with(result.Resource.Key, "status", `"completed"`)); why != "" || count() != 2 {
			e.Errorf("%d orders, %s", count(), why)
		}
		task := e.propose(doctor, fhir.Change{Method: fhir.Delete, Key: order})
		if _, why := e.commit(doctor, e.with(task, "status", `"completed"`)); why != "" || e.body(order) != "none" {
			e.Errorf("%s: %s", e.body(order), why)
		}
		orphan := e.propose(self, e.with(amy, "name", `[{"family":"Doe"}]`))
		if _, why := e.commit(staff, fhir.Change{Method: fhir.Delete, Key: amy}); why != "" {
			e.Fatal(why)
		}
		if _, why := e.commit(staff, e.with(orphan, "status", `"completed"`)); why != "business-rule Task.focus" {
			e.Error(why)
		}
	})
}

func TestWhatDoesNotWait(t *testing.T) {
	t.Parallel()
	each(t, func(e *env) {
		if result, why := e.commit(self, e.with(amy, "birthDate", `"1981-01-01"`)); why != "" || result.Status != fhir.Updated {
			e.Errorf("another element: %+v, %s", result, why)
		}
		if result, why := e.commit(staff, e.with(amy, "name", `[{"family":"Doe"}]`)); why != "" || result.Status != fhir.Updated {
			e.Errorf("of others: %+v, %s", result, why)
		}
		if result, why := e.commit(self, e.with(amy, "name", `[{"family":"Doe"}]`)); why != "" || result.Status != fhir.Unchanged {
			e.Errorf("nothing new: %+v, %s", result, why)
		}
		if _, why := e.commit(self, e.with(amy, "modifierExtension", `[{"url":"urn:x","valueBoolean":true}]`)); why != "business-rule Patient.modifierExtension" {
			e.Errorf("what is refused anyway: %s", why)
		}
		task := e.propose(self, e.with(amy, "maritalStatus", `{"text":"married"}`)) // has no rule
		if _, why := e.commit(staff, e.with(task, "status", `"completed"`)); why != "" || !strings.Contains(e.body(amy), "married") {
			e.Errorf("%s: %s", e.body(amy), why)
		}
	})
}

func TestAProposalIsWhatItsWriterProposed(t *testing.T) {
	t.Parallel()
	each(t, func(e *env) {
		task := e.propose(self, e.with(amy, "name", `[{"family":"Doe"}]`))
		forged := []byte(e.body(task))
		for claim, tt := range map[string]struct {
			who    commit.Actor
			change fhir.Change
			want   string
		}{
			"decided by its writer":      {self, e.with(task, "status", `"completed"`), "forbidden Task"},
			"forged":                     {staff, fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "Task"}, Body: forged}, "forbidden Task.code"},
			"forged under an id":         {staff, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Task", ID: "mine"}, Body: forged}, "forbidden Task.code"},
			"with another content":       {staff, e.with(task, "input", `[]`), "business-rule Task.input"},
			"no proposal any more":       {staff, e.with(task, "code", `{"text":"x"}`), "business-rule Task.code"},
			"of another":                 {staff, e.with(task, "requester", `{"reference":"Patient/x"}`), "business-rule Task.requester"},
			"in a state that it has not": {staff, e.with(task, "status", `"cancelled"`), "business-rule Task.status"},
			"deleted":                    {staff, fhir.Change{Method: fhir.Delete, Key: task}, "business-rule Task"},
		} {
			if _, why := e.commit(tt.who, tt.change); why != tt.want {
				e.Errorf("%s: %q, want %q", claim, why, tt.want)
			}
		}
		if !bytes.Equal(forged, []byte(e.body(task))) {
			e.Error("the Task is another")
		}
		if _, why := e.commit(staff, e.with(task, "status", `"received"`)); why != "" || strings.Contains(e.body(amy), "Doe") {
			e.Error(why)
		}
		other := fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "Task"}, Body: []byte(`{"resourceType":"Task","status":"draft","intent":"order"}`)}
		if result, why := e.commit(staff, other); why != "" || result.Status != fhir.Created {
			e.Errorf("a Task of another kind: %s", why)
		}
		_, err := e.repo.Commit(commit.As(e.Context(), self), []fhir.Change{e.with(amy, "name", `[{"family":"Doe"}]`), other})
		if refused(e, err) != "business-rule " {
			e.Errorf("together with others: %v", err)
		}
	})
}

// TestWhatIsPutBesideAProposalSeesIt holds for receipts, which are written with what they are for.
func TestWhatIsPutBesideAProposalSeesIt(t *testing.T) {
	t.Parallel()
	each(t, func(e *env) {
		var seen []fhir.Result
		ctx := commit.Beside(commit.As(e.Context(), self), func(results []fhir.Result) ([]store.Op, error) {
			seen = results
			return nil, nil
		})
		results, err := e.repo.Commit(ctx, []fhir.Change{e.with(amy, "name", `[{"family":"Doe"}]`)})
		if err != nil || len(seen) != 1 || seen[0].Status != fhir.Proposed || seen[0].Resource.Key != results[0].Resource.Key {
			e.Fatalf("%v, %v", seen, err)
		}
		ctx = commit.Beside(commit.As(context.WithoutCancel(e.Context()), staff), func(results []fhir.Result) ([]store.Op, error) {
			seen = results
			return nil, nil
		})
		if _, err := e.repo.Commit(ctx, []fhir.Change{e.with(results[0].Resource.Key, "status", `"completed"`)}); err != nil || len(seen) != 1 || seen[0].Resource.Type != "Task" {
			e.Errorf("%v, %v", seen, err)
		}
	})
}
