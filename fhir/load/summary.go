package load

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// Position says where something was read.
type Position struct {
	File  string
	Line  int // of NDJSON, from 1; else 0
	Entry int // of a Bundle, from 0; else -1
}

// String gives file, file:line, file:entry[n] or file:line:entry[n].
func (p Position) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
	}
	if p.Entry >= 0 {
		s += fmt.Sprintf(":entry[%d]", p.Entry)
	}
	return s
}

// Failure says what was not loaded and why. Key holds what is known of the resource.
// Err is an *fhir.Error whose details may quote the resource.
type Failure struct {
	Position
	Key fhir.Key
	Err error
}

// String gives one line for each issue.
func (f Failure) String() string {
	at := f.Position.String()
	if f.Key.Type != "" {
		at += ": " + strings.TrimSuffix(f.Key.String(), "/")
	}
	var b strings.Builder
	for _, is := range asIssues(f.Err) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(at + ": ")
		if is.Path != "" {
			b.WriteString(is.Path + ": ")
		}
		b.WriteString(is.Detail)
	}
	return b.String()
}

// Counts says what became of resources.
type Counts struct {
	Created, Updated, Unchanged int
	Repeated                    int // not written, since the same id comes again later in the load
	Failed                      int
}

// Summary says how far a load is, or what it did.
type Summary struct {
	Types   map[fhir.Type]Counts // failures whose type is not known are under ""
	Found   int                  // resources that there are to load; 0 when it is not known beforehand
	Files   int                  // read, as far as they could be
	Skipped int                  // files whose names are not those of FHIR JSON
	Bytes   int64                // of resources
	Elapsed time.Duration
}

// Total sums over all types.
func (s Summary) Total() Counts {
	var all Counts
	for _, c := range s.Types {
		all.Created += c.Created
		all.Updated += c.Updated
		all.Unchanged += c.Unchanged
		all.Repeated += c.Repeated
		all.Failed += c.Failed
	}
	return all
}

// Resources is how many resources were dealt with.
func (s Summary) Resources() int {
	c := s.Total()
	return c.Created + c.Updated + c.Unchanged + c.Repeated + c.Failed
}

// WriteTable writes a table by type, with a total and what else is to be known.
func (s Summary) WriteTable(w io.Writer) error {
	var b strings.Builder
	row := func(name string, c Counts) {
		b.WriteString(fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t\n", name, c.Created, c.Updated, c.Unchanged, c.Repeated, c.Failed))
	}
	b.WriteString("type\tcreated\tupdated\tunchanged\trepeated\tfailed\t\n")
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		row(cmp.Or(string(name), "(unknown)"), s.Types[name])
	}
	row("all", s.Total())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, err := t.Write([]byte(b.String()))
	if err := errors.Join(err, t.Flush()); err != nil {
		return err
	}
	rate := float64(s.Resources()) / max(s.Elapsed.Seconds(), 1e-3)
	_, err = fmt.Fprintf(w, "%d files read, %d skipped; %.1f s, %.0f resources/s\n", s.Files, s.Skipped, s.Elapsed.Seconds(), rate)
	return err
}

// tally counts while a load runs.
type tally struct {
	loader *Loader
	start  time.Time

	mu   sync.Mutex
	sum  Summary
	last time.Time
}

func newTally(l *Loader) *tally {
	now := time.Now()
	return &tally{loader: l, start: now, last: now, sum: Summary{Types: map[fhir.Type]Counts{}}}
}

func (t *tally) file() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Files++
}

func (t *tally) read(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Bytes += int64(n)
}

func (t *tally) results(all []fhir.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, res := range all {
		t.count(res.Resource.Type, res.Status)
	}
	t.progress()
}

func (t *tally) done(kind fhir.Type, s fhir.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(kind, s)
}

// count adds one; the caller holds mu.
func (t *tally) count(kind fhir.Type, s fhir.Status) {
	c := t.sum.Types[kind]
	switch s {
	case fhir.Created:
		c.Created++
	case fhir.Updated:
		c.Updated++
	default:
		c.Unchanged++
	}
	t.sum.Types[kind] = c
}

func (t *tally) repeated(u unit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.sum.Types[u.key.Type]
	c.Repeated++
	t.sum.Types[u.key.Type] = c
}

func (t *tally) fail(f Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := f.Key.Type
	if !kind.Valid() {
		kind = ""
	}
	c := t.sum.Types[kind]
	c.Failed++
	t.sum.Types[kind] = c
	if t.loader.Failed != nil {
		t.loader.Failed(f)
	}
	t.progress()
}

// progress reports when it is time to; the caller holds mu.
func (t *tally) progress() {
	if t.loader.Progress == nil || time.Since(t.last) < cmp.Or(t.loader.Every, time.Second) {
		return
	}
	t.last = time.Now()
	t.loader.Progress(t.snapshot())
}

func (t *tally) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshot()
}

func (t *tally) snapshot() Summary {
	s := t.sum
	s.Types = maps.Clone(s.Types)
	s.Elapsed = time.Since(t.start)
	return s
}
