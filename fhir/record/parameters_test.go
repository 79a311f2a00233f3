package record_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	fhirsearch "github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

const mood = `"url":"http://example.org/SearchParameter/mood","name":"Mood","status":"active","description":"How one feels",
	"code":"mood","base":["Basic"],"type":"token","expression":"Basic.extension('http://example.org/mood').value"`

// parameter is a change to a SearchParameter with these members.
func parameter(id, members string) fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "SearchParameter", ID: id}, Body: []byte(`{"resourceType":"SearchParameter",` + members + `}`)}
}

// feeling is a change to a Basic.
func feeling(id, mood string) fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: basic(id), Body: fmt.Appendf(nil,
		`{"resourceType":"Basic","extension":[{"url":"http://example.org/mood","valueCode":%q},{"url":"http://example.org/other","valueCode":"glad"}],"code":{"text":"x"}}`, mood)}
}

// maintain runs Maintain until the test ends or stop is called.
func maintain(t testing.TB, r *record.Repository) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { r.Maintain(ctx, slog.New(slog.DiscardHandler)) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// described finds a parameter; state is "ready", "pending" or "".
func described(r *record.Repository, name string) (p *fhir.SearchParam, state string) {
	c := r.Describe("Basic")
	for _, p := range c.Params {
		if p.Name == name {
			return p, "ready"
		}
	}
	if slices.Contains(c.Pending, name) {
		return nil, "pending"
	}
	return nil, ""
}

// await waits until a parameter is in a state.
func await(t testing.TB, r *record.Repository, name, want string) *fhir.SearchParam {
	t.Helper()
	var p *fhir.SearchParam
	var state string
	if !patience.Until(func() bool {
		p, state = described(r, name)
		return state == want
	}) {
		t.Fatalf("%s is %q, not %q", name, state, want)
	}
	return p
}

// found gives the ids of the Basics with a token.
func found(t testing.TB, r *record.Repository, p *fhir.SearchParam, code string) []string {
	t.Helper()
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Basic", Where: fhir.Term{Param: p, Value: fhir.TokenValue{Code: code, AnySystem: true}}, Count: 1000})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, res := range page.Resources {
		ids = append(ids, res.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestG7_20_AParameterIsSearchedByWhenAllRecordsAreIndexed(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		whole := t
		commit(t, r, feeling("a", "glad"), feeling("b", "sad"))
		before := r.Revision()
		commit(t, r, parameter("mood", mood))
		commit(t, r, feeling("c", "glad"))
		other := &record.Repository{Store: r.Store}
		if _, state := described(other, "mood"); state != "pending" {
			t.Errorf("before anything was indexed it is %q", state)
		}
		stop := maintain(t, r)
		p := await(t, r, "mood", "ready")
		commit(t, r, feeling("d", "glad"), feeling("a", "sad"))
		if diff := cmp.Diff([]string{"c", "d"}, found(t, r, p, "glad")); diff != "" {
			t.Error(diff)
		}
		if r.Revision() == before {
			t.Error("the revision is the same")
		}

		t.Run("after a restart", func(t *testing.T) {
			again := &record.Repository{Store: r.Store}
			p, state := described(again, "mood")
			if state != "ready" {
				t.Fatalf("it is %q", state)
			}
			commit(t, again, feeling("e", "glad"))
			if diff := cmp.Diff([]string{"c", "d", "e"}, found(t, again, p, "glad")); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("still when only the description changes", func(t *testing.T) {
			commit(t, r, parameter("mood", strings.Replace(mood, "How one feels", "Feelings", 1)))
			if _, state := described(&record.Repository{Store: r.Store}, "mood"); state != "ready" {
				t.Errorf("it is %q", state)
			}
		})
		t.Run("anew when the expression changes", func(t *testing.T) {
			stop()
			commit(t, r, parameter("mood", strings.Replace(mood, "org/mood')", "org/other')", 1)))
			if _, state := described(&record.Repository{Store: r.Store}, "mood"); state != "pending" {
				t.Fatalf("it is %q", state)
			}
			maintain(whole, r)
			await(t, r, "mood", "ready")
			p, _ := described(r, "mood")
			if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, found(t, r, p, "glad")); diff != "" {
				t.Error(diff)
			}
			if got := found(t, r, p, "sad"); len(got) != 0 {
				t.Errorf("by the old expression: %v", got)
			}
		})
		t.Run("no longer when it is retired", func(t *testing.T) {
			commit(t, r, parameter("mood", strings.Replace(mood, "active", "retired", 1)))
			await(t, r, "mood", "")
			commit(t, r, feeling("f", "glad"))
		})
		t.Run("with all records when it is back", func(t *testing.T) {
			commit(t, r, parameter("mood", mood))
			p := await(t, r, "mood", "ready")
			if diff := cmp.Diff([]string{"c", "d", "e", "f"}, found(t, r, p, "glad")); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("no longer when it is deleted", func(t *testing.T) {
			commit(t, r, fhir.Change{Method: fhir.Delete, Key: fhir.Key{Type: "SearchParameter", ID: "mood"}})
			await(t, r, "mood", "")
		})
	})
}

func TestG7_20_AnotherNodeNoticesAParameter(t *testing.T) {
	t.Parallel()
	st := memory.New()
	a, b := &record.Repository{Store: st, Settle: time.Second}, &record.Repository{Store: st, Settle: time.Second}
	maintain(t, a)
	maintain(t, b)
	written := 0
	write := func() {
		commit(t, b, feeling(fmt.Sprintf("b%d", written), "glad"))
		written++
	}
	write()
	commit(t, a, parameter("mood", mood))
	if !patience.Until(func() bool {
		write() // without knowing of the parameter, for a while
		_, state := described(a, "mood")
		return state == "ready"
	}) {
		t.Fatal("the parameter does not become ready")
	}
	p := await(t, b, "mood", "ready")
	write()
	page, err := b.Search(t.Context(), &fhir.Query{Type: "Basic", Total: true, Where: fhir.Term{Param: p, Value: fhir.TokenValue{Code: "glad", AnySystem: true}}})
	if err != nil || *page.Total != int64(written) {
		t.Errorf("%d of %d are found, %v", *page.Total, written, err)
	}
}

func TestG7_20_WhatIsWrittenMeanwhileIsFound(t *testing.T) {
	t.Parallel()
	r := &record.Repository{Store: memory.New()}
	maintain(t, r)
	const writers, each = 4, 300
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if _, err := r.Commit(t.Context(), []fhir.Change{feeling(fmt.Sprintf("w%d-%d", w, i), "glad")}); err != nil {
					t.Error(err)
				}
				if w == 0 && i == each/3 {
					commit(t, r, parameter("mood", mood))
				}
			}
		})
	}
	p := await(t, r, "mood", "ready")
	writing.Wait()
	if got := found(t, r, p, "glad"); len(got) != 1000 {
		t.Errorf("%d on a page of 1000", len(got))
	}
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Basic", Total: true, Where: fhir.Term{Param: p, Value: fhir.TokenValue{Code: "glad", AnySystem: true}}})
	if err != nil || *page.Total != writers*each {
		t.Errorf("%d of %d are found, %v", *page.Total, writers*each, err)
	}
}

