package terminology_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
)

// library holds definitions, finds them by url, and notes what else it is asked.
type library struct {
	fhir.Repository
	resources map[fhir.Key]string
	refuses   error // of searches for definitions
	asked     *fhir.Query
	condition *fhir.Query
	lookups   int
}

func (l *library) Describe(t fhir.Type) fhir.Capability {
	return fhir.Capability{Read: true, Search: true, Params: search.Params(t)}
}

func (l *library) Read(_ context.Context, key fhir.Key) (fhir.Resource, error) {
	if body, ok := l.resources[key]; ok {
		return fhir.Resource{Key: key, Body: []byte(body)}, nil
	}
	return fhir.Resource{}, fhir.Errorf(fhir.CodeNotFound, "", "no")
}

func (l *library) Search(_ context.Context, q *fhir.Query) (fhir.Page, error) {
	if q.Type != "ValueSet" && q.Type != "CodeSystem" {
		l.asked = q
		return fhir.Page{}, nil
	}
	l.lookups++
	if l.refuses != nil {
		return fhir.Page{}, l.refuses
	}
	var page fhir.Page
	for key, body := range l.resources {
		url, _ := q.Where.(fhir.Term).Value.(fhir.URIValue)
		if key.Type == q.Type && strings.Contains(body[:min(len(body), 200)], `"url":"`+string(url)+`"`) {
			page.Resources = append(page.Resources, fhir.Resource{Key: key, Body: []byte(body)})
		}
	}
	return page, nil
}

func (l *library) Commit(_ context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	l.condition = changes[0].IfNoneExist.Query
	return make([]fhir.Result, len(changes)), nil
}

func valueSet(id, compose string) (fhir.Key, string) {
	return fhir.Key{Type: "ValueSet", ID: id}, `{"resourceType":"ValueSet","url":"http://example.org/vs/` + id + `","status":"active","compose":` + compose + `}`
}

func newLibrary(t testing.TB) (*library, *terminology.Repository) {
	t.Helper()
	l := &library{resources: map[fhir.Key]string{}}
	return l, &terminology.Repository{Repository: l, Base: "http://localhost/fhir"}
}

func param(t testing.TB, typ fhir.Type, name string) *fhir.SearchParam {
	t.Helper()
	p, ok := search.Lookup(typ, name)
	if !ok {
		t.Fatalf("no parameter %s", name)
	}
	return p
}

// in asks Observations for a code in a value set.
func in(t testing.TB, vs string) fhir.Expr {
	return fhir.Term{Param: param(t, "Observation", "code"), Modifier: fhir.ModIn, Value: fhir.URIValue(vs)}
}

func codeOf(err error) fhir.IssueCode {
	var e *fhir.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return ""
}

