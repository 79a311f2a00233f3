package schema

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// Limits of a Validator with zero fields. A questionnaire's item takes two
// levels, an extension too: 64 levels are some thirty of them inside each other,
// more than the official examples have.
const (
	DefaultMaxBytes = 32 << 20
	DefaultMaxDepth = 64
)

// Validator holds the JSON of resources against R4's definitions. The zero
// value works. It is safe for concurrent use, and must not be copied after
// first use.
type Validator struct {
	// Base is the server's FHIR base URL without a trailing slash: absolute
	// references below it are checked like relative ones.
	Base string
	// MaxBytes limits the size of the content; 0 means DefaultMaxBytes.
	MaxBytes int
	// MaxDepth limits how deep objects and arrays nest; 0 means DefaultMaxDepth.
	MaxDepth int

	pool sync.Pool // of *run
}

// Info is what Validate learned about a resource.
type Info struct {
	Type fhir.Type
	ID   string // logical id in the content; empty when it has none
}

// Validate checks that body is a resource of type want, or of any type when
// want is empty. It reads body and keeps nothing of it. The error is an
// *fhir.Error with every issue found, up to MaxIssues; content that is no JSON
// gives a single one.
func (v *Validator) Validate(body []byte, want fhir.Type) (Info, error) {
	if limit := cmp.Or(v.MaxBytes, DefaultMaxBytes); len(body) > limit {
		return Info{}, fhir.Errorf(fhir.CodeTooLong, "", "the content has %d bytes; this server takes %d", len(body), limit)
	}
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return Info{}, fhir.Errorf(fhir.CodeStructure, "", "the content is empty; a JSON resource was expected")
	}
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		return Info{}, fhir.Errorf(fhir.CodeStructure, "", "the content starts with a byte order mark; JSON is UTF-8 without one")
	}
	r := v.newRun(body)
	defer v.recycle(r)
	info := r.document(want)
	switch {
	case r.syntax != nil:
		return info, &fhir.Error{Issues: []fhir.Issue{*r.syntax}}
	case len(r.issues) > 0:
		return info, &fhir.Error{Issues: r.issues}
	}
	return info, nil
}

// run is one validation. Its slices are reused by the next.
type run struct {
	base     string
	maxDepth int
	body     []byte
	buf      bytes.Buffer
	dec      jsontext.Decoder
	aheadBuf bytes.Buffer
	ahead    jsontext.Decoder // looks for resourceType further on

	depth   int
	path    []segment
	issues  []fhir.Issue
	syntax  *fhir.Issue // the content is no JSON; stops the run
	scratch []byte      // text of strings with escapes

	pairs []pair  // arrays of primitives and of companions in open objects
	gaps  []int32 // positions without content, of pairs

	bundles   int // how many Bundles we are in
	contained bool
	ids       []string   // of contained resources
	fragments []fragment // "#id" references not yet resolved
}

func (v *Validator) newRun(body []byte) *run {
	r, ok := v.pool.Get().(*run)
	if !ok {
		r = &run{}
	}
	r.base = v.Base
	r.maxDepth = cmp.Or(v.MaxDepth, DefaultMaxDepth)
	r.body = body
	r.buf = *bytes.NewBuffer(body)
	// Duplicate names are found by slot, which is cheaper than by name.
	r.dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true))
	return r
}

// keepBytes is how much scratch space a recycled run may hold on to.
const keepBytes = 64 << 10

// recycle returns r to the pool without the caller's bytes, and without what an
// unusually large resource made it grow.
func (v *Validator) recycle(r *run) {
	if cap(r.scratch) > keepBytes || cap(r.pairs) > 1<<10 || cap(r.gaps) > 1<<14 || cap(r.ids) > 1<<10 || cap(r.fragments) > 1<<10 {
		return
	}
	clear(r.ids[:cap(r.ids)])
	clear(r.fragments[:cap(r.fragments)])
	r.buf, r.aheadBuf, r.body = bytes.Buffer{}, bytes.Buffer{}, nil
	r.dec.Reset(&r.buf)
	r.ahead.Reset(&r.aheadBuf)
	r.depth, r.bundles, r.contained = 0, 0, false
	r.issues, r.syntax = nil, nil
	r.path, r.scratch = r.path[:0], r.scratch[:0]
	r.pairs, r.gaps = r.pairs[:0], r.gaps[:0]
	r.ids, r.fragments = r.ids[:0], r.fragments[:0]
	v.pool.Put(r)
}

// document reads the one resource that the content is.
func (r *run) document(want fhir.Type) Info {
	info := r.resource(want, false)
	if r.syntax != nil {
		return info
	}
	if _, err := r.dec.ReadToken(); err == nil {
		r.malformed("more content follows the resource")
	} else if !errors.Is(err, io.EOF) {
		r.broken(err)
	}
	return info
}