// broken fails when it has read some batches.
type broken struct {
	store.Store
	mu   sync.Mutex
	left int
	fail func()
}

func (b *broken) Apply(ctx context.Context, ops []store.Op) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(ops) > 1 && ops[0].Kind == store.Update {
		if b.left--; b.left == 0 {
			b.fail()
			return context.Canceled
		}
	}
	return b.Store.Apply(ctx, ops)
}

func TestG7_20_IndexingGoesOnWhereItWasBrokenOff(t *testing.T) {
	t.Parallel()
	st := memory.New()
	r := &record.Repository{Store: st}
	for range 5 {
		var changes []fhir.Change
		for range 100 {
			c := feeling("x", "glad")
			c.Method, c.Key.ID = fhir.Create, ""
			changes = append(changes, c)
		}
		commit(t, r, changes...)
	}
	commit(t, r, parameter("mood", mood))
	ctx, cancel := context.WithCancel(t.Context())
	first := &record.Repository{Store: &broken{Store: st, left: 2, fail: cancel}}
	first.Maintain(ctx, slog.New(slog.DiscardHandler))
	var at string
	for doc, err := range st.Find(t.Context(), store.Query{Collection: "portico_formats", Where: store.Eq{Path: "_id", Value: store.String("backfill")}}) {
		if err != nil {
			t.Fatal(err)
		}
		at, _ = doc.Lookup("after").StringValueOK()
	}
	if at == "" {
		t.Error("it is not noted how far the first run came")
	}
	second := &record.Repository{Store: st}
	maintain(t, second)
	p := await(t, second, "mood", "ready")
	if got := found(t, second, p, "glad"); len(got) != 500 {
		t.Errorf("%d of 500 are found", len(got))
	}
}

