package load_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/load"
)

func line(kind, id string) string { return fmt.Sprintf(`{"resourceType":%q,"id":%q}`, kind, id) + "\n" }

func TestReaderTakesEveryForm(t *testing.T) {
	t.Parallel()
	pretty := "\n{\n  \"resourceType\": \"Patient\",\n  \"id\": \"a\"\n}\n\n"
	for name, c := range map[string]struct {
		content string
		want    load.Counts
	}{
		"one resource on many lines":  {pretty, load.Counts{Created: 1}},
		"one resource on one line":    {line("Patient", "a"), load.Counts{Created: 1}},
		"without a last line feed":    {strings.TrimSpace(line("Patient", "a")), load.Counts{Created: 1}},
		"NDJSON":                      {line("Patient", "a") + line("Group", "b"), load.Counts{Created: 1, Failed: 1}},
		"NDJSON of CRLF lines":        {"\r\n" + line("Patient", "a") + "\r\n" + line("Patient", "b") + "\r\n", load.Counts{Created: 2}},
		"NDJSON, no last line feed":   {line("Patient", "a") + strings.TrimSpace(line("Patient", "b")), load.Counts{Created: 2}},
		"a byte order mark":           {"\xef\xbb\xbf" + pretty, load.Counts{Created: 1}},
		"gzip":                        {zip(pretty), load.Counts{Created: 1}},
		"gzip of two members":         {zip(line("Patient", "a")) + zip(line("Patient", "b")), load.Counts{Created: 2}},
		"a transaction":               {synthea, load.Counts{Created: 3}},
		"a Bundle on each line":       {strings.ReplaceAll(synthea, "\n", " ") + "\n" + line("Patient", "x"), load.Counts{Created: 4}},
		"a document is kept whole":    {`{"resourceType":"Bundle","id":"d","type":"message","entry":[{"resource":{"resourceType":"MessageHeader","eventUri":"http://a.b","source":{"endpoint":"http://a.b"}}}]}`, load.Counts{Created: 1}},
		"a searchset and its outcome": {`{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"match"},"resource":{"resourceType":"Patient","id":"a"}},{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome"}}]}`, load.Counts{Created: 1}},
		"cut gzip":                    {zip(strings.Repeat(line("Patient", "a"), 500))[:40], load.Counts{Failed: 1}},
		"nothing":                     {"", load.Counts{Failed: 1}},
		"white space":                 {" \n \n", load.Counts{Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			sum, err := b.Reader(t.Context(), "-", strings.NewReader(c.content))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, sum.Total()); diff != "" {
				t.Errorf("counts (-want +got):\n%s%s", diff, b.failures)
			}
		})
	}
}

