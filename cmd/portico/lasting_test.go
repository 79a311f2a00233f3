package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// gate is a store that holds some writes up until their contexts end.
type gate struct {
	store.Store
	holds   func(ops []store.Op) bool
	reached chan struct{} // gets one for each that is held up
}

func (g *gate) Apply(ctx context.Context, ops []store.Op) error {
	if g.holds(ops) {
		g.reached <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return g.Store.Apply(ctx, ops)
}

// called is a command under way.
type called struct {
	out, err bytes.Buffer
	failed   error
	leave    context.CancelCauseFunc
	done     sync.WaitGroup
}

func callCommand(uri string, args ...string) *called {
	ctx, leave := context.WithCancelCause(context.Background())
	c := &called{leave: leave}
	c.done.Go(func() {
		c.failed = run(ctx, append(args, "--store", uri), func(string) string { return "" }, streams{strings.NewReader(""), &c.out, &c.err})
	})
	return c
}

// wants waits until the command has failed, and for what it says then.
func (c *called) wants(t *testing.T, parts ...string) {
	t.Helper()
	c.done.Wait()
	for _, part := range parts {
		if c.failed == nil || !strings.Contains(c.failed.Error(), part) {
			t.Errorf("it says %v, and not %q", c.failed, part)
		}
	}
}

// nth holds up the n-th write that begins with such an op.
func nth(n int, is func(op store.Op) bool) func([]store.Op) bool {
	var mu sync.Mutex
	return func(ops []store.Op) bool {
		if !is(ops[0]) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		n--
		return n == 0
	}
}

// fill writes n Observations through the resources of a server.
func fill(t *testing.T, o office, n int) {
	t.Helper()
	var changes []fhir.Change
	for i := range n {
		changes = append(changes, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Observation", ID: fmt.Sprintf("o%04d", i)}, Body: []byte(
			`{"resourceType":"Observation","status":"final","code":{"text":"pulse"},"effectiveDateTime":"2024-01-01"}`)})
	}
	if _, err := o.types.Commit(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

// gated makes a store that holds up a write, and the office of a server on it.
func gated(t *testing.T, holds func([]store.Op) bool) (uri string, g *gate, o office) {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	g = &gate{Store: st, holds: holds, reached: make(chan struct{})}
	return "sqlite:" + dir, g, officeOf(t, g, dir)
}

// TestReindexingWhileTheServerRuns breaks a reindexing off on each side, and ends it.
func TestReindexingWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	notes := func(op store.Op) bool { return op.Collection == "portico_formats" && op.Kind == store.Replace }
	uri, g, o := gated(t, nth(2, notes))
	fill(t, o, 450)

	closeDesk := openDesk(t.Context(), o)
	first := callCommand(uri, "reindex", "--type", "Observation")
	<-g.reached
	callCommand(uri, "reindex").wants(t, "one is under way already, since ", "(process ")
	if out, err := commandLine(uri)("", "user", "list"); err != nil {
		t.Errorf("while it runs, another errand: %q, %v", out, err)
	}
	fill(t, o, 1) // others write
	first.leave(errors.New("Ctrl-C"))
	first.wants(t, "it was broken off, after 400 records", "is kept; run it again to go on")

	g.holds = nth(2, notes)
	second := callCommand(uri, "reindex", "--type", "Observation")
	<-g.reached
	closeDesk()
	second.wants(t, "the server is stopping, after 250 records", "is kept; run it again to go on")

	defer openDesk(t.Context(), o)()
	out, err := commandLine(uri)("", "reindex", "--type", "Observation")
	if err != nil || out != "50 records, 0 of them with new entries\n" {
		t.Errorf("the rest: %q, %v", out, err)
	}
	out, err = commandLine(uri)("", "reindex", "--type", "Observation")
	if err != nil || out != "450 records, 0 of them with new entries\n" {
		t.Errorf("all: %q, %v", out, err)
	}
}

// TestPurgingWhileTheServerRuns breaks a purge off, and leaves the same traces as without a server.
func TestPurgingWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	uri, g, o := gated(t, nth(2, func(op store.Op) bool { return op.Kind == store.Delete }))
	for text := range 2 {
		var changes []fhir.Change
		for i := range 300 {
			changes = append(changes, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Basic", ID: fmt.Sprint(i)}, Body: fmt.Appendf(nil, `{"resourceType":"Basic","code":{"text":"%d"}}`, text)})
		}
		if _, err := o.types.Commit(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	defer openDesk(t.Context(), o)()
	first := callCommand(uri, "purge", "--before", "0s")
	<-g.reached
	first.leave(errors.New("Ctrl-C"))
	first.wants(t, "it was broken off. What was removed until then is gone: 200 versions; run it again to go on")
	out, err := commandLine(uri)("", "purge", "--before", "0s", "--type", "Basic")
	if err != nil || out != "100 versions removed, and with them 0 deleted resources\n" {
		t.Errorf("the rest: %q, %v", out, err)
	}
	page, err := o.types.Search(t.Context(), &fhir.Query{Type: "AuditEvent", Count: 10})
	if err != nil || len(page.Resources) != 2 {
		t.Fatalf("%d AuditEvents, %v", len(page.Resources), err)
	}
	for _, want := range []string{`"display":"portico purge by ` + operator() + `"`, `"valueString":"200"`, `"valueString":"100"`, `"outcome":"8"`} {
		if !strings.Contains(string(page.Resources[0].Body)+string(page.Resources[1].Body), want) {
			t.Errorf("the AuditEvents do not have %s: %s %s", want, page.Resources[0].Body, page.Resources[1].Body)
		}
	}
}