func TestG7_20_WhatCannotBeAParameterIsRefused(t *testing.T) {
	t.Parallel()
	r := &record.Repository{Store: memory.New()}
	commit(t, r, parameter("mood", mood))
	with := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(mood) }
	const url = "SearchParameter/mood"
	tests := []struct {
		claim, members string
		want           fhir.IssueCode
	}{
		{"the URL of another", with(`"code":"mood"`, `"code":"feeling"`), fhir.CodeDuplicate},
		{"the code of another on the same type", with(url, "SearchParameter/mood2"), fhir.CodeDuplicate},
		{"the code of another on every type", with(url, "SearchParameter/mood2", `["Basic"]`, `["Resource"]`, "Basic.ext", "Resource.ext"), fhir.CodeDuplicate},
		{"a code of R4's", with(url, "SearchParameter/code2", `"code":"mood"`, `"code":"code"`), fhir.CodeDuplicate},
		{"a code of R4's on every type", with(url, "SearchParameter/tag", `"code":"mood"`, `"code":"_tag"`), fhir.CodeDuplicate},
		{"a URL of R4's", with("http://example.org/SearchParameter/mood", "http://hl7.org/fhir/SearchParameter/Basic-code"), fhir.CodeDuplicate},
		{"a code with a dot", with(url, "SearchParameter/m2", `"code":"mood"`, `"code":"mood.x"`), fhir.CodeBusinessRule},
		{"a code that begins with _", with(url, "SearchParameter/m2", `"code":"mood"`, `"code":"_mood"`), fhir.CodeBusinessRule},
		{"a composite without parts", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, `"token"`, `"composite"`), fhir.CodeBusinessRule},
		{"a composite of one part", composite("Basic", `{"definition":"http://hl7.org/fhir/SearchParameter/Basic-code","expression":"code"}`), fhir.CodeBusinessRule},
		{"a composite of what is not there", composite("Basic", part("http://example.org/nosuch", "code"), part(basicCode, "code")), fhir.CodeBusinessRule},
		{"a composite of a composite", composite("Basic", part("http://hl7.org/fhir/SearchParameter/Observation-code-value-quantity", "$this"), part(basicCode, "code")), fhir.CodeBusinessRule},
		{"a composite of a special one", composite("Basic", part("http://hl7.org/fhir/SearchParameter/Location-near", "$this"), part(basicCode, "code")), fhir.CodeBusinessRule},
		{"a composite of what is no FHIRPath", composite("Basic", part(basicCode, "code"), part(basicCode, "code(")), fhir.CodeBusinessRule},
		{"a composite of ten parts", composite("Basic", slices.Repeat([]string{part(basicCode, "code")}, 10)...), fhir.CodeBusinessRule},
		{"a token with parts", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, `"token",`, `"token","component":[`+part(basicCode, "code")+`],`), fhir.CodeBusinessRule},
		{"a special one", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, `"token"`, `"special"`), fhir.CodeBusinessRule},
		{"R4's special one again", `"url":"http://example.org/near","name":"x","status":"active","description":"x","code":"near","base":["Location"],"type":"special","expression":"Location.position"`, ""},
		{"no expression", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, `,"expression":"Basic.extension('http://example.org/mood').value"`, ""), fhir.CodeBusinessRule},
		{"no FHIRPath", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, ".value", ".value("), fhir.CodeBusinessRule},
		{"an unknown function", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, ".value", ".frob()"), fhir.CodeBusinessRule},
		{"an expression about another type", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, "Basic.ext", "Patient.ext"), fhir.CodeBusinessRule},
		{"an expression that depends on the day", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, ".value", ".where(today() > @2020-01-01).value"), fhir.CodeBusinessRule},
		{"an expression of any length", with(url, "SearchParameter/m2", `"mood","base"`, `"mood2","base"`, ".value", strings.Repeat(".value", 400)), fhir.CodeBusinessRule},
		{"the same, but retired", with("active", "retired"), ""},
		{"a draft that could not be", with(url, "SearchParameter/m3", "active", "draft", ".value", ".value("), ""},
		{"the same code on another type", with(url, "SearchParameter/m4", `["Basic"]`, `["Patient"]`, "Basic.ext", "Patient.ext"), ""},
		{"a copy of one of R4's", `"url":"http://hl7.org/fhir/SearchParameter/Basic-code","name":"code","status":"active","description":"x","code":"code","base":["Basic"],"type":"token","expression":"Basic.code"`, ""},
		{"R4's again, as US Core has it", `"url":"http://hl7.org/fhir/us/core/SearchParameter/us-core-patient-birthdate","name":"x","status":"active","description":"x","code":"birthdate","base":["Patient"],"type":"date","expression":"Patient.birthDate"`, ""},
		{"one of US Core's own", `"url":"http://hl7.org/fhir/us/core/SearchParameter/us-core-race","name":"x","status":"active","description":"x","code":"race","base":["Patient"],"type":"token","expression":"Patient.extension.where(url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension.value.code"`, ""},
		{"R4's with another expression", `"url":"http://example.org/birthdate","name":"x","status":"active","description":"x","code":"birthdate","base":["Patient"],"type":"date","expression":"Patient.deceased"`, fhir.CodeDuplicate},
		{"R4's and more", `"url":"http://example.org/birthdate","name":"x","status":"active","description":"x","code":"birthdate","base":["Patient","Basic"],"type":"date","expression":"Patient.birthDate | Basic.created"`, fhir.CodeDuplicate},
	}
	for i, tt := range tests {
		_, err := r.Commit(t.Context(), []fhir.Change{parameter(fmt.Sprintf("p%d", i), tt.members)})
		wantCode(t, tt.claim, err, tt.want)
	}
	_, err := r.Commit(t.Context(), []fhir.Change{
		parameter("x1", with(url, "SearchParameter/x", `"mood","base"`, `"x","base"`)),
		parameter("x2", with(url, "SearchParameter/x2", `"mood","base"`, `"x","base"`)),
	})
	wantCode(t, "two of one code in one transaction", err, fhir.CodeDuplicate)
	_, err = r.Commit(t.Context(), []fhir.Change{
		{Method: fhir.Delete, Key: fhir.Key{Type: "SearchParameter", ID: "mood"}},
		parameter("y", mood),
	})
	wantCode(t, "one that takes the place of another in one transaction", err, "")
}

