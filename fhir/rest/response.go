package rest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// gzipMin is the smallest body worth compressing. Compressing anything costs
// some 20 µs, as much as reading a resource does, and what is smaller than this fits
// into a packet or two anyway.
const gzipMin = 2048

// maxPretty is the largest body that is indented for _pretty: nobody reads more, and
// it takes several times the memory.
const maxPretty = 1 << 20

// response sends a body in one piece, or in several while it is being made.
type response struct {
	http.ResponseWriter
	req     *request
	pools   *pools
	started bool
	gzip    *gzip.Writer  // while streaming compressed
	whole   *bytes.Buffer // while collecting what must be re-indented
	status  int
	broken  bool      // the client could not be written to
	updated time.Time // of the version that is answered with
}

// pools hold what is expensive to make anew for each response.
type pools struct {
	buffers sync.Pool // *[]byte
	gzips   sync.Pool // *gzip.Writer
}

func newPools() *pools {
	return &pools{
		buffers: sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }},
		gzips: sync.Pool{New: func() any {
			z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails only for unknown levels
			return z
		}},
	}
}

// version sets the headers that name a version of a resource.
func (w *response) version(res fhir.Resource) {
	h := w.Header()
	h.Set("Etag", etag(res.Version))
	w.updated = res.Updated
	if !res.Updated.IsZero() {
		h.Set("Last-Modified", res.Updated.UTC().Format(http.TimeFormat))
	}
}

// empty answers without a body.
func (w *response) empty(status int) {
	w.begin(status)
}

// send answers with a complete JSON body.
func (w *response) send(status int, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType(w.req.media))
	if w.req.pretty && len(body) <= maxPretty {
		body = indent(body)
	}
	if len(body) >= gzipMin && w.compresses() {
		return w.sendGzip(status, body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.begin(status)
	_, err := w.Write(body)
	return err
}

func (w *response) sendGzip(status int, body []byte) error {
	var packed bytes.Buffer
	packed.Grow(len(body) / 2)
	z := w.pools.gzips.Get().(*gzip.Writer)
	defer w.pools.gzips.Put(z)
	z.Reset(&packed)
	if _, err := z.Write(body); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Length", strconv.Itoa(packed.Len()))
	w.begin(status)
	_, err := w.Write(packed.Bytes())
	return err
}

// flush sends what there is so far of a body whose length is not known.
func (w *response) flush(part []byte) error {
	if w.req.pretty && !w.started {
		if w.whole == nil {
			w.whole = new(bytes.Buffer)
		}
		w.whole.Write(part)
		if w.whole.Len() <= maxPretty {
			return nil
		}
		part, w.whole, w.req.pretty = w.whole.Bytes(), nil, false
	}
	if !w.started {
		w.Header().Set("Content-Type", contentType(w.req.media))
		if w.compresses() {
			w.Header().Set("Content-Encoding", "gzip")
			w.gzip = w.pools.gzips.Get().(*gzip.Writer)
			w.gzip.Reset(countingWriter{w})
		}
		w.begin(http.StatusOK)
	}
	var err error
	if w.gzip != nil {
		_, err = w.gzip.Write(part)
	} else {
		_, err = w.Write(part)
	}
	return err
}

// end completes a body, of which part is the rest. Only what was never flushed
// gets a Content-Length.
func (w *response) end(part []byte) error {
	if w.whole != nil {
		return w.send(http.StatusOK, append(w.whole.Bytes(), part...))
	}
	if !w.started {
		return w.send(http.StatusOK, part)
	}
	if err := w.flush(part); err != nil || w.gzip == nil {
		return err
	}
	err := w.gzip.Close()
	w.pools.gzips.Put(w.gzip)
	w.gzip = nil
	return err
}

func (w *response) begin(status int) {
	w.started = true
	w.status = status
	w.WriteHeader(status)
}

// Write counts what is sent.
func (w *response) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if w.req.Method != http.MethodHead {
		w.req.event.Bytes += int64(n)
	}
	w.broken = w.broken || err != nil
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// countingWriter is the response as a plain writer for gzip.
type countingWriter struct{ w *response }

// Write implements io.Writer.
func (c countingWriter) Write(p []byte) (int, error) { return c.w.Write(p) }

// compresses reports whether the client takes gzip. A HEAD is answered
// uncompressed: nobody would see the body that was compressed for it.
func (w *response) compresses() bool {
	return w.req.Method != http.MethodHead && acceptsGzip(w.req.Header["Accept-Encoding"])
}

// acceptsGzip reads Accept-Encoding (RFC 9110 12.5.3).
func acceptsGzip(values []string) bool {
	for _, value := range values {
		if value == "gzip" {
			return true
		}
		for part := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(part, ";")
			name = strings.TrimSpace(name)
			if !strings.EqualFold(name, "gzip") {
				continue
			}
			q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
			if !ok {
				return true
			}
			weight, err := strconv.ParseFloat(q, 64)
			return err == nil && weight > 0
		}
	}
	return false
}

// indent re-indents JSON and changes nothing else: numbers and member order
// stay as they are.
func indent(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		return body
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// instant writes t as FHIR's instant, in UTC with milliseconds.
func appendInstant(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}