func TestG7_6_TermsAreResolvedWhereverTheyStand(t *testing.T) {
	t.Parallel()
	l, r := newLibrary(t)
	key, body := valueSet("a", `{"include":[{"system":"urn:s","concept":[{"code":"2"},{"code":"1"},{"code":"2"}]}]}`)
	l.resources[key] = body
	code, subject := param(t, "Observation", "code"), param(t, "Observation", "subject")
	set := fhir.Term{Param: code, Value: fhir.NewTokenSet([]fhir.TokenValue{{System: "urn:s", Code: "1"}, {System: "urn:s", Code: "2"}})}
	other := fhir.Term{Param: code, Value: fhir.TokenValue{Code: "x", AnySystem: true}}
	nest := func(e fhir.Expr) fhir.Expr {
		return fhir.And{other, fhir.Or{
			fhir.Not{Expr: e}, fhir.Chain{Param: subject, Target: "Patient", Where: fhir.Has{Source: "Observation", Param: subject, Where: e}},
		}}
	}
	if _, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Where: nest(in(t, "http://example.org/vs/a"))}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(nest(set), l.asked.Where, cmp.Comparer(func(a, b fhir.TokenSet) bool { return slices.Equal(a.Tokens(), b.Tokens()) }), cmp.Comparer(func(a, b *fhir.SearchParam) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if l.lookups != 1 {
		t.Errorf("%d lookups of one value set", l.lookups)
	}
	q := &fhir.Query{Type: "Observation", Where: in(t, "http://example.org/vs/a")}
	if _, err := r.Commit(t.Context(), []fhir.Change{{IfNoneExist: &fhir.Condition{Query: q}}}); err != nil {
		t.Fatal(err)
	}
	if l.condition == q || l.condition.Where.(fhir.Term).Modifier != "" {
		t.Errorf("the condition is %+v", l.condition.Where)
	}
}

func TestG7_19_ValueSetsAreBounded(t *testing.T) {
	t.Parallel()
	l, r := newLibrary(t)
	codes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `%s{"code":"c%d"}`, map[bool]string{true: ","}[i > 0], i)
		}
		return `{"include":[{"system":"urn:s","concept":[` + b.String() + `]}]}`
	}
	for id, compose := range map[string]string{
		"many": codes(5001), "most": codes(5000), "endless": codes(100_001),
		"self":    `{"include":[{"valueSet":["http://example.org/vs/self"]}]}`,
		"there":   `{"include":[{"valueSet":["http://example.org/vs/back"]}]}`,
		"back":    `{"include":[{"valueSet":["http://example.org/vs/there"]}]}`,
		"nothing": `{"include":[{}]}`,
		"regex":   `{"include":[{"system":"urn:cs","filter":[{"property":"code","op":"regex","value":"` + strings.Repeat("(a+)+", 200) + `"}]}]}`,
		"pump":    `{"include":[{"system":"urn:cs","filter":[{"property":"code","op":"regex","value":"(a+)+$"}]}]}`,
		"broken":  `{"include":[{"system":"urn:cs","filter":[{"property":"code","op":"regex","value":"("}]}]}`,
		"op":      `{"include":[{"system":"urn:cs","filter":[{"property":"code","op":"frob","value":"x"}]}]}`,
	} {
		key, body := valueSet(id, compose)
		l.resources[key] = body
	}
	for i := range 30 {
		key, body := valueSet(fmt.Sprintf("deep%d", i), fmt.Sprintf(`{"include":[{"valueSet":["http://example.org/vs/deep%d"]}]}`, i+1))
		l.resources[key] = body
	}
	var wide strings.Builder
	for i := range 300 {
		fmt.Fprintf(&wide, `%s{"system":"urn:w%d"}`, map[bool]string{true: ","}[i > 0], i)
	}
	key, body := valueSet("wide", `{"include":[`+wide.String()+`]}`)
	l.resources[key] = body
	l.resources[fhir.Key{Type: "CodeSystem", ID: "cs"}] = `{"resourceType":"CodeSystem","url":"urn:cs","status":"active","content":"complete","concept":[{"code":"` +
		strings.Repeat("a", 20_000) + `b"}]}`
	for id, want := range map[string]fhir.IssueCode{
		"many": fhir.CodeTooCostly, "most": "", "endless": fhir.CodeTooCostly, "self": fhir.CodeInvalid, "there": fhir.CodeInvalid,
		"deep0": fhir.CodeTooCostly, "wide": fhir.CodeTooCostly, "nothing": fhir.CodeNotSupported, "absent": fhir.CodeInvalid,
		"regex": fhir.CodeNotSupported, "pump": "", "broken": fhir.CodeNotSupported, "op": fhir.CodeNotSupported,
	} {
		_, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Where: in(t, "http://example.org/vs/"+id)})
		if got := codeOf(err); got != want || err != nil && want == "" {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
}

func TestWhatTheCallerMayNotSeeIsNotLookedAt(t *testing.T) {
	t.Parallel()
	l, r := newLibrary(t)
	l.refuses = fhir.Errorf(fhir.CodeForbidden, "", "no")
	if _, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Where: in(t, "http://hl7.org/fhir/ValueSet/observation-status")}); err != nil {
		t.Errorf("R4's own value set: %v", err)
	}
	l.refuses = errors.New("the disk is gone")
	if _, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Where: in(t, "http://hl7.org/fhir/ValueSet/observation-status")}); !errors.Is(err, l.refuses) {
		t.Errorf("a fault of the store: %v", err)
	}
}

// Every value set of R4's table can be read, and most can be searched by.
func TestR4sOwnValueSets(t *testing.T) {
	t.Parallel()
	l, r := newLibrary(t)
	found, empty := map[fhir.IssueCode]int{}, 0
	for _, url := range terminology.OwnValueSets() {
		_, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Where: in(t, url)})
		var e *fhir.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil && len(l.asked.Where.(fhir.Term).Value.(fhir.TokenSet).Tokens()) == 0 {
			empty++ // its system was to be filled by implementers
		}
		found[codeOf(err)]++
	}
	if found[""] < 1200 || found[fhir.CodeInvalid] > 2 || found[fhir.CodeTooCostly] > 1 || empty > 2 {
		t.Errorf("of R4's value sets: %v, %d empty", found, empty)
	}
}

func BenchmarkResolve(b *testing.B) {
	_, r := newLibrary(b)
	for name, url := range map[string]string{"four codes": "http://hl7.org/fhir/ValueSet/administrative-gender", "by filter of 1,100 codes": "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode"} {
		b.Run(name, func(b *testing.B) {
			q := &fhir.Query{Type: "Observation", Where: in(b, url)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Search(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