func TestLinesOfOneResourceAreWrittenInOrder(t *testing.T) {
	t.Parallel()
	b := newBench()
	var in strings.Builder
	for i := range 40 {
		fmt.Fprintf(&in, `{"resourceType":"Patient","id":"p","multipleBirthInteger":%d}`+"\n", i)
		in.WriteString(line("Patient", fmt.Sprint("other", i)))
	}
	if _, err := b.Reader(t.Context(), "-", strings.NewReader(in.String())); err != nil {
		t.Fatal(err)
	}
	b.want(t)
	contains(t, b.body(t, "Patient", "p"), `"multipleBirthInteger":39`)
	if n := b.versions(t, "Patient", "p"); n != 40 {
		t.Errorf("%d versions", n)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	long := `{"resourceType":"Patient","id":"long","name":[{"text":"` + strings.Repeat("x", 5000) + `"}]}`
	b := newBench()
	b.MaxResource, b.MaxBundle = 3000, 9000
	b.paths(t, map[string]string{
		"1.ndjson":  line("Patient", "a") + long + "\n" + line("Patient", "b"),
		"2.json":    `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + long + `},{"resource":{"resourceType":"Patient","id":"c"}}]}`,
		"3.json.gz": zip("{\n" + strings.Repeat(" ", 1<<20) + "}"),
		"4.json":    strings.Repeat("x", 20_000),
	})
	b.want(t,
		"1.ndjson:2: the line has more than 3000 bytes",
		"2.json:entry[0]: Patient/long: the resource has more than 3000 bytes",
		"3.json.gz: it has more than 9000 bytes, unpacked",
		"4.json: it has more than 9000 bytes, unpacked",
	)
	for _, id := range []string{"a", "b", "c"} {
		b.body(t, "Patient", id)
	}
}

func TestPathsThatAreNotThereEndTheLoad(t *testing.T) {
	t.Parallel()
	b := newBench()
	if _, err := b.Paths(t.Context(), t.TempDir()+"/nowhere"); err == nil {
		t.Error("no error")
	}
}

// picky is a repository that refuses some changes, or all.
type picky struct {
	fhir.Repository
	mu      sync.Mutex
	refuse  string // id
	failing error
	calls   int
}

func (p *picky) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
	if p.failing != nil {
		return nil, p.failing
	}
	for _, c := range changes {
		if c.Key.ID == p.refuse {
			return nil, fhir.Errorf(fhir.CodeBusinessRule, "", "not this one")
		}
	}
	return p.Repository.Commit(ctx, changes)
}

func (p *picky) Describe(t fhir.Type) fhir.Capability {
	c := p.Repository.Describe(t)
	c.UpdateCreate = c.UpdateCreate && t != "Group"
	return c
}

func TestOneRefusedResourceDoesNotTakeOthersAlong(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.Loader.Repository = &picky{Repository: b.records, refuse: "p17"}
	b.Workers, b.Batch = 1, 64
	var in strings.Builder
	for i := range 50 {
		in.WriteString(line("Patient", fmt.Sprint("p", i)))
	}
	in.WriteString(`{"resourceType":"Group","id":"g","type":"person","actual":true}`)
	sum, err := b.Reader(t.Context(), "-", strings.NewReader(in.String()))
	if err != nil {
		t.Fatal(err)
	}
	b.want(t, "-:18: Patient/p17: not this one",
		"-:51: Group/g: Group cannot be loaded here: it is not kept by Portico, or is read-only")
	if got := sum.Total(); got != (load.Counts{Created: 49, Failed: 2}) {
		t.Errorf("counts %+v", got)
	}
}

func TestARepositoryThatCannotServeEndsTheLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		calls int
	}{
		"at once":             {errors.New("disk on fire"), 1},
		"after some patience": {fhir.Errorf(fhir.CodeTransient, "", "busy"), 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			repo := &picky{Repository: b.records, failing: c.err}
			b.Loader.Repository = repo
			_, err := b.Reader(t.Context(), "-", strings.NewReader(line("Patient", "a")))
			if !errors.Is(err, c.err) || repo.calls != c.calls || len(b.failures) > 0 {
				t.Errorf("got %v after %d calls", err, repo.calls)
			}
		})
	}
}

// endless gives the same line for ever.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n++
	return copy(p, line("Patient", fmt.Sprint("p", e.n))), nil
}

func TestCancelling(t *testing.T) {
	t.Parallel()
	b := newBench()
	ctx, cancel := context.WithCancel(t.Context())
	b.Every = time.Millisecond
	b.Progress = func(s load.Summary) {
		if s.Resources() > 100 {
			cancel()
		}
	}
	sum, err := b.Reader(ctx, "-", &endless{})
	if !errors.Is(err, context.Canceled) || sum.Resources() <= 100 {
		t.Errorf("got %v after %d resources", err, sum.Resources())
	}
}

func TestSummaryTable(t *testing.T) {
	t.Parallel()
	s := load.Summary{
		Types:   map[fhir.Type]load.Counts{"Patient": {Created: 12, Failed: 1}, "": {Failed: 2}, "Group": {Unchanged: 3, Updated: 4, Repeated: 5}},
		Files:   2,
		Skipped: 1,
		Elapsed: 2 * time.Second,
	}
	var b strings.Builder
	if err := s.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `       type  created  updated  unchanged  repeated  failed
  (unknown)        0        0          0         0       2
      Group        0        4          3         5       0
    Patient       12        0          0         0       1
        all       12        4          3         5       3
2 files read, 1 skipped; 2.0 s, 14 resources/s
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
