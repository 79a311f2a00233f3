package job

import (
	"context"
	"testing"
	"time"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// nodes are two processes on one store, with a clock of the test's.
func nodes(t *testing.T) (a, b *Queue, now *time.Time) {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	at := time.Now()
	made := 0
	one := func() *Queue {
		q := &Queue{
			Store: st,
			NewID: func() string { made++; return string(rune('a' + made)) },
			Run: func(_ context.Context, j Job, _ func(string)) Answer {
				return Answer{Status: 200, Body: j.Request.Body}
			},
			GiveUp: func(_ context.Context, j Job) Answer { return Answer{Status: 500, Body: j.Request.Body} },
			Now:    func() time.Time { return at },
		}
		if err := q.declare(t.Context()); err != nil {
			t.Fatal(err)
		}
		return q
	}
	return one(), one(), &at
}

func submit(t *testing.T, q *Queue) string {
	t.Helper()
	id, err := q.Submit(t.Context(), "amy", Request{Method: "GET", Path: "/Patient", Body: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// taken carries out what a node takes, and reports whether there was something.
func taken(t *testing.T, q *Queue) bool {
	t.Helper()
	j, found, err := q.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found {
		q.carryOut(t.Context(), j)
	}
	return found
}

func TestG8_6_AJobWaitsForTheNodeThatKnowsItsCaller(t *testing.T) {
	t.Parallel()
	a, b, now := nodes(t)
	submit(t, a)
	if taken(t, b) {
		t.Fatal("another node takes what it cannot be permitted")
	}
	*now = now.Add(29 * time.Second)
	a.hold(t.Context())
	*now = now.Add(29 * time.Second)
	if taken(t, b) {
		t.Error("another node takes it from one that is there")
	}
	if !taken(t, a) {
		t.Error("its node does not carry it out")
	}
	submit(t, a)
	*now = now.Add(31 * time.Second)
	if !taken(t, b) {
		t.Error("what a silent node has is carried out by none")
	}
	if a.hold(t.Context()); len(a.here) != 0 {
		t.Errorf("what others have done is remembered: %v", a.here)
	}
}

func TestG8_6_AJobWhoseNodeEndsIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	a, b, _ := nodes(t)
	submit(t, a)
	ctx, end := context.WithCancel(t.Context())
	a.Run = func(ctx context.Context, _ Job, _ func(string)) Answer {
		end()
		<-ctx.Done()
		return Answer{}
	}
	j, found, err := a.take(ctx)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	a.carryOut(ctx, j)
	if !taken(t, b) {
		t.Error("it waits for a node that is gone")
	}
}

func TestG8_6_AJobThatCannotBeReadIsGivenUp(t *testing.T) {
	t.Parallel()
	a, _, _ := nodes(t)
	id := submit(t, a)
	if err := a.Store.Apply(t.Context(), []store.Op{{Kind: store.Delete, Collection: parts, ID: store.String(partID(id, "in", 0))}}); err != nil {
		t.Fatal(err)
	}
	for range MaxAttempts + 1 {
		if !taken(t, a) {
			t.Fatal("it is not tried again")
		}
	}
	if j, err := a.Find(t.Context(), "amy", id); err != nil || j.State != Done || j.Status != 500 {
		t.Errorf("it is %s with %d: %v", j.State, j.Status, err)
	}
	if taken(t, a) {
		t.Error("it is tried for ever")
	}
}