const basicCode = "http://hl7.org/fhir/SearchParameter/Basic-code"

// part is a component of a composite.
func part(definition, expression string) string {
	return fmt.Sprintf(`{"definition":%q,"expression":%q}`, definition, expression)
}

// composite is a composite of the parts.
func composite(base string, parts ...string) string {
	return fmt.Sprintf(`"url":"http://example.org/SearchParameter/both","name":"Both","status":"active","description":"x","code":"both","base":[%q],
		"type":"composite","expression":%q,"component":[%s]`, base, base+".extension", strings.Join(parts, ","))
}

func TestG7_20_ACompositeStandsAndFallsWithItsParts(t *testing.T) {
	t.Parallel()
	r := &record.Repository{Store: memory.New()}
	both := composite("Basic", part("http://example.org/SearchParameter/mood|1", "value"), part("http://hl7.org/fhir/SearchParameter/conformance-url", "url"))
	_, err := r.Commit(t.Context(), []fhir.Change{parameter("both", both)})
	wantCode(t, "before its part is there", err, fhir.CodeBusinessRule)
	_, err = r.Commit(t.Context(), []fhir.Change{parameter("both", both), parameter("mood", mood)})
	wantCode(t, "with its part", err, "")
	commit(t, r, feeling("a", "glad"))
	stop := maintain(t, r)
	p := await(t, r, "both", "ready")
	if p.Components[0].Param == nil || p.Components[0].Param.Name != "mood" {
		t.Errorf("its part is %+v", p.Components[0])
	}
	stop()
	for claim, change := range map[string]fhir.Change{
		"the part is retired":            parameter("mood", strings.Replace(mood, "active", "retired", 1)),
		"the part is deleted":            {Method: fhir.Delete, Key: fhir.Key{Type: "SearchParameter", ID: "mood"}},
		"the part has another canonical": parameter("mood", strings.Replace(mood, "SearchParameter/mood", "SearchParameter/else", 1)),
	} {
		_, err := r.Commit(t.Context(), []fhir.Change{change})
		wantCode(t, claim, err, fhir.CodeConflict)
	}
	commit(t, r, parameter("mood", strings.Replace(mood, `"token"`, `"string"`, 1)))
	if _, state := described(&record.Repository{Store: r.Store}, "both"); state != "pending" {
		t.Errorf("when a part is of another type it is %q", state)
	}
	commit(t, r, fhir.Change{Method: fhir.Delete, Key: fhir.Key{Type: "SearchParameter", ID: "both"}})
	commit(t, r, fhir.Change{Method: fhir.Delete, Key: fhir.Key{Type: "SearchParameter", ID: "mood"}})
}

