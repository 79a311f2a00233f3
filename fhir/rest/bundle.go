package rest

import (
	"strconv"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/subset"
)

// flushAt is how much of a Bundle is collected before it is sent. A smaller
// Bundle goes out in one write with a Content-Length.
const flushAt = 64 << 10

// bundle writes a Bundle (R4 2.35) around the stored bytes of its resources.
type bundle struct {
	w       *response
	shape   *subset.Shape // of the resources
	buf     []byte
	entries int
}

// newBundle starts a Bundle of the given type. Until, when it is not zero, is the moment up to which
// it is complete.
func newBundle(w *response, kind string, total *int64, shape *subset.Shape, until time.Time) *bundle {
	b := &bundle{w: w, shape: shape, buf: (*w.pools.buffers.Get().(*[]byte))[:0]}
	b.add(`{"resourceType":"Bundle"`)
	if !until.IsZero() {
		b.add(`,"meta":{"lastUpdated":"`)
		b.buf = appendInstant(b.buf, until)
		b.add(`"}`)
	}
	b.add(`,"type":"`, kind, `"`)
	if total != nil {
		b.add(`,"total":`)
		b.buf = strconv.AppendInt(b.buf, *total, 10)
	}
	b.add(`,"link":[`)
	return b
}

func (b *bundle) add(parts ...string) {
	for _, p := range parts {
		b.buf = append(b.buf, p...)
	}
}

// link adds a link; they come before all entries. What appendLink makes needs
// no JSON escapes.
func (b *bundle) link(relation, path string, params ...[]search.Pair) {
	if b.buf[len(b.buf)-1] != '[' {
		b.add(",")
	}
	b.add(`{"relation":"`, relation, `","url":"`)
	b.buf = appendLink(b.buf, b.w.req.base, path, params...)
	b.add(`"}`)
}

// open starts the next entry, after sending what has piled up.
func (b *bundle) open() error {
	if len(b.buf) >= flushAt {
		if err := b.w.flush(b.buf); err != nil {
			return err
		}
		b.buf = b.buf[:0]
	}
	if b.entries == 0 {
		b.add(`],"entry":[{`)
	} else {
		b.add(`,{`)
	}
	b.entries++
	return nil
}

// resource writes fullUrl and, unless it is a delete marker, resource.
func (b *bundle) resource(res fhir.Resource) error {
	b.add(`"fullUrl":"`, b.w.req.base, "/", string(res.Type), "/", res.ID, `"`)
	if !res.Deleted {
		b.add(`,"resource":`)
		buf, err := b.shape.Append(b.buf, res.Type, res.Body)
		if err != nil {
			return err
		}
		b.buf = buf
	}
	return nil
}

// found adds what a search found and what it includes (R4 3.1.1.1.2).
func (b *bundle) found(page fhir.Page) error {
	for _, res := range page.Resources {
		if err := b.entry(res, "match"); err != nil {
			return err
		}
	}
	for _, res := range page.Included {
		if err := b.entry(res, "include"); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) entry(res fhir.Resource, mode string) error {
	if err := b.open(); err != nil {
		return err
	}
	if err := b.resource(res); err != nil {
		return err
	}
	b.add(`,"search":{"mode":"`, mode, `"}}`)
	return nil
}

// outcome adds what there is to say about the search (R4 3.1.1.1.1).
func (b *bundle) outcome(issues []fhir.Issue) error {
	if err := b.open(); err != nil {
		return err
	}
	b.add(`"resource":`)
	b.buf = appendOutcome(b.buf, issues)
	b.add(`,"search":{"mode":"outcome"}}`)
	return nil
}

// version adds one version of a history. Where it is not known how the version
// came about, PUT is the method that would bring it about again.
func (b *bundle) version(res fhir.Resource) error {
	if err := b.open(); err != nil {
		return err
	}
	if err := b.resource(res); err != nil {
		return err
	}
	method, url, status := "PUT", res.Key.String(), "200"
	switch {
	case res.Deleted:
		method, status = "DELETE", "204"
	case res.Method == fhir.Create:
		method, url, status = "POST", string(res.Type), "201"
	case res.Method == fhir.Patch:
		method = "PATCH"
	}
	if res.Born {
		status = "201"
	}
	b.add(`,"request":{"method":"`, method, `","url":"`, url, `"},"response":{"status":"`, status,
		`","etag":"W/\"`, res.Version, `\"","lastModified":"`)
	b.buf = appendInstant(b.buf, res.Updated)
	b.add(`"}}`)
	return nil
}

// close sends the rest. The Bundle must not be used any more.
func (b *bundle) close() error {
	b.add("]}")
	err := b.w.end(b.buf)
	if cap(b.buf) <= 4*flushAt {
		buf := b.buf
		b.w.pools.buffers.Put(&buf)
	}
	return err
}