func TestG7_16_WithoutTheIndexOfWordsThereIsNoFullText(t *testing.T) {
	t.Parallel()
	st := memory.New()
	off := &record.Repository{Store: st, NoText: true}
	commit(t, off, put("a", "quick brown fox"))
	if _, state := described(off, "_content"); state != "" {
		t.Errorf("without the index _content is %q", state)
	}
	on := &record.Repository{Store: st}
	if _, state := described(on, "_content"); state != "pending" {
		t.Errorf("over records without the entries it is %q", state)
	}
	commit(t, on, put("b", "lazy fox"))
	maintain(t, on)
	p := await(t, on, "_content", "ready")
	page, err := on.Search(t.Context(), &fhir.Query{Type: "Basic", Where: fhir.Term{Param: p, Value: fhir.WordsValue{Text: "fox"}}, Count: 10})
	if err != nil || len(page.Resources) != 2 {
		t.Errorf("%d found, %v", len(page.Resources), err)
	}
	if _, state := described(&record.Repository{Store: st}, "_content"); state != "ready" {
		t.Errorf("later it is %q", state)
	}
	reduced := &record.Repository{Store: st, NoText: true}
	commit(t, reduced, put("c", "no fox"))
	if _, state := described(&record.Repository{Store: st}, "_content"); state != "pending" {
		t.Errorf("after writes without the entries it is %q", state)
	}
	on = &record.Repository{Store: st}
	if _, state := described(on, "_content"); state != "pending" {
		t.Errorf("before reindexing it is %q", state)
	}
	reindex(t, on)
	if _, state := described(on, "_content"); state != "ready" {
		t.Errorf("after reindexing it is %q to who did it", state)
	}
	reindex(t, &record.Repository{Store: st, NoText: true})
	if _, state := described(&record.Repository{Store: st}, "_content"); state != "pending" {
		t.Errorf("after reindexing without the entries it is %q", state)
	}
}

func TestG7_20_TheParserSaysThatAParameterIsNotReady(t *testing.T) {
	t.Parallel()
	r := &record.Repository{Store: memory.New()}
	commit(t, r, parameter("mood", mood))
	p := fhirsearch.Parser{Describe: (&record.Repository{Store: r.Store}).Describe, DefaultCount: 1, MaxCount: 1}
	_, err := p.Parse("Basic", []fhirsearch.Pair{{Name: "mood", Value: "glad"}}, false, "")
	wantCode(t, "a pending parameter", err, fhir.CodeNotSupported)
	if err == nil || !strings.Contains(err.Error(), "being indexed") {
		t.Errorf("it says %v", err)
	}
}
